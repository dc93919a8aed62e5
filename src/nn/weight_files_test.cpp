#include "nn/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "io/safetensors.h"
#include "nn/transformer.h"
#include "nn/value_head.h"

namespace foil::nn {
namespace fs = std::filesystem;

static ModelConfig tiny(const std::string& type) {
  ModelConfig c;
  c.model_type = type;
  c.vocab_size = 61, c.hidden_size = 32, c.intermediate_size = 48, c.num_hidden_layers = 2;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  c.attention_bias = type == "qwen2", c.qk_norm = type == "qwen3", c.tie_word_embeddings = type == "qwen2";
  c.eos_token_ids = {3, 5}, c.bos_token_id = 1;
  if (type == "llama") c.rope_scaling = RopeScaling{8, 1, 4, 64};
  return c;
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("foil_weights_{}", getpid())) { fs::create_directories(path_); }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

static std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

class Saved : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Saved, testing::Values("llama", "qwen2", "qwen3"));

TEST_P(Saved, LoadsBitEqualSingleAndSharded) {
  const Folder folder;
  const auto model = Transformer::random(tiny(GetParam()), 5);
  for (const int64_t shard : {int64_t{5} << 30, int64_t{20000}, int64_t{5} << 30}) {  // the last save removes the shards of the one before
    model.save(folder.path(), at::kFloat, shard);
    EXPECT_EQ(fs::exists(folder.path() / "model.safetensors"), shard > 20000);
    EXPECT_EQ(fs::exists(folder.path() / "model.safetensors.index.json"), shard == 20000);
    const auto again = Transformer::load(folder.path());
    ASSERT_EQ(again.parameters().size(), model.parameters().size());
    for (const auto& [name, t] : model.parameters()) EXPECT_TRUE(at::equal(t, again.parameters().at(name))) << name;
    EXPECT_EQ(again.config().eos_token_ids, (std::vector<int64_t>{3, 5}));
    EXPECT_EQ(again.config().rope_scaling.has_value(), std::string(GetParam()) == "llama");
    EXPECT_EQ(again.config().tie_word_embeddings, model.config().tie_word_embeddings);
  }
}

TEST_P(Saved, NarrowTypesRoundOnce) {
  const Folder folder;
  const auto model = Transformer::random(tiny(GetParam()), 5);
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    model.save(folder.path(), type);
    const auto again = Transformer::load(folder.path());
    for (const auto& [name, t] : model.parameters()) EXPECT_TRUE(at::equal(t.to(type).to(at::kFloat), again.parameters().at(name))) << name;
  }
}

TEST_P(Saved, RewardModelComesBack) {
  const Folder folder;
  const RewardModel model{Transformer::random(tiny(GetParam()), 5), random_score_head(32, 6)};
  model.save(folder.path(), at::kFloat);
  const auto again = RewardModel::load(folder.path());
  BatchPacker packer;
  packer.add({4, 8, 15, 16});
  packer.add({23, 42});
  at::NoGradGuard off;
  EXPECT_TRUE(at::equal(model.score(packer.build()), again.score(packer.build())));
  EXPECT_EQ(model.score(packer.build()).sizes(), at::IntArrayRef({2}));
  EXPECT_THAT(error_of([&] { Transformer::load(folder.path()); }), testing::HasSubstr("unexpected: score.weight [1, 32]"));
}

TEST(WeightFiles, ErrorsNameTensorAndShapes) {
  const Folder folder;
  auto parameters = Transformer::random(tiny("llama"), 5).parameters();
  parameters["model.norm.weight"] = at::zeros({31});
  parameters["extra"] = at::zeros({2});
  parameters.erase("lm_head.weight");
  write_parameters(folder.path(), parameters, at::kFloat, int64_t{1} << 30);
  write_config(folder.path(), tiny("llama"), "LlamaForCausalLM", at::kFloat);
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path()); }),
            "mismatched: model.norm.weight (expected [32], found [31]); missing: lm_head.weight [61, 32]; unexpected: extra [2]");
  EXPECT_EQ(error_of([&] { RewardModel::load(folder.path()); }), "score.weight is missing");
}

TEST(WeightFiles, ErrorsOfFolders) {
  const Folder folder;
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path() / "none"); }), "no such model");
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path()); }), "config.json is missing");
  Transformer::random(tiny("llama"), 5).save(folder.path(), at::kFloat, 20000);
  fs::remove(folder.path() / "model-00002-of-00005.safetensors");
  EXPECT_THAT(error_of([&] { Transformer::load(folder.path()); }), testing::MatchesRegex("the shard model-00002-of-0000[0-9].safetensors is missing"));
  fs::remove(folder.path() / "model.safetensors.index.json");
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path()); }), "no model.safetensors and no model.safetensors.index.json");
  std::ofstream(folder.path() / "config.json") << R"({"model_type": "mamba"})";
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path()); }), "model_type \"mamba\" is not supported");
  std::ofstream(folder.path() / "config.json") << "{";
  EXPECT_EQ(error_of([&] { Transformer::load(folder.path()); }), "not valid JSON");
}

}  // namespace foil::nn
