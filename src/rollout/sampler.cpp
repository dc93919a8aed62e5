#include "rollout/sampler.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::rollout {

namespace {

// Smallest probability that survives keeping the k largest entries (ties all survive).
float top_k_floor(std::vector<float>& scratch, const float* p, int64_t vocab, int k) {
  if (k <= 0 || k >= vocab) return 0;
  scratch.assign(p, p + vocab);
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<>());
  return scratch[size_t(k - 1)];
}

// Smallest probability in the least set of largest entries whose mass reaches top_p of `total`: entries are gathered above a threshold
// that is lowered until they hold enough mass, so usually only a few are ever sorted.
float top_p_floor(std::vector<float>& scratch, const float* p, int64_t vocab, double floor, double top_p, double total) {
  if (top_p >= 1) return float(floor);
  const double wanted = top_p * total;
  float top = 0;
  for (int64_t i = 0; i < vocab; ++i) top = std::max(top, p[i]);
  for (float threshold = top / 16;; threshold /= 64) {
    if (threshold < float(floor) || threshold < 1e-30f) threshold = float(floor);
    double mass = 0;
    for (int64_t i = 0; i < vocab; ++i)
      if (p[i] >= threshold) mass += p[i];
    if (mass < wanted && threshold > float(floor)) continue;
    scratch.clear();
    for (int64_t i = 0; i < vocab; ++i)
      if (p[i] >= threshold) scratch.push_back(p[i]);
    std::sort(scratch.begin(), scratch.end(), std::greater<>());
    double sum = 0;
    for (const float x : scratch)
      if ((sum += x) >= wanted) return x;
    return scratch.empty() ? 0 : scratch.back();
  }
}

}  // namespace

Draw sample_row(const float* logits, int64_t vocab, const SamplingParams& params, double uniform) {
  thread_local std::vector<float> p, scratch;
  p.assign(logits, logits + vocab);
  const bool greedy = params.temperature <= 0;
  if (greedy) {
    const auto token = int32_t(std::max_element(logits, logits + vocab) - logits);
    const float lse = nn::kernels::softmax_row(p.data(), vocab, 1.0f, false);
    return {token, logits[token] - lse};
  }
  const auto scale = float(1.0 / params.temperature);
  const float lse = nn::kernels::softmax_row(p.data(), vocab, scale, true);
  double total = 1, floor = 0;
  if (params.top_k > 0 && params.top_k < vocab) {
    floor = top_k_floor(scratch, p.data(), vocab, params.top_k);
    total = 0;
    for (int64_t i = 0; i < vocab; ++i)
      if (p[size_t(i)] >= float(floor)) total += p[size_t(i)];
  }
  floor = top_p_floor(scratch, p.data(), vocab, floor, params.top_p, total);
  if (params.min_p > 0) floor = std::max(floor, params.min_p * double(*std::max_element(p.begin(), p.end())));
  double mass = 0;
  for (int64_t i = 0; i < vocab; ++i)
    if (double(p[size_t(i)]) >= floor) mass += p[size_t(i)];
  const double target = uniform * mass;
  double sum = 0;
  int32_t token = -1;
  for (int64_t i = 0; i < vocab; ++i) {
    if (double(p[size_t(i)]) < floor || p[size_t(i)] == 0) continue;
    token = int32_t(i);
    if ((sum += p[size_t(i)]) > target) break;
  }
  FOIL_CHECK(token >= 0, "no token can be drawn: the logits are not finite");
  const bool whole = floor <= 0;
  return {token, whole ? logits[token] * scale - lse : logits[token] * scale - lse - float(std::log(mass))};
}

}  // namespace foil::rollout
