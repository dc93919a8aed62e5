#include "verify/respell.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "verify/passages.h"
#include "verify/words.h"

namespace foil::verify {

namespace {

size_t digits_from(std::string_view s, size_t at) {
  size_t n = 0;
  while (at + n < s.size() && is_digit(s[at + n])) ++n;
  return n;
}

bool only_letters_and_spaces(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return is_latin(c) || c == ' ' || c == '.'; });
}

std::string_view trimmed_view(std::string_view s) {
  const Span t = trimmed(s, {0, s.size()});
  return s.substr(t.begin, t.end - t.begin);
}

std::string replaced(std::string_view s, size_t begin, size_t end, std::string_view by) {
  return std::string(s.substr(0, begin)) + std::string(by) + std::string(s.substr(end));
}

// \frac{\text{m}}{\text{s}^2} → \text{m/s^2}
std::optional<std::string> fraction_of_units(std::string_view s) {
  constexpr std::string_view kFrac = "frac{";
  for (size_t at = s.find(kFrac); at != std::string_view::npos; at = s.find(kFrac, at + 1)) {
    size_t begin = at, i = at + kFrac.size();
    while (begin > 0 && (s[begin - 1] == 'd' || s[begin - 1] == 't')) --begin;
    if (begin == 0 || s[begin - 1] != '\\') continue;
    --begin;
    const auto unit = [&]() -> std::optional<std::string> {
      for (const std::string_view wrap : {"\\text{", "\\mathrm{", "\\textrm{", "\\mbox{"}) {
        if (s.substr(i, wrap.size()) != wrap) continue;
        size_t j = i + wrap.size();
        while (j < s.size() && (is_latin(s[j]) || s[j] == ' ')) ++j;
        if (j >= s.size() || s[j] != '}') return std::nullopt;
        const Span word = trimmed(s, {i + wrap.size(), j});
        std::string out(s.substr(word.begin, word.end - word.begin));
        i = j + 1;
        if (i + 1 < s.size() && s[i] == '^') {
          const bool braced = s[i + 1] == '{';
          const size_t from = i + (braced ? 2 : 1), n = braced ? digits_from(s, from) : std::min<size_t>(digits_from(s, from), 1);
          if (n == 0) return std::nullopt;
          out += "^" + std::string(s.substr(from, n));
          i = from + n;
          if (braced && (i >= s.size() || s[i++] != '}')) return std::nullopt;
        }
        return out.empty() ? std::nullopt : std::optional(out);
      }
      return std::nullopt;
    };
    const auto above = unit();
    if (!above || s.substr(i, 2) != "}{") continue;
    i += 2;
    const auto below = unit();
    if (!below || i >= s.size() || s[i] != '}') continue;
    return replaced(s, begin, i + 1, "\\text{ " + *above + "/" + *below + "}");
  }
  return std::nullopt;
}

// {1,3}\cup{2,4}: braces that are members' own, with the backslash lost
std::optional<std::string> sets_without_backslash(std::string_view s) {
  if (s.empty() || s.front() != '{' || s.back() != '}') return std::nullopt;
  std::string out;
  bool operation = false;
  for (size_t i = 0; i < s.size();) {
    const size_t close = s.find('}', i);
    if (s[i] != '{' || close == std::string_view::npos) return std::nullopt;
    const std::string_view inside = s.substr(i + 1, close - i - 1);
    if (inside.empty() || inside.find_first_of("{\\") != std::string_view::npos) return std::nullopt;
    out += "\\{" + std::string(inside) + "\\}";
    i = close + 1;
    if (i == s.size()) break;
    const size_t next = s.find('{', i);
    if (next == std::string_view::npos) return std::nullopt;
    const Span gap = trimmed(s, {i, next});
    const std::string_view sign = s.substr(gap.begin, gap.end - gap.begin);
    if (sign != "\\cup" && sign != "\\cap" && sign != "\\setminus" && sign != "∪" && sign != "∩") return std::nullopt;
    out += " " + std::string(sign) + " ";
    operation = true;
    i = next;
  }
  return operation ? std::optional(out) : std::nullopt;
}

