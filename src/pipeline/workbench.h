// Models, tokenizers, prompts and problem sets as the stages and the single commands need them.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "nn/transformer.h"
#include "pipeline/recipe.h"
#include "text/tokenizer.h"
#include "train/example.h"
#include "train/process_reward.h"

namespace foil::pipeline {

struct LoadedModel {
  std::shared_ptr<nn::Transformer> model;
  std::shared_ptr<const text::Tokenizer> tokenizer;
};

// A Hugging Face folder or a .gguf file, with its tokenizer. Throws Error naming what is missing.
LoadedModel load_model(const std::filesystem::path& path, const ModelSection& options);
// model.safetensors, config.json, tokenizer files; atomically, so that a folder is whole or absent.
void save_model(const std::filesystem::path& folder, const LoadedModel& model);
// "auto": CUDA when this build and machine have it. "auto" and "cuda": the device of this process's place on its machine.
at::Device device_of(const std::string& name);

struct LoadedRewardModel {
  LoadedModel base;
  at::Tensor head;  // [1, hidden]
};
LoadedRewardModel load_reward_model(const std::filesystem::path& path, const ModelSection& options);
void save_reward_model(const std::filesystem::path& folder, const LoadedRewardModel& model);

// The random tiny model and its own tokenizer, for a family of problems.
LoadedModel random_model(const RandomModel& shape, uint64_t seed, const std::vector<std::string>& corpus);

// From problems to prompts for one model; worked examples are read once. Throws Error for a chat without a chat template.
class Prompter {
 public:
  Prompter(const PromptSection& options, const text::Tokenizer& tokenizer);  // the tokenizer is not owned
  std::string operator()(const std::string& problem) const;
  std::vector<Prompt> operator()(const std::vector<Problem>& problems) const;

 private:
  PromptMaker maker_;
  bool chat_;
  const text::Tokenizer* tokenizer_;
};

// Tokens of a completion with the end token behind it.
train::Tokens completion_tokens(const text::Tokenizer& tokenizer, const std::string& text);
std::vector<train::Example> sft_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems);
std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs);
// Answers of a sample file as prompt and completion, without labels. Throws Error when a sample's problem is not among `problems`.
std::vector<train::Example> outside_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::filesystem::path& samples, const std::vector<Problem>& problems);

// Samples with steps, for a process reward model. Throws Error when a sample's problem is not among `problems`.
std::vector<train::ProcessExample> process_examples(const PromptSection& prompt, const text::Tokenizer& tokenizer, const std::vector<Sample>& samples, const std::vector<Problem>& problems);

// Per-token log-probability of each sample under the model, the end token counted, into scores["policy_logprob"]. Samples of one problem
// that stand next to each other share its prompt. prompt_of: rendered, by problem. `label` shows in a progress bar.
void score_logprobs(const LoadedModel& model, const std::map<std::string, std::string>& prompt_of, const std::vector<Sample*>& samples, const std::string& label);

}  // namespace foil::pipeline
