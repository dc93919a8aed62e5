// parse(): from the text of an answer to a Reading. Fast path for plain numbers; special forms; the grammar; words.
#include <algorithm>
#include <charconv>
#include <utility>

#include "verify/lexer.h"
#include "verify/parser.h"
#include "verify/reading.h"
#include "verify/relations.h"
#include "verify/respell.h"
#include "verify/words.h"

namespace foil::verify {

namespace {

constexpr size_t kMaxLength = 60'000;  // bytes; longer answers are read only when they are one number

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && space(s.front())) s.remove_prefix(1);
  while (!s.empty() && space(s.back())) s.remove_suffix(1);
  return s;
}

// Does `{` at 0 close exactly at the end?
bool wraps(std::string_view s, size_t open) {
  int depth = 0;
  for (size_t i = open; i < s.size(); ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '{') {
      ++depth;
    } else if (s[i] == '}' && --depth == 0) {
      return i + 1 == s.size();
    }
  }
  return false;
}

// Peels delimiters off both ends: $…$, \(…\), \[…\], **…**, \boxed{…}, quotes, a full stop.
std::string_view peel(std::string_view s) {
  while (true) {
    s = trim(s);
    const size_t before = s.size();
    const auto pair = [&](std::string_view open, std::string_view close) {
      if (s.size() < open.size() + close.size() || s.substr(0, open.size()) != open || s.substr(s.size() - close.size()) != close) return;
      const std::string_view inside = s.substr(open.size(), s.size() - open.size() - close.size());
      if (inside.find(open) != std::string_view::npos || (close != open && inside.find(close) != std::string_view::npos)) return;
      s = inside;
    };
    pair("$$", "$$");
    pair("$", "$");
    pair("\\(", "\\)");
    pair("\\[", "\\]");
    pair("**", "**");
    pair("__", "__");
    pair("【", "】");
    for (size_t hashes = 0; hashes < 3 && s.size() > 2 && s[0] == '#' && (s[1] == '#' || s[1] == ' ');) {  // a Markdown heading
      s.remove_prefix(1);
      ++hashes;
    }
    s = trim(s);
    pair("print(", ")");
    pair("\"", "\"");
    pair("`", "`");
    pair("“", "”");
    pair("'", "'");
    for (const std::string_view sign : {"∴", "⇒", "\\therefore", "\\Rightarrow", "\\implies"})
      if (s.substr(0, sign.size()) == sign && s.size() > sign.size() && !letter(s[sign.size()])) s.remove_prefix(sign.size());
    for (const std::string_view box : {"\\boxed", "\\fbox"})
      if (s.substr(0, box.size()) == box && s.size() > box.size() && s[box.size()] == '{' && wraps(s, box.size())) s = s.substr(box.size() + 1, s.size() - box.size() - 2);
    if (s.size() > 1 && (s.back() == '.' || s.back() == ',' || s.back() == ';') && s[s.size() - 2] != '\\' && s[s.size() - 2] != '.') s.remove_suffix(1);
    if (s.size() >= 3 && s.substr(s.size() - 3) == "。") s.remove_suffix(3);
    if (s.size() == before) return s;
  }
}

// Every backslash doubled, as in JSON read twice: "\\frac".
bool doubled(std::string_view s) {
  bool command = false;
  for (size_t i = 0; i < s.size();) {
    if (s[i] != '\\') {
      ++i;
      continue;
    }
    size_t n = 0;
    while (i < s.size() && s[i] == '\\') {
      ++n;
      ++i;
    }
    if (n % 2) return false;
    if (i + 1 < s.size() && letter(s[i]) && letter(s[i + 1])) command = true;
  }
  return command;
}
std::string halved(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    out += s[i];
    if (s[i] == '\\') ++i;
  }
  return out;
}

// [+-]digits[.digits], the shape of most answers.
const Expr* plain_number(std::string_view s, Arena& arena) {
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s.empty()) return nullptr;
  size_t points = 0, digits = 0;
  for (const char c : s) {
    if (c == '.') ++points;
    else if (digit(c)) ++digits;
    else return nullptr;
  }
  if (digits == 0 || points > 1 || s.back() == '.') return nullptr;
  const Expr* e = number_literal(arena, s);
  if (!negative) return e;
  if (e->is(Kind::kLong)) {
    if (e->name == "0") return e;
    Expr* n = arena.make(Kind::kLong);
    n->name = arena.copy("-" + std::string(e->name));
    return n;
  }
  return arena.neg(e);
}

