#include "verify/region.h"

#include <algorithm>

#include "verify/algebra.h"
#include "verify/ball.h"

namespace foil::verify {

namespace {

constexpr size_t kMaxParts = 64;

int infinite(const Expr& e) {
  if (e.is(Kind::kInfinity)) return 1;
  if (e.is(Kind::kMul) && e.count == 2 && e[1].is(Kind::kInfinity) && e[0].is(Kind::kNumber)) return fmpz_sgn(&e[0].number.num);
  return 0;
}

bool real_constant(const Expr& e) { return is_scalar(e) && variables(e).empty() && !any(e, [](const Expr& x) { return x.is(Kind::kInfinity) || x.is(Kind::kPlusMinus) || x.is(Kind::kOpaque); }); }

// Compares two ends; equal ends are equal by proof or at 512 bits.
int compare_ends(const Expr& a, const Expr& b, Comparison& c) {
  if (same(a, b)) return 0;
  return order(a, b, c.budget);
}

// Sorted, disjoint, with touching parts joined.
Region normal(std::vector<Interval> parts, Comparison& c) {
  std::erase_if(parts, [&](const Interval& i) {
    if (!i.low || !i.high) return false;
    const int o = compare_ends(*i.low, *i.high, c);
    return o > 0 || (o == 0 && (i.low_open || i.high_open));
  });
  std::stable_sort(parts.begin(), parts.end(), [&](const Interval& a, const Interval& b) {
    if (!a.low || !b.low) return !a.low && b.low;
    const int o = compare_ends(*a.low, *b.low, c);
    return o < 0 || (o == 0 && !a.low_open && b.low_open);
  });
  Region r;
  for (const Interval& i : parts) {
    if (!r.parts.empty()) {
      Interval& last = r.parts.back();
      bool joined = false;
      if (!last.high) {
        joined = true;
      } else {
        const int o = i.low ? compare_ends(*i.low, *last.high, c) : -1;
        if (o < 0 || (o == 0 && !(i.low_open && last.high_open))) {
          joined = true;
          if (!i.high) {
            last.high = nullptr;
            last.high_open = true;
          } else {
            const int h = compare_ends(*i.high, *last.high, c);
            if (h > 0) {
              last.high = i.high;
              last.high_open = i.high_open;
            } else if (h == 0) {
              last.high_open = last.high_open && i.high_open;
            }
          }
        }
      }
      if (joined) continue;
    }
    r.parts.push_back(i);
  }
  return r;
}

std::optional<Region> intersect(const Region& a, const Region& b, Comparison& c) {
  std::vector<Interval> parts;
  for (const Interval& x : a.parts)
    for (const Interval& y : b.parts) {
      Interval i = x;
      if (y.low) {
        const int o = i.low ? compare_ends(*y.low, *i.low, c) : 1;
        if (o > 0) {
          i.low = y.low;
          i.low_open = y.low_open;
        } else if (o == 0) {
          i.low_open = i.low_open || y.low_open;
        }
      }
      if (y.high) {
        const int o = i.high ? compare_ends(*y.high, *i.high, c) : -1;
        if (o < 0) {
          i.high = y.high;
          i.high_open = y.high_open;
        } else if (o == 0) {
          i.high_open = i.high_open || y.high_open;
        }
      }
      parts.push_back(i);
      if (parts.size() > kMaxParts) return std::nullopt;
    }
  return normal(std::move(parts), c);
}

Region complement(const Region& r) {
  Region out;
  const Expr* low = nullptr;
  bool low_open = true, bounded = false;
  for (const Interval& i : r.parts) {
    if (i.low) {
      Interval gap;
      gap.low = bounded ? low : nullptr;
      gap.low_open = bounded ? low_open : true;
      gap.high = i.low;
      gap.high_open = !i.low_open;
      out.parts.push_back(gap);
    }
    if (!i.high) return out;
    low = i.high;
    low_open = !i.high_open;
    bounded = true;
  }
  Interval last;
  last.low = bounded ? low : nullptr;
  last.low_open = bounded ? low_open : true;
  out.parts.push_back(last);
  return out;
}

// The one unknown of an inequality: a variable or f(x); null if there are several or none.
const Expr* unknown_of(const Expr& e, const Expr* found, bool& several) {
  if (e.is(Kind::kSymbol) || (e.is(Kind::kCall) && e.fn == Fn::kUser)) {
    if (found && !same(*found, e)) several = true;
    return found ? found : &e;
  }
  for (uint32_t i = 0; i < e.count; ++i) found = unknown_of(e[i], found, several);
  return found;
}

const Expr* substitute(const Expr& e, const Expr& from, const Expr* to, Arena& arena) {
  if (same(e, from)) return to;
  if (e.count == 0) return &e;
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < e.count; ++i) args.push_back(substitute(e[i], from, to, arena));
  Expr* copy = arena.make(e.kind);
  *copy = e;
  arena.set_args(copy, args.data(), args.size());
  return copy;
}

// lhs op rhs, linear in x: the half line of x.
std::optional<Region> half_line(const Expr& lhs, char op, const Expr& rhs, const Expr& x, Comparison& c) {
  if (!is_scalar(lhs) || !is_scalar(rhs)) return std::nullopt;
  const Expr* bound = nullptr;
  int direction = 1;
  if (same(lhs, x) && infinite(rhs) == 0 && !any(rhs, [&](const Expr& e) { return same(e, x); })) {
    bound = &rhs;
  } else if (same(rhs, x) && infinite(lhs) == 0 && !any(lhs, [&](const Expr& e) { return same(e, x); })) {
    bound = &lhs;
    direction = -1;
  } else if (infinite(lhs) || infinite(rhs)) {
    // −∞ < x: no restriction
    Region all;
    all.parts.push_back({});
    const bool below = (op == '<' || op == 'l');
    if ((infinite(lhs) < 0 && below && same(rhs, x)) || (infinite(rhs) > 0 && below && same(lhs, x)) || (infinite(lhs) > 0 && !below && same(rhs, x)) || (infinite(rhs) < 0 && !below && same(lhs, x))) return all;
    return std::nullopt;
  } else {
    const Expr* d = c.arena.sub(&lhs, &rhs);
    const Expr* at0 = substitute(*d, x, c.arena.number(0), c.arena);
    const Expr* at1 = substitute(*d, x, c.arena.number(1), c.arena);
    const Expr* at3 = substitute(*d, x, c.arena.number(3), c.arena);
    const auto d0 = exact_rational(*at0, c.budget), d1 = exact_rational(*at1, c.budget), d3 = exact_rational(*at3, c.budget);
    const Expr* slope = c.arena.sub(at1, at0);
    if (d0 && d1 && d3) {
      // Linear in three points; a polynomial identity makes it certain.
      if (!(*d3 - *d0 == (*d1 - *d0) * Rational(3))) return std::nullopt;
    }
    const Expr* line = c.arena.add(c.arena.mul(slope, &x), at0);
    if (!proves_equal(*d, *line, c.budget)) {
      // |x| < a is the pair of inequalities −a < x < a
      return std::nullopt;
    }
    direction = sign_of(*slope, c.budget);
    if (direction == 0) return std::nullopt;
    bound = c.arena.neg(c.arena.div(at0, slope));
    if (d0 && d1) bound = c.arena.number(-*d0 / (*d1 - *d0));
  }
  if (!real_constant(*bound)) return std::nullopt;
  Interval i;
  Region r;
  const bool less = (op == '<' || op == 'l') == (direction > 0);
  if (op == '=') {
    i.low = i.high = bound;
    i.low_open = i.high_open = false;
  } else if (op == 'n') {
    Interval before;
    before.high = bound;
    r.parts.push_back(before);
    i.low = bound;
  } else if (op != '<' && op != '>' && op != 'l' && op != 'g') {
    return std::nullopt;
  } else {
    const bool open = op == '<' || op == '>';
    (less ? i.high : i.low) = bound;
    (less ? i.high_open : i.low_open) = open;
  }
  r.parts.push_back(i);
  return r;
}

bool is_reals(const Expr& e) { return e.is(Kind::kSymbol) && (e.name == "set:R"); }

std::optional<Region> relation_region(const Expr& e, Comparison& c) {
  // x ∈ S, x ∉ S
  if (e.count == 2 && (e.name[0] == 'e' || e.name[0] == 'N')) {
    if (!e[0].is(Kind::kSymbol) && !(e[0].is(Kind::kCall) && e[0].fn == Fn::kUser)) return std::nullopt;  // −x ∈ S
    auto r = region_of(e[1], true, c);
    if (!r) return std::nullopt;
    if (e.name[0] == 'N') return complement(*r);
    return r;
  }
  // |x − a| < b
  if (e.count == 2 && e[0].is(Kind::kCall) && e[0].fn == Fn::kAbs && e[0].count == 1 && (e.name[0] == '<' || e.name[0] == 'l' || e.name[0] == '>' || e.name[0] == 'g') && variables(e[1]).empty()) {
    bool several = false;
    const Expr* x = unknown_of(e[0], nullptr, several);
    if (!x || several) return std::nullopt;
    const bool inside = e.name[0] == '<' || e.name[0] == 'l';
    const char up = e.name[0], down = inside ? (up == '<' ? '>' : 'g') : (up == '>' ? '<' : 'l');
    auto a = half_line(e[0][0], up, e[1], *x, c), b = half_line(e[0][0], down, *c.arena.neg(&e[1]), *x, c);
    if (!a || !b) return std::nullopt;
    if (inside) return intersect(*a, *b, c);
    a->parts.insert(a->parts.end(), b->parts.begin(), b->parts.end());
    return normal(a->parts, c);
  }
  bool several = false;
  const Expr* x = unknown_of(e, nullptr, several);
  if (!x || several) return std::nullopt;
  // a ≤ |x| ≤ b: the region of |x|, and its mirror image
  for (uint32_t i = 0; i < e.count; ++i)
    if (e[i].is(Kind::kCall) && e[i].fn == Fn::kAbs && same(e[i][0], *x) && e.count > 2) {
      Expr* u = c.arena.make(Kind::kRelation);
      std::vector<const Expr*> sides;
      for (uint32_t k = 0; k < e.count; ++k) sides.push_back(k == i ? c.arena.symbol("|x|") : &e[k]);
      c.arena.set_args(u, sides.data(), sides.size());
      u->name = e.name;
      const auto inner = relation_region(*u, c);
      if (!inner) return std::nullopt;
      Region positive;
      positive.parts.push_back({c.arena.number(0), nullptr, false, true});
      const auto half = intersect(*inner, positive, c);
      if (!half) return std::nullopt;
      std::vector<Interval> parts = half->parts;
      for (const Interval& part : half->parts) parts.push_back({part.high ? c.arena.neg(part.high) : nullptr, part.low ? c.arena.neg(part.low) : nullptr, part.high_open, part.low_open});
      return normal(std::move(parts), c);
    }
  bool inequality = false;
  Region r;
  r.parts.push_back({});
  for (uint32_t i = 0; i + 1 < e.count; ++i) {
    if (e.name[i] != '=') inequality = true;
    const auto h = half_line(e[i], e.name[i], e[i + 1], *x, c);
    if (!h) return std::nullopt;
    const auto both = intersect(r, *h, c);
    if (!both) return std::nullopt;
    r = *both;
  }
  if (!inequality) return std::nullopt;
  return r;
}

}  // namespace

