// extract(): where in a model's text the final answer stands.
//
// Strongest sign first: <answer> tags, boxes, "####", a sentence that announces the answer, the whole text when it is nothing but
// an answer, bold type, the last formula, the last "= …", a letter, the last number. Within one sign the last occurrence wins.
#include <algorithm>
#include <array>
#include <cstring>

#include "verify/verify.h"

namespace foil::verify {

namespace {

bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

struct Span {
  size_t begin, end;
};

Span trimmed(std::string_view text, Span s) {
  while (s.begin < s.end && space(text[s.begin])) ++s.begin;
  while (s.end > s.begin && space(text[s.end - 1])) --s.end;
  return s;
}

std::optional<Extracted> found(std::string_view text, Span s, const char* rule) {
  s = trimmed(text, s);
  if (s.begin >= s.end) return std::nullopt;
  return Extracted{std::string(text.substr(s.begin, s.end - s.begin)), s.begin, s.end, rule};
}

// The matching brace of text[open] == '{', or npos.
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

struct Box {
  size_t begin, end;           // of the whole \boxed{…}
  size_t inner_begin, inner_end;
  bool closed;
};

std::vector<Box> boxes(std::string_view text) {
  std::vector<Box> out;
  size_t at = 0;
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
    while (i < text.size() && space(text[i])) ++i;
    if (i < text.size() && text[i] == '{') {
      const size_t close = closing_brace(text, i);
      if (close == std::string_view::npos) {
        const size_t line = std::min(text.find('\n', i), text.size());
        out.push_back({slash, line, i + 1, line, false});
        at = i + 1;
      } else {
        out.push_back({slash, close + 1, i + 1, close, true});
        at = close + 1;
      }
    } else if (i < text.size() && !letter(text[slash + length])) {
      // \boxed 5
      size_t j = i;
      while (j < text.size() && !space(text[j]) && text[j] != '$' && text[j] != '}') ++j;
      while (j > i && (text[j - 1] == '.' || text[j - 1] == ',')) --j;
      if (j > i) out.push_back({slash, j, i, j, true});
      at = std::max(j, slash + 1);
    } else {
      at = slash + 1;
    }
  }
  return out;
}

// Is the text between two boxes only what joins parts of one answer ("and", "or", commas, a few words)?
bool joins(std::string_view gap) {
  std::string words;
  bool conjunction = false, separator = false;
  size_t count = 0;
  for (size_t i = 0; i < gap.size();) {
    const char c = gap[i];
    if (c == '\\') {
      size_t j = i + 1;
      while (j < gap.size() && letter(gap[j])) ++j;
      i = std::max(j, i + 2);
      continue;
    }
    if (letter(c)) {
      size_t j = i;
      std::string w;
      while (j < gap.size() && letter(gap[j])) w += lower(gap[j++]);
      if (w == "and" || w == "or") conjunction = true;
      else ++count;
      i = j;
      continue;
    }
    if (c == '.' || c == '?' || c == '!' || c == ':') return false;
    if (c == '\n' && gap.find('\n', i + 1) != std::string_view::npos && gap.substr(i).find_first_not_of("\n \t$,") == std::string_view::npos && !conjunction && !separator) return false;
    if (c == ',' || c == ';') separator = true;
    ++i;
  }
  if (gap.size() > 80) return false;
  if (conjunction || separator) return count <= 6;
  return count == 0;
}

std::optional<Extracted> boxed(std::string_view text) {
  const std::vector<Box> all = boxes(text);
  if (all.empty()) return std::nullopt;
  size_t first = all.size() - 1;
  const Box& last = all.back();
  if (!last.closed) return found(text, {last.begin, last.end}, "boxed");
  while (first > 0 && all[first - 1].closed && all[first - 1].end <= all[first].begin && joins(text.substr(all[first - 1].end, all[first].begin - all[first - 1].end))) --first;
  if (first + 1 == all.size()) {
    // "x \in \boxed{…}" and "\boxed{20} percent" keep what stands inside; the words around a box are not the answer
    auto e = found(text, {last.inner_begin, last.inner_end}, "boxed");
    if (e) {
      // a unit or % directly behind the box belongs to it
      std::string_view tail = text.substr(last.end, 24);
      size_t i = 0;
      while (i < tail.size() && (tail[i] == ' ' || tail[i] == '$' || tail[i] == '~')) ++i;
      if (tail.substr(i, 1) == "%" || tail.substr(i, 2) == "\\%" || tail.substr(i, 7) == "percent" || tail.substr(i, 3) == "pct") e->text += "\\%";
    }
    return e;
  }
  // several boxes: one enumeration; equal ones count once
  std::vector<std::string> parts;
  for (size_t i = first; i < all.size(); ++i) {
    const Span s = trimmed(text, {all[i].inner_begin, all[i].inner_end});
    std::string part(text.substr(s.begin, s.end - s.begin));
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(std::move(part));
  }
  Extracted e;
  for (const std::string& p : parts) {
    if (!e.text.empty()) e.text += parts.size() > 1 ? " ; " : "";
    e.text += p;
  }
  if (e.text.empty()) return std::nullopt;
  e.begin = all[first].inner_begin;
  e.end = last.inner_end;
  e.rule = "boxed";
  return e;
}

std::optional<Extracted> tagged(std::string_view text) {
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<answer>", "</answer>"}, {"<ANSWER>", "</ANSWER>"}, {"<final_answer>", "</final_answer>"}}) {
    const size_t begin = text.rfind(open);
    if (begin == std::string_view::npos) continue;
    const size_t inner = begin + open.size();
    const size_t end = std::min(text.find(close, inner), text.size());
    auto e = found(text, {inner, end}, "tag");
    if (!e) continue;
    // the tag may itself hold a box or a sentence
    if (auto b = boxed(e->text)) {
      e->begin = inner + b->begin;
      e->end = inner + b->end;
      e->text = b->text;
    }
    return e;
  }
  return std::nullopt;
}

