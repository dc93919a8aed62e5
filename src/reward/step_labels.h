// Which steps of a sample are right, by consensus of an LLM judge and a process reward model (BCPG-NSA, arXiv 2505.14403).
//
// A step counts as right only where both say so: correct = judge ∧ process score ≥ threshold; score = the process score in 0…1. Right steps
// inside wrong samples are what behaviour-constrained policy gradient spares (the paper's objective is unverified; this is its data side).
// The process score is a Scorer on the text up to the step's end, a local reward model or an endpoint, or a value from rollouts
// (data/step_values.h). Where the judge gives nothing for a sample, its steps have a score and no verdict.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "data/scorer.h"
#include "data/verification.h"
#include "reward/generator_judge.h"

namespace foil {

// One verdict a step; nullopt: no judgement.
using StepVerdicts = std::optional<std::vector<bool>>;

class StepJudge {
 public:
  virtual ~StepJudge() = default;
  // `samples` have steps. In order, one verdict for each of their steps. Never sees the gold answer.
  virtual std::vector<StepVerdicts> judge(const ProblemIndex& problems, std::span<const Sample> samples) = 0;
};

// Through any Generator. One prompt a sample with its steps numbered; the reply must hold {"steps": [true, false, …]}, as long as there
// are steps. What cannot be read is asked again, as in GeneratorJudge; Error when none of four or more samples got a judgement.
class GeneratorStepJudge : public StepJudge {
 public:
  // `request`: text with {problem} and {steps}; empty: the built-in one. `render`: see GeneratorJudge.
  GeneratorStepJudge(std::shared_ptr<Generator> generator, std::string request = "", GeneratorJudgeOptions options = {.max_tokens = 256}, uint64_t seed = 0,
                     std::function<std::string(const std::vector<Message>&)> render = {});
  std::vector<StepVerdicts> judge(const ProblemIndex& problems, std::span<const Sample> samples) override;

 private:
  std::shared_ptr<Generator> generator_;
  std::string request_;
  GeneratorJudgeOptions options_;
  uint64_t seed_;
  std::function<std::string(const std::vector<Message>&)> render_;
};

// The verdicts of a reply, nullopt when it holds none for `steps` steps. true/false, 1/0 and "correct"/"wrong" are read.
StepVerdicts read_step_verdicts(const std::string& reply, size_t steps);

// One number for each step of each sample: the scorer on (prompt, text up to the step's end), through a sigmoid where `squash`. NaN: none.
std::vector<std::vector<double>> process_scores(Scorer& scorer, std::span<const Sample> samples, const std::function<std::string(const Sample&)>& prompt, bool squash);

struct StepLabelCounts {
  int64_t steps = 0, right = 0, judge_only = 0, process_only = 0, neither = 0, unjudged = 0;
  int64_t right_in_wrong_samples = 0;
};
// Sets correct and score of every step. verdicts[i], scores[i]: of samples[i].
StepLabelCounts label_steps(std::span<Sample> samples, std::span<const StepVerdicts> verdicts, std::span<const std::vector<double>> scores, double threshold);

}  // namespace foil
