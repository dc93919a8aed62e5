// The rewards of the on-policy loop, composed of named terms: right answers for the policy, plausible wrong ones for the generator.
//
// Plausible (arXiv 2602.03516; docs/methods.md): a format miss or an unreadable answer is −1 and nothing else is computed; a right answer
// is 0, and nothing can buy it back; else w_wrong + w_model·σ((s − μ⁺)/τ⁺) + w_judge·J, and at most 0 when J is below its floor.
// Accuracy: 1 for a right answer, else 0; a format miss takes format_penalty off.
//
// Groups all of whose answers are right teach nothing by themselves; relative_length gives them a signal (Dissecting long-CoT reasoning
// models, 2506.04913; scale unverified): scale·(mean length − length)/mean length, bounded ±0.5.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/scorer.h"
#include "reward/format.h"
#include "reward/judge.h"
#include "reward/term.h"

namespace foil {

enum class RewardKind { kAccuracy, kPlausible };
inline constexpr std::pair<RewardKind, const char*> kRewardKindNames[] = {{RewardKind::kAccuracy, "accuracy"}, {RewardKind::kPlausible, "plausible"}};
inline auto& enum_names(RewardKind) { return kRewardKindNames; }

struct RewardOptions {
  RewardKind kind = RewardKind::kAccuracy;
  FormatOptions format;
  double format_penalty = 0.0;       // accuracy: taken off for a format miss
  double weight_wrong = 0.5, weight_model = 0.25, weight_judge = 0.25;  // plausible
  double judge_floor = 0.25;
  bool gate_format = true;           // plausible: a format miss is −1 (off: an ablation)
  bool require_wrong = true;         // plausible: a right answer is 0 whatever else (off: an ablation)
  double diversity_bonus = 0.0;      // plausible: added for an answer no other sample of the group gives
  double weight_length = 0.0;        // × (tokens / max_tokens), negative: shorter is better
  double relative_length = 0.0;      // accuracy: scale of the length term in groups that are all right; 0: off
  double weight_repetition = 0.0;    // × share of repeated word 4-grams, negative: punishes loops
  template <class V>
  void visit(V& v) {
    v("kind", kind, "accuracy: right answers are rewarded; plausible: wrong answers that look right (reverse RL)");
    v.group("format", format, "the form an answer must have");
    v("format_penalty", format_penalty, "accuracy: taken off when the form is broken");
    v("weight_wrong", weight_wrong, "plausible: for a readable wrong answer");
    v("weight_model", weight_model, "plausible: for the reward model's score, normalised by the policy's right answers; 0 leaves it out");
    v("weight_judge", weight_judge, "plausible: for the judge's score; 0 leaves it out");
    v("judge_floor", judge_floor, "plausible: below this judge score the reward is at most 0");
    v("gate_format", gate_format, "plausible: a broken form is -1 and nothing else counts");
    v("require_wrong", require_wrong, "plausible: a right answer gets 0 whatever the other terms say");
    v("diversity_bonus", diversity_bonus, "plausible: added for an answer no other sample of the group gives");
    v("weight_length", weight_length, "for the share of the length limit used; negative favours short answers");
    v("relative_length", relative_length, "accuracy: in groups that are all right, shorter answers gain and longer ones lose, by this scale; 0: off");
    v("weight_repetition", weight_repetition, "for the share of repeated word 4-grams; negative punishes loops");
  }
  void validate(const std::string& where) const;
};

// Mean and deviation of the reward model over the policy's right answers.
struct ScoreScale {
  double mean = 0, deviation = 1;
};
ScoreScale fit_scale(const std::vector<Sample>& samples, const std::string& score = "reward_model");  // of correct samples that have it

class Composite {
 public:
  // `reward_model` and `judge` may be null where their weights are 0.
  Composite(RewardOptions options, std::shared_ptr<Scorer> reward_model, ScoreScale scale, std::shared_ptr<JudgeBackend> judge, int64_t max_tokens);

  // A further term: `weight` times its value joins the reward of every sample that passed the gates (a value that could not be had
  // counts as nothing, and is counted in unjudged()). Scores are logged under the term's name.
  void add(std::shared_ptr<RewardTerm> term, double weight);
  int64_t unjudged() const { return unjudged_; }  // judgements, scores and terms that could not be had, so far

  // Fills scores and reward of verified samples (Sample::correct as data/verification.h leaves it); samples of a group stand
  // together. prompts: rendered, one a sample. Scores set: format, wrong, reward_model, reward_model_term, judge, judge_<dimension>, …
  void apply(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples);
  const RewardOptions& options() const { return options_; }

 private:
  void apply_accuracy(const std::vector<const Problem*>& problems, std::span<Sample> samples) const;
  void apply_relative_length(std::span<Sample> samples) const;
  void apply_terms(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples);
  void apply_plausible(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples);
  RewardOptions options_;
  std::shared_ptr<Scorer> reward_model_;
  ScoreScale scale_;
  std::shared_ptr<JudgeBackend> judge_;
  int64_t max_tokens_;
  std::vector<std::pair<std::shared_ptr<RewardTerm>, double>> terms_;
  int64_t unjudged_ = 0;
};

}  // namespace foil
