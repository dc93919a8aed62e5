#include "pipeline/rewards.h"

#include <optional>

#include "base/error.h"
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

train::OnPolicyResult train_policy(LoadedModel& model, const std::vector<train::PolicyProblem>& all_problems, std::shared_ptr<Composite> composite, const train::OnPolicyOptions& options,
                                   const rollout::EngineOptions& engine_options, const train::StageContext& context) {
  rollout::LocalEngine engine(model.model, model.tokenizer, engine_options, "");
  std::shared_ptr<nn::Transformer> reference;
  const bool distils = options.distillation.coefficient > 0;
  if (options.objective.kl_coefficient > 0 || distils) reference = std::make_shared<nn::Transformer>(model.model->clone());
  std::vector<train::PolicyProblem> problems = all_problems;
  train::PolicySampler sampler{&engine, {}};
  std::optional<FileGenerator> replay;
  if (!options.replay.empty()) {
    replay.emplace(options.replay);
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

std::shared_ptr<Scorer> reward_model_scorer(const LoadedRewardModel& rm) { return std::make_shared<rollout::RewardModelScorer>(rm.base.model, rm.head, rm.base.tokenizer); }

}  // namespace foil::pipeline
