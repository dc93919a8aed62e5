// Each method's signature quantity moves the way it should, on models that train in a second; and what cannot work is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "nn/logprob.h"
#include "nn/value_head.h"
#include "rollout/engine.h"
#include "text/word_tokenizer.h"
#include "train/onpolicy_loop.h"
#include "train/preference.h"
#include "train/preference_strength.h"
#include "train/sft.h"
#include "train/test_support.h"

namespace foil::train {
namespace {
using namespace testing_support;
using objective::PolicyLoss;
using objective::PreferenceLoss;

std::shared_ptr<const text::Tokenizer> words() {
  static const auto t = std::make_shared<const text::Tokenizer>(text::word_tokenizer({"a b c d e f g h i j k l m n o p q r s t"}, {}));
  return t;
}

std::shared_ptr<nn::Transformer> policy(uint64_t seed = 5) {
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
    p.prompt.text = std::string(1, char('a' + i)) + " b c";
    p.prompt_tokens = words()->encode(p.prompt.text);
    out.push_back(std::move(p));
  }
  return out;
}

StageContext context(const Scratch& dir, const std::string& stage = "rl") {
  StageContext c;
  c.stage = stage, c.folder = dir.path, c.seed = 21;
  return c;
}

OnPolicyOptions rl_options(int64_t steps) {
  OnPolicyOptions o;
  o.steps = steps, o.problems_per_step = 6, o.group_size = 6, o.max_completion_tokens = 6, o.give_up_after = 0;
  o.optimizer.lr = 5e-3, o.optimizer.warmup_steps = 0, o.optimizer.weight_decay = 0;
  o.checkpoint.every_minutes = 0;
  return o;
}

// 1 when the answer begins with a word.
void begins_with_word(std::span<const RewardItem> /*items*/, std::span<Sample> samples) {
  for (auto& s : samples) s.correct = !s.token_ids.empty() && s.token_ids[0] >= 256, s.reward = *s.correct ? 1 : 0;
}

struct Outcome {
  std::shared_ptr<nn::Transformer> model = policy();
  std::map<std::string, double> last;
};

Outcome run_rl(const OnPolicyOptions& o, const RewardFunction& reward = begins_with_word, PolicySampler sampler = {}, std::optional<uint64_t> seed = {}) {
  Scratch dir("methods");
  Outcome out;
  const auto start = out.model->clone();
  rollout::LocalEngine engine(out.model, words(), {});
  if (!sampler.generator) sampler.generator = &engine;
  StageContext stage = context(dir);
  if (seed) stage.seed = *seed;
  out.last = train_on_policy(*out.model, problems(10), sampler, reward, o, stage, &start).last;
  return out;
}

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return std::string(e.what()) + " | " + e.hint();
  }
  return "no error";
}

// Halfway, while there is something to explore: once all problems are solved entropy says nothing. Means of eight seeds.
TEST(Methods, NegativeSamplesKeepTheEntropyThatPositiveOnesSpend) {
  constexpr uint64_t kSeeds = 8;
  std::map<std::string, double> entropy, right;
  for (const auto& [name, rule] : std::map<std::string, AdvantageRule>{{"psr", AdvantageRule::kPositive}, {"nsr", AdvantageRule::kNegative}, {"weighted", AdvantageRule::kWeighted}})
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      auto o = rl_options(60);
      o.objective.loss = PolicyLoss::kReinforce, o.advantage.rule = rule;
      const auto run = run_rl(o, begins_with_word, {}, seed);
      entropy[name] += run.last.at("policy_entropy") / kSeeds, right[name] += run.last.at("correct_share") / kSeeds;
    }
  EXPECT_GT(entropy["nsr"], entropy["psr"] + 1);
  EXPECT_GT(entropy["nsr"], entropy["weighted"]);
  for (const auto& [name, share] : right) EXPECT_GT(share, 0.2) << name;  // 0.08 at the start
}

