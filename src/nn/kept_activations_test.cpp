#include "nn/kept_activations.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "nn/kv_cache.h"
#include "nn/logprob.h"
#include "nn/packed_decoder.h"
#include "nn/paged_attention.h"

namespace foil::nn {

// "… bf16": weights that bf16 holds, which decode by another path on some processors.
static Transformer model(const std::string& name) {
  const std::string type = name.substr(0, name.find(' '));
  ModelConfig c;
  c.model_type = type;
  c.vocab_size = 61, c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 3;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  c.attention_bias = type == "qwen2", c.qk_norm = type == "qwen3", c.tie_word_embeddings = type == "qwen2";
  auto m = Transformer::random(c, 3);
  for (auto& [key, t] : m.parameters()) {
    if (t.dim() == 2) t.mul_(8);
    if (key.ends_with("bias")) t.copy_(at::arange(t.numel(), t.options()).sin_());
    if (key.ends_with("norm.weight")) t.add_(at::arange(t.numel(), t.options()).cos_(), 0.5);
    if (name.ends_with("bf16")) t.copy_(t.to(at::kBFloat16));
  }
  return m;
}

static std::vector<int32_t> tokens(int n, int seed) {
  std::vector<int32_t> out;
  for (int i = 0; i < n; ++i) out.push_back((i * 7 + seed * 13 + i * i) % 61);
  return out;
}

struct Group {
  std::string id;
  std::vector<int32_t> prompt;
  std::vector<std::vector<int32_t>> samples;
};

static const std::vector<Group>& groups() {
  static const std::vector<Group> all = {{"a", tokens(11, 1), {tokens(9, 2), tokens(40, 3), tokens(1, 4)}}, {"b", tokens(37, 5), {tokens(30, 6), tokens(70, 7)}}};
  return all;
}

// Runs all texts as the engine does: prompts in one step, then a token of every sample that has one left, the longest context first or last.
static void decode(const Transformer& m, KeptActivations& kept) {
  const PackedDecoder decoder(m);
  ASSERT_TRUE(decoder.packed());
  const int threads = at::get_num_threads();
  constexpr int64_t kBlock = 4;
  KvCache cache(m.config(), 200, kBlock, at::kCPU, at::kFloat);
  struct Run {
    const Group* group;
    int64_t sample;
    std::vector<int32_t> blocks;
  };
  std::vector<Run> runs;
  int32_t next = 0;
  int64_t most_shared = 0;
  const auto step = [&](const std::vector<const Run*>& which, int64_t at) {  // at < 0: the prompts
    StepBatch batch;
    std::vector<int64_t> ids, positions;
    std::vector<KeptActivations::Text> texts;
    for (const Run* r : which) {
      const auto& prompt = r->group->prompt;
      const std::span<const int32_t> part = at < 0 ? std::span(prompt) : std::span(r->group->samples[size_t(r->sample)]).subspan(size_t(at), 1);
      const auto begin = int64_t(ids.size()), context = at < 0 ? 0 : int64_t(prompt.size()) + at;
      for (size_t i = 0; i < part.size(); ++i) ids.push_back(part[i]), positions.push_back(context + int64_t(i));
      batch.sequences.push_back({begin, int64_t(ids.size()), context, r->blocks});
      texts.push_back({&r->group->id, at < 0 ? KeptActivations::kPrompt : r->sample, part});
    }
    batch.tokens = at::tensor(ids, at::kLong), batch.positions = at::tensor(positions, at::kLong);
    const auto places = kept.add(texts);
    ASSERT_EQ(places.size(), ids.size());
    for (const auto& job : attention_jobs(batch, 4, 2, cache.block_tokens(), at::get_num_threads())) most_shared = std::max(most_shared, job.shared);
    decoder.step(batch, cache, &kept, places);
  };
  // The prompt is run for each sample, kept once. Its full blocks are those of the first one's, read by one job for two samples.
  at::set_num_threads(1);  // with more, every thread has jobs enough without sharing
  for (const Group& g : groups())
    for (size_t s = 0; s < g.samples.size(); ++s) {
      Run r{&g, int64_t(s), {}};
      if (s > 0) r.blocks.assign(runs[runs.size() - s].blocks.begin(), runs[runs.size() - s].blocks.begin() + ptrdiff_t(g.prompt.size() / kBlock));
      while (r.blocks.size() * kBlock < g.prompt.size() + g.samples[s].size() + kBlock) r.blocks.push_back(next++);
      runs.push_back(r);
    }
  std::vector<const Run*> all;
  for (const Run& r : runs) all.push_back(&r);
  step(all, -1);
  for (int64_t at = 0;; ++at) {
    std::vector<const Run*> left;
    for (const Run* r : all)
      if (at + 1 < int64_t(r->group->samples[size_t(r->sample)].size())) left.push_back(r);
    if (left.empty()) break;
    step(left, at);
  }
  at::set_num_threads(threads);
  EXPECT_EQ(most_shared, 37 / kBlock);
}

struct Packed {
  PackedBatch batch;
  at::Tensor rows, targets;
  SampledRows sampled;
};

// Group b before group a, without a's first sample; rows that predict the samples' tokens.
static Packed packed(const std::shared_ptr<KeptActivations>& kept) {
  Packed out;
  out.sampled.kept = kept;
  BatchPacker packer;
  std::vector<int64_t> rows, targets;
  const auto add = [&](const Group& g, int64_t sample, std::span<const int32_t> part) {
    const auto found = kept->find({&g.id, sample, part});
    ASSERT_TRUE(found);
    out.sampled.rows.insert(out.sampled.rows.end(), found->begin(), found->end());
  };
  for (const Group* g : {&groups()[1], &groups()[0]}) {
    const int32_t prompt = packer.add(g->prompt);
    const int64_t prompt_end = packer.tokens() - 1;
    add(*g, KeptActivations::kPrompt, g->prompt);
    for (size_t s = g == &groups()[0] ? 1 : 0; s < g->samples.size(); ++s) {
      const auto& text = g->samples[s];
      const int64_t begin = packer.tokens();
      if (text.size() > 1) packer.add({text.begin(), text.end() - 1}, prompt);
      add(*g, int64_t(s), std::span(text).first(text.size() - 1));
      for (size_t i = 0; i < text.size(); ++i) rows.push_back(i == 0 ? prompt_end : begin + int64_t(i) - 1), targets.push_back(text[i]);
    }
  }
  out.batch = packer.build();
  out.rows = at::tensor(rows, at::kLong), out.targets = at::tensor(targets, at::kLong);
  return out;
}

class Kept : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Kept, testing::Values("llama", "qwen2", "qwen3", "llama bf16", "qwen2 bf16", "qwen3 bf16"));

