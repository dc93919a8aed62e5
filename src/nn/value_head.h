// A decoder with a linear head that scores tokens: reward models (the last token of a text) and critics (every token).
//
// On disk it is a Hugging Face sequence-classification folder with one label (LlamaForSequenceClassification, Qwen2For…, Qwen3For…):
// "score.weight" beside the decoder's weights, no output matrix. transformers loads it as it is.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>

#include "nn/transformer.h"

namespace foil::nn {

// [1, hidden] f32, normal(0, 1/√(hidden + 1)), keyed by the seed.
at::Tensor random_score_head(int64_t hidden, uint64_t seed, at::Device device = at::kCPU);

// hidden [R, D] · head [1, D]: [R] f32. Gradients flow to both.
at::Tensor score_tokens(const at::Tensor& hidden, const at::Tensor& head);

// Row of each segment's last token, [segments] i64 on the batch's device.
at::Tensor last_rows(const PackedBatch& batch);

struct RewardModel {
  Transformer backbone;  // its output matrix, if any, is not used
  at::Tensor head;       // [1, hidden] f32

  // A sequence-classification folder with one label. Throws Error for a folder without "score.weight", or with several labels.
  static RewardModel load(const std::filesystem::path& folder, at::Device device = at::kCPU, at::ScalarType type = at::kFloat);
  void save(const std::filesystem::path& folder, at::ScalarType type, int64_t max_shard_bytes = int64_t{5} << 30) const;

  // Score of each segment at its last token, [segments] f32.
  at::Tensor score(const PackedBatch& batch, const ForwardOptions& options = {}) const;
};

}  // namespace foil::nn
