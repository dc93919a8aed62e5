#include "dist/ranks.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"

namespace foil::dist {
namespace {

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET, a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
  socklen_t n = sizeof a;
  getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
  close(fd);
  return ntohs(a.sin_port);
}

// Starts this binary again as rank `rank` of `size`, running the test `name`. Returns its process id.
pid_t spawn(const std::string& name, int rank, int size, int port) {
  const pid_t child = fork();
  if (child != 0) return child;
  setenv("RANK", std::to_string(rank).c_str(), 1);
  setenv("WORLD_SIZE", std::to_string(size).c_str(), 1);
  setenv("LOCAL_RANK", std::to_string(rank).c_str(), 1);
  setenv("MASTER_ADDR", "127.0.0.1", 1);
  setenv("MASTER_PORT", std::to_string(port).c_str(), 1);
  setenv("FOIL_TEST_CHILD", "1", 1);
  execl("/proc/self/exe", "dist_test", ("--gtest_filter=" + name).c_str(), "--gtest_brief=1", nullptr);
  _exit(127);
}

int exit_code(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void run_as(const std::string& name, int size) {
  const int port = free_port();
  std::vector<pid_t> children;
  for (int r = 0; r < size; ++r) children.push_back(spawn(name, r, size, port));
  for (int r = 0; r < size; ++r) EXPECT_EQ(exit_code(children[size_t(r)]), 0) << "rank " << r;
}

#define CHILD_ONLY() \
  if (!std::getenv("FOIL_TEST_CHILD")) GTEST_SKIP() << "runs inside the processes that the parent test starts"

TEST(RanksChild, Collectives) {
  CHILD_ONLY();
  Ranks ranks(place_from_environment(), {.timeout_s = 60});
  const double mine = ranks.rank() + 1;
  std::vector<at::Tensor> tensors{at::full({3, 2}, mine), at::full({5}, mine * 10), at::full({2}, mine, at::kDouble)};
  ranks.sum(tensors, "tensors");
  EXPECT_TRUE(at::equal(tensors[0], at::full({3, 2}, 6.0)));
  EXPECT_TRUE(at::equal(tensors[1], at::full({5}, 60.0)));
  EXPECT_TRUE(at::equal(tensors[2], at::full({2}, 6.0, at::kDouble)));
  EXPECT_EQ(ranks.sum(0.5, "numbers"), 1.5);
  EXPECT_TRUE(ranks.any(ranks.rank() == 2, "flags"));
  EXPECT_FALSE(ranks.any(false, "flags"));
  EXPECT_THAT(ranks.gather(std::string(size_t(ranks.rank() * 3), 'x') + std::to_string(ranks.rank()), "texts"), testing::ElementsAre("0", "xxx1", "xxxxxx2"));
  ranks.meet("the end");
}

TEST(RanksChild, OneComesLate) {
  CHILD_ONLY();
  const Place place = place_from_environment();
  Ranks ranks(place, {.timeout_s = 1.5});
  ranks.meet("step 1");
  if (ranks.rank() == 1) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    return;
  }
  try {
    ranks.meet("step 2");
    FAIL() << "nobody came, and nobody was missed";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::MatchesRegex("rank 0 of 2 waited in vain at \"step 2\"; rank 1 was last seen [0-9]+ s ago at \"step 1\""));
  }
}

TEST(RanksChild, OneNeverComes) {
  CHILD_ONLY();
  Place place = place_from_environment();
  place.size = 2;
  try {
    Ranks ranks(place, {.timeout_s = 2});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::StartsWith("rank 0 of 2 waited in vain at \"the start\"; rank 1 never came"));
  }
}

TEST(RanksTest, SumsAndTextsOfThreeProcesses) { run_as("RanksChild.Collectives", 3); }
TEST(RanksTest, ALateRankIsNamed) { run_as("RanksChild.OneComesLate", 2); }
TEST(RanksTest, AMissingRankIsNamed) { run_as("RanksChild.OneNeverComes", 1); }

Place from(std::map<std::string, std::string> environment) {
  return place_from([&](const char* name) { return environment[name]; });
}

TEST(PlaceTest, LaunchersAreRecognised) {
  const Place one = from({});
  EXPECT_EQ(one.size, 1);
  const Place t = from({{"RANK", "3"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "1234"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}, {"TORCHELASTIC_RESTART_COUNT", "2"}});
  EXPECT_EQ(t.rank, 3);
  EXPECT_EQ(t.size, 8);
  EXPECT_EQ(t.local_rank, 1);
  EXPECT_EQ(t.address, "h");
  EXPECT_EQ(t.port, 1234);
  EXPECT_TRUE(t.store_exists);
  EXPECT_EQ(t.restart, 2);
  const Place s = from({{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "0"}, {"SLURM_STEP_NODELIST", "gpu[03-05,9],login"}, {"SLURM_JOB_ID", "41007"}});
  EXPECT_EQ(s.launcher, "slurm");
  EXPECT_EQ(s.address, "gpu03");
  EXPECT_EQ(s.port, 29507);
  EXPECT_EQ(from({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_STEP_NODELIST", "a,b"}}).address, "a");
  EXPECT_EQ(from({{"SLURM_NTASKS", "4"}}).size, 1);
  const Place m = from({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}});
  EXPECT_EQ(m.rank, 1);
  EXPECT_EQ(m.address, "127.0.0.1");
}

TEST(PlaceTest, HalfAnEnvironmentIsRefused) {
  const auto error = [](std::map<std::string, std::string> environment) {
    try {
      from(std::move(environment));
    } catch (const UsageError& e) {
      return e.message();
    }
    return std::string("no error");
  };
  EXPECT_EQ(error({{"WORLD_SIZE", "2"}}), "WORLD_SIZE is set and RANK is not");
  EXPECT_EQ(error({{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}}), "rank 2 of 2 processes");
  EXPECT_EQ(error({{"RANK", "x"}, {"WORLD_SIZE", "2"}}), "RANK: expected a number from 0, found \"x\"");
  EXPECT_EQ(error({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), "WORLD_SIZE is set and MASTER_ADDR is not");
}

}  // namespace
}  // namespace foil::dist
