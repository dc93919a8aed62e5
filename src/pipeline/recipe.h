// A recipe: everything a run does, section by section, with the defaults of the method. YAML in, resolved YAML out.
//
// Every stage's artefact can be replaced by an existing one: `use:` names a model folder, a sample file or a pair file that takes the
// place of what the stage would make.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/value.h"
#include "data/family.h"
#include "data/pairing.h"
#include "reward/composite.h"
#include "rollout/engine.h"
#include "train/onpolicy_loop.h"
#include "train/preference.h"
#include "train/reward_model.h"
#include "train/sft.h"

namespace foil::pipeline {

struct DataSection {
  std::string source = "family";     // "family", or "files"
  FamilyOptions family;
  std::string train;                 // files: a JSON Lines file or a benchmark's name
  std::vector<std::string> eval;     // files: the same; family: splits (empty: all seven)
  int64_t train_limit = 0, eval_limit = 0;  // 0: all
  template <class V>
  void visit(V& v) {
    v("source", source, "family: generated word problems; files: your own or the benchmarks");
    v.group("family", family, "the generated family");
    v("train", train, "files: training problems, a JSON Lines file or a benchmark's name (gsm8k_train, math_train)");
    v("eval", eval, "files: evaluation problems, files or names (gsm8k, math500, aime24, …); family: splits, all when empty");
    v("train_limit", train_limit, "use only so many training problems; 0: all");
    v("eval_limit", eval_limit, "use only so many problems of each evaluation split; 0: all");
  }
  void validate(const std::string& where) const;
};

enum class PromptStyle { kTemplate, kChat };
inline constexpr std::pair<PromptStyle, const char*> kPromptStyleNames[] = {{PromptStyle::kTemplate, "template"}, {PromptStyle::kChat, "chat"}};
inline auto& enum_names(PromptStyle) { return kPromptStyleNames; }

struct PromptSection {
  PromptStyle style = PromptStyle::kChat;
  std::string text = "{problem}";    // template: the whole prompt; chat: the user's message
  std::string system;                // chat: the system message; empty: none
  template <class V>
  void visit(V& v) {
    v("style", style, "template: `text` is the prompt as it stands; chat: `text` is the user's message and the model's chat template does the rest");
    v("text", text, "{problem} is filled in");
    v("system", system, "chat: system message");
  }
  void validate(const std::string& where) const;
};

struct RandomModel {
  int64_t hidden_size = 128, intermediate_size = 384, layers = 3, heads = 4, kv_heads = 2, max_positions = 256;
  template <class V>
  void visit(V& v) {
    v("hidden_size", hidden_size, "width");
    v("intermediate_size", intermediate_size, "width of the MLP");
    v("layers", layers, "decoder layers");
    v("heads", heads, "attention heads");
    v("kv_heads", kv_heads, "key/value heads");
    v("max_positions", max_positions, "longest sequence");
  }
};

struct ModelSection {
  std::string path;                  // Hugging Face folder or .gguf; empty: a random tiny model
  RandomModel random;
  std::string dtype = "f32";         // f32, bf16
  std::string device = "auto";       // auto, cpu, cuda
  template <class V>
  void visit(V& v) {
    v("path", path, "Hugging Face folder or GGUF file to start from; empty: a random tiny model with a tokenizer of its own");
    v.group("random", random, "shape of the random model");
    v("dtype", dtype, "f32 or bf16 (with f32 master weights)");
    v("device", device, "auto, cpu or cuda");
  }
  void validate(const std::string& where) const;
};

struct SftSection {
  bool enabled = true;
  std::string use;
  int64_t problems = 0;
  train::SftOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "false: start RL from the model as it is");
    v("use", use, "a model folder that takes the place of this stage");
    v("problems", problems, "learn from the solutions of only the last so many training problems (samples are taken from the first); 0: all");
    train.visit(v);
  }
};

struct RlSection {
  bool enabled = true;
  std::string use;
  RewardOptions reward;
  train::OnPolicyOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "false: negatives are made for the model as it is");
    v("use", use, "a model folder that takes the place of this stage");
    v.group("reward", reward, "what a sample is worth");
    train.visit(v);
  }
};

struct SamplingSection {
  std::string use;
  int64_t samples_per_problem = 8;
  int64_t problems = 0;              // 0: all training problems
  double temperature = 1.0, top_p = 1.0;
  int max_tokens = 512;
  std::vector<std::string> stop;
  template <class V>
  void visit(V& v) {
    v("use", use, "a sample file that takes the place of this stage");
    v("samples_per_problem", samples_per_problem, "answers of each problem");
    v("problems", problems, "sample only the first so many training problems; 0: all");
    v("temperature", temperature, "of sampling");
    v("top_p", top_p, "1: off");
    v("max_tokens", max_tokens, "longest answer");
    v("stop", stop, "texts that end an answer");
  }
  void validate(const std::string& where) const;
};

