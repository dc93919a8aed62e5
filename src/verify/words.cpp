#include "verify/words.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "verify/parser.h"

namespace foil::verify {

std::string fold(std::string_view text) {
  std::string words;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      // \text, \ , \! …: the command disappears, its argument stays
      ++i;
      if (i < text.size() && ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z')))
        while (i + 1 < text.size() && ((text[i + 1] >= 'a' && text[i + 1] <= 'z') || (text[i + 1] >= 'A' && text[i + 1] <= 'Z'))) ++i;
      words += ' ';
    } else if (c >= 'A' && c <= 'Z') {
      words += static_cast<char>(c + 32);
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80) {
      words += c;
    } else if (c == '\'' || c == '.') {
      if (c == '.' && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') words += c;
    } else {
      words += ' ';
    }
  }
  std::string out;
  size_t i = 0;
  while (i < words.size()) {
    while (i < words.size() && words[i] == ' ') ++i;
    size_t j = i;
    while (j < words.size() && words[j] != ' ') ++j;
    const std::string_view w(words.data() + i, j - i);
    const bool article = w == "the" || w == "an";
    const bool lone_a = w == "a" && j < words.size();  // "a circle", but not the answer "A"
    if (!w.empty() && !article && !(lone_a && words.find_first_not_of(' ', j) != std::string::npos)) {
      if (!out.empty()) out += ' ';
      out += w;
    }
    i = j;
  }
  return out;
}

std::string phrase(std::string folded) {
  static constexpr std::string_view kNothing[] = {"no solution", "no solutions", "no real solution", "no real solutions", "none", "empty", "empty set", "no such numbers exist", "there are no solutions", "there is no solution", "null set", "no real roots", "no roots", "there are no real solutions"};
  static constexpr std::string_view kReals[] = {"all real numbers", "all reals", "all real x", "real numbers", "any real number", "all real values", "set of all real numbers", "every real number"};
  static constexpr std::string_view kUndefined[] = {"does not exist", "doesnt exist", "dne", "undefined", "not defined", "limit does not exist"};
  // "an even function" is even, "neither even nor odd" neither, "due east" east
  for (const std::string_view tail : {" function", " functions"})
    if (folded.size() > tail.size() + 2 && folded.compare(folded.size() - tail.size(), tail.size(), tail) == 0) folded.resize(folded.size() - tail.size());
  for (const std::string_view both : {"neither even nor odd", "neither odd nor even"})
    if (folded.size() >= both.size() && folded.compare(folded.size() - both.size(), both.size(), both) == 0) folded.resize(folded.size() - both.size() + 7);
  for (const std::string_view head : {"due ", "on "})
    if (folded.rfind(head, 0) == 0 && folded.find(' ', head.size()) == std::string::npos) folded = folded.substr(head.size());
  if (folded == "infinite" || folded == "infinitely many solutions" || folded == "there are infinitely many solutions" || folded == "infinite solutions" || folded == "infinite number of solutions") return "infinitely many";
  for (const std::string_view w : kNothing)
    if (folded == w) return "no solution";
  for (const std::string_view w : kReals)
    if (folded == w) return "all real numbers";
  for (const std::string_view w : kUndefined)
    if (folded == w) return "undefined";
  return folded;
}

bool opens_remark(std::string_view w) {
  static constexpr std::array<std::string_view, 18> starts = {"when", "whenever", "provided", "attained", "achieved", "where", "since", "because", "for", "with", "which", "using", "as", "given", "rounded", "approximately", "such", "from"};
  const std::string_view first = w.substr(0, w.find(' '));
  return std::find(starts.begin(), starts.end(), first) != starts.end();
}

int number_word(std::string_view w) {
  static const std::unordered_map<std::string_view, int> words = {
      {"zero", 0}, {"one", 1}, {"two", 2}, {"three", 3}, {"four", 4}, {"five", 5}, {"six", 6}, {"seven", 7}, {"eight", 8}, {"nine", 9}, {"ten", 10}, {"eleven", 11}, {"twelve", 12}, {"thirteen", 13}, {"fourteen", 14},
      {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20}, {"thirty", 30}, {"forty", 40}, {"fifty", 50}, {"sixty", 60}, {"seventy", 70}, {"eighty", 80}, {"ninety", 90}, {"hundred", 100},
      {"one hundred", 100}, {"thousand", 1000}};
  if (const auto it = words.find(w); it != words.end()) return it->second;
  for (const auto& [zeros, times] : {std::pair<std::string_view, int>{" hundred", 100}, {" thousand", 1000}})
    if (w.size() > zeros.size() && w.substr(w.size() - zeros.size()) == zeros) {
      const int n = number_word(w.substr(0, w.size() - zeros.size()));
      return n > 0 && n < 100 ? n * times : -1;
    }
  // twenty one, twenty-one (folding made the hyphen a space)
  const size_t space = w.find(' ');
  if (space == std::string_view::npos) return -1;
  const auto tens = words.find(w.substr(0, space)), ones = words.find(w.substr(space + 1));
  if (tens != words.end() && ones != words.end() && tens->second >= 20 && tens->second <= 90 && ones->second >= 1 && ones->second <= 9) return tens->second + ones->second;
  return -1;
}

const Expr* base_number(Arena& arena, std::string_view digits, int base) {
  if (digits.size() > 2000) return nullptr;
  Rational value, unit(1);
  bool point = false;
  std::string normal;
  for (const char c : digits) {
    if (c == '.') {
      if (point) return nullptr;
      point = true;
      normal += c;
      continue;
    }
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
    if (d >= base) return nullptr;
    normal += static_cast<char>(d < 10 ? '0' + d : 'A' + d - 10);
    if (point) {
      unit = unit / Rational(base);
      value = value + unit * Rational(d);
    } else {
      value = value * Rational(base) + Rational(d);
    }
  }
  const size_t first = normal.find_first_not_of('0');
  if (first != std::string::npos && first > 0 && normal[first] != '.') normal = normal.substr(first);
  Expr* e = arena.make(Kind::kBase);
  arena.set_number(e, value);
  e->name = arena.copy(normal);
  e->index = base;
  return e;
}

int month_day(std::string_view w) {
  static constexpr std::array<std::string_view, 12> months = {"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"};
  const auto month = [&](std::string_view s) {
    for (int m = 0; m < 12; ++m)
      if (s == months[m] || (s.size() == 3 && months[m].substr(0, 3) == s)) return m + 1;
    return 0;
  };
  const auto day = [](std::string_view s) {
    for (const std::string_view suffix : {"st", "nd", "rd", "th"})
      if (s.size() > 2 && s.substr(s.size() - 2) == suffix) {
        s.remove_suffix(2);
        break;
      }
    int n = 0;
    if (s.empty() || s.size() > 2) return 0;
    for (const char c : s) {
      if (c < '0' || c > '9') return 0;
      n = n * 10 + (c - '0');
    }
    return n <= 31 ? n : 0;
  };
  const size_t space = w.find(' ');
  if (space == std::string_view::npos) return 0;
  std::string_view a = w.substr(0, space), b = w.substr(space + 1);
  if (b.substr(0, 3) == "of ") b.remove_prefix(3);
  if (month(a) && day(b)) return month(a) * 100 + day(b);
  if (day(a) && month(b)) return month(b) * 100 + day(a);
  return 0;
}

}  // namespace foil::verify
