#include "objective/packed.h"

#include "objective/statistics.h"
#include "objective/testing.h"

namespace foil::objective {

TEST(Packed, SumsMeansAndPlaces) {
  const at::Tensor x = doubles({1, 2, 4, 8, 16}), s = longs({0, 0, 2, 2, 2});
  expect_close(sequence_sum(x, s, 3), doubles({3, 0, 28}), 0, 0, "sum");
  expect_close(sequence_mean(x, s, 3), doubles({1.5, 0, 28.0 / 3}), 1e-15, 0, "mean");
  expect_close(sequence_length(s, 3), doubles({2, 0, 3}), 0, 0, "length");
  const at::Tensor mask = bools({true, false, true, true, false});
  expect_close(sequence_mean(x, s, 3, mask), doubles({1, 0, 6}), 0, 0, "masked mean");
  expect_close(position_in_sequence(longs({1, 0, 1, 1, 0}), 2), doubles({0, 0, 1, 2, 1}), 0, 0, "interleaved sequences");
}

TEST(Packed, AMaskedTokenMayBeNotANumber) {
  const at::Tensor x = leaf(doubles({1, NAN, 3}));
  const at::Tensor sum = sequence_sum(x, longs({0, 0, 0}), 1, bools({true, false, true}));
  EXPECT_EQ(sum.item<double>(), 4);
  expect_close(gradient(sum.sum(), x), doubles({1, 0, 1}), 0, 0, "gradient");
}

TEST(Statistics, MergeEqualsOneBatch) {
  Statistics whole, a, b;
  const at::Tensor x = doubles({1, 5, -2, 4});
  const auto fill = [](Statistics& s, const at::Tensor& v) {
    s.mean("mean", v);
    s.mean("positive mean", v, v.gt(0));
    s.minimum("min", v);
    s.maximum("max", v);
    s.sum("sum", v);
  };
  fill(whole, x);
  fill(a, x.slice(0, 0, 1));
  fill(b, x.slice(0, 1, 4));
  Statistics ranks = a;
  ranks.merge_flat(b.flat());
  a.merge(b);
  const std::map<std::string, double> expected = {{"mean", 2}, {"positive mean", 10.0 / 3}, {"min", -2}, {"max", 5}, {"sum", 8}};
  EXPECT_EQ(whole.values(), expected);
  EXPECT_EQ(a.values(), expected);
  EXPECT_EQ(ranks.values(), expected);
}

TEST(Statistics, AFigureOverNothingIsLeftOut) {
  Statistics s;
  s.mean("none", doubles({1, 2}), bools({false, false}));
  s.minimum("least", doubles({1, 2}), bools({false, false}));
  EXPECT_TRUE(s.values().empty());
}

}  // namespace foil::objective
