#include "verify/verify.h"

#include <algorithm>

#include "verify/compare.h"
#include "verify/number.h"
#include "verify/reading.h"
#include "verify/units.h"

namespace foil::verify {

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCorrect: return "correct";
    case Outcome::kWrong: return "wrong";
    default: return "unreadable";
  }
}

bool reads_whole(std::string_view text, bool& is_words) {
  const Reading r = parse(text);
  if (!r.readable() || r.node->prose) return false;
  is_words = r.node->tree->is(Kind::kText) || r.node->tree->is(Kind::kList);
  if (r.node->tree->is(Kind::kList)) {
    is_words = false;
    for (uint32_t i = 0; i < r.node->tree->count; ++i) is_words = is_words || (*r.node->tree)[i].is(Kind::kText);
  }
  return true;
}

namespace {

// May this alternative reading stand against `other`?
bool usable(char use, const Expr& other) {
  switch (use) {
    case 'l': return other.is(Kind::kList) || other.is(Kind::kTuple) || other.is(Kind::kSet);
    case 'd': return is_scalar(other) || other.is(Kind::kRelation);
    case 'p': return !other.is(Kind::kText);
    case 'r': return !other.is(Kind::kTime);
    case 'u': return other.is(Kind::kQuantity);
    case 'i': return false;
    case 'c': return !other.is(Kind::kChoice);
    default: return true;
  }
}

}  // namespace

Verdict equal(const Reading& gold, const Reading& answer, const Options& options) {
  free_caches_with_thread();
  Verdict v;
  v.gold_read = gold.to_string();
  v.answer_read = answer.to_string();
  if (!gold.readable() || !answer.readable()) {
    if (gold.node && answer.node && !gold.node->plain.empty() && gold.node->plain == answer.node->plain) {
      v.outcome = Outcome::kCorrect;
      v.rule = "identical";
      return v;
    }
    v.rule = "unreadable";
    v.note = !gold.readable() ? "gold: " + gold.problem() : "answer: " + answer.problem();
    return v;
  }
  v.outcome = Outcome::kWrong;
  Budget budget(options.budget);
  try {
    Arena arena;
    const auto attempt = [&](const Expr& g, const Expr& a) {
      Comparison c{arena, budget, options, "", "", 0};
      const bool ok = equal_answers(g, a, c);
      v.operations = options.budget - budget.left();
      if (ok) v.outcome = Outcome::kCorrect;
      if (ok || v.rule.empty()) {
        v.rule = c.rule;
        v.note = ok ? "" : c.note;
      }
      return ok;
    };
    const Reading::Node &g = *gold.node, &a = *answer.node;
    if (attempt(*g.tree, *a.tree)) return v;
    for (const Alternative& x : g.others)
      if (usable(x.use, *a.tree) && attempt(*x.tree, *a.tree)) return v;
    for (const Alternative& y : a.others) {
      if (usable(y.use, *g.tree) && attempt(*g.tree, *y.tree)) return v;
      for (const Alternative& x : g.others)
        if (x.use == y.use && x.use != 'd' && x.use != 'l' && attempt(*x.tree, *y.tree)) return v;  // 3,4 and 3,40 are not 3.4 both
    }
  } catch (const BudgetSpent&) {
    v.operations = options.budget - budget.left();
    v.rule = "budget";
    v.note = "not decided within " + std::to_string(options.budget) + " operations";
  }
  return v;
}

