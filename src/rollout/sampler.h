// Choosing the next token: temperature, top-k, top-p, min-p over a batch of logit rows, without sorting the vocabulary.
//
// The log-probability returned is under the distribution the token was drawn from: softmax(logits / temperature) over the tokens that
// survive top-k, then top-p, then min-p, renormalised. With all three off this is the trainer's token_logprobs at that temperature.
// Temperature 0 is greedy: the lowest id among the largest logits, with the log-probability at temperature 1.
#pragma once
#include <cstdint>

#include "data/generator.h"  // SamplingParams

namespace foil::rollout {

struct Draw {
  int32_t token;
  float logprob;
};

// One row of `vocab` f32 logits (left as they are) and one uniform number in [0, 1).
Draw sample_row(const float* logits, int64_t vocab, const SamplingParams& params, double uniform);

}  // namespace foil::rollout
