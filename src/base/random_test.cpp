#include "base/random.h"

#include <gtest/gtest.h>

namespace foil {

TEST(Philox, KnownAnswers) {  // Random123's kat_vectors, philox4x32 10
  EXPECT_EQ(philox(0, 0, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(UINT64_MAX, UINT64_MAX, UINT64_MAX), (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Stream, SameKeySameNumbersWhateverTheOrder) {
  Stream a(7, "x"), b(7, "x");
  const double first = a.uniform(), second = a.uniform();
  EXPECT_EQ(first, b.uniform());
  EXPECT_EQ(second, Stream(7, hash64("x"), 2).uniform());
  EXPECT_NE(first, Stream(8, "x").uniform());
  EXPECT_NE(first, Stream(7, "y").uniform());
}

TEST(Stream, BelowIsUnbiasedAndInRange) {
  Stream s(1, "below");
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen[s.below(7)];
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
}

TEST(Stream, NormalHasUnitVariance) {
  Stream s(1, "normal");
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = s.normal();
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.04);
}

}  // namespace foil
