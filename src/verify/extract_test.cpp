#include <gtest/gtest.h>

#include "verify/verify.h"

namespace foil::verify {
namespace {

struct Case {
  const char *text, *answer, *rule;
};

TEST(Extract, FindsTheAnswerByTheStrongestSign) {
  const Case cases[] = {
      {"so \\boxed{42}.", "42", "boxed"},
      {"first \\boxed{1}. Wait. So \\boxed{2}.", "2", "boxed"},
      {"\\boxed{\\frac{1}{\\sqrt{2}}}", "\\frac{1}{\\sqrt{2}}", "boxed"},
      {"\\boxed{1} and \\boxed{2}", "1 ; 2", "boxed"},
      {"\\boxed{1/2} or \\boxed{0.5}", "1/2", "boxed"},
      {"\\boxed{28} percent", "28\\%", "boxed"},
      {"\\boxed 5.", "5", "boxed"},
      {"\\fbox{7}", "7", "boxed"},
      {"2+2 = 4\n#### 4", "4", "hash"},
      {"17 + 4 = 21 at first.\n#### ab + c", "ab + c", "hash"},
      {"#### 1\nno, rather\n#### 1,234", "1,234", "hash"},
      {"<answer> x = 3 </answer>", "x = 3", "tag"},
      {"<answer>\\boxed{9}</answer>", "9", "tag"},
      {"\\frac{3}{4}", "\\frac{3}{4}", "whole"},
      {"2 - \\sqrt{3}", "2 - \\sqrt{3}", "whole"},
      {"The answer is 2 - \\sqrt{3}.", "2 - \\sqrt{3}", "answer_is"},
      {"Answer: 12 apples", "12 apples", "answer_is"},
      {"**Final Answer:** $x^2$", "$x^2$", "answer_is"},
      {"The answer to the question is $5$.", "$5$", "answer_is"},
      {"Final Answer: The largest $n$ is 34.", "34", "answer_is"},
      {"The total is **84** eggs.", "84", "bold"},
      {"Hence we have \\(x = 7\\).", "x = 7", "last_formula"},
      {"Therefore $28$ percent of them remain there.", "28$ percent", "last_formula"},
      {"So she earns 9 * 2 = 18 every day.", "18 every day", "last_equation"},
      {"In the end there remain 36 of those blue marbles.", "36", "last_number"},
      {"She pays $260 + $260 = $520 for these.", "$520 for these", "last_equation"},
      {"The right option must be (B)", "(B)", "choice"},
      {"Friday", "Friday", "whole"},
      {"<think>\\boxed{1}</think> I say \\boxed{2}", "2", "boxed"},
      {"It is \\boxed{3}<|im_end|>\n<|im_start|>user\n\\boxed{4}", "3", "boxed"},
  };
  for (const Case& c : cases) {
    const auto e = extract(c.text);
    ASSERT_TRUE(e) << c.text;
    EXPECT_EQ(e->text, c.answer) << c.text;
    EXPECT_EQ(e->rule, c.rule) << c.text;
  }
}

TEST(Extract, OffsetsPointIntoTheText) {
  const std::string text = "<think>no \\boxed{1}</think> Thus \\boxed{ 25 } holds.";
  const auto e = extract(text);
  ASSERT_TRUE(e);
  EXPECT_EQ(text.substr(e->begin, e->end - e->begin), "25");
}

TEST(Extract, NothingToFind) {
  EXPECT_FALSE(extract(""));
  EXPECT_FALSE(extract(" \n\t"));
  EXPECT_FALSE(extract("<|im_end|>") && extract("<|im_end|>")->text.empty());
}

}  // namespace
}  // namespace foil::verify
