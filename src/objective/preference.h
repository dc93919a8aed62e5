// Preference losses: every way of learning from "this answer rather than that one", as pure functions of log-probability sums.
//
// Three shapes share one table (preference_losses()): pairs (chosen against one or several rejected), pairs without a
// reference, and unpaired samples (desirable or not). Sums come from packed tokens by sequence_sum() (objective/packed.h).
//   Δ = ℓ_policy − ℓ_reference of a completion; m = Δ_chosen − Δ_rejected; |y| tokens of the completion; z = β m
// What is not here: reference refresh and β schedules (train/), which pairs to use (data/pairing.h).
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

enum class PreferenceLoss {
  kSigmoid, kRobust, kHinge, kIpo, kExoPair, kNcaPair, kBcoPair, kSppoHard, kApoZero, kApoDown, kDiscopop, kSigmoidNorm, kSft,
  kSimpo, kCpo, kOrpo, kKto, kBco, kApoZeroUnpaired, kInfonce, kStepDpo
};
inline constexpr std::pair<PreferenceLoss, const char*> kPreferenceLossNames[] = {
    {PreferenceLoss::kSigmoid, "sigmoid"},        {PreferenceLoss::kRobust, "robust"},
    {PreferenceLoss::kHinge, "hinge"},            {PreferenceLoss::kIpo, "ipo"},
    {PreferenceLoss::kExoPair, "exo_pair"},       {PreferenceLoss::kNcaPair, "nca_pair"},
    {PreferenceLoss::kBcoPair, "bco_pair"},       {PreferenceLoss::kSppoHard, "sppo_hard"},
    {PreferenceLoss::kApoZero, "apo_zero"},       {PreferenceLoss::kApoDown, "apo_down"},
    {PreferenceLoss::kDiscopop, "discopop"},      {PreferenceLoss::kSigmoidNorm, "sigmoid_norm"},
    {PreferenceLoss::kSft, "sft"},                {PreferenceLoss::kSimpo, "simpo"},
    {PreferenceLoss::kCpo, "cpo"},                {PreferenceLoss::kOrpo, "orpo"},
    {PreferenceLoss::kKto, "kto"},                {PreferenceLoss::kBco, "bco"},
    {PreferenceLoss::kApoZeroUnpaired, "apo_zero_unpaired"}, {PreferenceLoss::kInfonce, "infonce"},
    {PreferenceLoss::kStepDpo, "step_dpo"}};
inline auto& enum_names(PreferenceLoss) { return kPreferenceLossNames; }

// How Δ enters a margin loss (f-DPO, Wang et al. 2309.16240): reverse KL is DPO.
enum class Divergence { kReverseKl, kForwardKl, kJensenShannon, kAlpha };
inline constexpr std::pair<Divergence, const char*> kDivergenceNames[] = {{Divergence::kReverseKl, "reverse_kl"},
                                                                          {Divergence::kForwardKl, "forward_kl"},
                                                                          {Divergence::kJensenShannon, "js_divergence"},
                                                                          {Divergence::kAlpha, "alpha_divergence"}};
inline auto& enum_names(Divergence) { return kDivergenceNames; }

// One row per loss: drives validation, --help and docs/methods.md. A loss that is not in the table does not exist.
struct PreferenceLossInfo {
  PreferenceLoss loss;
  const char* name;
  bool needs_reference;
  bool unpaired;           // takes UnpairedBatch
  bool needs_lengths;      // chosen_tokens / rejected_tokens
  int min_negatives;       // per chosen: 1; infonce: 2 (0 for unpaired and sft)
  bool takes_smoothing;    // label_smoothing means something
  bool takes_margin;       // PreferenceBatch::margin and length_penalty mean something: the loss is a function of z
  bool takes_divergence;   // divergence means something
  bool needs_steps;        // sums are over one step after a shared prefix
  double beta;             // the paper's β (λ for orpo; 0: unused)
  double sft_coefficient;  // the paper's weight of the NLL term
  const char* formula;
  const char* help;        // one sentence: when to use it
  const char* source;
};
const std::vector<PreferenceLossInfo>& preference_losses();
const PreferenceLossInfo& info(PreferenceLoss loss);

