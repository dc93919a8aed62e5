// Tokens of an answer: LaTeX, plain maths and Unicode maths give the same tokens.
//
// Spacing, sizing and font commands disappear; Unicode symbols become their LaTeX command; super- and subscript digits become
// ^{…} and _{…}; \text{…} is one token with its content. Never throws; broken input ends in a kBad token that says why.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace foil::verify {

enum class Token : uint8_t {
  kNumber,    // digits with at most one point, an exponent (3e-7) included
  kWord,      // a run of letters
  kCommand,   // text: the name without its backslash
  kText,      // text: the content of \text{…}
  kOpen, kClose,        // { }
  kSetOpen, kSetClose,  // \{ \}
  kPunct,     // op: + - * / ^ _ ( ) [ ] , ; : | ! % & ' .
  kRelation,  // op: = < > l(≤) g(≥) n(≠) ~(≈) e(∈) N(∉) c(⊂) m(≡)
  kRow,       // \\ between rows
  kBegin, kEndEnv,      // text: the environment
  kEnd,
  kBad,       // text: what is wrong
};

struct Lexeme {
  Token type = Token::kEnd;
  char op = 0;
  bool space_before = false;
  bool newline_before = false;
  bool tight = false;  // a comma or point inside a number: {,}  ,\!  and digits after \,
  uint32_t begin = 0;  // byte offset in the source
  std::string_view text;
};

struct Lexed {
  std::vector<Lexeme> tokens;     // ends in kEnd or kBad
  std::deque<std::string> owned;  // text that is not a piece of the source
  bool latex = false;             // a backslash command occurred
};

inline constexpr size_t kMaxTokens = 8192;

// `source` must outlive the result.
Lexed lex(std::string_view source);

// One code point at `at`, which moves past it; U+FFFD for an invalid byte.
char32_t decode_utf8(std::string_view text, size_t& at);
void append_utf8(std::string& out, char32_t c);

}  // namespace foil::verify
