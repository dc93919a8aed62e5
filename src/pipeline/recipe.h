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
#include "data/perturb.h"
#include "data/prompt.h"
#include "data/step_values.h"
#include "data/views.h"
#include "endpoint/generator.h"
#include "endpoint/scorer.h"
#include "reward/composite.h"
#include "reward/generator_judge.h"
#include "rollout/engine.h"
#include "objective/preference.h"
#include "train/onpolicy_loop.h"
#include "pipeline/preference_data.h"
#include "train/preference.h"
#include "train/preference_strength.h"
#include "train/process_reward.h"
#include "train/reward_model.h"
#include "train/sft.h"

namespace foil::pipeline {

// What an evaluation file's split is called: as the file; "train" is the name of what is trained on, whichever file that is.
std::string split_name(const std::string& source);

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

// template: `text` is the whole prompt; chat: it is the user's message.
struct PromptSection : PromptForm {
  PromptStyle style = PromptStyle::kChat;
  template <class V>
  void visit(V& v) {
    v("style", style, "template: `text` is the prompt as it stands; chat: `text` is the user's message and the model's chat template does the rest");
    PromptForm::visit(v);
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
  FlawOptions flaws;
  train::SftOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "false: start RL from the model as it is");
    v("use", use, "a model folder that takes the place of this stage");
    v("problems", problems, "learn from the solutions of only the last so many training problems (samples are taken from the first); 0: all");
    v.group("flaws", flaws, "a share of the solutions is spoilt first, as a corpus from the wild is: RL and preferences then have something to put right");
    train.visit(v);
  }
  void validate(const std::string& where) const {
    flaws.validate(where + ".flaws");
    train.validate(where);
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
  void validate(const std::string& where) const;
};

enum class Answers { kModel, kEndpoint };
inline constexpr std::pair<Answers, const char*> kAnswersNames[] = {{Answers::kModel, "model"}, {Answers::kEndpoint, "endpoint"}};
inline auto& enum_names(Answers) { return kAnswersNames; }

struct SamplingSection {
  std::string use;
  Answers from = Answers::kModel;
  endpoint::EndpointGeneratorOptions endpoint;
  std::string ask;
  int64_t samples_per_problem = 8;
  int64_t problems = 0;              // 0: all training problems
  double temperature = 1.0, top_p = 1.0;
  int max_tokens = 512;
  std::vector<std::string> stop;
  template <class V>
  void visit(V& v) {
    v("use", use, "a sample file that takes the place of this stage");
    v("from", from, "model: the run's own model; endpoint: an OpenAI-compatible server");
    v.group("endpoint", endpoint, "from endpoint: which server, and how it is asked");
    v("ask", ask, "from endpoint: the user's message in place of prompt.text, {problem} is filled in; for negatives, empty: an instruction to write a wrong answer that looks right");
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
  int64_t problems = 0;
  int64_t pairs_per_problem = 4;
  bool reference_solutions = false;
  std::string outside;
  train::StrengthOptions strength;
  train::RewardModelOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "false: no reward model; generator.reward.weight_model must be 0");
    v("use", use, "a reward-model folder (sequence classification, one label) that takes the place of this stage");
    v("problems", problems, "learn from the samples of only the last so many problems of policy_samples (negatives are made for the first): what it has not learnt from it scores without having seen it; 0: all");
    v("pairs_per_problem", pairs_per_problem, "most right/wrong pairs of one problem to learn from");
    v("reference_solutions", reference_solutions, "learn from the reference solution, too, where the policy was never right");
    v("outside", outside, "meta_rate: sample file of answers from outside the training distribution");
    v.group("strength", strength, "an ensemble measures how far each preference can be trusted");
    train.visit(v);
  }
  void validate(const std::string& where) const { train.validate(where); }
};

enum class JudgeKind { kRules, kModel, kEndpoint };
inline constexpr std::pair<JudgeKind, const char*> kJudgeKindNames[] = {{JudgeKind::kRules, "rules"}, {JudgeKind::kModel, "model"}, {JudgeKind::kEndpoint, "endpoint"}};
inline auto& enum_names(JudgeKind) { return kJudgeKindNames; }

