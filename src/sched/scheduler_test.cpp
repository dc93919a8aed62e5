#include "sched/scheduler.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace foil::sched {

TEST(BlockPool, CountsAndRefuses) {
  BlockPool pool(2);
  const BlockId a = *pool.alloc(), b = *pool.alloc();
  EXPECT_NE(a, b);
  EXPECT_FALSE(pool.alloc());
  pool.share(a);
  pool.release(a);
  EXPECT_FALSE(pool.alloc());
  pool.release(a);
  EXPECT_EQ(*pool.alloc(), a);
  pool.release(b);
  EXPECT_THROW(pool.release(b), std::logic_error);
  EXPECT_THROW(pool.share(b), std::logic_error);
}

TEST(Scheduler, SharesFullPromptBlocksAndCopiesTheLast) {
  Scheduler s({.blocks = 20, .block_tokens = 4, .max_sequences = 8});
  s.add({.prompt_tokens = 10, .samples = 2, .max_tokens = 5}, "a");
  const auto plan = s.plan();
  ASSERT_EQ(plan.prefills.size(), 1u);
  ASSERT_EQ(plan.prefills[0].blocks.size(), 3u);
  std::vector<int32_t> started;
  const auto copies = s.start(0, started);
  EXPECT_EQ(started, (std::vector<int32_t>{0, 1}));
  ASSERT_EQ(copies.size(), 2u);
  ASSERT_EQ(s.running().size(), 2u);
  EXPECT_EQ(s.running()[0].blocks[0], s.running()[1].blocks[0]);
  EXPECT_NE(s.running()[0].blocks[2], s.running()[1].blocks[2]);
  EXPECT_EQ(copies[0].from, plan.prefills[0].blocks[2]);
  s.finish(0);
  s.finish(0);
  EXPECT_TRUE(s.idle());
  EXPECT_EQ(s.pool().free_blocks(), 20);
}

TEST(Scheduler, RefusesWhatCanNeverFit) {
  Scheduler s({.blocks = 4, .block_tokens = 4});
  try {
    s.add({.prompt_tokens = 10, .samples = 1, .max_tokens = 20}, "gsm8k/7");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), "gsm8k/7");
    EXPECT_EQ(e.hint(), "raise kv_memory_mb, or lower max_tokens");
  }
}

// Random workloads: every sample runs once, no block is in two private places, none is lost, progress never stops.
TEST(Scheduler, RandomWorkloadsKeepTheInvariants) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Stream random(seed, "scheduler");
    const int64_t block_tokens = random.between(1, 8);
    Scheduler s({.blocks = random.between(12, 60), .block_tokens = block_tokens, .max_sequences = random.between(1, 6), .prefill_tokens = random.between(1, 30)});
    std::map<std::pair<int32_t, int32_t>, int64_t> left;
    std::vector<GroupRequest> requests;
    for (int g = 0; g < 12; ++g) {
      const GroupRequest r{random.between(1, 2 * block_tokens + 2), random.between(1, 5), random.between(1, 2 * block_tokens)};
      requests.push_back(r);
      const int32_t id = s.add(r, "x");
      for (int32_t i = 0; i < r.samples; ++i) left[{id, i}] = r.max_tokens;
    }
    std::set<std::pair<int32_t, int32_t>> ran;
    for (int step = 0; !s.idle(); ++step) {
      ASSERT_LT(step, 10000);
      s.plan();
      for (const int32_t g : s.groups_with_waiting_samples()) {
        std::vector<int32_t> started;
        s.start(g, started);
        for (const int32_t i : started) ASSERT_TRUE(ran.insert({g, i}).second);
      }
      ASSERT_FALSE(s.running().empty());
      std::map<BlockId, int> users;
      for (auto& run : s.running()) {
        const auto& r = requests[size_t(run.group)];
        ASSERT_LE(run.context + 1, int64_t(run.blocks.size()) * block_tokens + (r.max_tokens == 0));
        for (size_t b = size_t(r.prompt_tokens / block_tokens); b < run.blocks.size(); ++b) ASSERT_EQ(++users[run.blocks[b]], 1);
      }
      for (size_t i = s.running().size(); i-- > 0;) {
        auto& run = s.running()[i];
        ++run.context;
        if (--left[{run.group, run.sample}] == 0) s.finish(i);
      }
    }
    EXPECT_EQ(ran.size(), left.size());
    EXPECT_EQ(s.pool().free_blocks(), s.pool().blocks());
  }
}

}  // namespace foil::sched
