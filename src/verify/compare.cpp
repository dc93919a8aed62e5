#include "verify/compare.h"

#include <algorithm>
#include <optional>

#include "verify/algebra.h"
#include "verify/ball.h"
#include "verify/region.h"
#include "verify/words.h"

namespace foil::verify {

namespace {

constexpr uint32_t kMaxMembers = 256;

bool has_sign_choice(const Expr& e) {
  return any(e, [](const Expr& x) { return x.is(Kind::kPlusMinus); });
}

const Expr* choose_sign(const Expr& e, bool plus, Arena& arena) {
  if (!has_sign_choice(e)) return &e;
  if (e.is(Kind::kPlusMinus)) {
    const Expr* inner = choose_sign(e[0], plus, arena);
    return plus != e.flag ? inner : arena.neg(inner);
  }
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < e.count; ++i) args.push_back(choose_sign(e[i], plus, arena));
  Expr* copy = arena.make(e.kind);
  *copy = e;
  arena.set_args(copy, args.data(), args.size());
  return copy;
}

// ± stands for both signs at once: 1 ± √2 is the enumeration 1 + √2, 1 − √2.
const Expr* expand_signs(const Expr& e, Comparison& c) {
  if (!has_sign_choice(e)) return &e;
  if (e.is(Kind::kList) || e.is(Kind::kSet)) {
    std::vector<const Expr*> members;
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* x = expand_signs(e[i], c);
      if (x->is(Kind::kList)) members.insert(members.end(), x->args, x->args + x->count);
      else members.push_back(x);
      if (members.size() > kMaxMembers) throw BudgetSpent{};
    }
    Expr* copy = c.arena.make(e.kind, members.data(), members.size());
    copy->index = e.index;
    return copy;
  }
  // independent signs in the entries of a tuple: (±1, ±2) means all four points
  if (e.is(Kind::kTuple) && e.count <= 4) {
    std::vector<std::vector<const Expr*>> rows = {{}};
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* x = expand_signs(e[i], c);
      std::vector<std::vector<const Expr*>> more;
      const bool several = has_sign_choice(e[i]) && x->is(Kind::kList);
      for (const auto& row : rows)
        for (uint32_t k = 0; k < (several ? x->count : 1); ++k) {
          more.push_back(row);
          more.back().push_back(several ? x->args[k] : x);
        }
      rows = std::move(more);
    }
    std::vector<const Expr*> members;
    for (const auto& row : rows) {
      Expr* t = c.arena.make(Kind::kTuple, row.data(), row.size());
      t->name = e.name;
      members.push_back(t);
    }
    return c.arena.make(Kind::kList, members);
  }
  return c.arena.make(Kind::kList, {choose_sign(e, true, c.arena), choose_sign(e, false, c.arena)});
}

// ---- names of values: x = 3, f(x) = 2x, AB = 9, (x, y) = (1, 2) ----

bool upper(std::string_view s) { return !s.empty() && s[0] >= 'A' && s[0] <= 'Z'; }

bool is_name(const Expr& e) {
  switch (e.kind) {
    case Kind::kSymbol: return e.name.substr(0, 4) != "set:";
    case Kind::kText: case Kind::kE: case Kind::kI: return true;
    case Kind::kCall:
      if (e.fn == Fn::kUser) return true;
      if (e.count != 1) return false;
      // sin θ, sin 2x, |AB|; √x = 54 is an equation to solve
      switch (e.fn) {
        case Fn::kSin: case Fn::kCos: case Fn::kTan: case Fn::kCot: case Fn::kSec: case Fn::kCsc: case Fn::kFloor: case Fn::kCeil: case Fn::kDet: return is_name(e[0]) || (is_scalar(e[0]) && !variables(e[0]).empty());
        case Fn::kSqrt: case Fn::kRoot: case Fn::kExp: return !e[0].is(Kind::kSymbol) && is_name(e[0]);
        default: return is_name(e[0]);
      }
    case Kind::kMul:
      for (uint32_t i = 0; i < e.count; ++i) {
        const Expr& x = e[i].is(Kind::kPow) ? e[i][0] : e[i];
        const bool event = x.is(Kind::kIntersection) || x.is(Kind::kUnion);
        if (!event && !(x.is(Kind::kSymbol) && upper(x.name)) && !(x.is(Kind::kMul) && is_name(x)) && !(i + 1 == e.count && e[0].is(Kind::kText))) return false;
      }
      return true;
    case Kind::kRatio: case Kind::kTuple:
      for (uint32_t i = 0; i < e.count; ++i)
        if (!is_name(e[i])) return false;
      return e.count > 0;
    case Kind::kOpaque: return true;
    default: return false;
  }
}

