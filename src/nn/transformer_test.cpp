#include "nn/transformer.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "nn/attention.h"
#include "nn/logprob.h"

namespace foil::nn {

static ModelConfig tiny(const std::string& type) {
  ModelConfig c;
  c.model_type = type;
  c.vocab_size = 61, c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  c.attention_bias = type == "qwen2", c.qk_norm = type == "qwen3", c.tie_word_embeddings = type == "qwen2";
  return c;
}

static std::vector<int32_t> tokens(int n, int seed) {
  std::vector<int32_t> out;
  for (int i = 0; i < n; ++i) out.push_back((i * 7 + seed * 13 + i * i) % 61);
  return out;
}

// Slow twin: a dense mask over the whole packed batch.
static at::Tensor dense_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments) {
  const int64_t T = q.size(0), group = q.size(1) / k.size(1);
  at::Tensor mask = at::zeros({T, T}, at::kBool);
  for (const Segment& s : segments) {
    mask.slice(0, s.begin, s.end).slice(1, s.begin, s.end).copy_(at::ones({s.length(), s.length()}, at::kBool).tril());
    if (s.prefix >= 0) mask.slice(0, s.begin, s.end).slice(1, segments[s.prefix].begin, segments[s.prefix].end).fill_(true);
  }
  const at::Tensor keys = k.repeat_interleave(group, 1).transpose(0, 1), values = v.repeat_interleave(group, 1).transpose(0, 1);
  const at::Tensor scores = at::matmul(q.transpose(0, 1), keys.transpose(1, 2)) / std::sqrt(double(q.size(2)));
  return at::matmul(at::softmax(scores.masked_fill(mask.logical_not(), -INFINITY), -1), values).transpose(0, 1);
}

TEST(PackedAttention, EqualsDenseTwinWithGradients) {
  const std::vector<Segment> segments = {{0, 37, -1}, {37, 80, 0}, {80, 85, 0}, {85, 86, -1}, {86, 190, -1}, {190, 250, 4}};
  at::manual_seed(1);
  for (const int64_t d : {8, 20, 64}) {
    std::vector<at::Tensor> ours, twin;
    for (const int64_t heads : {6, 2, 2}) {
      ours.push_back(at::randn({250, heads, d}).requires_grad_());
      twin.push_back(ours.back().detach().clone().requires_grad_());
    }
    const at::Tensor weight = at::randn({250, 6, d});
    const at::Tensor a = packed_attention(ours[0], ours[1], ours[2], segments), b = dense_attention(twin[0], twin[1], twin[2], segments);
    EXPECT_TRUE(at::allclose(a, b, 1e-4, 1e-5)) << (a - b).abs().max();
    (a * weight).sum().backward();
    (b * weight).sum().backward();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::allclose(ours[i].grad(), twin[i].grad(), 1e-3, 1e-4)) << i << (ours[i].grad() - twin[i].grad()).abs().max();
  }
}

class Architectures : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Architectures, testing::Values("llama", "qwen2", "qwen3"));

