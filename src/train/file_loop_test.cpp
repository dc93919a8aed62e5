#include "train/file_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "config/options.h"
#include "train/preference.h"
#include "train/reward_model.h"
#include "train/sft.h"
#include "train/test_support.h"

namespace foil::train {
namespace {
using namespace testing_support;
namespace fs = std::filesystem;

FileLoopOptions loop(int64_t batch_size, double epochs, double lr) {
  FileLoopOptions o;
  o.optimizer.lr = lr, o.optimizer.schedule = Schedule::kConstant, o.optimizer.warmup_steps = 2;
  o.batch.batch_size = batch_size, o.batch.epochs = epochs, o.batch.micro_batch_tokens = 64;
  o.checkpoint.every_minutes = 0;
  return o;
}

StageContext context(const fs::path& folder) {
  StageContext c;
  c.stage = "test", c.folder = folder, c.seed = 11;
  return c;
}

TEST(Sft, OverfitsEightExamples) {
  Scratch dir("sft");
  auto model = tiny_model();
  const auto result = train_sft(model, examples(8), {loop(8, 120, 1e-2)}, context(dir.path));
  EXPECT_EQ(result.steps, 120);
  EXPECT_LT(result.last.at("loss"), 0.05);
  EXPECT_GT(result.last.at("tokens_per_s"), 0);
}

TEST(Sft, MicroBatchesDoNotChangeTheResult) {
  std::vector<nn::Transformer> models;
  for (const int64_t budget : {1, 30, 100000}) {
    Scratch dir("micro");
    models.push_back(tiny_model());
    auto o = loop(8, 3, 1e-3);
    o.batch.micro_batch_tokens = budget;
    o.optimizer.eps = 1e-4;  // with 1e-8, Adam turns the rounding of a gradient near zero into a whole step
    train_sft(models.back(), examples(8), {o}, context(dir.path));
  }
  EXPECT_LT(largest_difference(models[0], models[1]), 1e-6);
  EXPECT_LT(largest_difference(models[0], models[2]), 1e-6);
  EXPECT_GT(largest_difference(models[0], tiny_model()), 1e-3);
}

TEST(Sft, Bf16WithF32MastersLearns) {
  Scratch dir("bf16");
  auto model = tiny_model(1, at::kBFloat16);
  const auto result = train_sft(model, examples(4), {loop(4, 100, 5e-3)}, context(dir.path));
  EXPECT_EQ(model.type(), at::kBFloat16);
  EXPECT_LT(result.last.at("loss"), 0.3);
}

TEST(Sft, RecomputedLayersGiveTheSameWeights) {
  std::vector<nn::Transformer> models;
  for (const bool recompute : {false, true}) {
    Scratch dir("recompute");
    models.push_back(tiny_model());
    auto o = loop(8, 2, 1e-3);
    o.recompute = recompute;
    train_sft(models.back(), examples(8), {o}, context(dir.path));
  }
  EXPECT_LT(largest_difference(models[0], models[1]), 1e-6);
}

TEST(Sft, HeldOutRecordsAreMeasuredAndNotTrained) {
  Scratch dir("heldout");
  auto model = tiny_model();
  auto o = loop(8, 1, 1e-3);
  o.validation_share = 0.25;
  const auto result = train_sft(model, examples(64), {o}, context(dir.path));
  EXPECT_EQ(result.records + result.held_out, 64);
  EXPECT_GT(result.held_out, 4);
  EXPECT_NEAR(result.validation.at("validation/loss"), std::log(40), 1.0);
  EXPECT_NEAR(result.validation.at("validation/loss"), result.validation.at("validation/nll"), 1e-6);
}

TEST(Sft, TooLongRecordsAreSkippedCutOrRefused) {
  auto data = examples(4);
  data[1].completion.resize(40, 5);
  BatchOptions o;
  o.max_tokens = 20;
  EXPECT_EQ(SftTask(data, o).size(), 3);
  o.too_long = TooLong::kTruncate;
  const SftTask cut(data, o);
  EXPECT_EQ(cut.size(), 4);
  EXPECT_EQ(cut.tokens(1), 20);
  o.too_long = TooLong::kRefuse;
  try {
    SftTask refused(data, o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::MatchesRegex("sft: record e1 has [0-9]+ tokens, more than max_tokens 20"));
  }
}

TEST(Sft, NothingToTrainOnIsAnError) {
  Scratch dir("empty");
  auto model = tiny_model();
  try {
    train_sft(model, {}, {loop(8, 1, 1e-3)}, context(dir.path));
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "test: there is no record to train on");
  }
}

TEST(Sft, NanNamesStepBatchAndCheckpoint) {
  Scratch dir("nan");
  auto model = tiny_model();
  auto o = loop(4, 20, 1e-3);
  o.checkpoint.every_steps = 2;
  auto c = context(dir.path);
  c.after_step = [&](int64_t step) {
    at::NoGradGuard guard;
    if (step == 5) model.parameters().at("model.norm.weight").detach().fill_(NAN);
  };
  try {
    train_sft(model, examples(4), {o}, c);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::MatchesRegex("test: the loss is -?nan at step 6 \\(records? e[0-9].*\\)"));
    EXPECT_THAT(e.hint(), testing::HasSubstr("the last good checkpoint is " + (dir.path / "checkpoints/step-00000004").string()));
  }
}

