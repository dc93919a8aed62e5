#include "data/perturb.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "data/dataset.h"
#include "data/family.h"
#include "data/worked_steps.h"
#include "verify/verify.h"

namespace foil {

TEST(WorkedSteps, ReadsEquationsAndLinks) {
  const std::vector<double> given = {48, 2};
  const std::string text = "She sold 48/2 = 24 clips in May.\nShe sold 48 + 24 = 72 clips in all, for $1,200.50.\n#### 72";
  const auto w = read_steps(text, given);
  ASSERT_EQ(w.equations.size(), 2u);
  EXPECT_EQ(w.equations[0].operators, std::vector<char>{'/'});
  EXPECT_EQ(w.numbers[w.equations[1].operands[1]].repeats, 0);
  EXPECT_EQ(w.numbers[w.equations[1].operands[0]].repeats, -1);
  EXPECT_EQ(w.numbers.back().repeats, 1);
  EXPECT_EQ(w.numbers[w.numbers.size() - 2].value, 1200.5);
  EXPECT_EQ(w.sentences.size(), 3u);
  EXPECT_EQ(read_steps("2 + 3 = 6").equations.size(), 0u);                     // not what it gives
  EXPECT_EQ(read_steps("5 \\times 4 - 2 = $18").equations.size(), 1u);
  EXPECT_EQ(read_steps("(5 + 4) * 2 = 18").equations.size(), 0u);              // brackets
}

TEST(WorkedSteps, NumbersAreWrittenAsTheirPlaceAsks) {
  WrittenNumber like;
  EXPECT_EQ(write_number(1200, like), "1200");
  EXPECT_EQ(write_number(0.5, like), std::nullopt);
  like.commas = true, like.decimals = 2;
  EXPECT_EQ(write_number(1234567.5, like), "1,234,567.50");
  EXPECT_EQ(write_number(999, like), "999.00");
}

static const Problem kClips = {"c", "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May, and 6 in June. How many in all?", "78",
                               "Natalia sold 48/2 = <<48/2=24>>24 clips in May. Natalia sold 48+24 = <<48+24=72>>72 clips by then. With June it is 72 + 6 = 78.\n#### 78"};

static std::set<std::string> all(const Problem& p, Perturbation kind) {
  std::set<std::string> out;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Stream stream(seed, "test");
    if (const auto x = perturb(p, *p.solution, kind, stream)) {
      EXPECT_EQ(x->kind, kind);
      EXPECT_TRUE(x->text.ends_with(x->answer));
      EXPECT_EQ(verify::check(p.answer, x->text).outcome, verify::Outcome::kWrong) << x->text;
      out.insert(x->text);
    }
  }
  return out;
}

// Every consequence of the error is drawn: by hand.
TEST(Perturb, CarriesTheErrorToTheEnd) {
  EXPECT_TRUE(all(kClips, Perturbation::kResult).count(
      "Natalia sold 48/2 = 25 clips in May. Natalia sold 48+25 = 73 clips by then. With June it is 73 + 6 = 79.\n#### 79"));
  EXPECT_TRUE(all(kClips, Perturbation::kOperator).count(
      "Natalia sold 48/2 = 24 clips in May. Natalia sold 48-24 = 24 clips by then. With June it is 24 + 6 = 30.\n#### 30"));
  EXPECT_TRUE(all(kClips, Perturbation::kNumber).count(
      "Natalia sold 48/2 = 24 clips in May. Natalia sold 48+24 = 72 clips by then. With June it is 72 + 7 = 79.\n#### 79"));
  EXPECT_TRUE(all(kClips, Perturbation::kDrop).count("Natalia sold 48/2 = 24 clips in May. With June it is 24 + 6 = 30.\n#### 30"));
  EXPECT_TRUE(all(kClips, Perturbation::kUnit).empty());
}

TEST(Perturb, UnitsAndOrder) {
  const Problem hours = {"h", "A film of 2 hours is shown 3 times a day. How many minutes is that?", "360", "The film takes 2 * 60 = 120 minutes. In a day it is 120 * 3 = 360 minutes. #### 360"};
  EXPECT_TRUE(all(hours, Perturbation::kUnit).count("The film takes 2 * 100 = 200 minutes. In a day it is 200 * 3 = 600 minutes. #### 600"));
  EXPECT_TRUE(all(hours, Perturbation::kOrder).empty());  // products commute: no error
  const Problem order = {"o", "Tom has 12 stamps, buys 4, and keeps half.", "8", "He buys 4: 12 + 4 = 16. He keeps half: 16 / 2 = 8. #### 8"};
  EXPECT_EQ(all(order, Perturbation::kOrder), std::set<std::string>{"He keeps half: 12 / 2 = 6. He buys 4: 6 + 4 = 10. #### 10"});
}

TEST(Perturb, FamilyStepsAreToldAnew) {
  const Problem p = render({0, "Tom", "Anna", "stamps", false, 12, {{Operation::kAdd, 4, 0}, {Operation::kDivide, 2, 0}}}, "f");
  EXPECT_TRUE(all(p, Perturbation::kOperator).count("Tom starts with 12 stamps. He loses 4: 12 - 4 = 8. One of 2 boxes: 8 / 2 = 4. #### 4"));
  EXPECT_TRUE(all(p, Perturbation::kNumber).count("Tom starts with 12 stamps. He buys 2 more: 12 + 2 = 14. One of 2 boxes: 14 / 2 = 7. #### 7"));
}

