#include "io/tfevents.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace foil::io {
namespace {

TEST(TfEvents, ChecksumIsCastagnolis) { EXPECT_EQ(crc32c("123456789"), 0xe3069283u); }

TEST(TfEvents, FileEqualsTensorboardsOwn) {
  std::string golden = read_file("tests/golden/io/tfevents.hex"), expected;
  for (size_t i = 0; i + 1 < golden.size(); i += 2) expected += char(std::stoi(golden.substr(i, 2), nullptr, 16));
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("foil_tfevents_{}", getpid());
  {
    EventWriter writer(folder, 1700000000.25);
    writer.scalar(1700000000.25, 0, "sft/loss", 3.5);
    writer.scalar(1700000001.25, 1, "sft/loss", 0.125);
    writer.scalar(1700000300.25, 300, "rl/reward/über", -1e-3);
    writer.flush();
    EXPECT_EQ(read_file(folder / "events.out.tfevents.foil"), expected);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace foil::io
