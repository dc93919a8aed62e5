// UTF-8 as tokenizers need it: classes of characters, the byte-level alphabet, repair of invalid bytes, normal forms.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/unicode_tables.h"

namespace foil::text {

// UnicodeClass bits of any code point.
class UnicodeClasses {
 public:
  UnicodeClasses();
  uint8_t operator[](uint32_t c) const { return c < 0x110000 ? blocks_[size_t(index_[c >> 8]) << 8 | (c & 255)] : 0; }

 private:
  std::array<uint16_t, 0x1100> index_;
  std::string blocks_;
};
extern const UnicodeClasses kUnicode;

// Decodes the character at p in valid UTF-8 and moves p behind it.
inline uint32_t next_character(const char*& p) {
  const auto byte = [&](int i) { return uint32_t(static_cast<unsigned char>(p[i])); };
  const uint32_t c = byte(0);
  if (c < 0x80) return p += 1, c;
  if (c < 0xE0) {
    const uint32_t r = (c & 0x1F) << 6 | (byte(1) & 0x3F);
    return p += 2, r;
  }
  if (c < 0xF0) {
    const uint32_t r = (c & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return p += 3, r;
  }
  const uint32_t r = (c & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return p += 4, r;
}

// The character before `p` in valid UTF-8; p moves to its first byte.
inline uint32_t previous_character(const char*& p) {
  do --p;
  while ((*p & 0xC0) == 0x80);
  const char* q = p;
  return next_character(q);
}

void append_utf8(uint32_t c, std::string& out);

// GPT-2's printable stand-in for every byte, as UTF-8.
const std::array<std::string, 256>& byte_alphabet();
// Bytes spelt in that alphabet.
std::string to_byte_alphabet(std::string_view bytes);
// The bytes a vocabulary entry in that alphabet stands for; an entry with a character outside the alphabet stands for itself.
std::string from_byte_alphabet(std::string_view entry);

// Invalid sequences replaced by U+FFFD, one for each maximal invalid part (as Rust's from_utf8_lossy and Unicode recommend).
std::string repair_utf8(std::string_view bytes);
// Length of the valid prefix that ends on a character boundary; the rest may be an unfinished character or invalid.
size_t valid_utf8_prefix(std::string_view bytes);
// Bytes at the end that could be the beginning of a character still to be completed (0–3).
size_t unfinished_tail(std::string_view bytes);

enum class NormalForm { kNone, kNfc, kNfd, kNfkc, kNfkd };
// Valid UTF-8 in, normalised out. NFC agrees with the reference's tables for every character; the others are utf8proc's.
std::string normalize(std::string_view text, NormalForm form);
std::string nfc(std::string_view text);
// Whether NFC leaves the text as it is, by a fast look that may answer no for a normalised text but never yes for another.
bool surely_nfc(std::string_view text);

// White_Space, and \w of Rust's regex crate: letters, marks, decimal digits, connecting punctuation, joiners.
bool is_space(uint32_t c);
bool is_word(uint32_t c);

}  // namespace foil::text
