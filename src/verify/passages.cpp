#include "verify/passages.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace foil::verify {

size_t find_last(std::string_view text, std::string_view what) {
  size_t end = text.size() < what.size() ? 0 : text.size() - what.size() + 1;
  while (end > 0) {
    const void* at = memrchr(text.data(), what[0], end);
    if (!at) break;
    end = static_cast<size_t>(static_cast<const char*>(at) - text.data());
    if (text.compare(end, what.size(), what) == 0) return end;
  }
  return std::string_view::npos;
}

Span trimmed(std::string_view text, Span s) {
  while (s.begin < s.end && is_space(text[s.begin])) ++s.begin;
  while (s.end > s.begin && is_space(text[s.end - 1])) --s.end;
  return s;
}

size_t closing_brace(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::vector<Box> boxes(std::string_view text) {
  std::vector<Box> out;
  // Partners of all braces in one pass, made when the first box is met: nested unclosed boxes would cost the square of their number.
  std::vector<size_t> partner;
  const auto closing = [&](size_t open) {
    if (partner.empty()) {
      partner.assign(text.size(), std::string_view::npos);
      std::vector<size_t> opened;
      for (size_t i = open; i < text.size(); ++i) {
        if (text[i] == '\\') {
          ++i;
        } else if (text[i] == '{') {
          opened.push_back(i);
        } else if (text[i] == '}' && !opened.empty()) {
          partner[opened.back()] = i;
          opened.pop_back();
        }
      }
    }
    return partner[open];
  };
  size_t at = 0, line = 0;  // line: where the last looked-up line ends
  while (at < text.size()) {
    const size_t slash = text.find('\\', at);
    if (slash == std::string_view::npos) break;
    size_t length = 0;
    for (const std::string_view name : {"\\boxed", "\\fbox", "\\framebox"})
      if (text.compare(slash, name.size(), name) == 0) length = name.size();
    if (!length) {
      at = slash + 1;
      continue;
    }
    size_t i = slash + length;
    while (i < text.size() && is_space(text[i])) ++i;
    if (i < text.size() && text[i] == '{') {
      const size_t close = closing(i);
      if (close == std::string_view::npos) {
        if (line < i) line = std::min(text.find('\n', i), text.size());
        out.push_back({slash, line, i + 1, line, false});
        at = i + 1;
      } else {
        out.push_back({slash, close + 1, i + 1, close, true});
        at = close + 1;
      }
    } else if (i < text.size() && !is_latin(text[slash + length])) {
      // \boxed 5
      size_t j = i;
      while (j < text.size() && !is_space(text[j]) && text[j] != '$' && text[j] != '}') ++j;
      while (j > i && (text[j - 1] == '.' || text[j - 1] == ',')) --j;
      if (j > i) out.push_back({slash, j, i, j, true});
      at = std::max(j, slash + 1);
    } else {
      at = slash + 1;
    }
  }
  return out;
}

bool joins(std::string_view gap) {
  // "\boxed{42}, then \boxed{277}", "\boxed{1/3} \approx \boxed{0.333}": the second goes on from the first
  static constexpr std::string_view kSteps[] = {"then", "so", "thus", "hence", "therefore", "which", "gives", "giving", "yields", "but", "not", "actually", "wait", "instead", "rather", "finally", "becomes", "numerically", "approximately"};
  static constexpr std::string_view kArrows[] = {"approx", "simeq", "Rightarrow", "Longrightarrow", "implies", "rightarrow", "longrightarrow", "to", "iff", "therefore", "mapsto"};
  const auto any_of = [](const auto& list, std::string_view w) { return std::find(std::begin(list), std::end(list), w) != std::end(list); };
  bool conjunction = false, separator = false, sign = false;
  size_t count = 0;
  for (size_t i = 0; i < gap.size();) {
    const char c = gap[i];
    if (c == '\\') {
      size_t j = i + 1;
      while (j < gap.size() && is_latin(gap[j])) ++j;
      if (any_of(kArrows, gap.substr(i + 1, j - i - 1))) return false;
      i = std::max(j, i + 2);
      continue;
    }
    if (is_latin(c)) {
      size_t j = i;
      std::string w;
      while (j < gap.size() && is_latin(gap[j])) w += lower(gap[j++]);
      if (any_of(kSteps, w)) return false;
      if (w == "and" || w == "or") conjunction = true;
      else ++count;
      i = j;
      continue;
    }
    if (c == '.' || c == '?' || c == '!' || c == ':') return false;
    if (c == '\n' && gap.find('\n', i + 1) != std::string_view::npos && gap.substr(i).find_first_not_of("\n \t$,") == std::string_view::npos && !conjunction && !separator) return false;
    if (static_cast<unsigned char>(c) >= 0x80) {
      bool known = false;
      for (const std::string_view mark : {"，", "、", "；", "和", "或", "与", "及"})
        if (gap.substr(i, 3) == mark) known = true;
      (known ? separator : sign) = true;
      i += known ? 3 : 1;
      continue;
    }
    if (c == ',' || c == ';') separator = true;
    else if (!is_space(c) && c != '$' && c != '{' && c != '}' && c != '*' && c != '&' && c != '+') sign = true;
    ++i;
  }
  if (gap.size() > 80) return false;
  if (conjunction || separator) return count <= 6;
  return count == 0 && !sign;
}

namespace {

// What stands between two single dollar signs is prose between two prices, not a formula: "$260 + $260", "$5 and spent $3".
bool money(std::string_view inside, char after) {
  if (inside.empty()) return true;
  if (inside.find("<<") != std::string_view::npos) return true;
  if (inside.find('\\') != std::string_view::npos) return false;
  if (is_digit(after)) return true;
  std::string_view core = inside;
  while (!core.empty() && is_space(core.back())) core.remove_suffix(1);
  while (!core.empty() && is_space(core.front())) core.remove_prefix(1);
  if (core.empty()) return true;
  if (is_space(inside.front()) != is_space(inside.back()) && core.find(' ') != std::string_view::npos) return true;
  if (!is_digit(core.front())) return false;
  const char last = core.back();
  if (last == '+' || last == '-' || last == '=' || last == '*' || last == '/' || last == '>' || last == '<') return true;
  size_t run = 0;
  for (const char c : core) {
    run = is_latin(c) ? run + 1 : 0;
    if (run >= 3) return true;
  }
  return false;
}

}  // namespace

namespace {

// Behind the \end of a display environment (align, gather, equation …) that begins at `at`; npos: none begins there.
size_t environment_end(std::string_view text, size_t at, size_t limit) {
  constexpr std::string_view kBegin = "\\begin{";
  if (text.substr(at, kBegin.size()) != kBegin) return std::string_view::npos;
  const size_t close = text.find('}', at);
  if (close == std::string_view::npos || close - at > 24) return std::string_view::npos;
  const std::string name(text.substr(at + kBegin.size(), close - at - kBegin.size()));
  for (const std::string_view display : {"align", "align*", "equation", "equation*", "gather", "gather*", "eqnarray", "eqnarray*", "multline", "multline*"})
    if (name == display) {
      const std::string last = "\\end{" + name + "}";
      const size_t end = text.find(last, close);
      return end == std::string_view::npos || end + last.size() > limit ? std::string_view::npos : end + last.size();
    }
  return std::string_view::npos;
}

}  // namespace

size_t sentence_end(std::string_view text, size_t at) {
  int depth = 0;
  bool dollar = false;
  for (size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      if (text[i + 1] == '(' || text[i + 1] == '[') ++depth;
      if (text[i + 1] == ')' || text[i + 1] == ']') --depth;
      if (text[i + 1] == 'b' && !dollar && depth == 0)
        if (const size_t end = environment_end(text, i, text.size()); end != std::string_view::npos) {
          i = end - 1;
          continue;
        }
      ++i;
      // behind a displayed formula a capital opens the next sentence
      if (text[i] == ']' && i + 2 < text.size() && text[i + 1] == ' ' && text[i + 2] >= 'A' && text[i + 2] <= 'Z') return i + 1;
      continue;
    }
    if (c == '$') {
      if (i + 1 < text.size() && text[i + 1] == '$') {
        ++i;
        if (dollar && i + 2 < text.size() && text[i + 1] == ' ' && text[i + 2] >= 'A' && text[i + 2] <= 'Z') return i + 1;
      }
      if (!dollar) {
        // an opening sign only if its partner makes a formula
        const size_t close = text.find('$', i + 1);
        if (close == std::string_view::npos || close - i > 2000 || (text[i - (i > 0)] != '$' && money(text.substr(i + 1, close - i - 1), close + 1 < text.size() ? text[close + 1] : ' '))) continue;
      }
      dollar = !dollar;
    }
    if (depth > 0) continue;
    if (c == '\n') {
      if (!dollar) return i;
      if (i + 1 < text.size() && text[i + 1] == '\n') return i;
    }
    if (c == '\xE3' && !dollar && text.substr(i, 3) == "。") return i;
    if (c == '.' && !dollar) {
      const char next = i + 1 < text.size() ? text[i + 1] : ' ';
      const bool initial = i >= 1 && (lower(text[i - 1]) == 'a' || lower(text[i - 1]) == 'p') && (i < 2 || !is_latin(text[i - 2])) && lower(next) == 'm';  // a.m.
      const bool abbreviation = i >= 2 && text[i - 2] == '.' && (lower(text[i - 1]) == 'm' || text[i - 1] == 'e' || text[i - 1] == 'g');  // p.m., i.e., e.g.
      if (initial || abbreviation) continue;
      if (is_space(next) || next == '*' || next == '"') return i;
    }
  }
  return text.size();
}

