// extract(): where in a model's text the final answer stands.
//
// Strongest sign first: <answer> tags, boxes, "####", a sentence that announces the answer, the whole text when it is nothing but
// an answer, bold type, the last formula, the last "= …", a letter, the last number. Within one sign the last occurrence wins.
#include <algorithm>
#include <array>
#include <cstring>

#include "verify/verify.h"

namespace foil::verify {

// In verify.cpp: is this whole text one readable answer (a formula, not a sentence)?
bool reads_whole(std::string_view text, bool& is_words);

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
    // one value in two spellings is one answer
    bool again = false;
    for (const std::string& other : parts) again = again || other == part || (parts.size() < 8 && equal(parse(other), parse(part)).correct());
    if (!again) parts.push_back(std::move(part));
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
  for (int tries = 0; tries < 6 && at != std::string_view::npos; ++tries) {
    size_t begin = at + 4;
    while (begin < text.size() && text[begin] == '#') ++begin;
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (auto e = found(text, {begin, end}, "hash")) {
      // a Markdown heading "#### Final answer" is not an answer
      const bool heading = e->text.size() > 3 && letter(e->text[0]) && e->text.find_first_of("0123456789\\$=") == std::string::npos && e->text.find(' ') != std::string::npos;
      if (!heading) return e;
    }
    while (at > 0 && text[at - 1] == '#') --at;
    if (at < 4) break;
    at = text.rfind("####", at - 1);
  }
  return std::nullopt;
}

