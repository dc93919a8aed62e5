// A decoder-only transformer (Llama / Qwen2 / Qwen3 shapes) over packed batches, for training and for cached decoding.
//
// Weights are plain named tensors in the Hugging Face spelling; autograd flows when they require grad. The object is shared by
// trainer and rollout engine: same weights, same code, so sampler and trainer agree.
// Not thread-safe for concurrent weight updates; concurrent forward passes are fine.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "nn/layers.h"
#include "nn/model_config.h"
#include "nn/packed_batch.h"

namespace foil::nn {

class KvCache;       // nn/kv_cache.h
struct StepBatch;    // nn/kv_cache.h
struct SampledRows;  // nn/kept_activations.h

struct ForwardOptions {
  bool recompute = false;  // keep only layer inputs, recompute inside backward
  const SampledRows* sampled = nullptr;  // where the sampler left the layers' values of these tokens: not computed again
};

class Transformer {
 public:
  Transformer() = default;
  // Uninitialised weights.
  Transformer(const ModelConfig& config, at::Device device, at::ScalarType type);
  // Random weights: normal(0, 0.02), the residual outputs scaled by 1/sqrt(2·layers); keyed by (seed, name).
  static Transformer random(const ModelConfig& config, uint64_t seed, at::Device device = at::kCPU, at::ScalarType type = at::kFloat);
  // A Hugging Face folder (single or sharded safetensors), or a .gguf file. Weights converted to `type`.
  static Transformer load(const std::filesystem::path& path, at::Device device = at::kCPU, at::ScalarType type = at::kFloat);
  // Writes config.json and model.safetensors (sharded above max_shard_bytes), atomically. Tokenizer files are the caller's.
  void save(const std::filesystem::path& folder, at::ScalarType type, int64_t max_shard_bytes = int64_t{5} << 30) const;

  const ModelConfig& config() const { return config_; }
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }  // sorted by name; tied weights once
  std::map<std::string, at::Tensor>& parameters() { return parameters_; }
  void requires_grad(bool on);
  Transformer clone() const;                        // deep copy, without gradients
  void copy_weights(const Transformer& from);       // same shapes
  at::Device device() const;
  at::ScalarType type() const;

  // [T, hidden] after the final norm; or of `rows` [R] i64 alone, in their order: [R, hidden]. In the last layer the others are keys and
  // values and no more, so who reads few rows (the ends of texts, the answers behind prompts) names them.
  at::Tensor hidden(const PackedBatch& batch, const ForwardOptions& options = {}) const { return hidden(batch, at::Tensor(), options); }
  at::Tensor hidden(const PackedBatch& batch, const at::Tensor& rows, const ForwardOptions& options = {}) const;
  const at::Tensor& output_weight() const;          // [vocab, hidden]
  at::Tensor logits(const at::Tensor& hidden) const;  // [rows, vocab], f32: keep rows few

  // Cached forward: writes K/V of the step's tokens into the cache and returns the hidden state [rows, hidden] of each
  // sequence's last token (see StepBatch). No autograd. On the CPU nn/packed_decoder.h does the same faster.
  at::Tensor step(const StepBatch& batch, KvCache& cache) const;

  // Cosines and sines for at least `length` positions, grown on demand.
  RotaryTable rotary(int64_t length) const;

 private:
  struct RotaryCache {
    std::mutex mutex;
    RotaryTable table;
  };
  ModelConfig config_;
  std::map<std::string, at::Tensor> parameters_;
  std::shared_ptr<RotaryCache> rotary_ = std::make_shared<RotaryCache>();
};

}  // namespace foil::nn
