// The loop that learns from its own samples: sample → reward → advantage → policy loss. GRPO and its kin, reverse RL, PSR/NSR.
//
// A method is a reward, an advantage rule (reward/advantage.h) and a policy loss (objective/policy.h); reverse RL is another reward
// and nothing else. Text comes through the Generator seam; the local engine shares the weights that are trained here.
// Rollouts are keyed by (seed, problem, step), so a resumed run draws the same samples as the uninterrupted one.
// Groups without signal (all advantages 0) count in the loss's divisor and cost no forward pass, unless another term needs them.
// The loss "ppo" brings a critic: a value head on the policy's own last hidden states, trained in the same updates; it is kept in
// checkpoints and dropped when the stage ends. Its advantages are GAE's, the reward stands at the last token.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "nn/kept_activations.h"
#include "nn/transformer.h"
#include "objective/distillation.h"
#include "objective/policy.h"
#include "reward/advantage.h"
#include "reward/term.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/example.h"
#include "train/optimizer.h"
#include "train/session.h"

namespace foil::train {

enum class OverLong { kKeep, kMask, kPenalty };
inline constexpr std::pair<OverLong, const char*> kOverLongNames[] = {{OverLong::kKeep, "keep"}, {OverLong::kMask, "mask"}, {OverLong::kPenalty, "penalty"}};
inline auto& enum_names(OverLong) { return kOverLongNames; }

enum class SamplerArithmetic { kSame, kOther };
inline constexpr std::pair<SamplerArithmetic, const char*> kSamplerArithmeticNames[] = {{SamplerArithmetic::kSame, "same"}, {SamplerArithmetic::kOther, "other"}};
inline auto& enum_names(SamplerArithmetic) { return kSamplerArithmeticNames; }

// The critic of the loss "ppo".
struct CriticOptions {
  double gamma = 1, lambda = 0.95;
  double clip = 0.2;
  double coefficient = 0.1;
  bool whiten = true;
  template <class V> void visit(V& v) {
    v("gamma", gamma, "discount per token");
    v("lambda", lambda, "of generalised advantage estimation: 0 = one step ahead, 1 = the whole return");
    v("clip", clip, "values may move so far from the old ones before the value loss stops following; 0 = off");
    v("coefficient", coefficient, "weight of the value loss, whose gradient reaches the policy's layers too");
    v("whiten", whiten, "token advantages of a step get mean 0 and deviation 1");
  }
  void validate(const std::string& where) const;
};

struct OnPolicyOptions {
  int64_t steps = 100;
  int64_t problems_per_step = 16;
  int group_size = 8;
  int max_completion_tokens = 512;
  double temperature = 1.0, top_p = 1.0, min_p = 0.0;
  int top_k = 0;
  bool allow_truncated_sampling = false;
  std::vector<std::string> stop;
  objective::PolicyLossOptions objective;
  AdvantageOptions advantage;
  CriticOptions critic;
  objective::DistillationOptions distillation;
  std::string inject;
  int inject_per_group = 1;
  std::optional<double> right_step_factor;
  std::string replay;
  int updates_per_batch = 1;           // µ
  int minibatches = 1;
  bool dynamic_sampling = false;
  int max_sampling_rounds = 4;
  OverLong over_long = OverLong::kKeep;
  int over_long_buffer = 64;
  SamplerArithmetic sampler_arithmetic = SamplerArithmetic::kSame;
  double ratio_tolerance = 0.02;
  int64_t give_up_after = 20;
  int64_t micro_batch_tokens = 8192;
  bool recompute = false;
  bool keep_sampled = true;
  OptimizerOptions optimizer{.lr = 1e-6, .schedule = Schedule::kConstant};
  CheckpointOptions checkpoint;

