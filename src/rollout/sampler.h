// Choosing the next token: temperature, top-k, top-p, min-p over a batch of logit rows, without sorting the vocabulary.
//
// The log-probability returned is under the distribution the token was drawn from: softmax(logits / temperature) over the tokens that
// survive top-k, then top-p, then min-p, renormalised. With all three off this is the trainer's token_logprobs at that temperature.
// Temperature 0 is greedy: the lowest id among the largest logits, with the log-probability at temperature 1.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "data/generator.h"  // SamplingParams

namespace foil::rollout {

struct Draw {
  int32_t token;
  float logprob;
  // Of softmax(logits / temperature) over the whole vocabulary, at temperature 1 for a greedy draw: log Σ exp, and the entropy where it was
  // asked for, else NaN.
  float lse, entropy;
};

// One row of `vocab` f32 logits (left as they are) and one uniform number in [0, 1).
Draw sample_row(const float* logits, int64_t vocab, const SamplingParams& params, double uniform, bool entropy = false);

// The rows of logits [n, vocab] f32, one uniform number each, drawn where the logits are: on the CPU by sample_row over all threads, elsewhere
// by tensor operations, of which only tokens and log-probabilities come back (and NaN). The same rule; a draw may differ where rounding decides.
std::vector<Draw> sample_rows(const at::Tensor& logits, const SamplingParams& params, const std::vector<double>& uniforms, bool entropy = false);
std::vector<Draw> sample_rows_by_tensors(const at::Tensor& logits, const SamplingParams& params, const std::vector<double>& uniforms);

}  // namespace foil::rollout