// A number bare or in braces at `i`; empty: none.
std::string_view number_at(std::string_view s, size_t& i) {
  const bool braced = i < s.size() && s[i] == '{';
  const size_t from = i + (braced ? 1 : 0), n = digits_from(s, from);
  if (n == 0 || n > 9 || (braced && (from + n >= s.size() || s[from + n] != '}'))) return {};
  i = from + n + (braced ? 1 : 0);
  return s.substr(from, n);
}

// {}_5C_2, ^5C_2, 5C2 → \binom{5}{2}; {}_5P_2 → \frac{5!}{(5-2)!}
std::optional<std::string> combinations(std::string_view s) {
  if (s.size() > 40) return std::nullopt;
  size_t i = s.substr(0, 2) == "{}" ? 2 : 0;
  const bool script = i < s.size() && (s[i] == '_' || s[i] == '^');
  if (script) ++i;
  if (i > 0 && !script) return std::nullopt;
  const std::string_view n = number_at(s, i);
  if (n.empty()) return std::nullopt;
  while (i < s.size() && s[i] == ' ') ++i;
  for (const std::string_view wrap : {"\\mathrm{", "\\text{"})
    if (s.substr(i, wrap.size()) == wrap && i + wrap.size() + 1 < s.size() && s[i + wrap.size() + 1] == '}') {
      const std::string bare = std::string(s.substr(0, i)) + s[i + wrap.size()] + std::string(s.substr(i + wrap.size() + 2));
      return combinations(bare);
    }
  constexpr std::string_view kChoose = "choose ";
  if (s.substr(i, kChoose.size()) == kChoose && !script) {
    i += kChoose.size();
    const std::string_view k = number_at(s, i);
    return k.empty() || i != s.size() ? std::nullopt : std::optional("\\binom{" + std::string(n) + "}{" + std::string(k) + "}");
  }
  if (i >= s.size() || (s[i] != 'C' && s[i] != 'P')) return std::nullopt;
  const bool order = s[i++] == 'P', below = i < s.size() && s[i] == '_';
  if (below) ++i;
  if (below != script) return std::nullopt;  // 5C_2 is five times C_2
  const std::string_view k = number_at(s, i);
  if (k.empty() || i != s.size()) return std::nullopt;
  if (order) return "\\frac{" + std::string(n) + "!}{(" + std::string(n) + "-" + std::string(k) + ")!}";
  return "\\binom{" + std::string(n) + "}{" + std::string(k) + "}";
}

// [1, 2]^T → [1, 2]; \begin{pmatrix}1&2\end{pmatrix}^T → \begin{pmatrix}1\\2\end{pmatrix}
std::optional<std::string> transposed(std::string_view s) {
  bool found = false;
  for (const std::string_view mark : {"^T", "^{T}", "^\\top", "^{\\top}", "^t", "^{t}", "^\\mathsf{T}", "^{\\mathsf{T}}", "^\\mathrm{T}", "^{\\mathrm{T}}", "^\\intercal"})
    if (s.size() > mark.size() && s.substr(s.size() - mark.size()) == mark) {
      s = trimmed_view(s.substr(0, s.size() - mark.size()));
      found = true;
      break;
    }
  if (!found || s.empty()) return std::nullopt;
  if ((s.front() == '[' && s.back() == ']') || (s.front() == '(' && s.back() == ')')) {
    const std::string_view inside = s.substr(1, s.size() - 2);
    if (inside.find(',') == std::string_view::npos || inside.find_first_of("[]") != std::string_view::npos) return std::nullopt;
    return std::string(s);
  }
  for (const std::string_view name : {"pmatrix", "bmatrix", "matrix"}) {
    const std::string open = "\\begin{" + std::string(name) + "}", close = "\\end{" + std::string(name) + "}";
    if (s.size() < open.size() + close.size() || s.substr(0, open.size()) != open || s.substr(s.size() - close.size()) != close) continue;
    const std::string_view body = s.substr(open.size(), s.size() - open.size() - close.size());
    if (body.find("\\begin") != std::string_view::npos) return std::nullopt;
    std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
    for (size_t i = 0; i < body.size(); ++i) {
      if (body[i] == '&') {
        rows.back().emplace_back();
      } else if (body[i] == '\\' && i + 1 < body.size() && body[i + 1] == '\\') {
        rows.emplace_back(1);
        ++i;
      } else {
        rows.back().back() += body[i];
      }
    }
    if (rows.size() > 1 && rows.back().size() == 1 && rows.back()[0].find_first_not_of(" \n") == std::string::npos) rows.pop_back();
    for (const auto& row : rows)
      if (row.size() != rows[0].size()) return std::nullopt;
    std::string out = open;
    for (size_t j = 0; j < rows[0].size(); ++j)
      for (size_t i = 0; i < rows.size(); ++i) out += (i ? "&" : j ? "\\\\" : "") + rows[i][j];
    return out + close;
  }
  return std::nullopt;
}