namespace {

bool constant(const Expr& e) {
  return is_scalar(e) && !any(e, [](const Expr& x) { return x.is(Kind::kSymbol) || x.is(Kind::kCall) || x.is(Kind::kOpaque); });
}

// The value an equation at the end of a text states for a gold that is no equation: "m + n = 25 + 81 = 106" answers 106, the value of an
// expression in two or more names; "our answer is c^2 = 16" answers 16, being introduced by a verb; "(k+1)(2) = 2k + 2" its right side,
// being an identity. One name is an equation to be solved ("2x = 6" does not state 3), and powers of several are a curve.
bool names_a_value(const Expr& left) {
  if (!left.is(Kind::kAdd) && !left.is(Kind::kMul)) return false;
  std::vector<std::string_view> names;
  bool curve = false;
  any(left, [&](const Expr& x) {
    if (x.is(Kind::kSymbol) && std::find(names.begin(), names.end(), x.name) == names.end()) names.push_back(x.name);
    curve = curve || (x.is(Kind::kPow) && !constant(x[0]) && !(x[1].is(Kind::kNumber) && value_of(x[1]) == Rational(-1)));
    return false;
  });
  // the sign of an operation that the problem made up: "5 \star 1 = 50 - 3 = 47"
  static constexpr std::string_view kOperations[] = {"star", "bigstar", "ast", "oplus", "ominus", "otimes", "odot", "diamond", "Diamond", "clubsuit", "spadesuit", "heartsuit", "diamondsuit", "triangle", "bigtriangleup", "dagger", "bullet", "circledast"};
  const bool made_up = std::any_of(names.begin(), names.end(), [](std::string_view n) { return std::find(std::begin(kOperations), std::end(kOperations), n) != std::end(kOperations); });
  return !curve && names.size() >= (made_up ? 1 : 2);
}

// Is the answer introduced by "… is", and not as the equation of something?
bool introduced(std::string_view before) {
  const auto mark = [](char c) { return c == ' ' || c == '\n' || c == '$' || c == '(' || c == '[' || c == '\\' || c == '*' || c == ':'; };
  while (!before.empty() && mark(before.back())) before.remove_suffix(1);
  bool verb = false;
  for (const std::string_view word : {" is", " are", " equals", " be"})
    if (before.size() > word.size() && before.substr(before.size() - word.size()) == word) {
      before.remove_suffix(word.size());
      verb = true;
      break;
    }
  if (!verb) return false;
  before = before.substr(before.size() - std::min<size_t>(before.size(), 60));
  for (const std::string_view word : {"quation", "curve", "line", "circle", "ellipse", "parabola", "hyperbola", "nequality", "relation", "condition", "constraint", "locus", "graph", "plane", "function", "identity", "solve"})
    if (before.find(word) != std::string_view::npos) return false;
  return true;
}

// "2.19 \times 10^6 m/s", "$9.6$ kg": a number with its unit in italics, for a gold without one; the number. A lone letter behind a
// whole number is a variable.
std::optional<Reading> without_unit_letters(const Reading& gold, const Reading& answer, std::string_view text) {
  if (!gold.readable() || !answer.readable() || !constant(*gold.node->tree) || text.size() > 120) return std::nullopt;
  const Expr& read = *answer.node->tree;
  const auto has_unit = [](const Expr& x) { return x.is(Kind::kQuantity) || x.is(Kind::kPercent) || x.is(Kind::kBase); };
  if ((!is_scalar(read) && !read.is(Kind::kRelation)) || constant(read) || any(read, has_unit) || any(*gold.node->tree, has_unit)) return std::nullopt;
  for (const std::string_view sign : {"\\approx", "=", "≈"})
    if (const size_t at = text.rfind(sign); at != std::string_view::npos) text.remove_prefix(at + sign.size());
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  while (!text.empty() && (text.front() == '$' || text.front() == ' ')) text.remove_prefix(1);
  const auto digits_end = [&](size_t from) { return std::min(text.find_first_not_of("0123456789", from), text.size()); };
  const size_t first = !text.empty() && text[0] == '-' ? 1 : 0, whole = digits_end(first);
  const bool point = whole < text.size() && text[whole] == '.' && digits_end(whole + 1) > whole + 1;
  size_t i = point ? digits_end(whole + 1) : whole;
  bool power = false;
  if (i == first) return std::nullopt;
  for (const std::string_view times : {" \\times 10^", "\\times 10^", "\\times10^", " \\cdot 10^", "\\cdot 10^", " \\times10^", " x 10^", " × 10^"})
    if (!power && text.substr(i, times.size()) == times) {
      size_t k = i + times.size();
      if (k < text.size() && text[k] == '{') k = text.find('}', k) == std::string_view::npos ? text.size() : text.find('}', k) + 1;
      else k = std::min(text.find_first_not_of("-0123456789", k), text.size());
      i = k;
      power = true;
    }
  const std::string_view number = text.substr(0, i);
  std::string_view rest = text.substr(i);
  bool outside = false, any = true;
  while (any && !rest.empty()) {
    any = false;
    for (const std::string_view space : {"$", " ", "~", "\\,", "\\ ", "\\;", "\\:"})
      if (rest.substr(0, space.size()) == space) {
        outside = outside || space == "$";
        rest.remove_prefix(space.size());
        any = true;
      }
  }
  while (!rest.empty() && (rest.back() == '$' || rest.back() == '.' || rest.back() == ' ')) rest.remove_suffix(1);
  std::string unit;
  for (size_t k = 0; k < rest.size(); ++k) {
    const std::string_view tail = rest.substr(k);
    if (tail.substr(0, 6) == "\\frac{") {
      const size_t middle = tail.find("}{");
      if (middle == std::string_view::npos || tail.back() != '}') return std::nullopt;
      unit += std::string(tail.substr(6, middle - 6)) + "/" + std::string(tail.substr(middle + 2, tail.size() - middle - 3));
      break;
    }
    constexpr std::pair<std::string_view, std::string_view> kSigns[] = {{"\\mu ", "u"}, {"\\mu", "u"}, {"μ", "u"}, {"µ", "u"}, {"\\Omega", "ohm"}, {"Ω", "ohm"}, {"\\ell", "l"}};
    const auto sign = std::find_if(std::begin(kSigns), std::end(kSigns), [&](const auto& s) { return tail.starts_with(s.first); });
    if (sign != std::end(kSigns)) {
      unit += sign->second;
      k += sign->first.size() - 1;
      continue;
    }
    if (rest[k] == '\\') {
      return std::nullopt;
    } else if (rest[k] != '{' && rest[k] != '}') {
      unit += rest[k];
    }
  }
  const auto letters = std::count_if(unit.begin(), unit.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
  if (unit.empty() || letters == 0 || digit(unit[0]) || std::string_view("+-*/^(").find(unit[0]) != std::string_view::npos || parse_unit(unit).name.empty()) return std::nullopt;
  if (!outside && !power && !point && letters < 2) return std::nullopt;
  return parse(number);
}

std::optional<Reading> stated_value(const Reading& gold, const Reading& answer, std::string_view text, const Extracted& found, int depth = 0) {
  if (!gold.readable() || !answer.readable() || !is_scalar(*gold.node->tree)) return std::nullopt;
  const Expr& r = *answer.node->tree;
  std::string_view written = depth == 0 ? std::string_view(found.text) : text;
  while (!written.empty() && (written.back() == '$' || written.back() == ' ' || written.back() == '.')) written.remove_suffix(1);
  if (r.is(Kind::kList) && depth == 0 && r.count <= 8) {
    // "16 - 3 - 4 = 9; 9 \times 2 = 18", "m/n = 1/115, and m + n = 116": steps, the last of which is the answer
    for (uint32_t i = 0; i < r.count; ++i)
      if (!r[i].is(Kind::kRelation) || r[i].name.find_first_not_of('=') != std::string_view::npos) return std::nullopt;
    const size_t cut = std::max(written.rfind("; ") + 1, written.rfind(", ") + 1);
    if (cut == 0) return std::nullopt;
    std::string_view last = written.substr(cut + 1);
    for (const std::string_view word : {"and ", "so ", "$"})
      if (last.substr(0, word.size()) == word) last.remove_prefix(word.size());
    const Reading step = parse(last);
    if (!step.readable() || !step.node->tree->is(Kind::kRelation)) return std::nullopt;
    const Expr& s = *step.node->tree;
    bool constants = true;
    for (uint32_t i = 0; i < s.count; ++i) constants = constants && constant(s[i]);
    if (constants) return parse(last.substr(last.rfind('=') + 1));
    // "3x = 21, x = 7": solved for the name of the steps before
    if (s.count == 2 && s[0].is(Kind::kSymbol) && constant(s[1])) {
      bool solved = true;
      for (uint32_t i = 0; i + 1 < r.count; ++i) solved = solved && !r[i][0].is(Kind::kSymbol) && any(r[i], [&](const Expr& x) { return x.is(Kind::kSymbol) && x.name == s[0].name; });
      if (solved) return parse(last.substr(last.rfind('=') + 1));
      return std::nullopt;
    }
    return stated_value(gold, step, last, found, 1);
  }
  if (!r.is(Kind::kRelation) || r.count < 2 || r.name.find_first_not_of('=') != std::string_view::npos) return std::nullopt;
  const size_t sign = written.rfind('=');
  if (sign == std::string_view::npos) return std::nullopt;
  Reading value = parse(written.substr(sign + 1));
  if (!value.readable() || !same(*value.node->tree, r[r.count - 1])) return std::nullopt;
  if (constant(r[r.count - 1])) {
    bool constants = true;
    for (uint32_t i = 1; i + 1 < r.count; ++i) constants = constants && constant(r[i]);
    if (constants && names_a_value(r[0])) return value;
    const bool prose = found.rule != "boxed" && found.rule != "tag" && found.rule != "hash" && found.rule != "whole";
    if (depth == 0 && prose && !constant(r[0]) && introduced(text.substr(0, std::min(found.begin, text.size())))) return value;
    return std::nullopt;
  }
  // an identity
  if (r.count != 2 || !is_scalar(r[0]) || r[0].is(Kind::kSymbol)) return std::nullopt;
  const Reading left = parse(written.substr(0, sign));
  if (left.readable() && same(*left.node->tree, r[0]) && equal(left, value).correct()) return value;
  return std::nullopt;
}

}  // namespace

Verdict check(const Reading& gold, std::string_view text, const Options& options) {
  const auto found = extract(text);
  if (!found) {
    Verdict v;
    v.gold_read = gold.to_string();
    v.rule = "no_answer";
    v.note = "answer: none found";
    return v;
  }
  const Reading answer = parse(found->text, options);
  Verdict v = equal(gold, answer, options);
  if (!v.correct())
    if (const auto number = without_unit_letters(gold, answer, found->text)) {
      Verdict other = equal(gold, *number, options);
      other.operations += v.operations;
      if (other.correct()) v = std::move(other);
    }
  if (!v.correct())
    if (const auto stated = stated_value(gold, answer, text, *found)) {
      Verdict other = equal(gold, *stated, options);
      other.operations += v.operations;
      if (other.correct()) v = std::move(other);
    }
  v.answer_text = found->text;
  return v;
}

Verdict check(std::string_view gold, std::string_view text, const Options& options) { return check(parse_gold(gold, options), text, options); }

Reading parse_gold(std::string_view gold, const Options& options) {
  // A solution text: its box or its "####" line is the answer.
  const bool solution = gold.find("\\boxed") != std::string_view::npos || gold.find("\\fbox") != std::string_view::npos || gold.find("####") != std::string_view::npos || gold.find("<answer>") != std::string_view::npos;
  if (solution) {
    if (const auto e = extract(gold)) return parse_listed(e->text);
  }
  Reading r = parse_listed(gold);
  if (!r.readable() || (r.node->tree->is(Kind::kText) && gold.size() > 60)) {
    if (const auto e = extract(gold); e && e->rule != "whole" && e->rule != "last_number") {
      Reading inner = parse(e->text, options);
      if (inner.readable()) return inner;
    }
  }
  return r;
}

std::vector<int> classes(const std::vector<std::string>& answers, const Options& options) {
  std::vector<Reading> representatives;
  std::vector<int> out;
  out.reserve(answers.size());
  for (const std::string& answer : answers) {
    Reading r = parse(answer, options);
    if (!r.readable()) {
      out.push_back(-1);
      continue;
    }
    int which = -1;
    for (size_t i = 0; i < representatives.size() && which < 0; ++i)
      if (equal(representatives[i], r, options).correct()) which = static_cast<int>(i);
    if (which < 0) {
      which = static_cast<int>(representatives.size());
      representatives.push_back(std::move(r));
    }
    out.push_back(which);
  }
  return out;
}

}  // namespace foil::verify
