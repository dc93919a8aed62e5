// Raw bytes over extract, parse, equal and check: nothing crashes, and what holds for every input holds.
//
// Input: one byte of options, then the gold and the model's text, separated by the first byte 0x1E (or the middle of the input).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "verify/verify.h"

namespace {

using namespace foil::verify;

void fail(const char* what, std::string_view gold, std::string_view text, const Verdict& v) {
  std::fprintf(stderr, "%s\n  gold %.*s\n  text %.*s\n  rule %s, read %s | %s\n", what, int(gold.size()), gold.data(), int(text.size()), text.data(), v.rule.c_str(),
               v.gold_read.c_str(), v.answer_read.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Options options;
  options.percent_is_fraction = !(data[0] & 1);
  options.units_optional = !(data[0] & 2);
  options.round_to_gold = !(data[0] & 4);
  options.ordered_tuples = !(data[0] & 8);
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t mark = all.find('\x1e');
  const std::string_view gold = all.substr(0, mark == std::string_view::npos ? all.size() / 2 : mark);
  const std::string_view text = all.substr(mark == std::string_view::npos ? all.size() / 2 : mark + 1);

  const auto found = extract(text);
  if (found && (found->begin > found->end || found->end > text.size() || found->rule.empty() || found->text.empty())) fail("offsets of the extracted answer", gold, text, {});
  const Reading g = parse(gold, options), a = parse(text, options);
  if (g.readable() != g.problem().empty()) fail("a reading without a problem, or a problem without one", gold, text, {});
  if (g.readable()) {
    const Verdict self = equal(g, g, options);
    if (!self.correct()) fail("an answer differs from itself", gold, gold, self);
  }
  const Verdict forward = equal(g, a, options);
  if (forward.rule.empty()) fail("a verdict without a rule", gold, text, forward);
  // Symmetric, but for the rules that need to know the gold: rounding and a missing base.
  Options exact = options;
  exact.round_to_gold = false;
  const Verdict there = equal(g, a, exact), back = equal(a, g, exact);
  if (there.outcome != back.outcome && there.rule != "base" && back.rule != "base" && there.rule != "budget" && back.rule != "budget") fail("not symmetric", gold, text, there);
  const Verdict whole = check(gold, text, options), again = check(gold, text, options);
  if (whole.rule.empty() || whole.rule != again.rule || whole.outcome != again.outcome) fail("not the same verdict twice", gold, text, whole);
  return 0;
}
