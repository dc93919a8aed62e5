#include "pipeline/rewards.h"

#include <optional>

#include "base/error.h"
#include "config/options.h"
#include "pipeline/offline.h"

#include "data/verification.h"
#include "rollout/reward_model_scorer.h"

namespace foil::pipeline {

std::vector<train::PolicyProblem> policy_problems(const PromptSection& prompt, const text::Tokenizer& tokenizer, std::vector<Problem> problems) {
  std::vector<train::PolicyProblem> out;
  const Prompter prompter(prompt, tokenizer);
  for (auto& p : problems) {
    Prompt rendered{p.id, prompter(p.problem), {}};
    auto tokens = tokenizer.encode(rendered.text);
    out.push_back({std::move(p), std::move(rendered), std::move(tokens)});
  }
  return out;
}

train::RewardFunction reward_function(std::shared_ptr<Composite> composite) {
  return [composite](std::span<const RewardItem> items, std::span<Sample> samples) {
    std::vector<Problem> problems;
    std::map<std::string, size_t> seen;
    for (const auto& item : items)
      if (seen.emplace(item.problem->id, problems.size()).second) problems.push_back(*item.problem);
    const ProblemIndex index(problems);
    std::vector<Sample> verified(samples.begin(), samples.end());
    verify_samples(index, verified);
    std::vector<const Problem*> at;
    std::vector<const std::string*> prompts;
    for (const auto& item : items) at.push_back(item.problem), prompts.push_back(item.prompt);
    composite->apply(at, prompts, verified);
    std::move(verified.begin(), verified.end(), samples.begin());
  };
}

void validate_reward(const RewardOptions& reward, const train::OnPolicyOptions& o, const std::string& where) {
  const auto require = [&](bool ok, const std::string& what, const char* hint) {
    if (!ok) throw UsageError(what, where, hint);
  };
  const std::string rule = config::to_json(o.advantage).at("rule").get<std::string>();
  if (reward.kind == RewardKind::kPlausible) {
    require(o.inject.empty(), "inject puts right answers into all-wrong groups, and a generator of wrong answers is to fill its groups with such", "leave inject out; generator.warm_start gives it wrong answers to start from");
    require(o.distillation.coefficient == 0, "distillation holds on to right answers, and a generator is to leave them", "leave distillation out; kl_coefficient keeps the generator near the policy");
    require(!o.right_step_factor, "right_step_factor spares right steps of wrong answers, and a generator is rewarded for wrong answers as a whole", "leave right_step_factor out");
    require(o.replay.empty(), "replay learns from given samples, and reverse RL needs the generator's own", "leave replay out; generator.warm_start learns from wrong answers that are there");
    require(!verdict_only(o.advantage.rule), "advantage.rule: " + rule + " pushes right answers up or wrong ones down, and a generator is to write wrong ones", "use advantage.rule: group; train_on: positives or negatives takes one side of its rewards");
    return;
  }
  if (!verdict_only(o.advantage.rule)) return;
  const std::string blind = "advantage.rule: " + rule + " looks at the verdict alone: ";
  require(reward.weight_length == 0 && reward.weight_repetition == 0 && reward.relative_length == 0 && reward.format_penalty == 0,
          blind + "weight_length, weight_repetition, relative_length and format_penalty do nothing there", "leave them out, or use advantage.rule: group");
  require(o.over_long != train::OverLong::kPenalty, blind + "over_long: penalty does nothing there", "use over_long: mask, or advantage.rule: group");
}

train::OnPolicyResult train_policy(LoadedModel& model, const std::vector<train::PolicyProblem>& all_problems, std::shared_ptr<Composite> composite, const train::OnPolicyOptions& options,
                                   const rollout::EngineOptions& engine_options, const train::StageContext& context) {
  rollout::LocalEngine engine(model.model, model.tokenizer, engine_options, "");
  std::shared_ptr<nn::Transformer> reference;
  const bool distils = options.distillation.coefficient > 0;
  if (options.objective.kl_coefficient > 0 || distils) reference = std::make_shared<nn::Transformer>(model.model->clone());
  std::vector<train::PolicyProblem> problems = all_problems;
  train::PolicySampler sampler{&engine, {}, std::make_shared<nn::KeptActivations>()};
  engine.keep_activations(sampler.kept);
  std::optional<FileGenerator> replay;
  if (!options.replay.empty()) {
    replay.emplace(options.replay, options.temperature);
    sampler.generator = &*replay;
    std::erase_if(problems, [&](const auto& p) { return !replay->has(p.problem.id); });
    if (problems.empty()) throw Error("it holds no sample of the training problems", options.replay, "replay the samples of these problems");
  }
  if (!options.inject.empty()) sampler.offline = right_answers(options.inject, problems, *model.tokenizer);
  if (distils) sampler.old_right = solved(engine, problems, options.max_completion_tokens, options.stop);
  auto reward = reward_function(std::move(composite));
  if (options.right_step_factor) {
    sampler.tokenizer = &*model.tokenizer;
    reward = [inner = std::move(reward)](std::span<const RewardItem> items, std::span<Sample> samples) {
      inner(items, samples);
      for (size_t i = 0; i < samples.size(); ++i) mark_right_steps(*items[i].problem, samples[i]);
    };
  }
  return train::train_on_policy(*model.model, problems, sampler, reward, options, context, reference.get());
}

std::shared_ptr<Scorer> reward_model_scorer(const LoadedRewardModel& rm, const std::string& label) {
  return std::make_shared<rollout::RewardModelScorer>(rm.base.model, rm.head, rm.base.tokenizer, label);
}

}  // namespace foil::pipeline
