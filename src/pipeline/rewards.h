// The on-policy loop wired to the local engine and a composite reward: the RL policy and the generator alike.
#pragma once
#include <memory>
#include <vector>

#include "data/scorer.h"
#include "pipeline/workbench.h"
#include "reward/composite.h"
#include "rollout/engine.h"
#include "train/onpolicy_loop.h"

namespace foil::pipeline {

std::vector<train::PolicyProblem> policy_problems(const PromptSection& prompt, const text::Tokenizer& tokenizer, std::vector<Problem> problems);

// Verdicts first, then the composite.
train::RewardFunction reward_function(std::shared_ptr<Composite> composite);

// Throws UsageError for options that do not go with the reward: in reverse RL what asks whether an answer is right, or brings right ones;
// under advantage rules that look at the verdict alone (psr, nsr, weighted) what changes rewards otherwise.
void validate_reward(const RewardOptions& reward, const train::OnPolicyOptions& options, const std::string& where);

// Trains model.model in place; keeps a copy as reference when the KL coefficient asks for one.
train::OnPolicyResult train_policy(LoadedModel& model, const std::vector<train::PolicyProblem>& problems, std::shared_ptr<Composite> reward, const train::OnPolicyOptions& options,
                                   const rollout::EngineOptions& engine, const train::StageContext& context);

// `label` shows in a progress bar; empty: none.
std::shared_ptr<Scorer> reward_model_scorer(const LoadedRewardModel& rm, const std::string& label = "");

}  // namespace foil::pipeline
