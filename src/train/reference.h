// Log-probabilities of fixed completions under a frozen model: computed once, kept on disk, read by every later run.
//
//   FOLDER/reference-KEY/00000.safetensors …   2048 items a file, each sealed by 00000.json; a killed pass goes on at the next file
// KEY hashes the model's weights and the tokens, so a cache can never be read for another model or other data.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "dist/ranks.h"
#include "nn/transformer.h"
#include "train/example.h"

namespace foil::train {

// One prompt and the completions that share it.
struct ScoredTokens {
  const Tokens* prompt;
  std::vector<const Tokens*> completions;
};

// Summed log-probability of every completion, in order: [completions of item 0, of item 1, …] f32, on the CPU. No gradient.
// Forward passes hold up to micro_batch_tokens packed tokens.
at::Tensor summed_logprobs(const nn::Transformer& model, const std::vector<ScoredTokens>& items, int64_t micro_batch_tokens);

// The same through the cache. `data_hash` stands for the items. `label`: of the progress line. Several ranks share the files out
// among themselves; a rank that does not see the others' files computes those too.
at::Tensor cached_logprobs(const nn::Transformer& model, const std::vector<ScoredTokens>& items, int64_t micro_batch_tokens, const std::filesystem::path& folder,
                           const std::string& data_hash, const std::string& label, dist::Ranks* ranks = nullptr);

}  // namespace foil::train