struct RewardModelSection {
  bool enabled = true;
  std::string use;
  int64_t pairs_per_problem = 4;
  bool reference_solutions = false;
  train::RewardModelOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "false: no reward model; generator.reward.weight_model must be 0");
    v("use", use, "a reward-model folder (sequence classification, one label) that takes the place of this stage");
    v("pairs_per_problem", pairs_per_problem, "most right/wrong pairs of one problem to learn from");
    v("reference_solutions", reference_solutions, "learn from the reference solution, too, where the policy was never right");
    train.visit(v);
  }
};

enum class JudgeKind { kRules, kModel, kEndpoint };
inline constexpr std::pair<JudgeKind, const char*> kJudgeKindNames[] = {{JudgeKind::kRules, "rules"}, {JudgeKind::kModel, "model"}, {JudgeKind::kEndpoint, "endpoint"}};
inline auto& enum_names(JudgeKind) { return kJudgeKindNames; }

struct JudgeSection {
  JudgeKind kind = JudgeKind::kRules;
  std::string rubric;                // file; empty: built in
  std::string model;                 // model: folder or GGUF; empty: the start model
  template <class V>
  void visit(V& v) {
    v("kind", kind, "rules: built-in heuristics for worked arithmetic; model: a local model reads the rubric; endpoint: an OpenAI-compatible server does");
    v("rubric", rubric, "file with the rubric; empty: the built-in one");
    v("model", model, "model: folder or GGUF file of the judge; empty: the start model");
  }
};

struct GeneratorSection {
  std::string use;
  RewardOptions reward = plausible();
  JudgeSection judge;
  train::OnPolicyOptions train;
  static RewardOptions plausible() {
    RewardOptions r;
    r.kind = RewardKind::kPlausible;
    return r;
  }
  template <class V>
  void visit(V& v) {
    v("use", use, "a generator's model folder that takes the place of this stage");
    v.group("reward", reward, "the composite reward of reverse RL");
    v.group("judge", judge, "who judges plausibility");
    train.visit(v);
  }
};

struct NegativesSection {
  SamplingSection sampling;
  PairOptions pairs;
  template <class V>
  void visit(V& v) {
    v.group("sampling", sampling, "how the generator is sampled");
    v.group("pairs", pairs, "which negatives are paired, and how");
  }
};

struct EvalSection {
  int64_t samples_per_problem = 8;
  int64_t runs = 1;
  double temperature = 1.0, top_p = 1.0;
  int max_tokens = 512;
  std::vector<std::string> stop;
  bool start_model = false;
  template <class V>
  void visit(V& v) {
    v("samples_per_problem", samples_per_problem, "answers of each problem in one run; temperature 0: one");
    v("runs", runs, "evaluation runs, for the spread and the uncertain problems");
    v("temperature", temperature, "of sampling; 0: greedy");
    v("top_p", top_p, "1: off");
    v("max_tokens", max_tokens, "longest answer");
    v("stop", stop, "texts that end an answer");
    v("start_model", start_model, "evaluate the start model too");
  }
  void validate(const std::string& where) const;
};

struct Recipe {
  std::string name = "run", description, output = "runs/run";
  uint64_t seed = 1;
  DataSection data;
  PromptSection prompt;
  ModelSection model;
  rollout::EngineOptions engine;
  SftSection sft;
  RlSection rl;
  SamplingSection policy_samples;
  RewardModelSection reward_model;
  GeneratorSection generator;
  NegativesSection negatives;
  train::PreferenceTrainOptions preference;
  EvalSection eval;
  template <class V>
  void visit(V& v) {
    v("name", name, "shown in the report");
    v("description", description, "shown in the report");
    v("output", output, "the run folder");
    v("seed", seed, "every random number follows from it");
    v.group("data", data, "problems");
    v.group("prompt", prompt, "how a problem becomes a prompt");
    v.group("model", model, "where training starts");
    v.group("engine", engine, "the rollout engine");
    v.group("sft", sft, "1. supervised start");
    v.group("rl", rl, "2. the policy: RL with verifiable rewards");
    v.group("policy_samples", policy_samples, "3. the policy's own right and wrong answers");
    v.group("reward_model", reward_model, "4. reward model on them");
    v.group("generator", generator, "5. reverse RL: a generator of plausible wrong answers");
    v.group("negatives", negatives, "6. sampling, filtering, pairing");
    v.group("preference", preference, "7. preference training of the policy, on both kinds of negatives");
    v.group("eval", eval, "8. evaluation");
  }
  void validate(const std::string& where) const;
};

// Reads a recipe, applies `overrides` ("rl.steps=10") and the recipe's profile (a map `profiles: {short: {…}}` laid over it), validates.
// Throws UsageError with file, line and the nearest name.
Recipe load_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides, const std::string& profile);

}  // namespace foil::pipeline