// \text{A and B}, \text{A, B, and D} → A, B, D
std::optional<std::string> letters_in_text(std::string_view s) {
  constexpr std::string_view kText = "\\text{";
  if (s.substr(0, kText.size()) != kText || s.size() > 60 || s.find('}') + 1 != s.size()) return std::nullopt;
  std::string out;
  bool joined = false;
  for (size_t i = kText.size(); i + 1 < s.size();) {
    if (s[i] == ' ' || s[i] == ',') {
      ++i;
    } else if (s.substr(i, 4) == "and ") {
      joined = true;
      i += 4;
    } else if (s[i] >= 'A' && s[i] <= 'J' && !is_latin(s[i + 1])) {
      out += (out.empty() ? "" : ", ") + std::string(1, s[i++]);
    } else {
      return std::nullopt;
    }
  }
  return joined && out.size() > 1 ? std::optional(out) : std::nullopt;
}

// "52 (base 8)", "52 base 8", \text{52 base 8}, 52_{(8)} → 52_{8}
std::optional<std::string> base_in_words(std::string_view s) {
  if (s.size() > 60) return std::nullopt;
  constexpr std::string_view kText = "\\text{";
  if (s.substr(0, kText.size()) == kText && s.back() == '}' && s.find('}') + 1 == s.size()) s = trimmed_view(s.substr(kText.size(), s.size() - kText.size() - 1));
  size_t n = 0;
  while (n < s.size() && (is_digit(s[n]) || s[n] == '.' || (s[n] >= 'A' && s[n] <= 'F'))) ++n;
  if (n == 0) return std::nullopt;
  std::string_view rest = s.substr(n);
  std::string_view base;
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{" (base ", ")"}, {" base ", ""}, {" in base ", ""}, {"\\text{ (base }", ")"}, {" \\text{ (base }", ")"}, {"\\text{ base }", ""}, {" \\text{ base }", ""}, {"_{(", ")}"}, {"_{\\text{base }", "}"}})
    if (rest.size() > open.size() + close.size() && rest.substr(0, open.size()) == open && rest.substr(rest.size() - close.size()) == close) base = rest.substr(open.size(), rest.size() - open.size() - close.size());
  if (base.empty() || base.size() > 2 || digits_from(base, 0) != base.size()) return std::nullopt;
  return std::string(s.substr(0, n)) + "_{" + std::string(base) + "}";
}

// SymPy's Eq(a, b) → a = b
std::optional<std::string> equation_call(std::string_view s) {
  if (s.substr(0, 3) != "Eq(" || s.back() != ')') return std::nullopt;
  int depth = 0;
  size_t comma = std::string_view::npos;
  for (size_t i = 3; i + 1 < s.size(); ++i) {
    if (s[i] == '(' || s[i] == '[' || s[i] == '{') ++depth;
    if ((s[i] == ')' || s[i] == ']' || s[i] == '}') && --depth < 0) return std::nullopt;
    if (s[i] == ',' && depth == 0) {
      if (comma != std::string_view::npos) return std::nullopt;
      comma = i;
    }
  }
  if (comma == std::string_view::npos) return std::nullopt;
  return std::string(s.substr(3, comma - 3)) + " = " + std::string(s.substr(comma + 1, s.size() - comma - 2));
}

