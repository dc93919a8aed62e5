// Advantages of sampled completions from their rewards: one number a sample, group by group (a group: the samples of one problem).
//
// Pure functions. What the policy gradient multiplies with; the losses are in objective/policy.h, the rewards in reward/composite.h.
// A sample whose reward is NaN (could not be judged) gets advantage 0 and is left out of every mean.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace foil {

enum class AdvantageRule { kGroup, kGroupMean, kLeaveOneOut, kBatch, kPositive, kNegative, kWeighted, kReward };
inline constexpr std::pair<AdvantageRule, const char*> kAdvantageRuleNames[] = {
    {AdvantageRule::kGroup, "group"},              // (r − mean)/(std + ε) over the group: GRPO (arXiv 2402.03300)
    {AdvantageRule::kGroupMean, "group_mean"},     // r − mean: Dr. GRPO (2503.20783)
    {AdvantageRule::kLeaveOneOut, "rloo"},         // r − mean of the others: RLOO (2402.14740)
    {AdvantageRule::kBatch, "reinforce_pp"},       // r − group mean, then divided by the batch's standard deviation: REINFORCE++ (2501.03262)
    {AdvantageRule::kPositive, "psr"},             // 1 for a right answer, else 0 (2506.01347)
    {AdvantageRule::kNegative, "nsr"},             // −1 for a wrong one, else 0
    {AdvantageRule::kWeighted, "weighted"},        // positive_weight for a right answer, −1 for a wrong one: W-REINFORCE
    {AdvantageRule::kReward, "reward"}};           // r itself
inline auto& enum_names(AdvantageRule) { return kAdvantageRuleNames; }

// psr, nsr, weighted: the verdict decides, whatever the reward adds for length or form.
inline bool verdict_only(AdvantageRule rule) { return rule == AdvantageRule::kPositive || rule == AdvantageRule::kNegative || rule == AdvantageRule::kWeighted; }

// Which samples teach: those above the baseline, those below, or both (Dissecting long-CoT reasoning models, arXiv 2506.04913).
enum class TrainOn { kBoth, kPositives, kNegatives };
inline constexpr std::pair<TrainOn, const char*> kTrainOnNames[] = {{TrainOn::kBoth, "both"}, {TrainOn::kPositives, "positives"}, {TrainOn::kNegatives, "negatives"}};
inline auto& enum_names(TrainOn) { return kTrainOnNames; }

struct AdvantageOptions {
  AdvantageRule rule = AdvantageRule::kGroup;
  TrainOn train_on = TrainOn::kBoth;
  double epsilon = 1e-4;         // added to the standard deviation
  double positive_weight = 0.1;  // λ of "weighted"

  template <class V> void visit(V& v) {
    v("rule", rule, "how rewards become advantages");
    v("train_on", train_on, "both, or only samples with a positive (negative) advantage: the others are set to 0");
    v("epsilon", epsilon, "group, reinforce_pp: added to the standard deviation");
    v("positive_weight", positive_weight, "weighted: advantage of a right answer (a wrong one has -1)");
  }
  void validate(const std::string& where) const;
};

// `groups`: size of each group, adding up to rewards.size(); samples of a group stand together. `correct`: verdict of each sample, an
// unreadable answer being wrong; read by verdict_only() rules.
// Standard deviations are those of a sample (n − 1), as in trl; a group of one has advantage 0 under every rule with a mean.
std::vector<double> advantages(std::span<const double> rewards, const std::vector<bool>& correct, std::span<const size_t> groups, const AdvantageOptions& options);

// true: some sample of the group has an advantage other than 0, so that the group can teach something.
std::vector<bool> has_signal(std::span<const double> advantages, std::span<const size_t> groups);

}  // namespace foil
