#include "rollout/engine.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/random.h"
#include "nn/logprob.h"
#include "rollout/sampler.h"
#include "text/word_tokenizer.h"

namespace foil::rollout {

static std::shared_ptr<const text::Tokenizer> words() {
  static const auto t = std::make_shared<const text::Tokenizer>(text::word_tokenizer({"a b c d e f g h i j k l m n o p", "Tom has 3 apples"}, {}));
  return t;
}

// "… f64": weights that the CPU's own kernels do not take, so that what runs on an accelerator runs here. "… bf16": f32 that bf16 holds,
// as published checkpoints have it.
static std::shared_ptr<nn::Transformer> model(const std::string& name = "llama") {
  const std::string type = name.substr(0, name.find(' '));
  const auto says = [&](const char* kind) { return name.find(kind) != std::string::npos; };
  nn::ModelConfig c;
  c.model_type = type;
  c.vocab_size = words()->vocab_size(), c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8, c.max_position_embeddings = 128;
  c.attention_bias = type == "qwen2", c.qk_norm = type == "qwen3";
  auto m = nn::Transformer::random(c, 5, at::kCPU, says(" f64") ? at::kDouble : at::kFloat);
  for (auto& [name, t] : m.parameters())
    if (t.dim() == 2) t.mul_(6);
  if (says(" bf16"))
    for (auto& [name, t] : m.parameters()) t.copy_(t.to(at::kBFloat16));
  return std::make_shared<nn::Transformer>(std::move(m));
}

static GenerateRequest request(int prompts, int samples, double temperature, int max_tokens = 20) {
  GenerateRequest r;
  for (int i = 0; i < prompts; ++i) r.prompts.push_back({fmt::format("p{}", i), std::string("Tom has") + std::string(size_t(i % 7 + 1), 'x') + (i % 2 ? " a b c d e f" : ""), {}});
  r.samples_per_prompt = samples;
  r.sampling.temperature = temperature;
  r.sampling.max_tokens = max_tokens;
  r.seed = 9;
  return r;
}

static std::vector<std::vector<int32_t>> tokens_of(const std::vector<Sample>& samples) {
  std::vector<std::vector<int32_t>> out;
  for (const auto& s : samples) out.push_back(s.token_ids);
  return out;
}

class EngineFor : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, EngineFor, testing::Values("llama", "qwen2", "qwen3", "llama bf16", "qwen2 bf16", "qwen3 bf16", "llama f64", "qwen2 f64", "qwen3 f64"));

TEST_P(EngineFor, GreedyEqualsTheUncachedForwardPass) {
  const auto m = model(GetParam());
  LocalEngine engine(m, words(), {});
  const auto r = request(5, 1, 0);
  const auto samples = engine.generate(r);
  at::NoGradGuard off;
  for (size_t i = 0; i < samples.size(); ++i) {
    auto sequence = words()->encode(r.prompts[i].text);
    for (const int32_t token : samples[i].token_ids) {
      nn::BatchPacker packer;
      packer.add(sequence);
      const at::Tensor logits = m->logits(m->hidden(packer.build())).select(0, int64_t(sequence.size()) - 1);
      ASSERT_EQ(logits.argmax().item<int64_t>(), token);
      sequence.push_back(token);
    }
  }
}

TEST_P(EngineFor, LogprobsAreTheTrainers) {
  const auto m = model(GetParam());
  LocalEngine engine(m, words(), {});
  const auto r = request(4, 3, 0.8);
  at::NoGradGuard off;
  for (const auto& s : engine.generate(r)) {
    auto sequence = words()->encode(r.prompts[size_t(std::stoi(s.problem_id.substr(1)))].text);
    const auto begin = int64_t(sequence.size());
    sequence.insert(sequence.end(), s.token_ids.begin(), s.token_ids.end());
    nn::BatchPacker packer;
    packer.add(sequence);
    const auto batch = packer.build();
    const at::Tensor hidden = m->hidden(batch).slice(0, begin - 1, int64_t(sequence.size()) - 1);
    const at::Tensor lp = nn::token_logprobs(hidden, m->output_weight(), batch.tokens.slice(0, begin), 0.8).logprob;
    for (size_t i = 0; i < s.logprobs.size(); ++i) EXPECT_NEAR(lp[int64_t(i)].item<float>(), s.logprobs[i], 1e-4);
  }
}