TEST(Perturb, AllOfAFamilyIsWrongDistinctAndDeterministic) {
  FamilyOptions options;
  options.train_problems = 300;
  const auto problems = family_train(options, 4);
  PerturbOptions wanted;
  const auto result = perturb_all(problems, {}, wanted, 9), again = perturb_all(problems, {}, wanted, 9);
  EXPECT_EQ(Json(result.samples), Json(again.samples));
  EXPECT_GT(result.samples.size(), 1100u);
  for (const char* kind : {"number", "result", "operator", "drop", "order"}) EXPECT_GT(result.made.at(kind), 20) << kind;
  std::map<std::string, const Problem*> by_id;
  for (const auto& p : problems) by_id[p.id] = &p;
  for (const auto& s : result.samples) {
    EXPECT_EQ(verify::check(by_id.at(s.problem_id)->answer, s.text).outcome, verify::Outcome::kWrong);
    EXPECT_EQ(s.correct, false);
  }
}

// On GSM8K's own solutions: most admit an error, and every result is one.
TEST(Perturb, RealSolutions) {
  if (!std::filesystem::exists(data_folder() / "gsm8k_train.jsonl")) GTEST_SKIP() << "no gsm8k_train (set FOIL_DATA_DIR)";
  DatasetOptions source;
  source.source = "gsm8k_train", source.limit = 400;
  const auto problems = load_problems(source);
  const auto result = perturb_all(problems, {}, {}, 1);
  EXPECT_EQ(result.problems_without_solution, 0);
  EXPECT_LT(result.problems_without_error, 70);  // brackets, percentages, unknowns: not read
  for (const auto& s : result.samples) EXPECT_NE(s.text.find("####"), std::string::npos);
}

TEST(Perturb, WithoutSolutionsNothingIsMade) {
  const std::vector<Problem> problems = {{"a", "What?", "1"}};
  const auto result = perturb_all(problems, {}, {}, 1);
  EXPECT_EQ(result.problems_without_solution, 1);
  EXPECT_TRUE(result.samples.empty());
  PerturbOptions none;
  none.kinds.clear();
  EXPECT_THROW(perturb_all(problems, {}, none, 1), UsageError);
}

TEST(Flaws, NoFlawedSolutionGivesTheRightAnswerAndTheSharesHold) {
  auto problems = family_train({.train_problems = 3000}, 5);
  const auto before = problems;
  const auto counts = plant_flaws(problems, {.wrong = 0.3, .careless = 0.2}, 9);
  int64_t changed = 0, unfinished = 0, bare = 0, mismatched = 0;
  for (size_t i = 0; i < problems.size(); ++i) {
    if (problems[i].solution == before[i].solution) {
      EXPECT_TRUE(verify::check(problems[i].answer, *problems[i].solution).correct());
      continue;
    }
    ++changed;
    EXPECT_FALSE(verify::check(problems[i].answer, *problems[i].solution).correct()) << *problems[i].solution;
    const size_t end = problems[i].solution->rfind("####"), whole = before[i].solution->rfind("####");
    unfinished += end == std::string::npos, bare += end == 0;
    mismatched += end == whole && problems[i].solution->substr(0, end) == before[i].solution->substr(0, whole);
  }
  EXPECT_EQ(changed, counts.wrong + counts.careless);
  EXPECT_NEAR(double(counts.wrong) / 3000, 0.3, 0.03);
  EXPECT_NEAR(double(counts.careless) / 3000, 0.2, 0.03);
  for (const int64_t n : {unfinished, bare, mismatched}) EXPECT_GT(n, 100);
  EXPECT_EQ(unfinished + bare + mismatched, counts.careless);
  auto again = before;
  plant_flaws(again, {.wrong = 0.3, .careless = 0.2}, 9);
  EXPECT_EQ(again[7].solution, problems[7].solution);
  EXPECT_THROW(plant_flaws(again, {.wrong = 0.7, .careless = 0.5}, 9), UsageError);
}

// Boxed answers and sentences, too.
TEST(Flaws, OtherFormsOfAnswers) {
  std::set<std::string> seen;
  for (int i = 0; i < 40; ++i) {
    std::vector<Problem> one = {{fmt::format("p{}", i), "Tom has 3 apples and buys 4. How many?", "7", "He has 3 and buys 4. So 3 + 4 = 7. The answer is \\boxed{7}."}};
    if (plant_flaws(one, {.careless = 1}, 1).careless == 0) continue;
    EXPECT_FALSE(verify::check("7", *one[0].solution).correct()) << *one[0].solution;
    seen.insert(one[0].solution->find("boxed{") == std::string::npos ? "cut" : one[0].solution->starts_with("The answer") ? "bare" : "mismatch");
  }
  EXPECT_EQ(seen.size(), 3u);
}

}  // namespace foil
