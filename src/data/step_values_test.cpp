#include "data/step_values.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace foil {
namespace {

// A solver of "start with 2, add 3, then 4": goes on right behind a right prefix in three of four rollouts, never behind a wrong one.
class Solver : public Generator {
 public:
  std::vector<Sample> generate(const GenerateRequest& r, const std::function<void(const Sample&)>&) override {
    std::vector<Sample> out;
    for (const auto& p : r.prompts) {
      prompts.push_back(p.text);
      for (int i = 0; i < r.samples_per_prompt; ++i) {
        Sample s;
        s.problem_id = p.problem_id, s.sample_id = r.first_sample_id + i, s.source = r.source;
        const std::string prefix = p.text.substr(p.text.find('|') + 1);
        const bool good = i % 4 != 3;
        if (prefix.empty()) s.text = good ? "First 2 + 3 = 5. Then 5 + 4 = 9. #### 9" : "First 2 + 3 = 6. Then 6 + 4 = 10. #### 10";
        else if (prefix == "First 2 + 3 = 5.") s.text = good ? " Then 5 + 4 = 9. #### 9" : " Then 5 + 4 = 8. #### 8";
        else if (prefix == "First 2 + 3 = 5. Then 5 + 4 = 9.") s.text = " #### 9";
        else s.text = " #### 10";
        out.push_back(s);
      }
    }
    return out;
  }
  std::string describe() const override { return "solver"; }
  std::vector<std::string> prompts;
};

Sample sample(const std::string& text, bool correct, int64_t id = 0) {
  Sample s;
  s.problem_id = "p", s.text = text, s.correct = correct, s.sample_id = id, s.source = "policy";
  return s;
}

const std::vector<Problem> kProblems = {{"p", "start with 2, add 3, then 4", "9"}};
Prompt prompt_of(const Problem& p, const std::string& prefix) { return {"", p.problem + "|" + prefix, {}}; }

StepValueResult run(Solver& solver, const std::vector<Sample>& samples, StepValueOptions options = {}) {
  const ProblemIndex index(kProblems);
  return step_values(solver, index, samples, prompt_of, options, {}, 1);
}

TEST(StepValues, FindTheFirstBadStepAndAGoodOneInItsPlace) {
  Solver solver;
  const auto r = run(solver, {sample("First 2 + 3 = 5. Then 5 + 4 = 8. #### 8", false), sample("First 2 + 3 = 6. Then 6 + 4 = 10. #### 10", false, 1)});
  ASSERT_EQ(r.samples.size(), 2u);
  EXPECT_EQ(r.samples[0].extra["step_values"], Json::parse("[0.75, 0.75, 0.0, 0.0]"));
  EXPECT_EQ(r.samples[0].steps[0].score, 0.0);
  EXPECT_EQ(r.samples[0].steps[1].score, -0.75);
  EXPECT_EQ(r.samples[0].extra["first_bad_step"], 1);
  EXPECT_EQ(r.samples[0].steps[1].correct, false);
  EXPECT_EQ(r.samples[0].steps[0].correct, true);
  EXPECT_EQ(r.samples[1].extra["first_bad_step"], 0);
  EXPECT_EQ(r.prefixes, 5);  // the empty prefix is shared
  EXPECT_EQ(solver.prompts.size(), 5u);
  ASSERT_EQ(r.pairs.size(), 2u);
  EXPECT_EQ(r.pairs[0].prompt, "start with 2, add 3, then 4|First 2 + 3 = 5.");
  EXPECT_EQ(r.pairs[0].chosen, " Then 5 + 4 = 9.");
  EXPECT_EQ(r.pairs[0].rejected, " Then 5 + 4 = 8.");
  EXPECT_EQ(r.pairs[0].scores.at("value_before") - r.pairs[0].scores.at("value_after"), 0.75);
  EXPECT_FALSE(r.pairs[0].margin);  // a loss of its own, which not every loss takes
  EXPECT_EQ(r.pairs[0].extra, Json::parse(R"({"step": 1, "prefix_bytes": 16, "chosen_ends": false, "rejected_ends": false})"));
  EXPECT_EQ(r.pairs[1].chosen, "First 2 + 3 = 5.");
}

TEST(StepValues, SpuriousStepsOfRightSamples) {
  Solver solver;
  const auto r = run(solver, {sample("First 2 + 3 = 6. Then 5 + 4 = 9. #### 9", true)});
  EXPECT_EQ(r.samples[0].extra["spurious_steps"], Json::parse("[0]"));
  EXPECT_EQ(r.spurious_steps, 1);
  EXPECT_TRUE(r.pairs.empty());  // the answer is right: nothing to correct
}

TEST(StepValues, NoiseIsNoMistake) {
  // 3 of 4 before and 2 of 4 after may be chance; 30 of 40 and 0 of 40 are not.
  EXPECT_LT(drop_bound({3, 4}, {2, 4}, 0.9), 0);
  EXPECT_GT(drop_bound({30, 40}, {0, 40}, 0.9), 0.5);
  // By hand: (7/10 − 1/10) − 1.2816·sqrt(0.021 + 0.009) with 6 of 8 and 0 of 8.
  EXPECT_NEAR(drop_bound({6, 8}, {0, 8}, 0.9), 0.6 - 1.281552 * std::sqrt(0.03), 1e-5);
  EXPECT_NEAR(drop_bound({6, 8}, {0, 0, 0.0}, 0.9), 0.7 - 1.281552 * std::sqrt(0.021), 1e-5);
  EXPECT_EQ(drop_bound({0, 0, 1.0}, {0, 0, 0.0}, 0.9), 1.0);
}

TEST(StepValues, LeavesOutWhatHasNoVerdictOrTooManySteps) {
  Solver solver;
  auto unread = sample("First 2 + 3 = 5.", false);
  unread.correct.reset();
  StepValueOptions options;
  options.max_steps = 2;
  const auto r = run(solver, {unread, sample("First 2 + 3 = 5. Then 5 + 4 = 8. #### 8", false)}, options);
  EXPECT_EQ(r.left_out, 2);
  EXPECT_TRUE(r.samples.empty());
  EXPECT_TRUE(solver.prompts.empty());
  EXPECT_THROW(StepValueOptions{.rollouts = 1}.validate("steps"), UsageError);
}

}  // namespace
}  // namespace foil