static void expect_samples_that_depend_on_nothing_else(const std::string& name) {
  const auto m = model(name);
  EngineOptions wide, narrow;
  narrow.max_sequences = 3, narrow.block_tokens = 4, narrow.prefill_tokens = 5;
  auto r = request(7, 4, 1.0);
  LocalEngine a(m, words(), wide), b(m, words(), narrow);
  const auto first = a.generate(r);
  EXPECT_EQ(tokens_of(first), tokens_of(b.generate(r)));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_EQ(tokens_of(first), tokens_of(a.generate(r)));
  at::set_num_threads(threads);
  std::reverse(r.prompts.begin(), r.prompts.end());
  const auto reversed = a.generate(r);
  for (size_t p = 0; p < 7; ++p)
    for (size_t s = 0; s < 4; ++s) EXPECT_EQ(first[p * 4 + s].token_ids, reversed[(6 - p) * 4 + s].token_ids);
  r.first_sample_id = 2;
  r.samples_per_prompt = 1;
  EXPECT_EQ(a.generate(r)[6].token_ids, first[2].token_ids);
}

TEST(Engine, DeterministicSamplesDoNotDependOnOrderBatchMemoryOrThreads) {
  for (const char* name : {"llama", "llama bf16"}) expect_samples_that_depend_on_nothing_else(name);
}

TEST(Engine, FixedShapesGiveTheSamplesOfTheOwnKernels) {
  const auto m = model();
  auto wide = std::make_shared<nn::Transformer>(m->config(), at::kCPU, at::kDouble);
  for (auto& [name, t] : wide->parameters()) t.copy_(m->parameters().at(name));
  EngineOptions narrow;
  narrow.max_sequences = 3, narrow.block_tokens = 4, narrow.prefill_tokens = 5;
  for (const double temperature : {0.0, 1.0}) {
    const auto r = request(7, temperature == 0 ? 1 : 4, temperature);
    LocalEngine own(m, words(), {}), a(wide, words(), {}), b(wide, words(), narrow);
    const auto expected = tokens_of(own.generate(r));
    EXPECT_EQ(tokens_of(a.generate(r)), expected);
    EXPECT_EQ(tokens_of(b.generate(r)), expected);
  }
}

TEST(Engine, StopsAtStringsTokensAndLength) {
  const auto m = model();
  LocalEngine engine(m, words(), {});
  auto r = request(1, 1, 0, 30);
  const auto whole = engine.generate(r)[0];
  EXPECT_EQ(whole.finish_reason, Finish::kLength);
  EXPECT_EQ(whole.token_ids.size(), 30u);
  ASSERT_GT(whole.text.size(), 8u);
  r.sampling.stop = {whole.text.substr(4, 3)};
  const auto cut = engine.generate(r)[0];
  EXPECT_EQ(cut.finish_reason, Finish::kStop);
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(r.sampling.stop[0])));
  r.sampling.stop.clear();
  r.sampling.stop_tokens = {whole.token_ids[5]};
  EXPECT_LE(engine.generate(r)[0].token_ids.size(), 6u);
  r.sampling.max_tokens = 1000;
  r.sampling.stop_tokens.clear();
  const auto longest = engine.generate(r)[0];
  EXPECT_LE(longest.token_ids.size(), 128u);
}

TEST(Engine, RefusesPromptsThatDoNotFit) {
  LocalEngine engine(model(), words(), {});
  auto r = request(1, 1, 1);
  r.prompts[0].text = std::string(200, 'q');
  try {
    engine.generate(r);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "the prompt has 200 tokens; the model's context is 128");
    EXPECT_EQ(e.where(), "p0");
  }
}