// A wrong answer that its length makes worth something, a right one that a penalty takes below 0: one side only learns by the verdict.
TEST(Methods, OneSideOnlyGoesByTheVerdictNotByTheReward) {
  const auto twisted = [](std::span<const RewardItem> items, std::span<Sample> samples) {
    begins_with_word(items, samples);
    for (auto& s : samples) s.reward = *s.correct ? -0.5 : 0.5;
  };
  for (const auto rule : {AdvantageRule::kPositive, AdvantageRule::kNegative, AdvantageRule::kWeighted}) {
    auto o = rl_options(3);
    o.objective.loss = PolicyLoss::kReinforce, o.advantage.rule = rule;
    EXPECT_TRUE(same_weights(*run_rl(o).model, *run_rl(o, twisted).model)) << int(rule);
  }
}

TEST(Methods, ACriticLearnsTheValueAndThePolicyClimbs) {
  auto o = rl_options(25);
  o.objective.loss = PolicyLoss::kPpo;
  o.minibatches = 2;
  const auto first = run_rl([&] { auto x = o; x.steps = 1; return x; }()), run = run_rl(o);
  EXPECT_GT(run.last.at("reward"), first.last.at("reward") + 0.3);
  EXPECT_NEAR(first.last.at("value/mean"), 0, 1e-1);
  EXPECT_NEAR(run.last.at("value/mean"), run.last.at("value/return"), 0.4);
  EXPECT_GT(run.last.at("value/mean"), 0.1);
}

TEST(Methods, TheCriticIsPartOfACheckpoint) {
  Scratch whole_dir("ppo_whole"), cut_dir("ppo_cut");
  auto o = rl_options(6);
  o.objective.loss = PolicyLoss::kPpo, o.checkpoint.every_steps = 1;
  const auto go = [&](const Scratch& dir, nn::Transformer& model, std::shared_ptr<nn::Transformer> shared, int stop) {
    rollout::LocalEngine engine(shared, words(), {});
    auto c = context(dir);
    c.after_step = [&](int64_t step) {
      if (step == stop) throw std::runtime_error("killed");
    };
    train_on_policy(model, problems(10), {&engine, {}}, begins_with_word, o, c);
  };
  auto whole = policy(), cut = policy();
  go(whole_dir, *whole, whole, -1);
  EXPECT_THROW(go(cut_dir, *cut, cut, 4), std::runtime_error);
  cut = policy();
  go(cut_dir, *cut, cut, -1);
  EXPECT_TRUE(same_weights(*whole, *cut));
}

TEST(Methods, InjectedAnswersReviveAllWrongGroups) {
  auto target = words()->encode(" s t");
  target.push_back(*words()->eos());  // an answer that never ends is another one
  const auto reward = [&](std::span<const RewardItem> /*items*/, std::span<Sample> samples) {
    for (auto& s : samples) s.correct = s.token_ids == target, s.reward = *s.correct ? 1 : 0;
  };
  PolicySampler sampler;
  for (const auto& p : problems(10)) {
    Sample s;
    s.problem_id = p.problem.id, s.token_ids = target;
    sampler.offline[p.problem.id] = {s};
  }
  auto o = rl_options(1);
  EXPECT_EQ(run_rl(o, reward).last.at("groups/without_signal_share"), 1);
  o.inject = "solutions";
  const auto first = run_rl(o, reward, sampler);
  EXPECT_EQ(first.last.at("groups/without_signal_share"), 0);
  EXPECT_EQ(first.last.at("groups/injected_share"), 1);
  EXPECT_EQ(first.last.at("groups/all_wrong_share"), 1);  // of what the policy itself says
  EXPECT_LT(first.last.at("sampler_mismatch/max"), 1e-3);
  o.steps = 150;
  EXPECT_GT(run_rl(o, reward, sampler).last.at("correct_share"), 0.3);
  EXPECT_THAT(error_of([&] { run_rl(o, reward); }), testing::HasSubstr("no right answer to inject"));
}

