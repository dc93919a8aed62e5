#include "train/onpolicy_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "rollout/engine.h"
#include "text/word_tokenizer.h"
#include "train/test_support.h"

namespace foil::train {
namespace {
using namespace testing_support;

std::shared_ptr<const text::Tokenizer> words() {
  static const auto t = std::make_shared<const text::Tokenizer>(text::word_tokenizer({"a b c d e f g h i j k l m n o p q r s t"}, {}));
  return t;
}

std::shared_ptr<nn::Transformer> model(uint64_t seed = 5) {
  auto c = tiny_config();
  c.vocab_size = words()->vocab_size();
  c.eos_token_ids = {*words()->eos()};
  return std::make_shared<nn::Transformer>(nn::Transformer::random(c, seed));
}

std::vector<PolicyProblem> problems(int n) {
  std::vector<PolicyProblem> out;
  for (int i = 0; i < n; ++i) {
    PolicyProblem p;
    p.problem.id = p.prompt.problem_id = fmt::format("q{}", i);
    p.problem.answer = "a";
    p.prompt.text = std::string(1, char('a' + i)) + " b c" + (i % 3 ? " d" : "");
    p.prompt_tokens = words()->encode(p.prompt.text);
    out.push_back(std::move(p));
  }
  return out;
}

// Share of the tokens that are words, not bytes: a random model gets about 0.08.
void reward_words(std::span<const RewardItem> items, std::span<Sample> samples) {
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(items[i].sample, &samples[i]);
    EXPECT_EQ(items[i].problem->id, samples[i].problem_id);
    double n = 0;
    for (const int32_t t : samples[i].token_ids) n += t >= 256;
    samples[i].reward = samples[i].token_ids.empty() ? 0 : n / double(samples[i].token_ids.size());
    samples[i].scores["words"] = *samples[i].reward;
  }
}

OnPolicyOptions options(int64_t steps) {
  OnPolicyOptions o;
  o.steps = steps, o.problems_per_step = 6, o.group_size = 6, o.max_completion_tokens = 8;
  o.optimizer.lr = 1e-2, o.optimizer.warmup_steps = 0;
  o.micro_batch_tokens = 200;
  o.checkpoint.every_minutes = 0;
  return o;
}

StageContext context(const Scratch& dir) {
  StageContext c;
  c.stage = "rl", c.folder = dir.path, c.seed = 21;
  return c;
}

struct Trainer {
  std::shared_ptr<nn::Transformer> policy = model();
  rollout::LocalEngine engine{policy, words(), {}};
  OnPolicyResult train(const OnPolicyOptions& o, const StageContext& c, const RewardFunction& reward = reward_words, const nn::Transformer* reference = nullptr) {
    return train_on_policy(*policy, problems(12), {&engine, {}}, reward, o, c, reference);
  }
};

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(OnPolicy, EveryLossClimbsTheReward) {
  using objective::PolicyLoss;
  for (const auto loss : {PolicyLoss::kGrpo, PolicyLoss::kDrGrpo, PolicyLoss::kDapo, PolicyLoss::kGspo, PolicyLoss::kCispo, PolicyLoss::kReinforce}) {
    Scratch dir("climb");
    Trainer s;
    auto o = options(25);
    o.objective.loss = loss;
    double first = -1;
    auto c = context(dir);
    RunLog log(dir.path / "metrics.jsonl", "rl");
    c.log = &log;
    const auto result = s.train(o, c, [&](auto items, auto samples) {
      reward_words(items, samples);
      if (first >= 0) return;
      first = 0;
      for (const auto& x : samples) first += *x.reward / double(samples.size());
    });
    EXPECT_LT(first, 0.25);
    EXPECT_GT(result.last.at("reward"), first + 0.3) << objective::info(loss).name;
    EXPECT_LT(result.last.at("sampler_mismatch/max"), 1e-3) << objective::info(loss).name;
    EXPECT_EQ(result.last.at("reward"), result.last.at("reward/words"));
  }
}

TEST(OnPolicy, OtherTemperaturesKeepTheRatioAtOne) {
  Scratch dir("temperature");
  Trainer s;
  auto o = options(2);
  o.temperature = 0.6;
  const auto result = s.train(o, context(dir));
  EXPECT_LT(result.last.at("sampler_mismatch/max"), 1e-3);
}

TEST(OnPolicy, MicroBatchesDoNotChangeTheResult) {
  for (const auto loss : {objective::PolicyLoss::kGrpo, objective::PolicyLoss::kDapo}) {
    std::vector<std::shared_ptr<nn::Transformer>> models;
    for (const int64_t budget : {1, 60, 100000}) {
      Scratch dir("micro");
      Trainer s;
      auto o = options(1);
      o.objective.loss = loss;
      o.micro_batch_tokens = budget;
      o.optimizer.lr = 1e-3, o.optimizer.eps = 1e-5;  // Adam's first step magnifies the rounding of gradients below eps
      s.train(o, context(dir));
      models.push_back(s.policy);
    }
    EXPECT_LT(largest_difference(*models[0], *models[1]), 1e-6);
    EXPECT_LT(largest_difference(*models[0], *models[2]), 1e-6);
    EXPECT_GT(largest_difference(*models[0], *model()), 5e-4);
  }
}

// A sample of advantage 0 contributes nothing; with a vanishing entropy bonus all samples go through the forward pass.
TEST(OnPolicy, SkippedSamplesChangeNothing) {
  std::vector<std::shared_ptr<nn::Transformer>> models;
  std::vector<double> tokens;
  for (const double entropy : {0.0, 1e-12}) {
    Scratch dir("skip");
    Trainer s;
    auto o = options(1);
    o.objective.entropy_coefficient = entropy;
    o.optimizer.lr = 1e-3, o.optimizer.eps = 1e-5;
    const auto result = s.train(o, context(dir), [](auto items, auto samples) {
      reward_words(items, samples);
      for (auto& x : samples)
        if (x.problem_id != "q1" && x.problem_id != "q2" && x.problem_id != "q3" && x.problem_id != "q4") x.reward = 0.5;
    });
    tokens.push_back(result.last.at("train_tokens"));
    models.push_back(s.policy);
  }
  EXPECT_LT(tokens[0], 0.8 * tokens[1]);
  EXPECT_LT(largest_difference(*models[0], *models[1]), 1e-6);
}

// A trainer whose engine keeps its activations.
struct KeepingTrainer : Trainer {
  std::shared_ptr<nn::KeptActivations> kept = std::make_shared<nn::KeptActivations>();
  KeepingTrainer() { engine.keep_activations(kept); }
  OnPolicyResult train(const OnPolicyOptions& o, const StageContext& c, const RewardFunction& reward = reward_words, const nn::Transformer* reference = nullptr, std::map<std::string, std::vector<Sample>> offline = {}) {
    PolicySampler sampler{&engine, {}, kept};
    sampler.offline = std::move(offline);
    return train_on_policy(*policy, problems(12), sampler, reward, o, c, reference);
  }
};

OnPolicyOptions one_careful_step(int64_t micro_batch_tokens = 100000) {
  auto o = options(1);
  o.micro_batch_tokens = micro_batch_tokens;
  o.optimizer.lr = 1e-3, o.optimizer.eps = 1e-5;
  return o;
}

TEST(OnPolicy, KeptActivationsOfTheSamplerChangeNothing) {
  using objective::PolicyLoss;
  const auto reference = model(7);
  for (const auto loss : {PolicyLoss::kGrpo, PolicyLoss::kGspo, PolicyLoss::kPpo})
    for (const int updates : {1, 2}) {
      Scratch dir("plain"), other("keeping");
      auto o = one_careful_step();
      o.objective.loss = loss, o.updates_per_batch = updates, o.minibatches = updates;
      o.objective.kl_coefficient = loss == PolicyLoss::kGrpo ? 0.1 : 0;
      Trainer plain;
      const auto expected = plain.train(o, context(dir), reward_words, &*reference);
      KeepingTrainer keeping;
      int64_t tokens = 0;
      const auto result = keeping.train(o, context(other), [&](auto items, auto samples) {
        tokens = keeping.kept->tokens();
        reward_words(items, samples);
      }, &*reference);
      EXPECT_GT(tokens, 6 * 6);
      EXPECT_EQ(keeping.kept->tokens(), 0);
      EXPECT_LT(largest_difference(*plain.policy, *keeping.policy), 2e-6 * updates * updates);
      EXPECT_GT(largest_difference(*model(), *keeping.policy), 5e-4);
      EXPECT_NEAR(expected.last.at("loss"), result.last.at("loss"), 1e-5);
      EXPECT_EQ(expected.last.at("train_tokens"), result.last.at("train_tokens"));
    }
}

TEST(OnPolicy, KeptActivationsAreWhatTheFirstUpdateLearnsFrom) {
  Scratch dir("whole"), other("spoilt"), third("off"), fourth("recompute"), fifth("softmax");
  const auto train = [&](OnPolicyOptions o, const Scratch& folder, bool spoil, bool spoil_softmax = false) {
    KeepingTrainer s;
    s.train(o, context(folder), [&](auto items, auto samples) {
      for (int32_t r = 0; spoil && r < s.kept->tokens(); ++r) s.kept->row(0, r)[s.kept->places().gate_up] += 1;
      for (int32_t r = 0; spoil_softmax && r < s.kept->tokens(); ++r) s.kept->put_softmax(r, o.temperature, 1, 1);
      reward_words(items, samples);
    });
    return s.policy;
  };
  auto o = one_careful_step();
  const auto whole = train(o, dir, false);
  EXPECT_GT(largest_difference(*whole, *train(o, other, true)), 1e-5);
  EXPECT_THROW(train(o, fifth, false, true), Error);  // other probabilities than the sampler drew by
  o.keep_sampled = false;
  EXPECT_LT(largest_difference(*whole, *train(o, third, true)), 2e-6);
  o.keep_sampled = true, o.recompute = true;
  EXPECT_LT(largest_difference(*whole, *train(o, fourth, true)), 2e-6);
}

// Answers that come from elsewhere need a forward pass beside the kept ones of the same problem.
TEST(OnPolicy, InjectedAnswersAreComputedBesideKeptOnes) {
  std::map<std::string, std::vector<Sample>> offline;
  for (const auto& p : problems(12)) {
    Sample s;
    s.problem_id = p.problem.id, s.token_ids = words()->encode("d c b a"), s.finish_reason = Finish::kStop;
    offline[p.problem.id] = {s};
  }
  std::vector<std::shared_ptr<nn::Transformer>> models;
  for (const bool keep : {false, true}) {
    Scratch dir("inject");
    KeepingTrainer s;
    auto o = one_careful_step();
    o.inject = "solutions", o.keep_sampled = keep;
    const auto result = s.train(o, context(dir), reward_words, nullptr, offline);
    EXPECT_EQ(result.last.at("groups/injected_share"), 1);
    models.push_back(s.policy);
  }
  EXPECT_LT(largest_difference(*models[0], *models[1]), 2e-6);
  EXPECT_GT(largest_difference(*models[0], *model()), 5e-4);
}

TEST(OnPolicy, MoreTokensThanAMicroBatchAreNotKept) {
  Scratch dir("plain"), other("keeping");
  const auto o = one_careful_step(60);
  Trainer plain;
  plain.train(o, context(dir));
  KeepingTrainer keeping;
  keeping.train(o, context(other), [&](auto items, auto samples) {
    EXPECT_EQ(keeping.kept->tokens(), 0);
    reward_words(items, samples);
  });
  EXPECT_TRUE(same_weights(*plain.policy, *keeping.policy));
}

TEST(OnPolicy, AWrongSamplerIsFoundOnTheFirstStep) {
  Scratch dir("mismatch");
  const auto policy = model(), other = model(6);
  rollout::LocalEngine engine(other, words(), {});
  auto o = options(2);
  const auto train = [&] { train_on_policy(*policy, problems(12), {&engine, {}}, reward_words, o, context(dir)); };
  EXPECT_THAT(error_of(train), testing::HasSubstr("sampler and trainer disagree: the mean |ratio - 1| of a policy that has not moved is "));
  EXPECT_TRUE(same_weights(*policy, *model()));
  o.sampler_arithmetic = SamplerArithmetic::kOther;
  EXPECT_EQ(error_of(train), "no error");
}

TEST(OnPolicy, SeveralUpdatesWithAnotherSamplerUseTheTrainersOwnOldProbabilities) {
  Scratch dir("other");
  Trainer s;
  auto o = options(3);
  o.sampler_arithmetic = SamplerArithmetic::kOther, o.updates_per_batch = 2;
  const auto result = s.train(o, context(dir));
  EXPECT_TRUE(result.last.contains("importance/mean"));
  EXPECT_NEAR(result.last.at("importance/mean"), 1, 1e-4);
  EXPECT_GT(result.last.at("ratio/max"), 1.001);
}

TEST(OnPolicy, NoSignalStopsWithAReasonAndMovesNothing) {
  Scratch dir("flat");
  Trainer s;
  auto o = options(10);
  o.give_up_after = 3;
  const auto flat = [](auto, auto samples) {
    for (auto& x : samples) x.reward = 1;
  };
  EXPECT_THAT(error_of([&] { s.train(o, context(dir), flat); }), testing::StartsWith("rl: no group had a signal for 3 steps: in every group all rewards were the same (the last mean reward is 1)"));
  EXPECT_TRUE(same_weights(*s.policy, *model()));
}

TEST(OnPolicy, DynamicSamplingReplacesGroupsWithoutSignal) {
  Scratch dir("dynamic");
  Trainer s;
  auto o = options(3);
  o.dynamic_sampling = true, o.problems_per_step = 4, o.max_sampling_rounds = 8;
  const auto result = s.train(o, context(dir), [](auto items, auto samples) {
    reward_words(items, samples);
    for (auto& x : samples)
      if ((x.problem_id.back() - '0') % 2) x.reward = 0;
  });
  EXPECT_GT(result.last.at("groups/drawn"), 4);
}

TEST(OnPolicy, TheReferenceHoldsThePolicyBack) {
  std::vector<double> moved;
  for (const double beta : {0.0, 3.0}) {
    Scratch dir("kl");
    Trainer s;
    const auto reference = model();
    auto o = options(15);
    o.objective.kl_coefficient = beta;
    const auto result = s.train(o, context(dir), reward_words, beta > 0 ? reference.get() : nullptr);
    EXPECT_EQ(result.last.contains("kl"), beta > 0);
    moved.push_back(result.last.at("reward"));
  }
  EXPECT_GT(moved[0], moved[1] + 0.2);
}

TEST(OnPolicy, CutCompletionsAreMaskedOrPenalised) {
  Scratch a("mask"), b("penalty");
  auto o = options(1);
  o.max_completion_tokens = 4;
  o.over_long = OverLong::kMask;
  Trainer s;
  const auto masked = s.train(o, context(a));
  const double finished = 1 - masked.last.at("cut_share");
  EXPECT_LE(masked.last.at("train_tokens"), std::ceil(finished * 36) * 4 + 6 * 5);
  o.over_long = OverLong::kPenalty, o.over_long_buffer = 4;
  Trainer t;
  const auto penalised = t.train(o, context(b));
  EXPECT_LT(penalised.last.at("reward"), penalised.last.at("reward/words") - 0.5);
}

struct Killed {};

TEST(OnPolicy, KilledAtAnyStepEndsWithTheSameBytes) {
  auto o = options(8);
  o.updates_per_batch = 2, o.minibatches = 2, o.dynamic_sampling = true, o.max_sampling_rounds = 2;
  o.checkpoint.every_steps = 2;
  Scratch whole("whole");
  Trainer expected;
  expected.train(o, context(whole));
  for (const int64_t kill : {1, 2, 3, 6, 7}) {
    Scratch dir("killed");
    auto c = context(dir);
    c.after_step = [&](int64_t step) {
      if (step == kill) throw Killed{};
    };
    Trainer first;
    EXPECT_THROW(first.train(o, c), Killed);
    c.after_step = nullptr;
    Trainer again;
    again.train(o, c);
    EXPECT_TRUE(same_weights(*expected.policy, *again.policy)) << kill;
  }
}

TEST(OnPolicy, InterruptWhileRewardingSavesTheLastFinishedStep) {
  auto o = options(5);
  Scratch whole("whole"), dir("interrupted");
  Trainer expected;
  expected.train(o, context(whole));
  Trainer first;
  int calls = 0;
  const auto interrupting = [&](auto items, auto samples) {
    reward_words(items, samples);
    if (++calls == 3) {
      request_interrupt();
      throw_if_interrupted();
    }
  };
  EXPECT_THROW(first.train(o, context(dir), interrupting), Interrupted);
  clear_interrupt();
  EXPECT_TRUE(std::filesystem::exists(dir.path / "checkpoints/step-00000002"));
  Trainer again;
  again.train(o, context(dir));
  EXPECT_TRUE(same_weights(*expected.policy, *again.policy));
}

TEST(OnPolicy, ImpossibleCombinationsAreRefused) {
  const auto error = [](auto change) {
    auto o = options(1);
    change(o);
    return error_of([&] { o.validate("r"); });
  };
  EXPECT_EQ(error([](auto& o) { o.group_size = 1; }), "r: this advantage rule compares the samples of a group: group_size must be at least 2");
  EXPECT_EQ(error([](auto& o) { o.top_p = 0.9; }), "r: top_p, top_k and min_p make the sampler's distribution another than the loss's");
  EXPECT_EQ(error([](auto& o) { o.temperature = 0; }), "r: temperature must be positive: greedy samples of a group are all the same");
  EXPECT_EQ(error([](auto& o) { o.group_size = 1, o.advantage.rule = AdvantageRule::kReward; }), "no error");
  Scratch dir("refuse");
  Trainer s;
  auto o = options(1);
  o.objective.kl_coefficient = 0.1;
  EXPECT_EQ(error_of([&] { s.train(o, context(dir)); }), "rl: kl_coefficient and distillation.coefficient > 0 need a reference model");
  o = options(1);
  o.max_completion_tokens = 1000;
  EXPECT_EQ(error_of([&] { s.train(o, context(dir)); }), "rl: no prompt fits: the context is 128 tokens, max_completion_tokens 1000");
}

}  // namespace
}  // namespace foil::train
