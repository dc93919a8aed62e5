// The sampling half of an on-policy step: draw problems, sample groups, reward them, turn rewards into advantages.
#pragma once
#include <set>

#include "objective/statistics.h"
#include "train/batching.h"
#include "train/onpolicy_loop.h"

namespace foil::train {

struct Group {
  const PolicyProblem* problem;
  std::vector<Sample> samples;
  std::vector<double> advantages;  // one a sample
  bool signal = false;
};

// Source of an offline right answer that took the place of one in an all-wrong group.
inline constexpr const char* kInjected = "injected";

struct RolloutFigures {
  int64_t drawn_groups = 0, groups_with_signal = 0;
  double seconds = 0;
};

class RolloutStep {
 public:
  RolloutStep(const std::vector<PolicyProblem>& problems, const PolicySampler& sampler, const RewardFunction& reward, const OnPolicyOptions& options, const StageContext& context);

  // `cursor`: place in the endless shuffled sequence of problems, moved on. All groups of the step; with dynamic sampling only
  // those with a signal. Adds rollout figures.
  std::vector<Group> collect(int64_t step, int64_t& cursor, objective::Statistics& figures, RolloutFigures& rollout);

 private:
  std::vector<const PolicyProblem*> draw(int64_t count, int64_t& cursor);
  // With several ranks: each samples and rewards its share, and all get all samples.
  std::vector<Group> sample(const std::vector<const PolicyProblem*>& problems, int64_t first_sample_id, int64_t step);
  // Offline right answers into all-wrong groups.
  void inject(const std::vector<const PolicyProblem*>& problems, std::vector<Sample>& samples) const;
  std::vector<Sample> sample_mine(const std::vector<const PolicyProblem*>& problems, int64_t first_sample_id);
  void log(const std::vector<Group>& groups, objective::Statistics& figures) const;

  const std::vector<PolicyProblem>& problems_;
  const PolicySampler& sampler_;
  const RewardFunction& reward_;
  const OnPolicyOptions& options_;
  const StageContext& context_;
  RecordOrder order_;
};

}  // namespace foil::train