TEST(Methods, RightStepsInsideWrongAnswersAreNotPunished) {
  const auto wrong = [](std::span<const RewardItem> /*items*/, std::span<Sample> samples) {
    for (auto& s : samples) s.correct = false, s.reward = 0, s.steps = {{0, std::max<int64_t>(1, int64_t(s.text.size())), true, {}}};
  };
  auto o = rl_options(2);
  o.advantage.rule = AdvantageRule::kNegative, o.objective.loss = PolicyLoss::kBcpg;
  PolicySampler sampler;
  sampler.tokenizer = &*words();
  EXPECT_FALSE(same_weights(*run_rl(o, wrong, sampler).model, *policy()));
  o.right_step_factor = 0;
  EXPECT_TRUE(same_weights(*run_rl(o, wrong, sampler).model, *policy()));
  // Only the first character's token is right: its token is spared, the others are not.
  const auto first_only = [&](std::span<const RewardItem> items, std::span<Sample> samples) {
    wrong(items, samples);
    for (auto& s : samples) s.steps[0].end = std::min<int64_t>(1, s.steps[0].end);
  };
  EXPECT_FALSE(same_weights(*run_rl(o, first_only, sampler).model, *policy()));
}

// Serves the same samples whatever the policy does.
struct Recorded : Generator {
  std::map<std::string, std::vector<Sample>> samples;
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>&) override {
    std::vector<Sample> out;
    for (const auto& p : request.prompts)
      for (int i = 0; i < request.samples_per_prompt; ++i) out.push_back(samples.at(p.problem_id)[size_t(i)]);
    return out;
  }
  std::string describe() const override { return "recorded"; }
};

TEST(Methods, BehaviourConstraintHoldsThePolicyToTheOneThatSampled) {
  const auto author = policy(5);
  rollout::LocalEngine engine(author, words(), {});
  GenerateRequest request;
  for (const auto& p : problems(10)) request.prompts.push_back(p.prompt);
  request.samples_per_prompt = 6, request.sampling.max_tokens = 6;
  Recorded recorded;
  for (auto& s : engine.generate(request)) recorded.samples[s.problem_id].push_back(std::move(s));
  PolicySampler sampler;
  sampler.generator = &recorded;
  auto o = rl_options(30);
  o.replay = "given", o.objective.loss = PolicyLoss::kBcpg, o.advantage.rule = AdvantageRule::kGroupMean;
  const auto free = run_rl(o, begins_with_word, sampler);
  o.objective.behaviour_coefficient = 0.5;
  const auto held = run_rl(o, begins_with_word, sampler);
  const auto distance = [](const Outcome& r) { return std::abs(r.last.at("ratio/max") - 1) + std::abs(r.last.at("ratio/min") - 1); };
  EXPECT_LT(distance(held), distance(free));
  EXPECT_GT(distance(held), 0.01);
}

TEST(Methods, DistillationInRlKeepsRightAnswersWhereTheyWere) {
  auto o = rl_options(15);
  o.advantage.rule = AdvantageRule::kNegative;  // pushes wrong answers down and drags others along
  PolicySampler sampler;
  for (const auto& p : problems(10)) sampler.old_right.insert(p.problem.id);
  o.distillation.coefficient = 1e-6;
  const double free = run_rl(o, begins_with_word, sampler).last.at("distillation/kl");
  o.distillation.coefficient = 3;
  const double held = run_rl(o, begins_with_word, sampler).last.at("distillation/kl");
  EXPECT_LT(held, 0.7 * free);
}

// Greedy, token by token, on the given completion.
std::vector<bool> solves(const nn::Transformer& model, const std::vector<Example>& data) {
  at::NoGradGuard guard;
  std::vector<bool> out;
  for (const auto& x : data) {
    CompletionPacker packer;
    packer.completion(packer.prompt(x.prompt), x.completion);
    const CompletionBatch batch = packer.build();
    const at::Tensor best = model.logits(model.hidden(batch.packed, batch.rows)).argmax(1);
    out.push_back(at::equal(best, batch.targets));
  }
  return out;
}