TEST_P(Kept, GradientsOfTheSamplersValuesAreThoseOfAForwardPass) {
  auto m = model(GetParam());
  const auto kept = std::make_shared<KeptActivations>();
  kept->open(m, 1000);
  ASSERT_TRUE(kept->keeps(m));
  decode(m, *kept);
  EXPECT_EQ(kept->tokens(), 11 + 8 + 39 + 37 + 29 + 69);
  const Packed p = packed(kept);
  m.requires_grad(true);
  const at::Tensor g = at::arange(p.rows.size(0), at::kFloat).sin();
  std::map<std::string, at::Tensor> gradients[2];
  at::Tensor states[2], logprobs[2];
  for (const int which : {0, 1}) {
    for (auto& [_, t] : m.parameters()) t.mutable_grad() = at::Tensor();
    const at::Tensor hidden = m.hidden(p.batch, p.rows, {.sampled = which ? &p.sampled : nullptr});
    states[which] = hidden.detach().clone();
    const auto result = token_logprobs(hidden, m.output_weight(), p.targets, 0.9);
    logprobs[which] = result.logprob.detach().clone();
    (result.logprob * g).sum().backward();
    for (auto& [name, t] : m.parameters()) gradients[which][name] = t.grad().clone();
  }
  // The softmax known from elsewhere instead of reckoned: the same, and the same gradients.
  {
    EXPECT_FALSE(kept->softmax(0.9, p.sampled.rows, p.rows));
    at::Tensor scores;
    {
      at::NoGradGuard off;
      scores = m.logits(states[1]) / 0.9;
    }
    const at::Tensor lse = scores.logsumexp(1), entropy = lse - (scores.softmax(1) * scores).sum(1);
    const int32_t* row = p.sampled.rows.data();
    const auto put = [&](int64_t i, float entropy) { kept->put_softmax(row[p.rows[i].item<int64_t>()], 0.9, lse[i].item<float>(), entropy); };
    for (int64_t i = 0; i + 1 < p.rows.size(0); ++i) put(i, entropy[i].item<float>());
    const int64_t last = p.rows.size(0) - 1;
    put(last, NAN);  // nothing is known by it
    put(last, entropy[last].item<float>());
    EXPECT_FALSE(kept->softmax(1.0, p.sampled.rows, p.rows));
    const auto known = kept->softmax(0.9, p.sampled.rows, p.rows);
    ASSERT_TRUE(known);
    for (auto& [_, t] : m.parameters()) t.mutable_grad() = at::Tensor();
    const auto result = token_logprobs(m.hidden(p.batch, p.rows, {.sampled = &p.sampled}), m.output_weight(), p.targets, 0.9, true, 0, kKeptLogitBytes, &*known);
    EXPECT_TRUE(at::allclose(result.logprob.detach(), logprobs[1], 1e-5, 1e-5));
    EXPECT_TRUE(at::equal(result.entropy, entropy));
    (result.logprob * g).sum().backward();
    for (const auto& [name, t] : m.parameters()) EXPECT_LT((t.grad() - gradients[1].at(name)).norm().item<double>(), 1e-5 * t.grad().norm().item<double>()) << name;
  }
  EXPECT_TRUE(at::allclose(states[0], states[1], 1e-4, 1e-4)) << (states[0] - states[1]).abs().max();
  EXPECT_TRUE(at::allclose(logprobs[0], logprobs[1], 1e-4, 1e-4));
  for (const auto& [name, expected] : gradients[0])
    EXPECT_LT((gradients[1].at(name) - expected).norm().item<double>(), 2e-4 * expected.norm().item<double>()) << name;
  at::NoGradGuard off;
  EXPECT_TRUE(at::equal(m.hidden(p.batch, p.rows, {.sampled = &p.sampled}), states[1]));
}

