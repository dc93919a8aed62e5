#include "eval/estimators.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace foil::eval {

TEST(PassAtK, ByHand) {
  EXPECT_DOUBLE_EQ(pass_at_k(4, 0, 2), 0);
  EXPECT_DOUBLE_EQ(pass_at_k(4, 4, 1), 1);
  EXPECT_DOUBLE_EQ(pass_at_k(4, 1, 1), 0.25);
  EXPECT_NEAR(pass_at_k(4, 1, 2), 0.5, 1e-15);            // 1 − C(3,2)/C(4,2) = 1 − 3/6
  EXPECT_NEAR(pass_at_k(5, 2, 3), 0.9, 1e-15);            // 1 − C(3,3)/C(5,3) = 1 − 1/10
  EXPECT_DOUBLE_EQ(pass_at_k(5, 3, 3), 1);                // fewer wrong ones than draws
  EXPECT_NEAR(pass_at_k(1000, 1, 256), 0.256, 1e-12);     // binomials of this size overflow a double
}

TEST(PassAtK, EqualsTheShareOverAllSubsets) {
  for (int n = 1; n <= 8; ++n)
    for (int c = 0; c <= n; ++c)
      for (int k = 1; k <= n; ++k) {
        int hit = 0, all = 0;
        for (int set = 0; set < 1 << n; ++set) {
          if (__builtin_popcount(unsigned(set)) != k) continue;
          ++all;
          hit += (set & ((1 << c) - 1)) != 0;
        }
        EXPECT_NEAR(pass_at_k(n, c, k), double(hit) / all, 1e-12) << n << ' ' << c << ' ' << k;
      }
}

TEST(Bootstrap, IntervalIsThatOfTheMean) {
  std::vector<double> x;
  Stream s(1, "values");
  for (int i = 0; i < 400; ++i) x.push_back(s.chance(0.3));
  const Figure f = bootstrap_mean(x, {.resamples = 4000, .seed = 5});
  const double se = standard_deviation(x) / std::sqrt(400.0);
  EXPECT_DOUBLE_EQ(f.value, mean(x));
  EXPECT_NEAR(f.interval.low, f.value - 1.96 * se, 0.2 * se);
  EXPECT_NEAR(f.interval.high, f.value + 1.96 * se, 0.2 * se);
}

TEST(Bootstrap, CoversTheTruthAsOftenAsItSays) {
  int covered = 0;
  for (uint64_t trial = 0; trial < 300; ++trial) {
    Stream s(trial, "coverage");
    std::vector<double> x;
    for (int i = 0; i < 80; ++i) x.push_back(s.chance(0.4));
    const auto f = bootstrap_mean(x, {.resamples = 400, .seed = trial});
    covered += f.interval.low <= 0.4 && 0.4 <= f.interval.high;
  }
  EXPECT_NEAR(covered / 300.0, 0.95, 0.04);
}

TEST(Bootstrap, SameSeedSameInterval) {
  const std::vector<double> x = {0, 0.253, 1, 0.997, 0.512, 0.771, 0.013, 0.9};
  const auto a = bootstrap_mean(x, {.seed = 3}), b = bootstrap_mean(x, {.seed = 3}), c = bootstrap_mean(x, {.seed = 4});
  EXPECT_EQ(a.interval.low, b.interval.low);
  EXPECT_EQ(a.interval.high, b.interval.high);
  EXPECT_TRUE(a.interval.low != c.interval.low || a.interval.high != c.interval.high);
}

TEST(Bootstrap, AllWrongIsNotCertainlyZero) {
  const Figure f = bootstrap_mean(std::vector<double>(20, 0.0));
  EXPECT_EQ(f.interval.low, 0);
  EXPECT_NEAR(f.interval.high, 1 - std::pow(0.025, 1 / 20.0), 1e-12);  // 0.168
  EXPECT_NEAR(bootstrap_mean(std::vector<double>(20, 1.0)).interval.low, std::pow(0.025, 1 / 20.0), 1e-12);
  const Figure none = bootstrap_mean({});
  EXPECT_EQ(none.interval.low, 0);
  EXPECT_EQ(none.interval.high, 1);
}

TEST(Bootstrap, GroupsCountEqually) {
  const auto f = bootstrap_grouped_mean({std::vector<double>(100, 1.0), {0, 0}}, {.resamples = 200});
  EXPECT_DOUBLE_EQ(f.value, 0.5);  // not 100/102
  EXPECT_DOUBLE_EQ(f.interval.low, 0.5);
}

TEST(Paired, PairingRemovesTheProblemsOwnDifficulty) {
  std::vector<double> a, b;
  Stream s(2, "paired");
  for (int i = 0; i < 200; ++i) {
    a.push_back(double(s.below(9)) / 8);
    b.push_back(std::min(1.0, a.back() + (i % 4 == 0 ? 0.125 : 0)));  // never worse
  }
  const auto d = paired_bootstrap(a, b, {.resamples = 2000, .seed = 1});
  EXPECT_NEAR(d.difference, mean(b) - mean(a), 1e-15);
  EXPECT_GT(d.interval.low, 0);
  EXPECT_LT(d.p, 0.005);
  const auto back = paired_bootstrap(b, a, {.resamples = 2000, .seed = 1});
  EXPECT_DOUBLE_EQ(back.difference, -d.difference);
  EXPECT_NEAR(back.interval.low, -d.interval.high, 1e-12);
  EXPECT_EQ(paired_bootstrap(a, a).p, 1);
}

TEST(Paired, NoDifferenceGivesUniformP) {
  int small = 0;
  for (uint64_t trial = 0; trial < 300; ++trial) {
    Stream s(trial, "null");
    std::vector<double> a, b;
    for (int i = 0; i < 60; ++i) a.push_back(s.chance(0.5)), b.push_back(s.chance(0.5));
    small += paired_bootstrap(a, b, {.resamples = 400, .seed = trial}).p < 0.1;
  }
  EXPECT_NEAR(small / 300.0, 0.1, 0.05);
}

TEST(Summary, QuantileAndDeviation) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({5}, 0.9), 5);
  EXPECT_DOUBLE_EQ(standard_deviation(std::vector<double>{2, 4, 6}), 2);
  EXPECT_EQ(standard_deviation(std::vector<double>{2}), 0);
}

}  // namespace foil::eval
