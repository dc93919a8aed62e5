// A Transformer's weights packed for cached decoding (nn/panels.h): made once per policy version, used for many steps.
//
// On the CPU the matrix products are our own over packed weights, with f32's precision whatever the weights' type (nn/packed_matrix.h):
// nothing is packed per step, and a row's result does not depend on the rows beside it, so decoding is deterministic at full speed. All
// layers of a step run in one parallel region (nn/team.h). Elsewhere decode steps go through nn/decode_step.h and prompts through
// Transformer::step. Costs one copy of the matrices, in bf16 where that holds them exactly, else in f32; holds a reference to the model,
// whose weights must not change meanwhile.
#pragma once
#include <ATen/ATen.h>

#include <memory>
#include <span>
#include <vector>

#include "nn/decoder.h"
#include "nn/kept_activations.h"
#include "nn/kv_cache.h"
#include "nn/packed_matrix.h"
#include "nn/transformer.h"

namespace foil::nn {

class DecodeStep;  // nn/decode_step.h

class PackedDecoder {
 public:
  explicit PackedDecoder(const Transformer& model);
  ~PackedDecoder();
  bool packed() const { return output_.defined(); }
  // Of the keys and values in a cache for this model: f32 when packed, else the weights' type.
  static at::ScalarType type_for(const Transformer& model);

  // As Transformer::step, and the logits [rows, vocab] f32 of hidden rows. Of the step's rows that `kept` has a place for (`places` [T],
  // KeptActivations::add), every layer's values are written there; only when packed().
  at::Tensor step(const StepBatch& batch, KvCache& cache, const KeptActivations* kept = nullptr, std::span<const int32_t> places = {}) const;
  at::Tensor logits(const at::Tensor& hidden) const;

 private:
  struct PackedLayer {
    at::Tensor input_norm, post_norm, qkv_bias, o_bias, q_norm, k_norm;  // f32
    PackedMatrix qkv, o, gate, up, down;
  };
  const Transformer& model_;
  mutable std::unique_ptr<DecodeStep> elsewhere_;  // for the cache of the first step
  mutable const KvCache* its_cache_ = nullptr;
  at::Tensor embedding_, norm_;
  std::vector<PackedLayer> layers_;
  PackedMatrix output_;
};

}  // namespace foil::nn
