// Weights of a decoder by role, and the two halves of a layer around its attention: shared by the training pass and the cached step.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nn/layers.h"
#include "nn/model_config.h"

namespace foil::nn {

// Every parameter a model of this configuration has, in the Hugging Face spelling, with its shape.
std::map<std::string, std::vector<int64_t>> parameter_shapes(const ModelConfig& config);

// The same as uninitialised tensors. q, k and v of a layer stand end to end in one piece of memory, gate and up too, so that each
// is one matrix product; they are still tensors of their own.
std::map<std::string, at::Tensor> empty_parameters(const ModelConfig& config, at::Device device, at::ScalarType type);

struct Layer {  // undefined tensors where the architecture has none
  at::Tensor input_norm, post_norm;            // [hidden]
  at::Tensor q, k, v, o;                       // [heads·d, hidden], [kv_heads·d, hidden] ×2, [hidden, heads·d]
  at::Tensor q_bias, k_bias, v_bias, o_bias;
  at::Tensor q_norm, k_norm;                   // [d]
  at::Tensor gate, up, down;                   // [intermediate, hidden] ×2, [hidden, intermediate]

  // The same weights as one tensor each, without gradient; made by fuse(). Copies only where the parts are not end to end in memory.
  at::Tensor qkv, qkv_bias, gate_up;
  void fuse();

  // The fields before qkv in order, without the undefined ones, and back: which there are follows from the configuration.
  std::vector<at::Tensor> defined_fields() const;
  static Layer from(const ModelConfig& config, const std::vector<at::Tensor>& fields);
};

// Handles into a Transformer's parameters.
struct Decoder {
  Decoder(const ModelConfig& config, const std::map<std::string, at::Tensor>& parameters);
  at::Tensor embedding, norm, output;
  std::vector<Layer> layers;
};

struct QueryKeyValue {
  at::Tensor q, k, v;  // [T, heads, d], [T, kv_heads, d] ×2, rotated
};

// Norm, projections, q/k norm and rotary positions of x [T, hidden].
QueryKeyValue project(const ModelConfig& config, const Layer& layer, const at::Tensor& x, const at::Tensor& positions, const RotaryTable& table);

// Output projection, residual, norm, MLP, residual: [T, hidden] from x and the attended values [T, heads, d].
at::Tensor finish_layer(const ModelConfig& config, const Layer& layer, const at::Tensor& x, const at::Tensor& attended);

// The stream [T, hidden] of tokens [T] before the final norm, without autograd, with the fused weights: attend(layer, q, k, v) gives the
// attended values [T, heads, d].
at::Tensor cached_layers(const ModelConfig& config, const Decoder& decoder, const at::Tensor& tokens, const at::Tensor& positions, const RotaryTable& table,
                         const std::function<at::Tensor(int64_t layer, const QueryKeyValue&)>& attend);

}  // namespace foil::nn