// Letters, digits and ':' of a short answer with LaTeX spacing and \text removed, lower case; for times.
std::string bare(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '\\') {
      ++i;
      if (i < s.size() && letter(s[i])) {
        size_t j = i;
        while (j < s.size() && letter(s[j])) ++j;
        const std::string_view name = s.substr(i, j - i);
        if (name != "text" && name != "mbox" && name != "textrm" && name != "mathrm" && name != "quad" && name != "colon") return "?";
        if (name == "colon") out += ':';
        i = j - 1;
      }
      continue;
    }
    if (c == '{' || c == '}' || c == '.' || c == '$' || c == '~' || space(c)) continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return out;
}

const Expr* time_of_day(std::string_view source, Arena& arena, bool& certain) {
  if (source.size() > 60 || (source.find(':') == std::string_view::npos && source.find_first_of("mM") == std::string_view::npos)) return nullptr;
  const std::string s = bare(source);
  size_t i = 0;
  const auto number = [&](size_t most) -> int {
    size_t n = 0;
    int v = 0;
    while (i < s.size() && digit(s[i]) && n < most) {
      v = v * 10 + (s[i++] - '0');
      ++n;
    }
    return n ? v : -1;
  };
  if (s == "noon" || s == "midnight") {
    Expr* e = arena.make(Kind::kTime);
    arena.set_number(e, Rational(s == "noon" ? 43200 : 0));
    e->index = 1;
    certain = true;
    return e;
  }
  const int hours = number(2);
  if (hours < 0 || hours > 24) return nullptr;
  int minutes = 0, seconds = 0;
  bool colon = false;
  if (i < s.size() && s[i] == ':') {
    colon = true;
    ++i;
    const size_t begin = i;
    minutes = number(2);
    if (minutes < 0 || minutes > 59 || i - begin != 2) return nullptr;
    if (i < s.size() && s[i] == ':') {
      ++i;
      const size_t second_begin = i;
      seconds = number(2);
      if (seconds < 0 || seconds > 59 || i - second_begin != 2) return nullptr;
    }
  }
  const std::string_view rest = std::string_view(s).substr(i);
  bool am = rest.substr(0, 2) == "am", pm = rest.substr(0, 2) == "pm";
  if (!am && !pm && !rest.empty()) return nullptr;
  if (rest.size() > 2) return nullptr;
  if (!colon && !am && !pm) return nullptr;
  if ((am || pm) && (hours > 12 || hours == 0) && am) return nullptr;
  int h = hours;
  if (pm && h < 12) h += 12;
  if (am && h == 12) h = 0;
  Expr* e = arena.make(Kind::kTime);
  arena.set_number(e, Rational(int64_t{h} * 3600 + minutes * 60 + seconds));
  e->index = am || pm || hours > 12 || hours == 0 ? 1 : 0;
  certain = am || pm;
  return e;
}

// "A5_{11}", "\text{A5}_{11}", "152A_{11}": digits with letters in a base above ten.
const Expr* lettered_base(std::string_view s, Arena& arena) {
  bool negative = false;
  if (!s.empty() && s[0] == '-') {
    negative = true;
    s.remove_prefix(1);
  }
  for (const std::string_view wrap : {"\\text{", "\\mathrm{", "("})
    if (s.substr(0, wrap.size()) == wrap) {
      s.remove_prefix(wrap.size());
      break;
    }
  size_t i = 0;
  bool letters = false, digits = false;
  while (i < s.size() && (digit(s[i]) || letter(s[i]))) {
    letters = letters || letter(s[i]);
    digits = digits || digit(s[i]);
    ++i;
  }
  if (i == 0 || !letters) return nullptr;
  const std::string_view number = s.substr(0, i);
  s = s.substr(i);
  if (!s.empty() && (s[0] == '}' || s[0] == ')')) s.remove_prefix(1);
  if (s.empty() || s[0] != '_') return nullptr;
  s.remove_prefix(1);
  if (s.size() > 2 && s.front() == '{' && s.back() == '}') s = trim(s.substr(1, s.size() - 2));
  int base = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), base);
  if (error != std::errc() || end != s.data() + s.size() || base < 11 || base > 36) return nullptr;
  if (!digits && number.size() < 2) return nullptr;
  const Expr* e = base_number(arena, number, base);
  if (e && negative) {
    Expr* n = arena.make(Kind::kBase);
    *n = *e;
    arena.set_number(n, -value_of(*e));
    n->name = arena.copy("-" + std::string(e->name));
    return n;
  }
  return e;
}

