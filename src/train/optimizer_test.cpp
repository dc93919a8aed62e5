#include "train/optimizer.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>

#include "base/error.h"

namespace foil::train {
namespace {

at::Tensor leaf(at::IntArrayRef shape, int seed, at::ScalarType type = at::kFloat) {
  const int64_t n = c10::multiply_integers(shape);
  return (at::arange(n, at::kFloat) * 0.7 + seed).sin().reshape(shape).to(type).contiguous().set_requires_grad(true);
}

void set_gradient(const at::Tensor& p, int seed, double scale = 0.1) { p.mutable_grad() = (leaf(p.sizes(), seed).detach() * scale).to(p.scalar_type()); }

OptimizerOptions options() {
  OptimizerOptions o;
  o.lr = 1e-2, o.weight_decay = 0.1, o.schedule = Schedule::kConstant;
  return o;
}

TEST(AdamWTest, EqualsAtensFusedKernelWithAndWithoutDecay) {
  const auto matrix = leaf({300, 257}, 1), vector = leaf({257}, 2);
  const auto matrix_twin = matrix.detach().clone(), vector_twin = vector.detach().clone();
  AdamW adam({{"m", matrix}, {"v", vector}}, options());
  at::Tensor m1 = at::zeros_like(matrix_twin), m2 = m1.clone(), v1 = at::zeros_like(vector_twin), v2 = v1.clone();
  for (int step = 1; step <= 5; ++step) {
    set_gradient(matrix, step), set_gradient(vector, step + 7);
    std::vector<at::Tensor> p1{matrix_twin}, p2{vector_twin}, g1{matrix.grad().clone() * 0.5}, g2{vector.grad().clone() * 0.5};
    std::vector<at::Tensor> a1{m1}, b1{m2}, a2{v1}, b2{v2}, s{at::full({}, double(step), at::kFloat)};
    at::_fused_adamw_(p1, g1, a1, b1, {}, s, 1e-2, 0.9, 0.999, 0.1, 1e-8, false, false);
    at::_fused_adamw_(p2, g2, a2, b2, {}, s, 1e-2, 0.9, 0.999, 0.0, 1e-8, false, false);
    adam.collect_gradients();
    adam.step(1e-2, 0.5);
  }
  EXPECT_LT((matrix.detach() - matrix_twin).abs().max().item<float>(), 1e-6);
  EXPECT_LT((vector.detach() - vector_twin).abs().max().item<float>(), 1e-6);
  EXPECT_EQ(adam.updates(), 5);
}

TEST(AdamWTest, SharesOfSeveralProcessesMakeUpTheWhole) {
  const auto weights = [] { return std::vector<NamedTensor>{{"a", leaf({40, 30}, 1)}, {"b", leaf({30}, 2)}, {"c", leaf({20, 30}, 3, at::kBFloat16)}, {"d", leaf({25, 20}, 4)}}; };
  const auto whole = weights();
  AdamW alone(whole, options());
  std::vector<std::vector<NamedTensor>> copies{weights(), weights()};
  std::vector<AdamW> shares;
  for (int r = 0; r < 2; ++r) shares.emplace_back(copies[size_t(r)], options(), Shard{r, 2});
  auto step = [](AdamW& adam, const std::vector<NamedTensor>& on) {
    for (size_t i = 0; i < on.size(); ++i) set_gradient(on[i].tensor, int(i));
    adam.collect_gradients();
    adam.step(1e-2, 1);
  };
  step(alone, whole);
  std::map<std::string, at::Tensor> together;
  int64_t elements[2] = {0, 0};
  for (int r = 0; r < 2; ++r) {
    step(shares[size_t(r)], copies[size_t(r)]);
    for (const auto& [name, tensor] : shares[size_t(r)].state()) EXPECT_TRUE(together.emplace(name, tensor).second) << name;
    for (size_t i = 0; i < whole.size(); ++i) {
      const bool owns = shares[size_t(r)].owner(i) == r;
      EXPECT_EQ(at::equal(copies[size_t(r)][i].tensor, whole[i].tensor), owns) << whole[i].name;  // the others are as they were
      if (owns) elements[r] += whole[i].tensor.numel();
    }
  }
  EXPECT_EQ(elements[0] + elements[1], 1200 + 30 + 600 + 500);
  EXPECT_LE(std::max(elements[0], elements[1]), 1230);
  const auto state = alone.state();
  ASSERT_EQ(together.size(), state.size());
  for (const auto& [name, tensor] : state) EXPECT_TRUE(at::equal(together.at(name), tensor)) << name;
}

TEST(AdamWTest, SameBytesOnOneThreadAndOnMany) {
  const int before = at::get_num_threads();
  std::vector<at::Tensor> results;
  std::vector<double> norms;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    const auto p = leaf({511, 333}, 3);
    AdamW adam({{"p", p}}, options());
    for (int step = 0; step < 3; ++step) {
      set_gradient(p, step);
      adam.collect_gradients();
      norms.push_back(adam.gradient_norm());
      adam.step(1e-2, 1);
    }
    results.push_back(p.detach().clone());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(results[0], results[1]) && at::equal(results[0], results[2]));
  EXPECT_EQ(norms[2], norms[5]);
  EXPECT_EQ(norms[2], norms[8]);
}

TEST(AdamWTest, NormIsTheGlobalOne) {
  const auto a = leaf({40, 1000}, 1), b = leaf({17}, 2);
  AdamW adam({{"a", a}, {"b", b}}, options());
  set_gradient(a, 5), set_gradient(b, 6);
  const double expected = std::sqrt((a.grad().to(at::kDouble).square().sum() + b.grad().to(at::kDouble).square().sum()).item<double>());
  adam.collect_gradients();
  EXPECT_NEAR(adam.gradient_norm(), expected, 1e-10);
  EXPECT_EQ(adam.non_finite_parameter(), "");
  adam.gradients()[1][3] = NAN;
  EXPECT_TRUE(std::isnan(adam.gradient_norm()));
  EXPECT_EQ(adam.non_finite_parameter(), "b");
}

TEST(AdamWTest, Bf16ParametersKeepSmallUpdatesInTheirMasters) {
  const auto p = at::ones({64, 8}, at::kBFloat16).set_requires_grad(true);
  OptimizerOptions o = options();
  o.weight_decay = 0;
  AdamW adam({{"p", p}}, o);
  for (int step = 0; step < 20; ++step) {  // each update of 2e-4 is below half a bf16 step at 1 (3.9e-3)
    p.mutable_grad() = at::ones_like(p.detach());
    adam.collect_gradients();
    adam.step(2e-4, 1);
  }
  EXPECT_NEAR(adam.state().at("master/p")[0][0].item<float>(), 1 - 20 * 2e-4, 1e-5);
  EXPECT_EQ(p[0][0].item<float>(), 0.99609375f);
}

TEST(AdamWTest, MicroBatchGradientsAddUpInF32) {
  const auto p = at::ones({4, 4}, at::kBFloat16).set_requires_grad(true);
  AdamW adam({{"p", p}}, options());
  for (const double g : {1.0, 1.0 / 512}) {  // 1 + 1/512 is not a bf16 number
    p.mutable_grad() = at::full_like(p.detach(), g);
    adam.collect_gradients();
  }
  EXPECT_EQ(adam.gradients()[0][0][0].item<float>(), 1.0f + 1.0f / 512);
}

TEST(AdamWTest, StateRoundTripsAndRefusesAnotherShape) {
  const auto p = leaf({8, 8}, 1);
  AdamW adam({{"p", p}}, options());
  set_gradient(p, 2);
  adam.collect_gradients();
  adam.step(1e-2, 1);
  std::map<std::string, at::Tensor> saved;
  for (const auto& [name, t] : adam.state()) saved[name] = t.clone();
  const auto q = p.detach().clone().set_requires_grad(true);
  AdamW again({{"p", q}}, options());
  again.load_state(saved, adam.updates(), "ck");
  for (const auto& [a, x] : {std::pair{&adam, p}, std::pair{&again, q}}) {
    set_gradient(x, 3);
    a->collect_gradients();
    a->step(1e-2, 1);
  }
  EXPECT_TRUE(at::equal(p, q));
  saved["exp_avg/p"] = at::zeros({2, 8});
  try {
    again.load_state(saved, 1, "ck");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "ck: tensor exp_avg/p: expected the shape 8x8, found 2x8");
  }
}

TEST(ScheduleTest, WarmUpThenShape) {
  OptimizerOptions o;
  o.lr = 1, o.warmup_steps = 4, o.min_lr_share = 0.1;
  EXPECT_DOUBLE_EQ(learning_rate(o, 0, 104), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(o, 3, 104), 1);
  EXPECT_DOUBLE_EQ(learning_rate(o, 4, 104), 1);
  EXPECT_NEAR(learning_rate(o, 54, 104), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(o, 104, 104), 0.1, 1e-12);
  o.schedule = Schedule::kLinear;
  EXPECT_NEAR(learning_rate(o, 29, 104), 0.775, 1e-12);
  o.schedule = Schedule::kConstant;
  EXPECT_DOUBLE_EQ(learning_rate(o, 103, 104), 1);
  o.warmup_steps = -1, o.warmup_share = 0.5;
  EXPECT_DOUBLE_EQ(learning_rate(o, 0, 10), 0.2);
}

}  // namespace
}  // namespace foil::train
