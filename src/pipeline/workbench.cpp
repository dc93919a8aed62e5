#include "pipeline/workbench.h"

#include <cmath>
#include <span>

#include "base/error.h"
#include "base/progress.h"
#include "io/jsonl.h"
#include "base/random.h"
#include "data/verification.h"
#include "nn/value_head.h"
#include "text/chat_template.h"
#include "text/word_tokenizer.h"
#include "train/reference.h"
#include "train/tokenise.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

at::Device device_of(const std::string& name) {
  const auto own = [] { return at::Device(at::kCUDA, at::DeviceIndex(dist::place_from_environment().local_rank % std::max<int>(1, int(at::detail::getCUDAHooks().deviceCount())))); };
  if (name == "auto") return at::hasCUDA() ? own() : at::Device(at::kCPU);
  if (name.starts_with("cuda") && !at::hasCUDA())
    throw UsageError("device cuda: this build or machine has no CUDA", "model.device", "use device: cpu, or install the CUDA build of the torch wheel");
  return name == "cuda" ? own() : at::Device(name);
}

static at::ScalarType type_of(const std::string& dtype) { return dtype == "bf16" ? at::kBFloat16 : at::kFloat; }

LoadedModel load_model(const fs::path& path, const ModelSection& options) {
  if (!fs::exists(path)) throw Error("there is no such model", path.string(), "name a Hugging Face folder (config.json, tokenizer.json, *.safetensors) or a .gguf file");
  LoadedModel out;
  out.model = std::make_shared<nn::Transformer>(nn::Transformer::load(path, device_of(options.device), type_of(options.dtype)));
  out.tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(path));
  if (out.tokenizer->vocab_size() > out.model->config().vocab_size)
    throw Error(fmt::format("the tokenizer has {} tokens, the model only {}", out.tokenizer->vocab_size(), out.model->config().vocab_size), path.string(),
                "tokenizer and weights do not belong together");
  return out;
}

// Writes into a folder beside and swaps it in, so that a model folder is never half-written.
static void replace_folder(const fs::path& folder, const std::function<void(const fs::path&)>& write) {
  const fs::path aside = folder.string() + ".part";
  fs::remove_all(aside);
  fs::create_directories(aside);
  write(aside);
  fs::remove_all(folder);
  fs::rename(aside, folder);
}

void save_model(const fs::path& folder, const LoadedModel& model) {
  replace_folder(folder, [&](const fs::path& to) {
    model.model->save(to, model.model->type());
    model.tokenizer->save(to);
  });
}

LoadedRewardModel load_reward_model(const fs::path& path, const ModelSection& options) {
  nn::RewardModel rm = nn::RewardModel::load(path, device_of(options.device), type_of(options.dtype));
  return {{std::make_shared<nn::Transformer>(std::move(rm.backbone)), std::make_shared<const text::Tokenizer>(text::Tokenizer::load(path))}, rm.head};
}

void save_reward_model(const fs::path& folder, const LoadedRewardModel& model) {
  replace_folder(folder, [&](const fs::path& to) {
    nn::RewardModel{*model.base.model, model.head}.save(to, model.base.model->type());
    model.base.tokenizer->save(to);
  });
}

LoadedModel random_model(const RandomModel& shape, uint64_t seed, const std::vector<std::string>& corpus) {
  std::vector<std::string> numbers;
  for (int i = 0; i < 100; ++i) numbers.push_back(fmt::format(" {}", i)), numbers.push_back(std::to_string(i));
  auto tokenizer = std::make_shared<const text::Tokenizer>(text::word_tokenizer(corpus, numbers));
  nn::ModelConfig c;
  c.model_type = "llama";
  c.vocab_size = tokenizer->vocab_size(), c.hidden_size = shape.hidden_size, c.intermediate_size = shape.intermediate_size;
  c.num_hidden_layers = shape.layers, c.num_attention_heads = shape.heads, c.num_key_value_heads = shape.kv_heads;
  c.head_dim = shape.hidden_size / shape.heads, c.max_position_embeddings = shape.max_positions, c.tie_word_embeddings = true;
  c.eos_token_ids = {*tokenizer->eos()};
  c.pad_token_id = tokenizer->pad();
  c = nn::parse_model_config(nn::model_config_json(c), "model.random");  // checks the shape as for any other model
  return {std::make_shared<nn::Transformer>(nn::Transformer::random(c, seed)), tokenizer};
}

Prompter::Prompter(const PromptSection& options, const text::Tokenizer& tokenizer) : maker_(options), chat_(options.style == PromptStyle::kChat), tokenizer_(&tokenizer) {
  if (chat_ && tokenizer.chat_template().empty())
    throw Error("the model has no chat template", "prompt", "base models take prompt.style: template, with the whole prompt in prompt.text");
}

std::string Prompter::operator()(const std::string& problem) const {
  return chat_ ? text::render_chat(*tokenizer_, nlohmann::json(maker_.messages(problem)), true) : maker_.plain(problem);
}