// "115,000": a group that begins with a nought is no member of an enumeration.
bool zero_group(std::string_view s) {
  for (size_t i = 1; i + 2 < s.size(); ++i)
    if (s[i] == ',' && digit(s[i - 1]) && s[i + 1] == '0' && digit(s[i + 2])) return true;
  return false;
}

// C(9, 4), P(9, 4) as numbers of combinations and permutations; null where it is neither. Beside a point it stays the point.
const Expr* combinations_called(const Expr& e, Arena& arena) {
  if (!e.is(Kind::kMul) || e.count != 2 || !e[0].is(Kind::kSymbol) || (e[0].name != "C" && e[0].name != "P") || !e[1].is(Kind::kTuple) || e[1].count != 2 || e[1].name != "()") return nullptr;
  const Expr *n = &e[1][0], *k = &e[1][1];
  const Expr* combinations = arena.call(Fn::kBinomial, {n, k});
  return e[0].name == "C" ? combinations : arena.mul(combinations, arena.call(Fn::kFactorial, {k}));
}

// Nothing but words, two of them of four letters or more.
bool two_words(std::string_view s) {
  size_t run = 0, words = 0;
  for (size_t i = 0; i <= s.size(); ++i) {
    if (i < s.size() && letter(s[i])) {
      ++run;
      continue;
    }
    if (i < s.size() && s[i] != ' ' && s[i] != ',' && s[i] != '.' && s[i] != '-') return false;
    words += run >= 4;
    run = 0;
  }
  return words >= 2;
}

