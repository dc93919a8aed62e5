// extract(): where in a model's text the final answer stands.
//
// Strongest sign first: <answer> tags, boxes, "####", a sentence that announces the answer, the whole text when it is nothing but
// an answer, bold type, the last formula, the last "= …", a letter, the last number. Within one sign the last occurrence wins.
#include <algorithm>
#include <array>
#include <cstring>

#include "verify/number.h"
#include "verify/parser.h"
#include "verify/passages.h"
#include "verify/verify.h"
#include "verify/words.h"

namespace foil::verify {

// In verify.cpp: is this whole text one readable answer (a formula, not a sentence)?
bool reads_whole(std::string_view text, bool& is_words);

namespace {

std::optional<Extracted> found(std::string_view text, Span s, const char* rule) {
  s = trimmed(text, s);
  if (s.begin >= s.end) return std::nullopt;
  return Extracted{std::string(text.substr(s.begin, s.end - s.begin)), s.begin, s.end, rule};
}

// Does the second of two boxes only say the first again, rounded?
bool approximates(std::string_view text, const Box& exact, const Box& other) {
  const auto opens = [](std::string_view s) {
    while (!s.empty() && (is_space(s.front()) || s.front() == '$')) s.remove_prefix(1);
    for (const std::string_view sign : {"\\approx", "≈", "\\simeq"})
      if (s.substr(0, sign.size()) == sign) return sign.size();
    return size_t{0};
  };
  if (opens(text.substr(other.inner_begin, other.inner_end - other.inner_begin))) return true;
  const std::string_view gap = text.substr(exact.end, other.begin - exact.end);
  const size_t sign = gap.size() <= 40 ? opens(gap) : 0;
  return sign && gap.substr(gap.find_first_not_of(" \n\t$") + sign).find_first_not_of(" \n\t$") == std::string_view::npos;
}

// "The answer is not \boxed{12}", "\boxed{12} is not the answer": a box that says what the answer is not.
bool negated(std::string_view text, const Box& box) {
  const auto mark = [](char c) { return is_space(c) || c == '$' || c == '*' || c == '(' || c == '\\'; };
  size_t end = box.begin, begin = box.end;
  while (end > 0 && mark(text[end - 1])) --end;
  for (const std::string_view word : {" not", "n't", " cannot be", "n't be", " never"})
    if (end >= word.size() && text.substr(end - word.size(), word.size()) == word) return true;
  while (begin < text.size() && (mark(text[begin]) || text[begin] == ')')) ++begin;
  for (const std::string_view words : {"is wrong", "is incorrect"})
    if (text.substr(begin, words.size()) == words) return true;
  for (const std::string_view verb : {"is not ", "isn't ", "cannot be ", "can't be "})
    if (text.substr(begin, verb.size()) == verb)
      for (const std::string_view rest : {"the answer", "the correct", "the right", "the solution", "the final", "my answer", "our answer", "correct", "right", "valid", "a solution", "a valid", "it."})
        if (text.substr(begin + verb.size(), rest.size()) == rest) return true;
  return false;
}

// "boxed{70}", "\boxed{70}" with its "\b" read as a backspace: a box that lost its backslash.
std::optional<Box> bare_box(std::string_view text) {
  for (size_t at = find_last(text, "xed{"); at != std::string_view::npos && at >= 2; at = find_last(text.substr(0, at), "xed{")) {
    if (text[at - 1] != 'o' || (text[at - 2] != '\b' && (text[at - 2] != 'b' || (at >= 3 && is_latin(text[at - 3]))))) continue;
    const size_t close = closing_brace(text, at + 3);
    if (close == std::string_view::npos) return std::nullopt;
    return Box{at - 2, close + 1, at + 4, close, true};
  }
  return std::nullopt;
}

bool reads(std::string_view text, Span s);

// \text{The answer is 460}: what the sentence in the box states.
std::optional<Extracted> stated_in_box(std::string_view text, const Extracted& e) {
  constexpr std::string_view kText = "\\text{";
  const std::string_view s = std::string_view(text).substr(e.begin, e.end - e.begin);
  if (s.substr(0, kText.size()) != kText || closing_brace(s, kText.size() - 1) != s.size() - 1) return std::nullopt;
  for (const std::string_view verb : {" is ", " are ", " equals ", " = "}) {
    const size_t at = s.rfind(verb);
    if (at == std::string_view::npos) continue;
    const Span value = trimmed(text, {e.begin + at + verb.size(), e.end - 1});
    if (reads(text, value)) return found(text, value, "boxed");
  }
  return std::nullopt;
}

std::optional<Extracted> boxed(std::string_view text) {
  std::vector<Box> all = boxes(text);
  if (all.empty()) {
    if (const auto bare = bare_box(text)) return found(text, {bare->inner_begin, bare->inner_end}, "boxed");
    return std::nullopt;
  }
  while (!all.empty() && all.back().closed && negated(text, all.back())) all.pop_back();
  if (all.empty()) return std::nullopt;
  // "\boxed{\sqrt{2}} \approx \boxed{1.41}", "\boxed{\approx 1.41}" behind an exact one: what follows ≈ is dropped
  while (all.size() > 1 && all.back().closed && all[all.size() - 2].closed && all[all.size() - 2].end <= all.back().begin && approximates(text, all[all.size() - 2], all.back())) all.pop_back();
  size_t first = all.size() - 1;
  const Box& last = all.back();
  if (!last.closed) return found(text, {last.begin, last.end}, "boxed");
  while (first > 0 && all[first - 1].closed && all[first - 1].end <= all[first].begin && joins(text.substr(all[first - 1].end, all[first].begin - all[first - 1].end))) --first;
  if (first + 1 == all.size()) {
    // "x \in \boxed{…}" and "\boxed{20} percent" keep what stands inside; the words around a box are not the answer
    auto e = found(text, {last.inner_begin, last.inner_end}, "boxed");
    if (e) {
      if (auto stated = stated_in_box(text, *e)) return stated;
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

Span value_in(std::string_view text, Span s);

std::optional<Extracted> tagged(std::string_view text) {
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<answer>", "</answer>"}, {"<ANSWER>", "</ANSWER>"}, {"<final_answer>", "</final_answer>"}}) {
    const size_t begin = find_last(text, open);
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
    } else if (!reads(text, {e->begin, e->end}) && e->text.find_first_of("0123456789\\") != std::string::npos) {
      e = found(text, value_in(text, {e->begin, e->end}), "tag");
    }
    return e;
  }
  return std::nullopt;
}

// Three letters in a row, as no product of variables has them.
bool has_word(std::string_view text) {
  size_t run = 0;
  for (const char c : text)
    if ((run = is_latin(c) ? run + 1 : 0) >= 3) return true;
  return false;
}

std::optional<Extracted> hashed(std::string_view text) {
  size_t at = find_last(text, "####");
  for (int tries = 0; tries < 6 && at != std::string_view::npos; ++tries) {
    size_t begin = at + 4;
    while (begin < text.size() && text[begin] == '#') ++begin;
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (auto e = found(text, {begin, end}, "hash")) {
      // a Markdown heading "#### Final answer" is not an answer; "#### ab + c" is
      const bool words = e->text.find(' ') != std::string::npos && e->text.find_first_of("0123456789\\$=+*/^<>") == std::string::npos && has_word(e->text);
      bool heading = is_latin(e->text[0]) && words;
      // "#### Step 2: the total", "#### 2. The total" with text below it
      for (const std::string_view opening : {"Step ", "Case ", "Part ", "Problem ", "Question ", "Method ", "Example "}) heading = heading || e->text.compare(0, opening.size(), opening) == 0;
      const size_t digits = e->text.find_first_not_of("0123456789");
      if (digits > 0 && digits + 2 < e->text.size() && (e->text[digits] == '.' || e->text[digits] == ')') && e->text[digits + 1] == ' ' && has_word(e->text) && trimmed(text, {end, text.size()}).begin < text.size()) heading = true;
      // "#### 72, and that is it", "#### Final answer: 72"
      if (!heading && !reads(text, {e->begin, e->end}) && has_word(e->text) && e->text.find_first_of("0123456789") != std::string::npos) return found(text, value_in(text, {e->begin, e->end}), "hash");
      if (!heading) return e;
    }
    while (at > 0 && text[at - 1] == '#') --at;
    if (at < 4) break;
    at = text.rfind("####", at - 1);
  }
  return std::nullopt;
}

bool starts_with_answer_words(std::string_view text, size_t at, std::string_view phrase) {
  if (at + phrase.size() > text.size()) return false;
  for (size_t i = 0; i < phrase.size(); ++i)
    if (lower(text[at + i]) != phrase[i]) return false;
  return at == 0 || !is_latin(text[at - 1]);
}

bool reads(std::string_view text, Span s) {
  s = trimmed(text, s);
  if (s.begin >= s.end || s.end - s.begin > 4096) return false;
  const std::string_view part = text.substr(s.begin, s.end - s.begin);
  if (looks_prose(part) || part.substr(0, 2) == "I'" || (part.size() > 2 && part.substr(0, 2) == "I " && part[2] >= 'a' && part[2] <= 'z')) return false;
  bool words = false;
  return reads_whole(part, words) && !words;
}

Span without_marks(std::string_view text, Span s) {
  s = trimmed(text, s);
  const auto mark = [](char c) { return c == '*' || c == '"' || c == '_' || c == '`'; };
  while (s.end > s.begin && (mark(text[s.end - 1]) || text[s.end - 1] == '.' || text[s.end - 1] == '!' || text[s.end - 1] == ':' || is_space(text[s.end - 1]))) {
    if (text[s.end - 1] == '!' && s.end - s.begin > 1 && (is_digit(text[s.end - 2]) || text[s.end - 2] == ')')) break;  // a factorial
    --s.end;
  }
  while (s.begin < s.end && (mark(text[s.begin]) || text[s.begin] == ':' || is_space(text[s.begin]))) ++s.begin;
  return s;
}

constexpr std::string_view kVerbs[] = {"is", "are", "equals", "be", "was"};

// Where "negative " or "minus " begins in front of `at`; `at` itself where neither does.
size_t sign_word(std::string_view text, size_t from, size_t at) {
  for (const std::string_view word : {"negative ", "minus "})
    if (at - from >= word.size() && text.substr(at - word.size(), word.size()) == word) return at - word.size();
  return at;
}

// Does a word before a number make it the number of something: "Step 5", "as shown in Figure 3", "GPT-3"?
bool numbered(std::string_view before) {
  static constexpr std::string_view kNumbered[] = {"step", "case", "part", "equation", "question", "figure", "fig.", "table", "theorem", "lemma", "corollary", "proposition", "definition", "section", "chapter", "page", "problem", "exercise", "example", "method", "version", "appendix"};
  if (before.size() > 2 && before.back() == '-' && is_latin(before[before.size() - 2])) return true;
  if (before.size() < 2 || before.back() != ' ') return false;
  before.remove_suffix(1);
  size_t begin = before.size();
  while (begin > 0 && (is_latin(before[begin - 1]) || before[begin - 1] == '.')) --begin;
  std::string word(before.substr(begin));
  for (char& c : word) c = lower(c);
  return std::find(std::begin(kNumbered), std::end(kNumbered), word) != std::end(kNumbered);
}

Span last_number_in(std::string_view text, Span s) {
  for (size_t i = s.end; i-- > s.begin;) {
    if (!is_digit(text[i])) continue;
    size_t end = i + 1, begin = i;
    while (begin > s.begin && (is_digit(text[begin - 1]) || ((text[begin - 1] == ',' || text[begin - 1] == '.' || text[begin - 1] == '/' || text[begin - 1] == ':') && begin > s.begin + 1 && is_digit(text[begin - 2])))) --begin;
    if (begin > s.begin && text[begin - 1] == '.') --begin;
    const bool label = numbered(text.substr(s.begin, begin - s.begin));
    if (begin > s.begin && (label || is_latin(text[begin - 1]) || text[begin - 1] == '_')) {  // AZ2A, x_2: part of a name
      i = begin;
      continue;
    }
    if (begin > s.begin && text[begin - 1] == '-' && (begin == s.begin + 1 || is_space(text[begin - 2]) || text[begin - 2] == '$' || text[begin - 2] == '(' || text[begin - 2] == '=')) --begin;
    if (begin > s.begin && text[begin - 1] == '$') --begin;
    if (begin > s.begin && text[begin - 1] == '\\') --begin;
    begin = sign_word(text, s.begin, begin);
    if (end < s.end && (text[end] == '%' || (text[end] == '\\' && end + 1 < s.end && text[end + 1] == '%'))) end += text[end] == '%' ? 1 : 2;
    // a unit behind the number: "1,000.99m²", "15 cm", "2,74 €"
    for (const size_t reach : {size_t{12}, size_t{8}, size_t{4}}) {
      size_t unit = std::min(end + reach, s.end);
      while (unit < s.end && unit > end && (static_cast<unsigned char>(text[unit]) & 0xC0) == 0x80) --unit;
      while (unit > end && is_latin(text[unit - 1]) && unit < s.end && is_latin(text[unit])) --unit;
      const Span with_unit = without_marks(text, {begin, unit});
      if (with_unit.end > end && text.substr(end, with_unit.end - end).find_first_of("0123456789\n.=+-*/$\\({") == std::string_view::npos && reads(text, with_unit)) return with_unit;
    }
    return {begin, end};
  }
  return {s.begin, s.begin};
}

// "5 because 2 + 3 = 5", "204 minutes (3 hours and 24 minutes)", "$\sqrt{51}$, which is approximately $7.14$": the value without what
// is said about it, where a value stands before.
Span without_explanation(std::string_view text, Span s) {
  const auto states = [&](size_t end) { return text.substr(s.begin, end - s.begin).find_first_of("0123456789\\") != std::string_view::npos; };
  // "12 or 13; since it must be even, it's 12" states the last
  const auto goes_on = [&](size_t at) {
    const std::string_view rest = text.substr(s.begin + at, s.end - s.begin - at);
    return rest.find(", it's ") != std::string_view::npos || rest.find(", it is ") != std::string_view::npos;
  };
  for (const std::string_view opening : {" because ", ", because ", " since ", ", since ", ", as ", ", which is approximately", ", which is about", ", or approximately", ", or about", " which is approximately", " (approximately", " ≈", "with equality ", ", with equality ", ", respectively", " respectively", ", i.e", " i.e.", ", excluding ", ", not including ", ", including ", ", namely ", "; check", ", as shown "})
    if (const size_t at = text.substr(s.begin, s.end - s.begin).find(opening); at != std::string_view::npos && at > 0 && states(s.begin + at) && !goes_on(at)) s = without_marks(text, {s.begin, s.begin + at});
  // "The maximum is 4 at x = 3", "4 when n = 3": what follows says where; only behind a verb or a short value
  for (const std::string_view opening : {" when ", " if ", ", attained ", " attained ", " achieved ", " and occurs ", " is attained ", " is achieved ", " at ", " for "}) {
    const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
    const size_t at = sentence.find(opening);
    if (at == std::string_view::npos || !states(s.begin + at) || sentence.find(" so ", at) != std::string_view::npos || sentence.find(" but ", at) != std::string_view::npos) continue;
    size_t name = at + opening.size();
    if (opening == " at " || opening == " for ") {  // a name and its value must follow
      while (name < sentence.size() && (sentence[name] == '$' || sentence[name] == '\\' || sentence[name] == '(')) ++name;
      if (name >= sentence.size() || !is_latin(sentence[name]) || (name + 1 < sentence.size() && is_latin(sentence[name + 1])) || sentence.substr(name, 6).find('=') == std::string_view::npos) continue;
    }
    const std::string_view head = sentence.substr(0, at);
    bool verb = head.size() <= 16;
    for (const std::string_view word : {" is ", " are ", " equals ", " be ", " was ", " = ", "obtain ", " get ", "gives ", "gives us ", "value "}) verb = verb || head.find(word) != std::string_view::npos;
    if (verb && (opening != " if " || head.find('=') == std::string_view::npos)) s = without_marks(text, {s.begin, s.begin + at});
  }
  // a remark in parentheses at the end
  if (s.end > s.begin + 2 && text[s.end - 1] == ')' && text[s.end - 2] != '\\') {
    int depth = 0;
    size_t open = s.end;
    while (open > s.begin) {
      --open;
      if (text[open] == ')') ++depth;
      if (text[open] == '(' && --depth == 0) break;
    }
    const std::string_view inside = text.substr(open + 1, s.end - open - 2);
    bool words = inside.substr(0, 3) == "or ";
    for (size_t i = 0, run = 0; i < inside.size(); ++i) words = (run = is_latin(inside[i]) ? run + 1 : 0) >= 3 || words;
    if (depth == 0 && words && open > s.begin && text[open - 1] == ' ' && inside.find_first_of("\\$") == std::string_view::npos && states(open)) s = without_marks(text, {s.begin, open});
  }
  return s;
}

// Words that make another value of the number they touch: "12 times 3", "the square root of 12", "not 12". A number after which more
// is counted ("12 times as many", "12 more apples") stands for itself.
bool altered(std::string_view text, Span sentence, Span number) {
  const std::string_view after = text.substr(number.end, sentence.end - number.end), before = text.substr(sentence.begin, number.begin - sentence.begin);
  const auto number_follows = [&](size_t i) {
    while (i < after.size() && (after[i] == ' ' || after[i] == '$' || after[i] == '-' || after[i] == '\\')) ++i;
    return i < after.size() && is_digit(after[i]);
  };
  for (const std::string_view words : {" times", " plus", " minus", " divided by", " multiplied by", " over", " choose", " mod", " more than", " less than", " to the power of", "th root of", " percent of", "% of"})
    if (after.substr(0, words.size()) == words && number_follows(words.size())) return true;
  for (const std::string_view words : {" squared", " cubed", " factorial", " is wrong", " is incorrect", " is not ", " isn't ", " cannot be", " can't be"})
    if (after.substr(0, words.size()) == words) return true;
  size_t end = before.size();
  while (end > 0 && (before[end - 1] == ' ' || before[end - 1] == '$' || before[end - 1] == '(')) --end;
  const std::string_view head = before.substr(0, end);
  for (const std::string_view words : {"不是", "不等于", "不为", " не", " nicht", "n'est pas", " no es", " non è", " não é", " not", "n't", "cannot be", "n't be", " never", "instead of", "different from", " except", "other than", "square root of", "cube root of", "square of", "cube of", "half of", "third of", "quarter of",
                                       "multiple of", "multiples of", "divisor of", "divisors of", "factor of", "factors of", " twice", " double", " triple", "one more than", "one less than", "raised to", "raised to the power", "goes to", "tends to", " base", "log base",
                                       "numbers greater than", "numbers less than", "numbers more than", "integers greater than", "integers less than", "values greater than", "values less than", "squared plus", "cubed plus", "squared minus", "cubed minus"})
    if ((head.size() >= words.size() && head.substr(head.size() - words.size()) == words) || (words[0] == ' ' && head == words.substr(1))) return true;
  // "ln 2 + ipi / 3": the end of a sum or quotient
  if (head.size() > 1 && (head.back() == '+' || head.back() == '/')) {
    const size_t left = head.find_last_not_of(' ', head.size() - 2);
    if (left != std::string_view::npos && (is_latin(head[left]) || is_digit(head[left]) || head[left] == ')')) return true;
  }
  // "log base 2 of 3"
  if (const size_t base = head.rfind("base "); base != std::string_view::npos && head.size() > base + 8 && head.substr(head.size() - 3) == " of" && head.substr(base + 5, head.size() - base - 8).find_first_not_of("0123456789$") == std::string_view::npos) return true;
  // "the sum of 1 and 3"
  if (head.size() > 4 && head.substr(head.size() - 4) == " and")
    for (const std::string_view noun : {"sum of ", "difference of ", "product of ", "quotient of ", "ratio of ", "average of ", "mean of ", "gcd of ", "lcm of ", "difference between "})
      if (const size_t at = head.rfind(noun); at != std::string_view::npos && head.substr(at + noun.size(), head.size() - 4 - at - noun.size()).find_first_not_of("0123456789.,-$/ ") == std::string_view::npos) return true;
  for (const std::string_view words : {" times", " plus", " minus", " divided by", " to the power", " to the power of", " in base"})
    if (head.size() > words.size() && head.substr(head.size() - words.size()) == words && is_digit(head[head.size() - words.size() - 1])) return true;
  return false;
}

// "So he takes 9+2 = 11 seconds to run 100 meters", "There are 33 ounces of cereal in those 3 boxes": the result of the computation, or
// what there is, unless the sentence goes on to another statement. Empty: neither.
Span computed(std::string_view text, Span s) {
  const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
  size_t from = std::string_view::npos;
  bool there = false;
  if (const size_t sign = sentence.rfind('='); sign != std::string_view::npos && sign > 0) {
    size_t left = sign;
    while (left > 0 && sentence[left - 1] == ' ') --left;
    if (left > 0 && (is_digit(sentence[left - 1]) || sentence[left - 1] == ')' || sentence[left - 1] == '%')) from = sign + 1;
  } else {
    for (const std::string_view opening : {"here are ", "here is ", "here were ", "here will be ", "here would be "})
      if (const size_t at = sentence.find(opening); at != std::string_view::npos && at <= 20 && from == std::string_view::npos) {
        from = at + opening.size();
        there = true;
      }
  }
  if (from == std::string_view::npos) return {s.begin, s.begin};
  size_t i = from;
  while (i < sentence.size() && (sentence[i] == ' ' || sentence[i] == '$' || sentence[i] == '-')) ++i;
  if (i >= sentence.size() || !is_digit(sentence[i]) || i > from + 4) return {s.begin, s.begin};
  size_t end = i;
  while (end < sentence.size() && (is_digit(sentence[end]) || ((sentence[end] == ',' || sentence[end] == '.') && end + 1 < sentence.size() && is_digit(sentence[end + 1])))) ++end;
  const std::string_view rest = sentence.substr(end);
  if (rest.empty() || rest[0] == '/' || rest[0] == ':' || rest[0] == '^' || rest[0] == '!' || rest.find_first_of("=+*/<>;") != std::string_view::npos || rest.substr(0, 2) == "x " || rest.substr(0, 2) == " x" || rest.substr(0, 2) == " -") return {s.begin, s.begin};
  for (const std::string_view more : {", ", " so ", " then ", " leaving ", " leaves ", " left ", " is ", " are ", " was ", " but ", " and ", " each", " per ", " more than "})
    if (rest.find(more) != std::string_view::npos && !(there && (more == " are " || more == " is ") && rest.find(" that ") != std::string_view::npos)) return {s.begin, s.begin};
  const Span number{s.begin + i - (i > from && (sentence[i - 1] == '$' || sentence[i - 1] == '-')), s.begin + end + (rest[0] == '%')};
  return altered(text, s, number) ? Span{s.begin, s.begin} : number;
}

// "the square root of 144, i.e., 12", "3 times 4, or 12": words for a value, then the value. Empty: neither.
Span worked_out(std::string_view text, Span s) {
  const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
  for (const std::string_view joint : {", i.e., ", ", i.e. ", ", that is, ", ", or "}) {
    const size_t at = sentence.find(joint);
    if (at == std::string_view::npos || at == 0 || sentence.find_first_of("$\\=") != std::string_view::npos) continue;
    const Span value = without_marks(text, {s.begin + at + joint.size(), s.end});
    bool sum = joint != ", or ";  // "90 minutes, or 1.5 hours" says one quantity twice
    for (const std::string_view word : {" times ", " plus ", " minus ", " divided by ", " squared", " of "}) sum = sum || sentence.substr(0, at).find(word) != std::string_view::npos;
    if (sum && value.begin < value.end && is_digit(text[value.begin]) && !reads(text, {s.begin, s.begin + at}) && reads(text, value)) return value;
  }
  return {s.begin, s.begin};
}

// The value a sentence states: all of it when it is one, what follows "is" or "=", its last formula, its first words if they
// are a value, its last number. A formula that cannot be read is returned as it is, never a number out of it.
Span value_in(std::string_view text, Span s) {
  s = without_marks(text, s);
  // "(B) 27 is too big, so (C) 25"
  if (s.end - s.begin > 12 && text[s.begin] == '(' && text[s.begin + 2] == ')')
    for (const std::string_view turn : {" so (", "hus (", "herefore (", "ence ("})
      if (const size_t at = text.substr(s.begin, s.end - s.begin).find(turn); at != std::string_view::npos && s.begin + at + turn.size() + 1 < s.end && text[s.begin + at + turn.size() + 1] == ')') return {s.begin + at + turn.size() - 1, s.end};
  // "12 (no other solution exists)"
  if (s.end - s.begin > 8 && text[s.end - 1] == ')')
    if (const Span bare = without_explanation(text, s); bare.end < s.end && reads(text, bare) && text.substr(bare.end, s.end - bare.end).find(' ', 2) != std::string_view::npos && !is_digit(text[std::min(text.find('(', bare.end) + 1, text.size() - 1)])) return bare;
  if (s.begin >= s.end || reads(text, s)) return s;
  // "either 12 or 13" states both
  for (const std::string_view pair : {"either ", "Either ", "both ", "Both "})
    if (text.compare(s.begin, pair.size(), pair) == 0 && reads(text, {s.begin + pair.size(), s.end})) return {s.begin + pair.size(), s.end};
  if (const Span again = worked_out(text, s); again.begin < again.end) return again;
  if (const Span short_form = without_explanation(text, s); short_form.end < s.end) {
    s = short_form;
    if (reads(text, s)) return s;
  }
  const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
  const std::vector<Span> fs = formulas(text, s);
  const bool any_digit = std::any_of(sentence.begin(), sentence.end(), is_digit);
  // no words, of Latin letters or others: a formula that cannot be read
  const bool other_script = std::any_of(sentence.begin(), sentence.end(), [](char c) {
    const auto b = static_cast<unsigned char>(c);
    return (b >= 0xD0 && b <= 0xE1) || (b >= 0xE3 && b <= 0xED);
  });
  if (fs.empty() && !other_script && std::none_of(sentence.begin(), sentence.end(), is_latin)) return s;
  if (fs.empty() && !any_digit && sentence.find('\\') == std::string_view::npos) {
    // a short answer in words
    const auto words = static_cast<size_t>(std::count(sentence.begin(), sentence.end(), ' ')) + 1;
    if (words <= 4) return s;
  }
  // "The solution is x = 2 and y = 3": several equations behind one verb belong together
  for (const std::string_view verb : {" is ", " are ", ": "}) {
    const size_t at = sentence.rfind(verb);
    if (at == std::string_view::npos || !fs.empty()) continue;
    const Span tail = without_marks(text, {s.begin + at + verb.size(), s.end});
    const std::string_view several = text.substr(tail.begin, tail.end - tail.begin);
    const size_t joint = std::min(several.find(" and "), several.find(", "));
    if (joint == std::string_view::npos || several.find('=') > joint || several.find('=', joint) == std::string_view::npos || !reads(text, tail)) continue;
    return tail;
  }
  // "…, so x = -2 or x = 1"
  if (const size_t last = fs.empty() ? sentence.rfind(" = ") : std::string_view::npos; last != std::string_view::npos) {
    size_t joint = 0;
    for (const std::string_view word : {" or ", " and "})
      if (const size_t at = sentence.rfind(word, last); at != std::string_view::npos) joint = std::max(joint, at + 1);
    const size_t first = joint > 1 ? sentence.rfind(" = ", joint) : std::string_view::npos;
    if (first != std::string_view::npos && first > 0) {
      size_t begin = first;
      while (begin > 0 && !is_space(sentence[begin - 1])) --begin;
      const Span several = without_marks(text, {s.begin + begin, s.end});
      if (first - begin <= 3 && last > joint && last - joint <= 8 && reads(text, several)) return several;
    }
  }
  size_t best = std::string_view::npos, denied_at = 0;
  for (const std::string_view verb : {" is ", " are ", " equals ", " equal to ", " be ", " was ", " it's ", "=", ": ", "≈"}) {
    const size_t at = sentence.rfind(verb);
    if (at == std::string_view::npos) continue;
    // "2 : 3" is a ratio
    if (verb[0] == ':' && at > 1 && sentence[at - 1] == ' ' && is_digit(sentence[at - 2]) && at + 2 < sentence.size() && is_digit(sentence[at + 2])) continue;
    const size_t from = s.begin + at + verb.size();
    if (verb[0] == ' ') {  // "cannot be 12", "is never 12"
      const std::string_view before = sentence.substr(0, at);
      bool denied = false;
      for (const std::string_view word : {" not", "cannot", "n't", " never"}) denied = denied || (before.size() >= word.size() && before.substr(before.size() - word.size()) == word);
      if (denied) {
        denied_at = std::max(denied_at, from);
        continue;
      }
    }
    bool inside = false;  // a sign inside a formula belongs to it
    for (const Span& f : fs) inside = inside || (from > f.begin && from <= f.end);
    if (inside) continue;
    if (best == std::string_view::npos || from > best) {
      Span tail = without_marks(text, {from, s.end});
      for (const std::string_view filler : {"therefore ", "thus ", "just ", "simply ", "exactly ", "about ", "approximately ", "only ", "indeed ", "equal to ", "then ", "either ", "both "})
        if (text.compare(tail.begin, filler.size(), filler) == 0) tail.begin += filler.size();
      if (reads(text, tail)) best = from;
    }
  }
  if (denied_at > 0 && (best == std::string_view::npos || best < denied_at)) return s;
  if (best != std::string_view::npos) {
    Span tail = without_marks(text, {best, s.end});
    for (const std::string_view filler : {"therefore ", "thus ", "just ", "simply ", "exactly ", "about ", "approximately ", "only ", "indeed ", "equal to ", "then ", "either ", "both "})
      if (text.compare(tail.begin, filler.size(), filler) == 0) tail.begin += filler.size();
    return tail;
  }
  if (!fs.empty()) {
    size_t first = fs.size() - 1, last = first;
    const auto gap = [&](size_t i) { return text.substr(fs[i].end, fs[i + 1].begin - fs[i].end); };
    const auto named = [&](size_t i) { return text.substr(fs[i].begin, fs[i].end - fs[i].begin).find('=') != std::string_view::npos; };
    const auto only_joins = [&](std::string_view g) {
      size_t letters = 0;
      for (const char ch : g) letters += is_latin(ch);
      return letters <= 3 && joins(g) && g.find_first_of(",;ao") != std::string_view::npos;
    };
    // "The minimum is $4$, attained at $x = 1$": the number right behind the verb
    for (size_t k = fs.size() - 1; k-- > 0;) {
      const std::string_view behind = gap(k);
      const size_t word = std::min(behind.find_first_not_of("$\\)]}* "), behind.size());
      if (behind.substr(word, 2) != ", ") continue;
      const std::string_view before = text.substr(s.begin, fs[k].begin - s.begin);
      size_t end = before.size();
      while (end > 0 && !is_latin(before[end - 1]) && before[end - 1] != '\n') --end;
      const bool verb = std::any_of(std::begin(kVerbs), std::end(kVerbs), [&](std::string_view v) { return end > v.size() && before.substr(end - v.size(), v.size()) == v && is_space(before[end - v.size() - 1]); });
      const std::string_view formula = text.substr(fs[k].begin, fs[k].end - fs[k].begin);
      if (!verb || formula.find('=') != std::string_view::npos || std::none_of(formula.begin(), formula.end(), is_digit) || !named(k + 1) || only_joins(behind) || !reads(text, fs[k])) continue;
      first = last = k;
      break;
    }
    // "$f(x) = ax + b$, where $b$ is an integer": what follows "where" describes the answer
    for (size_t k = 0; k + 1 < fs.size() && k < last; ++k) {
      const std::string_view formula = text.substr(fs[k].begin, fs[k].end - fs[k].begin);
      if (gap(k).find("where ") == std::string_view::npos || (!named(k) && std::none_of(formula.begin(), formula.end(), is_digit))) continue;
      first = last = k;
    }
    // "$x = -2$ or $x = 1$"
    const auto left_side = [&](size_t i) {
      const std::string_view f = text.substr(fs[i].begin, fs[i].end - fs[i].begin);
      const Span side = trimmed(f, {0, f.find('=')});
      return f.substr(side.begin, side.end - side.begin);
    };
    while (first > 0 && last - first < 64 && named(first) && named(first - 1) && left_side(first).size() <= 8 && left_side(first) == left_side(first - 1) && only_joins(gap(first - 1))) --first;
    while (first > 0 && last - first < 64 && fs[first].begin - fs[first - 1].end < 24 && !named(first) && !named(first - 1) && only_joins(gap(first - 1))) --first;
    Span value{fs[first].begin, fs[last].end};
    // "$28$ percent", "$5$ cm"
    const size_t reach = std::min(value.end + 16, s.end);
    for (size_t end = value.end + 2; end <= reach; ++end) {
      if (end < s.end && is_latin(text[end]) && is_latin(text[end - 1])) continue;
      const std::string_view tail = text.substr(value.end, end - value.end);
      if (tail.find("percent") == std::string_view::npos && tail.find('%') == std::string_view::npos) continue;
      if (reads(text, {value.begin, end})) return {value.begin, end};
    }
    return value;
  }
  const auto escaped = [&](size_t i) { return sentence[i] == '\\' && i + 1 < sentence.size() && (sentence[i + 1] == '$' || sentence[i + 1] == '%'); };
  bool latex = false;
  for (size_t i = 0; i < sentence.size(); ++i) latex = latex || sentence[i] == '^' || sentence[i] == '_' || (sentence[i] == '\\' && !escaped(i));
  if (latex) {
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
  if (is_digit(text[s.begin]) || text[s.begin] == '-' || text[s.begin] == '(' || text[s.begin] == '$') {
    Span head = s;
    for (size_t i = s.begin; i < s.end; ++i)
      if (is_latin(text[i]) && i + 1 < s.end && is_latin(text[i + 1]) && (i == s.begin || !is_latin(text[i - 1]))) {
        head.end = i;
        break;
      }
    head = without_marks(text, head);
    while (head.end > head.begin && text[head.end - 1] == ',') --head.end;
    // "18 oder 20", "12 or 13 apples": one of several
    const std::string_view behind = text.substr(head.end, s.end - head.end);
    for (const std::string_view joint : {" or ", " oder ", " ou ", " o ", " und ", " et ", " y "})
      if (behind.size() > joint.size() && behind.substr(0, joint.size()) == joint && is_digit(behind[joint.size()])) return s;
    if (head.end < s.end && reads(text, head)) return altered(text, s, head) ? s : head;
  }
  if (const size_t reals = sentence.find("all real numbers except "); reals != std::string_view::npos) return {s.begin + reals, s.end};
  // "between 4 and 6" states neither
  if (const size_t between = sentence.rfind("between "); between != std::string_view::npos && between + 8 < sentence.size() && is_digit(sentence[between + 8]) && sentence.find(" and ", between) != std::string_view::npos) return s;
  // "… is 3 out of 8", "… are in the ratio 1 to 3"
  for (const std::string_view joint : {" out of ", " to "}) {
    const size_t at = sentence.rfind(joint);
    if (at == std::string_view::npos || at == 0 || !is_digit(sentence[at - 1]) || at + joint.size() >= sentence.size() || !is_digit(sentence[at + joint.size()])) continue;
    if (joint == " to " && sentence.find("ratio") == std::string_view::npos) continue;
    size_t begin = at, end = at + joint.size();
    while (begin > 0 && is_digit(sentence[begin - 1])) --begin;
    while (end < sentence.size() && is_digit(sentence[end])) ++end;
    return {s.begin + begin, s.begin + end};
  }
  if (const Span result = computed(text, s); result.begin < result.end) return result;
  Span number = last_number_in(text, s);
  // "There are 13 such numbers, 12 of which are even"
  for (const std::string_view part : {" of which", " of whom", " of them", " of these", " of those"})
    if (number.begin < number.end && text.substr(number.end, part.size()) == part)
      if (const Span other = last_number_in(text, {s.begin, number.begin}); other.begin < other.end) number = other;
  // "It takes 1.5 hours (90 minutes)" says it twice
  if (number.begin < number.end && number.end < text.size()) {
    const size_t open = text.find('(', number.end), close = open == std::string_view::npos ? open : text.find(')', open);
    if (close != std::string_view::npos && open - number.end < 14 && close - open < 30 && is_digit(text[open + 1]) && is_latin(text[close - 1]) && text.substr(number.end, open - number.end).find_first_of("0123456789.,;\n=") == std::string_view::npos) {
      const Span twice{number.begin, close + 1};
      if (reads(text, twice)) return twice;
    }
  }
  // "Fraction(1, 3)": a number inside a call is part of a formula
  int depth = 0;
  for (size_t i = number.begin; i-- > s.begin;) {
    if (text[i] == ')') ++depth;
    if (text[i] == '(' && --depth < 0) {
      if (i > s.begin && is_latin(text[i - 1])) return s;
      break;
    }
  }
  return number.begin < number.end && !altered(text, s, number) ? number : s;
}

// "**B**: 27" behind "the answer is": the letter of an option in bold, with what it stands for.
std::optional<Extracted> bold_option(std::string_view text, size_t begin) {
  while (begin < text.size() && (text[begin] == ' ' || text[begin] == '*' || text[begin] == '(')) ++begin;
  if (begin == 0 || begin + 3 >= text.size() || text[begin] < 'A' || text[begin] > 'J' || (text[begin - 1] != '*' && text[begin - 1] != '(')) return std::nullopt;
  const std::string_view rest = text.substr(begin + 1, 5);
  if (rest.substr(0, 2) != "**" && rest.substr(0, 3) != ")**") return std::nullopt;
  return found(text, {begin, begin + 1}, "answer_is");
}

std::optional<Extracted> announced(std::string_view text, size_t& position) {
  static constexpr std::array<std::string_view, 3> kStrong = {"final answer", "correct answer", "answer"};
  // Where the phrases stand, last first; at most a few are looked at.
  constexpr int kMostTries = 6;
  int tries = 0;
  const auto value_from = [&](size_t begin) -> std::optional<Span> {
    while (begin < text.size() && (is_space(text[begin]) || text[begin] == '*' || text[begin] == ':' || text[begin] == '_')) ++begin;
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
      if (j < text.size() && is_latin(text[j])) break;
      ++tries;
      std::optional<Span> span;
      // "answer is", "answer:", "answer =", "answer to … is"
      size_t k = j;
      while (k < text.size() && (text[k] == ' ' || text[k] == '*' || text[k] == '\t')) ++k;
      size_t verb = 0;
      for (const std::string_view v : {"is", "should be", "will be", "would be", "must be", "are"})
        if (!verb && starts_with_answer_words(text, k, v) && (k + v.size() >= text.size() || !is_latin(text[k + v.size()]))) verb = v.size();
      if (k + 1 < text.size() && (text[k] == '"' || text[k] == '\'') && i > 0 && (text[i - 1] == text[k] || text[i - 1] == '_')) {
        // {"answer": "18", …}
        size_t from = k + 1;
        while (from < text.size() && (is_space(text[from]) || text[from] == ':')) ++from;
        if (from > k + 1 && from < text.size()) {
          const bool quoted = text[from] == '"' || text[from] == '\'';
          const size_t to = quoted ? text.find(text[from], from + 1) : text.find_first_of(text[from] == '[' ? "]\n" : ",}\n", from);
          if (to != std::string_view::npos) {
            position = i;
            return found(text, quoted ? Span{from + 1, to} : Span{from, to + (text[to] == ']')}, "answer_is");
          }
        }
      }
      if (k < text.size() && (text[k] == ':' || text[k] == '=')) {
        span = value_from(k + 1);
      } else if (verb) {
        span = value_from(k + verb);
      } else {
        const size_t stop = sentence_end(text, j);
        size_t is = std::string_view::npos;
        for (size_t m = j; m + 4 <= stop && m < j + 160; ++m)
          if (is_space(text[m]) && starts_with_answer_words(text, m + 1, "is") && m + 3 < text.size() && (is_space(text[m + 3]) || text[m + 3] == ':')) is = m + 3;
        if (is != std::string_view::npos) span = value_from(is);
        else if (phrase == "final answer" && k < text.size() && text[k] == '\n') span = value_from(k + 1);
      }
      if (span) {
        position = i;
        if (text.substr(span->begin, 4) == "not ") {  // "not 13 but 12", "not 13. It is 12"
          const std::string_view rest = text.substr(span->begin, 160);
          for (const std::string_view turn : {" but ", "it is ", "It is ", "it's ", "It's "})
            if (const size_t at = rest.find(turn); at != std::string_view::npos)
              if (const auto other = value_from(span->begin + at + turn.size())) return found(text, value_in(text, *other), "answer_is");
          return found(text, *span, "answer_is");  // says what it is not
        }
        if (auto option = bold_option(text, span->begin)) return option;
        // "18, and the gcd is 3": what follows is said of something else
        const std::string_view said = text.substr(span->begin, span->end - span->begin);
        for (const std::string_view turn : {", and the ", ", and its ", ", while the "})
          if (const size_t at = said.find(turn); at != std::string_view::npos && said.find("nswer", at) == std::string_view::npos && said.find("total", at) == std::string_view::npos && reads(text, {span->begin, span->begin + at})) return found(text, {span->begin, span->begin + at}, "answer_is");
        return found(text, value_in(text, *span), "answer_is");
      }
      break;
    }
  }
  // Other languages: the word for "answer", then a mark or a verb; "故选 B" names an option.
  std::optional<Span> last;
  const auto take = [&](size_t at, size_t begin, bool option) {
    if (last && at < position) return;
    const auto span = value_from(begin);
    if (!span) return;
    const bool letter = text[span->begin] >= 'A' && text[span->begin] <= 'J' && (span->begin + 1 == text.size() || !is_latin(text[span->begin + 1]));
    if (option && !letter) return;
    position = at;
    last = letter && (option || static_cast<unsigned char>(text[std::min(span->begin + 1, text.size() - 1)]) >= 0x80) ? Span{span->begin, span->begin + 1} : value_in(text, *span);
  };
  for (const std::string_view phrase : {"Respuesta:", "Réponse :", "Réponse:", "Antwort:", "Risposta:", "Resposta:", "Jawaban:", "réponse est", "Antwort ist", "respuesta es", "respuesta correcta es", "risposta è", "resposta é"})
    if (const size_t at = find_last(text, phrase); at != std::string_view::npos) take(at, at + phrase.size(), false);
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xD0; })) {
    for (const std::string_view phrase : {"答案", "故选", "应选", "选项", "选", "正解", "回答", "答え", "答", "정답", "답변", "답", "Ответ", "ответ", "उत्तर", "উত্তর", "الإجابة", "คำตอบ"}) {
      const size_t at = find_last(text, phrase);
      if (at == std::string_view::npos) continue;
      size_t begin = at + phrase.size();
      while (begin < text.size() && (text[begin] == ' ' || text[begin] == '*')) ++begin;
      bool marked = false;
      for (const std::string_view mark : {":", "：", "是", "为", "選", "选", "為", "は", "은", "는"})
        if (!marked && text.substr(begin, mark.size()) == mark) {
          begin += mark.size();
          marked = true;
        }
      const bool option = phrase == "故选" || phrase == "应选" || phrase == "选项" || phrase == "选";
      if (marked || option) take(at, begin, option);
    }
  }
  if (last) return found(text, *last, "answer_is");
  return std::nullopt;
}

