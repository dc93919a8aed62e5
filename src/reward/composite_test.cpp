#include "reward/composite.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/atomic_file.h"
#include "base/error.h"
#include "reward/generator_judge.h"

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

TEST(Format, RegexMatchesOnceAndBoundsItself) {
  FormatOptions regex;
  regex.answer = AnswerForm::kRegex, regex.pattern = "^The answer is (.+)\\.$";
  auto defect = [&](const std::string& text) { return format_defect(kProblem.problem, sample(text, false), regex); };
  EXPECT_EQ(defect("He has 12 + 5 = 17 apples.\nThe answer is 17."), "");
  EXPECT_EQ(defect("He has 12 + 5 = 17 apples, I think."), "no answer in the form");
  EXPECT_EQ(defect("He has 12 + 5.\nThe answer is 17.\nThe answer is 18."), "several answers");
  EXPECT_EQ(defect("He has 12 + 5 = 17.\nThe answer is 17.\nSo."), "text after the answer");
  regex.pattern = "(a+)+$";
  EXPECT_EQ(defect(std::string(40, 'a') + "b and so on and on"), "no answer in the form");  // comes back
  try {
    regex.pattern = "(";
    regex.validate("reward.format");
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_EQ(e.message(), "pattern \"(\": missing closing parenthesis at character 2");
  }
  regex.pattern.clear();
  EXPECT_THROW(regex.validate("x"), UsageError);
}

TEST(Format, TheScriptIsTheQuestions) {
  FormatOptions options;
  auto defect = [&](const std::string& question, const std::string& text) { return format_defect(question, sample(text, false), options); };
  const std::string russian = "У Тома двенадцать яблок, он покупает ещё пять: 12 + 5 = 17. #### 17";
  EXPECT_EQ(defect("How many apples has Tom now?", russian), "another script than the question's");
  EXPECT_EQ(defect("Сколько яблок у Тома?", russian), "");
  EXPECT_EQ(defect("Сколько яблок у Тома?", kGood), "another script than the question's");
  EXPECT_EQ(defect("How large is the angle α?", "Since α + β + γ = π, α = β = γ gives \\alpha = π/3. #### π/3"), "");
  EXPECT_EQ(defect("トムはりんごを何個持っていますか", "トムのりんごは十二個です。十二たす五は十七。12 + 5 = 17 #### 17"), "");
  EXPECT_EQ(defect("What is 12 + 5?", "12 + 5 = 17, 17 + 1 = 18 #### 18"), "");
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

// Lengths 10, 20, 30 around a mean of 20; the mixed group is left alone.
TEST(Accuracy, RelativeLengthGivesAllRightGroupsASignal) {
  RewardOptions options;
  options.relative_length = 0.8;
  Composite composite(options, nullptr, {}, nullptr, 100);
  std::vector<Sample> samples;
  for (const int n : {10, 20, 30, 10, 30}) {
    samples.push_back(sample(kGood, true));
    samples.back().token_ids.assign(size_t(n), 1);
  }
  samples[3].problem_id = samples[4].problem_id = "q", samples[4].correct = false;
  run(composite, samples);
  EXPECT_DOUBLE_EQ(*samples[0].reward, 1.4);
  EXPECT_DOUBLE_EQ(*samples[1].reward, 1.0);
  EXPECT_DOUBLE_EQ(*samples[2].reward, 0.6);
  EXPECT_DOUBLE_EQ(*samples[3].reward, 1.0);
  EXPECT_DOUBLE_EQ(*samples[4].reward, 0.0);
  options.relative_length = 5;  // bounded
  Composite steep(options, nullptr, {}, nullptr, 100);
  run(steep, samples);
  EXPECT_DOUBLE_EQ(*samples[0].reward, 1.5);
  EXPECT_DOUBLE_EQ(*samples[2].reward, 0.5);
  options.kind = RewardKind::kPlausible;
  EXPECT_THROW(options.validate("x"), UsageError);
}

class LastDigit : public RewardTerm {
 public:
  std::string name() const override { return "last_digit"; }
  std::vector<std::optional<double>> values(std::span<const RewardItem> items) override {
    std::vector<std::optional<double>> out;
    for (const auto& i : items) out.push_back(i.sample->text.ends_with("15") ? std::optional(0.5) : std::nullopt);
    seen += items.size();
    return out;
  }
  size_t seen = 0;
};

TEST(Composite, FurtherTermsJoinBehindTheGates) {
  RewardOptions options;
  options.kind = RewardKind::kPlausible, options.weight_model = 0, options.weight_judge = 0;
  Composite composite(options, nullptr, {}, nullptr, 100);
  const auto term = std::make_shared<LastDigit>();
  composite.add(term, 0.2);
  std::vector<Sample> samples = {sample(kGood, false), sample(kGood, true), sample("15", false), sample("He has 12 + 4 = 16 of them. #### 16", false)};
  run(composite, samples);
  EXPECT_DOUBLE_EQ(*samples[0].reward, 0.6);
  EXPECT_EQ(samples[0].scores.at("last_digit"), 0.5);
  EXPECT_EQ(*samples[1].reward, 0);
  EXPECT_EQ(*samples[2].reward, -1);
  EXPECT_DOUBLE_EQ(*samples[3].reward, 0.5);
  EXPECT_EQ(term->seen, 2u);
  EXPECT_EQ(composite.unjudged(), 1);
}

// The type has no place for a gold answer: adding one breaks this binding.
TEST(Judge, ItemsHoldNoGold) {
  const JudgeItem item{"p", "s"};
  const auto& [problem, solution] = item;
  EXPECT_EQ(problem + solution, "ps");
  static_assert(sizeof(JudgeItem) == 2 * sizeof(std::string));
}

TEST(GeneratorJudge, ReadsOnlyWholeJudgements) {
  const auto good = read_judgement("Let me see {x}.\n```json\n{\"relevance\": 3, \"coherence\": \"2\", \"facts\": 1.5, \"writing\": 0}\n```");
  ASSERT_TRUE(good);
  EXPECT_DOUBLE_EQ(good->normalised(), 6.5 / 12);
  for (const char* bad : {"", "3 3 3 3", "{\"relevance\": 3, \"coherence\": 2, \"facts\": 1}", "{\"relevance\": 4, \"coherence\": 2, \"facts\": 1, \"writing\": 1}",
                          "{\"relevance\": \"high\", \"coherence\": 2, \"facts\": 1, \"writing\": 1}", "{\"relevance\": 3, \"coherence\": 2"})
    EXPECT_FALSE(read_judgement(bad)) << bad;
}

// Answers nonsense the first time it is asked about a solution, and always about "hopeless".
class Mumbler : public Generator {
 public:
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& = {}) override {
    std::vector<Sample> out;
    for (const auto& p : request.prompts) {
      EXPECT_EQ(p.messages.at(0).content.find("14"), std::string::npos) << "the gold answer reached the judge";
      Sample s;
      const bool hopeless = p.text.find("hopeless") != std::string::npos;
      s.text = request.first_sample_id == 0 || hopeless ? "well …" : "{\"relevance\":3,\"coherence\":3,\"facts\":3,\"writing\":3}";
      out.push_back(s);
    }
    ++calls;
    return out;
  }
  std::string describe() const override { return "mumbler"; }
  int calls = 0;
};

