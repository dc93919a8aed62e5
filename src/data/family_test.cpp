#include "data/family.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace foil {

TEST(Family, RendersAProgram) {
  const Program p = {"Tom", "Anna", "apples", false, 12, {{Operation::kAdd, 5, 0}, {Operation::kSubtract, 3, 0}, {Operation::kDivide, 2, 0}}};
  const Problem x = render(p, "a");
  EXPECT_EQ(x.problem, "Tom has 12 apples. He buys 5 more. He gives 3 to Anna. He puts them into 2 equal boxes and keeps one box. How many apples does Tom have now?");
  EXPECT_EQ(*x.solution, "Tom starts with 12 apples. He gets 5 more: 12 + 5 = 17. 3 go away: 17 - 3 = 14. One of 2 parts stays: 14 / 2 = 7. #### 7");
  EXPECT_EQ(x.answer, "7");
  EXPECT_EQ(Json(program_of(x)), Json(p));
}

TEST(Family, TrainAndEvaluationAreDisjointDeterministicAndInRange) {
  FamilyOptions options;
  options.train_problems = 3000;
  const auto train = family_train(options, 1);
  EXPECT_EQ(Json(train), Json(family_train(options, 1)));
  EXPECT_NE(Json(train), Json(family_train(options, 2)));
  std::set<std::string> texts;
  std::map<std::string, int> subjects;
  for (const auto& p : train) texts.insert(p.problem), ++subjects[*p.subject];
  EXPECT_EQ(texts.size(), train.size());
  EXPECT_NEAR(subjects["longer"], 180, 45);
  for (const auto& split : family_splits()) {
    const auto eval = family_eval(options, 1, split);
    EXPECT_EQ(int64_t(eval.size()), options.eval_problems);
    for (const auto& p : eval) {
      EXPECT_FALSE(texts.count(p.problem)) << p.problem;
      EXPECT_EQ(program_of(p).answer(), std::stoi(p.answer));
      EXPECT_TRUE(p.solution->ends_with("#### " + p.answer));
    }
  }
}

TEST(Family, SplitsAreWhatTheirNamesSay) {
  Stream stream(3, "test");
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(make_program("longer", stream).steps.size(), 4u);
    EXPECT_GE(make_program("distractor", stream).distractor, 2);
    EXPECT_GE(int(make_program("order", stream).steps.front().operation), int(Operation::kMultiply));
    EXPECT_TRUE(make_program("paraphrase", stream).paraphrase);
    const auto usual = make_program("steps3", stream);
    for (size_t s = 0; s + 1 < usual.steps.size(); ++s) EXPECT_LE(int(usual.steps[s].operation), int(Operation::kSubtract));
  }
}

TEST(Family, ViewsKeepTheStoryAndChangeTheNumbers) {
  Stream stream(3, "views");
  int changed = 0;
  for (int i = 0; i < 100; ++i) {
    const Program p = make_program("steps3", stream), q = another_view(p, stream);
    ASSERT_EQ(p.steps.size(), q.steps.size());
    for (size_t s = 0; s < p.steps.size(); ++s) {
      EXPECT_EQ(p.steps[s].operation, q.steps[s].operation);
      EXPECT_EQ(p.steps[s].wording, q.steps[s].wording);
    }
    changed += p.answer() != q.answer();
  }
  EXPECT_GT(changed, 80);
}

TEST(Family, RefusesAnUnknownSplit) {
  EXPECT_THROW(family_eval({}, 1, "step2"), UsageError);
  FamilyOptions options;
  options.share_longer = 0.9;
  EXPECT_THROW(options.validate("x"), UsageError);
}

}  // namespace foil