// What stands between two single dollar signs is prose between two prices, not a formula: "$260 + $260", "$5 and spent $3".
bool money(std::string_view inside, char after) {
  if (inside.empty()) return true;
  if (inside.find("<<") != std::string_view::npos) return true;
  if (inside.find('\\') != std::string_view::npos) return false;
  if (digit(after)) return true;
  std::string_view core = inside;
  while (!core.empty() && space(core.back())) core.remove_suffix(1);
  while (!core.empty() && space(core.front())) core.remove_prefix(1);
  if (core.empty()) return true;
  if (space(inside.front()) != space(inside.back()) && core.find(' ') != std::string_view::npos) return true;
  if (!digit(core.front())) return false;
  const char last = core.back();
  if (last == '+' || last == '-' || last == '=' || last == '*' || last == '/' || last == '>' || last == '<') return true;
  size_t run = 0;
  for (const char c : core) {
    run = letter(c) ? run + 1 : 0;
    if (run >= 3) return true;
  }
  return false;
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

// Formulas of a stretch of text, delimiters excluded.
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

// Words of a sentence rather than names in a formula: three or more that no formula would hold.
bool looks_prose(std::string_view text) {
  size_t words = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      ++i;
      const size_t begin = i;
      while (i < text.size() && letter(text[i])) ++i;
      const std::string_view name = text.substr(begin, i - begin);
      if ((name == "text" || name == "mbox" || name == "textbf" || name == "mathrm" || name == "textnormal" || name == "begin" || name == "end") && i < text.size() && text[i] == '{') {
        const size_t close = closing_brace(text, i);
        if (close != std::string_view::npos) i = close + 1;
      } else if (begin == i) {
        ++i;
      }
      continue;
    }
    if (!letter(text[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < text.size() && (letter(text[i]) || text[i] == '\'')) ++i;
    if (i - begin >= 3 && ++words >= 4) return true;
  }
  return false;
}

bool reads(std::string_view text, Span s) {
  s = trimmed(text, s);
  if (s.begin >= s.end || s.end - s.begin > 4096) return false;
  const std::string_view part = text.substr(s.begin, s.end - s.begin);
  if (looks_prose(part)) return false;
  bool words = false;
  return reads_whole(part, words) && !words;
}

Span without_marks(std::string_view text, Span s) {
  s = trimmed(text, s);
  const auto mark = [](char c) { return c == '*' || c == '"' || c == '_' || c == '`'; };
  while (s.end > s.begin && (mark(text[s.end - 1]) || text[s.end - 1] == '.' || text[s.end - 1] == '!' || text[s.end - 1] == ':' || space(text[s.end - 1]))) {
    if (text[s.end - 1] == '!' && s.end - s.begin > 1 && (digit(text[s.end - 2]) || text[s.end - 2] == ')')) break;  // a factorial
    --s.end;
  }
  while (s.begin < s.end && (mark(text[s.begin]) || text[s.begin] == ':' || space(text[s.begin]))) ++s.begin;
  return s;
}

Span last_number_in(std::string_view text, Span s) {
  for (size_t i = s.end; i-- > s.begin;) {
    if (!digit(text[i])) continue;
    size_t end = i + 1, begin = i;
    while (begin > s.begin && (digit(text[begin - 1]) || ((text[begin - 1] == ',' || text[begin - 1] == '.' || text[begin - 1] == '/' || text[begin - 1] == ':') && begin > s.begin + 1 && digit(text[begin - 2])))) --begin;
    if (begin > s.begin && text[begin - 1] == '.') --begin;
    if (begin > s.begin && (letter(text[begin - 1]) || text[begin - 1] == '_')) {  // AZ2A, x_2: part of a name
      i = begin;
      continue;
    }
    if (begin > s.begin && text[begin - 1] == '-' && (begin == s.begin + 1 || space(text[begin - 2]) || text[begin - 2] == '$' || text[begin - 2] == '(' || text[begin - 2] == '=')) --begin;
    if (begin > s.begin && text[begin - 1] == '$') --begin;
    if (begin > s.begin && text[begin - 1] == '\\') --begin;
    if (end < s.end && (text[end] == '%' || (text[end] == '\\' && end + 1 < s.end && text[end + 1] == '%'))) end += text[end] == '%' ? 1 : 2;
    // a unit behind the number: "1,000.99m²", "15 cm", "2,74 €"
    for (const size_t reach : {size_t{12}, size_t{8}, size_t{4}}) {
      size_t unit = std::min(end + reach, s.end);
      while (unit < s.end && unit > end && (static_cast<unsigned char>(text[unit]) & 0xC0) == 0x80) --unit;
      while (unit > end && letter(text[unit - 1]) && unit < s.end && letter(text[unit])) --unit;
      const Span with_unit = without_marks(text, {begin, unit});
      if (with_unit.end > end && text.substr(end, with_unit.end - end).find_first_of("0123456789\n.=+-*/$\\({") == std::string_view::npos && reads(text, with_unit)) return with_unit;
    }
    return {begin, end};
  }
  return {s.begin, s.begin};
}

// The value a sentence states: all of it when it is one, what follows "is" or "=", its last formula, its first words if they
// are a value, its last number. A formula that cannot be read is returned as it is, never a number out of it.
Span value_in(std::string_view text, Span s) {
  s = without_marks(text, s);
  if (s.begin >= s.end || reads(text, s)) return s;
  const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
  const std::vector<Span> fs = formulas(text, s);
  const bool any_digit = std::any_of(sentence.begin(), sentence.end(), digit);
  // no words: a formula that cannot be read
  if (fs.empty() && std::none_of(sentence.begin(), sentence.end(), letter)) return s;
  if (fs.empty() && !any_digit && sentence.find('\\') == std::string_view::npos) {
    // a short answer in words
    const auto words = static_cast<size_t>(std::count(sentence.begin(), sentence.end(), ' ')) + 1;
    if (words <= 4) return s;
  }
  size_t best = std::string_view::npos;
  for (const std::string_view verb : {" is ", " are ", " equals ", " equal to ", " be ", " was ", "=", ": ", "≈"}) {
    const size_t at = sentence.rfind(verb);
    if (at == std::string_view::npos) continue;
    const size_t from = s.begin + at + verb.size();
    bool inside = false;  // a sign inside a formula belongs to it
    for (const Span& f : fs) inside = inside || (from > f.begin && from <= f.end);
    if (inside) continue;
    if (best == std::string_view::npos || from > best) {
      Span tail = without_marks(text, {from, s.end});
      for (const std::string_view filler : {"therefore ", "thus ", "just ", "simply ", "exactly ", "about ", "approximately ", "only ", "indeed ", "equal to ", "then "})
        if (text.compare(tail.begin, filler.size(), filler) == 0) tail.begin += filler.size();
      if (reads(text, tail)) best = from;
    }
  }
  if (best != std::string_view::npos) {
    Span tail = without_marks(text, {best, s.end});
    for (const std::string_view filler : {"therefore ", "thus ", "just ", "simply ", "exactly ", "about ", "approximately ", "only ", "indeed ", "equal to ", "then "})
      if (text.compare(tail.begin, filler.size(), filler) == 0) tail.begin += filler.size();
    return tail;
  }
  if (!fs.empty()) {
    size_t first = fs.size() - 1;
    const auto gap = [&](size_t i) { return text.substr(fs[i].end, fs[i + 1].begin - fs[i].end); };
    const auto named = [&](size_t i) { return text.substr(fs[i].begin, fs[i].end - fs[i].begin).find('=') != std::string_view::npos; };
    const auto only_joins = [&](std::string_view g) {
      size_t letters = 0;
      for (const char ch : g) letters += letter(ch);
      return letters <= 3 && joins(g) && g.find_first_of(",;ao") != std::string_view::npos;
    };
    while (first > 0 && fs[first].begin - fs[first - 1].end < 24 && !named(first) && !named(first - 1) && only_joins(gap(first - 1))) --first;
    Span value{fs[first].begin, fs.back().end};
    // "$28$ percent", "$5$ cm"
    const size_t reach = std::min(value.end + 16, s.end);
    for (size_t end = value.end + 2; end <= reach; ++end) {
      if (end < s.end && letter(text[end]) && letter(text[end - 1])) continue;
      const std::string_view tail = text.substr(value.end, end - value.end);
      if (tail.find("percent") == std::string_view::npos && tail.find('%') == std::string_view::npos) continue;
      if (reads(text, {value.begin, end})) return {value.begin, end};
    }
    return value;
  }
  if (sentence.find_first_of("\\^_") != std::string_view::npos) {
    // LaTeX without delimiters: from the first sign of mathematics on
    size_t from = s.begin;
    while (from < s.end) {
      const size_t space_at = text.find(' ', from);
      if (space_at == std::string_view::npos || space_at >= s.end) break;
      from = space_at + 1;
      if (reads(text, {from, s.end})) return without_marks(text, {from, s.end});
    }
    return s;
  }
  // "12 distinct sequences", "2/3 Therefore, …"
  if (digit(text[s.begin]) || text[s.begin] == '-' || text[s.begin] == '(' || text[s.begin] == '$') {
    Span head = s;
    for (size_t i = s.begin; i < s.end; ++i)
      if (letter(text[i]) && i + 1 < s.end && letter(text[i + 1]) && (i == s.begin || !letter(text[i - 1]))) {
        head.end = i;
        break;
      }
    head = without_marks(text, head);
    while (head.end > head.begin && text[head.end - 1] == ',') --head.end;
    if (head.end < s.end && reads(text, head)) return head;
  }
  const Span number = last_number_in(text, s);
  return number.begin < number.end ? number : s;
}

std::optional<Extracted> announced(std::string_view text, size_t& position) {
  static constexpr std::array<std::string_view, 3> kStrong = {"final answer", "correct answer", "answer"};
  // Where the phrases stand, last first; at most a few are looked at.
  constexpr int kMostTries = 6;
  int tries = 0;
  const auto value_from = [&](size_t begin) -> std::optional<Span> {
    while (begin < text.size() && (space(text[begin]) || text[begin] == '*' || text[begin] == ':' || text[begin] == '_')) ++begin;
    if (begin >= text.size()) return std::nullopt;
    const Span s = without_marks(text, {begin, sentence_end(text, begin)});
    if (s.begin >= s.end) return std::nullopt;
    return s;
  };
  for (size_t i = text.size(); i-- > 0 && tries < kMostTries;) {
    if (lower(text[i]) != 'a' && lower(text[i]) != 'f' && lower(text[i]) != 'c') continue;
    for (const std::string_view phrase : kStrong) {
      if (!starts_with_answer_words(text, i, phrase)) continue;
      if (phrase == "answer" && i >= 6 && (starts_with_answer_words(text, i - 6, "final ") || (i >= 8 && starts_with_answer_words(text, i - 8, "correct ")))) break;
      const size_t j = i + phrase.size();
      if (j < text.size() && letter(text[j])) break;
      ++tries;
      std::optional<Span> span;
      // "answer is", "answer:", "answer =", "answer to … is"
      size_t k = j;
      while (k < text.size() && (text[k] == ' ' || text[k] == '*' || text[k] == '\t')) ++k;
      size_t verb = 0;
      for (const std::string_view v : {"is", "should be", "will be", "would be", "must be", "are"})
        if (!verb && starts_with_answer_words(text, k, v) && (k + v.size() >= text.size() || !letter(text[k + v.size()]))) verb = v.size();
      if (k < text.size() && (text[k] == ':' || text[k] == '=')) {
        span = value_from(k + 1);
      } else if (verb) {
        span = value_from(k + verb);
      } else {
        const size_t stop = sentence_end(text, j);
        size_t is = std::string_view::npos;
        for (size_t m = j; m + 4 <= stop && m < j + 160; ++m)
          if (space(text[m]) && starts_with_answer_words(text, m + 1, "is") && m + 3 < text.size() && (space(text[m + 3]) || text[m + 3] == ':')) is = m + 3;
        if (is != std::string_view::npos) span = value_from(is);
        else if (phrase == "final answer" && k < text.size() && text[k] == '\n') span = value_from(k + 1);
      }
      if (span) {
        position = i;
        return found(text, value_in(text, *span), "answer_is");
      }
      break;
    }
  }
  return std::nullopt;
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

// A lone letter that picks an option, in the last line: "So the answer must be (B)."
std::optional<Extracted> letter_choice(std::string_view text) {
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'J') continue;
    const bool left = i > 0 && text[i - 1] == '(', right = i + 1 < text.size() && text[i + 1] == ')';
    if (left && right) return found(text, {i - 1, i + 2}, "choice");
  }
  return std::nullopt;
}

