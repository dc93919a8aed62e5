// Rewritten pairs with known truth: the input's bytes choose the answer and the rules. A wrong verdict is a crash.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "verify/rewrite.h"
#include "verify/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace foil::verify;
  size_t at = 0;
  const auto byte = [&]() -> uint64_t { return at < size ? data[at++] : 0; };
  const rewriting::Below below = [&](uint64_t n) { return n <= 256 ? byte() % n : (byte() << 8 | byte()) % n; };
  const auto& seeds = rewriting::seed_answers();
  const std::string& answer = seeds[below(seeds.size())];
  const bool want_same = byte() & 1;
  const rewriting::Pair pair = rewriting::make_pair(answer, want_same, below);
  const Verdict v = check(pair.gold, pair.text);
  if (v.outcome == (pair.same ? Outcome::kCorrect : Outcome::kWrong)) return 0;
  std::fprintf(stderr, "%s: %s | %s\n  from %s by", pair.same ? "SAME" : "DIFFERENT", pair.gold.c_str(), pair.text.c_str(), answer.c_str());
  for (const char* rule : pair.rules) std::fprintf(stderr, " %s,", rule);
  std::fprintf(stderr, "\n  %s, %s: %s | %s  %s\n", to_string(v.outcome), v.rule.c_str(), v.gold_read.c_str(), v.answer_read.c_str(), v.note.c_str());
  std::abort();
}
