// The format gate: worked reasoning, then exactly one final answer in the recipe's form, nothing after it.
#pragma once
#include <string>
#include <utility>

#include "data/record.h"

namespace foil {

enum class AnswerForm { kHash, kBoxed, kTag, kRegex, kAny };
inline constexpr std::pair<AnswerForm, const char*> kAnswerFormNames[] = {
    {AnswerForm::kHash, "hash"},    // #### 17 on the last line
    {AnswerForm::kBoxed, "boxed"},  // \boxed{17}; a closing sentence mark or $ may follow
    {AnswerForm::kTag, "tag"},      // <answer>17</answer>
    {AnswerForm::kRegex, "regex"},  // FormatOptions::pattern
    {AnswerForm::kAny, "any"}};     // any readable answer; only the other rules count
inline auto& enum_names(AnswerForm) { return kAnswerFormNames; }

struct FormatOptions {
  AnswerForm answer = AnswerForm::kHash;
  std::string pattern;                    // regex: Perl-compatible, UTF-8, ^ and $ at line ends; must match exactly once
  int64_t min_reasoning_characters = 10;  // before the answer
  template <class V>
  void visit(V& v) {
    v("answer", answer, "form of the final answer");
    v("pattern", pattern, "regex: what the final answer looks like, e.g. ^The answer is (.+)\\.$; it must match exactly once");
    v("min_reasoning_characters", min_reasoning_characters, "worked reasoning that must stand before the answer");
  }
  void validate(const std::string& where) const;  // regex: the pattern compiles
};

// Why the sample breaks the format: "" (it keeps it), "not finished", "no answer in the form", "several answers", "text after the answer",
// "no reasoning", "a loop", "another script than the question's" (less than half of its letters are of the script most letters of the
// question are of; Greek is mathematics and counts nowhere). Reads neither the gold answer nor the verdict.
std::string format_defect(const std::string& question, const Sample& sample, const FormatOptions& options);

}  // namespace foil
