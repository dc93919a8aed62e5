// Log-probabilities of given tokens from hidden states, without ever holding [tokens, vocabulary] for more than a chunk.
#pragma once
#include <ATen/ATen.h>

namespace foil::nn {

struct TokenLogprobs {
  at::Tensor logprob;  // [R] f32, log softmax(hidden·Wᵀ / temperature)[target]; gradient flows to hidden and weight
  at::Tensor entropy;  // [R] f32 when asked for, detached; else undefined
};

// hidden [R, D]; weight [V, D]; targets [R] i64. Fused linear + log-softmax, forward and backward in chunks of rows.
TokenLogprobs token_logprobs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                             double temperature = 1.0, bool entropy = false, int64_t chunk_rows = 0);

}  // namespace foil::nn