std::vector<Prompt> Prompter::operator()(const std::vector<Problem>& problems) const {
  std::vector<Prompt> out;
  out.reserve(problems.size());
  for (const auto& p : problems) out.push_back({p.id, (*this)(p.problem), {}});
  return out;
}

static train::Encoder encoder(const text::Tokenizer& tokenizer) {
  const auto end = tokenizer.eos();
  if (!end) throw Error("the tokenizer names no end token", "tokenizer_config.json", "set eos_token there: what is trained must know where an answer ends");
  return {&tokenizer, *end};
}

train::Tokens completion_tokens(const text::Tokenizer& tokenizer, const std::string& text) { return train::encode_completion(encoder(tokenizer), text); }

std::vector<train::Example> sft_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems) {
  std::vector<train::TextExample> texts;
  const Prompter prompter(prompt, tokenizer);
  for (const auto& p : problems)
    if (p.solution) texts.push_back({p.id, prompter(p.problem), *p.solution});
  if (texts.empty())
    throw Error("no training problem has a solution to learn from", "sft", "set sft.enabled: false, or use problems with a \"solution\" field");
  return train::tokenise(encoder(tokenizer), texts);
}

static std::vector<train::TextPair> text_pairs(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs) {
  std::vector<train::TextPair> out;
  for (const auto& p : pairs) out.push_back({&p, p.prompt_messages.empty() ? p.prompt : text::render_chat(tokenizer, nlohmann::json(p.prompt_messages), true), p.problem_id});
  return out;
}

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs) {
  auto out = train::tokenise(encoder(tokenizer), text_pairs(tokenizer, pairs));
  for (size_t i = 0; i < pairs.size(); ++i) {  // a step in the middle of an answer (data/step_values.h) has no end token behind it
    const auto ends = [&](const char* name) { return !pairs[i].extra.is_object() || pairs[i].extra.value(name, true); };
    if (!ends("chosen_ends")) out[i].chosen.pop_back();
    if (!ends("rejected_ends")) out[i].rejected.front().pop_back();
  }
  return out;
}

std::vector<train::Example> outside_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::filesystem::path& samples, const std::vector<Problem>& problems) {
  std::map<std::string, const Problem*> known;
  for (const auto& p : problems) known[p.id] = &p;
  std::vector<train::Example> out;
  const Prompter prompter(prompt, tokenizer);
  for (const auto& s : read_jsonl<Sample>(samples)) {
    const auto found = known.find(s.problem_id);
    if (found == known.end()) throw Error(fmt::format("problem {} of a sample is unknown", s.problem_id), samples.string(), "use samples of the recipe's training or evaluation problems");
    out.push_back({fmt::format("{}/{}", s.problem_id, s.sample_id), tokenizer.encode(prompter(found->second->problem)), completion_tokens(tokenizer, s.text)});
  }
  return out;
}

std::vector<train::ProcessExample> process_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::vector<Sample>& samples, const std::vector<Problem>& problems) {
  const ProblemIndex known(problems);
  const Prompter prompter(prompt, tokenizer);
  std::vector<train::ProcessExample> out;
  for (const auto& s : samples) out.push_back(train::process_example(encoder(tokenizer), tokenizer.encode(prompter(known.at(s.problem_id).problem)), s));
  return out;
}

void score_logprobs(const LoadedModel& model, const std::map<std::string, std::string>& prompt_of, const std::vector<Sample*>& samples, const std::string& label) {
  if (samples.empty()) return;
  constexpr int64_t kMicroBatchTokens = 8192;
  constexpr size_t kAtOnce = 1024;  // samples between two signs of progress
  std::map<std::string, train::Tokens> prompt_tokens;
  for (const auto& [id, text] : prompt_of) prompt_tokens.emplace(id, model.tokenizer->encode(text));
  const train::Encoder encode = encoder(*model.tokenizer);
  Progress progress(label, samples.size(), "samples");
  for (size_t begin = 0; begin < samples.size(); begin += kAtOnce) {
    const std::span<Sample* const> part(samples.data() + begin, std::min(kAtOnce, samples.size() - begin));
    std::vector<train::Tokens> completions;
    completions.reserve(part.size());
    std::vector<train::ScoredTokens> items;
    int64_t tokens = 0;  // of the last item
    for (size_t i = 0; i < part.size(); ++i) {
      completions.push_back(train::encode_completion(encode, part[i]->text));
      const auto length = int64_t(completions.back().size());
      if (i == 0 || part[i]->problem_id != part[i - 1]->problem_id || tokens + length > kMicroBatchTokens) {
        items.push_back({&prompt_tokens.at(part[i]->problem_id), {}});
        tokens = int64_t(items.back().prompt->size());
      }
      items.back().completions.push_back(&completions.back());
      tokens += length;
    }
    const at::Tensor sums = train::summed_logprobs(*model.model, items, kMicroBatchTokens);
    for (size_t i = 0; i < part.size(); ++i)
      part[i]->scores["policy_logprob"] = double(sums[int64_t(i)].item<float>()) / double(std::max<size_t>(1, completions[i].size()));
    progress.add(part.size());
  }
}

}  // namespace foil::pipeline
