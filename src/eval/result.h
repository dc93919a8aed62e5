// Result of evaluating one policy: per split pass@k, avg@k, maj@k with intervals, spread over runs, uncertain problems.
//
// The JSON form (eval/<policy>.json in a run folder, `foil eval --json`) has the same spelling as the structs; what a problem's
// outcome was is kept, so that any two results can be compared later (eval/compare.h) without the samples.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"
#include "eval/estimators.h"
#include "verify/verify.h"

namespace foil::eval {

struct ProblemOutcome {
  std::string id;
  int64_t samples = 0, right = 0;  // samples drawn, and verified right
  double majority = 0;             // chance that the majority answer is right (ties: share of the tied classes that are right)
  double share() const { return samples ? double(right) / double(samples) : 0; }
};

struct SplitResult {
  std::string split;
  int64_t problems = 0;
  int64_t samples_per_problem = 0;        // n, smallest over the problems; avg@n
  int64_t runs = 1;
  bool greedy = false;
  Figure accuracy;                        // avg@n: mean over problems of the share of right samples
  std::map<int64_t, Figure> pass_at;      // k → pass@k, unbiased
  std::map<int64_t, Figure> majority_at;  // k → maj@k over verified equivalence classes, mean over disjoint blocks of k samples
  std::vector<double> run_accuracy;       // accuracy of each run
  double run_deviation = 0;               // their standard deviation
  std::vector<std::string> uncertain;     // problems whose outcome differs between runs
  std::map<std::string, Figure> by_level; // accuracy by Problem::level (or subject, where no level is given)
  double unreadable_share = 0;            // samples without a readable answer
  double cut_share = 0;                   // samples that hit the length limit
  double mean_tokens = 0;                 // completion tokens; 0: unknown
  std::vector<ProblemOutcome> outcomes;   // in the order of the problems
};

struct EvalResult {
  std::string policy;                     // "sft", "rl", "dpo_plausible", or a model's name
  std::string model;                      // what was evaluated: folder or endpoint
  nlohmann::json sampling = nlohmann::json::object();  // temperature, max_tokens, prompt form … as run
  double seconds = 0;
  std::vector<SplitResult> splits;
  Figure average;                         // mean of the splits' accuracies
  const SplitResult* find(const std::string& split) const;
};

struct EvalOptions {
  std::vector<int64_t> ks = {1, 2, 4, 8, 16, 32, 64, 128, 256};  // those ≤ n are computed
  int64_t runs = 1;                       // evaluation runs; sample_id / samples_per_run is the run
  bool greedy = false;
  BootstrapOptions bootstrap;
  verify::Options verify;                 // for the equivalence classes
};

// One split from its samples (verified: Sample::correct; unverified counts as wrong). Samples are grouped by problem_id and ordered
// by sample_id; every problem must have at least one. Throws Error naming the problem that has none, or the sample that
// belongs to no problem.
SplitResult evaluate(const std::string& split, std::span<const Problem> problems, std::span<const Sample> samples,
                     const EvalOptions& options = {});

// Fills in `average` from the splits.
void finish(EvalResult& result, const BootstrapOptions& options = {});

// Chance that the majority of these samples is right. classes: verify::classes of the answers, −1 unreadable (no vote).
double majority_right(std::span<const int> classes, const std::vector<bool>& right);

void to_json(nlohmann::json& j, const ProblemOutcome& x);
void from_json(const nlohmann::json& j, ProblemOutcome& x);
void to_json(nlohmann::json& j, const SplitResult& x);
void from_json(const nlohmann::json& j, SplitResult& x);
void to_json(nlohmann::json& j, const EvalResult& x);
void from_json(const nlohmann::json& j, EvalResult& x);

}  // namespace foil::eval