std::optional<Extracted> hashed(std::string_view text) {
  size_t at = text.rfind("####");
  while (at != std::string_view::npos) {
    size_t begin = at + 4;
    while (begin < text.size() && text[begin] == '#') ++begin;
    size_t end = std::min(text.find('\n', begin), text.size());
    if (auto e = found(text, {begin, end}, "hash")) {
      // a Markdown heading "#### Final answer" is not an answer
      const bool heading = e->text.size() > 3 && letter(e->text[0]) && e->text.find_first_of("0123456789\\$=") == std::string::npos && e->text.find(' ') != std::string::npos;
      if (!heading) return e;
    }
    if (at < 4) break;
    at = text.rfind("####", at - 1);
  }
  return std::nullopt;
}

// A formula that starts at `at` (behind spaces, colons, stars): its inside; nullopt if none starts there.
std::optional<Span> formula_at(std::string_view text, size_t at) {
  while (at < text.size() && (space(text[at]) || text[at] == '*' || text[at] == ':' || text[at] == '_')) ++at;
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}}) {
    if (text.compare(at, open.size(), open) != 0) continue;
    const size_t inner = at + open.size();
    size_t end = text.find(close, inner);
    while (end != std::string_view::npos && close == "$" && end > 0 && text[end - 1] == '\\') end = text.find(close, end + 1);
    if (end == std::string_view::npos) continue;
    if (open == "$" && inner < text.size() && (digit(text[inner])) && text.substr(inner, end - inner).find_first_of(" \n") != std::string_view::npos && text.substr(inner, end - inner).find_first_of("\\=^_{") == std::string_view::npos)
      continue;  // "$5 and $6": money
    return Span{inner, end};
  }
  return std::nullopt;
}

// End of the sentence that starts at `at`: a full stop before a space, a line break outside a formula.
size_t sentence_end(std::string_view text, size_t at) {
  int depth = 0;
  bool dollar = false;
  for (size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      if (text[i + 1] == '(' || text[i + 1] == '[') ++depth;
      if (text[i + 1] == ')' || text[i + 1] == ']') --depth;
      ++i;
      continue;
    }
    if (c == '$') dollar = !dollar;
    if (depth > 0) continue;
    if (c == '\n') {
      if (!dollar) return i;
      if (i + 1 < text.size() && text[i + 1] == '\n') return i;
    }
    if (c == '.' && !dollar) {
      const char next = i + 1 < text.size() ? text[i + 1] : ' ';
      const bool initial = i >= 1 && (lower(text[i - 1]) == 'a' || lower(text[i - 1]) == 'p') && (i < 2 || !letter(text[i - 2])) && lower(next) == 'm';  // a.m.
      const bool abbreviation = i >= 2 && lower(text[i - 1]) == 'm' && text[i - 2] == '.';
      if (initial || abbreviation) continue;
      if (space(next) || next == '*' || next == '"') return i;
    }
  }
  return text.size();
}