PreferenceTrainOptions dpo_options(double lr, double epochs) {
  PreferenceTrainOptions o;
  o.loop.optimizer.lr = lr, o.loop.optimizer.warmup_steps = 0;
  o.loop.batch.batch_size = 8, o.loop.batch.epochs = epochs, o.loop.batch.micro_batch_tokens = 2000;
  o.loop.checkpoint.every_minutes = 0, o.warn_chosen_fall = 0;
  return o;
}

TEST(Methods, FocalDistillationLowersNegativeFlips) {
  Scratch dir("flips");
  const auto data = examples(32);
  auto base = tiny_model();
  SftOptions sft;
  sft.loop.optimizer.lr = 5e-3, sft.loop.batch.batch_size = 16, sft.loop.batch.epochs = 60, sft.loop.checkpoint.every_minutes = 0;
  train_sft(base, data, sft, context(dir, "sft"));
  const auto before = solves(base, data);
  ASSERT_GT(std::count(before.begin(), before.end(), true), 24);
  std::vector<PreferenceExample> pairs;
  Stream stream(8, "rejected");
  for (size_t i = 0; i < data.size(); ++i) pairs.push_back({data[i].id, data[i].prompt, data[i].completion, {random_tokens(stream, 2, 9)}, 0, 1, {}});
  for (size_t i = 0; i < data.size(); ++i) pairs[i].rejected[0] = data[(i + 1) % data.size()].completion;  // right elsewhere: pushing it down does harm
  const auto flips = [&](double coefficient) {
    Scratch own("flips_dpo");
    auto model = base.clone();
    auto o = dpo_options(2e-3, 6);
    o.distillation.coefficient = coefficient;
    const auto result = train_preference(model, pairs, o, context(own, "dpo"));
    const auto after = solves(model, data);
    int n = 0;
    for (size_t i = 0; i < data.size(); ++i) n += before[i] && !after[i];
    return std::pair{n, result.last};
  };
  const auto [without, plain] = flips(0);
  const auto [with, held] = flips(1);
  EXPECT_GT(without, 3);
  EXPECT_LT(with, without / 2);
  EXPECT_EQ(plain.count("distillation/kl"), 0u);
  EXPECT_EQ(held.at("distillation/kl"), held.at("distillation/kl_old_right"));
}

TEST(Methods, BetaFollowsItsSchedule) {
  for (const auto schedule : {BetaSchedule::kLinear, BetaSchedule::kCosine}) {
    Scratch dir("beta");
    RunLog log(dir.path / "metrics.jsonl", "dpo");
    auto model = tiny_model();
    auto o = dpo_options(1e-4, 5);
    o.objective.beta = 0.5, o.beta_final = 0.1, o.beta_schedule = schedule;
    PreferenceTask task(pairs(8), o);
    std::vector<double> seen;
    auto c = context(dir, "dpo");
    c.after_step = [&](int64_t) { seen.push_back(task.beta()); };
    train_from_file(model, task, o.loop, c, nlohmann::json::object());
    ASSERT_EQ(seen.size(), 5u);
    EXPECT_NEAR(seen.front(), 0.5, 1e-12);
    EXPECT_NEAR(seen[2], 0.3, 1e-12);
    EXPECT_NEAR(seen.back(), 0.1, 1e-12);
  }
}