std::optional<Extracted> bold(std::string_view text) {
  size_t end = find_last(text, "**");
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
  // "B is correct", "So B is the correct answer"
  for (const std::string_view claim : {" is correct", " is the correct", " is the right", " is the answer"})
    if (const size_t at = find_last(text, claim); at != std::string_view::npos && at > 0 && text[at - 1] >= 'A' && text[at - 1] <= 'J' && (at == 1 || (!is_latin(text[at - 2]) && text[at - 2] != '\''))) return found(text, {at - 1, at}, "choice");
  // "Option C is correct", "the right choice is (C) because (A) is too small"
  for (size_t i = text.size(); i-- > 0;) {
    if ((text[i] != 'p' && text[i] != 'h') || (text.substr(i, 6) != "ption " && text.substr(i, 6) != "hoice ")) continue;
    size_t j = i + 6;
    if (text.substr(j, 3) == "is ") j += 3;
    while (j < text.size() && (text[j] == '*' || text[j] == '(' || text[j] == '$')) ++j;
    if (j >= text.size() || text[j] < 'A' || text[j] > 'J' || (j + 1 < text.size() && (is_latin(text[j + 1]) || text[j + 1] == '\''))) continue;
    return found(text, {j, j + 1}, "choice");
  }
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'J') continue;
    const bool left = i > 0 && text[i - 1] == '(', right = i + 1 < text.size() && text[i + 1] == ')';
    if (left && right) {
      // "Both (B) and (C) are correct"
      const bool two = i >= 9 && text.substr(i - 6, 5) == " and " && text[i - 7] == ')' && text[i - 8] >= 'A' && text[i - 8] <= 'J' && text[i - 9] == '(';
      return found(text, {two ? i - 9 : i - 1, i + 2}, "choice");
    }
  }
  return std::nullopt;
}

