// Classes of code points as the `tokenizers` package sees them; the table is generated (tests/golden/text/make_unicode_tables.py).
#pragma once
#include <cstdint>

namespace foil::text {

enum UnicodeClass : uint8_t {
  kLetter = 1,     // \p{L} in Oniguruma
  kNumber = 2,     // \p{N} in Oniguruma
  kSpace = 4,      // \s in Oniguruma
  kDigit = 8,      // char::is_numeric in Rust: what the Digits pre-tokeniser isolates
  kNfcCheck = 16,  // may change under NFC, or change what stands before it
  kNfcInert = 32,  // utf8proc normalises it, the reference's older tables do not: passes unchanged, as a wall
};

struct UnicodeRange {
  uint32_t first, last;
  uint8_t classes;
};
extern const UnicodeRange kUnicodeRanges[];  // ascending, disjoint; code points outside have no class
extern const int kUnicodeRangeCount;

}  // namespace foil::text
