// Small pieces of HTML: escaping of foreign text, and numbers as a reader wants them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace foil::report {

// Escapes &<>"'; bytes that are not UTF-8, and control characters other than newline and tab, become U+FFFD.
std::string escape(std::string_view text);

std::string percent(double share, int digits = 1);          // "41.3 %"
std::string points(double difference, int digits = 1);      // "+2.1", "−0.4": percentage points, with sign
std::string number(double value, int significant = 3);      // "0.0312", "1.2e-07", "1,234"
std::string signed_number(double value, int digits = 2);    // "+3.21", "−3.13"
std::string count(double n);                                // "1,234,567"
std::string duration(double seconds);                       // "3 min 20 s"
std::string p_value(double p);                              // "0.03", "< 0.001"

size_t display_width(std::string_view utf8);                // code points, for padding in a terminal
std::string pad_left(const std::string& text, size_t width);
std::string pad_right(const std::string& text, size_t width);

}  // namespace foil::report
