// Focal distillation of positive-congruent training: hold on to the old policy where it was right (Yan et al. 2021, arXiv 2011.09161, eq. 5–6).
//
// Per token KL(π_old ‖ π) over the whole vocabulary, from hidden states, in chunks of rows: no [tokens, vocabulary] is kept.
#pragma once
#include <ATen/ATen.h>

#include <string>

#include "objective/packed.h"
#include "objective/statistics.h"

namespace foil::objective {

struct DistillationOptions {
  double coefficient = 0;   // λ; 0: off
  double base = 1;          // α: every problem
  double focus = 5;         // β: more where the old policy was right
  double temperature = 1;
  template <class V>
  void visit(V& v) {
    v("coefficient", coefficient, "weight of the focal distillation term; 0 = off");
    v("base", base, "focal weight of every problem");
    v("focus", focus, "added focal weight of problems the old policy solved");
    v("temperature", temperature, "softening of both distributions");
  }
  void validate(const std::string& where) const;
};

// KL(softmax(h_old W_oldᵀ / T) ‖ softmax(h Wᵀ / T)) per row. hidden [R, D], weight [V, D]; old_hidden [R, D'], old_weight [V, D'].
//   returns [R] f32 (f64 for f64 input); gradient flows to hidden and weight; chunk_rows 0: chosen by size
//   checked: against the plain formula with full logits, values and gradients; finite differences in f64
at::Tensor distribution_kl(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& old_hidden,
                           const at::Tensor& old_weight, double temperature = 1, int64_t chunk_rows = 0);

struct DistillationResult {
  at::Tensor loss;
  Statistics statistics;  // distillation/kl, distillation/kl_old_right
};

// λ Σ_i (α + β·[old policy right on i]) · mean_t KL_t / sequences of the step.
//   kl [R] from distribution_kl on the correct completion's tokens; sequence [R]; old_right [S] bool
//   difference from the paper: KL over next-token distributions, mean over the completion's tokens, for its KL over classes
DistillationResult focal_distillation(const at::Tensor& kl, const at::Tensor& sequence, const at::Tensor& old_right,
                                      const DistillationOptions& options, const StepCounts& step = {});

}  // namespace foil::objective
