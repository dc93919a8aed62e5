#include "reward/step_labels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "data/segmentation.h"

namespace foil {
namespace {

class Fake : public Generator {
 public:
  explicit Fake(std::function<std::string(const Prompt&, int64_t)> reply) : reply_(std::move(reply)) {}
  std::vector<Sample> generate(const GenerateRequest& r, const std::function<void(const Sample&)>&) override {
    std::vector<Sample> out;
    for (const auto& p : r.prompts) {
      Sample s;
      s.problem_id = p.problem_id, s.sample_id = r.first_sample_id, s.text = reply_(p, r.first_sample_id);
      out.push_back(s);
      asked.push_back(p.messages[0].content);
    }
    return out;
  }
  std::string describe() const override { return "fake"; }
  std::vector<std::string> asked;

 private:
  std::function<std::string(const Prompt&, int64_t)> reply_;
};

class LengthScorer : public Scorer {
 public:
  std::vector<double> score(std::span<const Scored> items) override {
    std::vector<double> out;
    for (const auto& x : items) out.push_back(x.completion.find("8") == std::string::npos ? 2.0 : -2.0);
    return out;
  }
  std::string describe() const override { return "length"; }
};

const std::vector<Problem> kProblems = {{"p", "2 + 3 + 4?", "99"}};

Sample sample(const std::string& text) {
  Sample s;
  s.problem_id = "p", s.text = text, s.correct = false, s.steps = segment(text, StepRule::kSentence);
  return s;
}

TEST(StepLabels, ConsensusOfJudgeAndProcessModel) {
  const ProblemIndex index(kProblems);
  std::vector<Sample> samples = {sample("First 2 + 3 = 5. Then 5 + 4 = 8. So it is 8.")};
  auto fake = std::make_shared<Fake>([](const Prompt&, int64_t attempt) { return attempt == 0 ? "Well …" : "ok {\"steps\": [true, true, false]}"; });
  GeneratorStepJudge judge(fake);
  const auto verdicts = judge.judge(index, samples);
  ASSERT_EQ(fake->asked.size(), 2u);
  EXPECT_NE(fake->asked[0].find("2. Then 5 + 4 = 8.\n3. So it is 8."), std::string::npos);
  EXPECT_EQ(fake->asked[0].find("99"), std::string::npos);  // never the gold answer
  LengthScorer scorer;
  const auto scores = process_scores(scorer, samples, [](const Sample&) { return "Q: "; }, true);
  const auto counts = label_steps(samples, verdicts, scores, 0.5);
  EXPECT_EQ(samples[0].steps[0].correct, true);   // both
  EXPECT_EQ(samples[0].steps[1].correct, false);  // the judge only
  EXPECT_EQ(samples[0].steps[2].correct, false);  // neither
  EXPECT_NEAR(*samples[0].steps[0].score, 1 / (1 + std::exp(-2.0)), 1e-12);
  EXPECT_EQ(counts.right, 1);
  EXPECT_EQ(counts.judge_only, 1);
  EXPECT_EQ(counts.neither, 1);
  EXPECT_EQ(counts.right_in_wrong_samples, 1);
}

TEST(StepLabels, NoJudgementIsNoVerdict) {
  std::vector<Sample> samples = {sample("One. Two.")};
  const std::vector<std::vector<double>> scores = {{0.9, NAN}};
  const auto counts = label_steps(samples, std::vector<StepVerdicts>{std::nullopt}, scores, 0.5);
  EXPECT_FALSE(samples[0].steps[0].correct.has_value());
  EXPECT_EQ(samples[0].steps[0].score, 0.9);
  EXPECT_FALSE(samples[0].steps[1].score.has_value());
  EXPECT_EQ(counts.unjudged, 2);
}

TEST(StepLabels, ReadsVerdicts) {
  EXPECT_EQ(read_step_verdicts("{\"steps\": [true, 0, \"correct\"]}", 3), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(read_step_verdicts("I {think} so: {\"steps\": [1]} {}", 1), (std::vector<bool>{true}));
  EXPECT_FALSE(read_step_verdicts("{\"steps\": [true]}", 2).has_value());
  EXPECT_FALSE(read_step_verdicts("{\"steps\": [2]}", 1).has_value());
  EXPECT_FALSE(read_step_verdicts("{\"steps\": [[true]]}", 1).has_value());
  EXPECT_FALSE(read_step_verdicts("true", 1).has_value());
}

TEST(StepLabels, AJudgeThatNeverAnswersIsAnError) {
  const ProblemIndex index(kProblems);
  GeneratorStepJudge judge(std::make_shared<Fake>([](const Prompt&, int64_t) { return "no"; }));
  const std::vector<Sample> samples(4, sample("One. Two."));
  try {
    judge.judge(index, samples);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "none of 12 replies of the step judge can be read; the last: no");
  }
}

}  // namespace
}  // namespace foil
