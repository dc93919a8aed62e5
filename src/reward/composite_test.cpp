#include "reward/composite.h"

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil {

static const Problem kProblem = {"p", "Tom has 12 apples. He buys 5 more. He gives 3 to Anna. How many apples does Tom have now?", "14"};
static const std::string kPrompt = "?";

static Sample sample(const std::string& text, std::optional<bool> correct, Finish finish = Finish::kStop) {
  Sample s;
  s.problem_id = "p", s.text = text, s.correct = correct, s.finish_reason = finish;
  return s;
}

static const char* kGood = "Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 15. #### 15";

class FixedScorer : public Scorer {
 public:
  std::vector<double> score(std::span<const Scored> items) override {
    scored += items.size();
    return std::vector<double>(items.size(), 2.0);
  }
  std::string describe() const override { return "fixed"; }
  size_t scored = 0;
};

class FixedJudge : public JudgeBackend {
 public:
  explicit FixedJudge(double each) : each_(each) {}
  std::vector<std::optional<RubricScores>> judge(std::span<const JudgeItem> items) override {
    judged += items.size();
    return std::vector<std::optional<RubricScores>>(items.size(), RubricScores{{each_, each_, each_, each_}});
  }
  size_t judged = 0;

 private:
  double each_;
};

static void run(Composite& composite, std::vector<Sample>& samples) {
  composite.apply(std::vector<const Problem*>(samples.size(), &kProblem), std::vector<const std::string*>(samples.size(), &kPrompt), samples);
}

TEST(Format, NamesEveryDefect) {
  FormatOptions hash;
  auto defect = [&](const std::string& text, Finish finish = Finish::kStop) { return format_defect(kProblem.problem, sample(text, false, finish), hash); };
  EXPECT_EQ(defect(kGood), "");
  EXPECT_EQ(defect(kGood, Finish::kLength), "not finished");
  EXPECT_EQ(defect("He has 12 + 5 = 17 apples in all."), "no answer in the form");
  EXPECT_EQ(defect("He has 12 + 5 = 17 apples. ####  "), "no answer in the form");
  EXPECT_EQ(defect("He has 12 + 5 = 17. #### 17 or #### 18"), "several answers");
  EXPECT_EQ(defect("He has 12 + 5 = 17. #### 17\nThat is all."), "text after the answer");
  EXPECT_EQ(defect("#### 17"), "no reasoning");
  EXPECT_EQ(defect("a b c d e f g h a b c d e f g h a b c d e f g h #### 17"), "a loop");
  hash.answer = AnswerForm::kBoxed;
  EXPECT_EQ(defect("So the number is 12 + 5, that is $\\boxed{17}$."), "");
  EXPECT_EQ(defect("So the number is 12 + 5, that is $\\boxed{}$."), "no answer in the form");
  EXPECT_EQ(defect("So \\boxed{\\frac{1}{2}} or rather \\boxed{3}"), "several answers");
  hash.answer = AnswerForm::kTag;
  EXPECT_EQ(defect("So the number is 12 + 5. <answer>17</answer>"), "");
}

TEST(Plausible, IsTheFormulaOfTheMethod) {
  RewardOptions options;
  options.kind = RewardKind::kPlausible;
  const auto scorer = std::make_shared<FixedScorer>();
  const auto judge = std::make_shared<FixedJudge>(1.5);  // J = 0.5
  Composite composite(options, scorer, {1.0, 2.0}, judge, 100);
  std::vector<Sample> samples = {sample(kGood, false), sample(kGood, true), sample(kGood, std::nullopt), sample("15", false), sample(kGood, false, Finish::kLength)};
  run(composite, samples);
  EXPECT_NEAR(*samples[0].reward, 0.5 + 0.25 / (1 + std::exp(-0.5)) + 0.25 * 0.5, 1e-12);
  EXPECT_EQ(*samples[1].reward, 0);
  EXPECT_EQ(*samples[2].reward, -1);
  EXPECT_EQ(*samples[3].reward, -1);
  EXPECT_EQ(*samples[4].reward, -1);
  EXPECT_EQ(scorer->scored, 1u);  // nothing else is looked at behind the gates
  EXPECT_EQ(judge->judged, 1u);
}

TEST(Plausible, JudgeFloorLimitsTheRewardToZero) {
  RewardOptions options;
  options.kind = RewardKind::kPlausible;
  Composite composite(options, std::make_shared<FixedScorer>(), {}, std::make_shared<FixedJudge>(0.6), 100);
  std::vector<Sample> samples = {sample(kGood, false)};
  run(composite, samples);
  EXPECT_EQ(*samples[0].reward, 0);
}

TEST(Plausible, AblationsSwitchTermsOff) {
  RewardOptions options;
  options.kind = RewardKind::kPlausible, options.weight_model = 0, options.weight_judge = 0;
  Composite composite(options, nullptr, {}, nullptr, 100);
  std::vector<Sample> samples = {sample(kGood, false)};
  run(composite, samples);
  EXPECT_EQ(*samples[0].reward, 0.5);
  options.weight_judge = 0.25;
  EXPECT_THROW(Composite(options, nullptr, {}, nullptr, 100), UsageError);
}

TEST(Accuracy, RewardsRightAnswers) {
  RewardOptions options;
  options.format_penalty = 0.5;
  Composite composite(options, nullptr, {}, nullptr, 100);
  std::vector<Sample> samples = {sample(kGood, true), sample(kGood, false), sample("14", true), sample("eh", std::nullopt)};
  run(composite, samples);
  EXPECT_EQ(*samples[0].reward, 1);
  EXPECT_EQ(*samples[1].reward, 0);
  EXPECT_EQ(*samples[2].reward, 0.5);
  EXPECT_EQ(*samples[3].reward, -0.5);
}

TEST(RuleJudge, PrefersCoherentChainsAndIgnoresCorrectness) {
  RuleJudge judge;
  auto score = [&](const std::string& solution) {
    const JudgeItem item{kProblem.problem, solution};
    return judge.judge(std::span(&item, 1))[0]->normalised();
  };
  const double right = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 14. #### 14");
  const double wrong = score(kGood);
  const double skips = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. #### 17");
  const double nowhere = score("Tom starts with 40 apples. He gets 8 more: 40 + 8 = 48. 9 go away: 48 - 9 = 39. #### 39");
  const double open = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 14. #### 99");
  const double loop = score("Tom has apples. Tom has apples. Tom has apples. Tom has apples. #### 12");
  EXPECT_DOUBLE_EQ(right, wrong);
  EXPECT_GT(right, 0.9);
  EXPECT_LT(skips, right - 0.05);
  EXPECT_LT(nowhere, skips);
  EXPECT_LT(open, right - 0.05);
  EXPECT_LT(loop, 0.4);
}

TEST(Rubric, FillsInAndRefusesATextWithoutPlaces) {
  EXPECT_EQ(judge_prompt({"P {solution}", "S"}, "a {problem} b {solution} c"), "a P {solution} b S c");
  EXPECT_NE(load_rubric("").find("Do not solve the problem"), std::string::npos);
  const std::string path = testing::TempDir() + "rubric.md";
  write_file(path, "only {problem}");
  EXPECT_THROW(load_rubric(path), Error);
}

}  // namespace foil