// Rational(3, 4), Fraction(3, 4) → \frac{3}{4}; Matrix([[1, 2], [3, 4]]) → [[1, 2], [3, 4]]; Interval.Lopen(3, 4) → (3, 4]; FiniteSet(1, 2) → \{1, 2\}
std::optional<std::string> python_call(std::string_view s) {
  if (s.back() != ')' || s[0] < 'F' || s[0] > 's') return std::nullopt;
  for (const std::string_view module : {"sympy.", "sp.", "fractions."})
    if (s.substr(0, module.size()) == module) s.remove_prefix(module.size());
  for (const std::string_view wrap : {"\\text{Rational}", "\\text{Fraction}"})
    if (s.substr(0, wrap.size()) == wrap) s.remove_prefix(wrap.size());
  const size_t open = s.find('(');
  if (open == std::string_view::npos || open + 2 > s.size()) return std::nullopt;
  const std::string_view name = s.substr(0, open), inside = s.substr(open + 1, s.size() - open - 2);
  int depth = 0;
  size_t comma = std::string_view::npos, commas = 0;
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '(' || inside[i] == '[') ++depth;
    if ((inside[i] == ')' || inside[i] == ']') && --depth < 0) return std::nullopt;
    if (inside[i] == ',' && depth == 0 && ++commas == 1) comma = i;
  }
  if (name == "Matrix" && commas == 0 && inside.substr(0, 1) == "[") return std::string(inside);
  if (name == "FiniteSet") return "\\{" + std::string(inside) + "\\}";
  if (commas != 1) return std::nullopt;
  const std::string a(inside.substr(0, comma)), b(inside.substr(comma + 1));
  if (name == "Rational" || name == "Fraction" || name.empty()) return name.empty() ? std::nullopt : std::optional("\\frac{" + a + "}{" + b + "}");
  for (const auto& [kind, left, right] : {std::array<std::string_view, 3>{"Interval", "[", "]"}, {"Interval.open", "(", ")"}, {"Interval.Lopen", "(", "]"}, {"Interval.Ropen", "[", ")"}})
    if (name == kind) return std::string(left) + a + "," + b + std::string(right);
  return std::nullopt;
}

// "\frac" whose "\f" was read as a form feed, "\text" as a tab, "\alpha" as a bell …
std::optional<std::string> with_backslashes_back(std::string_view s) {
  if (std::none_of(s.begin(), s.end(), [](char c) { return c >= 7 && c <= 13 && c != '\n'; })) return std::nullopt;
  static constexpr std::pair<char, std::string_view> kLost[] = {
      {'\f', "rac{"}, {'\t', "ext{"}, {'\t', "frac{"}, {'\t', "imes"}, {'\t', "heta"}, {'\t', "an"}, {'\a', "lpha"}, {'\a', "pprox"}, {'\a', "rc"}, {'\a', "ngle"}, {'\b', "eta"}, {'\b', "egin{"}, {'\b', "inom{"}, {'\b', "mod"}, {'\b', "oxed{"}, {'\b', "ar{"}, {'\v', "ec{"}, {'\r', "ight"}, {'\r', "angle"}, {'\r', "ho"}, {'\f', "box{"}};
  std::string out;
  bool any = false;
  for (size_t i = 0; i < s.size(); ++i) {
    bool lost = false;
    for (const auto& [control, rest] : kLost) lost = lost || (s[i] == control && s.substr(i + 1, rest.size()) == rest);
    if (lost) {
      out += '\\';
      if (s.substr(i + 1, 5) != "frac{" || s[i] != '\t') out += s[i] == '\f' ? 'f' : s[i] == '\t' ? 't' : s[i] == '\a' ? 'a' : s[i] == '\b' ? 'b' : s[i] == '\v' ? 'v' : 'r';
      any = true;
    } else {
      out += s[i];
    }
  }
  return any ? std::optional(out) : std::nullopt;
}

}  // namespace

