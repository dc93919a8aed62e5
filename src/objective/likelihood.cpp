#include "objective/likelihood.h"

namespace foil::objective {

LikelihoodResult negative_log_likelihood(const at::Tensor& logprob, const StepCounts& step, const at::Tensor& sequence, const at::Tensor& weight) {
  LikelihoodResult out;
  const at::Tensor loss = weight.defined() ? -logprob * weight.index_select(0, sequence) : -logprob;
  out.loss = loss.sum() / double(std::max<int64_t>(step.tokens ? step.tokens : logprob.numel(), 1));
  out.statistics.mean("nll", -logprob);
  out.statistics.sum("loss", out.loss);
  return out;
}

}  // namespace foil::objective