TEST(Dpo, RaisesTheMargin) {
  Scratch dir("dpo");
  auto model = tiny_model();
  PreferenceTrainOptions o;
  o.loop = loop(8, 30, 3e-3);
  const auto result = train_preference(model, pairs(8), o, context(dir.path));
  EXPECT_GT(result.last.at("rewards/accuracy"), 0.99);
  EXPECT_GT(result.last.at("rewards/margin"), 1.0);
  EXPECT_LT(result.last.at("loss"), 0.3);
}

TEST(Dpo, FirstStepStartsAtTheReference) {
  Scratch dir("dpo0");
  auto model = tiny_model();
  PreferenceTrainOptions o;
  o.loop = loop(8, 1, 0);
  const auto result = train_preference(model, pairs(8), o, context(dir.path));
  EXPECT_NEAR(result.last.at("loss"), std::log(2), 1e-5);
  EXPECT_NEAR(result.last.at("delta/chosen"), 0, 1e-4);
}

TEST(Dpo, SeveralNegativesAndOtherLossesTrain) {
  for (const auto loss : {objective::PreferenceLoss::kInfonce, objective::PreferenceLoss::kSimpo, objective::PreferenceLoss::kOrpo, objective::PreferenceLoss::kSigmoidNorm}) {
    Scratch dir("losses");
    auto model = tiny_model();
    PreferenceTrainOptions o;
    o.objective.loss = loss;
    o.loop = loop(8, 15, 3e-3);
    auto data = pairs(8);
    if (loss == objective::PreferenceLoss::kInfonce) {
      Stream stream(1, "more");
      for (auto& x : data) x.rejected.push_back(random_tokens(stream, 2, 9));
    }
    const auto result = train_preference(model, data, o, context(dir.path));
    EXPECT_GT(result.last.at("rewards/accuracy"), 0.8) << objective::info(loss).name;
  }
}

TEST(Dpo, ReferencePassIsReadFromDiskTheSecondTime) {
  Scratch dir("cache");
  auto model = tiny_model();
  const auto data = pairs(5);
  std::vector<ScoredTokens> items;
  for (const auto& x : data) items.push_back({&x.prompt, {&x.chosen, &x.rejected[0]}});
  const auto first = cached_logprobs(model, items, 64, dir.path, "h", "reference");
  EXPECT_EQ(first.numel(), 10);
  const auto files = [&] { return std::distance(fs::directory_iterator(dir.path), fs::directory_iterator()); };
  EXPECT_EQ(files(), 1);
  const fs::path file = *fs::directory_iterator(dir.path) ;
  const auto written = fs::last_write_time(file / "00000.safetensors");
  EXPECT_TRUE(at::equal(cached_logprobs(model, items, 64, dir.path, "h", "reference"), first));
  EXPECT_EQ(fs::last_write_time(file / "00000.safetensors"), written);
  fs::resize_file(file / "00000.safetensors", 20);  // damaged: computed again
  EXPECT_TRUE(at::equal(cached_logprobs(model, items, 64, dir.path, "h", "reference"), first));
  auto other = tiny_model(2);
  EXPECT_FALSE(at::equal(cached_logprobs(other, items, 64, dir.path, "h", "reference"), first));
  EXPECT_EQ(files(), 2);
}