struct JudgeSection {
  JudgeKind kind = JudgeKind::kRules;
  std::string rubric;                // file; empty: built in
  std::string model;                 // model: folder or GGUF; empty: the start model
  endpoint::EndpointGeneratorOptions endpoint;
  GeneratorJudgeOptions ask;
  template <class V>
  void visit(V& v) {
    v("kind", kind, "rules: built-in heuristics for worked arithmetic; model: a local model reads the rubric; endpoint: an OpenAI-compatible server does");
    v("rubric", rubric, "file with the rubric; empty: the built-in one");
    v("model", model, "model: folder or GGUF file of the judge; empty: the start model");
    v.group("endpoint", endpoint, "endpoint: which server, and how it is asked");
    v.group("ask", ask, "endpoint: what makes a judgement, and what is done about one that cannot be read");
  }
};

struct WarmStartSection {
  bool enabled = false;
  int64_t answers_per_problem = 2;
  train::SftOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "fine-tune the generator on the policy's wrong answers before reverse RL");
    v("answers_per_problem", answers_per_problem, "most wrong answers of one problem to learn from");
    train.visit(v);
  }
  void validate(const std::string& where) const { train.validate(where); }
};

struct GeneratorSection {
  std::string use;
  RewardOptions reward = plausible();
  JudgeSection judge;
  WarmStartSection warm_start;
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
    v.group("warm_start", warm_start, "supervised start of the generator on the policy's own wrong answers");
    train.visit(v);
  }
  void validate(const std::string& where) const;
};

// Where negatives come from; what each does: pipeline/sources.h.
enum class NegativeSource { kGenerator, kRejection, kSelected, kTemperature, kWeaker, kPerturbation, kCorruption };
inline constexpr std::pair<NegativeSource, const char*> kNegativeSourceNames[] = {
    {NegativeSource::kGenerator, "generator"},     {NegativeSource::kRejection, "rejection"}, {NegativeSource::kSelected, "selected"},
    {NegativeSource::kTemperature, "temperature"}, {NegativeSource::kWeaker, "weaker"},       {NegativeSource::kPerturbation, "perturbation"},
    {NegativeSource::kCorruption, "corruption"}};
inline auto& enum_names(NegativeSource) { return kNegativeSourceNames; }

struct SourceOptions {
  std::vector<double> temperatures = {1.2, 1.5, 1.8};
  std::string weaker_model, corruption_model, corruption_request;
  std::vector<Perturbation> perturbations = PerturbOptions{}.kinds;
  template <class V>
  void visit(V& v) {
    v("temperatures", temperatures, "temperature: the ladder the policy is sampled at, an equal share of the samples each");
    v("weaker_model", weaker_model, "weaker: model folder or GGUF file; empty: the SFT model");
    v("perturbations", perturbations, "perturbation: errors to plant in right answers: number, result, operator, unit, order, drop");
    v("corruption_model", corruption_model, "corruption: model that is told to spoil a right answer; empty: the policy");
    v("corruption_request", corruption_request, "corruption: file with the instruction ({problem} and {solution} are filled in); empty: the built-in one");
  }
  void validate(const std::string& where) const;
};

struct NegativesSection {
  NegativeSource source = NegativeSource::kGenerator;
  SourceOptions sources;
  SamplingSection sampling;
  PairOptions pairs;
  template <class V>
  void visit(V& v) {
    v("source", source, "generator: reverse RL; rejection: the policy's own wrong answers; selected: the most plausible of those, by the generator's reward; temperature: the policy sampled hot; weaker: a weaker model; perturbation: errors planted by rule; corruption: a model told to spoil a right answer");
    v.group("sources", sources, "options of single sources");
    v.group("sampling", sampling, "how the generator is sampled");
    v.group("pairs", pairs, "which negatives are paired, and how");
  }
};

