// Keys and values of running sequences in fixed-size blocks. Block ids are handed out by sched/block_pool.h.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "nn/model_config.h"

namespace foil::nn {

class KvCache {
 public:
  // Per layer, f32 on the CPU: keys [blocks, kv_heads, head_dim, block_tokens] (scores of a block are one small product), values
  // [blocks, kv_heads, block_tokens, head_dim]; all that a block holds lies together, so that memory is touched as blocks are used.
  // Elsewhere token by token: both [blocks + 1, block_tokens, kv_heads, head_dim], of which the last block is nobody's: rows that only fill
  // up a batch write there.
  KvCache(const ModelConfig& config, int64_t blocks, int64_t block_tokens, at::Device device, at::ScalarType type);
  int64_t blocks() const { return blocks_; }
  int64_t block_tokens() const { return block_tokens_; }
  bool token_major() const { return token_major_; }
  at::Device device() const { return keys_[0].device(); }
  at::Tensor& keys(int64_t layer) { return keys_[size_t(layer)]; }
  at::Tensor& values(int64_t layer) { return values_[size_t(layer)]; }
  // All layers of (from, to), ids of blocks: copy-on-write of shared, partly filled ones. No block is written twice, or both read and written.
  void copy_blocks(std::span<const std::pair<int64_t, int64_t>> copies);
  static int64_t bytes_per_block(const ModelConfig& config, int64_t block_tokens, at::ScalarType type);
  // `wanted`, or the next multiple of 256 where flash attention is to read the blocks in place (nn/flash_attention.h).
  static int64_t usable_block_tokens(const ModelConfig& config, int64_t wanted, at::Device device, at::ScalarType type);

 private:
  int64_t blocks_, block_tokens_;
  bool token_major_;
  at::Tensor memory_;  // [blocks, layers, 2, …], unless token-major
  std::vector<at::Tensor> keys_, values_;
};

// One engine step: each sequence brings some new tokens (a prefill chunk, or one token in decode).
struct StepBatch {
  at::Tensor tokens;     // [T] i64, sequences end to end, on the CPU
  at::Tensor positions;  // [T] i64, on the CPU
  struct Sequence {
    int64_t begin = 0, end = 0;    // rows of this step
    int64_t context = 0;           // tokens already in the cache before this step
    std::vector<int32_t> blocks;   // block table covering context + (end − begin) tokens; a block in several tables is full, and in their contexts
  };
  std::vector<Sequence> sequences;
};

}  // namespace foil::nn