struct Labelled {
  const Expr* name;   // null: a chain of constants
  const Expr* value;
};

std::optional<Labelled> label(const Expr& e, Comparison& c) {
  if (!e.is(Kind::kRelation)) return std::nullopt;
  if (e.count == 2 && e.name[0] == 'e' && (e[0].is(Kind::kSymbol) || e[0].is(Kind::kTuple) || (e[0].is(Kind::kCall) && e[0].fn == Fn::kUser))) return Labelled{&e[0], &e[1]};
  uint32_t last = e.count - 1;
  for (uint32_t i = 0; i + 1 < e.count; ++i) {
    if (e.name[i] != '=' && e.name[i] != '~') return std::nullopt;
    if (e.name[i] == '~') {
      last = i > 0 ? i : (is_name(e[0]) ? 1 : 0);
      break;
    }
  }
  // A value chain ends in its value: S = 5 + 5 = 10.
  if (last == 0) return Labelled{nullptr, &e[0]};
  const Expr& value = e[last];
  bool constants = true;
  for (uint32_t i = 0; i < e.count; ++i) constants = constants && is_scalar(e[i]) && variables(e[i]).empty();
  if (constants) return Labelled{nullptr, &value};
  if (e.count > 2 || is_name(e[0])) {
    if (!is_name(e[0])) {
      // 2l + 2(y − l) = 2l + 2y − 2l = 2y ends in its value; 1 = z = x = 0 says nothing
      if (!is_scalar(e[0]) || variables(e[0]).empty() || !is_scalar(value)) return std::nullopt;
      return Labelled{nullptr, &value};
    }
    if (e[0].is(Kind::kSymbol) || (e[0].is(Kind::kCall) && e[0].fn != Fn::kUser)) {  // not x = 2x − 1, nor tan θ = 2θ
      const std::vector<std::string_view> names = variables(e[0]);
      for (const std::string_view v : variables(value))
        if (std::find(names.begin(), names.end(), v) != names.end()) return std::nullopt;
    }
    // y = x could also be read as x = y: equations between two names stay equations as well (see equal_answers)
    (void)c;
    return Labelled{&e[0], &value};
  }
  if (is_name(e[1]) && e.count == 2 && e[1].is(Kind::kSymbol) && is_scalar(e[0]) && variables(e[0]).empty()) return Labelled{&e[1], &e[0]};  // 3 = x
  return std::nullopt;
}

// ---- collections ----

bool members_match_in_order(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count != a.count) return false;
  for (uint32_t i = 0; i < g.count; ++i)
    if (!equal_answers(g[i], a[i], c)) return false;
  return true;
}

// Every member has its own partner.
bool members_match(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count != a.count || g.count > kMaxMembers) return false;
  std::vector<bool> used(a.count);
  for (uint32_t i = 0; i < g.count; ++i) {
    bool found = false;
    for (uint32_t step = 0; step < a.count && !found; ++step) {
      const uint32_t j = (i + step) % a.count;  // the same place first
      if (used[j] || !equal_answers(g[i], a[j], c)) continue;
      used[j] = found = true;
    }
    if (!found) return false;
  }
  return true;
}

bool sets_match(const Expr& g, const Expr& a, Comparison& c) {
  if (g.count > kMaxMembers || a.count > kMaxMembers) return false;
  std::vector<bool> hit(a.count);
  for (uint32_t i = 0; i < g.count; ++i) {
    bool found = false;
    for (uint32_t step = 0; step < a.count; ++step) {
      const uint32_t j = (i + step) % a.count;
      if ((hit[j] && found) || g[i].is(Kind::kSet) != a[j].is(Kind::kSet)) continue;  // {{1}, {2}} is not {1, 2}
      if (equal_answers(g[i], a[j], c)) hit[j] = found = true;
    }
    if (!found) return false;
  }
  for (uint32_t j = 0; j < a.count; ++j) {
    if (hit[j]) continue;
    bool found = false;
    for (uint32_t i = 0; i < g.count && !found; ++i) found = g[i].is(Kind::kSet) == a[j].is(Kind::kSet) && equal_answers(g[i], a[j], c);
    if (!found) return false;
  }
  return true;
}

