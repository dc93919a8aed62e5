// From tokens to a tree: one grammar for LaTeX and plain maths.
//
// Bounded: depth at most kMaxDepth, tokens at most kMaxTokens. Throws nothing; a failed reading says why and where.
#pragma once
#include <string>
#include <string_view>

#include "verify/expr.h"
#include "verify/lexer.h"

namespace foil::verify {

// What a comma between two digit groups means where the spelling alone does not say ("1,234", "1,22").
enum class Comma : uint8_t { kThousands, kSeparator, kDecimal };

struct ParseMode {
  Comma comma = Comma::kThousands;
  bool words_are_products = false;  // read "abc" as a·b·c even where it looks like a word
};

struct Parsed {
  const Expr* tree = nullptr;  // null: not readable
  std::string problem;
  size_t where = 0;            // byte offset of the problem
  bool comma_ambiguous = false;  // another comma mode may read differently
  std::string_view integer;    // the k of "π/4 + kπ, k ∈ ℤ"; "": none
  size_t longest_word = 0;       // letters of the longest run taken as a product although it could be a word; 0: none
};

Parsed parse_tokens(Arena& arena, const Lexed& lexed, const ParseMode& mode);

// A decimal or integer literal ("007.50", "3e-7") as a number node with its digit counts; null when too long for arithmetic
// (then *long_digits holds its normal form).
const Expr* number_literal(Arena& arena, std::string_view digits);

// 1 for "one", 12 for "twelve", …; nullptr-like −1 when not a number word.
int number_word(std::string_view lower_case);

}  // namespace foil::verify