// No marker at all: the last sentence with a value in it.
std::optional<Extracted> concluded(std::string_view text, Span all) {
  // Sentences of the last part of the text, first to last.
  constexpr size_t kTail = 6000;
  std::vector<Span> sentences;
  size_t at = all.end - all.begin > kTail ? all.end - kTail : all.begin;
  while (at < all.end) {
    const size_t end = std::min(sentence_end(text, at), all.end);
    const Span s = trimmed(text, {at, end});
    if (s.begin < s.end) sentences.push_back(s);
    at = end + 1;
  }
  // One short line of words or one formula is the answer itself.
  if (sentences.size() == 1 && all.end - all.begin <= 60 && !looks_prose(text.substr(all.begin, all.end - all.begin))) {
    const std::string_view line = text.substr(all.begin, all.end - all.begin);
    const bool formula_inside = !formulas(text, all).empty();
    const bool any_digit = std::any_of(line.begin(), line.end(), digit);
    if (!formula_inside && (!any_digit || (line.find_first_of("\\^_{}") != std::string_view::npos && line.find(" is ") == std::string_view::npos))) {
      if (auto e = letter_choice(line)) {
        e->begin += all.begin;
        e->end += all.begin;
        if (line.find(' ') != std::string_view::npos) return e;
      }
      return found(text, all, "whole");
    }
  }
  for (size_t i = sentences.size(); i-- > 0;) {
    const Span s = sentences[i];
    const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
    // **84**
    if (const size_t close = sentence.rfind("**"); close != std::string_view::npos && close >= 3) {
      const size_t open = sentence.rfind("**", close - 1);
      if (open != std::string_view::npos && open + 2 < close) {
        const Span inner = without_marks(text, {s.begin + open + 2, s.begin + close});
        if (inner.begin < inner.end && reads(text, inner)) return found(text, inner, "bold");
        if (inner.begin < inner.end && std::any_of(text.begin() + static_cast<std::ptrdiff_t>(inner.begin), text.begin() + static_cast<std::ptrdiff_t>(inner.end), digit)) return found(text, value_in(text, inner), "bold");
      }
    }
    // <<48/2=24>>24: GSM8K's calculator notes stand before their result
    if (const size_t note = sentence.rfind(">>"); note != std::string_view::npos && sentence.rfind("<<", note) != std::string_view::npos && note + 2 < sentence.size() && (digit(sentence[note + 2]) || sentence[note + 2] == '$' || sentence[note + 2] == '-' || sentence[note + 2] == '.')) {
      const size_t from = s.begin + note + 2;
      size_t to = from + 1;
      while (to < s.end && (digit(text[to]) || ((text[to] == ',' || text[to] == '.' || text[to] == '/') && to + 1 < s.end && digit(text[to + 1])))) ++to;
      return found(text, {from, to}, "last_equation");
    }
    const bool formula_inside = !formulas(text, s).empty();
    const bool any_digit = std::any_of(sentence.begin(), sentence.end(), digit);
    if (formula_inside || any_digit || sentence.find("\\frac") != std::string_view::npos || sentence.find("\\sqrt") != std::string_view::npos) {
      const Span v = value_in(text, s);
      const char* rule = formula_inside ? "last_formula" : sentence.find('=') != std::string_view::npos ? "last_equation" : "last_number";
      // a numbered line "3. Check the result" states no value
      const bool numbering = !formula_inside && v.begin == s.begin && v.end < s.end && s.end - v.end > 2 && digit(text[v.begin]) && (text[v.end] == '.' || text[v.end] == ')') && i > 0;
      if (!numbering) return found(text, v, rule);
    }
    if (auto e = letter_choice(sentence)) {
      e->begin += s.begin;
      e->end += s.begin;
      return e;
    }
  }
  if (auto e = letter_choice(text.substr(all.begin, all.end - all.begin))) {
    e->begin += all.begin;
    e->end += all.begin;
    return e;
  }
  // bold words anywhere, or the whole of a short text
  if (auto e = bold(text)) return e;
  if (all.end - all.begin <= 200 && sentences.size() == 1) return found(text, all, "whole");
  return std::nullopt;
}

}  // namespace

