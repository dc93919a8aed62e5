// For the tests of this room: a tiny random model, generated examples, a scratch folder.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fmt/format.h>

#include "base/random.h"
#include "nn/transformer.h"
#include "train/example.h"
#include "train/session.h"

namespace foil::train::testing_support {

inline nn::ModelConfig tiny_config() {
  nn::ModelConfig c;
  c.model_type = "llama";
  c.vocab_size = 40, c.hidden_size = 32, c.intermediate_size = 64;
  c.num_hidden_layers = 2, c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 8;
  c.max_position_embeddings = 128;
  c.tie_word_embeddings = true;
  c.eos_token_ids = {1};
  return c;
}

inline nn::Transformer tiny_model(uint64_t seed = 1, at::ScalarType type = at::kFloat) { return nn::Transformer::random(tiny_config(), seed, at::kCPU, type); }

inline Tokens random_tokens(Stream& stream, int64_t low, int64_t high) {
  Tokens out(size_t(stream.between(low, high)));
  for (auto& t : out) t = int32_t(stream.between(2, 39));
  return out;
}

inline std::vector<Example> examples(int n, uint64_t seed = 3) {
  Stream stream(seed, "examples");
  std::vector<Example> out;
  for (int i = 0; i < n; ++i) {
    Example x{fmt::format("e{}", i), random_tokens(stream, 3, 8), random_tokens(stream, 2, 9), 1};
    x.completion.push_back(1);
    out.push_back(std::move(x));
  }
  return out;
}

inline std::vector<PreferenceExample> pairs(int n, uint64_t seed = 4) {
  Stream stream(seed, "pairs");
  std::vector<PreferenceExample> out;
  for (int i = 0; i < n; ++i) out.push_back({fmt::format("p{}", i), random_tokens(stream, 3, 8), random_tokens(stream, 2, 9), {random_tokens(stream, 2, 9)}, 0, 1, {}});
  return out;
}

struct Scratch {
  std::filesystem::path path;
  explicit Scratch(const std::string& name) : path(std::filesystem::temp_directory_path() / fmt::format("foil_train_{}_{}", name, getpid())) { std::filesystem::remove_all(path); }
  ~Scratch() { std::filesystem::remove_all(path); }
};

inline bool same_weights(const nn::Transformer& a, const nn::Transformer& b) {
  for (const auto& [name, t] : a.parameters())
    if (!at::equal(t.detach(), b.parameters().at(name).detach())) return false;
  return true;
}

inline double largest_difference(const nn::Transformer& a, const nn::Transformer& b) {
  double worst = 0;
  for (const auto& [name, t] : a.parameters()) worst = std::max(worst, (t.detach().to(at::kDouble) - b.parameters().at(name).detach().to(at::kDouble)).abs().max().item<double>());
  return worst;
}

}  // namespace foil::train::testing_support
