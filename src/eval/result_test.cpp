#include "eval/result.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/compare.h"

namespace foil::eval {
namespace {

Problem problem(const std::string& id, const std::string& level = "") {
  Problem p{id, "?", "1", {}, {}, {}, {}};
  if (!level.empty()) p.level = level;
  return p;
}

// "r" right, "w" wrong with its own answer, digits: wrong with that answer, "-" unreadable.
std::vector<Sample> samples(const std::string& id, const std::string& outcomes) {
  std::vector<Sample> out;
  for (const char c : outcomes) {
    Sample s;
    s.problem_id = id;
    s.sample_id = int64_t(out.size());
    s.token_ids = {1, 2, 3};
    if (c != '-') {
      s.correct = c == 'r';
      s.answer = c == 'r' ? "1" : std::string(1, c) + "00";
    } else {
      s.finish_reason = Finish::kLength;
    }
    out.push_back(s);
  }
  return out;
}

std::vector<Sample> join(std::initializer_list<std::vector<Sample>> parts) {
  std::vector<Sample> out;
  for (const auto& p : parts) out.insert(out.end(), p.begin(), p.end());
  return out;
}

}  // namespace

TEST(Majority, CountsClassesNotTexts) {
  EXPECT_EQ(majority_right(std::vector<int>{0, 0, 1}, {true, true, false}), 1);
  EXPECT_EQ(majority_right(std::vector<int>{0, 1, 1}, {true, false, false}), 0);
  EXPECT_EQ(majority_right(std::vector<int>{0, 1}, {true, false}), 0.5);        // a tie is a coin toss
  EXPECT_EQ(majority_right(std::vector<int>{-1, -1, 0}, {false, false, true}), 1);  // the unreadable do not vote
  EXPECT_EQ(majority_right(std::vector<int>{-1, -1}, {false, false}), 0);
}

TEST(Evaluate, FiguresByHand) {
  const std::vector<Problem> problems = {problem("a", "easy"), problem("b", "easy"), problem("c", "hard")};
  auto all = join({samples("a", "rrrr"), samples("b", "r22-"), samples("c", "2345")});
  std::reverse(all.begin(), all.end());  // order of the file does not matter
  const auto r = evaluate("test", problems, all, {.runs = 4});
  EXPECT_EQ(r.problems, 3);
  EXPECT_EQ(r.samples_per_problem, 4);
  EXPECT_NEAR(r.accuracy.value, (1 + 0.25 + 0) / 3, 1e-15);
  EXPECT_NEAR(r.pass_at.at(1).value, r.accuracy.value, 1e-15);
  EXPECT_NEAR(r.pass_at.at(2).value, (1 + 0.5 + 0) / 3, 1e-15);
  EXPECT_NEAR(r.pass_at.at(4).value, 2.0 / 3, 1e-15);
  EXPECT_EQ(r.pass_at.count(8), 0u);
  EXPECT_NEAR(r.majority_at.at(4).value, 1.0 / 3, 1e-15);  // b: 2 votes for 200 against 1
  EXPECT_NEAR(r.majority_at.at(2).value, (1 + (0.5 + 0) / 2) / 3, 1e-15);  // b: blocks {1, 200} tied, {200, –} wrong
  ASSERT_EQ(r.run_accuracy.size(), 4u);
  EXPECT_NEAR(r.run_accuracy[0], 2.0 / 3, 1e-15);
  EXPECT_NEAR(r.run_accuracy[1], 1.0 / 3, 1e-15);
  EXPECT_NEAR(r.run_deviation, 1.0 / 6, 1e-12);
  EXPECT_EQ(r.uncertain, std::vector<std::string>{"b"});
  EXPECT_NEAR(r.by_level.at("easy").value, 0.625, 1e-15);
  EXPECT_EQ(r.by_level.at("hard").value, 0);
  EXPECT_NEAR(r.unreadable_share, 1.0 / 12, 1e-15);
  EXPECT_NEAR(r.cut_share, 1.0 / 12, 1e-15);
  EXPECT_EQ(r.mean_tokens, 3);
  EXPECT_EQ(r.outcomes[1].id, "b");
  EXPECT_EQ(r.outcomes[1].right, 1);
}

TEST(Evaluate, SeveralSamplesARunAreJudgedByTheirMajority) {
  const std::vector<Problem> problems = {problem("a")};
  const auto r = evaluate("s", problems, samples("a", "rr2r22"), {.runs = 2});
  EXPECT_NEAR(r.run_accuracy[0], 2.0 / 3, 1e-15);
  EXPECT_NEAR(r.run_accuracy[1], 1.0 / 3, 1e-15);
  EXPECT_EQ(r.uncertain.size(), 1u);
}

TEST(Evaluate, SaysWhichProblemIsMissing) {
  const std::vector<Problem> problems = {problem("a"), problem("b")};
  try {
    evaluate("hard", problems, samples("a", "r"));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "the problem \"b\" has no sample");
    EXPECT_EQ(e.where(), "hard");
  }
  EXPECT_THROW(evaluate("hard", problems, join({samples("a", "r"), samples("b", "r"), samples("x", "r")})), Error);
}

