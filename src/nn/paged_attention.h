// Attention of new tokens over a block-table KV cache, without gathering. No autograd.
#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "nn/kv_cache.h"

namespace foil::nn {

// Writes k, v [T, kv_heads, d] of the step's tokens into layer `layer` of the cache, then returns the attended values [T, heads, d]
// of q [T, heads, d]: each new token sees its sequence's context and the new tokens up to itself.
// f32 on the CPU takes the own kernel; other devices and types gather each sequence's blocks and use scaled_dot_product_attention.
at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const StepBatch& batch, KvCache& cache, int64_t layer);

// The same in pieces, for callers that split the work themselves (nn/packed_decoder.cpp): raw f32 memory of one layer of a cache.
struct PagedLayer {
  PagedLayer(KvCache& cache, int64_t layer);
  float *keys, *values;
  int64_t kv_heads, d, block_tokens;
};

// k, v [kv_heads·d] of a sequence's token at place `token` into its block.
void write_token(const PagedLayer& layer, const StepBatch::Sequence& sequence, int64_t token, const float* k, const float* v);

struct AttentionJob {  // queries [first, first + rows) of a sequence's new tokens, the heads of one kv head
  const StepBatch::Sequence* sequence;
  int64_t kv_head, first, rows;
};
std::vector<AttentionJob> attention_jobs(const StepBatch& batch, int64_t kv_heads);  // the dearest first
// q and out: [T, heads·d] with rows q_row and out_row apart. `scores` is scratch.
void attend(const PagedLayer& layer, const AttentionJob& job, int64_t heads, const float* q, int64_t q_row, float* out, int64_t out_row, std::vector<float>& scores);

}  // namespace foil::nn
