#include "objective/negatives.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace foil::objective {

double LabelReliability::of(int negatives) const { return chosen * std::pow(negative, negatives); }

std::vector<double> informativeness(const at::Tensor& z) {
  FOIL_CHECK(z.dim() == 2 && z.size(1) >= 1);
  const int64_t most = z.size(1);
  std::vector<double> out;
  for (int64_t k = 1; k <= most; ++k) {
    const at::Tensor first = z.detach().to(at::kDouble).slice(1, 0, k);
    const at::Tensor chosen = at::sigmoid(-at::logsumexp(-first, 1));  // 1 / (1 + Σ e^{−z})
    out.push_back(z.size(0) == 0 ? double(k) / double(k + 1) : 1 - chosen.mean().item<double>());
  }
  return out;
}

std::vector<double> effectiveness(const std::vector<double>& informativeness, const LabelReliability& labels) {
  std::vector<double> out;
  for (size_t k = 0; k < informativeness.size(); ++k) out.push_back(informativeness[k] * std::max(0.0, 2 * labels.of(int(k) + 1) - 1));
  return out;
}

int optimal_negatives(const std::vector<double>& informativeness, const LabelReliability& labels) {
  const auto v = effectiveness(informativeness, labels);
  if (v.empty()) return 1;
  return int(std::max_element(v.begin(), v.end()) - v.begin()) + 1;
}

}  // namespace foil::objective
