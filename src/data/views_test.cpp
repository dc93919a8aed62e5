#include "data/views.h"

#include <gtest/gtest.h>

#include "data/family.h"
#include "data/verification.h"

namespace foil {
namespace {

TEST(Views, SurfaceMarksGo) {
  EXPECT_EQ(mask_surface("Sure! We **add**:\n\n## Plan\n1. First, 2 + 3 = 5.\n- Then 5  * 2 = 10.\nStep 3: done\n#### 10"), "We add:\nPlan\n2 + 3 = 5.\nThen 5 * 2 = 10.\ndone\n#### 10");
  EXPECT_EQ(mask_surface("1.5 stays, 3) stays"), "1.5 stays, 3) stays");
  EXPECT_EQ(mask_surface(""), "");
}

TEST(Views, FamilyProblemsAreTurnedIntoOthersWithTheirOwnRightAnswer) {
  Stream stream(3, "views");
  for (int i = 0; i < 50; ++i) {
    const Problem p = render(make_program("steps3", stream), "p");
    const std::string wrong(p.solution->size(), 'x');
    const auto view = positive_view(p, *p.solution, wrong, {}, stream);
    ASSERT_TRUE(view);
    EXPECT_NE(view->problem, p.problem);
    EXPECT_LE(std::abs(double(view->solution.size()) / double(wrong.size()) - 1), 0.5);
    const std::string answer = view->solution.substr(view->solution.find("#### ") + 5);
    const std::vector<Problem> other = {{"v", view->problem, answer}};
    EXPECT_NE(view->solution.find("= " + answer + "."), std::string::npos);  // the last result is the answer
  }
}

TEST(Views, OneNumberChangesInProblemAndSolution) {
  const Problem p{"g", "Tom has 12 stamps. He buys 5 more and gives 3 away. How many are left?", "14"};
  const std::string solution = "Tom has 12 stamps and buys 5: 12 + 5 = 17. He gives away 3: 17 - 3 = 14. #### 14";
  Stream stream(1, "views");
  int found = 0;
  for (int i = 0; i < 20; ++i) {
    const auto view = positive_view(p, solution, solution, {.tries = 1}, stream);
    if (!view || view->changes != std::vector<std::string>{"renumbered"}) continue;
    ++found;
    EXPECT_NE(view->problem, p.problem);
    // Recomputed by hand from the problem's own numbers.
    int a = 0, b = 0, c = 0, answer = 0;
    ASSERT_EQ(std::sscanf(view->problem.c_str(), "Tom has %d stamps. He buys %d more and gives %d away.", &a, &b, &c), 3) << view->problem;
    ASSERT_EQ(std::sscanf(view->solution.c_str() + view->solution.find("####"), "#### %d", &answer), 1);
    EXPECT_EQ(answer, a + b - c) << view->problem << "\n" << view->solution;
  }
  EXPECT_GT(found, 5);
}

TEST(Views, LengthIsMatchedOrThereIsNone) {
  const Problem p{"g", "A question", "1"};
  Stream stream(1, "views");
  EXPECT_FALSE(positive_view(p, "**It** is 1. #### 1", std::string(400, 'x'), {}, stream));
  const auto view = positive_view(p, "**It** is 1. #### 1", "It is 2. #### 2", {}, stream);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->solution, "It is 1. #### 1");
  EXPECT_EQ(view->changes, std::vector<std::string>{"masked"});
  EXPECT_FALSE(positive_view(p, "It is 1. #### 1", "It is 2. #### 2", {}, stream));  // nothing to change
}

}  // namespace
}  // namespace foil
