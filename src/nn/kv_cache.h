// Keys and values of running sequences in fixed-size blocks. Block ids are handed out by sched/block_pool.h.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "nn/model_config.h"

namespace foil::nn {

class KvCache {
 public:
  // Per layer: keys [blocks, kv_heads, head_dim, block_tokens] (scores of a block are one small product), values
  // [blocks, kv_heads, block_tokens, head_dim].
  KvCache(const ModelConfig& config, int64_t blocks, int64_t block_tokens, at::Device device, at::ScalarType type);
  int64_t blocks() const { return blocks_; }
  int64_t block_tokens() const { return block_tokens_; }
  at::Tensor& keys(int64_t layer) { return keys_[layer]; }
  at::Tensor& values(int64_t layer) { return values_[layer]; }
  void copy_block(int64_t from, int64_t to);  // all layers: copy-on-write of a shared, partly filled block
  static int64_t bytes_per_block(const ModelConfig& config, int64_t block_tokens, at::ScalarType type);

 private:
  int64_t blocks_, block_tokens_;
  std::vector<at::Tensor> keys_, values_;
};

// One engine step: each sequence brings some new tokens (a prefill chunk, or one token in decode).
struct StepBatch {
  at::Tensor tokens;     // [T] i64, sequences end to end
  at::Tensor positions;  // [T] i64
  struct Sequence {
    int64_t begin = 0, end = 0;    // rows of this step
    int64_t context = 0;           // tokens already in the cache before this step
    std::vector<int32_t> blocks;   // block table covering context + (end − begin) tokens
  };
  std::vector<Sequence> sequences;
};

}  // namespace foil::nn
