#include "base/error.h"

#include <gtest/gtest.h>

namespace foil {

TEST(Shortened, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(shortened("seven", 5), "seven");
  EXPECT_EQ(shortened("seven", 4), "seve…");
  EXPECT_EQ(shortened("3 ≤ x", 3), "3 …");  // "≤" is three bytes, of which one would fit
  EXPECT_EQ(shortened("3 ≤ x", 5), "3 ≤…");
  EXPECT_EQ(shortened("≤", 2), "…");
}

TEST(Nearest, NamesTheLikelyWordOrNone) {
  EXPECT_EQ(nearest("optimzer", {"objective", "optimizer"}), "optimizer");
  EXPECT_EQ(nearest("temperature", {"top_k", "seed"}), "");
}

TEST(CheckedSizes, OverflowIsAnErrorThatNamesThePlace) {
  EXPECT_EQ(checked_multiply(3, 4, "x"), 12u);
  EXPECT_THROW(checked_multiply(SIZE_MAX, 2, "model.gguf: tensor a"), Error);
  EXPECT_THROW(checked_add(SIZE_MAX, 1, "model.gguf: tensor a"), Error);
}

}  // namespace foil
