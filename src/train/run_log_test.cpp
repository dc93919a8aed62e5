#include "train/run_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "io/tfevents.h"
#include "train/test_support.h"

namespace foil::train {
namespace {
using namespace testing_support;

std::string steps_of(const std::filesystem::path& file, const std::string& stage) {
  std::stringstream text(read_file(file));
  std::string out;
  for (std::string line; std::getline(text, line);) {
    const auto j = nlohmann::json::parse(line);
    if (j.at("stage") == stage) out += fmt::format("{}:{}={} ", j.at("step").get<int>(), j.at("name").get<std::string>(), j.at("value").get<double>());
  }
  return out;
}

TEST(RunLogTest, AKilledStagesLaterLinesGoAndOtherStagesStay) {
  Scratch dir("log");
  const auto file = dir.path / "metrics.jsonl";
  {
    RunLog a(file, "sft"), b(file, "rl");
    a.resume_at(0);
    for (int step = 1; step <= 3; ++step) a.write(step, {{"loss", 4.0 - step}, {"nan", NAN}});
    b.resume_at(0);
    for (int step = 1; step <= 4; ++step) b.write(step, {{"reward", step * 0.25}});
  }
  write_file(file, read_file(file) + R"({"time":1,"stage":"rl","st)");  // torn by a kill
  RunLog b(file, "rl");
  b.resume_at(2);
  b.write(3, {{"reward", 9}});
  EXPECT_EQ(steps_of(file, "sft"), "1:loss=3 2:loss=2 3:loss=1 ");
  EXPECT_EQ(steps_of(file, "rl"), "1:reward=0.25 2:reward=0.5 3:reward=9 ");
  const std::string events = read_file(dir.path / "tensorboard/rl/events.out.tfevents.foil");
  size_t scalars = 0;
  for (size_t at = events.find("rl/reward"); at != std::string::npos; at = events.find("rl/reward", at + 1)) ++scalars;
  EXPECT_EQ(scalars, 3u);
}

}  // namespace
}  // namespace foil::train
