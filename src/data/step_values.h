// What each step of a worked solution is worth: rollouts from every prefix (RL on incorrect synthetic data, Setlur et al. 2024, arXiv 2406.14532).
//
//   Q(prefix ending at step i) = share of n continuations that end right; Q of the whole sample = 1 or 0, its own verdict
//   advantage of step i        = Q_i − Q_{i−1}
//   first bad step             = the first whose drop Q_{i−1} − Q_i is above 0 at the given confidence (one-sided Agresti–Caffo bound)
//   spurious step              = a bad step inside a right sample: the answer is right in spite of it
//
// A wrong sample with a first bad step gives a pair for per-step DPO: prompt and shared prefix as the prompt, the bad step as rejected, the
// next step of a continuation from the same prefix that ended right as chosen. Text comes through the Generator seam.
// The paper's own estimator and pairing are read from its summary (unverified); the confidence bound is ours: with few rollouts most drops
// are noise, and a pair on a step that was no mistake teaches the opposite.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "data/segmentation.h"
#include "data/verification.h"

namespace foil {

struct StepValueOptions {
  StepRule rule = StepRule::kSentence;
  int64_t rollouts = 8;
  double confidence = 0.9;
  int64_t max_steps = 24;
  int64_t pairs_per_problem = 4;
  template <class V>
  void visit(V& v) {
    v("rule", rule, "where a step ends: sentence, line, paragraph, numbered");
    v("rollouts", rollouts, "continuations of each prefix");
    v("confidence", confidence, "how sure a drop in value must be for its step to count as bad");
    v("max_steps", max_steps, "samples with more steps are left out");
    v("pairs_per_problem", pairs_per_problem, "most pairs for per-step DPO of one problem");
  }
  void validate(const std::string& where) const;
};

// The prompt that makes the generator go on behind `prefix` (empty: the plain prompt). problem_id is set by step_values.
using PrefixPrompt = std::function<Prompt(const Problem& problem, const std::string& prefix)>;

struct StepValueResult {
  // steps filled in: score = advantage, correct = false for bad steps and true for the others. extra: "step_values" [Q_0 … Q_n],
  // "first_bad_step" and "spurious_steps" where there are such. Samples without verdict or with too many steps are left out.
  std::vector<Sample> samples;
  // extra: "step" (index), "prefix_bytes" (the last so many bytes of the prompt are the shared prefix), "chosen_ends"/"rejected_ends" (that
  // step is the last of its answer: an end token belongs behind it). margin = Q before − Q after.
  std::vector<Pair> pairs;
  int64_t prefixes = 0, rollouts = 0, right_rollouts = 0, left_out = 0, bad_steps = 0, spurious_steps = 0, no_good_step = 0;
};

// `samples` must be verified. Deterministic for a deterministic generator; equal prefixes of a problem are rolled out once.
StepValueResult step_values(Generator& generator, const ProblemIndex& problems, const std::vector<Sample>& samples, const PrefixPrompt& prompt, const StepValueOptions& options,
                            const SamplingParams& sampling, uint64_t seed);

// Lower one-sided bound of p_before − p_after after Agresti and Caffo (2000): one success and one failure added to each side.
// right_*: of rollouts_*; a side that is known exactly has rollouts 0 and its value in exact_*.
struct ValueEstimate {
  int64_t right = 0, rollouts = 0;
  double exact = 0;
  double value() const { return rollouts > 0 ? double(right) / double(rollouts) : exact; }
};
double drop_bound(const ValueEstimate& before, const ValueEstimate& after, double confidence);

}  // namespace foil