TEST(Kto, SeparatesRightFromWrong) {
  for (const auto loss : {objective::PreferenceLoss::kKto, objective::PreferenceLoss::kBco}) {
    Scratch dir("kto");
    auto model = tiny_model();
    PreferenceTrainOptions o;
    o.objective.loss = loss;
    o.loop = loop(8, 30, 3e-3);
    std::vector<UnpairedExample> data;
    for (const auto& x : examples(16)) data.push_back({x.id, x.prompt, x.completion, data.size() % 2 == 0, 1});
    const auto result = train_unpaired(model, data, o, context(dir.path));
    EXPECT_GT(result.last.at("rewards/chosen"), result.last.at("rewards/rejected") + 0.5) << objective::info(loss).name;
  }
}

TEST(Kto, ItsBaselineMeetsAnswersToOtherPromptsRightAndWrongAlike) {
  const auto records = [](std::vector<int32_t> prompts) {
    std::vector<UnpairedExample> out;
    for (const int32_t p : prompts) out.push_back({fmt::format("r{}", out.size()), {p}, {7}, out.size() % 2 == 0, 1});
    return out;
  };
  EXPECT_EQ(mismatched_records(records({1, 1, 2, 2, 3, 3})), (std::vector<int64_t>{2, 3, 4, 5, 0, 1}));  // chosen to chosen, rejected to rejected
  EXPECT_EQ(mismatched_records(records({1, 2, 3})), (std::vector<int64_t>{1, 2, 0}));
  EXPECT_EQ(mismatched_records(records({1, 1, 1, 2})), (std::vector<int64_t>{3, 3, 3, 0}));
  EXPECT_EQ(mismatched_records(records({2, 1, 1, 1, 2})), (std::vector<int64_t>{1, 4, 0, 4, 1}));
  const auto pairs_of = unpaired(pairs(5));
  const auto other = mismatched_records(pairs_of);
  for (size_t i = 0; i < pairs_of.size(); ++i) {
    EXPECT_NE(pairs_of[i].prompt, pairs_of[size_t(other[i])].prompt) << i;
    EXPECT_EQ(pairs_of[i].desirable, pairs_of[size_t(other[i])].desirable) << i;
  }
  EXPECT_THROW(mismatched_records(records({4, 4, 4})), Error);
}

TEST(RewardModel, SeparatesChosenFromRejected) {
  Scratch dir("rm");
  nn::RewardModel model{tiny_model(), at::zeros({1, 32})};
  RewardModelOptions o;
  o.loop = loop(8, 30, 3e-3);
  const auto result = train_reward_model(model, pairs(16), o, context(dir.path));
  EXPECT_GT(result.last.at("accuracy"), 0.99);
  EXPECT_LT(result.last.at("loss"), 0.3);
  EXPECT_GT(model.head.abs().max().item<float>(), 0);
}

// One kind of training, as a resumable job: (folder, after_step) → weights.
struct Job {
  const char* name;
  std::function<void(nn::Transformer&, at::Tensor&, const StageContext&)> run;
};

std::vector<Job> jobs() {
  auto o = loop(4, 3, 1e-3);
  o.checkpoint.every_steps = 2;
  const auto with = [o](auto options) {
    options.loop = o;
    return options;
  };
  PreferenceTrainOptions kto, bco;
  kto.objective.loss = objective::PreferenceLoss::kKto, bco.objective.loss = objective::PreferenceLoss::kBco;
  std::vector<UnpairedExample> unpaired;
  for (const auto& x : examples(16)) unpaired.push_back({x.id, x.prompt, x.completion, unpaired.size() % 2 == 0, 1});
  return {
      {"sft", [=](auto& m, auto&, const auto& c) { train_sft(m, examples(16), {o}, c); }},
      {"dpo", [=](auto& m, auto&, const auto& c) { train_preference(m, pairs(16), with(PreferenceTrainOptions{}), c); }},
      {"kto", [=](auto& m, auto&, const auto& c) { train_unpaired(m, unpaired, with(kto), c); }},
      {"bco", [=](auto& m, auto&, const auto& c) { train_unpaired(m, unpaired, with(bco), c); }},
      {"reward", [=](auto& m, auto& h, const auto& c) {
         nn::RewardModel both{m, h};
         train_reward_model(both, pairs(16), with(RewardModelOptions{}), c);
       }},
  };
}

struct Killed {};