// \left\{ \begin{array}{l} x=1 \\ y=2 \end{array} \right. → \begin{cases} … \end{cases}
std::optional<std::string> braced_system(std::string_view s) {
  constexpr std::string_view kOpen = "\\left\\{", kClose = "\\right";
  if (!s.empty() && s.back() == '.') s.remove_suffix(1);
  if (s.size() < kOpen.size() + kClose.size() || s.substr(0, kOpen.size()) != kOpen || s.substr(s.size() - kClose.size()) != kClose) return std::nullopt;
  s = trimmed_view(s.substr(kOpen.size(), s.size() - kOpen.size() - kClose.size()));
  for (const std::string_view name : {"array", "aligned"}) {
    const std::string open = "\\begin{" + std::string(name) + "}", close = "\\end{" + std::string(name) + "}";
    if (s.substr(0, open.size()) != open || s.size() < open.size() + close.size() || s.substr(s.size() - close.size()) != close) continue;
    std::string_view body = s.substr(open.size(), s.size() - open.size() - close.size());
    if (name == "array" && !body.empty() && body[0] == '{') body = body.substr(std::min(body.find('}') + 1, body.size()));
    std::string rows;
    for (const char c : body)
      if (c != '&') rows += c;
    return "\\begin{cases}" + rows + "\\end{cases}";
  }
  return std::nullopt;
}

// "- x = 1⏎- y = 2", "1. x = 1⏎2. x = 3", "(a) 3; (b) 4", "a) 3⏎b) 4" → "3, 4": a list of short items
std::optional<std::string> listed(std::string_view s) {
  if (s.size() > 300) return std::nullopt;
  std::vector<std::string> items;
  if (const std::string_view bullet = s.substr(0, 2); (bullet == "- " || bullet == "* ") && s.find("\n" + std::string(bullet)) != std::string_view::npos) {
    const std::string next = "\n" + std::string(bullet);
    for (size_t at = 2; at <= s.size();) {
      const size_t end = std::min(s.find(next, at), s.size());
      items.emplace_back(trimmed_view(s.substr(at, end - at)));
      at = end + next.size();
    }
  } else {
    for (const auto& [first, second, third] : {std::array<std::string_view, 3>{"(a) ", "(b) ", "(c) "}, {"a) ", "b) ", "c) "}, {"(i) ", "(ii) ", "(iii) "}, {"(1) ", "(2) ", "(3) "}, {"1. ", "2. ", "3. "}, {"Part (a): ", "Part (b): ", "Part (c): "}, {"Part 1: ", "Part 2: ", "Part 3: "}}) {
      if (s.substr(0, first.size()) != first) continue;
      const size_t two = s.find(second, first.size()), three = two == std::string_view::npos ? two : s.find(third, two);
      if (two == std::string_view::npos || (first[0] != '(' && first[0] != 'P' && s[two - 1] != '\n') || s.find('\n', two) != std::string_view::npos) continue;
      items.emplace_back(trimmed_view(s.substr(first.size(), two - first.size())));
      items.emplace_back(trimmed_view(s.substr(two + second.size(), std::min(three, s.size()) - two - second.size())));
      if (three != std::string_view::npos) items.emplace_back(trimmed_view(s.substr(three + third.size())));
      break;
    }
  }
  if (items.size() < 2) return std::nullopt;
  std::string out;
  for (std::string& item : items) {
    while (!item.empty() && (item.back() == ';' || item.back() == ',' || item.back() == '.')) item.pop_back();
    if (item.size() > 2 && item.front() == '$' && item.back() == '$') item = item.substr(1, item.size() - 2);
    if (item.empty() || looks_prose(item)) return std::nullopt;
    // "1. 3 \cdot 4⏎2. = 12": a step goes on with the one before
    out += (out.empty() ? "" : item[0] == '=' ? " " : " ; ") + item;
  }
  return out;
}

