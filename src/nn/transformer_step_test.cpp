#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "nn/decoder.h"
#include "nn/kv_cache.h"
#include "nn/packed_decoder.h"
#include "nn/paged_attention.h"
#include "nn/transformer.h"

namespace foil::nn {

static ModelConfig tiny(const std::string& type) {
  ModelConfig c;
  c.model_type = type;
  c.vocab_size = 61, c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  c.attention_bias = type == "qwen2", c.qk_norm = type == "qwen3", c.tie_word_embeddings = type == "qwen2";
  return c;
}

static at::Tensor uncached(const Transformer& model, const std::vector<int32_t>& tokens) {
  at::NoGradGuard off;
  BatchPacker packer;
  packer.add(tokens);
  return model.hidden(packer.build());
}

struct Cursor {  // one sequence fed piece by piece
  std::vector<int32_t> tokens, blocks;
  int64_t done = 0;
};

template <class Decoder>
at::Tensor feed(const Decoder& model, KvCache& cache, std::vector<std::pair<Cursor*, int64_t>> pieces) {
  StepBatch batch;
  std::vector<int64_t> tokens, positions;
  for (auto& [c, n] : pieces) {
    const auto begin = int64_t(tokens.size());
    for (int64_t i = 0; i < n; ++i) tokens.push_back(c->tokens[size_t(c->done + i)]), positions.push_back(c->done + i);
    batch.sequences.push_back({begin, begin + n, c->done, c->blocks});
    c->done += n;
  }
  batch.tokens = at::tensor(tokens, at::kLong), batch.positions = at::tensor(positions, at::kLong);
  return model.step(batch, cache);
}

class Threads {  // so many while it lives
 public:
  explicit Threads(int n) : before_(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

enum class Way { kPlain, kPacked, kBf16Cache, kFixedShapes };  // the last two: what runs on an accelerator
class Steps : public testing::TestWithParam<std::tuple<const char*, Way>> {};
INSTANTIATE_TEST_SUITE_P(All, Steps, testing::Combine(testing::Values("llama", "qwen2", "qwen3"), testing::Values(Way::kPlain, Way::kPacked, Way::kBf16Cache, Way::kFixedShapes)));

TEST_P(Steps, CachedEqualsUncached) {
  const auto [type, way] = GetParam();
  const auto cache_type = way == Way::kBf16Cache ? at::kBFloat16 : way == Way::kFixedShapes ? at::kDouble : at::kFloat;
  const auto model = Transformer::random(tiny(type), 3, at::kCPU, way == Way::kFixedShapes ? at::kDouble : at::kFloat);  // f64 is not packed
  const PackedDecoder packed(model);
  KvCache cache(model.config(), 40, 4, at::kCPU, cache_type);
  auto step = [&](std::vector<std::pair<Cursor*, int64_t>> pieces) { return way == Way::kPacked || way == Way::kFixedShapes ? feed(packed, cache, pieces).clone() : feed(model, cache, pieces); };
  Cursor a, b;
  for (int i = 0; i < 45; ++i) a.tokens.push_back((i * 7 + 3) % 61), b.tokens.push_back((i * 5 + 1) % 61);
  for (int32_t i = 0; i < 12; ++i) a.blocks.push_back(i * 2), b.blocks.push_back(39 - i * 2);
  const at::Tensor whole_a = uncached(model, a.tokens), whole_b = uncached(model, b.tokens);
  const double tolerance = cache_type == at::kBFloat16 ? 5e-2 : 1e-4;
  auto near = [&](const at::Tensor& x, const at::Tensor& y) { return at::allclose(x, y, tolerance, tolerance); };
  at::Tensor h = step({{&a, 37}});  // a prefill longer than a query block
  EXPECT_TRUE(near(h[0], whole_a[36]));
  h = step({{&b, 6}, {&a, 1}});     // a prefill beside a decode
  EXPECT_TRUE(near(h[0], whole_b[5]));
  EXPECT_TRUE(near(h[1], whole_a[37]));
  for (int i = 6; i < 12; ++i) {
    h = step({{&a, 1}, {&b, 1}});
    EXPECT_TRUE(near(h[0], whole_a[a.done - 1]) && near(h[1], whole_b[b.done - 1])) << i;
  }
}

TEST(Step, PackedRowsDoNotDependOnTheBatch) {
  const auto model = Transformer::random(tiny("llama"), 3);
  const PackedDecoder decoder(model);
  auto run = [&](int others) {
    KvCache cache(model.config(), 300, 4, at::kCPU, at::kFloat);
    std::vector<Cursor> all(size_t(1 + others));
    for (size_t s = 0; s < all.size(); ++s)
      for (int32_t i = 0; i < 16; ++i) {
        all[s].tokens.push_back(int32_t(i * 7 + 3 + s * 11) % 61);
        if (i < 4) all[s].blocks.push_back(int32_t(s) * 4 + i);
      }
    at::Tensor h;
    for (int i = 0; i < 16; ++i) {
      std::vector<std::pair<Cursor*, int64_t>> pieces;
      for (size_t s = all.size(); s-- > 0;) pieces.push_back({&all[s], 1});
      h = feed(decoder, cache, pieces);
    }
    return decoder.logits(h)[h.size(0) - 1].clone();
  };
  const at::Tensor alone = run(0);
  for (const int others : {1, 2, 3, 6, 30, 70}) EXPECT_TRUE(at::equal(alone, run(others))) << others;
}

// Samples of one prompt, whose full blocks they share, are read by one job: to the bit what each gives by itself.
TEST(Step, SamplesOfOnePromptDoNotDependOnEachOther) {
  const auto model = Transformer::random(tiny("llama"), 3);
  const PackedDecoder decoder(model);
  const auto token = [](int sample, int i) { return int32_t((i < 10 ? i * 7 + 3 : i * 5 + sample * 11) % 61); };  // ten of the prompt: two blocks and a half
  const auto run = [&](const std::vector<int>& samples) {
    KvCache cache(model.config(), 100, 4, at::kCPU, at::kFloat);
    Cursor prompt;
    for (int i = 0; i < 10; ++i) prompt.tokens.push_back(token(0, i));
    prompt.blocks = {2, 0, 1};
    feed(decoder, cache, {{&prompt, 10}});
    std::vector<Cursor> all;
    std::vector<std::pair<int64_t, int64_t>> copies;
    for (const int sample : samples) {
      Cursor c{{}, {2, 0}, 10};
      for (int32_t b = 0; b < 3; ++b) c.blocks.push_back(int32_t(90 - all.size() * 3) - b);
      for (int i = 0; i < 20; ++i) c.tokens.push_back(token(sample, i));
      copies.emplace_back(1, c.blocks[2]);
      all.push_back(std::move(c));
    }
    cache.copy_blocks(copies);
    at::Tensor h;
    for (int i = 0; i < 8; ++i) {
      std::vector<std::pair<Cursor*, int64_t>> pieces;
      for (size_t s = 0; s < all.size(); ++s)
        if (i != 5 || samples[s] % 2 == 0) pieces.push_back({&all[s], 1});  // odd ones fall behind: lengths differ within a job
      if (!pieces.empty()) h = feed(decoder, cache, pieces);
    }
    return h.clone();
  };
  const Threads two(2);  // with more, every thread has jobs enough without sharing
  StepBatch batch;
  std::vector<int> samples;
  for (int i = 0; i < 20; ++i) samples.push_back(i), batch.sequences.push_back({i, i + 1, 10, {2, 0, int32_t(90 - i)}});
  const auto jobs = attention_jobs(batch, 4, 2, 4, 2);
  EXPECT_TRUE(std::any_of(jobs.begin(), jobs.end(), [](const AttentionJob& j) { return j.sequences.size() > 1 && j.shared == 2; }));
  const at::Tensor together = run(samples);
  for (const int sample : {0, 1, 6, 9, 18, 19}) {
    EXPECT_TRUE(at::equal(together[sample], run({sample})[0])) << sample;
    std::vector<int32_t> tokens;
    for (int i = 0; i < (sample % 2 ? 17 : 18); ++i) tokens.push_back(token(sample, i));
    EXPECT_TRUE(at::allclose(together[sample], uncached(model, tokens)[-1], 1e-4, 1e-4)) << sample;
  }
}

}  // namespace foil::nn
