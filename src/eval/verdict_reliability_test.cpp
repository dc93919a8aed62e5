#include "eval/verdict_reliability.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace foil::eval {
namespace {

// One truly right and one truly wrong answer of each problem, ordered rightly by verifier, judge and reward model with these chances.
std::vector<Sample> answers(int problems, double verifier, double judge, double model) {
  Stream s(3, "raters");
  std::vector<Sample> out;
  for (int i = 0; i < problems; ++i) {
    const bool v = s.chance(verifier), j = s.chance(judge), m = s.chance(model);
    for (const bool good : {true, false}) {
      Sample x;
      x.problem_id = std::to_string(i), x.sample_id = good, x.correct = good == v;
      x.scores = {{"judge", good == j ? 0.9 : 0.4}, {"reward_model", good == m ? 1.5 : -0.5}};
      out.push_back(x);
    }
  }
  return out;
}

bool all(const std::string&) { return true; }

TEST(VerdictReliability, IsFoundWithoutAGoldStandard) {
  for (const double q : {1.0, 0.95, 0.9, 0.8}) {
    const auto r = verdict_reliability(answers(20'000, q, 0.75, 0.85), all);
    ASSERT_TRUE(r.order.has_value()) << q;
    EXPECT_NEAR(*r.order, q, 0.02);
    EXPECT_EQ(r.problems, 20'000);
    EXPECT_NEAR(r.verifier_judge, (2 * q - 1) * 0.5, 0.02);
    EXPECT_NEAR(r.judge_model, 0.5 * 0.7, 0.02);
  }
}

TEST(VerdictReliability, ByHand) {
  // Four problems: the judge agrees on all, the model on three of four: α_v² = 1 · ½ / ½.
  auto samples = answers(4, 1, 1, 1);
  for (auto& s : samples)
    if (s.problem_id == "0") s.scores["reward_model"] *= -1;
  const auto r = verdict_reliability(samples, all);
  EXPECT_EQ(r.verifier_judge, 1);
  EXPECT_EQ(r.verifier_model, 0.5);
  EXPECT_EQ(r.judge_model, 0.5);
  EXPECT_FALSE(r.order.has_value());  // ½ ± 0.5: may be chance
}

TEST(VerdictReliability, SaysNothingWhereNothingCanBeSaid) {
  EXPECT_FALSE(verdict_reliability(answers(2'000, 0.9, 0.5, 0.85), all).order.has_value());  // a judge that guesses
  EXPECT_FALSE(verdict_reliability({}, all).order.has_value());
  auto unscored = answers(100, 1, 0.8, 0.8);
  for (auto& s : unscored) s.scores.erase("reward_model");
  EXPECT_EQ(verdict_reliability(unscored, all).problems, 0);
  EXPECT_EQ(verdict_reliability(answers(100, 1, 0.8, 0.8), [](const std::string& id) { return id.size() == 1; }).problems, 10);
}

TEST(VerdictReliability, TiesOfTheJudgeAreNoErrors) {
  auto samples = answers(20'000, 0.9, 0.75, 0.85);
  for (auto& s : samples)
    if (std::stoi(s.problem_id) % 2) s.scores["judge"] = 0.5;
  EXPECT_NEAR(*verdict_reliability(samples, all).order, 0.9, 0.02);
}

}  // namespace
}  // namespace foil::eval
