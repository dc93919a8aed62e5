// Pairs whose truth is known by construction: agreement must be complete.
#include "verify/rewrite.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/random.h"
#include "verify/verify.h"

namespace foil::verify::rewriting {
namespace {

struct Tally {
  size_t pairs = 0, same = 0, false_accepts = 0, false_rejects = 0, unreadable = 0, shown = 0;
  std::set<std::string> rules;
};

std::string joined(const Pair& p) {
  std::string out;
  for (const char* r : p.rules) out += std::string(out.empty() ? "" : ", ") + r;
  return out;
}

void check_pair(const std::string& answer, bool want_same, Stream& random, Tally& t) {
  const Below below = [&](uint64_t n) { return random.below(n); };
  const Pair p = make_pair(answer, want_same, below);
  ++t.pairs;
  t.same += p.same;
  for (const char* r : p.rules) t.rules.insert(r);
  const Verdict v = check(p.gold, p.text);
  if (const auto found = extract(p.text)) {
    Options exact;
    exact.round_to_gold = false;
    const Reading a = parse_gold(p.gold, exact), b = parse(found->text, exact);
    const Verdict there = equal(a, b, exact), back = equal(b, a, exact);
    if (there.rule != "base" && back.rule != "base") {
      EXPECT_EQ(there.outcome, back.outcome) << "not symmetric: " << p.gold << "  |  " << found->text << "\n  " << there.rule << ", " << back.rule;
    }
  }
  if (v.correct() == p.same && v.outcome != Outcome::kUnreadable) return;
  (v.outcome == Outcome::kUnreadable ? t.unreadable : p.same ? t.false_rejects : t.false_accepts) += 1;
  if (++t.shown > 60) return;
  ADD_FAILURE() << (p.same ? "SAME: " : "DIFFERENT: ") << p.gold << "  |  " << p.text << "\n  from " << answer << " by " << joined(p) << "\n  " << to_string(v.outcome) << ", " << v.rule
                << ": " << v.gold_read << "  |  " << v.answer_read << "  " << v.note;
}

void expect_complete(const Tally& t) {
  EXPECT_EQ(t.false_accepts, 0u);
  EXPECT_EQ(t.false_rejects, 0u);
  EXPECT_EQ(t.unreadable, 0u);
  std::set<std::string> equal, near;
  for (const std::string& r : t.rules) (r.rfind("≠", 0) == 0 ? near : equal).insert(r);
  EXPECT_GE(equal.size(), 60u);
  EXPECT_GE(near.size(), 20u);
  ::testing::Test::RecordProperty("pairs", static_cast<int>(t.pairs));
  ::testing::Test::RecordProperty("rules", static_cast<int>(t.rules.size()));
}

TEST(Rewrite, SeedAnswers) {
  Tally t;
  for (uint64_t round = 0; round < 20; ++round)
    for (size_t i = 0; i < seed_answers().size(); ++i)
      for (const bool same : {true, false}) {
        Stream random(round, hash64(seed_answers()[i]) + same);
        check_pair(seed_answers()[i], same, random, t);
      }
  expect_complete(t);
  EXPECT_GT(t.same, t.pairs / 2);
  EXPECT_LT(t.same, t.pairs * 3 / 4);
}

// Every answer of the problem sets, once the same and once another.
TEST(Rewrite, ProblemSets) {
  const char* folder = std::getenv("FOIL_DATA_DIR");
  if (!folder) GTEST_SKIP() << "FOIL_DATA_DIR is not set";
  Tally t;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jsonl") continue;
    std::ifstream in(entry.path());
    std::string line;
    for (uint64_t row = 0; std::getline(in, line); ++row) {
      const std::string answer = nlohmann::json::parse(line)["answer"];
      for (const bool same : {true, false}) {
        Stream random(hash64(entry.path().filename().string()), 2 * row + same);
        check_pair(answer, same, random, t);
      }
    }
  }
  std::printf("%zu pairs, %zu the same; %zu rules\n", t.pairs, t.same, t.rules.size());
  EXPECT_GE(t.pairs, 20'000u);
  expect_complete(t);
}

}  // namespace
}  // namespace foil::verify::rewriting
