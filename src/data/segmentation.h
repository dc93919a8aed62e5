// Cutting a worked solution into steps, for step values and step rewards. A step never splits a formula.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/record.h"

namespace foil {

enum class StepRule { kSentence, kLine, kParagraph, kNumbered };
inline constexpr std::pair<StepRule, const char*> kStepRuleNames[] = {
    {StepRule::kSentence, "sentence"},      // ends at ". ", "! ", "? " or a line break
    {StepRule::kLine, "line"},              // ends at a line break
    {StepRule::kParagraph, "paragraph"},    // ends at a blank line
    {StepRule::kNumbered, "numbered"}};     // begins at "1." , "2)" , "Step 3" at the start of a line; one step where there is none
inline auto& enum_names(StepRule) { return kStepRuleNames; }

// Steps in order, each [begin, end) with the blanks behind it, together covering the text from its first visible character; the marks
// of a final answer ("#### 17") are a step of their own under the sentence rule. A boundary inside $…$, $$…$$, \(…\), \[…\],
// \begin…\end or \boxed{…} does not count, unless the formula is never closed. Empty text: no steps.
std::vector<Step> segment(std::string_view text, StepRule rule);

}  // namespace foil
