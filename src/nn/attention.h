// Causal attention over a packed batch, grouped-query, shared prefixes attended in place. No [T, T] matrix, no padding.
#pragma once
#include <ATen/ATen.h>

#include <vector>

#include "nn/packed_batch.h"

namespace foil::nn {

// q [T, heads, d]; k, v [T, kv_heads, d]; returns [T, heads, d]. Scores are scaled by 1/√d. Gradients flow to q, k, v; the gradient
// of a shared prefix is the sum over its segments, added in segment order (bit-equal from run to run and for any thread count).
// f32 on the CPU takes the own kernel (blocks of queries against transposed keys, softmax statistics kept for the backward pass);
// half precision on CUDA goes through flash attention in one call; everything else segment by segment through
// scaled_dot_product_attention.
at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments);

}  // namespace foil::nn
