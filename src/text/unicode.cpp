#include "text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <unordered_map>

namespace foil::text {

static std::string utf8(uint32_t c) {
  std::string out;
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
  return out;
}

const std::array<std::string, 256>& byte_alphabet() {
  static const auto table = [] {
    std::array<std::string, 256> out;
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
      out[b] = utf8(printable ? b : next++);
    }
    return out;
  }();
  return table;
}

// Length of the character that starts at s, judged by its first byte; 0 for a byte that starts none.
static size_t expected_length(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// Bytes of the valid beginning of the character at s (≥ 1 when its first byte is right), and whether it is complete.
static size_t valid_part(std::string_view s, bool& complete) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const size_t n = expected_length(at(0));
  complete = false;
  if (n == 0) return 0;
  size_t i = 1;
  for (; i < n && i < s.size(); ++i) {
    unsigned char low = 0x80, high = 0xBF;
    if (i == 1) {
      if (at(0) == 0xE0) low = 0xA0;
      if (at(0) == 0xED) high = 0x9F;
      if (at(0) == 0xF0) low = 0x90;
      if (at(0) == 0xF4) high = 0x8F;
    }
    if (at(i) < low || at(i) > high) break;
  }
  complete = i == n;
  return i;
}

std::string from_byte_alphabet(std::string_view entry) {
  static const auto reverse = [] {
    std::unordered_map<std::string, char> out;
    for (int b = 0; b < 256; ++b) out[byte_alphabet()[b]] = char(b);
    return out;
  }();
  std::string out;
  for (size_t i = 0; i < entry.size();) {
    bool complete;
    const size_t n = std::max<size_t>(1, valid_part(entry.substr(i), complete));
    const std::string character(entry.substr(i, n));
    const auto it = reverse.find(character);
    if (it == reverse.end()) return std::string(entry);  // not in the alphabet: the whole entry stands for itself
    out += it->second;
    i += n;
  }
  return out;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    bool complete;
    const size_t n = valid_part(bytes.substr(i), complete);
    if (complete)
      out.append(bytes.substr(i, n));
    else
      out += "\xEF\xBF\xBD";
    i += std::max<size_t>(1, n);
  }
  return out;
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    bool complete;
    const size_t n = valid_part(bytes.substr(i), complete);
    if (!complete) break;
    i += n;
  }
  return i;
}

size_t unfinished_tail(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const std::string_view tail = bytes.substr(bytes.size() - back);
    if ((tail[0] & 0xC0) == 0x80) continue;
    bool complete;
    return valid_part(tail, complete) == back && !complete ? back : 0;
  }
  return 0;
}

std::string nfc(std::string_view text) {
  bool ascii = true;
  for (const char c : text) ascii &= (c & 0x80) == 0;
  if (ascii) return std::string(text);
  utf8proc_uint8_t* out = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), utf8proc_ssize_t(text.size()), &out,
                              utf8proc_option_t(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (n < 0) return std::string(text);
  std::string result(reinterpret_cast<char*>(out), size_t(n));
  std::free(out);
  return result;
}

}  // namespace foil::text
