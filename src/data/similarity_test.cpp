#include "data/similarity.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"

namespace foil {

// Slow twin: the whole table.
static double plain_similarity(const std::string& a, const std::string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j)
      d[i][j] = i == 0 ? int(j) : j == 0 ? int(i) : std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
  return std::max(a.size(), b.size()) ? 1 - d[a.size()][b.size()] / double(std::max(a.size(), b.size())) : 1;
}

TEST(EditSimilarity, EqualsThePlainTableAboveTheFloor) {
  Stream random(1, "edit");
  for (int i = 0; i < 3000; ++i) {
    std::string a, b;
    for (uint64_t n = random.below(14); n-- > 0;) a += char('a' + random.below(3));
    b = a;
    for (uint64_t n = random.below(5); n-- > 0;) b.insert(b.begin() + long(random.below(b.size() + 1)), char('a' + random.below(3)));
    if (random.chance(0.3) && !b.empty()) b.erase(b.begin() + long(random.below(b.size())));
    const double plain = plain_similarity(a, b);
    for (const double floor : {0.0, 0.5, 0.8}) {
      const double ours = edit_similarity(a, b, floor);
      if (plain >= floor)
        ASSERT_DOUBLE_EQ(ours, plain) << a << " " << b << " " << floor;
      else
        ASSERT_LT(ours, floor + 1e-12) << a << " " << b << " " << floor;
    }
  }
}

TEST(MinHash, EstimatesJaccard) {
  std::string a, b;
  for (int i = 0; i < 300; ++i) a += fmt::format("w{} ", i), b += fmt::format("w{} ", i < 150 ? i : i + 1000);
  EXPECT_EQ(jaccard(min_hash(a), min_hash(a)), 1);
  EXPECT_NEAR(jaccard(min_hash(a), min_hash(b)), 1 / 3.0, 0.16);
}

TEST(NearDuplicates, FindsWhatTheFullScanFinds) {
  Stream random(2, "near");
  std::vector<MinHash> hashes;
  NearDuplicates index(0.7);
  int found = 0, missed = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text;
    for (int w = 0; w < 60; ++w) text += fmt::format("w{} ", int(random.below(40)) == 0 ? random.below(1000) : uint64_t(w + 100 * (i % 20)));
    const MinHash hash = min_hash(text);
    double best = 0;
    for (const auto& h : hashes) best = std::max(best, jaccard(h, hash));
    const auto match = index.find(hash);
    if (match) {
      EXPECT_EQ(match->similarity, jaccard(hashes[match->id], hash));
    }
    (match ? found : missed) += best >= 0.7;
    EXPECT_FALSE(match && best < 0.7);
    hashes.push_back(hash), index.add(hash);
  }
  EXPECT_GT(found, 50);
  EXPECT_LE(missed, found / 100 + 1);
}

TEST(Loop, IsSeen) {
  std::string once = "a b c d e f g h i", loop;
  for (int i = 0; i < 3; ++i) loop += "he has two red apples and buys one ";
  EXPECT_FALSE(has_loop(once));
  EXPECT_TRUE(has_loop(loop));
}

}  // namespace foil