std::vector<Span> formulas(std::string_view text, Span s) {
  std::vector<Span> out;
  size_t i = s.begin;
  while (i < s.end) {
    const char c = text[i];
    if (c == '\\' && i + 1 < s.end) {
      const char d = text[i + 1];
      if (d == '(' || d == '[') {
        const size_t end = text.find(d == '(' ? "\\)" : "\\]", i + 2);
        if (end == std::string_view::npos || end > s.end) break;
        out.push_back(trimmed(text, {i + 2, end}));
        i = end + 2;
        continue;
      }
      if (const size_t end = environment_end(text, i, s.end); end != std::string_view::npos) {
        out.push_back({i, end});
        i = end;
        continue;
      }
      i += 2;
      continue;
    }
    if (c != '$') {
      ++i;
      continue;
    }
    const bool twice = i + 1 < s.end && text[i + 1] == '$';
    const size_t inner = i + (twice ? 2 : 1);
    size_t end = inner;
    bool ok = false;
    for (; end < s.end; ++end) {
      if (text[end] == '\\') {
        ++end;
        continue;
      }
      if (text[end] == '$') {
        ok = true;
        break;
      }
      if (!twice && text[end] == '\n' && end + 1 < s.end && text[end + 1] == '\n') break;
    }
    const std::string_view inside = ok ? text.substr(inner, end - inner) : std::string_view();
    if (!ok || (!twice && money(inside, end + 1 < text.size() ? text[end + 1] : ' '))) {
      i = inner;
      continue;
    }
    const Span f = trimmed(text, {inner, end});
    if (f.begin < f.end) out.push_back(f);
    i = end + (twice ? 2 : 1);
  }
  return out;
}

bool looks_prose(std::string_view text) {
  size_t words = 0;
  std::string_view last;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      ++i;
      const size_t begin = i;
      while (i < text.size() && is_latin(text[i])) ++i;
      const std::string_view name = text.substr(begin, i - begin);
      if ((name == "text" || name == "mbox" || name == "textbf" || name == "mathrm" || name == "textnormal" || name == "begin" || name == "end") && i < text.size() && text[i] == '{') {
        const size_t close = closing_brace(text.substr(0, i + 200), i);  // a bound: many unclosed ones would cost the square of their number
        if (close != std::string_view::npos) i = close + 1;
      } else if (begin == i) {
        ++i;
      }
      continue;
    }
    if (!is_latin(text[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < text.size() && (is_latin(text[i]) || text[i] == '\'')) ++i;
    // functions ("sqrt(2)") and one unit said again and again make no prose
    const std::string_view word = text.substr(begin, i - begin);
    const bool call = i < text.size() && text[i] == '(';
    if (word.size() >= 3 && !call && word != last && ++words >= 4) return true;
    if (word.size() >= 3) last = word;
  }
  return false;
}

}  // namespace foil::verify
