// Negative log-likelihood: supervised fine-tuning, and the NLL terms of preference losses.
#pragma once
#include <ATen/ATen.h>

#include "objective/packed.h"
#include "objective/statistics.h"

namespace foil::objective {

struct LikelihoodResult {
  at::Tensor loss;        // 0-dim; Σ over micro-batches = the step's loss
  Statistics statistics;  // nll (per token)
};

// −Σ_t w_{s(t)} log π / tokens of the step (token_mean). logprob [R]; sequence [R] and weight [S] optional together.
//   checked: hand-worked; independent of the split into micro-batches
LikelihoodResult negative_log_likelihood(const at::Tensor& logprob, const StepCounts& step = {}, const at::Tensor& sequence = {},
                                         const at::Tensor& weight = {});

}  // namespace foil::objective
