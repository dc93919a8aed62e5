// Stretches of a model's text: sentences, formulas, boxes. Where they begin and end; nothing is read here.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace foil::verify {

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_latin(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

struct Span {
  size_t begin, end;
};

// Where `what` stands last, npos: nowhere. As text.rfind(what), but it looks for the first letter sixteen or more at a time.
size_t find_last(std::string_view text, std::string_view what);

Span trimmed(std::string_view text, Span s);

// The matching brace of text[open] == '{', or npos.
size_t closing_brace(std::string_view text, size_t open);

struct Box {
  size_t begin, end;           // of the whole \boxed{…}
  size_t inner_begin, inner_end;
  bool closed;
};

// Every \boxed{…} and \fbox{…}, first to last; an unclosed one ends with its line.
std::vector<Box> boxes(std::string_view text);

// Is the text between two boxes or formulas only what joins parts of one answer ("and", "or", commas, a few words)?
bool joins(std::string_view gap);

// End of the sentence that starts at `at`: a full stop before a space, a line break outside a formula.
size_t sentence_end(std::string_view text, size_t at);

// Formulas of a stretch of text, delimiters excluded; what stands between two prices is none.
std::vector<Span> formulas(std::string_view text, Span s);

// Words of a sentence rather than names in a formula: four or more of three letters that no formula would hold.
bool looks_prose(std::string_view text);

}  // namespace foil::verify