TEST(Methods, ARefreshedReferenceFollowsThePolicyAndSurvivesAKill) {
  const auto data = pairs(16);
  auto o = dpo_options(2e-3, 6);
  o.reference_refresh_steps = 1, o.reference_refresh_mix = 1;
  {
    Scratch dir("refresh");
    auto model = tiny_model();
    EXPECT_NEAR(train_preference(model, data, o, context(dir, "dpo")).last.at("loss"), std::log(2.0), 1e-5);  // no step has moved since
  }
  o.reference_refresh_steps = 4, o.reference_refresh_mix = 0.6, o.loop.checkpoint.every_steps = 1;
  std::vector<nn::Transformer> ends;
  for (const int kill : {-1, 6}) {
    Scratch dir("refresh_kill");
    auto model = tiny_model();
    auto c = context(dir, "dpo");
    c.after_step = [&](int64_t step) {
      if (step == kill) throw std::runtime_error("killed");
    };
    if (kill > 0) {
      EXPECT_THROW(train_preference(model, data, o, c), std::runtime_error);
      model = tiny_model();
      c.after_step = {};
    }
    train_preference(model, data, o, c);
    ends.push_back(model.clone());
  }
  EXPECT_TRUE(same_weights(ends[0], ends[1]));
  Scratch dir("refresh_never");
  auto never = tiny_model();
  o.reference_refresh_steps = 0;
  train_preference(never, data, o, context(dir, "dpo"));
  EXPECT_FALSE(same_weights(never, ends[0]));
}

TEST(Methods, TheNumberOfNegativesFallsAsTheirLabelsGetWorse) {
  Stream stream(4, "many");
  auto data = pairs(16);
  for (auto& x : data)
    for (int k = 0; k < 5; ++k) x.rejected.push_back(random_tokens(stream, 2, 9));
  const auto used = [&](NegativeCount count, double q, bool labelled = false) {
    Scratch dir("negatives");
    auto model = tiny_model();
    auto o = dpo_options(1e-3, 6);
    o.objective.loss = PreferenceLoss::kInfonce, o.negatives = count, o.negatives_every = 4;
    auto mine = data;
    if (labelled)
      for (auto& x : mine) x.label = q;
    else o.negative_reliability = q;
    return train_preference(model, mine, o, context(dir, "dpo")).last.at("negatives");
  };
  EXPECT_EQ(used(NegativeCount::kOptimal, 1), 6);
  EXPECT_LT(used(NegativeCount::kOptimal, 0.9), 6);
  EXPECT_LE(used(NegativeCount::kOptimal, 0.7), used(NegativeCount::kOptimal, 0.9));
  EXPECT_EQ(used(NegativeCount::kOptimal, 0.6), 1);
  EXPECT_EQ(used(NegativeCount::kOptimal, 0.9, true), used(NegativeCount::kOptimal, 0.9));  // measured from the labels
  EXPECT_GT(used(NegativeCount::kAdaptive, 1), used(NegativeCount::kAdaptive, 0.7));
}

TEST(Methods, EasyPairsAreThoseWhoseRejectedAnswerLooksWrong) {
  std::vector<PreferenceExample> pairs;
  for (const double looks_right : {0.9, 0.1}) {
    PreferenceExample x;
    x.prompt = {1}, x.chosen = {2}, x.rejected = {{3}}, x.plausibility = looks_right;
    pairs.push_back(x);
  }
  const auto rank = [&](Curriculum curriculum, int64_t record) {
    PreferenceTrainOptions o;
    o.curriculum = curriculum;
    return PreferenceTask(pairs, o).rank(record);
  };
  EXPECT_LT(rank(Curriculum::kEasyFirst, 1), rank(Curriculum::kEasyFirst, 0));  // low ranks come first: RecordOrder
  EXPECT_LT(rank(Curriculum::kHardFirst, 0), rank(Curriculum::kHardFirst, 1));
  EXPECT_EQ(rank(Curriculum::kNone, 0), rank(Curriculum::kNone, 1));
}

TEST(Methods, ContrastiveTermBringsAnswerAndViewTogether) {
  auto data = pairs(24);
  Stream stream(6, "views");
  for (size_t i = 0; i < data.size(); ++i) {
    data[i].view = data[i].chosen;
    data[i].view[0] = int32_t(stream.between(2, 39));
    data[i].bias = i % 2 ? 1 : 0;
    if (i % 3 == 0) data[i].view_prompt = random_tokens(stream, 3, 6);  // another problem, solved the same way
  }
  const auto value = [&](double coefficient, double epochs) {
    Scratch dir("views");
    auto model = tiny_model();
    auto o = dpo_options(2e-3, epochs);
    o.contrastive.coefficient = coefficient;
    return train_preference(model, data, o, context(dir, "dpo")).last.at("contrastive");
  };
  EXPECT_LT(value(1, 8), 0.5 * value(1e-9, 8));
}

