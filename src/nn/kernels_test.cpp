#include "nn/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace foil::nn {

// Rows of scores begin wherever the row before ends: the same bits wherever that is, and the sum that f64 gives.
TEST(Kernels, SoftmaxRowDoesNotDependOnWhereItLies) {
  for (const int64_t n : {1, 5, 31, 32, 100, 517}) {
    std::vector<float> scores(static_cast<size_t>(n)), first;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) scores[size_t(i)] = 9 * std::sin(float(i * i)), sum += std::exp(0.3 * double(scores[size_t(i)]));
    float first_lse = 0;
    for (size_t offset = 0; offset < 16; ++offset) {
      std::vector<float> buffer(offset + scores.size() + 16, 7.0f);
      std::copy(scores.begin(), scores.end(), buffer.begin() + ptrdiff_t(offset));
      const float lse = kernels::softmax_row(buffer.data() + offset, n, 0.3f, true);
      const std::vector<float> row(buffer.begin() + ptrdiff_t(offset), buffer.begin() + ptrdiff_t(offset + scores.size()));
      if (offset == 0) {
        first = row, first_lse = lse;
        EXPECT_NEAR(lse, std::log(sum), 1e-5) << n;
        for (int64_t i = 0; i < n; ++i) EXPECT_NEAR(row[size_t(i)], std::exp(0.3 * double(scores[size_t(i)])) / sum, 1e-6) << n;
      }
      EXPECT_EQ(std::memcmp(row.data(), first.data(), sizeof(float) * row.size()), 0) << n << " at " << offset;
      EXPECT_EQ(lse, first_lse) << n << " at " << offset;
      std::fill_n(buffer.begin() + ptrdiff_t(offset), scores.size(), 7.0f);
      EXPECT_EQ(std::count(buffer.begin(), buffer.end(), 7.0f), ptrdiff_t(buffer.size())) << "written outside, " << n << " at " << offset;
    }
  }
}

}  // namespace foil::nn
