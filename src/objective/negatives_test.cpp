#include "objective/negatives.h"

#include <gtest/gtest.h>

namespace foil::objective {
namespace {

TEST(Negatives, InformativenessOfAPolicyThatHasNotMoved) {
  const auto i = informativeness(at::zeros({5, 4}));
  for (int k = 1; k <= 4; ++k) EXPECT_DOUBLE_EQ(i[size_t(k - 1)], double(k) / (k + 1));
}

TEST(Negatives, HandWorked) {
  // One example, z = (ln 2, ln 4): the chosen among one: 1/(1 + 1/2) = 2/3; among two: 1/(1 + 1/2 + 1/4) = 4/7.
  const auto i = informativeness(at::log(at::tensor({2.0, 4.0})).unsqueeze(0));
  EXPECT_NEAR(i[0], 1.0 / 3, 1e-12);
  EXPECT_NEAR(i[1], 3.0 / 7, 1e-12);
  // p = 0.95, q = 0.9: R(1) = 0.855, R(2) = 0.7695.
  const auto v = effectiveness(i, {0.95, 0.9});
  EXPECT_NEAR(v[0], 0.71 / 3, 1e-12);
  EXPECT_NEAR(v[1], 0.539 * 3 / 7, 1e-12);
}

TEST(Negatives, OptimalNumberFallsAsNoiseRises) {
  const auto i = informativeness(at::zeros({1, 16}));
  int before = 17;
  std::vector<int> found;
  for (const double q : {1.0, 0.99, 0.97, 0.94, 0.9, 0.8, 0.6}) {
    found.push_back(optimal_negatives(i, {1, q}));
    EXPECT_LE(found.back(), before);
    before = found.back();
  }
  EXPECT_EQ(found.front(), 16);
  EXPECT_EQ(found.back(), 1);
  EXPECT_GT(found[1], found[4]);
  EXPECT_LE(optimal_negatives(i, {0.8, 0.97}), optimal_negatives(i, {1, 0.97}));
  EXPECT_EQ(optimal_negatives(i, {0.4, 1}), 1);  // nothing can be learnt: the fewest
}

TEST(Negatives, AModelThatKnowsTheFirstNegativeWantsMore) {
  // Weak negatives first: told apart already; the third is not.
  const auto easy = informativeness(at::tensor({6.0, 6.0, 0.0}).unsqueeze(0)), even = informativeness(at::zeros({1, 3}));
  const LabelReliability labels{1, 0.9};
  EXPECT_EQ(optimal_negatives(easy, labels), 3);
  EXPECT_LT(optimal_negatives(even, labels), 3);
}

}  // namespace
}  // namespace foil::objective
