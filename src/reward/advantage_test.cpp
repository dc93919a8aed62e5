#include "reward/advantage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

#include <cmath>

namespace foil {
namespace {
using testing::DoubleNear;
using testing::ElementsAre;

std::vector<double> of(AdvantageRule rule, const std::vector<double>& rewards, const std::vector<size_t>& groups) {
  AdvantageOptions o;
  o.rule = rule;
  std::vector<bool> correct;
  for (const double r : rewards) correct.push_back(r > 0);
  return advantages(rewards, correct, groups, o);
}
auto near(double x) { return DoubleNear(x, 1e-12); }

TEST(Advantage, HandWorkedGroupOfFour) {
  const std::vector<double> r{1, 0, 0, 1};  // mean 1/2, deviation √(1/3)
  const double d = std::sqrt(1.0 / 3) + 1e-4;
  EXPECT_THAT(of(AdvantageRule::kGroup, r, {4}), ElementsAre(near(0.5 / d), near(-0.5 / d), near(-0.5 / d), near(0.5 / d)));
  EXPECT_THAT(of(AdvantageRule::kGroupMean, r, {4}), ElementsAre(0.5, -0.5, -0.5, 0.5));
  EXPECT_THAT(of(AdvantageRule::kLeaveOneOut, r, {4}), ElementsAre(near(2.0 / 3), near(-2.0 / 3), near(-2.0 / 3), near(2.0 / 3)));
  EXPECT_THAT(of(AdvantageRule::kPositive, {1, -1, -1, 1}, {4}), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(of(AdvantageRule::kNegative, {1, -1, -1, 1}, {4}), ElementsAre(0, -1, -1, 0));
  EXPECT_THAT(of(AdvantageRule::kWeighted, {1, -1}, {2}), ElementsAre(0.1, -1));
}

TEST(Advantage, GroupsDoNotMixExceptInTheBatchRule) {
  const std::vector<double> r{1, 0, 10, 0};
  EXPECT_THAT(of(AdvantageRule::kGroupMean, r, {2, 2}), ElementsAre(0.5, -0.5, 5, -5));
  const double d = std::sqrt((0.25 + 0.25 + 25 + 25) / 3) + 1e-4;
  EXPECT_THAT(of(AdvantageRule::kBatch, r, {2, 2}), ElementsAre(near(0.5 / d), near(-0.5 / d), near(5 / d), near(-5 / d)));
}

TEST(Advantage, EqualRewardsAndLoneSamplesTeachNothing) {
  for (const auto rule : {AdvantageRule::kGroup, AdvantageRule::kGroupMean, AdvantageRule::kLeaveOneOut, AdvantageRule::kBatch}) {
    const auto a = of(rule, {0.1, 0.1, 0.1, 0.7}, {3, 1});
    EXPECT_THAT(a, ElementsAre(0, 0, 0, 0));
    EXPECT_THAT(has_signal(a, std::vector<size_t>{3, 1}), ElementsAre(false, false));
  }
}

TEST(Advantage, UnjudgedSamplesAreLeftOut) {
  EXPECT_THAT(of(AdvantageRule::kGroupMean, {1, NAN, 0}, {3}), ElementsAre(0.5, 0, -0.5));
  EXPECT_THAT(of(AdvantageRule::kLeaveOneOut, {1, NAN, 0}, {3}), ElementsAre(1, 0, -1));
  EXPECT_THAT(of(AdvantageRule::kNegative, {NAN, -1}, {2}), ElementsAre(0, -1));
}

TEST(Advantage, TheVerdictDecidesWhateverTheRewardAdds) {
  // A wrong answer that length makes worth something, a right one that an over-long penalty takes below 0, an unjudged one.
  const std::vector<double> rewards{0.3, -0.2, NAN};
  const std::vector<bool> correct{false, true, true};
  const std::vector<size_t> groups{3};
  const auto rule = [&](AdvantageRule r) { return advantages(rewards, correct, groups, {.rule = r}); };
  EXPECT_THAT(rule(AdvantageRule::kPositive), ElementsAre(0, 1, 0));
  EXPECT_THAT(rule(AdvantageRule::kNegative), ElementsAre(-1, 0, 0));
  EXPECT_THAT(rule(AdvantageRule::kWeighted), ElementsAre(-1, 0.1, 0));
}

TEST(Advantage, AWeightThatTheRuleDoesNotReadIsRefused) {
  EXPECT_NO_THROW((AdvantageOptions{.rule = AdvantageRule::kWeighted, .positive_weight = 0.3}.validate("x")));
  try {
    AdvantageOptions{.rule = AdvantageRule::kPositive, .positive_weight = 0.3}.validate("x");
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_EQ(e.message(), "positive_weight does nothing under another rule than weighted");
    EXPECT_EQ(e.hint(), "use advantage.rule: weighted");
  }
}

TEST(Advantage, OneSideOnly) {
  const std::vector<double> rewards{1, 0, 0, 0};
  const std::vector<bool> correct{true, false, false, false};
  const std::vector<size_t> groups{4};
  const auto both = advantages(rewards, correct, groups, {.rule = AdvantageRule::kGroupMean});
  const auto up = advantages(rewards, correct, groups, {.rule = AdvantageRule::kGroupMean, .train_on = TrainOn::kPositives});
  const auto down = advantages(rewards, correct, groups, {.rule = AdvantageRule::kGroupMean, .train_on = TrainOn::kNegatives});
  EXPECT_EQ(both, (std::vector<double>{0.75, -0.25, -0.25, -0.25}));
  EXPECT_EQ(up, (std::vector<double>{0.75, 0, 0, 0}));
  EXPECT_EQ(down, (std::vector<double>{0, -0.25, -0.25, -0.25}));
  EXPECT_THROW((AdvantageOptions{.rule = AdvantageRule::kNegative, .train_on = TrainOn::kPositives}.validate("x")), UsageError);
}

}  // namespace
}  // namespace foil
