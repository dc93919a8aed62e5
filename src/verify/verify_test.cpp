#include "verify/verify.h"

#include <gtest/gtest.h>

namespace foil::verify {
namespace {

Outcome outcome(const char* gold, const char* text) { return check(gold, text).outcome; }

TEST(Verify, NumbersAreExact) {
  EXPECT_EQ(outcome("18", "#### 18"), Outcome::kCorrect);
  EXPECT_EQ(outcome("18", "#### 19"), Outcome::kWrong);
  EXPECT_EQ(outcome("3e-7", "4e-7"), Outcome::kWrong);
  EXPECT_EQ(outcome("\\frac{1}{1009!}", "\\frac{1}{1011!}"), Outcome::kWrong);
  EXPECT_EQ(outcome("2^{-90}", "2^{-89}"), Outcome::kWrong);
  EXPECT_EQ(outcome("3-1/e", "3+1/e"), Outcome::kWrong);
  EXPECT_EQ(outcome("e^{i\\pi}", "-1"), Outcome::kCorrect);
  EXPECT_EQ(outcome("212_3", "212_4"), Outcome::kWrong);
}

}  // namespace
}  // namespace foil::verify
