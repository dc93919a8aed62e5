#include "verify/relations.h"

#include <algorithm>
#include <vector>

#include "verify/algebra.h"
#include "verify/region.h"

namespace foil::verify {

bool upper(std::string_view s) { return !s.empty() && s[0] >= 'A' && s[0] <= 'Z'; }

namespace {

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

// 2k + 1 : k ∈ ℤ, the inside of a set; its name is bound.
bool runs_through(const Expr& e) { return e.is(Kind::kRelation) && e.name == "e" && e[0].is(Kind::kRatio) && e[0].count == 2 && e[0][1].is(Kind::kSymbol); }

}  // namespace

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

std::optional<bool> compare_relations(const Expr& g, const Expr& a, Comparison& c) {
  const bool gr = g.is(Kind::kRelation), ar = a.is(Kind::kRelation);
  if (!gr && !ar) return std::nullopt;
  if (runs_through(g) && runs_through(a)) return equal_answers(g[1], a[1], c) && equal_answers(g[0][0], *rename(a[0][0], a[0][1].name, g[0][1].name, c.arena), c);
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