// "all nonnegative real numbers" → [0, ∞), "noon" → 12:00 p.m.
std::optional<std::string> named_in_words(std::string_view s) {
  if (s.size() < 4 || s.size() > 60 || std::any_of(s.begin(), s.end(), is_digit)) return std::nullopt;
  std::string words = fold(s);
  for (const std::string_view head : {"set of ", "all "})
    if (words.rfind(head, 0) == 0) words = words.substr(head.size());
  for (const std::string_view numbers : {" real numbers", " reals", " real number"}) {
    if (words.size() <= numbers.size() || words.compare(words.size() - numbers.size(), numbers.size(), numbers) != 0) continue;
    words.resize(words.size() - numbers.size());
    for (const auto& [sign, interval] : {std::pair<std::string_view, const char*>{"positive", "(0,\\infty)"}, {"negative", "(-\\infty,0)"}, {"nonnegative", "[0,\\infty)"}, {"non negative", "[0,\\infty)"}, {"nonpositive", "(-\\infty,0]"}, {"non positive", "(-\\infty,0]"}})
      if (words == sign) return interval;
    return std::nullopt;
  }
  if (words == "noon" || words == "12 noon") return "12:00 \\text{ p.m.}";
  if (words == "midnight") return "12:00 \\text{ a.m.}";
  return std::nullopt;
}

// "cos 13 degrees" → cos 13^\circ: the angle, not the cosine, is in degrees
std::optional<std::string> angles_in_words(std::string_view s) {
  constexpr std::string_view kDegrees = " degrees";
  if (s.size() > 200 || s.find(kDegrees) == std::string_view::npos) return std::nullopt;
  bool function = false;
  for (const std::string_view name : {"sin", "cos", "tan", "cot", "sec", "csc"})
    if (const size_t at = s.find(name); at != std::string_view::npos && (at == 0 || !is_latin(s[at - 1])) && at + 3 < s.size() && !is_latin(s[at + 3])) function = true;
  if (!function) return std::nullopt;
  std::string out(s);
  for (size_t at = out.find(kDegrees); at != std::string::npos; at = out.find(kDegrees, at)) {
    if (at == 0 || !is_digit(out[at - 1])) return std::nullopt;
    out.replace(at, kDegrees.size(), "^\\circ ");
  }
  return out;
}

// 1/(29,322,216) → 1/(29322216): what divides is one number
std::optional<std::string> grouped_divisor(std::string_view s) {
  const size_t open = s.find("/(");
  if (open == std::string_view::npos || s.size() > 200) return std::nullopt;
  const size_t close = s.find(')', open);
  if (close == std::string_view::npos) return std::nullopt;
  std::string digits(s.substr(open + 2, close - open - 2));
  for (size_t i = 0; i < digits.size(); ++i)
    if (digits[i] == ',' ? i == 0 || digits_from(digits, i + 1) != 3 : !is_digit(digits[i])) return std::nullopt;
  if (digits.find(',') == std::string::npos || digits.find(',') > 3 || digits[0] == '0') return std::nullopt;
  digits.erase(std::remove(digits.begin(), digits.end(), ','), digits.end());
  return replaced(s, open + 2, close, digits);
}

// 85" → 85 \text{ in}, 5'6" → 5 \text{ ft } 6 \text{ in}; 6' alone may be a prime
std::optional<std::string> feet_and_inches(std::string_view s) {
  if (s.size() > 24 || !is_digit(s[0]) || s.back() != '"') return std::nullopt;
  std::string out;
  std::string_view marks = "'\"";
  for (size_t i = 0; i < s.size();) {
    const size_t end = std::min(s.find_first_not_of("0123456789.", i), s.size());
    const size_t mark = end < s.size() ? marks.find(s[end]) : std::string_view::npos;
    if (end == i || mark == std::string_view::npos) return std::nullopt;
    out += std::string(s.substr(i, end - i)) + (s[end] == '"' ? " \\text{ in} " : " \\text{ ft} ");
    marks.remove_prefix(mark + 1);  // inches follow feet
    i = std::min(s.find_first_not_of(' ', end + 1), s.size());
  }
  return out;
}

