#include "train/process_reward.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "text/word_tokenizer.h"
#include "train/test_support.h"

namespace foil::train {
namespace {

using namespace testing_support;

// Answers of three steps of three tokens; a step with the token 7 in it is wrong.
std::vector<ProcessExample> answers(int n, uint64_t seed) {
  Stream stream(seed, "process");
  std::vector<ProcessExample> out;
  for (int i = 0; i < n; ++i) {
    ProcessExample x{fmt::format("a{}", i), random_tokens(stream, 3, 6), {}, {}, {}};
    for (int k = 0; k < 3; ++k) {
      const bool wrong = stream.chance(0.5);
      x.completion.insert(x.completion.end(), {int32_t(stream.between(10, 39)), wrong ? 7 : int32_t(stream.between(10, 39)), 9});
      x.ends.push_back(int64_t(x.completion.size()) - 1), x.labels.push_back(wrong ? 0 : 1);
    }
    x.completion.push_back(1);
    out.push_back(std::move(x));
  }
  return out;
}

StageContext context_in(const std::filesystem::path& folder) {
  StageContext c;
  c.stage = "process_reward_model", c.folder = folder;
  return c;
}

ProcessRewardOptions options() {
  ProcessRewardOptions o;
  o.loop.batch.batch_size = 16, o.loop.batch.epochs = 40;
  o.loop.optimizer.lr = 3e-3;
  return o;
}

TEST(ProcessReward, ScoresTheStepsOfAnswersItHasNotSeen) {
  Scratch dir("process");
  nn::RewardModel model{tiny_model(), at::zeros({1, 32})};
  const auto result = train_process_reward(model, answers(96, 1), options(), context_in(dir.path));
  EXPECT_GT(result.last.at("accuracy"), 0.95);
  const auto fresh = answers(32, 2);
  const auto scores = process_scores(model, fresh);
  int hit = 0, steps = 0;
  for (size_t i = 0; i < fresh.size(); ++i)
    for (size_t k = 0; k < 3; ++k, ++steps) hit += (scores[i][k] > 0.5) == (fresh[i].labels[k] > 0.5);
  EXPECT_GT(double(hit) / steps, 0.9);
  // A step does not see what stands behind it, and packing changes nothing.
  auto first = fresh[0];
  first.completion.resize(3), first.ends.resize(1), first.labels.resize(1);
  EXPECT_NEAR(process_scores(model, {first})[0][0], scores[0][0], 1e-5);
  EXPECT_NEAR(process_scores(model, fresh, 16)[5][2], scores[5][2], 1e-5);
}

TEST(ProcessReward, SoftLabelsAreItsAim) {
  Scratch dir("process_soft");
  nn::RewardModel model{tiny_model(), at::zeros({1, 32})};
  auto soft = answers(64, 1);
  for (auto& x : soft)
    for (double& label : x.labels) label = label > 0.5 ? 0.75 : 0.25;
  train_process_reward(model, soft, options(), context_in(dir.path));
  double right = 0, n = 0;
  const auto scores = process_scores(model, soft);
  for (size_t i = 0; i < soft.size(); ++i)
    for (size_t k = 0; k < 3; ++k)
      if (soft[i].labels[k] > 0.5) right += scores[i][k], ++n;
  EXPECT_NEAR(right / n, 0.75, 0.08);
}

TEST(ProcessReward, StepsWithoutLabelTrainNothing) {
  auto some = answers(2, 1);
  some[0].labels = {NAN, NAN, NAN};
  some[1].labels = {1, NAN, 0};
  ProcessRewardTask task(some, {}, at::zeros({1, 32}));
  ASSERT_EQ(task.size(), 1);
  EXPECT_EQ(task.counts(std::vector<int64_t>{0}).sequences, 2);
  Scratch dir("process_none");
  nn::RewardModel model{tiny_model(), at::zeros({1, 32})};
  try {
    train_process_reward(model, {some[0]}, options(), context_in(dir.path));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "no sample has a step with a label");
  }
  some[1].labels[0] = 2;
  EXPECT_THROW(ProcessRewardTask(some, {}, at::zeros({1, 32})), Error);
}

TEST(ProcessReward, FindsTheTokenThatEndsAStep) {
  const auto tokenizer = text::word_tokenizer({"He has 3. She has 4. So 7."}, {" 3", " 4", " 7"});
  const Encoder encoder{&tokenizer, *tokenizer.eos()};
  Sample s;
  s.problem_id = "p", s.text = "He has 3. She has 4. So 7.";
  s.steps = {{0, 10, true, {}}, {10, 21, false, {}}, {21, 26, {}, {}}};
  const auto x = process_example(encoder, {2, 3}, s);
  ASSERT_EQ(x.ends.size(), 3u);
  const auto until = [&](int64_t end) { return tokenizer.decode(std::span(x.completion).first(size_t(end) + 1)); };
  EXPECT_EQ(until(x.ends[0]), "He has 3.");
  EXPECT_EQ(until(x.ends[1]), "He has 3. She has 4.");
  EXPECT_EQ(until(x.ends[2]), s.text);
  EXPECT_EQ(x.completion.back(), *tokenizer.eos());
  EXPECT_EQ(x.labels[0], 1);
  EXPECT_EQ(x.labels[1], 0);
  EXPECT_TRUE(std::isnan(x.labels[2]));
  s.extra["step_values"] = {0.5, 0.75, 0.25, 0.0};
  EXPECT_EQ(process_example(encoder, {2}, s).labels, (std::vector<double>{0.75, 0.25, 0.0}));
  s.extra["step_values"] = {0.5};
  EXPECT_THROW(process_example(encoder, {2}, s), Error);
}

}  // namespace
}  // namespace foil::train
