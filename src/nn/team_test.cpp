#include "nn/team.h"

#include <gtest/gtest.h>

#include <vector>

namespace foil::nn {

// Every phase sees what all jobs of the phase before wrote, on whichever thread; each job runs once.
TEST(Team, PhasesAreSeparatedAndEveryJobRunsOnce) {
  constexpr int64_t kJobs = 37, kPhases = 400;
  std::vector<int64_t> a(kJobs, 0), b(kJobs, 0);
  std::atomic<int64_t> ran{0};
  Team::run([&](Team& team) {
    for (int64_t phase = 0; phase < kPhases; ++phase) {
      auto &from = phase % 2 ? a : b, &to = phase % 2 ? b : a;
      team.share(kJobs, [&](int64_t i) {
        to[size_t(i)] = from[size_t((i + 1) % kJobs)] + 1;
        ran.fetch_add(1);
      });
    }
  });
  EXPECT_EQ(ran.load(), kJobs * kPhases);
  for (const int64_t x : b) EXPECT_EQ(x, kPhases);
}

TEST(Team, WorksInsideAParallelRegionAndAlone) {
  std::atomic<int64_t> sum{0};
  auto work = [&](bool alone) {
    Team::run([&](Team& team) {
      team.share(10, [&](int64_t i) { sum += i; });
      team.share(0, [&](int64_t) { sum += 1000; });
    }, alone);
  };
  at::parallel_for(0, 8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(false);
  });
  work(true);
  EXPECT_EQ(sum.load(), 9 * 45);
}

}  // namespace foil::nn