enum class StepLabels { kValues, kConsensus };
inline constexpr std::pair<StepLabels, const char*> kStepLabelsNames[] = {{StepLabels::kValues, "values"}, {StepLabels::kConsensus, "consensus"}};
inline auto& enum_names(StepLabels) { return kStepLabelsNames; }
enum class ProcessScores { kValues, kRewardModel, kProcessRewardModel, kEndpoint };
inline constexpr std::pair<ProcessScores, const char*> kProcessScoresNames[] = {
    {ProcessScores::kValues, "values"}, {ProcessScores::kRewardModel, "reward_model"}, {ProcessScores::kProcessRewardModel, "process_reward_model"}, {ProcessScores::kEndpoint, "endpoint"}};
inline auto& enum_names(ProcessScores) { return kProcessScoresNames; }

struct StepJudgeSection {
  Answers from = Answers::kModel;
  std::string model, request;
  endpoint::EndpointGeneratorOptions endpoint;
  GeneratorJudgeOptions ask{.max_tokens = 256};
  template <class V>
  void visit(V& v) {
    v("from", from, "model: a local model judges the steps; endpoint: an OpenAI-compatible server does");
    v("model", model, "model: folder or GGUF file; empty: the start model");
    v("request", request, "file with what is asked ({problem} and {steps} are filled in); empty: the built-in text");
    v.group("endpoint", endpoint, "endpoint: which server, and how it is asked");
    v.group("ask", ask, "what makes a judgement, and what is done about one that cannot be read");
  }
};

struct ProcessRewardSection {
  bool enabled = false;
  train::ProcessRewardOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "train a process reward model on the values of the steps");
    train.visit(v);
  }
  void validate(const std::string& where) const { train.validate(where); }
};

struct StepsSection {
  bool enabled = false, train = true, right_samples = false;
  StepLabels labels = StepLabels::kValues;
  StepValueOptions values;
  SamplingSection sampling{.samples_per_problem = 2};
  StepJudgeSection judge;
  ProcessScores process = ProcessScores::kValues;
  std::string process_model;
  endpoint::EndpointScorerOptions process_endpoint;
  bool process_squash = true;
  double threshold = 0.5;
  ProcessRewardSection process_reward;
  train::OnPolicyOptions policy = spare_right_steps();
  // What training learns from: pairs of steps (per-step DPO), or labelled samples (BCPG-NSA).
  bool trains_pairs() const { return enabled && train && labels == StepLabels::kValues; }
  bool trains_samples() const { return enabled && train && labels == StepLabels::kConsensus; }
  static train::OnPolicyOptions spare_right_steps() {
    train::OnPolicyOptions o;
    o.objective.loss = objective::PolicyLoss::kBcpg, o.advantage.rule = AdvantageRule::kGroupMean, o.right_step_factor = 0;
    return o;
  }
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "label the steps of the policy's samples");
    v("train", train, "train the policy on the labels. values: on the first bad steps (per-step DPO, with the preference section's options); consensus: on the labelled samples (BCPG-NSA, with the options of policy)");
    v("right_samples", right_samples, "take right samples too: their bad steps are spurious ones");
    v("labels", labels, "values: what a step is worth by rollouts from its prefix; consensus: right where an LLM judge and a process score agree");
    v.group("values", values, "step values by rollouts");
    v.group("sampling", sampling, "which samples (so many wrong ones of a problem), and how their prefixes are continued");
    v.group("judge", judge, "consensus: who judges steps");
    v("process", process, "consensus: the process score is a value from rollouts, a local outcome reward model's on the text so far, a local process reward model's, or an endpoint's");
    v("process_model", process_model, "process reward_model: its folder; empty: the run's own reward model; process_reward_model: its folder, e.g. models/process_reward of a run with process_reward.enabled");
    v.group("process_endpoint", process_endpoint, "process endpoint: which server, and how it is asked");
    v("process_squash", process_squash, "process reward_model, endpoint: put the score through a sigmoid; off where it is a probability already");
    v("threshold", threshold, "consensus: a process score from here on says right");
    v.group("process_reward", process_reward, "values: a process reward model, for process: process_reward_model of other runs");
    v.group("policy", policy, "consensus: how the policy learns from the labelled samples; as in rl, by default behaviour-constrained (bcpg) with right steps of wrong answers spared");
  }
  void validate(const std::string& where) const;
};

