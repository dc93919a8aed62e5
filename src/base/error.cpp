#include "base/error.h"

#include <algorithm>
#include <numeric>

namespace foil {

void check_failed(const char* expression, const char* file, int line, const std::string& detail) {
  throw std::logic_error(fmt::format("internal error: {}:{}: {} does not hold{}{}", file, line, expression,
                                     detail.empty() ? "" : ": ", detail));
}

size_t checked_multiply(size_t a, size_t b, const std::string& where) {
  size_t out;
  if (__builtin_mul_overflow(a, b, &out)) throw Error(fmt::format("size {} x {} overflows", a, b), where, "the file is corrupt");
  return out;
}

size_t checked_add(size_t a, size_t b, const std::string& where) {
  size_t out;
  if (__builtin_add_overflow(a, b, &out)) throw Error(fmt::format("size {} + {} overflows", a, b), where, "the file is corrupt");
  return out;
}

static size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row.back();
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) best_distance = distance, best = candidate;
  }
  return best;
}

std::string shortened(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return std::string(text.substr(0, limit)) + "…";
}

}  // namespace foil
