// Attention of new tokens over a block-table KV cache, without gathering. No autograd.
#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "nn/kv_cache.h"

namespace foil::nn {

// Writes k, v [T, kv_heads, d] of the step's tokens into layer `layer` of the cache (f32 on the CPU), then returns the attended values
// [T, heads, d] of q [T, heads, d]: each new token sees its sequence's context and the new tokens up to itself.
at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const StepBatch& batch, KvCache& cache, int64_t layer);

// Where a step's rows lie in a token-major cache, on its device.
struct StepPlaces {
  at::Tensor begins;      // [S + 1] i32: first rows of the sequences, and the end of the last
  at::Tensor slots;       // [T] i64: the place among all the cache's tokens that each new token takes
  at::Tensor lengths;     // [S] i32: context and new tokens
  at::Tensor table;       // [S, n] i32: their blocks; the spare block where a sequence has fewer
  int64_t most_rows = 1;  // of one sequence
};
StepPlaces step_places(const StepBatch& batch, const KvCache& cache);

// The same for a token-major cache, on any device: flash attention reads the blocks in place where it can, else they are gathered for
// scaled_dot_product_attention. Shapes follow from those of its arguments alone, and the host waits for nothing (nn/recorded_work.h).
at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const StepPlaces& places, KvCache& cache, int64_t layer);

// The same in pieces, for callers that split the work themselves (nn/packed_decoder.cpp): raw f32 memory of one layer of a cache.
struct PagedLayer {
  PagedLayer(KvCache& cache, int64_t layer);
  float *keys, *values;
  int64_t kv_heads, d, block_tokens, block_size;  // floats from one block to the next
};

// k, v [kv_heads·d] of a sequence's token at place `token` into its block.
void write_token(const PagedLayer& layer, const StepBatch::Sequence& sequence, int64_t token, const float* k, const float* v);

// The heads of one kv head, for queries [first, first + rows) of the new tokens of one sequence, or for the one new token each of several
// whose tables begin with the same `shared` blocks (samples of one prompt; 0 where there is one sequence): those are read once for all of them.
struct AttentionJob {
  std::vector<const StepBatch::Sequence*> sequences;
  int64_t shared, kv_head, first, rows;
};
// The dearest first. They point into `batch`. `threads` decides how many sequences share a job, and so changes no bit of a result.
std::vector<AttentionJob> attention_jobs(const StepBatch& batch, int64_t heads, int64_t kv_heads, int64_t block_tokens, int threads);
// Buffers of one thread; they grow, and hold nothing between calls.
struct AttentionScratch {
  std::vector<float> scores, queries, results;
};
// q and out: [T, heads·d] with rows q_row and out_row apart; lse [T, heads], unless null, receives the log-sum-exp of each row of scores.
// A query's result does not depend, to the bit, on who shares its job.
void attend(const PagedLayer& layer, const AttentionJob& job, int64_t heads, const float* q, int64_t q_row, float* out, int64_t out_row, float* lse, AttentionScratch& scratch);

}  // namespace foil::nn
