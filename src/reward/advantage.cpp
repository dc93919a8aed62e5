#include "reward/advantage.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace foil {

namespace {

struct Moments {
  double sum = 0, squares = 0;  // squares: of the distance from the mean
  size_t n = 0;
  double mean() const { return n ? sum / double(n) : 0; }
  double deviation() const { return n > 1 ? std::sqrt(squares / double(n - 1)) : 0; }
};

Moments moments(std::span<const double> values) {
  Moments m;
  for (const double x : values)
    if (!std::isnan(x)) m.sum += x, ++m.n;
  for (const double x : values)
    if (!std::isnan(x)) m.squares += (x - m.mean()) * (x - m.mean());
  return m;
}

bool all_equal(std::span<const double> values) {
  double first = NAN;
  for (const double x : values) {
    if (std::isnan(x)) continue;
    if (std::isnan(first)) first = x;
    if (x != first) return false;
  }
  return true;
}

}  // namespace

void AdvantageOptions::validate(const std::string& where) const {
  if (epsilon < 0) throw UsageError("epsilon must not be negative", where);
  if (positive_weight < 0) throw UsageError("positive_weight must not be negative", where);
  if (rule != AdvantageRule::kWeighted && positive_weight != AdvantageOptions{}.positive_weight)
    throw UsageError("positive_weight does nothing under another rule than weighted", where, "use advantage.rule: weighted");
  if ((rule == AdvantageRule::kPositive && train_on == TrainOn::kNegatives) || (rule == AdvantageRule::kNegative && train_on == TrainOn::kPositives))
    throw UsageError("this rule and train_on leave no sample to learn from", where, "psr learns from positives, nsr from negatives: leave train_on at both");
}

std::vector<double> advantages(std::span<const double> rewards, const std::vector<bool>& correct, std::span<const size_t> groups, const AdvantageOptions& options) {
  FOIL_CHECK(correct.size() == rewards.size(), "{} verdicts, {} rewards", correct.size(), rewards.size());
  std::vector<double> out(rewards.size(), 0.0);
  size_t begin = 0;
  for (const size_t size : groups) {
    FOIL_CHECK(begin + size <= rewards.size());
    const auto group = rewards.subspan(begin, size);
    const Moments m = moments(group);
    const bool flat = all_equal(group);  // exactly 0 then, whatever the rounding of the mean
    for (size_t i = 0; i < size; ++i) {
      const double r = group[i];
      const bool right = correct[begin + i];
      double& a = out[begin + i];
      if (std::isnan(r)) continue;
      switch (options.rule) {
        case AdvantageRule::kGroup: a = flat ? 0 : (r - m.mean()) / (m.deviation() + options.epsilon); break;
        case AdvantageRule::kBatch:
        case AdvantageRule::kGroupMean: a = flat ? 0 : r - m.mean(); break;
        case AdvantageRule::kLeaveOneOut: a = flat ? 0 : r - (m.sum - r) / double(m.n - 1); break;
        case AdvantageRule::kPositive: a = right ? 1 : 0; break;
        case AdvantageRule::kNegative: a = right ? 0 : -1; break;
        case AdvantageRule::kWeighted: a = right ? options.positive_weight : -1; break;
        case AdvantageRule::kReward: a = r; break;
      }
    }
    begin += size;
  }
  FOIL_CHECK(begin == rewards.size(), "groups hold {} samples, there are {} rewards", begin, rewards.size());
  if (options.rule == AdvantageRule::kBatch) {
    std::vector<double> judged;
    for (size_t i = 0; i < out.size(); ++i)
      if (!std::isnan(rewards[i])) judged.push_back(out[i]);
    const double deviation = moments(judged).deviation();
    for (double& a : out) a /= deviation + options.epsilon;
  }
  for (double& a : out)
    if ((options.train_on == TrainOn::kPositives && a < 0) || (options.train_on == TrainOn::kNegatives && a > 0)) a = 0;
  return out;
}

std::vector<bool> has_signal(std::span<const double> advantages, std::span<const size_t> groups) {
  std::vector<bool> out;
  size_t begin = 0;
  for (const size_t size : groups) {
    bool any = false;
    for (size_t i = begin; i < begin + size; ++i) any = any || advantages[i] != 0;
    out.push_back(any);
    begin += size;
  }
  return out;
}

}  // namespace foil