std::optional<std::string> respelt(std::string_view s) {
  if (s.size() < 2 || s.size() > 2000) return std::nullopt;
  if (auto lengths = feet_and_inches(s)) return lengths;
  if (s.size() < 3) return std::nullopt;
  // "1.5 hours (90 minutes)" → 1.5 hours or 90 minutes
  if (is_digit(s[0]) && s.back() == ')' && s.size() < 60)
    if (const size_t open = s.find(" ("); open != std::string_view::npos && open + 4 < s.size() && is_digit(s[open + 2]) && is_latin(s[open - 1]) && is_latin(s[s.size() - 2]) && s.find_first_of("\\$=^") == std::string_view::npos) return std::string(s.substr(0, open)) + " or " + std::string(s.substr(open + 2, s.size() - open - 3));
  if (auto other = named_in_words(s)) return other;
  if (auto other = angles_in_words(s)) return other;
  if (auto other = grouped_divisor(s)) return other;
  if (auto system = braced_system(s)) return system;
  if (auto items = listed(s)) return items;
  if (auto restored = with_backslashes_back(s)) return restored;
  if (auto equation = equation_call(s)) return equation;
  if (auto other = python_call(s)) return other;
  if (auto other = base_in_words(s)) return other;
  for (const std::string_view tail : {" in total", " altogether", " in all"})
    if (s.size() > tail.size() && s.substr(s.size() - tail.size()) == tail && s.find_first_of("0123456789") != std::string_view::npos && !looks_prose(s)) return std::string(s.substr(0, s.size() - tail.size()));
  if (is_digit(s[0])) {
    const size_t n = digits_from(s, 0);
    for (const auto& [between, open, middle, close] : {std::array<std::string_view, 4>{" out of every ", "\\frac{", "}{", "}"}, {" out of ", "\\frac{", "}{", "}"}, {" in ", "\\frac{", "}{", "}"}, {" to ", "", ":", ""}}) {
      if (s.substr(n, between.size()) != between) continue;
      const size_t at = n + between.size(), m = digits_from(s, at);
      const std::string_view rest = s.substr(at + m);
      if (between == " in " && !rest.empty() && rest != " chance") continue;
      if (m == 0 || (middle == ":" ? !rest.empty() : !(rest.empty() || (rest[0] == ' ' && only_letters_and_spaces(rest))))) continue;
      return std::string(open) + std::string(s.substr(0, n)) + std::string(middle) + std::string(s.substr(at, m)) + std::string(close);
    }
    // 1.2(34)
    if (n < s.size() && s[n] == '.' && s.back() == ')') {
      const size_t head = n + 1 + digits_from(s, n + 1), period = head < s.size() && s[head] == '(' ? digits_from(s, head + 1) : 0;
      if (period > 0 && head + period + 2 == s.size()) return std::string(s.substr(0, head)) + "\\overline{" + std::string(s.substr(head + 1, period)) + "}";
    }
  }
  if (s.front() == '<' && s.back() == '>' && s.find(',') != std::string_view::npos && s.find_first_of("<>=", 1) == s.size() - 1) return "\\langle " + std::string(s.substr(1, s.size() - 2)) + "\\rangle";
  // \text{all real numbers except } x = 3, 25 \text{ (mod } 26)
  for (const std::string_view wrap : {"\\text{all ", "\\text{All "})
    if (const size_t close = s.find('}'); s.substr(0, wrap.size()) == wrap && close != std::string_view::npos && s.find("\\text", 1) == std::string_view::npos && s.find(" except") < close)
      if (auto bare = respelt(std::string(s.substr(6, close - 6)) + std::string(s.substr(close + 1)))) return bare;
  if (const size_t mod = s.find("\\text{ (mod }"); mod != std::string_view::npos && s.back() == ')') return std::string(s.substr(0, mod)) + "\\pmod{" + std::string(s.substr(mod + 13, s.size() - mod - 14)) + "}";
  for (const std::string_view words : {"all real numbers except ", "All real numbers except ", "all reals except ", "all real numbers other than "})
    if (s.substr(0, words.size()) == words && s.find_first_of("0123456789", words.size()) != std::string_view::npos) {
      std::string members(trimmed_view(s.substr(words.size())));
      for (const std::string_view name : {"x = ", "x=", "$x = ", "$x="})
        if (members.rfind(name, 0) == 0) members = (name[0] == '$' ? "$" : "") + members.substr(name.size());
      members.erase(std::remove(members.begin(), members.end(), '$'), members.end());
      for (const std::string_view joint : {", and ", " and "})
        if (const size_t at = members.find(joint); at != std::string::npos) members.replace(at, joint.size(), ", ");
      return "\\mathbb{R}\\setminus\\{" + members + "\\}";
    }
  if (s == "dozen" || s == "a dozen" || s == "\\text{a dozen}") return "12";
  if (auto other = combinations(s)) return other;
  if (auto other = transposed(s)) return other;
  if (auto other = letters_in_text(s)) return other;
  if (auto sets = sets_without_backslash(s)) return sets;
  return fraction_of_units(s);
}

