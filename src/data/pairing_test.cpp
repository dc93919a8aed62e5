#include "data/pairing.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace foil {

static Sample sample(const std::string& problem, int id, const std::string& text, std::optional<bool> correct, double reward = 0) {
  Sample s;
  s.problem_id = problem, s.sample_id = id, s.source = "x", s.text = text, s.correct = correct, s.reward = reward;
  return s;
}

static const std::vector<Problem> kProblems = {{"p", "How many?", "4", "Two and two: 4"}, {"q", "How far?", "9", "Three threes: 9"}};
static std::string prompt(const Problem& p) { return "Q: " + p.problem; }

TEST(MakePairs, MatchesLengthsAndPrefersPlausibleNegatives) {
  const ProblemIndex index(kProblems);
  const std::vector<Sample> samples = {sample("p", 0, "the answer is four, that is 4", true), sample("p", 1, "4", true), sample("p", 2, "5", false, 0.2),
                                       sample("p", 3, "the answer is five, so it is 5", false, 0.9), sample("p", 4, "no idea", std::nullopt)};
  const auto r = make_pairs(index, samples, samples, {}, prompt);
  ASSERT_EQ(r.pairs.size(), 1u);
  EXPECT_EQ(r.pairs[0].prompt, "Q: How many?");
  EXPECT_EQ(r.pairs[0].rejected, "the answer is five, so it is 5");
  EXPECT_EQ(r.pairs[0].chosen, "the answer is four, that is 4");
  EXPECT_EQ(r.pairs[0].provenance.at("rejected"), "x#3");
  EXPECT_EQ(r.candidates, 5);
  EXPECT_EQ(r.kept, 2);
  EXPECT_EQ(r.dropped, (std::map<std::string, int64_t>{{"no readable answer", 1}, {"right answer", 2}}));
  PairOptions more;
  more.negatives_per_pair = 2;
  EXPECT_EQ(make_pairs(index, samples, samples, more, prompt).pairs[0].more_rejected, std::vector<std::string>{"5"});
  more.negatives_per_pair = 1, more.pairs_per_problem = 2;
  const auto two = make_pairs(index, samples, samples, more, prompt);
  ASSERT_EQ(two.pairs.size(), 2u);
  EXPECT_EQ(two.pairs[1].chosen, "4");
}

TEST(MakePairs, DropsCopiesAndNearDuplicates) {
  const ProblemIndex index(kProblems);
  const std::string text = "First there are two of them and then there come another two of them so that in the end the number of them is ";
  const std::vector<Sample> samples = {sample("p", 0, text + "4", true), sample("p", 1, text + "5", false), sample("p", 2, "quite another way to 6", false),
                                       sample("p", 3, "quite another way to 6", false)};
  const auto r = make_pairs(index, samples, samples, {}, prompt);
  EXPECT_EQ(r.dropped.at("copy of a right answer"), 1);
  EXPECT_EQ(r.dropped.at("near duplicate"), 1);
  EXPECT_EQ(r.kept, 1);
}

TEST(MakePairs, ReferenceSolutionsOnlyWhenAsked) {
  const ProblemIndex index(kProblems);
  const std::vector<Sample> samples = {sample("q", 0, "Three threes: 6", false)};
  const auto without = make_pairs(index, samples, samples, {}, prompt);
  EXPECT_EQ(without.problems_without_chosen, 1);
  try {
    require_pairs(without, "plausible");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "no pairs: 1 candidates, 1 left after the filters; 1 problems without a right answer, 0 without a negative");
  }
  PairOptions options;
  options.reference_solutions = true;
  const auto with = make_pairs(index, samples, samples, options, prompt);
  ASSERT_EQ(with.pairs.size(), 1u);
  EXPECT_EQ(with.pairs[0].chosen, "Three threes: 9");
}

TEST(Equalise, KeepsSharedProblems) {
  auto pairs = [](std::vector<std::string> ids) {
    std::vector<Pair> out;
    for (const auto& id : ids) out.emplace_back().problem_id = id;
    return out;
  };
  auto a = pairs({"1", "2", "3", "4"}), b = pairs({"9", "4", "2"});
  equalise(a, b);
  EXPECT_EQ(a.size(), 3u);
  EXPECT_EQ(a[0].problem_id, "2");
  EXPECT_EQ(a[1].problem_id, "4");
  EXPECT_EQ(b[0].problem_id, "4");
  EXPECT_EQ(b[1].problem_id, "2");
  // As many of each problem as both have, before second helpings.
  a = pairs({"1", "1", "1", "2"}), b = pairs({"1", "2", "3"});
  equalise(a, b);
  std::string ids;
  for (const auto& p : a) ids += p.problem_id;
  EXPECT_EQ(ids, "121");
}

TEST(MakePairs, MarginBandStyleAndLoops) {
  const ProblemIndex index(kProblems);
  std::vector<Sample> right = {sample("p", 0, "the answer is four, that is 4", true)};
  right[0].scores["reward_model"] = 3;
  std::string loop;
  for (int i = 0; i < 3; ++i) loop += "one and one and then one more of them ";
  std::vector<Sample> wrong = {sample("p", 1, "the answer is five, so it is 5", false), sample("p", 2, "the answer is six I believe 6", false),
                               sample("p", 3, "it must be seven for me 7", false), sample("p", 4, loop + "8", false), sample("p", 5, "surely it is nine 9", false)};
  const double scores[] = {2.5, -4, 1, 2, 2};
  for (size_t i = 0; i < wrong.size(); ++i) wrong[i].scores["reward_model"] = scores[i];
  for (auto& s : wrong) s.scores["shallow"] = 0.5;
  wrong[4].scores["shallow"] = 0.95;
  PairOptions options;
  options.pairs_per_problem = 9, options.max_length_ratio = 10;
  options.filter.min_margin = 0.5, options.filter.max_margin = 3, options.filter.max_shallow = 0.9;
  const auto r = make_pairs(index, right, wrong, options, prompt);
  ASSERT_EQ(r.pairs.size(), 2u);
  EXPECT_EQ(r.pairs[0].provenance.at("rejected"), "x#1");
  EXPECT_EQ(r.pairs[1].provenance.at("rejected"), "x#3");
  EXPECT_EQ(r.dropped, (std::map<std::string, int64_t>{{"known by its style", 1}, {"loop", 1}, {"margin", 1}}));
  EXPECT_EQ(r.kept, 2);
  wrong[0].scores.erase("shallow");
  try {
    make_pairs(index, right, wrong, options, prompt);
    ADD_FAILURE() << "a ceiling without scores does nothing";
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "sample 1 of problem p has no score \"shallow\"");
  }
  options.filter.max_shallow = 0.4;
  EXPECT_THROW(options.filter.validate("x"), UsageError);
  options.filter.max_shallow.reset();
  options.filter.min_margin = 5, options.filter.max_margin = 1;
  EXPECT_THROW(options.filter.validate("x"), UsageError);
}

}  // namespace foil