TEST_P(Architectures, PackedEqualsAloneAndSharedPrefixEqualsRepeated) {
  const auto model = Transformer::random(tiny(GetParam()), 3);
  at::NoGradGuard off;
  const auto prompt = tokens(9, 1), one = tokens(5, 2), two = tokens(11, 3);
  BatchPacker packed;
  const int32_t p = packed.add(prompt);
  packed.add(one, p);
  packed.add(two, p);
  const at::Tensor together = model.hidden(packed.build());
  auto alone = [&](const std::vector<int32_t>& completion) {
    std::vector<int32_t> all = prompt;
    all.insert(all.end(), completion.begin(), completion.end());
    BatchPacker packer;
    packer.add(all);
    return model.hidden(packer.build());
  };
  EXPECT_TRUE(at::allclose(together.slice(0, 9, 14), alone(one).slice(0, 9), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(together.slice(0, 14, 25), alone(two).slice(0, 9), 1e-4, 1e-5));
}

TEST_P(Architectures, RecomputeIsBitEqual) {
  auto model = Transformer::random(tiny(GetParam()), 3);
  model.requires_grad(true);
  BatchPacker packer;
  packer.add(tokens(20, 1));
  packer.add(tokens(7, 2), 0);
  std::vector<std::map<std::string, at::Tensor>> gradients;
  for (const bool recompute : {false, true}) {
    for (auto& [_, t] : model.parameters()) t.mutable_grad() = at::Tensor();
    const at::Tensor h = model.hidden(packer.build(), {recompute});
    token_logprobs(h, model.output_weight(), packer.build().tokens).logprob.sum().backward();
    gradients.emplace_back();
    for (auto& [name, t] : model.parameters()) gradients.back()[name] = t.grad().clone();
  }
  for (auto& [name, g] : gradients[0]) EXPECT_TRUE(at::equal(g, gradients[1][name])) << name;
}

static std::map<std::string, at::Tensor> gradients_of(Transformer& model, const PackedBatch& batch) {
  model.requires_grad(true);
  for (auto& [_, t] : model.parameters()) t.mutable_grad() = at::Tensor();
  token_logprobs(model.hidden(batch), model.output_weight(), batch.tokens.roll(-1)).logprob.sum().backward();
  std::map<std::string, at::Tensor> out;
  for (auto& [name, t] : model.parameters()) out[name] = t.grad().clone();
  return out;
}

// The fused f32 layer against the same layer composed of single operations in f64.
TEST_P(Architectures, FusedEqualsComposed) {
  auto model = Transformer::random(tiny(GetParam()), 3), twin = Transformer::random(tiny(GetParam()), 3, at::kCPU, at::kDouble);
  for (auto* m : {&model, &twin})
    for (auto& [name, t] : m->parameters()) {
      if (t.dim() == 2) t.mul_(8);
      if (name.ends_with("bias")) t.copy_(at::arange(t.numel(), t.options()).sin_());
      if (name.ends_with("norm.weight")) t.add_(at::arange(t.numel(), t.options()).cos_(), 0.5);
    }
  BatchPacker packer;
  const int32_t p = packer.add(tokens(150, 1));
  packer.add(tokens(70, 2), p);
  packer.add(tokens(300, 3));
  packer.add(tokens(3, 4), p);
  const auto batch = packer.build();
  {
    at::NoGradGuard off;
    const at::Tensor a = model.hidden(batch), b = twin.hidden(batch);
    EXPECT_TRUE(at::allclose(a.to(at::kDouble), b, 1e-4, 1e-4)) << (a - b).abs().max();
  }
  const auto ours = gradients_of(model, batch), expected = gradients_of(twin, batch);
  for (const auto& [name, g] : expected) EXPECT_LT((ours.at(name) - g).norm().item<double>(), 2e-4 * g.norm().item<double>()) << name;
}

// Rows named beforehand (one of them twice) against picking them out of all: composed and fused, kept and made again.
TEST_P(Architectures, NamedRowsEqualPickedOnes) {
  BatchPacker packer;
  const int32_t p = packer.add(tokens(150, 1));
  packer.add(tokens(70, 2), p);
  packer.add(tokens(33, 3), p);
  const auto batch = packer.build();
  std::vector<int64_t> read = {149, 149};
  for (int64_t r = 150; r < 253; r += 1 + r % 3) read.push_back(r);
  const at::Tensor rows = at::tensor(read, at::kLong), none = at::empty({0}, at::kLong);
  for (const auto type : {at::kFloat, at::kDouble})
    for (const bool recompute : {false, true}) {
      auto model = Transformer::random(tiny(GetParam()), 3, at::kCPU, type);
      model.requires_grad(true);
      for (auto& [_, t] : model.parameters())
        if (t.dim() == 2) t.detach().mul_(8);
      const auto gradients = [&](const at::Tensor& states) {
        for (auto& [_, t] : model.parameters()) t.mutable_grad() = at::Tensor();
        (states * at::arange(states.numel(), states.options()).view_as(states).sin()).sum().backward();
        std::map<std::string, at::Tensor> out;
        for (auto& [name, t] : model.parameters())
          if (t.grad().defined()) out[name] = t.grad().clone();
        return out;
      };
      const at::Tensor named = model.hidden(batch, rows, {recompute}), picked = model.hidden(batch, {recompute}).index_select(0, rows);
      if (type == at::kFloat) {
        EXPECT_TRUE(at::equal(named, picked));
      }
      EXPECT_TRUE(at::allclose(named, picked, 1e-9, 1e-9));
      const auto ours = gradients(named), expected = gradients(picked);
      EXPECT_EQ(ours.size(), expected.size());
      for (const auto& [name, g] : expected)
        EXPECT_LE((ours.at(name) - g).norm().item<double>(), (type == at::kFloat ? 1e-5 : 1e-12) * g.norm().item<double>()) << name << type << recompute;
      const at::Tensor nothing = model.hidden(batch, none, {recompute});
      EXPECT_EQ(nothing.size(0), 0);
      for (const auto& [name, g] : gradients(nothing)) EXPECT_TRUE(at::equal(g, at::zeros_like(g))) << name;
    }
}

TEST_P(Architectures, SameBitsEveryRun) {
  auto model = Transformer::random(tiny(GetParam()), 3);
  BatchPacker packer;
  for (int g = 0; g < 6; ++g) {
    const int32_t p = packer.add(tokens(90, g));
    for (int i = 0; i < 5; ++i) packer.add(tokens(40 + 7 * i, i), p);
  }
  const auto first = gradients_of(model, packer.build()), second = gradients_of(model, packer.build());
  for (const auto& [name, g] : first) EXPECT_TRUE(at::equal(g, second.at(name))) << name;
}

TEST_P(Architectures, GradientsMatchFiniteDifferences) {
  auto model = Transformer::random(tiny(GetParam()), 3);
  for (auto& [name, t] : model.parameters())
    if (t.dim() == 2) t.mul_(8);  // far from the linear regime
  model.requires_grad(true);
  BatchPacker packer;
  packer.add(tokens(12, 1));
  packer.add(tokens(6, 2), 0);
  const auto batch = packer.build();
  auto loss = [&] { return token_logprobs(model.hidden(batch), model.output_weight(), batch.tokens.roll(-1)).logprob.sum(); };
  loss().backward();
  at::NoGradGuard off;
  for (auto& [name, t] : model.parameters()) {
    const at::Tensor direction = t.grad() / (t.grad().norm() + 1e-12);
    const double step = 2e-3 * std::sqrt(double(t.norm().item<float>()) + 0.1);
    t.add_(direction, step);
    const double up = loss().item<float>();
    t.add_(direction, -2 * step);
    const double down = loss().item<float>();
    t.add_(direction, step);
    const double slope = (up - down) / (2 * step), expected = t.grad().norm().item<float>();
    EXPECT_NEAR(slope, expected, 0.03 * expected + 0.02) << name;
  }
}

TEST(TokenLogprobs, EqualsLogSoftmaxInChunksWithGradients) {
  at::manual_seed(2);
  for (const double temperature : {1.0, 0.7}) {
    auto hidden = at::randn({37, 16}, at::kDouble).requires_grad_(), weight = at::randn({50, 16}, at::kDouble).requires_grad_();
    auto hidden2 = hidden.detach().clone().requires_grad_(), weight2 = weight.detach().clone().requires_grad_();
    const at::Tensor targets = at::randint(50, {37}, at::kLong), g = at::randn({37}, at::kDouble);
    const auto ours = token_logprobs(hidden, weight, targets, temperature, true, 8);
    const at::Tensor all = at::log_softmax(at::linear(hidden2, weight2) / temperature, 1);
    EXPECT_TRUE(at::allclose(ours.logprob, all.gather(1, targets.unsqueeze(1)).squeeze(1)));
    EXPECT_TRUE(at::allclose(ours.entropy, -(all.exp() * all).sum(1)));
    (ours.logprob * g).sum().backward();
    (all.gather(1, targets.unsqueeze(1)).squeeze(1) * g).sum().backward();
    EXPECT_TRUE(at::allclose(hidden.grad(), hidden2.grad()));
    EXPECT_TRUE(at::allclose(weight.grad(), weight2.grad()));
  }
}

TEST(TokenLogprobs, KeptLogitsChangeNoBit) {
  at::manual_seed(4);
  const int64_t rows = 700, vocabulary = 5000, tile = vocabulary * 128 * 4;
  const at::Tensor h = at::randn({rows, 40}), w = at::randn({vocabulary, 40}), targets = at::randint(vocabulary, {rows}, at::kLong), g = at::randn({rows});
  std::vector<std::vector<at::Tensor>> results;
  for (const int64_t bytes : {int64_t{0}, 3 * tile + 5, kKeptLogitBytes}) {
    auto hidden = h.clone().requires_grad_(), weight = w.clone().requires_grad_();
    const auto ours = token_logprobs(hidden, weight, targets, 0.8, true, 0, bytes);
    (ours.logprob * g).sum().backward();
    results.push_back({ours.logprob.detach(), ours.entropy, hidden.grad(), weight.grad()});
  }
  for (size_t i = 1; i < results.size(); ++i)
    for (size_t k = 0; k < results[0].size(); ++k) EXPECT_TRUE(at::equal(results[i][k], results[0][k])) << i << k;
}

TEST(TokenLogprobs, TiledEqualsChunkedInF64) {
  at::manual_seed(3);
  for (const int64_t rows : {1, 37, 128, 1500})
    for (const int64_t vocabulary : {50, 64, 1111}) {
      auto hidden = at::randn({rows, 40}).requires_grad_(), weight = at::randn({vocabulary, 40}).requires_grad_();
      auto hidden2 = hidden.detach().to(at::kDouble).requires_grad_(), weight2 = weight.detach().to(at::kDouble).requires_grad_();
      const at::Tensor targets = at::randint(vocabulary, {rows}, at::kLong), g = at::randn({rows});
      const auto ours = token_logprobs(hidden, weight, targets, 0.8, true), twin = token_logprobs(hidden2, weight2, targets, 0.8, true);
      EXPECT_LT((ours.logprob - twin.logprob).abs().max().item<double>(), 1e-4);
      EXPECT_LT((ours.entropy - twin.entropy).abs().max().item<double>(), 1e-4);
      (ours.logprob * g).sum().backward();
      (twin.logprob * g.to(at::kDouble)).sum().backward();
      EXPECT_LT((hidden.grad() - hidden2.grad()).norm().item<double>(), 1e-5 * hidden2.grad().norm().item<double>());
      EXPECT_LT((weight.grad() - weight2.grad()).norm().item<double>(), 1e-5 * weight2.grad().norm().item<double>());
    }
}

}  // namespace foil::nn