struct ReflectSection {
  bool enabled = false;
  Answers from = Answers::kModel;
  endpoint::EndpointGeneratorOptions endpoint;
  std::string text = "{problem}\n\nThis answer is not right:\n{solution}\n\n{feedback}\n\nWrite a better answer.";
  int64_t samples_per_problem = 2, attempts = 1;
  train::SftOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "let a reflector rewrite wrong samples; rewrites that are verified join the training set (Re-ReST)");
    v("from", from, "model: a reflector trained on (wrong, feedback, right) triples; endpoint: an OpenAI-compatible server, untrained");
    v.group("endpoint", endpoint, "endpoint: which server, and how it is asked");
    v("text", text, "what the reflector reads; {problem}, {solution} and {feedback} are filled in");
    v("samples_per_problem", samples_per_problem, "most wrong samples of a problem that are rewritten");
    v("attempts", attempts, "rewrites of each");
    v.group("train", train, "how the reflector is trained");
  }
  void validate(const std::string& where) const;
};

struct SelfTrainingSection {
  bool enabled = false;
  int64_t rounds = 3;
  std::string base = "sft";
  SamplingSection sampling{.samples_per_problem = 32};
  int64_t per_problem = 10;
  double held_out = 0.1, min_gain = 0;
  int64_t held_out_samples = 4;
  ReflectSection reflect;
  train::SftOptions train;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "rounds of sampling, keeping what is right and fine-tuning on it (ReST^EM)");
    v("rounds", rounds, "most rounds");
    v("base", base, "the model each round starts from: start, sft or rl");
    v.group("sampling", sampling, "how each round samples");
    v("per_problem", per_problem, "most right samples of a problem that are learned from");
    v("held_out", held_out, "share of the training problems that is never learned from: the rounds end when it is no longer solved better");
    v("min_gain", min_gain, "a round must raise the held-out accuracy by more than this");
    v("held_out_samples", held_out_samples, "answers of each held-out problem");
    v.group("reflect", reflect, "rewriting wrong samples");
    v.group("train", train, "how the base model is fine-tuned");
  }
  void validate(const std::string& where) const;
};

struct ViewsSection {
  bool enabled = false;
  std::string pairs = "plausible";
  double biased_from = 0.8;
  ViewOptions options;
  template <class V>
  void visit(V& v) {
    v("enabled", enabled, "write the pairs with views of their chosen answers, the spurious information removed, and how biased each pair is (MMBS); preference.contrastive makes such views for itself");
    v("pairs", pairs, "which pairs: plausible, rejection, or a preference file");
    v("biased_from", biased_from, "a shallow classifier that is at least so sure which answer is right makes the pair a biased one");
    options.visit(v);
  }
  void validate(const std::string& where) const;
};

struct EvalSection {
  int64_t samples_per_problem = 8;
  int64_t runs = 1;
  double temperature = 1.0, top_p = 1.0;
  int max_tokens = 512;
  std::vector<std::string> stop;
  bool start_model = false;
  std::optional<double> max_negative_flips;
  template <class V>
  void visit(V& v) {
    v("samples_per_problem", samples_per_problem, "answers of each problem in one run; temperature 0: one");
    v("runs", runs, "evaluation runs, for the spread and the uncertain problems");
    v("temperature", temperature, "of sampling; 0: greedy");
    v("top_p", top_p, "1: off");
    v("max_tokens", max_tokens, "longest answer");
    v("stop", stop, "texts that end an answer");
    v("start_model", start_model, "evaluate the start model too");
    v("max_negative_flips", max_negative_flips, "a trained policy with a larger share of negative flips against the RL policy is refused: models/accepted is then the RL policy");
  }
  void validate(const std::string& where) const;
};

