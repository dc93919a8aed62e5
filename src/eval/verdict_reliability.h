// How far the verifier's verdicts can be trusted, measured without a gold standard: three raters order a right and a wrong answer of the same
// problem, the verifier (by its verdicts), the judge and the reward model (by their scores). If their errors are independent, each pair's mean
// agreement is the product of their accuracies (−1 … 1), E[v·j] = α_v α_j, and three agreements give all three accuracies:
//   α_v = √(E[v·j] E[v·m] / E[j·m])     chance that the verifier orders the two rightly = (1 + α_v)/2
// (the triplet estimate: Joglekar et al. 2013; Fu et al. 2020, arXiv 2002.11955 §3.1. A rater that says nothing, a tie, counts 0.)
//
// Orders have no class balance to know. Not seen: an error that two raters share. So the samples must be the policy's own, not such as
// were made to please judge and reward model, and of problems whose verdicts the reward model has not been trained on.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "data/record.h"

namespace foil::eval {

struct VerdictReliability {
  std::optional<double> order;  // chance in (0.5, 1] that the verifier orders a pair rightly; absent: an agreement is not above chance (two standard errors)
  int64_t problems = 0;         // with a right and a wrong answer that both scorers scored; each counts once
  double verifier_judge = 0, verifier_model = 0, judge_model = 0;  // mean agreements
};

// Reads correct, scores["judge"] and scores["reward_model"] of finished samples. `measured`: whether a problem is to be looked at.
VerdictReliability verdict_reliability(std::span<const Sample> samples, const std::function<bool(const std::string& problem_id)>& measured);

}  // namespace foil::eval