bool starts_with_answer_words(std::string_view text, size_t at, std::string_view phrase) {
  if (at + phrase.size() > text.size()) return false;
  for (size_t i = 0; i < phrase.size(); ++i)
    if (lower(text[at + i]) != phrase[i]) return false;
  return at == 0 || !letter(text[at - 1]);
}

std::optional<Extracted> announced(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kStrong = {"final answer", "correct answer", "answer"};
  size_t best = std::string_view::npos;
  Span span{0, 0};
  const auto consider = [&](size_t phrase, size_t begin) {
    if (best != std::string_view::npos && phrase <= best) return;
    while (begin < text.size() && (space(text[begin]) || text[begin] == '*' || text[begin] == ':' || text[begin] == '_')) ++begin;
    if (begin >= text.size()) return;
    Span s;
    if (const auto f = formula_at(text, begin)) {
      s = *f;
      // "$28$ percent", "$x$ and $y$"
      const size_t stop = sentence_end(text, f->end + 1);
      const std::string_view rest = text.substr(f->end, stop - f->end);
      size_t i = 0;
      while (i < rest.size() && (rest[i] == '$' || rest[i] == '\\' || rest[i] == ')' || rest[i] == ']' || rest[i] == ' ')) ++i;
      const std::string_view tail = rest.substr(i);
      if (tail.substr(0, 4) == "and " || tail.substr(0, 3) == "or " || tail.substr(0, 1) == ",") {
        if (rest.find('$') != std::string_view::npos || rest.find("\\(") != std::string_view::npos) s = {begin, stop};
      } else if (tail.substr(0, 1) == "%" || tail.substr(0, 7) == "percent") {
        s = {begin, f->end + i + (tail[0] == '%' ? 1 : 7)};
      }
    } else {
      s = {begin, sentence_end(text, begin)};
    }
    s = trimmed(text, s);
    while (s.end > s.begin && (text[s.end - 1] == '*' || text[s.end - 1] == '.' || text[s.end - 1] == '"' || text[s.end - 1] == '_')) --s.end;
    while (s.begin < s.end && (text[s.begin] == '*' || text[s.begin] == '"' || text[s.begin] == '_')) ++s.begin;
    s = trimmed(text, s);
    if (s.begin >= s.end) return;
    best = phrase;
    span = s;
  };
  for (size_t i = 0; i + 6 <= text.size(); ++i) {
    if (lower(text[i]) != 'a' && lower(text[i]) != 'f' && lower(text[i]) != 'c') continue;
    for (const std::string_view phrase : kStrong) {
      if (!starts_with_answer_words(text, i, phrase)) continue;
      size_t j = i + phrase.size();
      if (j < text.size() && letter(text[j])) break;
      // "answer is", "answer:", "answer =", "answer to … is"
      size_t k = j;
      while (k < text.size() && (text[k] == ' ' || text[k] == '*' || text[k] == '\t')) ++k;
      if (k < text.size() && (text[k] == ':' || text[k] == '=')) {
        consider(i, k + 1);
      } else if (starts_with_answer_words(text, k, "is") || starts_with_answer_words(text, k, "should be") || starts_with_answer_words(text, k, "will be") || starts_with_answer_words(text, k, "are") || starts_with_answer_words(text, k, "would be")) {
        k += lower(text[k]) == 'i' ? 2 : lower(text[k]) == 'a' ? 3 : lower(text[k]) == 's' ? 9 : lower(text[k + 3]) == 'l' && lower(text[k + 2]) == 'l' ? 7 : 8;
        if (k < text.size() && letter(text[k])) break;
        consider(i, k);
      } else {
        const size_t stop = sentence_end(text, j);
        size_t is = std::string_view::npos;
        for (size_t m = j; m + 4 <= stop; ++m)
          if (space(text[m]) && starts_with_answer_words(text, m + 1, "is") && m + 3 < text.size() && (space(text[m + 3]) || text[m + 3] == ':')) is = m + 3;
        if (is != std::string_view::npos && is - j < 160) consider(i, is);
        else if (phrase == "final answer" && k < text.size() && text[k] == '\n') consider(i, k + 1);
      }
      break;
    }
  }
  if (best == std::string_view::npos) return std::nullopt;
  auto e = found(text, span, "answer_is");
  if (!e) return e;
  // "the largest n is 34": the value behind the verb
  if (e->text.find_first_of("\\$^_{") == std::string::npos && e->text.find(' ') != std::string::npos) {
    const size_t is = e->text.rfind(" is ");
    if (is != std::string::npos) {
      e->begin += is + 4;
      e->text = e->text.substr(is + 4);
    }
  }
  return e;
}

