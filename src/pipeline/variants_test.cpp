#include "pipeline/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace foil::pipeline {
namespace {

std::vector<std::string> names(const std::vector<Variant>& variants) {
  std::vector<std::string> out;
  for (const auto& v : variants) out.push_back(v.name);
  return out;
}

TEST(Variants, TheUsualOnesCanBeRunWhoeverJudges) {
  for (const auto kind : {JudgeKind::kRules, JudgeKind::kModel, JudgeKind::kEndpoint}) {
    Recipe r;
    r.generator.judge.kind = kind, r.generator.judge.endpoint.endpoint.url = "http://localhost:1/v1";
    for (const Variant& v : usual_variants(r)) EXPECT_NO_THROW(check_variant(r, v)) << v.name << " with judge " << int(kind);
  }
}

TEST(Variants, EachPartOfTheRewardIsSwitchedOffOnce) {
  Recipe r;
  r.generator.judge.kind = JudgeKind::kModel;
  const auto variants = usual_variants(r);
  EXPECT_THAT(names(variants), testing::IsSupersetOf({"as_is", "no_reward_model", "no_judge", "only_wrong", "no_accuracy_inversion", "no_format_gate"}));
  for (const Variant& v : variants) {
    const RewardOptions& reward = work_of(r, v).recipe.generator.reward;
    EXPECT_EQ(reward.weight_model == 0, v.name == "no_reward_model" || v.name == "only_wrong") << v.name;
    EXPECT_EQ(reward.weight_judge == 0, v.name == "no_judge" || v.name == "only_wrong") << v.name;
    EXPECT_EQ(reward.weight_wrong == 0 && !reward.require_wrong, v.name == "no_accuracy_inversion") << v.name;
    EXPECT_EQ(reward.gate_format, v.name != "no_format_gate") << v.name;
  }
  r.generator.reward.weight_model = r.generator.reward.weight_judge = 0;  // nothing would be left to reward
  r.generator.judge.kind = JudgeKind::kRules;
  EXPECT_THAT(names(usual_variants(r)), testing::Not(testing::Contains("no_accuracy_inversion")));
}

TEST(Variants, WhatComesBeforeThePolicyMayNotChange) {
  try {
    check_variant(Recipe{}, {"longer", {"rl.steps=9"}});
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_EQ(e.message(), "a variant may not change rl.steps");
  }
}

}  // namespace
}  // namespace foil::pipeline
