// Replays labelled cases: tests/golden/verify/*.jsonl. A case that foil decides otherwise carries its verdict and the reason.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "verify/verify.h"

namespace foil::verify {
namespace {

TEST(VerifyGolden, LabelledCases) {
  int cases = 0, agree = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/verify")) {
    if (entry.path().extension() != ".jsonl") continue;
    std::ifstream in(entry.path());
    std::string line;
    while (std::getline(in, line)) {
      const auto j = nlohmann::json::parse(line);
      const Verdict v = check(j["gold"].get<std::string>(), j["pred"].get<std::string>());
      ++cases;
      if (v.correct() == j["expected"].get<bool>()) {
        ++agree;
        EXPECT_FALSE(j.contains("reason")) << "agrees by now: " << line.substr(0, 200);
        continue;
      }
      ASSERT_TRUE(j.contains("reason")) << line.substr(0, 300) << "\n  read: " << v.gold_read << " | " << v.answer_read << " | " << v.note;
      EXPECT_EQ(to_string(v.outcome), j["verdict"].get<std::string>());
    }
  }
  EXPECT_GE(cases, 270);
  EXPECT_GE(agree * 100, cases * 95);
}

// verdict(a, b) = verdict(b, a), but for the rules that must know which side is the gold: rounding (off here) and a missing base.
TEST(VerifyGolden, Symmetric) {
  Options options;
  options.round_to_gold = false;
  int pairs = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/verify")) {
    if (entry.path().extension() != ".jsonl") continue;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      const auto j = nlohmann::json::parse(line);
      const auto found = extract(j["pred"].get<std::string>());
      const Reading a = parse_gold(j["gold"].get<std::string>(), options), b = parse(found ? found->text : "", options);
      const Verdict there = equal(a, b, options), back = equal(b, a, options);
      ++pairs;
      if (there.rule == "base" || back.rule == "base") continue;
      EXPECT_EQ(there.outcome, back.outcome) << line.substr(0, 300) << "\n  " << there.rule << ", " << back.rule;
    }
  }
  EXPECT_GE(pairs, 270);
}

// Every gold answer of the real problem sets is readable and equal to itself; its written solution leads to it.
TEST(VerifyGolden, ProblemSets) {
  const char* folder = std::getenv("FOIL_DATA_DIR");
  const std::filesystem::path data = folder ? folder : "../shared/data";
  if (!std::filesystem::exists(data / "math500.jsonl")) GTEST_SKIP() << "no problem sets at " << data;
  int rows = 0, solutions = 0, led = 0;
  for (const char* name : {"gsm8k_test", "math500", "minerva_math", "olympiadbench", "aime24", "aime25", "amc23", "hmmt25", "olymmath_en"}) {
    std::ifstream in(data / (std::string(name) + ".jsonl"));
    std::string line;
    while (std::getline(in, line)) {
      const auto j = nlohmann::json::parse(line);
      const std::string answer = j["answer"];
      const Reading r = parse_gold(answer);
      ++rows;
      EXPECT_TRUE(r.readable()) << name << ": " << answer << ": " << r.problem();
      EXPECT_EQ(check(r, "\\boxed{" + answer + "}").outcome, Outcome::kCorrect) << name << ": " << answer;
      if ((std::string(name) == "gsm8k_test" || std::string(name) == "math500") && j.contains("solution")) {
        ++solutions;
        led += check(r, j["solution"].get<std::string>()).correct();
      }
    }
  }
  EXPECT_GE(rows, 3000);
  EXPECT_EQ(led, solutions);
}

}  // namespace
}  // namespace foil::verify
