#include "verify/stated.h"

#include <algorithm>
#include <string>
#include <vector>

#include "verify/parser.h"
#include "verify/words.h"

namespace foil::verify {

// In verify.cpp: is this whole text one readable answer (a formula, not a sentence)?
bool reads_whole(std::string_view text, bool& is_words);

std::optional<Extracted> found(std::string_view text, Span s, const char* rule) {
  s = trimmed(text, s);
  if (s.begin >= s.end) return std::nullopt;
  return Extracted{std::string(text.substr(s.begin, s.end - s.begin)), s.begin, s.end, rule};
}

bool has_word(std::string_view text) {
  size_t run = 0;
  for (const char c : text)
    if ((run = is_latin(c) ? run + 1 : 0) >= 3) return true;
  return false;
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

namespace {

std::string_view inside(std::string_view text, Span s) { return text.substr(s.begin, s.end - s.begin); }

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
    if (const size_t at = inside(text, s).find(opening); at != std::string_view::npos && at > 0 && states(s.begin + at) && !goes_on(at)) s = without_marks(text, {s.begin, s.begin + at});
  // "The maximum is 4 at x = 3", "4 when n = 3": what follows says where; only behind a verb or a short value
  for (const std::string_view opening : {" when ", " if ", ", attained ", " attained ", " achieved ", " and occurs ", " is attained ", " is achieved ", " at ", " for "}) {
    const std::string_view sentence = inside(text, s);
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

// "is less than 12", "greater than 12": a bound that is not attained; "no more than 12" is.
bool bounded(std::string_view before) {
  constexpr std::string_view kThan = " than";
  if (!before.ends_with(kThan)) return false;
  before.remove_suffix(kThan.size());
  for (const std::string_view word : {"less", "greater", "more", "fewer", "larger", "smaller", "bigger"}) {
    if (!before.ends_with(word)) continue;
    before.remove_suffix(word.size());
    if (before.ends_with("strictly ")) before.remove_suffix(9);
    return before.empty() || std::any_of(std::begin(kVerbs), std::end(kVerbs), [&](std::string_view verb) { return before.ends_with(" " + std::string(verb) + " "); });
  }
  return false;
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
    if (head.ends_with(words) || (words[0] == ' ' && head == words.substr(1))) return true;
  if (bounded(head)) return true;
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
// what there is, unless the sentence goes on to another statement.
std::optional<Span> computed(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
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
  if (from == std::string_view::npos) return std::nullopt;
  size_t i = from;
  while (i < sentence.size() && (sentence[i] == ' ' || sentence[i] == '$' || sentence[i] == '-')) ++i;
  if (i >= sentence.size() || !is_digit(sentence[i]) || i > from + 4) return std::nullopt;
  size_t end = i;
  while (end < sentence.size() && (is_digit(sentence[end]) || ((sentence[end] == ',' || sentence[end] == '.') && end + 1 < sentence.size() && is_digit(sentence[end + 1])))) ++end;
  const std::string_view rest = sentence.substr(end);
  if (rest.empty() || rest[0] == '/' || rest[0] == ':' || rest[0] == '^' || rest[0] == '!' || rest.find_first_of("=+*/<>;") != std::string_view::npos || rest.substr(0, 2) == "x " || rest.substr(0, 2) == " x" || rest.substr(0, 2) == " -") return std::nullopt;
  for (const std::string_view more : {", ", " so ", " then ", " leaving ", " leaves ", " left ", " is ", " are ", " was ", " but ", " and ", " each", " per ", " more than "})
    if (rest.find(more) != std::string_view::npos && !(there && (more == " are " || more == " is ") && rest.find(" that ") != std::string_view::npos)) return std::nullopt;
  const Span number{s.begin + i - (i > from && (sentence[i - 1] == '$' || sentence[i - 1] == '-')), s.begin + end + (rest[0] == '%')};
  if (altered(text, s, number)) return std::nullopt;
  return number;
}

// "the square root of 144, i.e., 12", "3 times 4, or 12": words for a value, then the value.
std::optional<Span> worked_out(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
  for (const std::string_view joint : {", i.e., ", ", i.e. ", ", that is, ", ", or "}) {
    const size_t at = sentence.find(joint);
    if (at == std::string_view::npos || at == 0 || sentence.find_first_of("$\\=") != std::string_view::npos) continue;
    const Span value = without_marks(text, {s.begin + at + joint.size(), s.end});
    bool sum = joint != ", or ";  // "90 minutes, or 1.5 hours" says one quantity twice
    for (const std::string_view word : {" times ", " plus ", " minus ", " divided by ", " squared", " of "}) sum = sum || sentence.substr(0, at).find(word) != std::string_view::npos;
    if (sum && value.begin < value.end && is_digit(text[value.begin]) && !reads(text, {s.begin, s.begin + at}) && reads(text, value)) return value;
  }
  return std::nullopt;
}

// "(B) 27 is too big, so (C) 25": the option turned to.
std::optional<Span> option_turned_to(std::string_view text, Span s) {
  if (s.end - s.begin <= 12 || text[s.begin] != '(' || text[s.begin + 2] != ')') return std::nullopt;
  for (const std::string_view turn : {" so (", "hus (", "herefore (", "ence ("}) {
    const size_t at = inside(text, s).find(turn);
    if (at == std::string_view::npos) continue;
    const size_t letter = s.begin + at + turn.size();
    if (letter + 1 < s.end && text[letter + 1] == ')') return Span{letter - 1, s.end};
  }
  return std::nullopt;
}

// "12 (no other solution exists)": the value before a remark of more than one word.
std::optional<Span> before_remark(std::string_view text, Span s) {
  if (s.end - s.begin <= 8 || text[s.end - 1] != ')') return std::nullopt;
  const Span bare = without_explanation(text, s);
  if (bare.end == s.end || !reads(text, bare) || text.substr(bare.end, s.end - bare.end).find(' ', 2) == std::string_view::npos) return std::nullopt;
  if (is_digit(text[std::min(text.find('(', bare.end) + 1, text.size() - 1)])) return std::nullopt;
  return bare;
}

// "either 12 or 13" states both.
std::optional<Span> both_stated(std::string_view text, Span s) {
  for (const std::string_view pair : {"either ", "Either ", "both ", "Both "})
    if (text.compare(s.begin, pair.size(), pair) == 0 && reads(text, {s.begin + pair.size(), s.end})) return Span{s.begin + pair.size(), s.end};
  return std::nullopt;
}

// No words, of Latin letters or others: a formula that cannot be read.
bool without_words(std::string_view sentence) {
  return std::none_of(sentence.begin(), sentence.end(), [](char c) {
    const auto b = static_cast<unsigned char>(c);
    return is_latin(c) || (b >= 0xD0 && b <= 0xE1) || (b >= 0xE3 && b <= 0xED);
  });
}

// A short answer in words.
bool short_phrase(std::string_view sentence) {
  return std::none_of(sentence.begin(), sentence.end(), is_digit) && sentence.find('\\') == std::string_view::npos && std::count(sentence.begin(), sentence.end(), ' ') < 4;
}

// "The solution is x = 2 and y = 3": several equations behind one verb belong together.
std::optional<Span> equations_behind_verb(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
  for (const std::string_view verb : {" is ", " are ", ": "}) {
    const size_t at = sentence.rfind(verb);
    if (at == std::string_view::npos) continue;
    const Span tail = without_marks(text, {s.begin + at + verb.size(), s.end});
    const std::string_view several = text.substr(tail.begin, tail.end - tail.begin);
    const size_t joint = std::min(several.find(" and "), several.find(", "));
    if (joint == std::string_view::npos || several.find('=') > joint || several.find('=', joint) == std::string_view::npos || !reads(text, tail)) continue;
    return tail;
  }
  return std::nullopt;
}

// "…, so x = -2 or x = 1"
std::optional<Span> joined_equations(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
  const size_t last = sentence.rfind(" = ");
  if (last == std::string_view::npos) return std::nullopt;
  size_t joint = 0;
  for (const std::string_view word : {" or ", " and "})
    if (const size_t at = sentence.rfind(word, last); at != std::string_view::npos) joint = std::max(joint, at + 1);
  const size_t first = joint > 1 ? sentence.rfind(" = ", joint) : std::string_view::npos;
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  size_t begin = first;
  while (begin > 0 && !is_space(sentence[begin - 1])) --begin;
  const Span several = without_marks(text, {s.begin + begin, s.end});
  if (first - begin > 3 || last <= joint || last - joint > 8 || !reads(text, several)) return std::nullopt;
  return several;
}

// What follows a verb, without "therefore", "exactly" and the like.
Span predicate(std::string_view text, Span s) {
  Span tail = without_marks(text, s);
  for (const std::string_view filler : {"therefore ", "thus ", "just ", "simply ", "exactly ", "about ", "approximately ", "only ", "indeed ", "equal to ", "then ", "either ", "both "})
    if (text.compare(tail.begin, filler.size(), filler) == 0) tail.begin += filler.size();
  return tail;
}

// "cannot be 12", "is never 12"
bool denied(std::string_view before_verb) {
  for (const std::string_view word : {" not", "cannot", "n't", " never"})
    if (before_verb.ends_with(word)) return true;
  return false;
}

// The readable end of a sentence behind its last verb or sign outside a formula; the whole sentence where that verb denies it.
std::optional<Span> behind_verb(std::string_view text, Span s, const std::vector<Span>& fs) {
  const std::string_view sentence = inside(text, s);
  size_t best = 0, denied_at = 0;
  for (const std::string_view verb : {" is ", " are ", " equals ", " equal to ", " be ", " was ", " it's ", "=", ": ", "≈"}) {
    const size_t at = sentence.rfind(verb);
    if (at == std::string_view::npos) continue;
    // "2 : 3" is a ratio
    if (verb[0] == ':' && at > 1 && sentence[at - 1] == ' ' && is_digit(sentence[at - 2]) && at + 2 < sentence.size() && is_digit(sentence[at + 2])) continue;
    const size_t from = s.begin + at + verb.size();
    if (verb[0] == ' ' && denied(sentence.substr(0, at))) {
      denied_at = std::max(denied_at, from);
      continue;
    }
    // a sign inside a formula belongs to it
    if (std::any_of(fs.begin(), fs.end(), [&](const Span& f) { return from > f.begin && from <= f.end; })) continue;
    if (from > best && reads(text, predicate(text, {from, s.end}))) best = from;
  }
  if (denied_at > 0 && best < denied_at) return s;
  if (best == 0) return std::nullopt;
  return predicate(text, {best, s.end});
}

std::string_view gap(std::string_view text, const std::vector<Span>& fs, size_t i) { return text.substr(fs[i].end, fs[i + 1].begin - fs[i].end); }
bool is_equation(std::string_view text, Span formula) { return inside(text, formula).find('=') != std::string_view::npos; }
bool has_digit(std::string_view formula) { return std::any_of(formula.begin(), formula.end(), is_digit); }

// "and", "or", a comma between two formulas: parts of one answer.
bool only_joins(std::string_view gap) { return std::count_if(gap.begin(), gap.end(), is_latin) <= 3 && joins(gap) && gap.find_first_of(",;ao") != std::string_view::npos; }

// "The minimum is $4$, attained at $x = 1$": the number right behind the verb, before an equation. fs.size(): none.
size_t formula_behind_verb(std::string_view text, Span s, const std::vector<Span>& fs) {
  for (size_t k = fs.size() - 1; k-- > 0;) {
    const std::string_view behind = gap(text, fs, k);
    const size_t word = std::min(behind.find_first_not_of("$\\)]}* "), behind.size());
    if (behind.substr(word, 2) != ", ") continue;
    const std::string_view before = text.substr(s.begin, fs[k].begin - s.begin);
    size_t end = before.size();
    while (end > 0 && !is_latin(before[end - 1]) && before[end - 1] != '\n') --end;
    const bool verb = std::any_of(std::begin(kVerbs), std::end(kVerbs), [&](std::string_view v) { return end > v.size() && before.substr(end - v.size(), v.size()) == v && is_space(before[end - v.size() - 1]); });
    if (verb && !is_equation(text, fs[k]) && has_digit(inside(text, fs[k])) && is_equation(text, fs[k + 1]) && !only_joins(behind) && reads(text, fs[k])) return k;
  }
  return fs.size();
}

// "$f(x) = ax + b$, where $b$ is an integer": what follows "where" describes the answer.
size_t formula_before_where(std::string_view text, const std::vector<Span>& fs, size_t last) {
  for (size_t k = 0; k < last; ++k)
    if (gap(text, fs, k).find("where ") != std::string_view::npos && (is_equation(text, fs[k]) || has_digit(inside(text, fs[k])))) return k;
  return last;
}

// "$x = -2$ or $x = 1$", "$3$ and $4$": where the enumeration that ends with the formula `last` begins.
size_t first_of_enumeration(std::string_view text, const std::vector<Span>& fs, size_t last) {
  constexpr size_t kMost = 64;
  const auto left_side = [&](size_t i) {
    const std::string_view f = inside(text, fs[i]);
    return inside(f, trimmed(f, {0, f.find('=')}));
  };
  const auto named = [&](size_t i) { return is_equation(text, fs[i]); };
  size_t first = last;
  while (first > 0 && last - first < kMost && named(first) && named(first - 1) && left_side(first).size() <= 8 && left_side(first) == left_side(first - 1) && only_joins(gap(text, fs, first - 1))) --first;
  while (first > 0 && last - first < kMost && fs[first].begin - fs[first - 1].end < 24 && !named(first) && !named(first - 1) && only_joins(gap(text, fs, first - 1))) --first;
  return first;
}

// "$28$ percent"
Span with_percent(std::string_view text, Span s, Span value) {
  const size_t reach = std::min(value.end + 16, s.end);
  for (size_t end = value.end + 2; end <= reach; ++end) {
    if (end < s.end && is_latin(text[end]) && is_latin(text[end - 1])) continue;
    const std::string_view tail = text.substr(value.end, end - value.end);
    if (tail.find("percent") == std::string_view::npos && tail.find('%') == std::string_view::npos) continue;
    if (reads(text, {value.begin, end})) return {value.begin, end};
  }
  return value;
}

// The formula of a sentence that is its answer: the last, but for what only describes it, with those it is enumerated with.
Span formula_stated(std::string_view text, Span s, const std::vector<Span>& fs) {
  size_t last = std::min(formula_behind_verb(text, s, fs), fs.size() - 1);
  last = formula_before_where(text, fs, last);
  return with_percent(text, s, {fs[first_of_enumeration(text, fs, last)].begin, fs[last].end});
}

// LaTeX without delimiters; an escaped sign of money or per cent is none.
bool has_latex(std::string_view sentence) {
  for (size_t i = 0; i < sentence.size(); ++i) {
    const bool escaped = i + 1 < sentence.size() && (sentence[i + 1] == '$' || sentence[i + 1] == '%');
    if (sentence[i] == '^' || sentence[i] == '_' || (sentence[i] == '\\' && !escaped)) return true;
  }
  return false;
}

// From the first sign of mathematics on; all of it where nothing can be read.
Span readable_end(std::string_view text, Span s) {
  for (size_t from = text.find(' ', s.begin); from < s.end; from = text.find(' ', from + 1))
    if (reads(text, {from + 1, s.end})) return without_marks(text, {from + 1, s.end});
  return s;
}

// "12 distinct sequences", "2/3 Therefore, …"; "18 oder 20", "12 or 13 apples" are one of several: all of it.
std::optional<Span> value_in_front(std::string_view text, Span s) {
  if (!is_digit(text[s.begin]) && text[s.begin] != '-' && text[s.begin] != '(' && text[s.begin] != '$') return std::nullopt;
  Span head = s;
  for (size_t i = s.begin; i < s.end; ++i)
    if (is_latin(text[i]) && i + 1 < s.end && is_latin(text[i + 1]) && (i == s.begin || !is_latin(text[i - 1]))) {
      head.end = i;
      break;
    }
  head = without_marks(text, head);
  while (head.end > head.begin && text[head.end - 1] == ',') --head.end;
  const std::string_view behind = text.substr(head.end, s.end - head.end);
  for (const std::string_view joint : {" or ", " oder ", " ou ", " o ", " und ", " et ", " y "})
    if (behind.size() > joint.size() && behind.substr(0, joint.size()) == joint && is_digit(behind[joint.size()])) return s;
  if (head.end == s.end || !reads(text, head)) return std::nullopt;
  return altered(text, s, head) ? s : head;
}

std::optional<Span> reals_with_exceptions(std::string_view text, Span s) {
  const size_t reals = inside(text, s).find("all real numbers except ");
  if (reals == std::string_view::npos) return std::nullopt;
  return Span{s.begin + reals, s.end};
}

// "between 4 and 6" states neither: all of it.
std::optional<Span> bounds(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
  const size_t between = sentence.rfind("between ");
  if (between == std::string_view::npos || between + 8 >= sentence.size() || !is_digit(sentence[between + 8]) || sentence.find(" and ", between) == std::string_view::npos) return std::nullopt;
  return s;
}

// "… is 3 out of 8", "… are in the ratio 1 to 3"
std::optional<Span> proportion(std::string_view text, Span s) {
  const std::string_view sentence = inside(text, s);
  for (const std::string_view joint : {" out of ", " to "}) {
    const size_t at = sentence.rfind(joint);
    if (at == std::string_view::npos || at == 0 || !is_digit(sentence[at - 1]) || at + joint.size() >= sentence.size() || !is_digit(sentence[at + joint.size()])) continue;
    if (joint == " to " && sentence.find("ratio") == std::string_view::npos) continue;
    size_t begin = at, end = at + joint.size();
    while (begin > 0 && is_digit(sentence[begin - 1])) --begin;
    while (end < sentence.size() && is_digit(sentence[end])) ++end;
    return Span{s.begin + begin, s.begin + end};
  }
  return std::nullopt;
}

// "It takes 90 minutes, or 1.5 hours", "12 or 13 apples": both.
std::optional<Span> alternatives(std::string_view text, Span s, Span number) {
  constexpr std::string_view kOr = " or ";
  if (!inside(text, {s.begin, number.begin}).ends_with(kOr)) return std::nullopt;
  const Span other = last_number_in(text, {s.begin, number.begin - kOr.size()});
  if (other.begin == other.end || text.substr(other.end, number.begin - other.end).find_first_not_of(", or") != std::string_view::npos) return std::nullopt;
  const Span both{other.begin, number.end};
  const bool part = inside(text, {s.begin, other.begin}).ends_with("and ");  // "1 hour and 30 minutes, or 90 minutes"
  if (part || !reads(text, both)) return std::nullopt;
  return altered(text, s, both) ? s : both;
}

// "It takes 1.5 hours (90 minutes)": both, where one is said twice.
std::optional<Span> said_twice(std::string_view text, Span number) {
  const size_t open = text.find('(', number.end), close = open == std::string_view::npos ? open : text.find(')', open);
  if (close == std::string_view::npos || open - number.end >= 14 || close - open >= 30 || !is_digit(text[open + 1]) || !is_latin(text[close - 1])) return std::nullopt;
  const Span twice{number.begin, close + 1};
  if (text.substr(number.end, open - number.end).find_first_of("0123456789.,;\n=") != std::string_view::npos || !reads(text, twice)) return std::nullopt;
  return twice;
}

// "Fraction(1, 3)": a number inside a call is part of a formula.
bool inside_call(std::string_view text, Span s, size_t at) {
  int depth = 0;
  for (size_t i = at; i-- > s.begin;) {
    if (text[i] == ')') ++depth;
    if (text[i] == '(' && --depth < 0) return i > s.begin && is_latin(text[i - 1]);
  }
  return false;
}

// The last number of a sentence, unless words make another value of it.
std::optional<Span> number_stated(std::string_view text, Span s) {
  Span number = last_number_in(text, s);
  // "There are 13 such numbers, 12 of which are even"
  for (const std::string_view part : {" of which", " of whom", " of them", " of these", " of those"})
    if (number.begin < number.end && text.substr(number.end, part.size()) == part)
      if (const Span other = last_number_in(text, {s.begin, number.begin}); other.begin < other.end) number = other;
  if (number.begin == number.end) return std::nullopt;
  if (const auto twice = said_twice(text, number)) return twice;
  if (const auto both = alternatives(text, s, number)) return both;
  if (inside_call(text, s, number.begin) || altered(text, s, number)) return std::nullopt;
  return number;
}

}  // namespace

Span value_in(std::string_view text, Span s) {
  s = without_marks(text, s);
  for (const auto stated : {option_turned_to, before_remark})
    if (const auto value = stated(text, s)) return *value;
  if (s.begin >= s.end || reads(text, s)) return s;
  for (const auto stated : {both_stated, worked_out})
    if (const auto value = stated(text, s)) return *value;
  if (const Span short_form = without_explanation(text, s); short_form.end < s.end) {
    s = short_form;
    if (reads(text, s)) return s;
  }
  const std::string_view sentence = inside(text, s);
  const std::vector<Span> fs = formulas(text, s);
  if (fs.empty()) {
    if (without_words(sentence) || short_phrase(sentence)) return s;
    for (const auto stated : {equations_behind_verb, joined_equations})
      if (const auto value = stated(text, s)) return *value;
  }
  if (const auto value = behind_verb(text, s, fs)) return *value;
  if (!fs.empty()) return formula_stated(text, s, fs);
  if (has_latex(sentence)) return readable_end(text, s);
  for (const auto stated : {value_in_front, reals_with_exceptions, bounds, proportion, computed, number_stated})
    if (const auto value = stated(text, s)) return *value;
  return s;
}

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

}  // namespace foil::verify
