// Policy losses of the on-policy loop: GRPO and its kin, REINFORCE, PPO with a value head — pure functions of token vectors.
//
// One formula, options for the rest: token loss (surrogate, sequence ratio, CISPO, REINFORCE, behaviour-constrained), then KL
// and truncated importance weights, then an aggregation. The advantage rule (group, RLOO, PSR …) is not here: reward/advantage.h.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "objective/packed.h"      // StepCounts
#include "objective/statistics.h"  // Statistics

namespace foil::objective {

enum class PolicyLoss { kGrpo, kBnpo, kDrGrpo, kDapo, kGspo, kCispo, kReinforce, kPpo, kBcpg };
inline constexpr std::pair<PolicyLoss, const char*> kPolicyLossNames[] = {
    {PolicyLoss::kGrpo, "grpo"},   {PolicyLoss::kBnpo, "bnpo"},           {PolicyLoss::kDrGrpo, "dr_grpo"},
    {PolicyLoss::kDapo, "dapo"},   {PolicyLoss::kGspo, "gspo"},           {PolicyLoss::kCispo, "cispo"},
    {PolicyLoss::kReinforce, "reinforce"}, {PolicyLoss::kPpo, "ppo"},     {PolicyLoss::kBcpg, "bcpg"}};
inline auto& enum_names(PolicyLoss) { return kPolicyLossNames; }

enum class Aggregation {
  kSequenceMean,         // mean over each sequence's tokens, then over the step's sequences
  kMicroBatchTokenMean,  // sum over the micro-batch / its tokens, then mean over micro-batches
  kConstant,             // sum / (sequences · constant_tokens)
  kTokenMean,            // sum / tokens of the whole step
};
inline constexpr std::pair<Aggregation, const char*> kAggregationNames[] = {
    {Aggregation::kSequenceMean, "sequence_mean"},
    {Aggregation::kMicroBatchTokenMean, "micro_batch_token_mean"},
    {Aggregation::kConstant, "constant"},
    {Aggregation::kTokenMean, "token_mean"}};
inline auto& enum_names(Aggregation) { return kAggregationNames; }

// What a name stands for unless an option says otherwise.
struct PolicyLossInfo {
  PolicyLoss loss;
  const char* name;
  Aggregation aggregation;
  double clip_low, clip_high;  // ε; cispo: clip_high is the cap of the ratio itself
  const char* formula;
  const char* source;
};
const std::vector<PolicyLossInfo>& policy_losses();
const PolicyLossInfo& info(PolicyLoss loss);

struct PolicyLossOptions {
  PolicyLoss loss = PolicyLoss::kGrpo;
  std::optional<double> clip_low, clip_high;
  std::optional<Aggregation> aggregation;
  double delta = 0;                   // two-sided clipping of the ratio (INTELLECT-2); 0: off
  double kl_coefficient = 0;          // β of the k3 estimator; 0: no reference needed
  double entropy_coefficient = 0;
  double truncation = 2;              // C: cap of π_old/π_sampler, used when sampler log-probabilities are given
  double behaviour_coefficient = 0;   // bcpg: β of −β log π/π_b in the weight
  int64_t constant_tokens = 0;  // aggregation constant: the divisor per sequence
  template <class V>
  void visit(V& v) {
    v("loss", loss, "policy loss");
    v("clip_low", clip_low, "ratio is clipped below 1 − clip_low (default: the loss's own)");
    v("clip_high", clip_high, "ratio is clipped above 1 + clip_high; cispo: cap of the ratio (default: the loss's own)");
    v("aggregation", aggregation, "how token losses become one number (default: the loss's own)");
    v("delta", delta, "upper cap of the ratio for negative advantages too, > 1 + clip_high; 0 = off");
    v("kl_coefficient", kl_coefficient, "weight of the k3 KL estimate against the reference; 0 = no reference in memory");
    v("entropy_coefficient", entropy_coefficient, "weight of the entropy bonus; 0 = off");
    v("truncation", truncation, "cap of the trainer/sampler ratio where the sampler's log-probabilities differ");
    v("behaviour_coefficient", behaviour_coefficient, "bcpg: strength of the pull towards the sampling policy");
    v("constant_tokens", constant_tokens, "aggregation constant: divisor per sequence; 0 = the rollout's limit");
  }
  void validate(const std::string& where) const;  // throws UsageError
  double low() const { return clip_low.value_or(info(loss).clip_low); }
  double high() const { return clip_high.value_or(info(loss).clip_high); }
  Aggregation reduction() const { return aggregation.value_or(info(loss).aggregation); }
};

// One micro-batch. Log-probabilities are under the distribution the tokens were sampled from (same temperature).
struct PolicyBatch {
  at::Tensor logprob;            // [R] f32/f64, gradient flows here
  at::Tensor old_logprob;        // [R], of the policy that sampled, by the trainer's arithmetic; undefined: the weights have not moved (ratio 1)
  at::Tensor sampler_logprob;    // [R], as the sampler reported; given only when sampler and trainer may disagree
  at::Tensor reference_logprob;  // [R], needed when kl_coefficient ≠ 0
  at::Tensor entropy;            // [R], needed when entropy_coefficient ≠ 0; with gradient or detached (see entropy_bonus)
  at::Tensor advantage;          // [B] one a sequence
  at::Tensor token_advantage;    // [R] one a token, in its place (PPO, step advantages)
  at::Tensor sequence;           // [R] i64
  at::Tensor mask;               // [R] bool, true = the token is trained; undefined: all are
  int64_t sequences = 0;         // B; sequences without a token count in the divisor
};

struct PolicyResult {
  at::Tensor loss;        // 0-dim; Σ over micro-batches = the step's loss (see StepCounts)
  Statistics statistics;  // ratio/{mean,min,max}, clip/{low,high}_share, kl, entropy, importance/{mean,min,max,truncated_share},
                          // logprob, advantage, policy_loss: raw figures, before any clipping or truncation
};

// ρ = π/π_old per token. Sources: GRPO arXiv 2402.03300 eq. 3; BNPO/Dr. GRPO 2503.20783; DAPO 2503.14476 eq. 8;
// GSPO 2507.18071 eq. 5–6; CISPO 2506.13585 eq. 4–5; two-sided δ 2505.07291; REINFORCE; PPO 1707.06347 eq. 7;
// BCPG 2505.14403 (form unverified): −sg(A − β_b Σ_t log π/π_b) log π, the sum over the sequence, π_b = old_logprob.
//   returns: loss as aggregated by options.reduction(); gradient flows to batch.logprob (and batch.entropy when it carries one)
//   order: token loss · truncated importance weight, then + kl_coefficient · k3, then aggregation, then − entropy bonus
//          (token_mean whatever the aggregation)
//   checked: objective/policy_test.cpp, values and gradients against trl 1.16 (GRPOTrainer._compute_loss), hand-worked
//          three-token cases for reinforce/bcpg/ppo, finite differences in f64 for every loss × aggregation
//   differences from trl: sequence_mean divides by the sequences of the step, not by micro-batch means (equal when
//          micro-batches have equally many sequences); log-ratios are clamped to ±20 before exp, so that a
//          wild remote token gives a finite gradient; no vLLM-specific masks.
PolicyResult policy_loss(const PolicyBatch& batch, const PolicyLossOptions& options, const StepCounts& step = {});

// k3 = exp(ref − pol) − (ref − pol) − 1 (Schulman 2020), [R] → [R], unreduced, ≥ 0; gradient flows to logprob.
at::Tensor k3_kl(const at::Tensor& logprob, const at::Tensor& reference_logprob);

// min(exp(old − sampler), C), [R], detached: truncated importance weight (Yao et al. 2025; docs/methods.md, "Policy losses").
at::Tensor truncated_importance(const at::Tensor& old_logprob, const at::Tensor& sampler_logprob, double cap);

// Token values whose gradient is that of the entropy H, [R]. When `entropy` carries a gradient it is returned as it is.
// When detached (as nn/logprob.h gives it), value H with the score-function gradient of the sampled token,
// −(log π + H)·∇log π, whose expectation over on-policy tokens is ∇H exactly (H is the variance-reducing baseline).
at::Tensor entropy_bonus(const at::Tensor& entropy, const at::Tensor& logprob);

// Soft over-long penalty of DAPO (2503.14476 eq. 13): 0 up to limit − buffer, linear to −1 at limit, −1 beyond. lengths [B] → [B].
at::Tensor overlong_penalty(const at::Tensor& lengths, int64_t limit, int64_t buffer);

// Generalised advantage estimation (Schulman et al. 2016, 1506.02438 eq. 16) over packed sequences that end in a terminal state.
//   rewards, values : [R], sequence [R] sorted; returns advantages [R] and returns = advantages + values [R], detached
//   checked: hand-worked three-token case; λ = 1 equals discounted returns − values; λ = 0 the one-step error
struct Gae {
  at::Tensor advantages, returns;
};
Gae generalized_advantages(const at::Tensor& rewards, const at::Tensor& values, const at::Tensor& sequence, double gamma, double lambda);

// Clipped value loss of PPO: ½ max((v − R)², (clip(v, v_old ± ε) − R)²), token_mean over the step.
//   values, old_values, returns : [R]; clip 0: no clipping (old_values may be undefined); gradient flows to values only
PolicyResult value_loss(const at::Tensor& values, const at::Tensor& old_values, const at::Tensor& returns, double clip,
                        const at::Tensor& mask = {}, const StepCounts& step = {});

}  // namespace foil::objective