bool collection(const Expr& e) { return e.is(Kind::kList) || e.is(Kind::kSet) || e.is(Kind::kTuple); }

// Brackets that cannot be those of a point or vector.
bool half_open(const Expr& e) { return e.is(Kind::kTuple) && (e.name == "[)" || e.name == "(]"); }

bool tuples_match(const Expr& g, const Expr& a, Comparison& c) {
  c.rule = "tuple";
  if (g.count != a.count) return false;
  if (g.count == 2) {
    // two entries in round or square brackets may be intervals: the brackets count
    const bool vector = g.name == "<>" || a.name == "<>";
    if (!vector && g.name != a.name) {
      c.note = "different brackets";
      return false;
    }
  }
  const bool equal = c.options.ordered_tuples || (g.count == 2 && g.name != "()") ? members_match_in_order(g, a, c) : members_match(g, a, c);
  c.rule = "tuple";
  return equal;
}

std::optional<bool> compare_collections(const Expr& g, const Expr& a, Comparison& c) {
  if (g.is(Kind::kTuple) && a.is(Kind::kTuple)) return tuples_match(g, a, c);
  const bool g_bare = g.is(Kind::kList), a_bare = a.is(Kind::kList);
  if ((g.is(Kind::kSet) && (a.is(Kind::kSet) || a_bare)) || (a.is(Kind::kSet) && g_bare)) {
    const bool equal = sets_match(g, a, c);
    c.rule = "set";
    return equal;
  }
  if (g_bare && a_bare) {
    // Repeats of numbers count (roots with multiplicity); a point or equation named twice is the same point.
    bool structured = true;
    for (uint32_t i = 0; i < g.count; ++i) structured = structured && !is_scalar(g[i]);
    const bool equal = members_match(g, a, c) || (structured && g.count != a.count && sets_match(g, a, c));
    c.rule = "list";
    if (!equal && g.count != a.count) c.note = "a different number of answers";
    return equal;
  }
  // (1, 2) against 1, 2
  if ((g.is(Kind::kTuple) && a_bare) || (a.is(Kind::kTuple) && g_bare)) {
    const Expr& tuple = g_bare ? a : g;
    const Expr& bare = g_bare ? g : a;
    c.rule = "tuple";
    if (half_open(tuple) || (tuple.count == 2 && tuple.name == "[]")) return false;
    // x = 3, y = 4 against (3, 4): in the order given or by name
    std::vector<std::pair<std::string, const Expr*>> named;
    for (uint32_t i = 0; i < bare.count; ++i)
      if (const auto l = label(bare[i], c); l && l->name) named.emplace_back(to_string(*l->name), l->value);
    // names that follow each other in the alphabet (x, y; a, b, c) say the places; others may come in the order given
    bool says_places = named.size() == bare.count && named.size() > 1;
    if (says_places) {
      std::vector<std::string> names;
      for (const auto& [name, value] : named) names.push_back(name);
      std::sort(names.begin(), names.end());
      for (size_t i = 0; i < names.size(); ++i) says_places = says_places && names[i].size() == 1 && (i == 0 || names[i][0] == names[i - 1][0] + 1);
    }
    const bool equal = !says_places && members_match_in_order(g, a, c);
    c.rule = "tuple";
    if (equal || named.size() != bare.count || named.empty()) return equal;
    std::stable_sort(named.begin(), named.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    std::vector<const Expr*> values;
    for (const auto& [name, value] : named) values.push_back(value);
    const Expr* sorted = c.arena.make(Kind::kList, values);
    const bool by_name = members_match_in_order(g_bare ? *sorted : g, g_bare ? a : *sorted, c);
    c.rule = "tuple";
    return by_name;
  }
  return std::nullopt;
}

// ---- matrices ----

const Expr* matrix_value(const Expr& e, Comparison& c) {
  if (e.is(Kind::kMatrix)) return &e;
  if (e.is(Kind::kAdd) || e.is(Kind::kMul)) {
    const Expr* acc = nullptr;
    const Expr* scale = nullptr;
    for (uint32_t i = 0; i < e.count; ++i) {
      const Expr* m = matrix_value(e[i], c);
      if (!m) {
        if (!e.is(Kind::kMul) || !is_scalar(e[i])) return nullptr;
        scale = scale ? c.arena.mul(scale, &e[i]) : &e[i];
        continue;
      }
      if (!acc) {
        acc = m;
        continue;
      }
      std::vector<const Expr*> cells;
      const auto ac = static_cast<uint32_t>(acc->index), mc = static_cast<uint32_t>(m->index);
      if (e.is(Kind::kAdd)) {
        if (acc->count != m->count || ac != mc) return nullptr;
        for (uint32_t k = 0; k < m->count; ++k) cells.push_back(c.arena.add(acc->args[k], m->args[k]));
      } else {
        const uint32_t rows = acc->count / ac, inner = m->count / mc;
        if (inner != ac || rows * mc > 400) return nullptr;
        for (uint32_t r = 0; r < rows; ++r)
          for (uint32_t k = 0; k < mc; ++k) {
            std::vector<const Expr*> terms;
            for (uint32_t j = 0; j < ac; ++j) terms.push_back(c.arena.mul(acc->args[r * ac + j], m->args[j * mc + k]));
            cells.push_back(terms.size() == 1 ? terms[0] : c.arena.make(Kind::kAdd, terms));
          }
      }
      Expr* out = c.arena.make(Kind::kMatrix, cells.data(), cells.size());
      out->index = static_cast<int32_t>(mc);
      acc = out;
    }
    if (acc && scale) {
      std::vector<const Expr*> cells;
      for (uint32_t k = 0; k < acc->count; ++k) cells.push_back(c.arena.mul(scale, acc->args[k]));
      Expr* out = c.arena.make(Kind::kMatrix, cells.data(), cells.size());
      out->index = acc->index;
      acc = out;
    }
    return acc;
  }
  return nullptr;
}

// −7i + 16j + 5k as (−7, 16, 5): a sum of multiples of the unit vectors; null: not one.
const Expr* components(const Expr& e, uint32_t size, Comparison& c) {
  std::vector<const Expr*> at(3, nullptr);
  const auto axis = [](const Expr& x) {
    if (x.is(Kind::kI)) return 0;
    if (!x.is(Kind::kSymbol)) return -1;
    const std::string_view n = x.name;
    return n == "i" || n == "hat i" || n == "vec i" ? 0 : n == "j" || n == "hat j" || n == "vec j" ? 1 : n == "k" || n == "hat k" || n == "vec k" ? 2 : -1;
  };
  bool beyond_i = false;
  const auto term = [&](auto&& self, const Expr& x, bool negative) -> bool {
    if (x.is(Kind::kAdd)) {
      for (uint32_t i = 0; i < x.count; ++i)
        if (!self(self, x[i], negative)) return false;
      return true;
    }
    const Expr* factor = c.arena.number(negative ? -1 : 1);
    int which = axis(x);
    if (which < 0) {
      if (!x.is(Kind::kMul)) return false;
      for (uint32_t i = 0; i < x.count; ++i) {
        const int a = axis(x[i]);
        if (a >= 0 && which < 0) {
          which = a;
        } else if (x.count == 2 && i == 1 && which < 0 && (x[i].is(Kind::kMul) || x[i].is(Kind::kAdd)) && x[0].is(Kind::kNumber) && value_of(x[0]) == Rational(-1)) {
          return self(self, x[i], !negative);
        } else {
          factor = c.arena.mul(factor, &x[i]);
        }
      }
      if (which < 0) return false;
    }
    beyond_i = beyond_i || which > 0;
    at[static_cast<size_t>(which)] = at[static_cast<size_t>(which)] ? c.arena.add(at[static_cast<size_t>(which)], factor) : factor;
    return true;
  };
  if (!e.is(Kind::kAdd) || !term(term, e, false) || !beyond_i || (size == 2 && at[2])) return nullptr;
  at.resize(size);
  for (const Expr*& x : at)
    if (!x) x = c.arena.number(0);
  return c.arena.make(Kind::kList, at);
}

std::optional<bool> compare_matrices(const Expr& g, const Expr& a, Comparison& c) {
  const Expr* x = matrix_value(g, c);
  const Expr* y = matrix_value(a, c);
  if (!x && !y) return std::nullopt;
  c.rule = "matrix";
  if (x && y) {
    if (x->count != y->count || x->index != y->index) {
      c.note = "different shapes";
      return false;
    }
    const bool equal = members_match_in_order(*x, *y, c);
    c.rule = "matrix";
    return equal;
  }
  // a column or row against (1, 2, 3) or 1, 2, 3
  const Expr& m = x ? *x : *y;
  const Expr& other = x ? a : g;
  if ((m.index == 1 || static_cast<uint32_t>(m.index) == m.count) && (other.is(Kind::kTuple) || other.is(Kind::kList)) && !half_open(other)) {
    const bool equal = x ? members_match_in_order(m, other, c) : members_match_in_order(other, m, c);
    c.rule = "vector";
    return equal;
  }
  // [[1, 2], [3, 4]]: rows in brackets
  if (other.is(Kind::kTuple) && other.count > 0) {
    std::vector<const Expr*> cells;
    for (uint32_t i = 0; i < other.count; ++i) {
      if (!other[i].is(Kind::kTuple) || other[i].count != static_cast<uint32_t>(m.index)) return false;
      cells.insert(cells.end(), other[i].args, other[i].args + other[i].count);
    }
    if (cells.size() != m.count) return false;
    const Expr* rows = c.arena.make(Kind::kMatrix, cells);
    const bool equal = x ? members_match_in_order(m, *rows, c) : members_match_in_order(*rows, m, c);
    c.rule = "matrix";
    return equal;
  }
  if (const Expr* v = m.index == 1 && m.count >= 2 && m.count <= 3 ? components(other, m.count, c) : nullptr) {
    const bool equal = x ? members_match_in_order(m, *v, c) : members_match_in_order(*v, m, c);
    c.rule = "vector";
    return equal;
  }
  if (m.count == 1) return equal_answers(x ? m[0] : g, x ? a : m[0], c);
  return false;
}

// ---- quantities ----

std::optional<bool> compare_quantities(const Expr& g, const Expr& a, Comparison& c) {
  const bool gq = g.is(Kind::kQuantity), aq = a.is(Kind::kQuantity), gp = g.is(Kind::kPercent), ap = a.is(Kind::kPercent);
  if (!gq && !aq && !gp && !ap) return std::nullopt;
  if (gp && ap) return equal_answers(g[0], a[0], c);
  if ((gp && aq) || (gq && ap)) {
    c.rule = "unit";
    c.note = "a percentage against another unit";
    return false;
  }
  if (gp || ap) {
    const Expr& percent = gp ? g : a;
    const Expr& other = gp ? a : g;
    if (!is_scalar(other)) return std::nullopt;
    if (c.options.percent_is_fraction) {
      const Expr* fraction = c.arena.div(&percent[0], c.arena.number(100));
      // keep a decimal a decimal: 33.3 % is 0.333
      if (percent[0].is(Kind::kNumber) && percent[0].flag) {
        Expr* n = c.arena.make(Kind::kNumber);
        c.arena.set_number(n, value_of(percent[0]) / Rational(100));
        n->flag = true;
        n->digits = static_cast<int16_t>(percent[0].digits + 2);
        n->significant = percent[0].significant;
        fraction = n;
      }
      if (gp ? equal_scalars(*fraction, other, c) : equal_scalars(other, *fraction, c)) {
        c.rule = "percent";
        return true;
      }
    }
    if (c.options.units_optional || c.options.percent_is_fraction) {
      const bool equal = gp ? equal_scalars(percent[0], other, c) : equal_scalars(other, percent[0], c);
      c.rule = "percent";
      return equal;
    }
    c.rule = "percent";
    return false;
  }
  if (gq && aq) {
    const bool temperature = (g.name == "deg" && (a.name == "celsius" || a.name == "fahrenheit")) || (a.name == "deg" && (g.name == "celsius" || g.name == "fahrenheit"));
    if (g.name == a.name || temperature) {
      bool equal;
      if (value_of(g) == value_of(a)) {
        equal = equal_answers(g[0], a[0], c);
      } else {
        equal = equal_exactly(*c.arena.mul(&g[0], c.arena.number(value_of(g))), *c.arena.mul(&a[0], c.arena.number(value_of(a))), c);
      }
      c.rule = "unit";
      return equal;
    }
    if ((g.name == "deg" && a.name == "rad") || (g.name == "rad" && a.name == "deg")) {
      const bool equal = equal_exactly(g.name == "deg" ? g : g[0], a.name == "deg" ? a : a[0], c);
      c.rule = "unit";
      return equal;
    }
    // square units are those of the other side, if it is an area
    for (const auto& [unnamed, length] : {std::pair<std::string_view, std::string_view>{"unit^2", "m^2"}, {"unit^3", "m^3"}})
      if ((g.name == unnamed && a.name == length) || (a.name == unnamed && g.name == length)) return equal_answers(g[0], a[0], c);
    c.rule = "unit";
    c.note = "different units: " + std::string(g.name) + ", " + std::string(a.name);
    return false;
  }
  const Expr& q = gq ? g : a;
  const Expr& other = gq ? a : g;
  if (!is_scalar(other) && !is_scalar(q[0])) return equal_answers(gq ? q[0] : g, gq ? a : q[0], c);
  if (!is_scalar(other)) return std::nullopt;
  if (q.name == "deg" && equal_exactly(g, a, c)) {
    c.rule = "unit";
    return true;
  }
  if (!c.options.units_optional && q.name != "rad") {
    c.rule = "unit";
    c.note = "the unit is missing";
    return false;
  }
  return gq ? equal_answers(q[0], a, c) : equal_answers(g, q[0], c);
}

// ---- choices, times, ratios ----

std::string_view choice_letter(const Expr& e) {
  if (e.is(Kind::kChoice)) return e.name;
  if (e.is(Kind::kSymbol) && e.name.size() == 1) return e.name;
  return {};
}

bool equal_times(const Expr& g, const Expr& a) {
  const Rational day(86400), half(43200);
  const Rational x = value_of(g), y = value_of(a);
  if (g.index && a.index) return x == y;
  const auto twelve = [&](const Rational& t) { return t < half ? t : t - half; };
  return twelve(x) == twelve(y);
}

bool equal_ratios(const Expr& g, const Expr& a, Comparison& c) {
  c.rule = "ratio";
  if (g.count != a.count) return false;
  for (uint32_t i = 0; i < g.count; ++i) {
    if (!is_scalar(g[i]) || !is_scalar(a[i])) return false;
    const auto zero = [&](const Expr& e) {
      const auto r = exact_rational(e, c.budget);
      return r && r->is_zero();
    };
    if (zero(g[i]) != zero(a[i])) return false;
  }
  for (uint32_t i = 1; i < g.count; ++i)
    if (!equal_exactly(*c.arena.mul(&g[i], &a[0]), *c.arena.mul(&a[i], &g[0]), c)) {
      c.rule = "ratio";
      return false;
    }
  c.rule = "ratio";
  return true;
}

const Expr* rename(const Expr& e, std::string_view from, std::string_view to, Arena& arena) {
  if (e.is(Kind::kSymbol) && e.name == from) return arena.symbol(to);
  if (e.count == 0) return &e;
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < e.count; ++i) args.push_back(rename(e[i], from, to, arena));
  Expr* copy = arena.make(e.kind);
  *copy = e;
  arena.set_args(copy, args.data(), args.size());
  return copy;
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

std::optional<bool> compare_relations(const Expr& g, const Expr& a, Comparison& c) {
  const bool gr = g.is(Kind::kRelation), ar = a.is(Kind::kRelation);
  if (!gr && !ar) return std::nullopt;
  const auto lg = label(g, c), la = label(a, c);
  if (gr && ar) {
    if (lg && la) {
      if (!lg->name || !la->name) {
        if (!lg->name && !la->name) return equal_answers(*lg->value, *la->value, c);
      } else if (same(*lg->name, *la->name)) {
        // n ≡ 2 (mod 3) is more than n = 2
        const auto residue = [](const Expr& e) { return e.is(Kind::kCall) && e.fn == Fn::kMod && e.flag; };
        if (residue(*lg->value) != residue(*la->value) && !variables(*lg->name).empty()) {
          c.rule = "equation";
          return false;
        }
        return equal_answers(*lg->value, *la->value, c);
      } else {
        const Expr &x = *lg->name, &y = *la->name;
        const bool xf = x.is(Kind::kCall) && x.fn == Fn::kUser, yf = y.is(Kind::kCall) && y.fn == Fn::kUser;
        if (xf && yf && x.name == y.name && x.count == y.count) {
          // f(x) = 2x and f(t) = 2t
          const Expr* value = la->value;
          for (uint32_t i = 0; i < x.count; ++i) {
            if (!x[i].is(Kind::kSymbol) || !y[i].is(Kind::kSymbol)) {
              if (!same(x[i], y[i])) return false;
              continue;
            }
            value = rename(*value, y[i].name, x[i].name, c.arena);
          }
          return equal_answers(*lg->value, *value, c);
        }
        if (xf != yf && (xf ? y : x).is(Kind::kSymbol)) return equal_answers(*lg->value, *la->value, c);  // y = … and f(x) = …
      }
    }
  } else {
    const auto& l = gr ? lg : la;
    if (l) {
      const Expr& value = *l->value;
      if (gr ? equal_answers(value, a, c) : equal_answers(g, value, c)) return true;
      // x ∈ S may still be a region
    }
  }
  if (const auto x = region_of(g, true, c))
    if (const auto y = region_of(a, true, c)) {
      const bool equal = equal_regions(*x, *y, c);
      c.rule = "interval";
      return equal;
    }
  if (gr && ar) return equal_relations(g, a, c);
  if (c.rule.empty()) c.rule = "equation";
  return false;
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

bool equal_relations(const Expr& g, const Expr& a, Comparison& c) {
  c.rule = "equation";
  const auto scalar_sides = [](const Expr& e) {
    for (uint32_t i = 0; i < e.count; ++i)
      if (!is_scalar(e[i])) return false;
    return true;
  };
  const auto flipped = [](char op) {
    switch (op) {
      case '<': return '>';
      case '>': return '<';
      case 'l': return 'g';
      case 'g': return 'l';
      default: return op;
    }
  };
  if (g.count == a.count) {
    // the same chain, or read from the other end
    bool forward = g.name == a.name, backward = true;
    for (uint32_t i = 0; i + 1 < g.count; ++i) backward = backward && g.name[i] == flipped(a.name[g.count - 2 - i]);
    if (forward) {
      for (uint32_t i = 0; i < g.count && forward; ++i) forward = equal_answers(g[i], a[i], c);
      if (forward) {
        c.rule = g.name.find_first_not_of('=') == std::string_view::npos ? "equation" : "inequality";
        return true;
      }
    }
    if (backward) {
      for (uint32_t i = 0; i < g.count && backward; ++i) backward = equal_answers(g[i], a[g.count - 1 - i], c);
      if (backward) {
        c.rule = g.name.find_first_not_of('=') == std::string_view::npos ? "equation" : "inequality";
        return true;
      }
    }
  }
  c.rule = "equation";
  if (g.count != 2 || a.count != 2 || !scalar_sides(g) || !scalar_sides(a)) return false;
  const char go = g.name[0], ao = a.name[0];
  const bool equations = (go == '=' || go == 'n') && go == ao;
  const Expr* d = c.arena.sub(&g[0], &g[1]);
  const Expr* e = c.arena.sub(&a[0], &a[1]);
  if (equations) {
    if (proves_proportional(g[0], g[1], a[0], a[1], c.budget)) {
      c.rule = "equation";
      return true;
    }
    const bool equal = proportional(*d, *e, false, c);
    c.rule = "equation";
    return equal;
  }
  const bool strict = go == '<' || go == '>';
  if ((go != '<' && go != '>' && go != 'l' && go != 'g') || (ao != '<' && ao != '>' && ao != 'l' && ao != 'g') || strict != (ao == '<' || ao == '>')) return false;
  const bool g_less = go == '<' || go == 'l', a_less = ao == '<' || ao == 'l';
  if (g_less != a_less) e = c.arena.neg(e);
  const bool equal = proportional(*d, *e, true, c);
  c.rule = "inequality";
  return equal;
}

}  // namespace foil::verify