TEST(KeptActivations, TextsAreFoundByTheirTokens) {
  const auto m = model("llama");
  KeptActivations kept;
  EXPECT_FALSE(kept.keeps(m));
  kept.open(m, 10);
  const std::string a = "a", b = "b";
  const std::vector<int32_t> prompt = {1, 2, 3}, other = {1, 2, 4}, one = {5}, two = {6};
  constexpr int64_t kPrompt = KeptActivations::kPrompt;
  const auto places = kept.add(std::vector<KeptActivations::Text>{{&a, kPrompt, prompt}, {&b, kPrompt, prompt}, {&a, 7, one}});
  EXPECT_EQ(places, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(kept.add(std::vector<KeptActivations::Text>{{&a, kPrompt, prompt}, {&a, 7, two}}), (std::vector<int32_t>{-1, -1, -1, 7}));
  EXPECT_EQ(kept.find({&b, kPrompt, prompt}), (std::vector<int32_t>{3, 4, 5}));
  const std::vector<int32_t> text = {5, 6}, longer = {5, 6, 7};
  EXPECT_EQ(kept.find({&a, 7, text}), (std::vector<int32_t>{6, 7}));
  EXPECT_EQ(kept.find({&a, 7, one}), (std::vector<int32_t>{6}));
  EXPECT_EQ(kept.find({&a, 7, {}}), std::vector<int32_t>{});
  EXPECT_FALSE(kept.find({&a, 7, two}));
  EXPECT_FALSE(kept.find({&a, 7, longer}));
  EXPECT_FALSE(kept.find({&b, 7, one}));
  EXPECT_FALSE(kept.find({&b, kPrompt, other}));

  // Another prompt under the same name, or more than fits: nothing is kept.
  auto again = kept;
  EXPECT_TRUE(again.add(std::vector<KeptActivations::Text>{{&a, kPrompt, other}}).empty());
  EXPECT_FALSE(again.keeps(m));
  EXPECT_FALSE(again.find({&a, 7, one}));
  EXPECT_EQ(kept.add(std::vector<KeptActivations::Text>{{&b, 0, text}}).size(), 2u);
  EXPECT_TRUE(kept.add(std::vector<KeptActivations::Text>{{&b, 0, one}}).empty());
  EXPECT_FALSE(kept.keeps(m));
  EXPECT_EQ(kept.tokens(), 0);
}

TEST(KeptActivations, OnlyOfLayersThatAreComputedHere) {
  KeptActivations kept;
  const Transformer f64(model("llama").config(), at::kCPU, at::kDouble);
  kept.open(f64, 100);
  EXPECT_FALSE(kept.keeps(f64));
  const auto m = model("llama");
  kept.open(m, 0);
  EXPECT_FALSE(kept.keeps(m));
}

TEST(KeptActivations, ABackwardPassAfterTheWeightsMovedIsRefused) {
  auto m = model("llama");
  m.requires_grad(true);
  const auto kept = std::make_shared<KeptActivations>();
  kept->open(m, 1000);
  {
    at::NoGradGuard off;
    decode(m, *kept);
  }
  const Packed p = packed(kept);
  const at::Tensor hidden = m.hidden(p.batch, p.rows, {.sampled = &p.sampled});
  kept->close();
  EXPECT_THROW(hidden.sum().backward(), std::exception);
}

}  // namespace foil::nn