std::optional<Extracted> bold(std::string_view text) {
  size_t end = text.rfind("**");
  while (end != std::string_view::npos && end >= 2) {
    const size_t begin = text.rfind("**", end - 1);
    if (begin == std::string_view::npos) return std::nullopt;
    if (begin + 2 <= end) {
      auto e = found(text, {begin + 2, end}, "bold");
      if (e && e->text.find('\n') == std::string::npos && e->text.size() <= 120 && e->text.back() != ':') {
        // bold headings ("**Step 1**") are words; an answer has a number or a formula, or is one word
        const bool value = e->text.find_first_of("0123456789\\$=") != std::string::npos || e->text.find(' ') == std::string::npos;
        const bool heading = e->text.size() > 4 && (std::strncmp(e->text.c_str(), "Step", 4) == 0 || std::strncmp(e->text.c_str(), "Case", 4) == 0 || std::strncmp(e->text.c_str(), "Part", 4) == 0);
        if (value && !heading) return e;
      }
    }
    if (begin < 2) return std::nullopt;
    end = text.rfind("**", begin - 1);
  }
  return std::nullopt;
}

// The value at the end of "… = value", outside any bracket.
Span after_last_equals(std::string_view text, Span s) {
  int depth = 0;
  size_t from = s.begin;
  for (size_t i = s.begin; i < s.end; ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
      continue;
    }
    if (c == '{' || c == '(' || c == '[') ++depth;
    if (c == '}' || c == ')' || c == ']') --depth;
    if (c == '=' && depth == 0 && (i == 0 || (text[i - 1] != '<' && text[i - 1] != '>' && text[i - 1] != '!'))) from = i + 1;
  }
  return {from, s.end};
}

std::optional<Extracted> last_formula(std::string_view text) {
  // Scan once; remember the last closed formula.
  std::optional<Span> last;
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      const char d = text[i + 1];
      if (d == '(' || d == '[') {
        const std::string_view close = d == '(' ? "\\)" : "\\]";
        const size_t end = text.find(close, i + 2);
        if (end == std::string_view::npos) break;
        last = Span{i + 2, end};
        i = end + 2;
        continue;
      }
      i += 2;
      continue;
    }
    if (c == '$') {
      const bool twice = i + 1 < text.size() && text[i + 1] == '$';
      const size_t inner = i + (twice ? 2 : 1);
      size_t end = inner;
      bool ok = false;
      for (; end < text.size(); ++end) {
        if (text[end] == '\\') {
          ++end;
          continue;
        }
        if (text[end] == '$') {
          ok = true;
          break;
        }
        if (!twice && text[end] == '\n' && end + 1 < text.size() && text[end + 1] == '\n') break;
      }
      if (!ok) {
        i = inner;
        continue;
      }
      const std::string_view inside = text.substr(inner, end - inner);
      // "$5 and spent $3" is money, not a formula
      const bool money = !twice && !inside.empty() && digit(inside[0]) && inside.find_first_of(" \n") != std::string_view::npos && inside.find_first_of("\\=^_{+") == std::string_view::npos;
      if (money) {
        i = inner;
        continue;
      }
      const Span s = trimmed(text, {inner, end});
      if (s.begin < s.end) last = s;
      i = end + (twice ? 2 : 1);
      continue;
    }
    ++i;
  }
  if (!last) return std::nullopt;
  return found(text, *last, "last_formula");
}

