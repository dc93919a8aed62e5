// A decoder layer as one autograd node: forward and backward written out, for f32 on the CPU.
//
// Rows are worked through in blocks that fit the cache, one thread a block: norm, projection, activation and projection of a block
// run back to back. q, k and v (and gate and up) are one product. Kept for the backward pass: the layer's input, the rotated
// projections, the attended values, the middle of the residual stream and the gate/up product; norms and activations are made again.
// With `recompute` only the input is kept; with `sampled` the sampler has made the forward pass and nothing is left to do. Of rows that
// nobody reads behind the layer only keys and values are made. The twin is layer_forward in transformer.cpp, composed of single operations.
#pragma once
#include <ATen/ATen.h>

#include "nn/decoder.h"
#include "nn/kept_activations.h"
#include "nn/packed_batch.h"

namespace foil::nn {

// Holds for f32 weights and activations on the CPU without an output bias.
bool fused_layer_applies(const Layer& layer, const at::Tensor& x);

// What every layer of one forward pass shares; kept alive by the autograd nodes.
struct LayerPass : torch::CustomClassHolder {
  ModelConfig config;
  PackedBatch batch;
  RotaryTable table;
  bool recompute = false;
  at::Tensor rows;  // [R] i64: the result's rows, unless undefined (all of them)
  SampledRows sampled;  // `kept` null: not sampled
  uint64_t version = 0;  // of `kept` when the pass was made
};

// x [T, hidden] → [T, hidden], or [R, hidden]. Gradients flow to x and the layer's weights. With `sampled` x is not read, and the
// result has values only behind the last layer.
at::Tensor fused_layer(const at::Tensor& x, const Layer& layer, int64_t number, const c10::intrusive_ptr<LayerPass>& pass);

}  // namespace foil::nn
