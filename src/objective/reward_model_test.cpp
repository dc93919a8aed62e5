#include "objective/reward_model.h"

#include <cmath>

#include "objective/distillation.h"
#include "objective/testing.h"

namespace foil::objective {

TEST(RewardGolden, ValuesAndGradientsEqualTrl) {
  const auto file = golden("reward");
  ASSERT_EQ(file.at("cases").size(), 4u);
  for (const auto& c : file.at("cases")) {
    const std::string name = c.at("name");
    const at::Tensor scores = leaf(floats(file.at("data").at("scores")));
    const int64_t n = scores.numel() / 2;
    RewardBatch b{.chosen = scores.slice(0, 0, n), .rejected = scores.slice(0, n)};
    if (c.at("margin")) b.margin = floats(file.at("data").at("margin"));
    RewardLossOptions o;
    o.centring = c.at("centring");
    const auto r = bradley_terry(b, o);
    EXPECT_NEAR(r.loss.item<double>(), c.at("loss").get<double>(), 1e-6) << name;
    expect_close(gradient(r.loss, scores), floats(c.at("gradient")), 1e-5, 1e-7, name);
    const auto f = r.statistics.values();
    EXPECT_NEAR(f.at("accuracy"), c.at("metrics").at("accuracy").get<double>(), 1e-6) << name;
    EXPECT_NEAR(f.at("score/margin"), c.at("metrics").at("margin").get<double>(), 1e-5) << name;
    EXPECT_NEAR(f.at("score/max"), c.at("metrics").at("max_reward").get<double>(), 1e-5) << name;
  }
}

TEST(BradleyTerry, SoftLabelsAndSeveralNegativesByHand) {
  const auto softplus = [](double x) { return std::log1p(std::exp(x)); };
  RewardLossOptions o;
  o.centring = 0;
  RewardBatch b{.chosen = doubles({1, 0}), .rejected = doubles({0, 2, -1}), .rejected_pair = longs({0, 0, 1}), .label = doubles({0.8, 0})};
  const double first = 0.5 * ((0.8 * softplus(-1) + 0.2 * softplus(1)) + (0.8 * softplus(1) + 0.2 * softplus(-1)));
  const auto r = bradley_terry(b, o);
  expect_close(r.per_pair, doubles({first, softplus(1)}), 1e-12, 0, "label 0 is a flipped pair");
  o.centring = 0.1;
  RewardBatch c{.chosen = doubles({1}), .rejected = doubles({0.5}), .weight = doubles({2})};
  EXPECT_NEAR(bradley_terry(c, o).loss.item<double>(), 2 * (softplus(-0.5) + 0.1 * 2.25), 1e-12);
}

TEST(BradleyTerry, FiniteDifferences) {
  RewardLossOptions o;
  o.centring = 0.05;
  o.label_smoothing = 0.1;
  for (const bool soft : {false, true}) {
    const auto f = [&](const at::Tensor& c, const at::Tensor& r) {
      RewardBatch b{.chosen = c, .rejected = r, .rejected_pair = longs({0, 0, 1}), .margin = doubles({0.2, 0.5})};
      if (soft) b.label = doubles({0.7, 0.1});
      return bradley_terry(b, o).loss;
    };
    const at::Tensor c = doubles({0.4, -1.2}), r = doubles({0.9, -0.3, 0.1});
    expect_gradient([&](const at::Tensor& x) { return f(x, r); }, c, "chosen");
    expect_gradient([&](const at::Tensor& x) { return f(c, x); }, r, "rejected");
  }
}

TEST(ProcessReward, SoftLabelsByHand) {
  const auto r = process_reward(doubles({0, 2}), doubles({1, 0.25}));
  EXPECT_NEAR(r.loss.item<double>(), (std::log(2) + 0.25 * std::log1p(std::exp(-2)) + 0.75 * std::log1p(std::exp(2))) / 2, 1e-12);
  expect_gradient([](const at::Tensor& x) { return process_reward(x, doubles({1, 0.25})).loss; }, doubles({0, 2}), "process");
}

TEST(Contrastive, ByHandAndFiniteDifferences) {
  // Orthogonal unit rows: positive similarity 1, negative 0; temperature 0.5: −log(e² / (e² + 1)).
  const at::Tensor eye = at::eye(2, at::kDouble);
  EXPECT_NEAR(contrastive_loss(3 * eye, eye, 0.5).item<double>(), -std::log(std::exp(2) / (std::exp(2) + 1)), 1e-12);
  const at::Tensor further = doubles({1, 1}).reshape({1, 2});  // cosine 1/√2 with both
  EXPECT_NEAR(contrastive_loss(eye, eye, 0.5, further).item<double>(),
              -std::log(std::exp(2) / (std::exp(2) + 1 + std::exp(std::sqrt(2.0)))), 1e-12);
  const at::Tensor a = doubles({0.3, -1, 0.5, 0.2, 0.9, -0.4}).reshape({3, 2}), b = doubles({0.1, -0.8, 0.6, 0.6, 1, 0.4}).reshape({3, 2});
  const at::Tensor w = doubles({1, 3, 0.5});
  expect_gradient([&](const at::Tensor& x) { return contrastive_loss(x, b, 0.2, further, w); }, a, "view");
  expect_gradient([&](const at::Tensor& x) { return contrastive_loss(a, x, 0.2, further, w); }, b, "other");
}

TEST(Distillation, ChunkedKlEqualsThePlainFormula) {
  const at::Tensor h = at::linspace(-1, 1, 5 * 3, at::kDouble).reshape({5, 3}), w = at::linspace(2, -1, 7 * 3, at::kDouble).sin().reshape({7, 3});
  const at::Tensor oh = at::linspace(0.5, -2, 5 * 2, at::kDouble).reshape({5, 2}), ow = at::linspace(-1, 3, 7 * 2, at::kDouble).cos().reshape({7, 2});
  const at::Tensor up = doubles({1, -2, 0.5, 3, 1});
  for (const double temperature : {1.0, 2.0}) {
    const at::Tensor h1 = leaf(h), w1 = leaf(w), h2 = leaf(h), w2 = leaf(w);
    const at::Tensor fused = distribution_kl(h1, w1, oh, ow, temperature, 2);
    const at::Tensor old = at::log_softmax(at::matmul(oh, ow.t()) / temperature, 1);
    const at::Tensor plain = (old.exp() * (old - at::log_softmax(at::matmul(h2, w2.t()) / temperature, 1))).sum(1);
    expect_close(fused, plain, 1e-12, 1e-14, "kl");
    EXPECT_TRUE(fused.gt(0).all().item<bool>());
    (fused * up).sum().backward();
    (plain * up).sum().backward();
    expect_close(h1.grad(), h2.grad(), 1e-10, 1e-13, "hidden");
    expect_close(w1.grad(), w2.grad(), 1e-10, 1e-13, "weight");
  }
  expect_gradient([&](const at::Tensor& x) { return (distribution_kl(x, w, oh, ow, 1, 3) * up).sum(); }, h, "hidden");
  expect_gradient([&](const at::Tensor& x) { return (distribution_kl(h, x, oh, ow, 1, 3) * up).sum(); }, w, "weight");
  EXPECT_NEAR(distribution_kl(h, w, h, w).abs().max().item<double>(), 0, 1e-12);
}

TEST(Distillation, FocalWeightsByHand) {
  DistillationOptions o;
  o.coefficient = 0.5;
  const at::Tensor kl = doubles({1, 3, 4}), s = longs({0, 0, 1}), right = bools({true, false});
  // 0.5 · ((1 + 5)·2 + 1·4) / 2
  const auto r = focal_distillation(kl, s, right, o);
  EXPECT_NEAR(r.loss.item<double>(), 4, 1e-12);
  EXPECT_NEAR(r.statistics.values().at("distillation/kl_old_right"), 2, 1e-12);
  expect_gradient([&](const at::Tensor& x) { return focal_distillation(x, s, right, o).loss; }, kl, "focal");
}

}  // namespace foil::objective
