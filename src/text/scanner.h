// The published splitters as scanners over valid UTF-8: emit(begin, end) for every piece, in order, covering the text.
//
// Each follows its regular expression alternative by alternative (Oniguruma semantics: leftmost, first alternative that matches):
//   GPT-2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   Llama 3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   Qwen2    the same with \p{N} for \p{N}{1,3}
#pragma once
#include "text/unicode.h"

namespace foil::text::scanner {

inline constexpr uint8_t kWordClasses = kLetter | kNumber | kSpace;

inline uint8_t class_at(const char* p) {
  const char* q = p;
  return kUnicode[next_character(q)];
}

// End of the run of characters whose classes, masked, equal `value`.
inline const char* run(const char* p, const char* end, uint8_t mask, uint8_t value) {
  while (p < end) {
    const char* q = p;
    if ((kUnicode[next_character(q)] & mask) != value) break;
    p = q;
  }
  return p;
}

// Length of a lower-case contraction at p ("'s"), 0 for none.
inline int contraction(const char* p, const char* end) {
  if (end - p < 2 || *p != '\'') return 0;
  const char a = p[1], b = end - p > 2 ? p[2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// The same in either case; U+017F (ſ) folds to s.
inline int contraction_any_case(const char* p, const char* end) {
  if (end - p < 2 || *p != '\'') return 0;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  const char a = lower(p[1]), b = end - p > 2 ? lower(p[2]) : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  if (a == '\xC5' && b == '\xBF') return 3;
  return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// \s+(?!\S)|\s+ for the run of spaces [p, e): all of it at the end of the text, else all but its last character if that leaves any.
inline const char* spaces(const char* p, const char* e, const char* end) {
  if (e == end) return e;
  const char* last = e;
  previous_character(last);
  return last > p ? last : e;
}

template <class Emit>
void gpt2(const char* p, const char* end, Emit&& emit) {
  while (p < end) {
    const char* start = p;
    if (const int n = contraction(p, end)) {
      p += n;
    } else {
      const char* q = *p == ' ' && p + 1 < end ? p + 1 : p;
      const char* after = q;
      const uint8_t c = kUnicode[next_character(after)] & kWordClasses;
      if (c == kSpace) {
        p = spaces(p, run(p, end, kSpace, kSpace), end);
      } else {
        p = run(after, end, kWordClasses, c);
      }
    }
    emit(start, p);
  }
}

template <class Emit>
void smollm(const char* p, const char* end, Emit&& emit) {
  while (p < end) {
    const char* digit = run(p, end, kDigit, 0);
    gpt2(p, digit, emit);
    p = digit;
    while (p < end && (class_at(p) & kDigit)) {
      const char* start = p;
      next_character(p);
      emit(start, p);
    }
  }
}

template <int kMaxDigits, class Emit>
void llama3(const char* p, const char* end, Emit&& emit) {
  while (p < end) {
    const char* start = p;
    const char* after = p;
    const uint8_t c = kUnicode[next_character(after)] & kWordClasses;
    if (c & kLetter) {
      p = run(after, end, kLetter, kLetter);
    } else if (c & kNumber) {
      p = after;
      for (int n = 1; n < kMaxDigits && p < end && (class_at(p) & kNumber); ++n) next_character(p);
    } else if (const int n = contraction_any_case(p, end)) {
      p += n;
    } else if (*p != '\r' && *p != '\n' && after < end && (class_at(after) & kLetter)) {
      p = run(after, end, kLetter, kLetter);
    } else {
      const char* q = *p == ' ' && after < end ? after : p;
      if ((class_at(q) & kWordClasses) == 0) {
        p = run(q, end, kWordClasses, 0);
        while (p < end && (*p == '\r' || *p == '\n')) ++p;
      } else {
        const char* e = run(p, end, kSpace, kSpace);
        const char* line = e;
        while (line > p && line[-1] != '\r' && line[-1] != '\n') --line;
        p = line > p ? line : spaces(p, e, end);
      }
    }
    emit(start, p);
  }
}

}  // namespace foil::text::scanner
