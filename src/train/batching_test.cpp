#include "train/batching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace foil::train {
namespace {

TEST(Batching, EveryEpochIsAnotherShuffleOfAllRecords) {
  RecordOrder order(50, 7);
  const auto first = order.at(0, 50), second = order.at(50, 100);
  EXPECT_NE(first, second);
  EXPECT_EQ(std::set<int64_t>(first.begin(), first.end()).size(), 50u);
  EXPECT_EQ(std::set<int64_t>(second.begin(), second.end()).size(), 50u);
  std::vector<double> rank(50);
  for (size_t i = 0; i < rank.size(); ++i) rank[i] = double(i % 5);
  RecordOrder ranked(50, 7, rank);
  const auto easy = ranked.at(0, 50), later = ranked.at(50, 100);
  EXPECT_TRUE(std::is_sorted(easy.begin(), easy.end(), [](int64_t a, int64_t b) { return a % 5 < b % 5; }));
  EXPECT_EQ(std::set<int64_t>(easy.begin(), easy.end()).size(), 50u);
  EXPECT_NE(easy, later);
  RecordOrder half(50, 7, rank, 75);  // the second epoch is cut: some of every rank, still in order
  const auto whole = half.at(0, 50), cut = half.at(50, 75);
  EXPECT_EQ(whole, easy);
  EXPECT_TRUE(std::is_sorted(cut.begin(), cut.end(), [](int64_t a, int64_t b) { return a % 5 < b % 5; }));
  EXPECT_GT(std::count_if(cut.begin(), cut.end(), [](int64_t a) { return a % 5 > 2; }), 3);
  RecordOrder resumed(50, 7);
  const auto middle = resumed.at(45, 55);
  EXPECT_TRUE(std::equal(first.begin() + 45, first.end(), middle.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.begin() + 5, middle.begin() + 5));
  EXPECT_NE(RecordOrder(50, 8).at(0, 50), first);
}

TEST(Batching, UpdateCountFromEpochsAndSteps) {
  BatchOptions o;
  o.batch_size = 8;
  EXPECT_EQ(update_count(o, 64), 8);
  EXPECT_EQ(update_count(o, 65), 9);
  EXPECT_EQ(update_count(o, 3), 1);
  o.max_steps = 5;
  EXPECT_EQ(update_count(o, 64), 5);
  o.epochs = 0.25, o.max_steps = 0;
  EXPECT_EQ(update_count(o, 64), 2);
}

TEST(Batching, MicroBatchesStayWithinTheBudget) {
  const std::vector<int64_t> records{5, 3, 9, 2, 2};
  const auto cut = micro_batches(records, [](int64_t r) { return r; }, 8);
  EXPECT_THAT(cut, testing::ElementsAre(testing::ElementsAre(5, 3), testing::ElementsAre(9), testing::ElementsAre(2, 2)));
}

TEST(Batching, RowsPredictTheCompletionTokens) {
  CompletionPacker packer;
  const int32_t p = packer.prompt({10, 11, 12});
  packer.completion(p, {20, 21});
  packer.completion(p, {30});
  const int32_t q = packer.prompt({13});
  packer.completion(q, {40, 41, 42});
  const CompletionBatch b = packer.build();
  EXPECT_EQ(b.packed.tokens.size(0), 3 + 2 + 1 + 1 + 3);
  EXPECT_TRUE(at::equal(b.rows, at::tensor({2, 3, 2, 6, 7, 8}, at::kLong)));
  EXPECT_TRUE(at::equal(b.targets, at::tensor({20, 21, 30, 40, 41, 42}, at::kLong)));
  EXPECT_TRUE(at::equal(b.last_rows, at::tensor({4, 5, 9}, at::kLong)));
  EXPECT_TRUE(at::equal(b.sequence, at::tensor({0, 0, 1, 2, 2, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(b.lengths, at::tensor({2.0f, 1.0f, 3.0f})));
  EXPECT_EQ(b.packed.segments[2].prefix, 0);
  EXPECT_EQ(b.packed.segments[4].prefix, 3);
}

}  // namespace
}  // namespace foil::train
