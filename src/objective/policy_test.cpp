#include "objective/policy.h"

#include <cmath>

#include "base/error.h"
#include "objective/likelihood.h"
#include "objective/testing.h"

namespace foil::objective {
namespace {

// Two sequences of three and one tokens, ratios on both sides of every clip.
PolicyBatch small(const at::Tensor& logprob) {
  PolicyBatch b;
  b.logprob = logprob;
  b.old_logprob = doubles({-1.0, -0.4, -2.0, -0.7});
  b.sampler_logprob = doubles({-1.1, -0.9, -1.2, -1.9});
  b.reference_logprob = doubles({-0.8, -0.6, -2.5, -0.65});
  b.entropy = doubles({0.5, 1.0, 0.2, 0.9});
  b.advantage = doubles({1.5, -0.5});
  b.sequence = longs({0, 0, 0, 1});
  b.sequences = 2;
  return b;
}
const std::vector<double> kLogprob = {-0.5, -0.45, -2.6, -1.2};

}  // namespace

TEST(PolicyGolden, ValuesAndGradientsEqualTrl) {
  const auto file = golden("policy");
  const auto& d = file.at("data");
  ASSERT_GE(file.at("cases").size(), 24u);
  for (const auto& c : file.at("cases")) {
    const std::string name = c.at("name");
    const auto options = options_from<PolicyLossOptions>(c.at("options"));
    options.validate(name);
    PolicyBatch b;
    b.logprob = leaf(floats(d.at("logprob")));
    if (!c.at("fresh")) b.old_logprob = floats(d.at("old_logprob"));
    if (c.at("sampler")) {
      b.sampler_logprob = floats(d.at("sampler_logprob"));
      b.old_logprob = floats(d.at("old_logprob"));
    }
    if (options.kl_coefficient != 0) b.reference_logprob = floats(d.at("reference_logprob"));
    const at::Tensor entropy = leaf(floats(d.at("entropy")));
    b.entropy = entropy;
    b.advantage = floats(d.at("advantage"));
    b.sequence = longs(d.at("sequence").get<std::vector<int64_t>>());
    b.sequences = b.advantage.numel();
    const auto result = policy_loss(b, options);
    EXPECT_NEAR(result.loss.item<double>(), c.at("loss").get<double>(), 2e-6) << name;
    expect_close(gradient(result.loss, b.logprob), floats(c.at("gradient")), 1e-5, 1e-7, name);
    if (options.entropy_coefficient != 0) expect_close(entropy.grad(), floats(c.at("entropy_gradient")), 1e-5, 1e-8, name + ", entropy");
    const auto figures = result.statistics.values();
    const auto& m = c.at("metrics");
    if (m.contains("kl")) { EXPECT_NEAR(figures.at("kl"), m.at("kl").get<double>(), 1e-6) << name; }
    if (m.contains("entropy")) { EXPECT_NEAR(figures.at("entropy"), m.at("entropy").get<double>(), 1e-6) << name; }
    // trl counts clipped shares after the cap δ, and of sequences for gspo: compared where they mean the same.
    if (options.delta == 0 && options.loss != PolicyLoss::kGspo && m.contains("clip_ratio/low_mean")) {
      EXPECT_NEAR(figures.at("clip/low_share"), m.at("clip_ratio/low_mean").get<double>(), 1e-6) << name;
      EXPECT_NEAR(figures.at("clip/high_share"), m.at("clip_ratio/high_mean").get<double>(), 1e-6) << name;
    }
  }
}

TEST(PolicyLoss, FiniteDifferencesForEveryLossAggregationAndOption) {
  int seen = 0;
  for (const auto& row : policy_losses()) {
    for (const auto& [aggregation, aggregation_name] : kAggregationNames) {
      for (int variant = 0; variant < 4; ++variant) {
        PolicyLossOptions o;
        o.loss = row.loss;
        o.aggregation = aggregation;
        if (aggregation == Aggregation::kConstant) o.constant_tokens = 7;
        if (variant == 1) o.kl_coefficient = 0.3;
        if (variant == 2) o.truncation = 1.5;
        if (variant == 3 && row.clip_low > 0) o.delta = 1 + o.high() + 0.2;
        if (row.loss == PolicyLoss::kBcpg) o.behaviour_coefficient = 0.25;
        if (row.loss == PolicyLoss::kCispo) o.clip_high = 1.3;
        o.validate("test");
        const bool stops_gradient = row.loss == PolicyLoss::kCispo || row.loss == PolicyLoss::kBcpg;
        const auto f = [&](const at::Tensor& x) -> at::Tensor {
          PolicyBatch b = small(x);
          if (variant != 2) b.sampler_logprob = at::Tensor();
          if (stops_gradient && !x.requires_grad()) {
            // A difference would also move the stopped factor: hold it at the point and fold it into the advantage.
            const at::Tensor log_ratio = doubles(kLogprob) - b.old_logprob;
            b.token_advantage = b.advantage.index_select(0, b.sequence);
            b.advantage = at::Tensor();
            if (row.loss == PolicyLoss::kCispo) b.token_advantage = b.token_advantage * log_ratio.exp().clamp_max(1.3);
            else b.token_advantage = b.token_advantage - 0.25 * sequence_sum(log_ratio, b.sequence, 2).index_select(0, b.sequence);
            PolicyLossOptions linear = o;
            linear.loss = PolicyLoss::kReinforce;
            linear.aggregation = o.reduction();
            return policy_loss(b, linear).loss;
          }
          return policy_loss(b, o).loss;
        };
        expect_gradient(f, doubles(kLogprob), fmt::format("{}, {}, variant {}", row.name, aggregation_name, variant));
        ++seen;
      }
    }
  }
  EXPECT_EQ(seen, int(std::size(kPolicyLossNames)) * 4 * 4) << "the table lacks a loss";
}

TEST(PolicyLoss, ThreeTokensByHand) {
  PolicyBatch b;
  b.logprob = leaf(doubles({std::log(0.5), std::log(0.25), std::log(0.9)}));
  b.old_logprob = doubles({std::log(0.4), std::log(0.5), std::log(0.9)});  // ρ = 1.25, 0.5, 1
  b.advantage = doubles({2, -1});
  b.sequence = longs({0, 1, 1});
  b.sequences = 2;
  PolicyLossOptions o;
  // surrogate: −min(2.5, 2.4) = −2.4 (clipped); −min(−0.5, −0.8) = 0.8 (clipped); 1.
  EXPECT_NEAR(policy_loss(b, o).loss.item<double>(), (-2.4 + (0.8 + 1) / 2) / 2, 1e-12);
  o.loss = PolicyLoss::kPpo;
  EXPECT_NEAR(policy_loss(b, o).loss.item<double>(), (-2.4 + 0.8 + 1) / 3, 1e-12);
  const auto figures = policy_loss(b, o).statistics.values();
  EXPECT_NEAR(figures.at("clip/high_share"), 1.0 / 3, 1e-12);
  EXPECT_NEAR(figures.at("clip/low_share"), 1.0 / 3, 1e-12);
  EXPECT_NEAR(figures.at("ratio/max"), 1.25, 1e-12);
  EXPECT_NEAR(figures.at("ratio/min"), 0.5, 1e-12);

  o.loss = PolicyLoss::kReinforce;
  const at::Tensor loss = policy_loss(b, o).loss;
  EXPECT_NEAR(loss.item<double>(), (-2 * std::log(0.5) + std::log(0.25) + std::log(0.9)) / 3, 1e-12);
  expect_close(gradient(loss, b.logprob), doubles({-2.0 / 3, 1.0 / 3, 1.0 / 3}), 1e-12, 0, "reinforce");

  b.logprob = leaf(b.logprob);
  o.loss = PolicyLoss::kBcpg;
  o.behaviour_coefficient = 0.1;  // weights: 2 − 0.1 ln 1.25; −1 − 0.1 ln 0.5 for both tokens of the second
  expect_close(gradient(policy_loss(b, o).loss, b.logprob),
               doubles({-(2 - 0.1 * std::log(1.25)) / 3, -(-1 - 0.1 * std::log(0.5)) / 3, -(-1 - 0.1 * std::log(0.5)) / 3}), 1e-12, 0, "bcpg");
}

TEST(PolicyLoss, MicroBatchesAddUpToTheStep) {
  for (const auto& row : policy_losses()) {
    if (row.aggregation == Aggregation::kMicroBatchTokenMean) continue;  // bnpo depends on the split by definition
    PolicyLossOptions o;
    o.loss = row.loss;
    o.kl_coefficient = 0.1;
    o.entropy_coefficient = 0.02;
    if (row.aggregation == Aggregation::kConstant) o.constant_tokens = 5;
    const at::Tensor x = leaf(doubles(kLogprob));
    const at::Tensor whole = policy_loss(small(x), o).loss;
    const at::Tensor expected = gradient(whole, x).clone();

    const at::Tensor y = leaf(doubles(kLogprob));
    Statistics figures;
    double sum = 0;
    for (int64_t s = 0; s < 2; ++s) {
      const int64_t begin = s == 0 ? 0 : 3, end = s == 0 ? 3 : 4;
      PolicyBatch b = small(y), part;
      part.logprob = y.slice(0, begin, end);
      part.old_logprob = b.old_logprob.slice(0, begin, end);
      part.sampler_logprob = b.sampler_logprob.slice(0, begin, end);
      part.reference_logprob = b.reference_logprob.slice(0, begin, end);
      part.entropy = b.entropy.slice(0, begin, end);
      part.advantage = b.advantage.slice(0, s, s + 1);
      part.sequence = at::zeros({end - begin}, at::kLong);
      part.sequences = 1;
      const auto r = policy_loss(part, o, {.sequences = 2, .tokens = 4, .micro_batches = 2});
      r.loss.backward();
      sum += r.loss.item<double>();
      figures.merge(r.statistics);
    }
    EXPECT_NEAR(sum, whole.item<double>(), 1e-12) << row.name;
    expect_close(y.grad(), expected, 1e-12, 1e-14, row.name);
    for (const auto& [name, value] : policy_loss(small(x), o).statistics.values())
      EXPECT_NEAR(figures.values().at(name), value, 1e-12) << row.name << ", " << name;
  }
}

TEST(PolicyLoss, MaskedTokensDoNotExist) {
  for (const auto& row : policy_losses()) {
    PolicyLossOptions o;
    o.loss = row.loss;
    o.kl_coefficient = 0.1;
    if (row.aggregation == Aggregation::kConstant) o.constant_tokens = 5;
    const at::Tensor x = leaf(doubles(kLogprob));
    PolicyBatch masked = small(x);
    masked.mask = bools({true, false, true, true});
    const auto a = policy_loss(masked, o);
    const at::Tensor g = gradient(a.loss, x);
    EXPECT_EQ(g[1].item<double>(), 0) << row.name;

    const at::Tensor keep = longs({0, 2, 3}), y = doubles(kLogprob);
    PolicyBatch cut = small(y.index_select(0, keep));
    for (auto* t : {&cut.old_logprob, &cut.sampler_logprob, &cut.reference_logprob, &cut.entropy, &cut.sequence}) *t = t->index_select(0, keep);
    EXPECT_NEAR(a.loss.item<double>(), policy_loss(cut, o).loss.item<double>(), 1e-12) << row.name;
  }
}

TEST(PolicyLoss, AFreshPolicyHasRatioOneAndTheReinforceGradient) {
  const at::Tensor x = leaf(doubles(kLogprob)), y = leaf(doubles(kLogprob));
  PolicyBatch b = small(x);
  b.old_logprob = b.sampler_logprob = at::Tensor();
  PolicyLossOptions o;
  o.loss = PolicyLoss::kDapo;
  const auto r = policy_loss(b, o);
  EXPECT_EQ(r.statistics.values().at("ratio/min"), 1);
  EXPECT_EQ(r.statistics.values().at("ratio/max"), 1);
  const at::Tensor g = gradient(r.loss, x);
  b.logprob = y;
  o.loss = PolicyLoss::kReinforce;
  expect_close(g, gradient(policy_loss(b, o).loss, y), 1e-14, 0, "dapo = reinforce on policy");
}

TEST(PolicyLoss, AWildTokenGivesAFiniteGradient) {
  for (const auto& row : policy_losses()) {
    const at::Tensor x = leaf(at::tensor({-0.1f, -0.5f}));
    PolicyBatch b;
    b.logprob = x;
    b.old_logprob = at::tensor({-500.0f, -0.5f});  // ρ = e^499.9
    b.reference_logprob = at::tensor({-0.1f, 300.0f});
    b.advantage = at::tensor({1.0f});
    b.sequence = longs({0, 0});
    b.sequences = 1;
    PolicyLossOptions o;
    o.loss = row.loss;
    o.kl_coefficient = 0.01;
    if (row.aggregation == Aggregation::kConstant) o.constant_tokens = 2;
    EXPECT_TRUE(gradient(policy_loss(b, o).loss, x).isfinite().all().item<bool>()) << row.name;
  }
}

TEST(PolicyLoss, TruncationIsReportedRawAndAppliedCapped) {
  PolicyBatch b = small(doubles(kLogprob));
  PolicyLossOptions o;
  o.loss = PolicyLoss::kReinforce;
  o.truncation = 2;
  const auto f = policy_loss(b, o).statistics.values();
  EXPECT_NEAR(f.at("importance/max"), std::exp(1.2), 1e-12);  // −0.7 against −1.9: above the cap, as it was
  EXPECT_NEAR(f.at("importance/truncated_share"), 0.25, 1e-12);
  expect_close(truncated_importance(b.old_logprob, b.sampler_logprob, 2), doubles({std::exp(0.1), std::exp(0.5), std::exp(-0.8), 2}), 1e-12, 0, "capped");
}

TEST(Entropy, DetachedEntropyGetsTheScoreFunctionGradient) {
  // One token over three words: the expectation of the estimator over the policy is the gradient of the entropy.
  const at::Tensor logits = leaf(doubles({0.3, -1.0, 0.8}));
  const at::Tensor logp = at::log_softmax(logits, 0);
  const at::Tensor exact = -(logp.exp() * logp).sum();
  at::Tensor expectation = at::zeros({}, at::kDouble);
  for (int64_t v = 0; v < 3; ++v)
    expectation = expectation + logp[v].detach().exp() * entropy_bonus(exact.detach().reshape({1}), logp[v].reshape({1})).sum();
  EXPECT_NEAR(expectation.item<double>(), exact.item<double>(), 1e-12);
  const at::Tensor estimated = gradient(expectation, logits).clone();
  const at::Tensor again = leaf(logits), lp = at::log_softmax(again, 0);
  expect_close(estimated, gradient(-(lp.exp() * lp).sum(), again), 1e-10, 1e-12, "entropy gradient");
}

TEST(Gae, ThreeTokensByHand) {
  // Sequence 0: rewards 0, 1; values 0.5, 0.25. Sequence 1: reward 2, value 1. γ 0.9, λ 0.8.
  const auto g = generalized_advantages(doubles({0, 1, 2}), doubles({0.5, 0.25, 1}), longs({0, 0, 1}), 0.9, 0.8);
  const double last = 1 - 0.25, first = 0 + 0.9 * 0.25 - 0.5 + 0.9 * 0.8 * last;
  expect_close(g.advantages, doubles({first, last, 1}), 1e-12, 0, "advantages");
  expect_close(g.returns, doubles({first + 0.5, 1, 2}), 1e-12, 0, "returns");
}

TEST(Gae, LambdaOneIsReturnMinusValue) {
  const at::Tensor r = doubles({0.5, -1, 2, 3}), v = doubles({0.1, 0.7, -0.2, 5});
  const auto g = generalized_advantages(r, v, longs({0, 0, 0, 1}), 0.9, 1);
  expect_close(g.returns, doubles({0.5 - 0.9 + 0.81 * 2, -1 + 1.8, 2, 3}), 1e-12, 0, "discounted returns");
}

TEST(ValueLoss, ClippedByHandAndFiniteDifferences) {
  const at::Tensor old = doubles({0, 0, 0}), returns = doubles({1, 1, -1}), values = doubles({0.1, 0.5, 0.5});
  // token 1: clip 0.2 holds the value at 0.2: max(0.25, 0.64); token 2: max(2.25, 1.44).
  const auto r = value_loss(values, old, returns, 0.2);
  EXPECT_NEAR(r.loss.item<double>(), 0.5 * (0.81 + 0.64 + 2.25) / 3, 1e-12);
  EXPECT_NEAR(r.statistics.values().at("value/clip_share"), 1.0 / 3, 1e-12);
  expect_gradient([&](const at::Tensor& x) { return value_loss(x, old, returns, 0.2).loss; }, values, "clipped");
  expect_gradient([&](const at::Tensor& x) { return value_loss(x, {}, returns, 0, bools({true, false, true})).loss; }, values, "plain");
}

TEST(Overlong, LinearBetweenBufferAndLimit) {
  expect_close(overlong_penalty(longs({10, 80, 90, 100, 130}), 100, 20), doubles({0, 0, -0.5, -1, -1}), 1e-7, 0, "penalty");
}

TEST(Likelihood, WeightedAndSplit) {
  const at::Tensor x = doubles({-1, -2, -3}), s = longs({0, 0, 1}), w = doubles({1, 0.5});
  EXPECT_NEAR(negative_log_likelihood(x).loss.item<double>(), 2, 1e-12);
  EXPECT_NEAR(negative_log_likelihood(x, {}, s, w).loss.item<double>(), (1 + 2 + 1.5) / 3, 1e-12);
  const double split = negative_log_likelihood(x.slice(0, 0, 2), {.tokens = 3}).loss.item<double>() +
                       negative_log_likelihood(x.slice(0, 2, 3), {.tokens = 3}).loss.item<double>();
  EXPECT_NEAR(split, 2, 1e-12);
  expect_gradient([&](const at::Tensor& v) { return negative_log_likelihood(v, {}, s, w).loss; }, x, "nll");
}

TEST(PolicyOptions, WhatALossWouldIgnoreIsRefused) {
  const auto refused = [](auto change) -> std::string {
    PolicyLossOptions o;
    change(o);
    try {
      o.validate("recipe.yaml:3");
    } catch (const UsageError& e) {
      EXPECT_EQ(e.where(), "recipe.yaml:3");
      EXPECT_FALSE(e.hint().empty());
      return e.message();
    }
    return "";
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_EQ(refused([](auto& o) { o.loss = PolicyLoss::kReinforce, o.clip_high = 0.3; }), "clip_high does nothing in the loss reinforce");
  EXPECT_EQ(refused([](auto& o) { o.loss = PolicyLoss::kCispo, o.clip_low = 0.3; }), "clip_low does nothing in the loss cispo");
  EXPECT_EQ(refused([](auto& o) { o.loss = PolicyLoss::kCispo, o.delta = 9; }), "delta does nothing in the loss cispo");
  EXPECT_EQ(refused([](auto& o) { o.delta = 1.1; }), "delta is 1.1, expected more than 1 + clip_high = 1.2");
  EXPECT_EQ(refused([](auto& o) { o.behaviour_coefficient = 1; }), "behaviour_coefficient does nothing in the loss grpo");
  EXPECT_EQ(refused([](auto& o) { o.constant_tokens = 9; }), "constant_tokens only counts with aggregation: constant");
  EXPECT_EQ(refused([](auto& o) { o.kl_coefficient = -1; }), "kl_coefficient is negative");
  EXPECT_EQ(refused([](auto& o) { o.clip_low = 1.5; }), "clip_low is 1.5, expected 0 ≤ clip_low < 1");
}

}  // namespace foil::objective