// "(C)", "C) 42", "\text{(C)}", "C. north", "Option C": the letter and what stands behind it.
const Expr* choice(std::string_view s, Arena& arena, std::string_view& content) {
  std::string_view v = s;
  for (const std::string_view wrap : {"\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{", "\\mbox{", "\\textrm{"})
    if (v.substr(0, wrap.size()) == wrap && wraps(v, wrap.size() - 1)) {
      v = trim(v.substr(wrap.size(), v.size() - wrap.size() - 1));
      break;
    }
  for (const std::string_view word : {"Option ", "option ", "Choice ", "choice ", "Answer ", "answer ", "Graph ", "Figure ", "Statement "})
    if (v.substr(0, word.size()) == word) {
      v = trim(v.substr(word.size()));
      if (v.size() == 1 && letter(v[0])) {
        Expr* e = arena.make(Kind::kChoice);
        e->name = arena.copy(v);
        return e;
      }
      break;
    }
  // \textbf{(C)} 42, (\text{C})
  size_t i = 0;
  bool wrapped = false, open = false;
  const auto skip = [&](std::string_view text) {
    if (v.substr(i, text.size()) == text) {
      i += text.size();
      return true;
    }
    return false;
  };
  if (skip("(")) open = true;
  for (const std::string_view wrap : {"\\textbf{", "\\text{", "\\mathrm{", "\\mathbf{", "\\mbox{", "\\textrm{", "**"})
    if (skip(wrap)) {
      wrapped = true;
      break;
    }
  if (!open && skip("(")) open = true;
  while (i < v.size() && v[i] == ' ') ++i;
  if (i >= v.size() || !letter(v[i])) return nullptr;
  const std::string_view name = v.substr(i, 1);
  ++i;
  while (i < v.size() && v[i] == ' ' && open) ++i;
  const bool in_wrap = wrapped;
  bool closed = false, mark = false;
  if (open && skip(")")) closed = true;
  if (wrapped && (skip("}") || skip("**"))) wrapped = false;
  if (open && !closed && skip(")")) closed = true;
  if (open && !closed) return nullptr;
  if (!open && (skip(")") || skip(".") || skip(":"))) mark = true;
  // "E - A polygenic risk score": a dash, then prose
  if (!open && !mark && v.substr(i, 3) == " - " && two_words(v.substr(i + 3))) {
    i += 2;
    mark = true;
  }
  if (wrapped) {  // \textbf{(C) }42
    size_t k = i;
    while (k < v.size() && v[k] == ' ') ++k;
    if (k < v.size() && v[k] == '}') i = k;
  }
  if (wrapped && (skip("}") || skip("**"))) wrapped = false;
  if (wrapped || (!open && !mark)) return nullptr;
  const std::string_view rest = trim(v.substr(i));
  const bool capital = name[0] >= 'A' && name[0] <= 'Z';
  if (rest.empty()) {
    if (!open && v.size() > 2) return nullptr;
    if (!capital && !open) return nullptr;
    Expr* e = arena.make(Kind::kChoice);
    e->name = arena.copy(name);
    return e;
  }
  // "(x) 3" is no choice; a multiplication like (A)(B) neither
  if (!capital || name[0] > 'J' || i >= v.size() || (!space(v[i]) && v[i] != '~' && v[i] != '\\' && v[i] != '$' && !(in_wrap && digit(v[i]))) || rest[0] == '(' || rest[0] == '+' || rest[0] == '=' || rest[0] == '^' || rest[0] == '/' || rest.substr(0, 4) == "\\cup" || rest.substr(0, 4) == "\\cap" || rest.substr(0, 5) == "\\cdot")
    return nullptr;
  // "(B) 27 is too big, so (C) 25" weighs several
  for (size_t k = 0; k + 2 < rest.size(); ++k)
    if (rest[k] == '(' && rest[k + 1] >= 'A' && rest[k + 1] <= 'J' && rest[k + 2] == ')') return nullptr;
  content = rest;
  Expr* e = arena.make(Kind::kChoice);
  e->name = arena.copy(name);
  return e;
}

// Nothing but words: letters, spaces, hyphens, apostrophes, commas (and \text wrappers).
bool only_words(const Lexed& lexed) {
  bool any = false;
  for (const Lexeme& t : lexed.tokens) {
    switch (t.type) {
      case Token::kWord:
        if (t.text.size() > 1) any = true;
        break;
      case Token::kText: any = true; break;
      case Token::kPunct:
        if (t.op != '-' && t.op != '\'' && t.op != ',' && t.op != '.' && t.op != ':' && t.op != '!' && t.op != '(' && t.op != ')' && t.op != '/') return false;
        break;
      case Token::kEnd: return any;
      default: return false;
    }
  }
  return any;
}

// Words with some numbers or symbols among them; no mathematical command or operator.
bool mostly_words(const Lexed& lexed) {
  size_t letters = 0, others = 0;
  for (const Lexeme& t : lexed.tokens) {
    switch (t.type) {
      case Token::kWord: (t.text.size() > 2 ? letters : others) += t.text.size(); break;
      case Token::kText: letters += t.text.size(); break;
      case Token::kNumber: others += t.text.size(); break;
      case Token::kCommand: case Token::kBegin: case Token::kRelation: others += 6; break;
      case Token::kPunct: others += t.op == '^' || t.op == '_' || t.op == '+' || t.op == '*' ? 4 : 0; break;
      case Token::kBad: if (t.text != "unbalanced braces" && t.text.substr(0, 10) == "unexpected") break; return false;
      default: break;
    }
  }
  return letters >= 4 && letters > others;
}

std::string plain_form(std::string_view s) {
  std::string out;
  for (const char c : s)
    if (!space(c) && c != '$') out += c;
  return out;
}

