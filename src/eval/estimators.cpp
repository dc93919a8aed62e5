#include "eval/estimators.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil::eval {
namespace {

bool constant_share(std::span<const double> values) {
  for (const double v : values)
    if (v != values.front()) return false;
  return !values.empty() && (values.front() == 0 || values.front() == 1);
}

// Clopper–Pearson at the ends: n trials, all failures (or all successes).
Interval end_interval(double value, double n, double level) {
  const double bound = n > 0 ? 1 - std::pow((1 - level) / 2, 1 / n) : 1;
  return value == 0 ? Interval{0, bound} : Interval{1 - bound, 1};
}

Interval percentiles(std::vector<double>& draws, double level) {
  std::sort(draws.begin(), draws.end());
  const auto at = [&](double q) {
    const double place = q * double(draws.size() - 1);
    const size_t i = size_t(place);
    const double fraction = place - double(i);
    return i + 1 < draws.size() ? draws[i] * (1 - fraction) + draws[i + 1] * fraction : draws[i];
  };
  return {at((1 - level) / 2), at((1 + level) / 2)};
}

// Calls use(b, counts) with how often each of n problems was drawn in resample b.
template <class Use>
void resample(size_t n, const BootstrapOptions& o, uint64_t group, const Use& use) {
  std::vector<int32_t> counts(n);
  for (int b = 0; b < o.resamples; ++b) {
    std::fill(counts.begin(), counts.end(), 0);
    const uint64_t key = mix64(mix64(hash64("bootstrap"), group), uint64_t(b));
    for (size_t i = 0; i < n; i += 4) {  // four draws a block; the bias of the multiply is n / 2³²
      const auto block = philox(o.seed, key, i / 4);
      for (size_t j = i; j < std::min(i + 4, n); ++j) ++counts[(uint64_t{block[j - i]} * n) >> 32];
    }
    use(b, counts);
  }
}

double weighted(std::span<const double> values, const std::vector<int32_t>& counts) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) sum += values[i] * counts[i];
  return sum / double(counts.size());
}

double two_sided_p(const std::vector<double>& draws) {
  const double n = double(draws.size());
  const double below = double(std::count_if(draws.begin(), draws.end(), [](double d) { return d <= 0; }));
  const double above = double(std::count_if(draws.begin(), draws.end(), [](double d) { return d >= 0; }));
  return std::min(1.0, 2 * (1 + std::min(below, above)) / (n + 1));
}

}  // namespace

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / double(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double m = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - m) * (v - m);
  return std::sqrt(squares / double(values.size() - 1));
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double place = std::clamp(q, 0.0, 1.0) * double(values.size() - 1);
  const size_t i = size_t(place);
  return i + 1 < values.size() ? values[i] + (place - double(i)) * (values[i + 1] - values[i]) : values[i];
}

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  FOIL_CHECK(n >= 1 && c >= 0 && c <= n && k >= 1 && k <= n, "n {}, c {}, k {}", n, c, k);
  if (n - c < k) return 1;
  double none = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) none *= 1 - double(k) / double(i);
  return 1 - none;
}

std::vector<Figure> bootstrap_means(const std::vector<std::vector<double>>& columns, const BootstrapOptions& o) {
  std::vector<Figure> out(columns.size());
  if (columns.empty()) return out;
  const size_t n = columns.front().size();
  for (const auto& column : columns) FOIL_CHECK(column.size() == n, "columns of {} and {} problems", n, column.size());
  for (size_t c = 0; c < columns.size(); ++c) out[c] = {mean(columns[c]), {0, 1}};
  if (n == 0 || o.resamples < 1) return out;
  std::vector<std::vector<double>> draws(columns.size(), std::vector<double>(size_t(o.resamples)));
  resample(n, o, 0, [&](int b, const std::vector<int32_t>& counts) {
    for (size_t c = 0; c < columns.size(); ++c) draws[c][size_t(b)] = weighted(columns[c], counts);
  });
  for (size_t c = 0; c < columns.size(); ++c)
    out[c].interval = constant_share(columns[c]) ? end_interval(columns[c].front(), double(n), o.level) : percentiles(draws[c], o.level);
  return out;
}

Figure bootstrap_mean(std::span<const double> values, const BootstrapOptions& o) {
  return bootstrap_means({{values.begin(), values.end()}}, o).front();
}

Figure bootstrap_grouped_mean(const std::vector<std::vector<double>>& groups, const BootstrapOptions& o) {
  Figure out{0, {0, 1}};
  std::vector<double> draws(size_t(std::max(o.resamples, 0)), 0.0), all;
  size_t used = 0;
  for (const auto& g : groups) used += !g.empty();
  if (used == 0 || draws.empty()) return out;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].empty()) continue;
    out.value += mean(groups[g]) / double(used);
    all.insert(all.end(), groups[g].begin(), groups[g].end());
    resample(groups[g].size(), o, g, [&](int b, const std::vector<int32_t>& counts) { draws[size_t(b)] += weighted(groups[g], counts) / double(used); });
  }
  out.interval = constant_share(all) ? end_interval(all.front(), double(all.size()), o.level) : percentiles(draws, o.level);
  return out;
}

PairedDifference paired_bootstrap(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b, const BootstrapOptions& o) {
  FOIL_CHECK(a.size() == b.size());
  PairedDifference out;
  std::vector<double> draws(size_t(std::max(o.resamples, 1)), 0.0);
  size_t used = 0;
  for (const auto& g : a) used += !g.empty();
  if (used == 0) return out;
  bool same = true;
  for (size_t g = 0; g < a.size(); ++g) {
    FOIL_CHECK(a[g].size() == b[g].size(), "{} and {} problems", a[g].size(), b[g].size());
    if (a[g].empty()) continue;
    std::vector<double> d(a[g].size());
    for (size_t i = 0; i < d.size(); ++i) d[i] = b[g][i] - a[g][i], same = same && d[i] == 0;
    out.difference += mean(d) / double(used);
    resample(d.size(), o, g, [&](int r, const std::vector<int32_t>& counts) { draws[size_t(r)] += weighted(d, counts) / double(used); });
  }
  out.p = same ? 1 : two_sided_p(draws);
  out.interval = percentiles(draws, o.level);
  return out;
}

PairedDifference paired_bootstrap(std::span<const double> a, std::span<const double> b, const BootstrapOptions& o) {
  return paired_bootstrap(std::vector<std::vector<double>>{{a.begin(), a.end()}}, std::vector<std::vector<double>>{{b.begin(), b.end()}}, o);
}

void to_json(nlohmann::json& j, const Interval& x) { j = nlohmann::json::array({x.low, x.high}); }
void from_json(const nlohmann::json& j, Interval& x) { x = {j.at(0).get<double>(), j.at(1).get<double>()}; }
void to_json(nlohmann::json& j, const Figure& x) { j = {{"value", x.value}, {"interval", x.interval}}; }
void to_json(nlohmann::json& j, const PairedDifference& x) { j = {{"difference", x.difference}, {"interval", x.interval}, {"p", x.p}}; }
void from_json(const nlohmann::json& j, PairedDifference& x) { x = {j.at("difference").get<double>(), j.at("interval").get<Interval>(), j.at("p").get<double>()}; }
void from_json(const nlohmann::json& j, Figure& x) { x = {j.at("value").get<double>(), j.at("interval").get<Interval>()}; }

}  // namespace foil::eval
