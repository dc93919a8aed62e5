#include "data/family.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "data/family_scenes.h"
#include "text/word_tokenizer.h"

namespace foil {

TEST(Family, RendersAProgram) {
  const Program p = {0, "Tom", "Anna", "stamps", false, 12, {{Operation::kAdd, 5, 0}, {Operation::kSubtract, 3, 0}, {Operation::kDivide, 2, 0}}};
  const Problem x = render(p, "a");
  EXPECT_EQ(x.problem, "Tom has 12 stamps. He buys 5 more. He gives 3 to Anna. He puts them into 2 equal boxes and keeps one box. How many stamps does Tom have now?");
  EXPECT_EQ(*x.solution, "Tom starts with 12 stamps. He buys 5 more: 12 + 5 = 17. He gives 3 to Anna: 17 - 3 = 14. One of 2 boxes: 14 / 2 = 7. #### 7");
  EXPECT_EQ(x.answer, "7");
  EXPECT_EQ(Json(program_of(x)), Json(p));
}

// "She" only where the sentence before was about her; a comparison brings its own question.
TEST(Family, NamesThePersonWhereAPronounWouldMislead) {
  Program p = {0, "Anna", "Tom", "coins", true, 20, {{Operation::kAdd, 4, 2}, {Operation::kSubtract, 6, 2}, {Operation::kSubtract, 8, 3}}};
  p.distractor = 9, p.distractor_at = 2, p.distractor_object = "shells";
  EXPECT_EQ(render(p, "").problem, "Anna has 20 coins. Tom gives her 4 more. Anna sells 6. Tom has 9 shells. Tom has 8 coins. How many more coins does Anna have than Tom?");
  EXPECT_EQ(*render(p, "").solution, "Anna starts with 20 coins. Tom gives her 4 more: 20 + 4 = 24. Anna sells 6: 24 - 6 = 18. Tom has 8: 18 - 8 = 10. #### 10");
}

TEST(Family, SolutionsOfOtherStepsStayCoherentOrAreRefused) {
  const Program p = {0, "Tom", "Anna", "stamps", false, 12, {{Operation::kAdd, 5, 0}, {Operation::kDivide, 3, 0}}, false};
  const Program q = {0, "Tom", "Anna", "stamps", false, 12, {{Operation::kAdd, 6, 0}, {Operation::kDivide, 3, 0}}, false};
  EXPECT_EQ(*render_solution(q, q.steps), "Tom starts with 12 stamps. He buys 6 more: 12 + 6 = 18. One of 3 boxes: 18 / 3 = 6. #### 6");
  EXPECT_EQ(render_solution(p, p.steps), std::nullopt);  // 17 / 3 leaves a rest
  EXPECT_EQ(render_solution(q, {{Operation::kSubtract, 13, 0}}), std::nullopt);
  EXPECT_EQ(*render_solution(q, {{Operation::kSubtract, 6, 1}}), "Tom starts with 12 stamps. He loses 6: 12 - 6 = 6. #### 6");
}

TEST(Family, TheVocabularyIsClosed) {
  const auto tokenizer = text::word_tokenizer({}, family_vocabulary());
  EXPECT_LT(family_vocabulary().size(), 500u);
  size_t longest_prompt = 0, longest_solution = 0;
  for (const auto& text : family_corpus(5, 300)) {
    const auto ids = tokenizer.encode(text);
    for (const int32_t id : ids) ASSERT_TRUE(id >= 256 || std::ispunct(id)) << text << ": a word spelt in bytes";
    size_t& longest = text.find("####") == std::string::npos ? longest_prompt : longest_solution;
    longest = std::max(longest, ids.size());
    ASSERT_EQ(tokenizer.decode(ids), text);
  }
  EXPECT_LE(longest_prompt, 80u);
  EXPECT_LE(longest_solution, 90u);
}

TEST(Family, TrainAndEvaluationAreDisjointDeterministicAndInRange) {
  FamilyOptions options;
  options.train_problems = 3000;
  const auto train = family_train(options, 1);
  EXPECT_EQ(Json(train), Json(family_train(options, 1)));
  const auto other = family_train(options, 2);
  EXPECT_NE(Json(train), Json(other));
  std::set<std::string> texts;
  std::map<std::string, int> subjects;
  for (const auto& p : train) texts.insert(p.problem), ++subjects[*p.subject];
  EXPECT_EQ(texts.size(), train.size());
  for (const auto& p : other) texts.insert(p.problem);  // whatever the seed
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
    EXPECT_EQ(family_evaluation_side(render(p, "").problem), family_evaluation_side(render(q, "").problem));
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
