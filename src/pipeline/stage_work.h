// Work that several stages share: what the stages of a run (stages.cpp), the negative sources and the studies are made of.
#pragma once
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/pairing.h"
#include "pipeline/run.h"
#include "reward/composite.h"

namespace foil::pipeline {

// Rendered prompts by problem id.
std::map<std::string, std::string> prompt_map(const StageRun& run, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems);

// The policy's samples, with the scores that the stages so far have added.
std::vector<Sample> policy_sample_file(const StageRun& run);
// The samples of problems that the run's own reward model has learnt from (reward_model.problems; all: of every problem), and the others.
struct ByRewardModel {
  std::vector<Sample> learnt, fresh;
  const std::vector<Sample>& unseen() const { return fresh.empty() ? learnt : fresh; }  // for scores that say something: the fresh ones, where there are such
};
ByRewardModel by_reward_model(const StageRun& run, std::vector<Sample> samples);
// The same, with judge and policy_logprob in their scores; the run's file is brought up to date.
std::vector<Sample> scored_policy_samples(StageRun& run, const LoadedModel& policy, const std::vector<Problem>& problems);

// The generator's composite reward, with the reward model scaled by the policy's right answers. `label`: of the reward model's progress bar; empty: none.
std::shared_ptr<Composite> plausible_reward(const StageRun& run, const std::string& label = "");
// Rewards, judge and reward-model scores, policy_logprob and, for a separability ceiling, shallow of candidate negatives: what filters and
// the report look at.
void score_candidates(StageRun& run, const LoadedModel& policy, const std::vector<Problem>& problems, std::vector<Sample>& made);

// Pairs of the policy's right answers with candidates. `filtered` false: the candidates are taken as they come, nothing but the
// verdict chooses among them; their scores stand in the pairs all the same. scores["label"]: chance that a pair is ordered rightly
// (eval/verdict_reliability.h, measured on the policy's samples), where it can be told.
PairingResult pair_candidates(StageRun& run, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems, const std::vector<Sample>& own, const std::vector<Sample>& made,
                              bool filtered);

// Trains model `from` by RL with a composite reward and saves it as models/<to>. `order` keys the order of the problems and the sampling;
// empty: the stage. Stages of one order draw the same problems with the same random numbers.
void on_policy_stage(StageRun& run, const std::string& from, const std::string& to, const train::OnPolicyOptions& options, std::shared_ptr<Composite> composite,
                     const std::string& order = "");
// Trains the policy on a preference file (path in the run folder) and saves it as models/<to>. `order` keys the shuffle; empty: the stage.
void preference_stage(StageRun& run, const std::string& pairs_file, const std::string& to, const train::PreferenceTrainOptions& options, const std::string& order = "");
// Evaluates the model at `model` and writes evaluation_file() and its samples. problems 0: all of each split; fewer: a file of their own
// under study/, since the page compares only what was evaluated on the same problems.
std::string evaluation_file(const std::string& policy, int64_t problems);
void evaluate_stage(StageRun& run, const std::string& policy, const std::filesystem::path& model, const EvalSection& options, int64_t problems = 0);

}  // namespace foil::pipeline
