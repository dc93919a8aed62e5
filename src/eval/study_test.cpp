#include "eval/study.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace foil::eval {
namespace {

EvalResult result(const std::string& policy, const std::vector<std::vector<double>>& shares, int64_t samples = 10) {
  EvalResult r;
  r.policy = policy;
  for (size_t s = 0; s < shares.size(); ++s) {
    SplitResult split;
    split.split = "split" + std::to_string(s);
    for (size_t i = 0; i < shares[s].size(); ++i) {
      ProblemOutcome o;
      o.id = "p" + std::to_string(i), o.samples = samples, o.right = int64_t(std::lround(shares[s][i] * double(samples))), o.majority = shares[s][i] > 0.5;
      split.outcomes.push_back(o);
    }
    split.problems = int64_t(split.outcomes.size());
    split.pass_at[1] = {0.25, {}};
    r.splits.push_back(split);
  }
  return r;
}

TEST(Study, MeanAndDifferenceByHand) {
  const SeededValues a = {{{0, 0.5}, {1}}, {{0.5, 0.5}, {0}}};  // seed means: (0.25 + 1)/2, (0.5 + 0)/2
  const SeededValues b = {{{1, 0.5}, {1}}, {{1, 0.5}, {1}}};    // seed means: (0.75 + 1)/2 both
  EXPECT_NEAR(seeded_bootstrap({}, a).difference, 0.4375, 1e-12);
  EXPECT_NEAR(seeded_bootstrap(a, b).difference, 0.875 - 0.4375, 1e-12);
}

TEST(Study, ASeedThatDiffersWidensTheInterval) {
  std::vector<double> low(200), high(200), middle(200);
  for (size_t i = 0; i < 200; ++i) middle[i] = i % 2, low[i] = i % 4 == 0, high[i] = i % 4 != 0;
  const auto steady = seeded_bootstrap({}, {{middle}, {middle}, {middle}, {middle}}), shaky = seeded_bootstrap({}, {{low}, {high}, {low}, {high}});
  EXPECT_NEAR(steady.difference, shaky.difference, 1e-12);
  EXPECT_GT(shaky.interval.high - shaky.interval.low, 2 * (steady.interval.high - steady.interval.low));
}

TEST(Study, PairingSeesWhatMeansHide) {
  std::vector<double> before(100), after(100);
  for (size_t i = 0; i < 100; ++i) before[i] = (i % 10) / 10.0, after[i] = before[i] + (i % 5 ? 0.02 : 0.0);
  const auto d = seeded_bootstrap({{before}, {before}}, {{after}, {after}});
  EXPECT_LT(d.p, 0.01);
  EXPECT_GT(d.interval.low, 0.01);
  EXPECT_EQ(seeded_bootstrap({{before}}, {{before}}).p, 1);
  const auto chance = seeded_bootstrap({}, {{std::vector<double>{-0.1, 0.1, -0.1, 0.1}}});
  EXPECT_GT(chance.p, 0.5);
}

TEST(Study, RowsCompareOverTheSeedsBothHave) {
  StudyArm rl{"rl", "RL"}, from{"from", "a source"}, nothing{"none", "nothing yet"};
  rl.evals[1] = result("rl", {{0.6, 0.2}, {0.8}}), rl.evals[2] = result("rl", {{0.6, 0.2}, {0.8}});
  from.evals[1] = result("from", {{0.8, 0.2}, {0.2}});
  from.figures[1]["pairs"] = 7, from.figures[2]["pairs"] = 100;  // seed 2 is not evaluated: its figures do not count
  const auto rows = study_rows({rl, from, nothing}, {"rl"});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].seeds, (std::vector<int64_t>{1, 2}));
  EXPECT_FALSE(rows[0].negative_flips);
  EXPECT_NEAR(rows[1].average.value, 0.35, 1e-12);
  EXPECT_NEAR(rows[1].against.at("rl").difference, (0.1 - 0.6) / 2, 1e-12);
  EXPECT_NEAR(rows[1].split_against.at("rl").at("split0").difference, 0.1, 1e-12);
  EXPECT_NEAR(rows[1].split_against.at("rl").at("split1").difference, -0.6, 1e-12);
  EXPECT_NEAR(*rows[1].negative_flips, 0.5, 1e-12);  // none of two in the first split, the one in the second
  EXPECT_EQ(rows[1].figures.at("pairs"), 7);
  EXPECT_NEAR(rows[1].pass_at.at(1), 0.25, 1e-12);
}

TEST(Study, OtherProblemsAreRefused) {
  StudyArm rl{"rl", "RL"};
  rl.evals[1] = result("rl", {{0.6, 0.2}}), rl.evals[2] = result("rl", {{0.6}});
  try {
    study_rows({rl}, {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "two evaluations of a study hold different problems");
  }
}

TEST(Study, JsonReadsBackAndMarkdownSaysPartial) {
  StudyTable t{"negatives", "Sources", "foil study negatives --seeds 3", 3, {"split0"}, {"rl"}};
  StudyArm rl{"rl", "RL"}, from{"from", "a source"};
  for (int seed : {1, 2}) rl.evals[seed] = result("rl", {{0.6, 0.2}}), from.evals[seed] = result("from", {{0.7, 0.2}});
  from.figures[1]["tokens"] = 12345;
  t.rows = study_rows({rl, from}, t.baselines);
  const auto j = nlohmann::json(t);
  EXPECT_EQ(nlohmann::json(j.get<StudyTable>()), j);
  const std::string text = study_markdown(t);
  EXPECT_NE(text.find("2 of 3 seeds: partial"), std::string::npos) << text;
  EXPECT_NE(text.find("| a source | 45.0 ("), std::string::npos) << text;
  EXPECT_NE(text.find("+5.0 ("), std::string::npos) << text;
  EXPECT_NE(text.find("12345"), std::string::npos) << text;
  EXPECT_NE(text.find("Against RL, by split:"), std::string::npos) << text;
}

}  // namespace
}  // namespace foil::eval