TEST(Resume, ThrownAtAnyStepEndsWithTheSameBytes) {
  for (const Job& job : jobs()) {
    Scratch whole("whole");
    auto expected = tiny_model();
    at::Tensor expected_head = at::zeros({1, 32});
    job.run(expected, expected_head, context(whole.path));
    for (const int64_t kill : {1, 2, 5, 11}) {
      Scratch dir("killed");
      auto c = context(dir.path);
      c.after_step = [&](int64_t step) {
        if (step == kill) throw Killed{};
      };
      auto model = tiny_model();
      at::Tensor head = at::zeros({1, 32});
      EXPECT_THROW(job.run(model, head, c), Killed);
      auto again = tiny_model();
      head = at::zeros({1, 32});
      c.after_step = nullptr;
      job.run(again, head, c);
      EXPECT_TRUE(same_weights(expected, again)) << job.name << " killed at step " << kill;
      EXPECT_TRUE(at::equal(expected_head, head)) << job.name << " killed at step " << kill;
    }
  }
}

TEST(Resume, KillNineLeavesOneLineAStepAndTheSameBytes) {
  Scratch whole("whole9");
  auto o = loop(4, 4, 1e-3);
  o.checkpoint.every_steps = 3;
  const auto run = [&](nn::Transformer& model, const fs::path& folder, std::function<void(int64_t)> after) {
    RunLog log(folder / "metrics.jsonl", "test");
    auto c = context(folder);
    c.log = &log, c.after_step = std::move(after);
    train_sft(model, examples(16), {o}, c);
  };
  auto expected = tiny_model();
  run(expected, whole.path, nullptr);
  Scratch dir("killed9");
  for (const int64_t kill : {2, 7, 8, 13}) {
    const pid_t child = fork();
    if (child == 0) {
      at::set_num_threads(1);  // the parent's thread pool does not survive a fork
      auto model = tiny_model();
      run(model, dir.path, [&](int64_t step) {
        if (step == kill) ::kill(getpid(), SIGKILL);
      });
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  auto model = tiny_model();
  run(model, dir.path, nullptr);
  EXPECT_TRUE(same_weights(expected, model));
  std::map<int64_t, int> lines;
  std::stringstream text(read_file(dir.path / "metrics.jsonl"));
  for (std::string line; std::getline(text, line);) {
    const auto j = nlohmann::json::parse(line);
    if (j.at("name") == "loss") ++lines[j.at("step").get<int64_t>()];
  }
  ASSERT_EQ(lines.size(), 16u);
  for (const auto& [step, n] : lines) EXPECT_EQ(n, 1) << step;
}

TEST(Resume, InterruptSavesAndAnotherRunGoesOn) {
  Scratch whole("wholei"), dir("interrupted");
  auto o = loop(4, 3, 1e-3);
  auto expected = tiny_model();
  train_sft(expected, examples(16), {o}, context(whole.path));
  auto c = context(dir.path);
  c.after_step = [](int64_t step) {
    if (step == 4) request_interrupt();
  };
  auto model = tiny_model();
  EXPECT_THROW(train_sft(model, examples(16), {o}, c), Interrupted);
  clear_interrupt();
  EXPECT_TRUE(fs::exists(dir.path / "checkpoints/step-00000004"));
  c.after_step = nullptr;
  auto again = tiny_model();
  train_sft(again, examples(16), {o}, c);
  EXPECT_TRUE(same_weights(expected, again));
}

TEST(Resume, OtherDataIsRefused) {
  Scratch dir("other");
  auto model = tiny_model();
  train_sft(model, examples(4), {loop(4, 1, 1e-3)}, context(dir.path));
  auto again = tiny_model();
  try {
    train_sft(again, examples(4, 99), {loop(4, 1, 1e-3)}, context(dir.path));
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_THAT(e.message(), testing::StartsWith("this run folder was started with data = "));
  }
}

TEST(OptionsOfTheRoom, ReadBackAndKeepTheirDefaults) {
  PreferenceTrainOptions o;
  config::read(config::parse_yaml("loss: sigmoid\nbeta: 0.2\noptimizer: {lr: 1e-4, schedule: linear}\nbatch: {batch_size: 4, too_long: truncate}\n", "r"), o);
  EXPECT_EQ(o.loop.optimizer.lr, 1e-4);
  EXPECT_EQ(o.loop.batch.too_long, TooLong::kTruncate);
  EXPECT_EQ(SftOptions{}.loop.optimizer.lr, 2e-5);
  EXPECT_THROW(config::read(config::parse_yaml("validate_every: 5\n", "r"), o), UsageError);
}

}  // namespace
}  // namespace foil::train