std::vector<PreferenceExample> preferences(int n, double wrong_way_round, std::vector<bool>& flipped) {
  Stream stream(11, "preferences");
  std::vector<PreferenceExample> out;
  for (int i = 0; i < n; ++i) {
    PreferenceExample x{fmt::format("r{}", i), random_tokens(stream, 3, 6), random_tokens(stream, 4, 7), {random_tokens(stream, 4, 7)}, 0, 1, {}};
    for (auto& t : x.chosen) t = t < 20 ? t : t - 18;            // better answers use the first half of the vocabulary
    for (auto& t : x.rejected[0]) t = t >= 20 ? t : t + 18;
    flipped.push_back(stream.chance(wrong_way_round));
    if (flipped.back()) std::swap(x.chosen, x.rejected[0]);
    out.push_back(std::move(x));
  }
  return out;
}

RewardModelOptions reward_options(double epochs) {
  RewardModelOptions o;
  o.loop.optimizer.lr = 2e-3, o.loop.optimizer.warmup_steps = 0, o.loop.optimizer.weight_decay = 0;
  o.loop.batch.batch_size = 16, o.loop.batch.epochs = epochs, o.loop.checkpoint.every_minutes = 0;
  return o;
}

nn::RewardModel reward_start() { return {tiny_model(), at::zeros({1, 32})}; }

TEST(Methods, AnEnsembleFindsPreferencesThatAreTheWrongWayRound) {
  Scratch dir("strength");
  std::vector<bool> flipped;
  const auto data = preferences(160, 0.15, flipped);
  StrengthOptions o;
  o.models = 4;
  const auto strength = preference_strength(reward_start(), data, o, reward_options(4), context(dir, "reward_model"));
  int hit = 0, planted = 0, false_alarm = 0;
  for (size_t i = 0; i < data.size(); ++i) planted += flipped[i], hit += flipped[i] && strength[i] < 0, false_alarm += !flipped[i] && strength[i] < 0;
  EXPECT_GT(hit, 0.8 * planted);
  EXPECT_LT(false_alarm, 0.1 * double(data.size()));
  StrengthFigures figures;
  const auto mended = apply_strength(data, strength, o, figures);
  EXPECT_EQ(figures.flipped, hit + false_alarm);
  EXPECT_EQ(mended.size(), data.size());
}

TEST(Methods, StrengthByHand) {
  std::vector<PreferenceExample> data;
  for (int i = 0; i < 4; ++i) data.push_back({fmt::format("p{}", i), {2}, {3}, {{4}}, 0, 1, {}});
  const std::vector<double> strength{2, -1, 0.1, -3};
  StrengthFigures f;
  auto out = apply_strength(data, strength, {.models = 2, .ambiguous_share = 0.25, .adaptive_margin = true, .margin_scale = 0.5}, f);
  ASSERT_EQ(out.size(), 3u);  // p2 is ambiguous and gone
  EXPECT_EQ(f.dropped, 1);
  EXPECT_EQ(f.flipped, 2);
  EXPECT_EQ(out[0].chosen, Tokens{3});
  EXPECT_EQ(out[0].margin, 1);
  EXPECT_EQ(out[1].chosen, Tokens{4});
  EXPECT_EQ(out[1].margin, 0.5);
  EXPECT_EQ(out[2].margin, 1.5);
  f = {};
  out = apply_strength(data, strength, {.models = 2, .ambiguous_share = 0.25, .drop_ambiguous = false}, f);
  ASSERT_EQ(out.size(), 4u);
  EXPECT_NEAR(*out[2].label, 1 / (1 + std::exp(-0.1)), 1e-12);
  EXPECT_FALSE(out[0].label);
  f = {};
  out = apply_strength(data, strength, {.models = 2, .soft_labels = true}, f);
  EXPECT_EQ(f.softened, 4);
  EXPECT_EQ(f.flipped, 0);
  EXPECT_NEAR(*out[3].label, 1 / (1 + std::exp(3)), 1e-12);
}

