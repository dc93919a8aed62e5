// Is this final answer right? Finds the answer in a text, reads the mathematics, decides equality — exactly where possible.
//
// Pure functions of their arguments: no threads, signals, clocks or global state; any thread may call them. Never throws on
// foreign text, never hangs: work is bounded by Options::budget, counted in operations, so a verdict is the same on every machine.
// What it does not do: follow the reasoning, or prove anything beyond the equality of two final answers. Rules: docs/verify.md.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace foil::verify {

enum class Outcome { kCorrect, kWrong, kUnreadable };
const char* to_string(Outcome outcome);  // "correct", "wrong", "unreadable"

// Rules mathematics does not settle. Every one is explained in docs/verify.md with an executed example.
struct Options {
  bool percent_is_fraction = true;   // 50 % = 0.5 (and the bare 50 when the gold is "50 %")
  bool units_optional = true;        // a missing unit is forgiven, a different one is not
  bool round_to_gold = true;         // an exact answer equals a decimal gold it rounds to, at the gold's digits (≥ 2 significant)
  bool ordered_tuples = true;        // (1, 2) ≠ (2, 1); sets never depend on order
  int64_t budget = 200'000;          // operations for one check
};

// An answer as found in a text.
struct Extracted {
  std::string text;      // the answer as written, delimiters removed
  size_t begin = 0, end = 0;  // byte offsets in the searched text
  std::string rule;      // "boxed", "hash", "answer_is", "tag", "bold", "last_equation", "choice", "last_formula", "last_number", "whole"
};

// The final answer in a model's text (thinking blocks skipped); nullopt: nothing that looks like an answer.
std::optional<Extracted> extract(std::string_view text);

// A reading of one answer. Cheap to copy; immutable; shareable between threads. Parse the gold once, reuse it over a group.
class Reading {
 public:
  bool readable() const;
  std::string to_string() const;     // canonical form, for --explain
  std::string problem() const;       // why and where it could not be read; "" when readable
  struct Node;
  std::shared_ptr<const Node> node;  // internal
};
Reading parse(std::string_view answer, const Options& options = {});

struct Verdict {
  Outcome outcome = Outcome::kUnreadable;
  std::string rule;         // what decided: "identical", "rational", "algebraic", "polynomial", "numeric", "interval", "set", "text", …
  std::string gold_read;    // both sides as read
  std::string answer_read;
  std::string note;         // unreadable: which side and where; wrong: why, when it is not plain
  std::string answer_text;  // the answer as extracted ("" if none)
  int64_t operations = 0;   // what the comparison spent of Options::budget (all of it and a little more where the rule is "budget")
  bool correct() const { return outcome == Outcome::kCorrect; }
};

// The reading of a gold answer as data sets hold it; of a solution text ("#### 18", "… \\boxed{18}.") its final answer.
Reading parse_gold(std::string_view gold, const Options& options = {});

// Equality of two readings. Symmetric up to the documented gold-only rules (rounding), which need `gold` first.
Verdict equal(const Reading& gold, const Reading& answer, const Options& options = {});

// extract + parse + equal. `gold` is an answer as data sets hold it ("18", "\\frac{3}{4}", "#### 18" and solution texts also work).
Verdict check(std::string_view gold, std::string_view text, const Options& options = {});
Verdict check(const Reading& gold, std::string_view text, const Options& options = {});

// Equivalence classes of answers under equal(): class index per answer, −1 for unreadable (each alone). For maj@k.
std::vector<int> classes(const std::vector<std::string>& answers, const Options& options = {});

}  // namespace foil::verify