// A way to learn from a group's rewards, compared by the study of policy objectives.
enum class PolicyObjective { kGrpo, kPpoClip, kPsr, kNsr, kWReinforce, kRloo, kReinforcePp, kDrGrpo, kDapo, kBnpo, kGspo, kCispo };
inline constexpr std::pair<PolicyObjective, const char*> kPolicyObjectiveNames[] = {
    {PolicyObjective::kGrpo, "grpo"}, {PolicyObjective::kPpoClip, "ppo_clip"}, {PolicyObjective::kPsr, "psr"}, {PolicyObjective::kNsr, "nsr"},
    {PolicyObjective::kWReinforce, "w_reinforce"}, {PolicyObjective::kRloo, "rloo"}, {PolicyObjective::kReinforcePp, "reinforce_pp"}, {PolicyObjective::kDrGrpo, "dr_grpo"},
    {PolicyObjective::kDapo, "dapo"}, {PolicyObjective::kBnpo, "bnpo"}, {PolicyObjective::kGspo, "gspo"}, {PolicyObjective::kCispo, "cispo"}};
inline auto& enum_names(PolicyObjective) { return kPolicyObjectiveNames; }

// A change to the recipe, from the RL policy on, that a study compares (pipeline/variants.h).
struct Variant {
  std::string name;
  std::vector<std::string> set;
  template <class V>
  void visit(V& v) {
    v("name", name, "its row in the table: small letters, digits and _");
    v("set", set, "options it changes, as in --set: preference.beta=0.05; none: the recipe as it is");
  }
  void validate(const std::string& where) const;
};

// What `foil study` compares; each entry adds stages (pipeline/study.h).
struct StudySection {
  std::vector<NegativeSource> sources;
  std::vector<objective::PreferenceLoss> losses;
  std::vector<PolicyObjective> policies;
  std::vector<Variant> variants;
  NegativeSource loss_source = NegativeSource::kGenerator;
  int64_t policy_steps = 0, pass_problems = 20, pass_samples = 256;
  template <class V>
  void visit(V& v) {
    v("sources", sources, "train the policy on negatives of each of these sources");
    v("losses", losses, "train the policy with each of these preference losses, on the same pairs");
    v("policies", policies, "train the SFT model with each of these policy objectives");
    v("variants", variants, "the recipe with some of its options changed, from the RL policy on");
    v("loss_source", loss_source, "where the pairs of `losses` come from");
    v("policy_steps", policy_steps, "policies: steps of each; 0: as many as rl.steps");
    v("pass_problems", pass_problems, "policies: problems of each split that pass@k is measured on; 0: all");
    v("pass_samples", pass_samples, "policies: samples of each of them");
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
  PreferenceDataOptions preference_data;
  train::PreferenceTrainOptions preference;
  StepsSection steps;
  SelfTrainingSection self_training;
  ViewsSection views;
  EvalSection eval;
  StudySection study;
  int64_t rounds = 1;
  int processes = 1;
  std::vector<std::string> goals;
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
    v.group("preference_data", preference_data, "6b. what is made of the pairs before training");
    v.group("preference", preference, "7. preference training of the policy, on both kinds of negatives");
    v.group("steps", steps, "values and labels of steps, per-step preference training");
    v.group("self_training", self_training, "rounds of self-training");
    v.group("views", views, "views of right answers without surface cues: for the contrastive term, or as a file");
    v.group("eval", eval, "8. evaluation");
    v.group("study", study, "what a study compares; empty: nothing");
    v("rounds", rounds, "rounds of plausible negatives: from the second on, samples, reward model, generator and negatives are made anew for the policy the round before left, and it is trained on them");
    v("processes", processes, "processes the plan is for: each holds the weights and its share of the optimiser's state");
    v("goals", goals, "stages to reach, with what they need; empty: all");
  }
  void validate(const std::string& where) const;
};

// Reads a recipe, applies `overrides` ("rl.steps=10") and the recipe's profile (a map `profiles: {short: {…}}` laid over it), validates.
// Throws UsageError with file, line and the nearest name.
Recipe load_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides, const std::string& profile);

}  // namespace foil::pipeline