// The last "fourteen", "twenty-one" in a sentence; never a bare "one", which is more often a pronoun.
Span written_number(std::string_view text, Span s) {
  std::vector<Span> words;
  for (size_t i = s.begin; i < s.end;) {
    if (!is_latin(text[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < s.end && is_latin(text[i])) ++i;
    words.push_back({begin, i});
  }
  for (size_t last = words.size(); last-- > 0;)
    for (size_t count = std::min<size_t>(3, last + 1); count > 0; --count) {
      const Span span{words[last + 1 - count].begin, words[last].end};
      if (number_word(fold(text.substr(span.begin, span.end - span.begin))) <= 1) continue;
      // "two hundred fifty", "two million", "minus five", "two thirds", "which of the two": part of another number, or none
      const auto word = [&](size_t k) { return k < words.size() ? fold(text.substr(words[k].begin, words[k].end - words[k].begin)) : std::string(); };
      const std::string before = last + 1 > count ? word(last - count) : "", after = word(last + 1);
      for (const std::string_view w : {"minus", "negative", "point", "and", "the", "of", "these", "those", "million", "billion", "thousand", "hundred"})
        if (before == w) return {s.begin, s.begin};
      for (const std::string_view w : {"hundred", "thousand", "million", "billion", "trillion", "point", "and", "or", "half", "halves", "third", "thirds", "quarter", "quarters", "fourths", "fifth", "fifths", "sixth", "sixths", "tenth", "tenths", "times"})
        if (after == w) return {s.begin, s.begin};
      if ((!before.empty() && number_word(before) >= 0) || (!after.empty() && number_word(after) >= 0)) return {s.begin, s.begin};
      return span;
    }
  return {s.begin, s.begin};
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
    at = end + (end < all.end && text[end] == '\xE3' ? 3 : 1);  // behind a full stop or 。
  }
  // One short line of words or one formula is the answer itself.
  if (sentences.size() == 1 && all.end - all.begin <= 60 && !looks_prose(text.substr(all.begin, all.end - all.begin))) {
    const std::string_view line = text.substr(all.begin, all.end - all.begin);
    const bool formula_inside = !formulas(text, all).empty();
    const bool any_digit = std::any_of(line.begin(), line.end(), is_digit);
    bool latex = false;  // an escaped sign of money or per cent is none
    for (size_t i = 0; i < line.size(); ++i) latex = latex || line[i] == '^' || line[i] == '_' || line[i] == '{' || line[i] == '}' || (line[i] == '\\' && (i + 1 == line.size() || (line[i + 1] != '$' && line[i + 1] != '%')));
    if (!formula_inside && (!any_digit || (latex && line.find(" is ") == std::string_view::npos))) {
      if (auto e = letter_choice(line)) {
        e->begin += all.begin;
        e->end += all.begin;
        if (line.find(' ') != std::string_view::npos) return e;
      }
      return found(text, all, "whole");
    }
  }
  // A check of the answer behind it is not the answer.
  for (size_t i = 1; i < sentences.size(); ++i)
    for (const std::string_view opening : {"To check", "Check:", "Checking", "To verify", "Verification", "Let's check", "Let's verify", "Let us check", "Let us verify", "We can check", "We can verify", "Let me check", "Let me verify", "Note:", "**Note", "Substituting back", "**Check", "**Verification"})
      if (i < sentences.size() && text.compare(sentences[i].begin, opening.size(), opening) == 0 && text.substr(sentences[0].begin, sentences[i].begin - sentences[0].begin).find_first_of("0123456789\\") != std::string_view::npos) sentences.resize(i);
  for (size_t i = sentences.size(); i-- > 0;) {
    const Span s = sentences[i];
    const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
    // **84**
    if (const size_t close = sentence.rfind("**"); close != std::string_view::npos && close >= 3) {
      const size_t open = sentence.rfind("**", close - 1);
      if (open != std::string_view::npos && open + 2 < close) {
        const Span inner = without_marks(text, {s.begin + open + 2, s.begin + close});
        const std::string_view said = text.substr(inner.begin, inner.end - inner.begin);
        bool heading = false;
        for (const std::string_view opening : {"Step", "Case", "Part", "Note", "Problem", "Figure"}) heading = heading || said.substr(0, opening.size()) == opening;
        if (!heading && inner.begin < inner.end && reads(text, inner)) return found(text, inner, "bold");
        if (!heading && inner.begin < inner.end && std::any_of(text.begin() + static_cast<std::ptrdiff_t>(inner.begin), text.begin() + static_cast<std::ptrdiff_t>(inner.end), is_digit)) return found(text, value_in(text, inner), "bold");
      }
    }
    // <<48/2=24>>24: GSM8K's calculator notes stand before their result
    if (const size_t note = sentence.rfind(">>"); note != std::string_view::npos && sentence.rfind("<<", note) != std::string_view::npos && note + 2 < sentence.size() && (is_digit(sentence[note + 2]) || sentence[note + 2] == '$' || sentence[note + 2] == '-' || sentence[note + 2] == '.')) {
      const size_t from = s.begin + note + 2;
      size_t to = from + 1;
      while (to < s.end && (is_digit(text[to]) || ((text[to] == ',' || text[to] == '.' || text[to] == '/') && to + 1 < s.end && is_digit(text[to + 1])))) ++to;
      return found(text, {from, to}, "last_equation");
    }
    const bool formula_inside = !formulas(text, s).empty();
    const bool any_digit = std::any_of(sentence.begin(), sentence.end(), is_digit);
    if (formula_inside || any_digit || sentence.find("\\frac") != std::string_view::npos || sentence.find("\\sqrt") != std::string_view::npos) {
      const Span v = value_in(text, s);
      const char* rule = formula_inside ? "last_formula" : sentence.find('=') != std::string_view::npos ? "last_equation" : "last_number";
      // a numbered line "3. Check the result" states no value
      const bool numbering = !formula_inside && v.begin == s.begin && v.end < s.end && s.end - v.end > 2 && is_digit(text[v.begin]) && (text[v.end] == '.' || text[v.end] == ')') && i > 0;
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
  // bold words anywhere, a number written out where no other is, the whole of a short text
  if (auto e = bold(text)) return e;
  if (std::none_of(text.begin(), text.end(), is_digit) && looks_prose(text.substr(all.begin, all.end - all.begin)))
    for (size_t i = sentences.size(); i-- > 0;)
      if (const Span s = written_number(text, sentences[i]); s.begin < s.end) return found(text, s, "last_number");
  if (all.end - all.begin <= 200 && sentences.size() == 1) return found(text, all, "whole");
  return std::nullopt;
}

}  // namespace

std::optional<Extracted> extract(std::string_view original) {
  free_caches_with_thread();
  constexpr size_t kMost = 160'000;
  std::string_view text = original;
  size_t shift = 0;
  // One number of any length is its own answer.
  {
    const Span all = trimmed(text, {0, text.size()});
    size_t i = all.begin, points = 0;
    if (i < all.end && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t first = i;
    while (i < all.end && (is_digit(text[i]) || (text[i] == '.' && ++points == 1))) ++i;
    if (i == all.end && i > first && is_digit(text[i - 1])) return found(text, all, "whole");
  }
  // The answer stands at the end: of a very long text only the end is searched.
  if (text.size() > kMost) {
    shift = text.size() - kMost;
    text.remove_prefix(shift);
  }
  for (const std::string_view close : {"</think>", "</thinking>", "<|end_of_thought|>", "</thought>"}) {
    const size_t at = find_last(text, close);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + close.size());
    const bool empty = std::all_of(rest.begin(), rest.end(), is_space);
    if (!empty) {
      shift += at + close.size();
      text = rest;
    }
    break;
  }
  // A base model goes on to questions of its own: what follows is not about this one.
  for (const std::string_view mark : {"\nQuestion:", "\nQ:", "\nHuman:", "\nUser:", "\nProblem:"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || (text.substr(0, at).find_first_of("0123456789\\") == std::string_view::npos && text.substr(0, at).find("nswer is") == std::string_view::npos)) continue;
    text = text.substr(0, at);
  }
  // A paragraph that checks the answer above it.
  for (const std::string_view mark : {"\n\nCheck", "\nCheck:", "\n\nVerification", "\n\nTo check", "\n\nTo verify", "\n\n**Check", "\n\n**Verification"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || text.substr(0, at).find_first_of("0123456789\\") == std::string_view::npos) continue;
    const std::string_view tail = text.substr(at);
    if (tail.find("boxed") == std::string_view::npos && tail.find("####") == std::string_view::npos && tail.find("nswer") == std::string_view::npos && tail.find("\nSo") == std::string_view::npos && tail.find("Therefore") == std::string_view::npos && tail.find("Thus") == std::string_view::npos && tail.find("<") == std::string_view::npos) text = text.substr(0, at);
  }
  // Another turn behind an answer.
  for (const std::string_view mark : {"[INST]", "<|user|>", "<start_of_turn>", "\n### Instruction:", "\nExercise ", "\nProblem "}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || at == 0) continue;
    const std::string_view head = text.substr(0, at);
    if (head.find("\\boxed{") != std::string_view::npos || head.find("nswer is") != std::string_view::npos || head.find("nswer:") != std::string_view::npos || head.find("#### ") != std::string_view::npos) text = head;
  }
  // A figure behind the last sentence.
  const size_t tail = trimmed(text, {0, text.size()}).end;
  if (const size_t figure = tail > 12 && text.substr(tail - 6, 6) == "[/asy]" ? find_last(text, "[asy]") : std::string_view::npos; figure != std::string_view::npos && text.substr(0, figure).find_first_of("0123456789") != std::string_view::npos) text = text.substr(0, figure);
  // What a chat template leaves behind the answer.
  for (const std::string_view mark : {"<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|endoftext|>", "<|end|>", "</s>", "<end_of_turn>", "<|assistant|>"}) {
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
      size_t position = 0;
      // "My answer: 12" and "(C) is wrong, so the answer is (D)" could be read as they stand
      const bool says_answer = all.end - all.begin <= 400 && text.find("nswer") != std::string_view::npos;
      if (says_answer) e = announced(text, position);
      if (!e && reads(text, all)) e = found(text, all, "whole");
      if (!e && !says_answer) e = announced(text, position);
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