struct PreferenceOptions {
  PreferenceLoss loss = PreferenceLoss::kSigmoid;
  std::optional<double> beta;             // default: the loss's own (PreferenceLossInfo::beta)
  std::optional<double> label_smoothing;  // ε: chance that a label is wrong; default 0, exo_pair 1e-3
  double length_penalty = 0;              // α of R-DPO: z + α(|y_c| − |y_r|)
  std::optional<double> sft_coefficient;  // α of the NLL term on the chosen (RPO); default 0, cpo, orpo and sft 1
  bool sft_token_mean = false;      // NLL per token over the step (as trl) instead of per pair (as the RPO paper)
  double simpo_gamma = 1.0;         // γ
  double discopop_tau = 0.05;
  double desirable_weight = 1, undesirable_weight = 1;  // λ_D, λ_U
  Divergence divergence = Divergence::kReverseKl;
  double divergence_alpha = 0.5;
  template <class V>
  void visit(V& v) {
    v("loss", loss, "preference loss");
    v("beta", beta, "how hard the reference (or the margin) is held (default: the loss's own)");
    v("label_smoothing", label_smoothing, "chance that a preference is the wrong way round (default 0; exo_pair 0.001)");
    v("length_penalty", length_penalty, "R-DPO: margin granted per token the chosen answer is longer");
    v("sft_coefficient", sft_coefficient, "weight of the likelihood of the chosen answer (RPO); keeps chosen from falling (default 0; cpo, orpo, sft 1)");
    v("sft_token_mean", sft_token_mean, "likelihood term: mean over tokens instead of over pairs");
    v("simpo_gamma", simpo_gamma, "simpo: target margin of the length-averaged log-probabilities");
    v("discopop_tau", discopop_tau, "discopop: temperature of the blend");
    v("desirable_weight", desirable_weight, "kto, bco, apo_zero_unpaired: weight of right answers");
    v("undesirable_weight", undesirable_weight, "kto, bco, apo_zero_unpaired: weight of wrong answers");
    v("divergence", divergence, "f-divergence that holds the policy to the reference");
    v("divergence_alpha", divergence_alpha, "alpha_divergence: α");
  }
  double resolved_beta() const { return beta.value_or(info(loss).beta); }
  double resolved_smoothing() const { return label_smoothing.value_or(loss == PreferenceLoss::kExoPair ? 1e-3 : 0.0); }
  double resolved_sft() const { return sft_coefficient.value_or(info(loss).sft_coefficient); }
  void validate(const std::string& where) const;  // throws UsageError: options the chosen loss would ignore are refused
  // Further checks once the data are known. negatives: fewest per pair. Throws UsageError saying what to use instead.
  void validate_data(const std::string& where, bool has_pairs, int negatives, bool has_steps, bool has_margins = false) const;
};

// B pairs, M ≥ B rejected completions (M = B: one each).
struct PreferenceBatch {
  at::Tensor policy_chosen, policy_rejected;        // [B], [M] summed log-probabilities, gradient flows here
  at::Tensor reference_chosen, reference_rejected;  // [B], [M] detached; undefined for losses without a reference
  at::Tensor chosen_tokens, rejected_tokens;        // [B], [M] |y|; needed by losses and terms that average
  at::Tensor rejected_pair;                         // [M] i64, pair of each rejected; undefined: M = B, in order
  at::Tensor margin;                                // [B], subtracted from z (adaptive margin); undefined: 0
  at::Tensor weight;                                // [B], undefined: 1
};

struct PreferenceResult {
  at::Tensor loss;                             // 0-dim; Σ over micro-batches = the step's loss
  at::Tensor per_pair;                         // [B] or [N], before weights, NLL term and reduction (sft: zeros); carries gradient
  at::Tensor chosen_reward, rejected_reward;   // [B], [M] β·Δ detached (without a reference: β·ℓ)
  Statistics statistics;  // rewards/{chosen,rejected,margin,accuracy}, delta/{chosen,rejected}, logprob/{chosen,rejected}, nll
};

// Sigmoid DPO (Rafailov et al. 2023, arXiv 2305.18290, eq. 7) and its kin, by preference_losses().
//   reduction: sequence_mean — Σ_i weight_i loss_i / pairs of the step; several negatives of one chosen: mean over them,
//          except infonce, which is one softmax over chosen and its K negatives
//   gradient flows to policy_chosen, policy_rejected only
//   checked: objective/preference_test.cpp, values and gradients against trl 1.16 (DPOTrainer._compute_loss, CPOTrainer.cpo_loss,
//          ORPOTrainer.odds_ratio_loss), hand-worked cases for infonce, length penalty, margin; finite differences in f64 for all
//   differences from trl: `sigmoid` takes label_smoothing (cDPO; trl 1.16 reads it for exo_pair and robust only); the NLL term
//          averages per pair unless sft_token_mean; orpo's NLL is over completion tokens, not the prompt's
PreferenceResult preference_loss(const PreferenceBatch& batch, const PreferenceOptions& options, const StepCounts& step = {});

// N unpaired samples (kto, bco, apo_zero_unpaired).
struct UnpairedBatch {
  at::Tensor policy, reference;  // [N] summed log-probabilities
  at::Tensor desirable;          // [N] bool, true = a right answer
  at::Tensor weight;             // [N], undefined: 1
  at::Tensor shift;              // 0-dim: kto: z₀ from kto_baseline(); bco: δ from BcoShift; detached
};

// KTO (Ethayarajh et al. 2024, 2402.01306, eq. 7), BCO (Jung et al. 2024, 2404.04656, eq. 9–10: −log σ(±(βΔ − δ))), APO-zero unpaired.
//   reduction: Σ weighted losses / samples of the step. checked: kto, apo_zero_unpaired against trl 1.16; bco hand-worked
PreferenceResult unpaired_loss(const UnpairedBatch& batch, const PreferenceOptions& options, const StepCounts& step = {});

// z₀ = max(0, mean(ℓ_policy − ℓ_reference)) over mismatched (prompt, other's completion) rows, detached. Average the means over ranks first.
at::Tensor kto_baseline(const at::Tensor& policy_mismatched, const at::Tensor& reference_mismatched);

// Reward shift of BCO: running mean of β·Δ over all samples seen, desirable or not. State is two numbers, kept in checkpoints.
struct BcoShift {
  double mean = 0, count = 0;
  void update(const at::Tensor& rewards);  // any shape, detached
};

// LD-DPO (Liu et al. 2024, 2409.06411, eq. 9–11): weights [R] for sequence_sum: 1 up to the shared length of the pair, α beyond.
//   shared [S]: min(|chosen|, |rejected|) of the sequence's pair. checked: trl 1.16 ld_alpha
at::Tensor length_desensitised_weights(const at::Tensor& sequence, const at::Tensor& shared, double alpha);

}  // namespace foil::objective