std::optional<std::string> with_large_number_written_out(std::string_view s, int& power) {
  if (s.size() < 6 || s.size() > 200) return std::nullopt;
  size_t i = 0;
  for (const std::string_view sign : {"-", "\\$", "$"})
    if (s.substr(i, sign.size()) == sign) i += sign.size();
  const size_t begin = i;
  while (i < s.size() && (is_digit(s[i]) || ((s[i] == ',' || s[i] == '.') && i > begin && i + 1 < s.size() && is_digit(s[i + 1])))) ++i;
  std::string number(s.substr(begin, i - begin));
  number.erase(std::remove(number.begin(), number.end(), ','), number.end());
  const size_t point = std::min(number.find('.'), number.size());
  if (number.empty() || std::count(number.begin(), number.end(), '.') > 1) return std::nullopt;
  size_t word = i;
  while (word < s.size() && (s[word] == ' ' || s[word] == '~')) ++word;
  if (s.substr(word, 2) == "\\ " || s.substr(word, 2) == "\\,") word += 2;
  const bool wrapped = s.substr(word, 6) == "\\text{";
  if (wrapped) word += 6;
  while (word < s.size() && s[word] == ' ') ++word;
  constexpr int kDozen = 1;
  for (const auto& [name, zeros] : {std::pair<std::string_view, int>{"dozens", kDozen}, {"dozen", kDozen}, {"hundred", 2}, {"thousand", 3}, {"million", 6}, {"billion", 9}, {"trillion", 12}}) {
    const size_t end = word + name.size();
    if (s.substr(word, name.size()) != name || (end < s.size() && is_latin(s[end]))) continue;
    power = zeros;
    std::string rest(s.substr(end));
    if (wrapped) rest = "\\text{" + rest;
    if (rest == "\\text{}") rest.clear();
    if (zeros == kDozen) return std::string(s.substr(0, begin)) + "12 \\cdot " + number + rest;
    std::string digits = number.substr(0, point), decimals = point < number.size() ? number.substr(point + 1) : "";
    while (decimals.size() < static_cast<size_t>(zeros)) decimals += '0';
    digits += decimals.substr(0, static_cast<size_t>(zeros));
    decimals = decimals.substr(static_cast<size_t>(zeros));
    const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
    return std::string(s.substr(0, begin)) + digits.substr(first) + (decimals.empty() ? "" : "." + decimals) + rest;
  }
  return std::nullopt;
}

}  // namespace foil::verify
