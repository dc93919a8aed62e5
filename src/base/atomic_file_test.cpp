#include "base/atomic_file.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace foil {
namespace fs = std::filesystem;

TEST(WriteFile, ReplacesInOneStepAndLeavesNothingAside) {
  const fs::path dir = fs::path(testing::TempDir()) / "atomic";
  fs::remove_all(dir);
  write_file(dir / "a.txt", "one");
  write_file(dir / "a.txt", "two");
  EXPECT_EQ(read_file(dir / "a.txt"), "two");
  EXPECT_THROW(write_file(dir / "a.txt", [](std::FILE*) { throw Error("stop"); }), Error);
  EXPECT_EQ(read_file(dir / "a.txt"), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir), {}), 1);
}

TEST(WriteFile, ADeviceIsWrittenToNotReplaced) {
  write_file("/dev/null", "nothing");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(WriteFile, FullDiskIsOneClearError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_TRUE(full);
  std::fclose(full);
  EXPECT_THROW(LineAppender("/dev/full").append(std::string(1 << 20, 'x')), Error);
}

TEST(LineAppender, CutsTheTornLastLine) {
  const fs::path path = fs::path(testing::TempDir()) / "lines.jsonl";
  write_file(path, "one\ntwo\nthr");
  {
    LineAppender lines(path);
    lines.append("three");
  }
  EXPECT_EQ(read_file(path), "one\ntwo\nthree\n");
}

}  // namespace foil
