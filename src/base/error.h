// Errors: one exception for what can go wrong outside the program, one macro for broken invariants.
//
// Error says what happened, where (file, line, tensor, key) and what to do about it; main prints the three and exits 1
// (2 for UsageError). Library code never prints, exits or aborts.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace foil {

class Error : public std::runtime_error {
 public:
  // what: one sentence, expected and found; where: "path:line" or a tensor/key name, may be empty; hint: the next step, may be empty.
  explicit Error(std::string what, std::string where = "", std::string hint = "")
      : std::runtime_error(where.empty() ? what : where + ": " + what),
        what_(std::move(what)),
        where_(std::move(where)),
        hint_(std::move(hint)) {}
  const std::string& message() const { return what_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string what_, where_, hint_;
};

// Wrong command line or recipe: exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// The user asked to stop (Ctrl-C); what was finished is on disk. Exit code 130.
class Interrupted : public Error {
 public:
  using Error::Error;
};

[[noreturn]] void check_failed(const char* expression, const char* file, int line, const std::string& detail);

// Integers read from a file pass through here before they size or index anything. Throws Error on overflow.
size_t checked_multiply(size_t a, size_t b, const std::string& where);
size_t checked_add(size_t a, size_t b, const std::string& where);

// The candidate nearest to `word` by edit distance, "" if none is near: for "did you mean" hints.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

// `text` as a message quotes it: its first `limit` bytes at most, no UTF-8 character cut in two, and "…" where something was left out.
std::string shortened(std::string_view text, size_t limit);

}  // namespace foil

// A broken invariant of ours, in every build; throws std::logic_error. Optional fmt-style detail.
#define FOIL_CHECK(expression, ...)                                                               \
  do {                                                                                            \
    if (!(expression)) [[unlikely]]                                                               \
      ::foil::check_failed(#expression, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)); \
  } while (0)