void words_reading(Reading::Node& node, std::string folded) {
  Arena& arena = node.arena;
  if (const int md = month_day(folded)) {
    Expr* e = arena.make(Kind::kDate);
    e->index = md;
    node.tree = e;
    return;
  }
  if (const int n = number_word(folded); n >= 0) {
    node.tree = arena.number(n);
    return;
  }
  // "two thirds"
  static constexpr std::pair<std::string_view, int> kParts[] = {{"half", 2}, {"halves", 2}, {"third", 3}, {"thirds", 3}, {"quarter", 4}, {"quarters", 4}, {"fourth", 4}, {"fourths", 4}, {"fifth", 5}, {"fifths", 5}, {"sixth", 6}, {"sixths", 6}, {"eighth", 8}, {"eighths", 8}, {"tenth", 10}, {"tenths", 10}};
  if (const size_t gap = folded.find(' '); gap != std::string::npos)
    if (const int n = number_word(folded.substr(0, gap)); n > 0)
      for (const auto& [part, d] : kParts)
        if (std::string_view(folded).substr(gap + 1) == part) {
          node.tree = arena.number(Rational(n, d));
          return;
        }
  if (folded.rfind("minus ", 0) == 0 || folded.rfind("negative ", 0) == 0)
    if (const int n = number_word(std::string_view(folded).substr(folded.find(' ') + 1)); n > 0) {
      node.tree = arena.number(-n);
      return;
    }
  if (folded == "half" || folded == "one million" || folded == "quarter") {
    node.tree = folded == "half" ? arena.number(Rational(1, 2)) : folded == "quarter" ? arena.number(Rational(1, 4)) : arena.number(1'000'000);
    return;
  }
  Expr* e = arena.make(Kind::kText);
  // "eighteen dollars", "twelve apples", "fifty percent"
  for (size_t gap = folded.find(' '); gap != std::string::npos; gap = folded.find(' ', gap + 1)) {
    const std::string_view rest = std::string_view(folded).substr(gap + 1);
    const int n = number_word(std::string_view(folded).substr(0, gap));
    if (n < 0 || std::count(rest.begin(), rest.end(), ' ') > 1 || rest.substr(0, 3) == "or " || rest.substr(0, 3) == "to " || rest.substr(0, 3) == "of " || rest.substr(0, 5) == "times" || rest.substr(0, 4) == "more" || rest.substr(0, 4) == "less" || rest.substr(0, 4) == "plus" || rest.substr(0, 5) == "point" || rest.substr(0, 5) == "minus" || number_word(rest.substr(0, rest.find(' '))) >= 0 || rest.substr(0, 3) == "and" || rest.substr(0, 3) == "hun" || rest.substr(0, 3) == "tho" || rest.substr(0, 3) == "mil") continue;
    if (rest == "percent") {
      node.tree = arena.make(Kind::kPercent, {arena.number(n)});
      return;
    }
    node.others.push_back({arena.number(n), 'd'});
    break;
  }
  e->name = arena.copy(phrase(std::move(folded)));
  node.tree = e;
}

// "Answer: 5", "\text{Answer}: 5", "\text{Therefore, } x = 5": what introduces the answer.
std::string_view without_label(std::string_view s) {
  for (const std::string_view label : {"Answer:", "answer:", "Answer =", "ANSWER:", "Ans:", "\\text{Answer}:", "\\text{Answer:}", "\\text{Answer: }", "\\text{Ans}:", "\\text{Ans: }", "\\text{Therefore, }", "\\text{Thus, }", "\\text{So, }", "\\text{Hence, }", "So, ", "Thus, ", "Therefore, ", "Hence, "})
    if (s.size() > label.size() && s.substr(0, label.size()) == label) return trim(s.substr(label.size()));
  constexpr std::string_view kText = "\\text{Answer: ";
  if (s.substr(0, kText.size()) == kText && wraps(s, 5)) return trim(s.substr(kText.size(), s.size() - kText.size() - 1));
  return s;
}

