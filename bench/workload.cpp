#include "bench/workload.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/atomic_file.h"
#include "base/error.h"
#include "bench/sizes.h"
#include "data/dataset.h"
#include "data/family.h"
#include "text/word_tokenizer.h"

namespace foil::bench {
namespace fs = std::filesystem;

std::string Workload::prompt(size_t i) const { return "Question: " + problems[i % problems.size()].problem + "\nAnswer:"; }
std::string Workload::completion(size_t i) const { return " " + problems[i % problems.size()].solution.value_or(problems[i % problems.size()].answer); }

std::vector<int32_t> Workload::tokens(size_t count, size_t from) const {
  std::vector<int32_t> out;
  for (size_t i = from; out.size() < count; ++i) {
    const auto more = tokenizer->encode(prompt(i) + completion(i) + "\n\n");
    out.insert(out.end(), more.begin(), more.end());
  }
  out.resize(count);
  return out;
}

static train::Tokens ended(const Workload& w, const std::string& text) {
  auto out = w.tokenizer->encode(text);
  if (const auto eos = w.tokenizer->eos()) out.push_back(*eos);
  return out;
}

std::vector<train::Example> Workload::examples(size_t n) const {
  std::vector<train::Example> out;
  for (size_t i = 0; i < n; ++i) out.push_back({std::to_string(i), tokenizer->encode(prompt(i)), ended(*this, completion(i)), 1});
  return out;
}

std::vector<train::PreferenceExample> Workload::pairs(size_t n) const {
  std::vector<train::PreferenceExample> out;
  for (size_t i = 0; i < n; ++i)
    out.push_back({std::to_string(i), tokenizer->encode(prompt(i)), ended(*this, completion(i)), {ended(*this, completion(i + kRejectedOffset))}, 0, 1, {}});
  return out;
}

double Workload::output_parameters() const { return double(model->config().vocab_size * model->config().hidden_size); }

double Workload::sft_tokens() const {
  size_t n = 0;
  for (const auto& e : examples(kRecords)) n += e.prompt.size() + e.completion.size();
  return double(n);
}

double Workload::pair_tokens() const {
  size_t n = 0;
  for (const auto& p : pairs(kRecords)) n += p.prompt.size() + p.chosen.size() + p.rejected[0].size();
  return double(n);
}

double Workload::grpo_tokens() const {
  size_t n = kGrpoGroups * kSamples * kNewTokens;
  for (size_t i = 0; i < kGrpoGroups; ++i) n += tokenizer->encode(prompt(i)).size();
  return double(n);
}

fs::path model_file() {
  const char* folder = std::getenv("FOIL_MODELS_DIR");
  if (!folder || !*folder) return {};
  const fs::path smollm = fs::path(folder) / "smollm2";
  if (!fs::is_directory(smollm)) throw Error("there is no folder smollm2 with a .gguf file", folder, "unset FOIL_MODELS_DIR to run on random weights");
  for (const auto& entry : fs::directory_iterator(smollm))
    if (entry.path().extension() == ".gguf") return entry.path();
  throw Error("there is no .gguf file", smollm.string());
}

std::vector<Problem> load_workload_problems(std::string& name) {
  const char* folder = std::getenv("FOIL_DATA_DIR");
  if (folder && *folder) {
    name = "GSM8K";
    return load_problems({.source = (fs::path(folder) / "gsm8k_train.jsonl").string()});
  }
  name = "generated word problems";
  return family_train({}, 1);
}

// A published checkpoint holds bf16 numbers; a policy in training no longer does.
static void round_weights(nn::Transformer& model) {
  at::NoGradGuard off;
  for (auto& [_, t] : model.parameters()) t.copy_(t.to(at::kBFloat16));
}

static Workload load_any() {
  Workload w;
  w.problems = load_workload_problems(w.data_name);
  if (const fs::path file = model_file(); !file.empty()) {
    w.model = std::make_shared<nn::Transformer>(nn::Transformer::load(file));
    w.tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(file));
    w.model_name = file.filename().string();
    return w;
  }
  nn::ModelConfig c;
  c.vocab_size = 49152, c.hidden_size = 576, c.intermediate_size = 1536, c.num_hidden_layers = 30;
  c.num_attention_heads = 9, c.num_key_value_heads = 3, c.head_dim = 64, c.tie_word_embeddings = true, c.max_position_embeddings = 8192;
  w.model = std::make_shared<nn::Transformer>(nn::Transformer::random(c, 1));
  w.tokenizer = std::make_shared<const text::Tokenizer>(text::word_tokenizer(family_corpus(1, 200), {}));
  w.model_name = "random weights of SmolLM2-135M's shape";
  return w;
}

Workload load_workload(bool published) {
  Workload w = load_any();
  if (published) round_weights(*w.model);
  return w;
}

std::shared_ptr<const text::Tokenizer> load_workload_tokenizer() {
  if (const fs::path file = model_file(); !file.empty()) return std::make_shared<const text::Tokenizer>(text::Tokenizer::load(file));
  return std::make_shared<const text::Tokenizer>(text::word_tokenizer(family_corpus(1, 200), {}));
}

void export_workload(const fs::path& folder) {
  const Workload w = load_workload();
  fs::create_directories(folder);
  w.model->save(folder, at::kFloat);
  w.tokenizer->save(folder);
  Json j;
  j["model"] = w.model_name, j["data"] = w.data_name;
  j["multiplying_parameters"] = w.multiplying();
  j["output_parameters"] = w.output_parameters();
  j["sizes"] = {{"groups", kGroups}, {"samples", kSamples}, {"new_tokens", kNewTokens}, {"context", kContext}, {"prefill", kPrefill}, {"records", kRecords}, {"warm_steps", kWarmSteps},
                {"timed_steps", kTimedSteps}, {"grpo_groups", kGrpoGroups}};
  for (size_t i = 0; i < kGroups; ++i) j["prompts"].push_back(w.prompt(i)), j["prompt_ids"].push_back(w.tokenizer->encode(w.prompt(i)));
  j["prefill_ids"] = w.tokens(kPrefill);
  for (size_t i = 0; i < kRecords; ++i)
    j["pairs"].push_back({{"prompt", w.prompt(i)}, {"chosen", w.completion(i)}, {"rejected", w.completion(i + kRejectedOffset)}});
  j["tokens_per_step"] = {{"sft", w.sft_tokens()}, {"dpo", w.pair_tokens()}, {"reward", w.pair_tokens()}, {"grpo", w.grpo_tokens()}};
  for (size_t i = 0; i < 2000; ++i) {
    const Problem& p = w.problems[i % w.problems.size()];
    j["texts"].push_back(w.prompt(i) + w.completion(i));
    j["answers"].push_back(p.answer), j["solutions"].push_back(p.solution.value_or(""));
  }
  write_file(folder / "workload.json", j.dump() + "\n");
}

}  // namespace foil::bench
