// Models made by transformers: our logits against its (tests/golden/nn/make_tiny_models.py, make_smollm2.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "io/safetensors.h"
#include "nn/transformer.h"
#include "nn/value_head.h"

namespace foil::nn {
namespace fs = std::filesystem;

static const fs::path kGolden = "tests/golden/nn";

static at::Tensor logits_of(const Transformer& model, const std::vector<int32_t>& tokens) {
  at::NoGradGuard off;
  BatchPacker packer;
  packer.add(tokens);
  return model.logits(model.hidden(packer.build()));
}

class GoldenModels : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, GoldenModels, testing::Values("llama", "qwen2", "qwen3"));

TEST_P(GoldenModels, LogitsEqualTransformers) {
  const auto model = Transformer::load(kGolden / GetParam());
  const io::SafetensorsFile golden(kGolden / GetParam() / "logits.safetensors");
  for (const char* i : {"0", "1"}) {
    const auto& ids = golden.tensors().at(std::string("tokens") + i);
    const auto& logits = golden.tensors().at(std::string("logits") + i);
    std::vector<int64_t> tokens(size_t(ids.shape[0]));
    std::memcpy(tokens.data(), ids.data.data(), ids.data.size());
    at::Tensor expected = at::empty(logits.shape, at::kFloat);
    std::memcpy(expected.mutable_data_ptr(), logits.data.data(), logits.data.size());
    const at::Tensor ours = logits_of(model, {tokens.begin(), tokens.end()});
    EXPECT_LT((ours - expected).abs().max().item<float>(), 1e-4) << "largest logit " << expected.abs().max().item<float>();
  }
}

TEST_P(GoldenModels, GgufHoldsTheSameModel) {
  const auto folder = Transformer::load(kGolden / GetParam()), gguf = Transformer::load(kGolden / GetParam() / "model.gguf");
  ASSERT_EQ(folder.parameters().size(), gguf.parameters().size());
  for (const auto& [name, t] : folder.parameters())
    EXPECT_TRUE(at::equal(t.dim() == 2 ? t.to(at::kHalf).to(at::kFloat) : t, gguf.parameters().at(name))) << name;
  const ModelConfig &a = folder.config(), &b = gguf.config();
  EXPECT_EQ(b.rms_norm_eps, a.rms_norm_eps);
  EXPECT_EQ(b.rope_theta, a.rope_scaling ? 500000 : a.rope_theta);  // make_gguf.py gives the Llama file Llama 3.2's rotary positions
  EXPECT_EQ(b.head_dim, a.head_dim);
  EXPECT_EQ(b.num_key_value_heads, a.num_key_value_heads);
  EXPECT_EQ(b.tie_word_embeddings, a.tie_word_embeddings);
  EXPECT_EQ(b.eos_token_ids, a.eos_token_ids);
  ASSERT_EQ(b.rope_scaling.has_value(), a.rope_scaling.has_value());
  if (b.rope_scaling) {
    EXPECT_EQ(b.rope_scaling->factor, 32);
    EXPECT_EQ(b.rope_scaling->original_max_position_embeddings, 8192);
  }
}

// Loads in transformers with the same logits: run once by hand, for this writes what check_saved.py reads.
TEST_P(GoldenModels, SavedForTransformers) {
  const char* to = std::getenv("FOIL_SAVE_TO");
  if (!to) GTEST_SKIP() << "set FOIL_SAVE_TO to a folder, then run tests/golden/nn/check_saved.py on it";
  const auto model = Transformer::load(kGolden / GetParam());
  model.save(fs::path(to) / GetParam(), at::kFloat, 50'000);
  RewardModel{model, random_score_head(model.config().hidden_size, 1)}.save(fs::path(to) / (std::string(GetParam()) + "-reward"), at::kFloat);
  BatchPacker packer;
  packer.add({5, 17, 33, 2, 8});
  at::NoGradGuard off;
  const auto again = RewardModel::load(fs::path(to) / (std::string(GetParam()) + "-reward"));
  const nlohmann::json score = again.score(packer.build()).item<float>();
  write_file(fs::path(to) / (std::string(GetParam()) + "-reward") / "expected.json", score.dump());
}

TEST(SmolLm2, LogitsEqualTransformers) {
  const auto golden = nlohmann::json::parse(read_file(kGolden / "smollm2.json"));
  const char* root = std::getenv("FOIL_MODELS_DIR");
  const fs::path file = fs::path(root ? root : "../models") / "smollm2" / golden["file"].get<std::string>();
  if (!fs::exists(file)) GTEST_SKIP() << file << " is absent (tests/fetch_models.sh)";
  const auto model = Transformer::load(file);
  const auto tokens = golden["tokens"].get<std::vector<int32_t>>();
  const at::Tensor logits = logits_of(model, tokens);
  for (size_t t = 0; t < tokens.size(); ++t) {
    const at::Tensor row = logits[int64_t(t)];
    EXPECT_NEAR(row.mean().item<double>(), golden["mean"][t].get<double>(), 1e-3);
    EXPECT_NEAR(row.std(false).item<double>(), golden["deviation"][t].get<double>(), 1e-3);
    for (size_t k = 0; k < 8; ++k) {
      const auto token = golden["top_tokens"][t][k].get<int64_t>();
      EXPECT_NEAR(row[token].item<double>(), golden["top_logits"][t][k].get<double>(), 1e-3) << "position " << t << ", token " << token;
    }
  }
}

}  // namespace foil::nn