void read(Reading::Node& node, std::string_view source, int depth) {
  Arena& arena = node.arena;
  std::string_view s = peel(source);
  if (!s.empty() && (letter(s[0]) || s[0] == '\\'))
    if (const std::string_view rest = without_label(s); rest.size() < s.size()) s = peel(rest);
  if (const Expr* n = plain_number(s, arena)) {
    node.tree = n;
    return;
  }
  node.plain = plain_form(s);
  if (s.empty()) {
    node.problem = "nothing to read";
    return;
  }
  if (s.size() > kMaxLength) {
    node.problem = "longer than " + std::to_string(kMaxLength) + " bytes";
    return;
  }
  std::string rewritten;
  if (doubled(s)) {
    rewritten = halved(s);
    s = peel(rewritten);
  }
  if (depth < 2) {
    if (auto other = respelt(s)) {
      read(node, *other, 2);
      return;
    }
    int power = 0;
    if (auto written_out = with_large_number_written_out(s, power)) {
      // the word left out, as a unit may be: never equal to another word left out
      const std::string small(s);
      read(node, *written_out, 2);
      const Expr* large = std::exchange(node.tree, nullptr);
      if (large) {
        read(node, small, 2);
        if (node.tree && !same(*node.tree, *large)) node.others.push_back({node.tree, static_cast<char>('A' + power)});
        node.problem.clear();
        node.tree = large;
        return;
      }
      node.problem.clear();
    }
  }
  if (const Expr* e = lettered_base(s, arena)) {
    node.tree = e;
    return;
  }
  // "<", "\le": which of two is larger
  for (const auto& [sign, name] : {std::pair<std::string_view, std::string_view>{"<", "<"}, {">", ">"}, {"=", "="}, {"\\lt", "<"}, {"\\gt", ">"}, {"\\le", "<="}, {"\\leq", "<="}, {"\\ge", ">="}, {"\\geq", ">="}, {"<=", "<="}, {">=", ">="}, {"≤", "<="}, {"≥", ">="}})
    if (s == sign) {
      Expr* e = arena.make(Kind::kText);
      e->name = name;
      node.tree = e;
      return;
    }
  // "negative 5", "minus 3/4"
  for (const std::string_view word : {"negative ", "Negative ", "minus ", "Minus "})
    if (s.substr(0, word.size()) == word && s.size() > word.size() && (digit(s[word.size()]) || s[word.size()] == '\\')) {
      std::string signed_form = "-" + std::string(s.substr(word.size()));
      rewritten = std::move(signed_form);
      s = rewritten;
      break;
    }
  bool certain = false;
  if (const Expr* t = time_of_day(s, arena, certain)) {
    node.tree = t;
    if (certain) return;
  }
  if (s.size() <= 40 && (letter(s[0]) || digit(s[0]) || s.substr(0, 6) == "\\text{") && std::count_if(s.begin(), s.end(), letter) >= 3) {
    if (const int md = month_day(fold(s))) {
      Expr* date = arena.make(Kind::kDate);
      date->index = md;
      node.tree = date;
      return;
    }
  }
  std::string_view content;
  if (const Expr* e = choice(s, arena, content)) {
    if (content.empty()) {
      node.tree = e;
      return;
    }
    if (depth == 0) {
      read(node, content, 1);  // the content's own reading first
      if (node.tree) {
        Expr* full = arena.make(Kind::kChoice, &node.tree, 1);
        full->name = e->name;
        node.others.push_back({node.tree, 'c'});
        node.tree = full;
        node.problem.clear();
        return;
      }
      node.problem.clear();
    }
  }
  const Lexed lexed = lex(s);
  const size_t base = static_cast<size_t>(s.data() - (rewritten.empty() ? source.data() : rewritten.data()));
  ParseMode mode;
  const bool words = only_words(lexed);
  Parsed p = parse_tokens(arena, lexed, mode);
  if (p.tree && node.tree) {  // a time that may be a ratio
    node.others.push_back({p.tree, 'r'});
    return;
  }
  if (node.tree) return;
  if (p.tree && (p.longest_word == 0 || (!words && p.longest_word <= 4 && !mostly_words(lexed)))) {
    node.tree = p.tree;
    node.prose = p.longest_word > 0;
    if (p.comma_ambiguous) {
      for (const auto& [comma, use] : {std::pair{Comma::kSeparator, 'l'}, std::pair{Comma::kDecimal, 'd'}}) {
        ParseMode other;
        other.comma = comma;
        const Parsed q = parse_tokens(arena, lexed, other);
        if (!q.tree || same(*q.tree, *p.tree)) continue;
        // a decimal comma makes one number of it; a list has no member 000
        if (use == 'd' ? any(*q.tree, [](const Expr& x) { return x.is(Kind::kList); }) : zero_group(s)) continue;
        node.others.push_back({q.tree, use});
      }
    }
    if (!p.integer.empty()) node.others.push_back({rename(*p.tree, p.integer, "k of ℤ", arena), 'i'});
    if (const Expr* count = combinations_called(*p.tree, arena)) node.others.push_back({count, 'd'});
    return;
  }
  if (p.tree && s[0] == '-' && s.find(' ') == std::string_view::npos) {  // −LQSX is not LQSX
    node.tree = p.tree;
    return;
  }
  if (words || mostly_words(lexed)) {
    const std::string folded = fold(s);
    if (folded.empty()) {
      node.problem = "nothing to read";
      return;
    }
    // "Yes, it is."
    for (const std::string_view word : {"yes", "no"})
      for (const std::string_view subject : {" it ", " they ", " he ", " she ", " this ", " that "})
        if (folded.rfind(std::string(word) + std::string(subject), 0) == 0) {
          words_reading(node, std::string(word));
          return;
        }
    // "A and B": single letters are names, not a phrase
    if (const size_t both = s.find(" and "); folded.size() <= 7 && both != std::string_view::npos && both > 0 && both + 5 < s.size() && letter(s[both - 1]) && letter(s[both + 5]) && (both == 1 || !letter(s[both - 2])) && (both + 6 == s.size() || !letter(s[both + 6]))) {
      std::vector<const Expr*> items;
      for (const size_t at : {both - 1, both + 5}) {
        Expr* e = arena.make(Kind::kText);
        e->name = arena.copy(fold(s.substr(at, 1)));
        items.push_back(e);
      }
      node.tree = arena.make(Kind::kList, items);
      return;
    }
    // "A, B and C" as names; "Softball, Kickball"
    if (s.find(',') != std::string_view::npos && words && folded.size() < 200) {
      std::vector<const Expr*> items;
      std::string_view rest = s;
      bool short_items = true;
      while (true) {
        const size_t comma = std::min(rest.find(','), rest.size());
        std::string w = fold(rest.substr(0, comma));
        if (w.rfind("and ", 0) == 0) w = w.substr(4);
        if (!w.empty()) {
          Expr* e = arena.make(Kind::kText);
          e->name = arena.copy(w);
          items.push_back(e);
          if (std::count(w.begin(), w.end(), ' ') > 2) short_items = false;
        }
        if (comma == rest.size()) break;
        rest = rest.substr(comma + 1);
      }
      if (items.size() > 1 && short_items) {
        node.tree = arena.make(Kind::kList, items);
        return;
      }
    }
    words_reading(node, folded);
    // a run of up to three small letters may also be a product: abc = cba
    if (p.tree && s.size() <= 3 && std::all_of(s.begin(), s.end(), [](char c) { return c >= 'a' && c <= 'z'; })) node.others.push_back({p.tree, 'p'});
    return;
  }
  if (p.tree) p.problem = "words inside a formula";
  node.problem = p.problem + " at byte " + std::to_string(base + p.where);
}

}  // namespace

Reading parse(std::string_view answer, const Options&) {
  free_caches_with_thread();
  auto node = std::make_shared<Reading::Node>();
  read(*node, answer, 0);
  Reading r;
  r.node = std::move(node);
  return r;
}

Reading parse_listed(std::string_view answer) {
  free_caches_with_thread();
  auto node = std::make_shared<Reading::Node>();
  read(*node, answer, 0);
  std::erase_if(node->others, [](const Alternative& x) { return x.use == 'd' && any(*x.tree, [](const Expr& e) { return e.is(Kind::kNumber) && e.flag && e.digits == 1 && !(value_of(e).abs() < Rational(1)); }); });
  Reading r;
  r.node = std::move(node);
  return r;
}

bool Reading::readable() const { return node && node->tree; }
std::string Reading::to_string() const { return readable() ? verify::to_string(*node->tree) : ""; }
std::string Reading::problem() const { return !node ? "nothing to read" : node->tree ? "" : node->problem; }

}  // namespace foil::verify