TEST(Methods, RewardModelWithTwoViewsOfATextSpreadsRepresentations) {
  std::vector<bool> flipped;
  const auto data = preferences(48, 0, flipped);
  for (const bool difference : {false, true}) {
    std::vector<double> values;
    for (const double coefficient : {1e-9, 0.5}) {
      Scratch dir("simcse");
      auto model = reward_start();
      auto o = reward_options(10);
      o.objective.contrastive = coefficient, o.objective.temperature = 0.2, o.objective.on_difference = difference;
      const auto result = train_reward_model(model, data, o, context(dir, "reward_model"));
      values.push_back(result.last.at("contrastive") / coefficient);
      EXPECT_GT(result.last.at("accuracy"), 0.9);
    }
    EXPECT_LT(values[1], 0.8 * values[0]) << difference;
  }
}

TEST(Methods, MetaLearningLooksWhereOutsideScoresSpreadAndComesBack) {
  std::vector<bool> flipped;
  const auto data = preferences(48, 0, flipped);
  const auto outside = examples(20, 77);
  {
    // One step: it moves to where the scores of outside answers spread more, and the update finds the weights where they were.
    Scratch dir("meta_step");
    auto o = reward_options(1);
    o.meta_rate = 0.01;
    nn::RewardModel model{tiny_model(), nn::random_score_head(32, 3)};
    const auto before = model.backbone.clone();
    for (const auto& [name, w] : std::as_const(model.backbone).parameters()) w.requires_grad_(true);
    model.head.requires_grad_(true);
    const auto spread = [&] {
      at::NoGradGuard guard;
      CompletionPacker packer;
      for (const auto& x : outside) packer.completion(packer.prompt(x.prompt), x.completion);
      const CompletionBatch batch = packer.build();
      return nn::score_tokens(model.backbone.hidden(batch.packed, batch.last_rows), model.head).var(0).item<double>();
    };
    RewardModelTask task(data, o, model.head, outside);
    task.prepare(model.backbone, context(dir, "reward_model"), o.loop);
    const double here = spread();
    task.begin_step(model.backbone, {}, o.loop, {});
    EXPECT_GT(spread(), 1.05 * here);
    task.before_update(model.backbone);
    EXPECT_EQ(spread(), here);
    EXPECT_TRUE(same_weights(model.backbone, before));
  }
  const auto trained = [&](double rate) {
    Scratch dir("meta");
    auto o = reward_options(6);
    o.meta_rate = rate;
    auto model = reward_start();
    const auto result = train_reward_model(model, data, o, context(dir, "reward_model"), outside);
    EXPECT_EQ(result.last.count("outside_variance"), rate > 0 ? 1u : 0u);
    EXPECT_GT(result.last.at("accuracy"), 0.9) << rate;
    return model;
  };
  EXPECT_FALSE(same_weights(trained(0).backbone, trained(0.01).backbone));
}

TEST(Methods, UnpairMakesOneRightAndOneWrongAnswerOfEachPair) {
  const auto data = pairs(6);
  const auto singles = unpaired(data);
  ASSERT_EQ(singles.size(), 12u);
  EXPECT_TRUE(singles[0].desirable);
  EXPECT_FALSE(singles[1].desirable);
  EXPECT_EQ(singles[1].completion, data[0].rejected[0]);
  for (const auto loss : {PreferenceLoss::kKto, PreferenceLoss::kBco, PreferenceLoss::kApoZeroUnpaired}) {
    Scratch dir("unpair");
    auto model = tiny_model();
    auto o = dpo_options(1e-3, 10);
    o.objective.loss = loss, o.unpair = true;
    const auto last = train_preference(model, PreferenceData{data, {}}, o, context(dir, "dpo")).last;
    EXPECT_GT(last.at("delta/chosen"), last.at("delta/rejected")) << objective::info(loss).name;
  }
}

