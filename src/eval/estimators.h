// Estimators of an evaluation: pass@k, bootstrap intervals over problems, paired comparison. Pure and seeded.
//
// The unit of resampling is the problem: samples of one problem are not independent, so they stay together (cluster bootstrap).
// Randomness is counter-based: the same numbers and seed give the same interval on any machine and any number of threads.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

namespace foil::eval {

struct Interval {
  double low = 0, high = 0;
};

struct Figure {
  double value = 0;
  Interval interval;
};

struct BootstrapOptions {
  int resamples = 4000;
  double level = 0.95;
  uint64_t seed = 0;
};

// Chance that at least one of k answers drawn without replacement from n, c of them right, is right: 1 − C(n−c, k)/C(n, k)
// (Chen et al. 2021, arXiv 2107.03374, eq. 1), as the product 1 − Π (1 − k/i), i = n−c+1 … n: no overflow. 1 ≤ k ≤ n.
double pass_at_k(int64_t n, int64_t c, int64_t k);

// Means of several columns over the same problems ([column][problem]) with percentile intervals from one set of resamples.
// When every problem has the same value 0 (or 1), resampling says nothing: then the exact binomial bound, 1 − (α/2)^(1/n).
std::vector<Figure> bootstrap_means(const std::vector<std::vector<double>>& columns, const BootstrapOptions& options = {});
Figure bootstrap_mean(std::span<const double> values, const BootstrapOptions& options = {});

// Mean over groups of the mean over each group's problems (the average over splits), problems resampled within their group.
Figure bootstrap_grouped_mean(const std::vector<std::vector<double>>& groups, const BootstrapOptions& options = {});

// Mean difference b − a over the same problems in the same order, with interval and two-sided bootstrap p (difference = 0).
struct PairedDifference {
  double difference = 0;
  Interval interval;
  double p = 1;
};
PairedDifference paired_bootstrap(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options = {});
PairedDifference paired_bootstrap(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b,
                                  const BootstrapOptions& options = {});  // average over groups

double mean(std::span<const double> values);                // 0 when empty
double standard_deviation(std::span<const double> values);  // n − 1; 0 for fewer than two
double quantile(std::vector<double> values, double q);      // linear between order statistics

void to_json(nlohmann::json& j, const Interval& x);  // [low, high]
void from_json(const nlohmann::json& j, Interval& x);
void to_json(nlohmann::json& j, const Figure& x);    // {"value": v, "interval": [low, high]}
void from_json(const nlohmann::json& j, Figure& x);
void to_json(nlohmann::json& j, const PairedDifference& x);  // {"difference": d, "interval": [low, high], "p": p}
void from_json(const nlohmann::json& j, PairedDifference& x);

}  // namespace foil::eval
