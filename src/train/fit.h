// What happens to examples longer than max_tokens, and a hash of the tokens a stage trains on.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "train/batching.h"
#include "train/example.h"
#include "train/tensor_file.h"

namespace foil::train {

class DataHash {
 public:
  void add(const Tokens& tokens) {
    const uint64_t n = tokens.size();
    sum_.add(&n, sizeof n);
    sum_.add(tokens.data(), tokens.size() * sizeof(int32_t));
  }
  void add(double x) { sum_.add(&x, sizeof x); }
  std::string finish() const { return sum_.finish(); }

 private:
  Checksum sum_;
};

// Keeps examples whose prompt and longest completion fit into batch.max_tokens; the others are dropped, cut at the completion's
// end, or refused. Examples without a prompt or a completion token cannot be trained and are dropped too. One log line for all.
// completions(x): pointers to the completions of x.
template <class X, class F>
std::vector<X> fit(std::vector<X> examples, const BatchOptions& batch, const std::string& stage, const F& completions) {
  size_t dropped = 0, cut = 0, empty = 0;
  std::string first;
  std::vector<X> out;
  out.reserve(examples.size());
  for (X& x : examples) {
    bool has_all = !x.prompt.empty();
    size_t longest = 0;
    for (const Tokens* c : completions(x)) has_all = has_all && !c->empty(), longest = std::max(longest, c->size());
    if (!has_all) {
      ++empty;
      continue;
    }
    if (int64_t(x.prompt.size() + longest) > batch.max_tokens) {
      if (first.empty()) first = fmt::format("{}: {} tokens", x.id, x.prompt.size() + longest);
      if (batch.too_long == TooLong::kRefuse)
        throw Error(fmt::format("record {} has {} tokens, more than max_tokens {}", x.id, x.prompt.size() + longest, batch.max_tokens), stage,
                    "raise batch.max_tokens, or set batch.too_long to skip or truncate");
      if (batch.too_long == TooLong::kSkip || int64_t(x.prompt.size()) >= batch.max_tokens) {
        ++dropped;
        continue;
      }
      for (Tokens* c : completions(x))
        if (int64_t(x.prompt.size() + c->size()) > batch.max_tokens) c->resize(size_t(batch.max_tokens) - x.prompt.size());
      ++cut;
    }
    out.push_back(std::move(x));
  }
  if (dropped + cut > 0)
    log_warning("{}: {} of {} records are longer than max_tokens {} (the first is {}): {} dropped, {} cut", stage, dropped + cut, examples.size(), batch.max_tokens, first, dropped, cut);
  if (empty > 0) log_warning("{}: {} of {} records have no prompt or no completion and were dropped", stage, empty, examples.size());
  return out;
}

}  // namespace foil::train