std::optional<Region> region_of(const Expr& e, bool loose, Comparison& c) {
  c.budget.spend(4);
  switch (e.kind) {
    case Kind::kSymbol:
      if (is_reals(e)) {
        Region r;
        r.parts.push_back({});
        return r;
      }
      if (e.name == "set:R+" || e.name == "set:R-") {
        Region r;
        Interval i;
        (e.name.back() == '+' ? i.low : i.high) = c.arena.number(0);
        r.parts.push_back(i);
        return r;
      }
      return std::nullopt;
    case Kind::kTuple: {
      if (e.count != 2 || e.name.size() != 2 || e.name[0] == '<') return std::nullopt;
      const int l = infinite(e[0]), h = infinite(e[1]);
      const bool open_pair = e.name == "()";
      if (open_pair && !loose && l == 0 && h == 0) return std::nullopt;
      if (l > 0 || h < 0) return std::nullopt;
      if ((l == 0 && !real_constant(e[0])) || (h == 0 && !real_constant(e[1]))) return std::nullopt;
      Interval i;
      i.low = l ? nullptr : &e[0];
      i.high = h ? nullptr : &e[1];
      i.low_open = l || e.name[0] == '(';
      i.high_open = h || e.name[1] == ')';
      if (i.low && i.high) {
        const int way = order(*i.low, *i.high, c.budget);
        if (way > 0 || (way == 0 && (i.low_open || i.high_open) && same(*i.low, *i.high))) return std::nullopt;  // not an interval
      }
      Region r;
      r.parts.push_back(i);
      return normal(r.parts, c);
    }
    case Kind::kSet: {
      if (!loose) return std::nullopt;
      std::vector<Interval> parts;
      for (uint32_t i = 0; i < e.count; ++i) {
        if (!real_constant(e[i]) || i >= kMaxParts) return std::nullopt;
        parts.push_back({&e[i], &e[i], false, false});
      }
      return normal(std::move(parts), c);
    }
    case Kind::kUnion: {
      std::vector<Interval> parts;
      for (uint32_t i = 0; i < e.count; ++i) {
        const auto r = region_of(e[i], true, c);
        if (!r || parts.size() + r->parts.size() > kMaxParts) return std::nullopt;
        parts.insert(parts.end(), r->parts.begin(), r->parts.end());
      }
      return normal(std::move(parts), c);
    }
    case Kind::kIntersection: case Kind::kDifference: {
      auto r = region_of(e[0], true, c);
      for (uint32_t i = 1; r && i < e.count; ++i) {
        const auto s = region_of(e[i], true, c);
        if (!s) return std::nullopt;
        r = intersect(*r, e.is(Kind::kDifference) ? complement(*s) : *s, c);
      }
      return r;
    }
    case Kind::kRelation: return relation_region(e, c);
    case Kind::kList: {
      // x > 2 and x < 5; x < −1 or x > 1; x ≠ 1, x ≠ 2
      if (e.count < 2 || e.count > kMaxParts) return std::nullopt;
      std::vector<Region> all;
      bool relations = false, every_unequal = true;
      for (uint32_t i = 0; i < e.count; ++i) {
        const Expr* part = &e[i];
        if (part->is(Kind::kRelation)) relations = true;
        if (!part->is(Kind::kRelation) || part->name != "n") every_unequal = false;
        const Expr* made = part;
        if (i > 0 && relations && e[0].is(Kind::kRelation) && e[0].name == "n" && is_scalar(*part)) {
          // x ≠ 1, 2
          Expr* r = c.arena.make(Kind::kRelation, {&e[0][0], part}) == nullptr ? nullptr : c.arena.make(Kind::kRelation);
          const Expr* sides[2] = {&e[0][0], part};
          c.arena.set_args(r, sides, 2);
          r->name = "n";
          made = r;
          every_unequal = e.count > 0;
        }
        auto r = region_of(*made, false, c);
        if (!r && relations && part->is(Kind::kRelation) && part->name == "=" && part->count == 2) {
          const Expr& point = (*part)[1];
          if ((*part)[0].is(Kind::kSymbol) && real_constant(point)) {
            Region single;
            single.parts.push_back({&point, &point, false, false});
            r = single;
          }
        }
        if (!r && e.index != 0) r = region_of(*made, true, c);
        if (!r) return std::nullopt;
        all.push_back(std::move(*r));
      }
      // "or" and bare enumerations of intervals join; "and" and several "≠" restrict
      const bool restrict_all = every_unequal || (e.index == 1 && relations);
      Region out = all[0];
      for (size_t i = 1; i < all.size(); ++i) {
        if (restrict_all) {
          const auto both = intersect(out, all[i], c);
          if (!both) return std::nullopt;
          out = *both;
        } else {
          out.parts.insert(out.parts.end(), all[i].parts.begin(), all[i].parts.end());
        }
      }
      if (!restrict_all) {
        const Region joined = normal(out.parts, c);
        // "x > 2, x < 5": a comma between overlapping half lines means both
        if (e.index == 0 && relations && joined.parts.size() == 1 && !joined.parts[0].low && !joined.parts[0].high) {
          Region both = all[0];
          for (size_t i = 1; i < all.size(); ++i) {
            const auto x = intersect(both, all[i], c);
            if (!x) return std::nullopt;
            both = *x;
          }
          return both;
        }
        return joined;
      }
      return out;
    }
    default: return std::nullopt;
  }
}

bool equal_regions(const Region& gold, const Region& answer, Comparison& c) {
  if (gold.parts.size() != answer.parts.size()) return false;
  for (size_t i = 0; i < gold.parts.size(); ++i) {
    const Interval &g = gold.parts[i], &a = answer.parts[i];
    if (!g.low != !a.low || !g.high != !a.high || g.low_open != a.low_open || g.high_open != a.high_open) return false;
    if (g.low && !equal_scalars(*g.low, *a.low, c)) return false;
    if (g.high && !equal_scalars(*g.high, *a.high, c)) return false;
  }
  return true;
}

}  // namespace foil::verify