std::optional<Extracted> last_number(std::string_view text) {
  for (size_t i = text.size(); i-- > 0;) {
    if (!digit(text[i])) continue;
    size_t end = i + 1, begin = i;
    while (begin > 0 && (digit(text[begin - 1]) || ((text[begin - 1] == ',' || text[begin - 1] == '.' || text[begin - 1] == '/') && begin > 1 && digit(text[begin - 2])))) --begin;
    if (begin > 0 && text[begin - 1] == '.') --begin;
    if (begin > 0 && letter(text[begin - 1])) {  // AZ2A, x2: part of a name
      i = begin;
      continue;
    }
    if (end < text.size() && letter(text[end]) && end + 1 < text.size() && letter(text[end + 1]) == false && digit(text[end + 1])) continue;
    if (begin > 0 && text[begin - 1] == '-' && (begin == 1 || space(text[begin - 2]) || text[begin - 2] == '$' || text[begin - 2] == '(')) --begin;
    if (begin > 0 && text[begin - 1] == '$') --begin;
    if (end < text.size() && text[end] == '%') ++end;
    return found(text, {begin, end}, "last_number");
  }
  return std::nullopt;
}

// A lone letter that picks an option, in the last line: "So the answer must be (B)."
std::optional<Extracted> letter_choice(std::string_view text) {
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'J') continue;
    const bool left = i > 0 && text[i - 1] == '(', right = i + 1 < text.size() && text[i + 1] == ')';
    if (left && right) return found(text, {i - 1, i + 2}, "choice");
  }
  return std::nullopt;
}

}  // namespace

// Declared in verify.cpp: is this whole text one readable answer (a formula, not a sentence)?
bool reads_whole(std::string_view text, bool& is_words);

std::optional<Extracted> extract(std::string_view original) {
  constexpr size_t kMost = 2'000'000;
  std::string_view text = original;
  size_t shift = 0;
  // The answer stands at the end: of a very long text only the end is searched.
  if (text.size() > kMost) {
    shift = text.size() - kMost;
    text.remove_prefix(shift);
  }
  for (const std::string_view close : {"</think>", "</thinking>", "<|end_of_thought|>", "</thought>"}) {
    const size_t at = text.rfind(close);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + close.size());
    const bool empty = std::all_of(rest.begin(), rest.end(), space);
    if (!empty) {
      shift += at + close.size();
      text = rest;
    }
    break;
  }
  std::optional<Extracted> e = tagged(text);
  if (!e) e = boxed(text);
  if (!e) e = hashed(text);
  if (!e) {
    const Span s = trimmed(text, {0, text.size()});
    const std::string_view whole = text.substr(s.begin, s.end - s.begin);
    if (!whole.empty()) {
      bool words = false;
      const bool reads = (whole.size() <= 4096 || whole.find(' ') == std::string_view::npos) && reads_whole(whole, words);
      if (reads && !words) e = found(text, s, "whole");
      if (!e) e = announced(text);
      if (!e && reads && whole.size() <= 60) e = found(text, s, "whole");
      if (!e) {
        e = bold(text);
        auto f = last_formula(text);
        if (f && (!e || f->begin > e->end)) e = f;
      }
      if (!e) {
        // the last line: "= value" or a lone letter or number
        const size_t line = whole.rfind('\n');
        Span l{line == std::string_view::npos ? s.begin : s.begin + line + 1, s.end};
        const Span v = after_last_equals(text, l);
        if (v.begin != l.begin) {
          const size_t stop = sentence_end(text, v.begin);
          e = found(text, {v.begin, std::min(stop, v.end)}, "last_equation");
        }
        if (!e && whole.size() <= 60 && line == std::string_view::npos && whole.find_first_of("\\^_{}") != std::string_view::npos) e = found(text, s, "whole");
        if (!e) e = letter_choice(text.substr(l.begin, l.end - l.begin));
        if (e && e->rule == "choice") {
          e->begin += l.begin;
          e->end += l.begin;
        }
        if (!e) e = last_number(text);
        if (!e && whole.size() <= 60) e = found(text, s, "whole");
      }
    }
  }
  if (e) {
    e->begin += shift;
    e->end += shift;
  }
  return e;
}

}  // namespace foil::verify