  template <class V> void visit(V& v) {
    v("steps", steps, "rounds of sampling and learning");
    v("problems_per_step", problems_per_step, "problems sampled in each step");
    v("group_size", group_size, "completions per problem");
    v("max_completion_tokens", max_completion_tokens, "longest completion");
    v("temperature", temperature, "of sampling; the loss uses the same");
    v("top_p", top_p, "1: off; other values bias every ratio and need allow_truncated_sampling");
    v("min_p", min_p, "0: off; other values need allow_truncated_sampling");
    v("top_k", top_k, "0: off; other values need allow_truncated_sampling");
    v("allow_truncated_sampling", allow_truncated_sampling, "accept that sampler and loss then speak of different distributions");
    v("stop", stop, "texts that end a completion");
    objective.visit(v);
    v.group("advantage", advantage, "how rewards become advantages");
    v.group("critic", critic, "loss ppo: the value head");
    v.group("distillation", distillation, "focal distillation: hold right answers to the policy the stage starts from (positive-congruent training)");
    v("inject", inject, "right answers put into groups where every answer is wrong: a sample file, or `solutions` for the reference solutions; empty = off");
    v("inject_per_group", inject_per_group, "answers of an all-wrong group that are replaced");
    v("right_step_factor", right_step_factor, "right steps inside wrong samples get their negative advantage times this, from -1 (rewarded) over 0 (not punished) to below 1 (BCPG-NSA); unset = off");
    v("replay", replay, "learn from this sample file (token ids and log-probabilities) in place of sampling the policy; loss bcpg");
    v("updates_per_batch", updates_per_batch, "passes over each step's samples");
    v("minibatches", minibatches, "updates in each pass");
    v("dynamic_sampling", dynamic_sampling, "replace groups without signal by groups of further problems (DAPO)");
    v("max_sampling_rounds", max_sampling_rounds, "dynamic_sampling: draw at most so many times in a step");
    v("over_long", over_long, "completions cut at max_completion_tokens: keep as they are, mask (not trained), or penalty (DAPO's soft one)");
    v("over_long_buffer", over_long_buffer, "penalty: starts so many tokens before max_completion_tokens");
    v("sampler_arithmetic", sampler_arithmetic, "same: the sampler's log-probabilities are the trainer's (local engine); other: truncated importance weights");
    v("ratio_tolerance", ratio_tolerance, "largest mean |trainer/sampler ratio - 1| accepted on the first step");
    v("give_up_after", give_up_after, "stop with an error after so many steps in a row in which no group had a signal; 0: never");
    v("micro_batch_tokens", micro_batch_tokens, "tokens in one forward and backward pass; memory grows with it, results change with it only under bnpo");
    v("recompute", recompute, "save memory: keep only layer inputs and compute the rest again in the backward pass");
    v("keep_sampled", keep_sampled, "when a step's tokens all fit in one micro-batch, the local sampler keeps their activations and the first update needs no forward pass; results change by rounding only");
    v.group("optimizer", optimizer, "how the weights move");
    v.group("checkpoint", checkpoint, "when training state is written");
  }
  void validate(const std::string& where) const;
};

// A problem as the loop needs it: rendered once.
struct PolicyProblem {
  Problem problem;
  Prompt prompt;         // problem_id and rendered text
  Tokens prompt_tokens;  // the same, tokenised
};

// Sets reward (absent: the sample could not be judged and is not trained) and scores of samples[i], which is *items[i].sample.
using RewardFunction = std::function<void(std::span<const RewardItem> items, std::span<Sample> samples)>;

struct PolicySampler {
  Generator* generator = nullptr;        // not owned
  std::function<void()> weights_changed; // called before the first sampling and after updates; may be empty
  // Where the generator, a local engine of the very model that is trained, leaves its activations; null: it leaves none.
  std::shared_ptr<nn::KeptActivations> kept = nullptr;
  // Right answers by problem, with token_ids; logprobs where the policy that wrote them is known. Needed by `inject`.
  std::map<std::string, std::vector<Sample>> offline = {};
  // Problems the start policy solves. Read by `distillation`.
  std::set<std::string> old_right = {};
  // Tells where a token lies in the text. Needed by `right_step_factor`; the reward function then sets Sample::steps. Not owned.
  const text::Tokenizer* tokenizer = nullptr;
};

struct OnPolicyHooks {
  // Every finished step's samples, rewarded, group by group: for sample files. May be empty.
  std::function<void(int64_t step, std::span<const Sample> samples)> samples;
};

struct OnPolicyResult {
  int64_t steps = 0;
  std::map<std::string, double> last;  // figures of the last step
};

// Trains `policy` in place. `reference` (not owned): needed when kl_coefficient or distillation.coefficient > 0, never otherwise.
// Resumes by itself. Throws Error when sampler and trainer disagree on the first step, when no group had a signal for
// give_up_after steps, when no prompt fits the context; Interrupted after a checkpoint.
OnPolicyResult train_on_policy(nn::Transformer& policy, const std::vector<PolicyProblem>& problems, const PolicySampler& sampler, const RewardFunction& reward,
                               const OnPolicyOptions& options, const StageContext& context, const nn::Transformer* reference = nullptr, const OnPolicyHooks& hooks = {});

}  // namespace foil::train
