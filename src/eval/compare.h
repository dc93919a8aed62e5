// Two policies on the same problems: paired differences and negative flips.
//
// A negative flip is a problem the old policy solved and the new one does not (Yan et al. 2021, arXiv 2011.09161). With sampling,
// "solved" is a chance: flips by majority vote, and the expected rate mean(p_old · (1 − p_new)), beside the rate the old policy has
// against itself, mean(p_old · (1 − p_old)) — what mere sampling noise gives.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/estimators.h"
#include "eval/result.h"

namespace foil::eval {

struct FlipRates {
  double negative = 0;               // by majority (greedy: by the answer): old right, new wrong; share of all problems
  double positive = 0;               // old wrong, new right
  double expected_negative = 0;      // mean p_old (1 − p_new)
  double noise = 0;                  // mean p_old (1 − p_old)
  std::vector<std::string> flipped;  // problems that flipped to wrong by majority
};

struct SplitComparison {
  std::string split;
  int64_t problems = 0;
  PairedDifference accuracy;   // new − old
  FlipRates flips;
};

struct Comparison {
  std::string old_policy, new_policy;
  std::vector<SplitComparison> splits;
  PairedDifference average;    // mean over splits, problems resampled within splits
  double negative_flips = 0;   // mean over splits
};

// Over the splits both have, problems matched by id. Throws Error when a common split holds different problems.
Comparison compare(const EvalResult& old_result, const EvalResult& new_result, const BootstrapOptions& options = {});

// The gate of positive-congruent training: does the new policy's negative flip rate stay at or below the limit?
bool within_flip_limit(const Comparison& comparison, double limit);

void to_json(nlohmann::json& j, const Comparison& x);

}  // namespace foil::eval
