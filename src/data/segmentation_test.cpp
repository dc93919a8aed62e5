#include "data/segmentation.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/perturb.h"
#include "data/similarity.h"
#include "data/worked_steps.h"

namespace foil {

static std::vector<std::string> cut(std::string_view text, StepRule rule) {
  std::vector<std::string> out;
  for (const auto& s : segment(text, rule)) {
    std::string step(text.substr(size_t(s.begin), size_t(s.end - s.begin)));
    while (!step.empty() && (step.back() == ' ' || step.back() == '\n')) step.pop_back();
    out.push_back(step);
  }
  return out;
}
using Steps = std::vector<std::string>;

TEST(Segment, Sentences) {
  EXPECT_EQ(cut("Tom starts with 12 stamps. He buys 5 more: 12 + 5 = 17. #### 17", StepRule::kSentence), (Steps{"Tom starts with 12 stamps.", "He buys 5 more: 12 + 5 = 17.", "#### 17"}));
  EXPECT_EQ(cut("It costs 1.5 dollars, e.g. half of 3. So!\nDone", StepRule::kSentence), (Steps{"It costs 1.5 dollars, e.g. half of 3.", "So!", "Done"}));
  EXPECT_EQ(cut("1. First add. 2 + 2 = 4\n2. Then stop.", StepRule::kSentence), (Steps{"1. First add.", "2 + 2 = 4", "2. Then stop."}));
}

TEST(Segment, FormulasAreNeverSplit) {
  EXPECT_EQ(cut("We have $x = 1. y = 2$ here. Then \\[a.\nb\\] follows. End", StepRule::kSentence), (Steps{"We have $x = 1. y = 2$ here.", "Then \\[a.\nb\\] follows.", "End"}));
  EXPECT_EQ(cut("She pays $5. He pays $6. Sum", StepRule::kSentence), (Steps{"She pays $5.", "He pays $6.", "Sum"}));  // money
  EXPECT_EQ(cut("\\begin{align}\na\n\nb\n\\end{align}\n\nSo", StepRule::kParagraph), (Steps{"\\begin{align}\na\n\nb\n\\end{align}", "So"}));
}

TEST(Segment, LinesParagraphsNumbers) {
  const std::string text = "Plan.\nStep 1: add.\nmore\n\nStep 2: stop.\n";
  EXPECT_EQ(cut(text, StepRule::kLine), (Steps{"Plan.", "Step 1: add.", "more", "Step 2: stop."}));
  EXPECT_EQ(cut(text, StepRule::kParagraph), (Steps{"Plan.\nStep 1: add.\nmore", "Step 2: stop."}));
  EXPECT_EQ(cut(text, StepRule::kNumbered), (Steps{"Plan.", "Step 1: add.\nmore", "Step 2: stop."}));
  EXPECT_TRUE(segment(" \n", StepRule::kLine).empty());
}

// What a model may write: nothing crashes, steps cover the text in order, and a megabyte is no trouble.
TEST(Segment, AnyBytes) {
  static const std::vector<std::string> kBits = {"12", "5.", ". ", "\n", "\n\n", "$", "\\[", "\\]", "\\boxed{", "}", "+", " = ", "17", "#### ", "x", "\xff", "\xe2\x88\x92", "1,000", "Step ", " - ", "/0", "\\begin{", "\\end{", std::string(1, '\0')};
  Stream random(7, "bytes");
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (uint64_t n = random.below(40); n-- > 0;) text += random.pick(kBits);
    for (const auto& [rule, name] : kStepRuleNames) {
      int64_t at = -1;
      for (const auto& s : segment(text, rule)) {
        if (at >= 0) {
          EXPECT_EQ(s.begin, at) << name;
        }
        EXPECT_LT(s.begin, s.end);
        at = s.end;
      }
      EXPECT_TRUE(at == -1 || at == int64_t(text.size()));
    }
    for (const auto& e : read_steps(text).equations) EXPECT_EQ(e.operands.size(), e.operators.size() + 1);
    has_loop(text), min_hash(text);
    for (const auto& [kind, name] : kPerturbationNames) perturb({"p", text, "17"}, text, kind, random);
  }
  std::string large, open;
  while (large.size() < 1'000'000) large += "12 + 5 = 17. ", open += "$a \\[ \\begin{x} \\boxed{ b. ";
  EXPECT_EQ(read_steps(large).equations.size(), (large.size()) / 13);
  EXPECT_EQ(segment(large, StepRule::kSentence).size(), large.size() / 13);
  EXPECT_FALSE(segment(open, StepRule::kSentence).empty());
}

}  // namespace foil
