#include "verify/compare.h"

#include <algorithm>
#include <optional>

#include "verify/collections.h"
#include "verify/matrices.h"
#include "verify/quantities.h"
#include "verify/region.h"
#include "verify/relations.h"
#include "verify/words.h"

namespace foil::verify {

namespace {

std::string_view choice_letter(const Expr& e) {
  if (e.is(Kind::kChoice)) return e.name;
  if (e.is(Kind::kSymbol) && e.name.size() == 1) return e.name;
  return {};
}

const Expr* with_imaginary(const Expr& e, std::string_view name, Arena& arena) {
  if (e.is(Kind::kSymbol) && e.name == name) return arena.make(Kind::kI);
  if (e.count == 0) return &e;
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < e.count; ++i) args.push_back(with_imaginary(e[i], name, arena));
  Expr* copy = arena.make(e.kind);
  *copy = e;
  arena.set_args(copy, args.data(), args.size());
  return copy;
}

std::optional<bool> compare_regions(const Expr& g, const Expr& a, Comparison& c) {
  const auto regional = [](const Expr& e) {
    if (e.is(Kind::kRelation)) return e.name.find_first_not_of("=~") != std::string_view::npos;
    return e.is(Kind::kUnion) || e.is(Kind::kIntersection) || e.is(Kind::kDifference) || half_open(e) || (e.is(Kind::kSymbol) && e.name.substr(0, 4) == "set:");
  };
  const auto list_of_relations = [&](const Expr& e) {
    if (!e.is(Kind::kList)) return false;
    for (uint32_t i = 0; i < e.count; ++i)
      if (regional(e[i])) return true;
    return false;
  };
  if (!regional(g) && !regional(a) && !list_of_relations(g) && !list_of_relations(a)) return std::nullopt;
  const auto x = region_of(g, true, c);
  if (!x) return std::nullopt;
  const auto y = region_of(a, true, c);
  if (!y) return std::nullopt;
  const bool equal = equal_regions(*x, *y, c);
  c.rule = "interval";
  return equal;
}

// "n is odd" and "n odd" say the same.
std::string without_copula(std::string_view words) {
  std::string out(words);
  for (const std::string_view verb : {" is ", " are "})
    if (const size_t at = out.find(verb); at != std::string::npos) out.replace(at, verb.size(), " ");
  return out;
}

// "the day is friday" states "friday"; a sentence with more than that one statement in it states nothing here.
bool states(std::string_view sentence, std::string_view words) {
  if (sentence.size() < words.size() + 4) return false;
  // "evelyn has the greatest average speed"
  if (words.size() >= 4 && sentence.substr(0, words.size()) == words) {
    const std::string_view rest = sentence.substr(words.size());
    bool plain = rest.substr(0, 4) == " is " || rest.substr(0, 5) == " has " || rest.substr(0, 5) == " was ";
    for (const std::string_view more : {" not ", " if ", " or ", " but ", " never ", " less ", " no "}) plain = plain && rest.find(more) == std::string_view::npos;
    return plain;
  }
  if (sentence.substr(sentence.size() - words.size()) != words) return false;
  const std::string_view before = sentence.substr(0, sentence.size() - words.size());
  for (const std::string_view more : {" not ", " if ", " or ", " and ", " but ", " never "})
    if (before.find(more) != std::string_view::npos) return false;
  size_t verbs = 0;
  bool last = false;
  for (const std::string_view verb : {" is ", " are ", " was ", " were ", " be "}) {
    for (size_t at = before.find(verb); at != std::string_view::npos; at = before.find(verb, at + 1)) ++verbs;
    last = last || (before.size() > verb.size() && before.substr(before.size() - verb.size()) == verb);
  }
  return verbs == 1 && last;
}

bool compare_once(const Expr& g, const Expr& a, Comparison& c) {
  // choices
  if (g.is(Kind::kChoice) || a.is(Kind::kChoice)) {
    const std::string_view x = choice_letter(g), y = choice_letter(a);
    c.rule = "choice";
    if (x.empty() || y.empty()) return false;
    // where one side picks an option, (c) and c pick it too
    const auto capital = [](char ch) { return ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 32) : ch; };
    return capital(x[0]) == capital(y[0]);
  }
  if (g.is(Kind::kText) || a.is(Kind::kText)) {
    c.rule = "text";
    if (g.is(Kind::kText) && a.is(Kind::kText)) return g.name == a.name || without_copula(g.name) == without_copula(a.name) || states(g.name, a.name) || states(a.name, g.name);
    const Expr& other = g.is(Kind::kText) ? a : g;
    const std::string_view words = g.is(Kind::kText) ? g.name : a.name;
    if (words == "no solution" && other.is(Kind::kSet)) return other.count == 0;
    if (words == "all real numbers") {
      const auto r = region_of(other, true, c);
      c.rule = "interval";
      return r && r->parts.size() == 1 && !r->parts[0].low && !r->parts[0].high;
    }
    if (other.is(Kind::kSymbol)) return fold(other.name) == words || (other.name.size() == 1 && states(words, fold(other.name)));
    // V·W is the word VW
    if (other.is(Kind::kMul) && other.count == words.size()) {
      bool letters = true;
      for (uint32_t i = 0; i < other.count && letters; ++i) letters = other[i].is(Kind::kSymbol) && upper(other[i].name) && fold(other[i].name) == words.substr(i, 1);
      if (letters) return true;
    }
    if (!other.is(Kind::kRelation) && !other.is(Kind::kList)) return false;
  }
  if (g.is(Kind::kTime) || a.is(Kind::kTime)) {
    c.rule = "time";
    return g.kind == a.kind && equal_times(g, a);
  }
  if (g.is(Kind::kDate) || a.is(Kind::kDate)) {
    c.rule = "date";
    return g.kind == a.kind && g.index == a.index;
  }
  if (g.is(Kind::kLong) || a.is(Kind::kLong)) {
    c.rule = "digits";
    return g.kind == a.kind && g.name == a.name;
  }
  // bases
  if ((g.is(Kind::kBase) && a.is(Kind::kNumber)) || (a.is(Kind::kBase) && g.is(Kind::kNumber))) {
    const Expr& based = g.is(Kind::kBase) ? g : a;
    const Expr& plain = g.is(Kind::kBase) ? a : g;
    c.rule = "base";
    if (value_of(based) == value_of(plain)) return true;
    return c.options.units_optional && !plain.flag && g.is(Kind::kBase) && value_of(plain).to_string() == based.name;
  }
  if (g.is(Kind::kBase) && a.is(Kind::kBase)) {
    c.rule = "base";
    return value_of(g) == value_of(a);
  }
  // 2 (mod 3) is not 2 (mod 5); a missing modulus is forgiven
  const auto residue = [](const Expr& e) { return e.is(Kind::kCall) && e.fn == Fn::kMod && e.flag; };
  if (residue(g) && residue(a) && !equal_answers(g[1], a[1], c)) {
    c.rule = "kind";
    c.note = "two different moduli";
    return false;
  }
  if (const auto r = compare_relations(g, a, c)) return *r;
  if (const auto r = compare_quantities(g, a, c)) return *r;
  if (is_scalar(g) && is_scalar(a)) {
    // SymPy's 6+9*I, where the other side has i and this one no other name
    const auto imaginary = [&](const Expr& e, const Expr& other) -> const Expr* {
      const std::vector<std::string_view> names = variables(e);
      if (names.size() != 1 || names[0] != "I" || !variables(other).empty()) return nullptr;
      if (!any(other, [](const Expr& x) { return x.is(Kind::kI); }) || any(e, [](const Expr& x) { return x.is(Kind::kI); })) return nullptr;
      return with_imaginary(e, names[0], c.arena);
    };
    if (const Expr* x = imaginary(a, g)) return equal_scalars(g, *x, c);
    if (const Expr* x = imaginary(g, a)) return equal_scalars(*x, a, c);
    if (equal_scalars(g, a, c)) return true;
    // 180° − 2α and 180 − 2α: the sign of degrees is a unit, missing on one side
    const auto degrees = [](const Expr& e) {
      if (!e.is(Kind::kAdd)) return false;
      bool any_sign = false;
      for (uint32_t i = 0; i < e.count; ++i) any_sign = any_sign || (e[i].is(Kind::kQuantity) && e[i].name == "deg");
      return any_sign;
    };
    const bool gd = degrees(g), ad = degrees(a);
    if (!c.options.units_optional || gd == ad || variables(g).empty() || variables(a).empty()) return false;
    const Expr& with = gd ? g : a;
    std::vector<const Expr*> terms;
    for (uint32_t i = 0; i < with.count; ++i) terms.push_back(with[i].is(Kind::kQuantity) && with[i].name == "deg" ? &with[i][0] : &with[i]);
    const Expr* bare = c.arena.make(Kind::kAdd, terms);
    const std::string rule = c.rule;
    const bool equal = gd ? equal_exactly(*bare, a, c) : equal_exactly(g, *bare, c);
    if (!equal) c.rule = rule;
    return equal;
  }
  if (g.is(Kind::kRatio) && a.is(Kind::kRatio)) return equal_ratios(g, a, c);
  if (const auto r = compare_matrices(g, a, c)) return *r;
  if (const auto r = compare_regions(g, a, c)) return *r;
  if (const auto r = compare_collections(g, a, c)) return *r;
  // {5} and 5; a list of one
  const auto single = [](const Expr& e) { return (e.is(Kind::kSet) || e.is(Kind::kList)) && e.count == 1; };
  if (single(g) && (!collection(a) || (a.is(Kind::kTuple) && g[0].is(Kind::kTuple)))) return equal_answers(g[0], a, c);
  if (single(a) && (!collection(g) || (g.is(Kind::kTuple) && a[0].is(Kind::kTuple)))) return equal_answers(g, a[0], c);
  // "1/2 or 0.5": one value in several spellings
  if ((g.is(Kind::kList) && g.index == 2 && !collection(a)) || (a.is(Kind::kList) && a.index == 2 && !collection(g))) {
    const Expr& list = g.is(Kind::kList) ? g : a;
    bool all = list.count <= 8;
    for (uint32_t i = 0; i < list.count && all; ++i) all = g.is(Kind::kList) ? equal_answers(list[i], a, c) : equal_answers(g, list[i], c);
    if (all) return true;
    // "90 minutes or 1.5 hours": one quantity said twice answers either number
    bool one = list.count <= 8;
    for (uint32_t i = 0; i < list.count && one; ++i) one = list[i].is(Kind::kQuantity) || list[i].is(Kind::kPercent) || (list[i].is(Kind::kNumber) && list[0].is(Kind::kPercent)) || (list[0].is(Kind::kNumber) && list[i].is(Kind::kNumber));
    for (uint32_t i = 1; i < list.count && one; ++i) one = equal_answers(list[0], list[i], c);
    for (uint32_t i = 0; i < list.count && one; ++i)
      if (g.is(Kind::kList) ? equal_answers(list[i], a, c) : equal_answers(g, list[i], c)) return true;
  }
  // a brace over x = 2, y = 4 is the system; P(2, 4) is the point
  const auto plain = [&](const Expr& e) -> const Expr* {
    if (e.is(Kind::kMul) && e.count == 2 && e[0].is(Kind::kSymbol) && upper(e[0].name) && e[1].is(Kind::kTuple)) return &e[1];
    if (!e.is(Kind::kCases)) return nullptr;
    for (uint32_t i = 0; i < e.count; ++i)
      if (!e[i].is(Kind::kRelation) || e[i].name != "=") return nullptr;
    return c.arena.make(Kind::kList, e.args, e.count);
  };
  // i + 2j + 3k is (1, 2, 3)
  if ((g.is(Kind::kTuple) && is_scalar(a)) || (a.is(Kind::kTuple) && is_scalar(g))) {
    const Expr& tuple = g.is(Kind::kTuple) ? g : a;
    if (const Expr* v = half_open(tuple) || tuple.count < 2 || tuple.count > 3 ? nullptr : components(g.is(Kind::kTuple) ? a : g, tuple.count, c)) {
      const bool equal = g.is(Kind::kTuple) ? members_match_in_order(g, *v, c) : members_match_in_order(*v, a, c);
      c.rule = "vector";
      return equal;
    }
  }
  if (const Expr* x = a.is(Kind::kCases) || collection(g) ? plain(a) : nullptr; x && !g.is(Kind::kCases)) return equal_answers(g, *x, c);
  if (const Expr* x = collection(a) ? plain(g) : nullptr) return equal_answers(*x, a, c);
  if (g.is(Kind::kCases) && a.is(Kind::kCases)) {
    const bool equal = members_match(g, a, c);
    c.rule = "cases";
    return equal;
  }
  if (g.kind == a.kind && (g.is(Kind::kUnion) || g.is(Kind::kIntersection))) {
    const bool equal = members_match(g, a, c);
    c.rule = "set";
    return equal;
  }
  if (g.kind == a.kind && g.count == a.count && g.count > 0 && g.name == a.name) {
    const bool equal = members_match_in_order(g, a, c);
    c.rule = "structure";
    return equal;
  }
  c.rule = "kind";
  if (c.note.empty()) c.note = "two different kinds of answer";
  return false;
}

}  // namespace

bool equal_answers(const Expr& gold, const Expr& answer, Comparison& c) {
  c.budget.spend(2);
  if (++c.depth > kMaxDepth) throw BudgetSpent{};
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } leave{c.depth};
  if (same(gold, answer)) {
    c.rule = "identical";
    return true;
  }
  const Expr* g = expand_signs(gold, c);
  const Expr* a = expand_signs(answer, c);
  if (g != &gold || a != &answer) {
    // both signs give the same value only for ±0
    if (same(*g, *a)) {
      c.rule = "identical";
      return true;
    }
  }
  return compare_once(*g, *a, c);
}

}  // namespace foil::verify
