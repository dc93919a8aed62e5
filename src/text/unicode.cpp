#include "text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace foil::text {

const UnicodeClasses kUnicode;

// Blocks of 256 code points; block 0 is empty, blocks of one class throughout are shared.
UnicodeClasses::UnicodeClasses() : blocks_(256, '\0') {
  index_.fill(0);
  std::array<uint16_t, 256> uniform{};  // class bits → block
  auto own = [&](size_t block) {
    const size_t shared = index_[block];
    const std::string copy = blocks_.substr(shared << 8, 256);
    index_[block] = uint16_t(blocks_.size() >> 8);
    blocks_ += copy;
  };
  size_t owned = SIZE_MAX;  // the block that the last range ended in: ranges ascend, so only it may be extended
  for (int r = 0; r < kUnicodeRangeCount; ++r) {
    const auto& range = kUnicodeRanges[r];
    for (uint32_t c = range.first; c <= range.last;) {
      const size_t block = c >> 8;
      if ((c & 255) == 0 && range.last - c >= 255) {
        uint16_t& shared = uniform[range.classes];
        if (!shared) {
          shared = uint16_t(blocks_.size() >> 8);
          blocks_.append(256, char(range.classes));
        }
        index_[block] = shared;
        c += 256;
        continue;
      }
      if (block != owned) own(block), owned = block;
      const uint32_t end = std::min<uint32_t>(range.last, uint32_t(block << 8 | 255));
      std::memset(&blocks_[size_t(index_[block]) << 8 | (c & 255)], range.classes, end - c + 1);
      c = end + 1;
    }
  }
}

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 0x3F));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

namespace {

struct ByteAlphabet {
  std::array<std::string, 256> spelt;
  std::array<int16_t, 0x144> byte;  // code point → byte, −1: outside
  ByteAlphabet() {
    byte.fill(-1);
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
      const uint32_t c = printable ? b : next++;
      append_utf8(c, spelt[b]);
      byte[c] = int16_t(b);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet a;
  return a;
}

// Length of the character that starts with c; 0 for a byte that starts none.
size_t expected_length(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return 2;
  if (c >= 0xE0 && c <= 0xEF) return 3;
  if (c >= 0xF0 && c <= 0xF4) return 4;
  return 0;
}

// Bytes of the valid beginning of the character at s (≥ 1 when its first byte is right), and whether it is complete.
size_t valid_part(std::string_view s, bool& complete) {
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

size_t ascii_prefix(std::string_view s) {
  size_t i = 0;
  for (uint64_t word; i + 8 <= s.size(); i += 8) {
    std::memcpy(&word, s.data() + i, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (i < s.size() && !(s[i] & 0x80)) ++i;
  return i;
}

std::string utf8proc(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const auto n = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), utf8proc_ssize_t(text.size()), &out, utf8proc_option_t(options));
  if (n < 0) throw Error(fmt::format("a text of {} bytes cannot be normalised: {}", text.size(), utf8proc_errmsg(n)));
  std::string result(reinterpret_cast<char*>(out), size_t(n));
  std::free(out);
  return result;
}

}  // namespace

const std::array<std::string, 256>& byte_alphabet() { return alphabet().spelt; }

std::string to_byte_alphabet(std::string_view bytes) {
  std::string out;
  for (const unsigned char c : bytes) out += alphabet().spelt[c];
  return out;
}

std::string from_byte_alphabet(std::string_view entry) {
  const auto& byte = alphabet().byte;
  std::string out;
  for (const char *p = entry.data(), *end = p + entry.size(); p < end;) {
    const auto lead = static_cast<unsigned char>(*p);
    if (lead >= 0xE0 || (lead >= 0x80 && p + 1 == end)) return std::string(entry);
    const uint32_t c = next_character(p);
    if (c >= byte.size() || byte[c] < 0) return std::string(entry);
    out += char(byte[c]);
  }
  return out;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const size_t valid = valid_utf8_prefix(bytes.substr(i));
    out.append(bytes.substr(i, valid));
    i += valid;
    if (i == bytes.size()) break;
    bool complete;
    i += std::max<size_t>(1, valid_part(bytes.substr(i), complete));
    out += "\xEF\xBF\xBD";
  }
  return out;
}

size_t valid_utf8_prefix(std::string_view bytes) {
  size_t i = 0;
  while (i < bytes.size()) {
    i += ascii_prefix(bytes.substr(i));
    if (i == bytes.size()) break;
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

bool surely_nfc(std::string_view text) {
  size_t i = ascii_prefix(text);
  for (const char *p = text.data() + i, *end = text.data() + text.size(); p < end;)
    if (kUnicode[next_character(p)] & kNfcCheck) return false;
  return true;
}

std::string nfc(std::string_view text) {
  if (surely_nfc(text)) return std::string(text);
  std::string out;
  const char *begin = text.data(), *end = begin + text.size();
  auto between = [&](const char* stop) {
    if (stop > begin) out += utf8proc({begin, size_t(stop - begin)}, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  };
  for (const char* p = begin; p < end;) {
    const char* here = p;
    if (kUnicode[next_character(p)] & kNfcInert) {
      between(here);
      out.append(here, p);
      begin = p;
    }
  }
  between(end);
  return out;
}

std::string normalize(std::string_view text, NormalForm form) {
  switch (form) {
    case NormalForm::kNone: return std::string(text);
    case NormalForm::kNfc: return nfc(text);
    case NormalForm::kNfd: return utf8proc(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    case NormalForm::kNfkc: return utf8proc(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
    case NormalForm::kNfkd: return utf8proc(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  }
  FOIL_CHECK(false, "normal form {}", int(form));
}

bool is_space(uint32_t c) { return kUnicode[c] & kSpace; }

bool is_word(uint32_t c) {
  if (kUnicode[c] & kLetter) return true;
  switch (utf8proc_category(utf8proc_int32_t(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC: return true;
    default: return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9);
  }
}

}  // namespace foil::text
