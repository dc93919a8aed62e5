#include "rollout/sampler.h"

#include <ATen/Parallel.h>

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

Draw sample_row(const float* logits, int64_t vocab, const SamplingParams& params, double uniform, bool entropy) {
  thread_local std::vector<float> p, scratch;
  p.assign(logits, logits + vocab);
  const bool greedy = params.temperature <= 0;
  if (greedy) {
    const auto token = int32_t(std::max_element(logits, logits + vocab) - logits);
    const float lse = nn::kernels::softmax_row(p.data(), vocab, 1.0f, false);
    return {token, logits[token] - lse, lse, NAN};
  }
  const auto scale = float(1.0 / params.temperature);
  const float lse = nn::kernels::softmax_row(p.data(), vocab, scale, true);
  const float uncertainty = entropy ? lse - scale * nn::kernels::dot(p.data(), logits, vocab) : NAN;
  double total = 1, floor = 0;
  if (params.top_k > 0 && params.top_k < vocab) {
    floor = top_k_floor(scratch, p.data(), vocab, params.top_k);
    total = 0;
    for (int64_t i = 0; i < vocab; ++i)
      if (p[size_t(i)] >= float(floor)) total += p[size_t(i)];
  }
  floor = top_p_floor(scratch, p.data(), vocab, floor, params.top_p, total);
  if (params.min_p > 0) floor = std::max(floor, params.min_p * double(*std::max_element(p.begin(), p.end())));
  thread_local std::vector<double> chunks;
  chunks.resize(size_t((vocab + nn::kernels::kSumChunk - 1) / nn::kernels::kSumChunk));
  const double mass = nn::kernels::chunk_sums(p.data(), vocab, float(floor), chunks.data()), target = std::min(uniform * mass, std::nextafter(mass, 0.0));
  double sum = 0;
  size_t chunk = 0;
  while (chunk + 1 < chunks.size() && sum + chunks[chunk] <= target) sum += chunks[chunk++];
  int32_t token = -1;
  for (int64_t i = int64_t(chunk) * nn::kernels::kSumChunk; i < vocab; ++i) {
    if (p[size_t(i)] < float(floor) || p[size_t(i)] == 0) continue;
    token = int32_t(i);
    if ((sum += p[size_t(i)]) > target) break;
  }
  FOIL_CHECK(token >= 0, "no token can be drawn: the logits are not finite");
  const bool whole = floor <= 0;
  return {token, whole ? logits[token] * scale - lse : logits[token] * scale - lse - float(std::log(mass)), lse, uncertainty};
}

std::vector<Draw> sample_rows_by_tensors(const at::Tensor& logits, const SamplingParams& params, const std::vector<double>& uniforms) {
  at::NoGradGuard off;
  const int64_t vocab = logits.size(1);
  const bool greedy = params.temperature <= 0;
  const at::Tensor scaled = greedy ? logits : logits * (1.0 / params.temperature), lse = scaled.logsumexp(1, true);
  at::Tensor token, correction;
  if (greedy) {
    const at::Tensor ids = at::arange(vocab, logits.options().dtype(at::kLong));
    token = at::where(logits == logits.amax(1, true), ids, vocab - 1).amin(1, true);
  } else {
    const at::Tensor p = (scaled - lse).exp();
    at::Tensor floor = at::zeros({logits.size(0), 1}, p.options());
    const auto surviving = [&](const at::Tensor& x) { return at::where(x >= floor, x, 0).to(at::kDouble); };
    const bool top_k = params.top_k > 0 && params.top_k < vocab, whole = !top_k && params.top_p >= 1 && params.min_p <= 0;
    if (top_k) floor = std::get<0>(p.topk(params.top_k, 1)).narrow(1, params.top_k - 1, 1);
    if (params.top_p < 1) {
      const at::Tensor sorted = std::get<0>(p.sort(1, true)), mass = surviving(sorted).cumsum(1);
      const at::Tensor last = (sorted >= floor).sum(1, true) - 1, wanted = (top_k ? mass.narrow(1, vocab - 1, 1) : at::ones_like(mass.narrow(1, 0, 1))) * params.top_p;
      floor = sorted.gather(1, at::minimum((mass < wanted).sum(1, true), last));
    }
    if (params.min_p > 0) floor = at::maximum(floor, p.amax(1, true) * params.min_p);
    const at::Tensor mass = surviving(p).cumsum(1), all = mass.narrow(1, vocab - 1, 1);
    const at::Tensor target = all * at::tensor(uniforms, at::kDouble).to(logits.device()).unsqueeze(1);
    token = at::minimum((mass <= target).sum(1, true), (mass < all).sum(1, true));  // the first whose mass passes the target, at most the last that survives
    if (!whole) correction = all.log().to(at::kFloat);
  }
  at::Tensor logprob = scaled.gather(1, token) - lse;
  if (correction.defined()) logprob = logprob - correction;
  const at::Tensor both = at::cat({token.to(at::kDouble), logprob.to(at::kDouble)}, 1).to(at::kCPU);
  const double* found = both.const_data_ptr<double>();
  std::vector<Draw> out;
  for (size_t i = 0; i < uniforms.size(); ++i) {
    FOIL_CHECK(std::isfinite(found[2 * i + 1]), "no token can be drawn: the logits are not finite");
    out.push_back({int32_t(found[2 * i]), float(found[2 * i + 1]), NAN, NAN});
  }
  return out;
}

std::vector<Draw> sample_rows(const at::Tensor& logits, const SamplingParams& params, const std::vector<double>& uniforms, bool entropy) {
  FOIL_CHECK(logits.dim() == 2 && logits.size(0) == int64_t(uniforms.size()) && logits.scalar_type() == at::kFloat);
  if (!logits.is_cpu()) return sample_rows_by_tensors(logits, params, uniforms);
  FOIL_CHECK(logits.stride(1) == 1);
  std::vector<Draw> out(uniforms.size());
  const float* p = logits.const_data_ptr<float>();
  const int64_t vocab = logits.size(1), step = logits.stride(0);
  at::parallel_for(0, int64_t(out.size()), std::max<int64_t>(1, 16384 / vocab), [&](int64_t a, int64_t b) {
    for (int64_t i = a; i < b; ++i) out[size_t(i)] = sample_row(p + i * step, vocab, params, uniforms[size_t(i)], entropy);
  });
  return out;
}

}  // namespace foil::rollout
