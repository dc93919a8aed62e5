#include "pipeline/recipe.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "config/options.h"
#include "objective/preference.h"
#include "pipeline/rewards.h"

namespace foil::pipeline {

std::string split_name(const std::string& source) {
  const std::string stem = std::filesystem::path(source).stem().string();
  return stem == "train" ? "eval_train" : stem;
}

void DataSection::validate(const std::string& where) const {
  if (source != "family" && source != "files") throw UsageError(fmt::format("source is \"{}\"", source), where, "choose family or files");
  if (source == "files" && train.empty()) throw UsageError("source files needs train", where, "name a JSON Lines file or a benchmark, e.g. train: gsm8k_train");
  if (source == "files" && eval.empty()) throw UsageError("source files needs eval", where, "name JSON Lines files or benchmarks, e.g. eval: [gsm8k, math500]");
  if (source == "files")
    for (size_t i = 0; i < eval.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (split_name(eval[i]) == split_name(eval[j]))
          throw UsageError(fmt::format("eval names two files that would be the same split: {} and {}", eval[j], eval[i]), where, "a split is called as its file is: rename or copy one of them");
  if (train_limit < 0 || eval_limit < 0) throw UsageError("train_limit and eval_limit must not be negative", where);
}

void PromptSection::validate(const std::string& where) const {
  PromptForm::validate(where);
  if (style == PromptStyle::kTemplate && !system.empty()) throw UsageError("system needs style chat", where, "with style template, write it into text");
}

void ModelSection::validate(const std::string& where) const {
  if (dtype != "f32" && dtype != "bf16") throw UsageError(fmt::format("dtype is \"{}\"", dtype), where, "choose f32 or bf16");
  if (device != "auto" && device != "cpu" && !device.starts_with("cuda")) throw UsageError(fmt::format("device is \"{}\"", device), where, "choose auto, cpu or cuda");
}

void RlSection::validate(const std::string& where) const {
  train.validate(where);
  validate_reward(reward, train, where);
}

void GeneratorSection::validate(const std::string& where) const {
  train.validate(where);
  validate_reward(reward, train, where);
}

void SamplingSection::validate(const std::string& where) const {
  if (samples_per_problem < 1 || max_tokens < 1) throw UsageError("samples_per_problem and max_tokens must be at least 1", where);
  if (!ask.empty() && from != Answers::kEndpoint) throw UsageError("ask is for from: endpoint; a model of the run is asked by prompt.text", where);
  if (!ask.empty() && ask.find("{problem}") == std::string::npos) throw UsageError("ask has no {problem}", where, "{problem} marks where the problem goes");
}

void StepsSection::validate(const std::string& where) const {
  if (!(threshold > 0 && threshold < 1) && process_squash) throw UsageError(fmt::format("threshold is {}, expected 0 to 1", threshold), where, "process scores are put through a sigmoid");
  if (enabled && labels == StepLabels::kConsensus && process == ProcessScores::kProcessRewardModel && process_model.empty())
    throw UsageError("process: process_reward_model needs process_model", where, "name a folder that steps.process_reward or `foil train process-reward` wrote");
  if (enabled && process_reward.enabled && labels == StepLabels::kConsensus)
    throw UsageError("a process reward model learns from values of steps, and labels is consensus", where, "set labels: values, and use the model in another run: process: process_reward_model");
  if (!policy.replay.empty()) throw UsageError("policy.replay is the stage's own labelled samples", where, "leave it out; steps.sampling.use names samples to label");
  if (!trains_samples()) return;
  if (policy.objective.loss != objective::PolicyLoss::kBcpg)
    throw UsageError("the labelled samples are given, and policy.loss does not hold to the policy that wrote them", where, "use policy.loss: bcpg, or train: false");
  if (!policy.right_step_factor) throw UsageError("without policy.right_step_factor the labels of the steps do nothing", where, "0 spares right steps of wrong answers; or train: false");
  if (!right_samples && policy.advantage.rule != AdvantageRule::kNegative && policy.advantage.rule != AdvantageRule::kWeighted && policy.advantage.rule != AdvantageRule::kReward)
    throw UsageError("policy.advantage.rule compares right answers with wrong ones, and only wrong ones are labelled", where, "set right_samples: true, or use policy.advantage.rule: nsr");
}

void ReflectSection::validate(const std::string& where) const {
  if (samples_per_problem < 1 || attempts < 1) throw UsageError("samples_per_problem and attempts must be at least 1", where);
  for (const char* part : {"{problem}", "{solution}", "{feedback}"})
    if (text.find(part) == std::string::npos) throw UsageError(fmt::format("text has no {}", part), where, "{problem}, {solution} and {feedback} are filled in");
}

void SelfTrainingSection::validate(const std::string& where) const {
  if (rounds < 1 || rounds > 99 || per_problem < 1 || held_out_samples < 1) throw UsageError("rounds, per_problem and held_out_samples must be at least 1", where);
  if (base != "start" && base != "sft" && base != "rl") throw UsageError(fmt::format("base is \"{}\"", base), where, "choose start, sft or rl");
  if (!(held_out > 0 && held_out < 1)) throw UsageError(fmt::format("held_out is {}, expected above 0 and below 1", held_out), where, "0.1 holds out a tenth of the training problems");
  if (sampling.temperature == 0 && sampling.samples_per_problem > 1) throw UsageError("several samples at temperature 0 are all the same", where, "set sampling.temperature: 1");
}

void ViewsSection::validate(const std::string& where) const {
  options.validate(where);
  if (!(biased_from >= 0.5 && biased_from <= 1)) throw UsageError(fmt::format("biased_from is {}, expected 0.5 to 1", biased_from), where);
}

void EvalSection::validate(const std::string& where) const {
  if (runs > 1 && temperature == 0) throw UsageError("several runs at temperature 0 are all the same", where, "set temperature: 1, or runs: 1");
  if (samples_per_problem < 1 || runs < 1 || max_tokens < 1) throw UsageError("samples_per_problem, runs and max_tokens must be at least 1", where);
  if (max_negative_flips && !(*max_negative_flips >= 0 && *max_negative_flips <= 1))
    throw UsageError(fmt::format("max_negative_flips is {}, expected a share of 0 to 1", *max_negative_flips), where);
}

void SourceOptions::validate(const std::string& where) const {
  if (temperatures.empty()) throw UsageError("temperatures is empty", where, "name at least one, e.g. [1.2, 1.5]");
  for (const double t : temperatures)
    if (!(t > 0)) throw UsageError(fmt::format("a temperature of {}", t), where, "the ladder's temperatures are above 0");
  if (perturbations.empty()) throw UsageError("perturbations is empty", where, "name at least one kind of error, e.g. [number, operator]");
}

void Variant::validate(const std::string& where) const {
  if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
    throw UsageError(fmt::format("a variant's name is \"{}\"", name), where, "small letters, digits and _, e.g. no_judge");
}

void StudySection::validate(const std::string& where) const {
  if (policy_steps < 0) throw UsageError(fmt::format("policy_steps is {}", policy_steps), where, "0: as many as rl.steps");
  if (pass_problems < 0 || pass_samples < 1) throw UsageError("pass_problems must not be negative and pass_samples at least 1", where);
  auto twice = [&](auto list, const char* name) {
    std::sort(list.begin(), list.end());
    if (std::adjacent_find(list.begin(), list.end()) != list.end()) throw UsageError(fmt::format("{} names one twice", name), where);
  };
  twice(sources, "sources");
  twice(losses, "losses");
  twice(policies, "policies");
  std::vector<std::string> names;
  for (const auto& v : variants) names.push_back(v.name);
  twice(names, "variants");
}

void Recipe::validate(const std::string& where) const {
  if (!reward_model.enabled && generator.reward.weight_model != 0 && generator.use.empty())
    throw UsageError("the generator's reward uses a reward model, but reward_model.enabled is false", where, "set generator.reward.weight_model: 0, or enable it");
  if (generator.judge.kind != JudgeKind::kRules && generator.reward.weight_judge == 0)
    throw UsageError("a judge is chosen, but generator.reward.weight_judge is 0", where);
  const auto& loss = objective::info(preference.objective.loss);
  const std::string loss_name = loss.name;
  if (loss.unpaired && !preference.unpair)
    throw UsageError("the loss " + loss_name + " learns from single answers, and the negatives stage makes pairs", where, "set preference.unpair: true, or use a pair loss, e.g. sigmoid");
  if (loss.min_negatives > negatives.pairs.negatives_per_pair)
    throw UsageError(fmt::format("the loss {} compares several negatives, and negatives.pairs.negatives_per_pair is {}", loss_name, negatives.pairs.negatives_per_pair), where,
                     "set negatives.pairs.negatives_per_pair: 4, or use sigmoid, which is the same with one");
  if (loss.needs_steps && !preference_data.split_steps)
    throw UsageError("the loss " + loss_name + " needs pairs of single steps", where, "set preference_data.split_steps: true, or use sigmoid on whole answers");
  if (!loss.needs_steps && preference_data.split_steps)
    throw UsageError("preference_data.split_steps makes pairs of single steps, and the loss " + loss_name + " is for whole answers", where, "use preference.loss: step_dpo");
  if (steps.trains_pairs() && loss.min_negatives > 1)
    throw UsageError("steps.train makes pairs with one wrong step each, and the loss " + loss_name + " compares several", where, "use preference.loss: sigmoid, which is the same with one, or set steps.train: false");
  if (steps.trains_pairs() && preference.curriculum != train::Curriculum::kNone)
    throw UsageError("steps.train makes pairs of steps, and nothing says how right a wrong step looks: preference.curriculum has no order for them", where, "leave preference.curriculum out, or set steps.train: false");
  if (preference.contrastive.coefficient != 0 && (preference_data.split_steps || steps.trains_pairs()))
    throw UsageError("the contrastive term is on whole answers", where, "set preference.contrastive.coefficient: 0, or leave out preference_data.split_steps and set steps.train: false");
  if ((reward_model.train.meta_rate > 0) != !reward_model.outside.empty())
    throw UsageError("reward_model.meta_rate and reward_model.outside belong together", where, "name a sample file as outside and set meta_rate: 0.001, or leave both out");
  if (steps.trains_samples()) validate_reward(rl.reward, steps.policy, where);
  if (steps.trains_samples() && policy_samples.use.empty() && policy_samples.temperature != steps.policy.temperature)
    throw UsageError(fmt::format("steps.policy learns from samples of temperature {}, and takes the policy's log-probabilities at temperature {}", policy_samples.temperature, steps.policy.temperature), where,
                     fmt::format("set steps.policy.temperature: {}", policy_samples.temperature));
  if (negatives.sampling.use.empty() && negatives.sampling.from == Answers::kEndpoint && negatives.source != NegativeSource::kGenerator && negatives.source != NegativeSource::kCorruption)
    throw UsageError("negatives.sampling.from: endpoint writes for the sources generator and corruption, and this source is made here", where, "leave from out, or use negatives.source: generator or corruption");
  if (negatives.source == NegativeSource::kCorruption && !negatives.sampling.ask.empty())
    throw UsageError("negatives.sampling.ask does nothing for corruption", where, "write the instruction into a file with {problem} and {solution}: negatives.sources.corruption_request");
  const auto& filter = negatives.pairs.filter;
  if (!reward_model.enabled && (filter.min_reward_model || filter.max_reward_model || filter.min_margin || filter.max_margin))
    throw UsageError("negatives.pairs.filter looks at scores of the reward model, but reward_model.enabled is false", where, "leave min_reward_model, max_reward_model, min_margin and max_margin out, or enable it");
  if (filter.min_judge > 0 && generator.reward.weight_judge == 0)
    throw UsageError("negatives.pairs.filter.min_judge looks at scores of the judge, and generator.reward.weight_judge is 0: nothing is judged", where, "leave min_judge out, or give the judge a weight");
  if (eval.max_negative_flips && !rl.enabled)
    throw UsageError("eval.max_negative_flips compares with the RL policy, and rl.enabled is false", where, "leave it out, or name the policy of today: rl.enabled: true, rl.use: FOLDER");
  if (rounds < 1) throw UsageError(fmt::format("rounds is {}", rounds), where, "1, or as often as the generator is to follow the policy");
  if (rounds > 1 && (!negatives.sampling.use.empty() || !generator.use.empty()))
    throw UsageError("rounds make generator and negatives anew, and this recipe names a file or folder in their place", where, "leave out negatives.sampling.use and generator.use, or set rounds: 1");
  if (processes < 1) throw UsageError(fmt::format("processes is {}", processes), where, "1, or as many as torchrun starts");
  if (output.empty()) throw UsageError("output is empty", where, "name the run folder");
}

Recipe load_recipe(const std::filesystem::path& path, const std::vector<std::string>& overrides, const std::string& profile) {
  if (!std::filesystem::exists(path)) throw UsageError("there is no such recipe", path.string(), "the project's recipes are in recipes/");
  config::Value root = config::load_yaml(path);
  config::Value profiles;
  for (size_t i = 0; i < root.entries.size(); ++i)
    if (root.entries[i].key == "profiles") {
      profiles = root.entries[i].value;
      root.entries.erase(root.entries.begin() + long(i));
      break;
    }
  if (!profile.empty()) {
    const config::Value* chosen = profiles.find(profile);
    if (!chosen) {
      std::vector<std::string> names;
      for (const auto& e : profiles.entries) names.push_back(e.key);
      throw UsageError(fmt::format("the recipe has no profile \"{}\"", profile), path.string(),
                       names.empty() ? "this recipe has no profiles" : fmt::format("its profiles: {}", fmt::join(names, ", ")));
    }
    config::merge(root, *chosen);
  }
  for (const auto& o : overrides) config::set(root, o);
  config::substitute_variables(root);
  Recipe recipe;
  config::read(root, recipe);
  return recipe;
}

}  // namespace foil::pipeline
