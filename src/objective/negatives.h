// How many negatives a contrastive preference loss should see when some labels are wrong (Rethinking InfoNCE, Wu et al. 2021, arXiv 2105.13003).
//
// More negatives say more, and more often lie. With p the chance that the chosen answer is right and q that a negative is wrong, all K + 1
// labels hold with R(K) = p·q^K; I(K) is how much the present model has still to learn from such an example; effectiveness
// v(K) = I(K) · max(0, 2 R(K) − 1). The form of v is unverified against the paper's own (docs/methods.md).
#pragma once
#include <ATen/ATen.h>

#include <vector>

namespace foil::objective {

struct LabelReliability {
  double chosen = 1, negative = 1;  // p, q
  double of(int negatives) const;   // R(K)
};

// I(k) = 1 − mean softmax probability of the chosen among itself and the first k negatives, k = 1 … K.
//   z [N, K]: β·(Δ_chosen − Δ_k), no gradient; returns K numbers. A policy that has not moved (z = 0): k / (k + 1)
std::vector<double> informativeness(const at::Tensor& z);

// v(1) … v(K). Checked: hand-worked; never rises as p or q falls.
std::vector<double> effectiveness(const std::vector<double>& informativeness, const LabelReliability& labels);

// argmax v(K), the smallest on a tie; 1 when no K teaches anything.
int optimal_negatives(const std::vector<double>& informativeness, const LabelReliability& labels);

}  // namespace foil::objective
