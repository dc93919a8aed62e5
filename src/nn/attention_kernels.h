// The CPU kernels under packed_attention: f32, raw pointers, rows of q, k, v at any stride (they may be slices of one projection).
#pragma once
#include <cstdint>
#include <vector>

#include "nn/packed_batch.h"

namespace foil::nn {

struct AttentionShape {
  int64_t heads, kv_heads, d;
  int64_t q_row, kv_row;  // floats between tokens of q (and dq), of k and v (and dk, dv); out and dout have heads·d
  int64_t group() const { return heads / kv_heads; }
  int64_t out_row() const { return heads * d; }
  float scale() const;
};

// out [T, heads, d]; lse [T, heads] receives the log-sum-exp of each row of scores. Parallel over blocks of queries.
void attention_forward(const std::vector<Segment>& segments, const AttentionShape& shape, const float* q, const float* k, const float* v, float* out,
                       float* lse);

// dq, dk, dv are overwritten. A prefix's gradient is summed over its segments in their order, by one thread: bit-equal from run to run.
void attention_backward(const std::vector<Segment>& segments, const AttentionShape& shape, const float* q, const float* k, const float* v,
                        const float* out, const float* lse, const float* dout, float* dq, float* dk, float* dv);

}  // namespace foil::nn