TEST(Sampler, TruncationsAndFrequencies) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.25f), std::log(0.15f), std::log(0.1f)};
  auto frequencies = [&](SamplingParams params) {
    std::vector<double> seen(4);
    Stream random(1, "sampler");
    for (int i = 0; i < 20000; ++i) {
      const Draw d = sample_row(logits.data(), 4, params, random.uniform());
      seen[size_t(d.token)] += 1.0 / 20000;
    }
    return seen;
  };
  auto expect = [&](SamplingParams params, std::vector<double> p) {
    const auto seen = frequencies(params);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(seen[i], p[i], p[i] == 0 ? 0 : 0.015) << i;
      if (p[i] > 0) {
        double before = 0;
        for (size_t j = 0; j < i; ++j) before += p[j];
        const Draw d = sample_row(logits.data(), 4, params, before + p[i] / 2);
        EXPECT_EQ(d.token, int32_t(i));
        EXPECT_NEAR(d.logprob, std::log(p[i]), 1e-4);
      }
    }
  };
  SamplingParams s;
  expect(s, {0.5, 0.25, 0.15, 0.1});
  s.top_k = 2;
  expect(s, {2 / 3.0, 1 / 3.0, 0, 0});
  s = {};
  s.top_p = 0.7;
  expect(s, {2 / 3.0, 1 / 3.0, 0, 0});
  s = {};
  s.min_p = 0.25;
  expect(s, {0.5 / 0.9, 0.25 / 0.9, 0.15 / 0.9, 0});
  s = {};
  s.temperature = 0.5;
  const double z = 0.25 + 0.0625 + 0.0225 + 0.01;
  expect(s, {0.25 / z, 0.0625 / z, 0.0225 / z, 0.01 / z});
  s.temperature = 0;
  EXPECT_EQ(sample_row(logits.data(), 4, s, 0.99).token, 0);
}

// What the trainer goes on with: of the whole vocabulary, whatever the draw leaves out.
TEST(Sampler, TheWholeSoftmaxIsTold) {
  Stream random(3, "whole");
  std::vector<float> logits(1000);
  for (float& x : logits) x = float(4 * random.normal());
  SamplingParams s;
  s.temperature = 0.7, s.top_p = 0.5;
  double sum = 0, weighted = 0;
  for (const float x : logits) sum += std::exp(x / 0.7), weighted += std::exp(x / 0.7) * x / 0.7;
  const Draw d = sample_row(logits.data(), 1000, s, 0.4, true);
  EXPECT_NEAR(d.lse, std::log(sum), 1e-5);
  EXPECT_NEAR(d.entropy, std::log(sum) - weighted / sum, 1e-5);
  EXPECT_TRUE(std::isnan(sample_row(logits.data(), 1000, s, 0.4).entropy));
}

TEST(Sampler, TensorsDrawWhatTheRowsDraw) {
  Stream random(2, "rows");
  const int64_t n = 200, vocab = 300;
  at::Tensor logits = at::empty({n, vocab});
  for (int64_t i = 0; i < logits.numel(); ++i) logits.mutable_data_ptr<float>()[i] = float(3 * random.normal());
  logits[3][17] = logits[3][40] = 30;  // equal at the top
  std::vector<double> uniforms;
  for (int64_t i = 0; i < n; ++i) uniforms.push_back(random.uniform());
  std::vector<SamplingParams> cases(9);
  cases[1].temperature = 0, cases[2].temperature = 0.6, cases[3].top_k = 20, cases[4].top_p = 0.9, cases[5].min_p = 0.05, cases[6].top_k = 300;
  cases[7].top_k = 50, cases[7].top_p = 0.8, cases[7].min_p = 0.02, cases[7].temperature = 1.3, cases[8].top_p = 1e-6;
  for (const auto& params : cases) {
    const auto rows = sample_rows(logits, params, uniforms), tensors = sample_rows_by_tensors(logits, params, uniforms);
    int64_t other = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      other += rows[i].token != tensors[i].token;
      if (rows[i].token == tensors[i].token) {
        EXPECT_NEAR(rows[i].logprob, tensors[i].logprob, 1e-4);
      }
    }
    EXPECT_LE(other, 1) << params.temperature << " " << params.top_k << " " << params.top_p << " " << params.min_p;
  }
}

}  // namespace foil::rollout