TEST(GeneratorJudge, AsksAgainAndThenGivesUp) {
  const auto generator = std::make_shared<Mumbler>();
  auto judge = std::make_shared<GeneratorJudge>(generator, load_rubric(""));
  const std::vector<JudgeItem> items = {{"q", "fine"}, {"q", "hopeless"}};
  const auto out = judge->judge(items);
  ASSERT_TRUE(out[0]);
  EXPECT_EQ(out[0]->normalised(), 1);
  EXPECT_FALSE(out[1]);
  EXPECT_EQ(generator->calls, 3);
  EXPECT_EQ(judge->unread(), 1);
  // Through the composite: the gold of kProblem is 14, and the judge is never shown it.
  RewardOptions options;
  options.kind = RewardKind::kPlausible, options.weight_model = 0;
  Composite composite(options, nullptr, {}, judge, 100);
  std::vector<Sample> samples = {sample(kGood, false)};
  run(composite, samples);
  EXPECT_EQ(*samples[0].reward, 0.75);
  GeneratorJudgeOptions cold;
  cold.temperature = 0;
  EXPECT_THROW(cold.validate("judge"), UsageError);
}

TEST(RuleJudge, PrefersChainsThatHoldTogetherWhateverTheAnswer) {
  RuleJudge judge;
  auto score = [&](const std::string& solution) {
    const JudgeItem item{kProblem.problem, solution};
    return judge.judge(std::span(&item, 1))[0]->normalised();
  };
  const double right = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 14. #### 14");
  const double other = score("Tom starts with 12 apples. He gets 5 more: 12 - 5 = 7. 3 go away: 7 - 3 = 4. #### 4");
  const double sum = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 18. 3 go away: 18 - 3 = 15. #### 15");
  const double skips = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. #### 17");
  const double nowhere = score("Tom starts with 40 apples. He gets 8 more: 40 + 8 = 48. 9 go away: 48 - 9 = 39. #### 39");
  const double open = score("Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 14. #### 99");
  const double loop = score("Tom has apples. Tom has apples. Tom has apples. Tom has apples. #### 12");
  EXPECT_DOUBLE_EQ(right, other);  // a wrong reading that holds together
  EXPECT_LT(sum, right - 0.03);    // an equation that does not hold
  EXPECT_GT(right, 0.9);
  EXPECT_LT(skips, right - 0.05);
  EXPECT_LT(nowhere, skips);
  EXPECT_LT(open, right - 0.05);
  EXPECT_LT(loop, 0.4);
}

TEST(Rubric, TheFileIsTheBuiltInText) { EXPECT_EQ(read_file("recipes/rubrics/worked_solution.md"), load_rubric("")); }

TEST(Rubric, FillsInAndRefusesATextWithoutPlaces) {
  EXPECT_EQ(judge_prompt({"P {solution}", "S"}, "a {problem} b {solution} c"), "a P {solution} b S c");
  EXPECT_NE(load_rubric("").find("Do not solve the problem"), std::string::npos);
  const std::string path = testing::TempDir() + "rubric.md";
  write_file(path, "only {problem}");
  EXPECT_THROW(load_rubric(path), Error);
}

}  // namespace foil
