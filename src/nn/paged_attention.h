// Attention of new tokens over a block-table KV cache, without gathering. No autograd.
#pragma once
#include <ATen/ATen.h>

#include "nn/kv_cache.h"

namespace foil::nn {

// Writes k, v [T, kv_heads, d] of the step's tokens into layer `layer` of the cache, then returns the attended values [T, heads, d]
// of q [T, heads, d]: each new token sees its sequence's context and the new tokens up to itself.
// f32 on the CPU takes the own kernel; other devices and types gather each sequence's blocks and use scaled_dot_product_attention.
at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const StepBatch& batch, KvCache& cache, int64_t layer);

}  // namespace foil::nn
