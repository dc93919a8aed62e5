#include "report/html.h"

#include <cmath>

namespace foil::report {
namespace {

// Length of the valid UTF-8 sequence at text[i], 0 when there is none.
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  const auto tail = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const unsigned a = byte(i);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    const unsigned low = a == 0xE0 ? 0xA0 : 0x80, high = a == 0xED ? 0x9F : 0xBF;
    return byte(i + 1) >= low && byte(i + 1) <= high && tail(i + 2) ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    const unsigned low = a == 0xF0 ? 0x90 : 0x80, high = a == 0xF4 ? 0x8F : 0xBF;
    return byte(i + 1) >= low && byte(i + 1) <= high && tail(i + 2) && tail(i + 3) ? 4 : 0;
  }
  return 0;
}

std::string with_minus(std::string text) {  // a typographic minus, as wide as the plus
  if (!text.empty() && text[0] == '-') text.replace(0, 1, "−");
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_length(text, i);
    const char c = text[i];
    if (n == 0 || (n == 1 && static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) out += "\xEF\xBF\xBD", ++i;
    else if (n > 1) out.append(text.substr(i, n)), i += n;
    else {
      switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c;
      }
      ++i;
    }
  }
  return out;
}

std::string percent(double share, int digits) { return fmt::format("{:.{}f} %", 100 * share, digits); }

std::string points(double difference, int digits) {
  const std::string text = fmt::format("{:+.{}f}", 100 * difference, digits);
  const bool zero = text.find_first_of("123456789") == std::string::npos;
  return zero ? fmt::format("±{:.{}f}", 0.0, digits) : with_minus(text);
}

std::string signed_number(double value, int digits) { return with_minus(fmt::format("{:+.{}f}", value, digits)); }

std::string count(double n) {
  std::string digits = fmt::format("{:.0f}", std::abs(n));
  for (int64_t i = int64_t(digits.size()) - 3; i > 0; i -= 3) digits.insert(size_t(i), ",");
  return (n < 0 ? "−" : "") + digits;
}

std::string number(double value, int significant) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  if (size >= 1000) return count(value);
  if (value == std::floor(value)) return with_minus(fmt::format("{:.0f}", value));
  if (size < 1e-4) return with_minus(fmt::format("{:.{}e}", value, significant - 1));
  const int digits = std::max(0, significant - 1 - int(std::floor(std::log10(size))));
  return with_minus(fmt::format("{:.{}f}", value, digits));
}

std::string duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const int64_t s = std::llround(seconds);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

std::string p_value(double p) { return p < 0.001 ? "< 0.001" : p < 0.1 ? fmt::format("{:.3f}", p) : fmt::format("{:.2f}", p); }

size_t display_width(std::string_view utf8) {
  size_t n = 0;
  for (const char c : utf8) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

std::string pad_left(const std::string& text, size_t width) {
  const size_t w = display_width(text);
  return w < width ? std::string(width - w, ' ') + text : text;
}

std::string pad_right(const std::string& text, size_t width) {
  const size_t w = display_width(text);
  return w < width ? text + std::string(width - w, ' ') : text;
}

}  // namespace foil::report