TEST(Methods, BadCombinationsAreRefusedAndSayWhatToUse) {
  using testing::HasSubstr;
  Scratch dir("refuse");
  const auto refuse_preference = [&](const std::function<void(PreferenceTrainOptions&)>& change, PreferenceData data = {pairs(8), {}}) {
    auto o = dpo_options(1e-3, 1);
    change(o);
    auto model = tiny_model();
    return error_of([&] {
      o.validate("preference");
      train_preference(model, std::move(data), o, context(dir, "dpo"));
    });
  };
  EXPECT_THAT(refuse_preference([](auto& o) { o.objective.loss = PreferenceLoss::kKto; }), HasSubstr("unpair: true"));
  EXPECT_THAT(refuse_preference([](auto&) {}, {{}, unpaired(pairs(4))}), HasSubstr("use kto, bco"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.objective.loss = PreferenceLoss::kInfonce; }), HasSubstr("use sigmoid, which is the same with one negative"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.objective.loss = PreferenceLoss::kStepDpo; }), HasSubstr("use sigmoid on whole answers"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.unpair = true; }), HasSubstr("use kto, bco"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.negatives = NegativeCount::kAdaptive; }), HasSubstr("use loss: infonce"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.objective.loss = PreferenceLoss::kSimpo, o.reference_refresh_steps = 5; }), HasSubstr("use sigmoid"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.distillation.focus = 2; }), HasSubstr("set distillation.coefficient"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.contrastive.coefficient = 1; }), HasSubstr("views"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.beta_schedule = BetaSchedule::kLinear; }), HasSubstr("beta_final"));
  EXPECT_THAT(refuse_preference([](auto& o) { o.objective.loss = PreferenceLoss::kSft, o.beta_schedule = BetaSchedule::kLinear, o.beta_final = 0.1; }), HasSubstr("leave beta_schedule out"));
  const auto refuse_rl = [&](const std::function<void(OnPolicyOptions&)>& change) {
    auto o = rl_options(1);
    change(o);
    return error_of([&] { o.validate("rl"); });
  };
  EXPECT_THAT(refuse_rl([](auto& o) { o.objective.loss = PolicyLoss::kPpo, o.advantage.rule = AdvantageRule::kLeaveOneOut; }), HasSubstr("use loss: grpo"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.critic.lambda = 0.5; }), HasSubstr("use loss: ppo"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.replay = "x.jsonl"; }), HasSubstr("use loss: bcpg"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.inject = "solutions", o.sampler_arithmetic = SamplerArithmetic::kOther; }), HasSubstr("sampler_arithmetic: same"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.right_step_factor = 1; }), HasSubstr("[-1, 1)"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.right_step_factor = 0, o.advantage.rule = AdvantageRule::kPositive; }), HasSubstr("use advantage.rule: nsr"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.inject = "solutions", o.advantage.rule = AdvantageRule::kNegative; }), HasSubstr("leave inject out"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.inject = "solutions", o.advantage.train_on = TrainOn::kNegatives; }), HasSubstr("leave inject out"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.objective.loss = PolicyLoss::kReinforce, o.minibatches = 2; }), HasSubstr("use loss: cispo"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.objective.loss = PolicyLoss::kReinforce, o.updates_per_batch = 2; }), HasSubstr("use loss: cispo"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.objective.truncation = 3; }), HasSubstr("set sampler_arithmetic: other"));
  EXPECT_THAT(refuse_rl([](auto& o) { o.objective.truncation = 3, o.objective.loss = PolicyLoss::kBcpg, o.sampler_arithmetic = SamplerArithmetic::kOther; }), HasSubstr("use loss: grpo"));
  EXPECT_THAT(error_of([&] {
                auto model = reward_start();
                auto o = reward_options(1);
                o.meta_rate = 0.01;
                train_reward_model(model, pairs(4), o, context(dir, "reward_model"));
              }),
              HasSubstr("name a sample file"));
}

}  // namespace
}  // namespace foil::train