TEST(Evaluate, JsonKeepsEverything) {
  const std::vector<Problem> problems = {problem("a", "1"), problem("b", "2")};
  EvalResult e;
  e.policy = "rl";
  e.model = "models/rl";
  e.sampling = {{"temperature", 1.0}};
  e.splits.push_back(evaluate("test", problems, join({samples("a", "rr23"), samples("b", "-r22")}), {.runs = 2}));
  finish(e);
  const nlohmann::json j = e;
  EXPECT_EQ(nlohmann::json(j.get<EvalResult>()), j);
  EXPECT_EQ(j.at("splits")[0].at("pass_at").at("2").at("value"), e.splits[0].pass_at.at(2).value);
  EXPECT_EQ(e.average.value, e.splits[0].accuracy.value);
}

TEST(Compare, FlipsAndDifferencesByHand) {
  const std::vector<Problem> problems = {problem("a"), problem("b"), problem("c"), problem("d")};
  EvalResult before{.policy = "rl"}, after{.policy = "dpo"};
  before.splits.push_back(evaluate("s", problems, join({samples("a", "rr"), samples("b", "rr"), samples("c", "22"), samples("d", "r2")})));
  after.splits.push_back(evaluate("s", problems, join({samples("a", "rr"), samples("b", "22"), samples("c", "rr"), samples("d", "rr")})));
  const auto c = compare(before, after);
  ASSERT_EQ(c.splits.size(), 1u);
  EXPECT_NEAR(c.splits[0].accuracy.difference, 0.125, 1e-15);
  EXPECT_EQ(c.splits[0].flips.negative, 0.25);
  EXPECT_EQ(c.splits[0].flips.flipped, std::vector<std::string>{"b"});
  EXPECT_EQ(c.splits[0].flips.positive, 0.5);           // c, and d: a tied vote is not solved
  EXPECT_EQ(c.splits[0].flips.expected_negative, 0.25); // b alone: 1·1
  EXPECT_EQ(c.splits[0].flips.noise, 0.0625);           // d: ½·½
  EXPECT_EQ(c.negative_flips, 0.25);
  EXPECT_TRUE(within_flip_limit(c, 0.25));
  EXPECT_FALSE(within_flip_limit(c, 0.2));
  EXPECT_EQ(compare(before, before).negative_flips, 0);
}

TEST(Compare, DifferentProblemsAreRefused) {
  EvalResult before{.policy = "rl"}, after{.policy = "dpo"};
  before.splits.push_back(evaluate("s", std::vector<Problem>{problem("a")}, samples("a", "r")));
  after.splits.push_back(evaluate("s", std::vector<Problem>{problem("b")}, samples("b", "r")));
  EXPECT_THROW(compare(before, after), Error);
}

}  // namespace foil::eval
