// Reward-model losses: Bradley–Terry with margins, soft labels and centring; process reward; contrastive representation terms.
#pragma once
#include <ATen/ATen.h>

#include <string>

#include "objective/packed.h"
#include "objective/statistics.h"

namespace foil::objective {

struct RewardLossOptions {
  double centring = 0.01;          // coefficient of (s_c + s_r)²; 0: off
  double label_smoothing = 0;      // ε: chance that a label is wrong
  double contrastive = 0;          // coefficient of the SimCSE term; 0: off
  double temperature = 0.05;       // of the SimCSE term
  double cutoff = 0.1;             // share of an answer's tokens left out of each view
  bool on_difference = false;      // contrast chosen − rejected instead of the texts themselves
  template <class V>
  void visit(V& v) {
    v("centring", centring, "weight of (s_chosen + s_rejected)², which keeps scores around 0");
    v("label_smoothing", label_smoothing, "chance that a preference is the wrong way round");
    v("contrastive", contrastive, "weight of the contrastive (SimCSE) term");
    v("temperature", temperature, "temperature of the contrastive term");
    v("cutoff", cutoff, "contrastive term: share of an answer's tokens left out of each of its two views");
    v("on_difference", on_difference, "contrastive term: over chosen minus rejected instead of each text");
  }
  void validate(const std::string& where) const;
};

struct RewardBatch {
  at::Tensor chosen, rejected;  // [B], [M] scores, gradient flows here
  at::Tensor rejected_pair;     // [M] i64; undefined: M = B
  at::Tensor margin;            // [B] subtracted inside the sigmoid; undefined: 0
  at::Tensor label;             // [B] chance that chosen is truly better, in place of 1 − ε (soft labels; 0 = flipped); undefined: 1 − ε
  at::Tensor weight;            // [B]; undefined: 1
};

struct RewardResult {
  at::Tensor loss;      // 0-dim; Σ over micro-batches = the step's loss
  at::Tensor per_pair;  // [B] before weights and reduction
  Statistics statistics;  // score/{chosen,rejected,margin,min,max}, accuracy
};

// Bradley–Terry: −p log σ(s_c − s_r − margin) − (1−p) log σ(−(s_c − s_r − margin)) + centring·(s_c + s_r)², p = label.
// (Ouyang et al. 2022, 2203.02155 eq. 1; margin: Llama 2, 2307.09288 eq. 2; centring: Eisenstein et al. 2023, 2312.09244;
// soft labels and adaptive margins: Secrets of RLHF II, 2401.06080 §2.)
//   reduction: sequence_mean over pairs of the step; several rejected of one chosen: mean over them
//   checked: reward_model_test.cpp against trl 1.16 (RewardTrainer.compute_loss), hand-worked soft labels, finite differences
RewardResult bradley_terry(const RewardBatch& batch, const RewardLossOptions& options, const StepCounts& step = {});

// Process reward: binary cross-entropy of step scores [N] (logits) against soft labels [N] in [0, 1]; mean over step.sequences (or N).
RewardResult process_reward(const at::Tensor& score, const at::Tensor& label, const StepCounts& step = {});

// SimCSE (Gao et al. 2021, 2104.08821 eq. 1): two views of the same row are positives, the other rows negatives.
//   view, other : [N, D], e.g. two dropout passes of the last hidden state, or of chosen − rejected; cosine similarity / temperature
//   negatives   : [K, D] further negatives for every anchor; undefined: none
//   weight      : [N] weight of each anchor (MMBS: biased samples weigh differently); undefined: 1
//   returns: mean over anchors, Σ wᵢ lossᵢ / Σ wᵢ; gradient flows to all three. checked: hand-worked, finite differences
at::Tensor contrastive_loss(const at::Tensor& view, const at::Tensor& other, double temperature, const at::Tensor& negatives = {},
                            const at::Tensor& weight = {});

}  // namespace foil::objective