std::optional<Extracted> extract(std::string_view original) {
  constexpr size_t kMost = 160'000;
  std::string_view text = original;
  size_t shift = 0;
  // One number of any length is its own answer.
  {
    const Span all = trimmed(text, {0, text.size()});
    size_t i = all.begin, points = 0;
    if (i < all.end && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t first = i;
    while (i < all.end && (digit(text[i]) || (text[i] == '.' && ++points == 1))) ++i;
    if (i == all.end && i > first && digit(text[i - 1])) return found(text, all, "whole");
  }
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
  // What a chat template leaves behind the answer.
  for (const std::string_view mark : {"<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|endoftext|>", "<|end|>", "</s>"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos) continue;
    const Span head = trimmed(text, {0, at});
    if (head.begin < head.end) text = text.substr(0, at);
  }
  std::optional<Extracted> e = tagged(text);
  if (!e) {
    e = boxed(text);
    if (e) {
      // "Final answer: …" said after the last box is later and more explicit
      size_t position = 0;
      const std::string_view rest = text.substr(e->end);
      if (rest.size() > 14) {
        if (auto later = announced(rest, position); later && (lower(rest[position]) == 'f') && reads(rest, {later->begin, later->end})) {
          later->begin += e->end;
          later->end += e->end;
          e = later;
        }
      }
    }
  }
  if (!e) e = hashed(text);
  if (!e) {
    const Span all = trimmed(text, {0, text.size()});
    if (all.begin < all.end) {
      if (reads(text, all)) e = found(text, all, "whole");
      size_t position = 0;
      if (!e) e = announced(text, position);
      if (!e) e = concluded(text, all);
    }
  }
  if (e) {
    e->begin += shift;
    e->end += shift;
  }
  return e;
}

}  // namespace foil::verify
