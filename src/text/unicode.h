// UTF-8 as tokenizers need it: the byte-level alphabet, repair of invalid bytes, NFC.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace foil::text {

// GPT-2's printable stand-in for every byte, as UTF-8.
const std::array<std::string, 256>& byte_alphabet();
// The bytes a vocabulary entry in that alphabet stands for; characters outside the alphabet stand for themselves.
std::string from_byte_alphabet(std::string_view entry);

// Invalid sequences replaced by U+FFFD, one for each maximal invalid part (as Rust's from_utf8_lossy and Unicode recommend).
std::string repair_utf8(std::string_view bytes);
// Length of the valid prefix that ends on a character boundary; the rest may be an unfinished character or invalid.
size_t valid_utf8_prefix(std::string_view bytes);
// Bytes at the end that could be the beginning of a character still to be completed (0–3).
size_t unfinished_tail(std::string_view bytes);

// Canonical composition. Plain ASCII is returned as it is.
std::string nfc(std::string_view text);

}  // namespace foil::text
