// The format gate: worked reasoning, then exactly one final answer in the recipe's form, nothing after it.
#pragma once
#include <string>
#include <utility>

#include "data/record.h"

namespace foil {

enum class AnswerForm { kHash, kBoxed, kTag, kAny };
inline constexpr std::pair<AnswerForm, const char*> kAnswerFormNames[] = {
    {AnswerForm::kHash, "hash"},    // #### 17 on the last line
    {AnswerForm::kBoxed, "boxed"},  // \boxed{17}; a closing sentence mark or $ may follow
    {AnswerForm::kTag, "tag"},      // <answer>17</answer>
    {AnswerForm::kAny, "any"}};     // any readable answer; only the other rules count
inline auto& enum_names(AnswerForm) { return kAnswerFormNames; }

struct FormatOptions {
  AnswerForm answer = AnswerForm::kHash;
  int64_t min_reasoning_characters = 10;  // before the answer
  template <class V>
  void visit(V& v) {
    v("answer", answer, "form of the final answer");
    v("min_reasoning_characters", min_reasoning_characters, "worked reasoning that must stand before the answer");
  }
};

// Why the sample breaks the format: "" (it keeps it), "not finished", "no answer in the form", "several answers", "text after the answer",
// "no reasoning", "a loop", "another script than the question's". Reads neither the gold answer nor the verdict.
std::string format_defect(const std::string& question, const Sample& sample, const FormatOptions& options);

}  // namespace foil
