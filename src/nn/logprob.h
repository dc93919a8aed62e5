// Log-probabilities of given tokens from hidden states, without ever holding [tokens, vocabulary] for more than a chunk of bounded size.
#pragma once
#include <ATen/ATen.h>

namespace foil::nn {

struct TokenLogprobs {
  at::Tensor logprob;  // [R] f32, log softmax(hidden·Wᵀ / temperature)[target]; gradient flows to hidden and weight
  at::Tensor entropy;  // [R] f32 when asked for, detached; else undefined
};

// What the forward pass keeps of its logits for the backward pass on the CPU: making them again is a fourth of the output matrix's work.
inline constexpr int64_t kKeptLogitBytes = int64_t{256} << 20;

// The softmax of each row's logits / temperature, where somebody has reckoned it already: log Σ exp and the entropy, [R] f32.
struct KnownSoftmax {
  at::Tensor lse, entropy;
};

// hidden [R, D]; weight [V, D]; targets [R] i64. Fused linear + log-softmax, forward and backward in chunks of rows. Logits of the first rows
// are kept for the backward pass, up to kept_bytes, on the CPU in f32; the rest is made again. Results do not depend on it. known: then the
// forward pass is R dot products; on the CPU in f32 only, elsewhere not used.
TokenLogprobs token_logprobs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                             double temperature = 1.0, bool entropy = false, int64_t chunk_rows = 0, int64_t kept_bytes = kKeptLogitBytes,
                             const KnownSoftmax* known = nullptr);

}  // namespace foil::nn
