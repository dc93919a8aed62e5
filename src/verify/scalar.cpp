// Equality of scalar expressions: exact values, proofs by generators, separation bounds, and rigorous balls.
#include <algorithm>
#include <set>

#include "base/random.h"
#include "verify/algebra.h"
#include "verify/ball.h"
#include "verify/compare.h"

namespace foil::verify {

namespace {

constexpr slong kFunctionPrecision = 640;  // functions at random points; more for values of a large scale (more_bits)
constexpr slong kAgreement = 300;          // … agree where |a − b| < 2^−300 · max(|a|, 1)
constexpr slong kFinalPrecision = 1024;  // "numeric" equality of constants: |a − b| < 2^−900 · max(|a|, 1)

// ±1 for ±∞, 0 for anything else.
int infinite_sign(const Expr& e) {
  if (e.is(Kind::kInfinity)) return 1;
  if (e.is(Kind::kMul)) {
    int s = 1;
    bool infinite = false;
    for (uint32_t i = 0; i < e.count; ++i) {
      if (e[i].is(Kind::kNumber)) s *= fmpz_sgn(&e[i].number.num);
      else if (e[i].is(Kind::kInfinity)) infinite = true;
      else return 0;
    }
    return infinite ? s : 0;
  }
  return 0;
}

void collect_variables(const Expr& e, std::set<std::string_view>& out) {
  if (e.is(Kind::kSymbol)) out.insert(e.name);
  for (uint32_t i = 0; i < e.count; ++i) collect_variables(e[i], out);
}

// Names that usually stand for a real number.
bool real_name(std::string_view name) { return std::string_view("xyztuvwrs").find(name[0]) != std::string_view::npos; }

// Variables that only make sense as integers: under !, binomials, gcd, over a negative base; under ⌊⌋ and mod unless x, y, t ….
void collect_integers(const Expr& e, bool inside, std::set<std::string_view>& out) {
  if (inside && e.is(Kind::kSymbol)) out.insert(e.name);
  const bool steps = e.is(Kind::kCall) && (e.fn == Fn::kFloor || e.fn == Fn::kCeil || e.fn == Fn::kMod);
  if (steps && !inside) any(e, [&](const Expr& x) {
    if (x.is(Kind::kSymbol) && !real_name(x.name)) out.insert(x.name);
    return false;
  });
  const bool integral = e.is(Kind::kCall) && (e.fn == Fn::kFactorial || e.fn == Fn::kDoubleFactorial || e.fn == Fn::kBinomial || e.fn == Fn::kGcd || e.fn == Fn::kLcm);
  for (uint32_t i = 0; i < e.count; ++i) {
    const bool negative_base = e.is(Kind::kPow) && i == 1 && e[0].is(Kind::kNumber) && fmpz_sgn(&e[0].number.num) < 0;
    collect_integers(e[i], inside || integral || negative_base, out);
  }
}

bool jumps(const Expr& e) {
  if (!e.is(Kind::kCall)) return false;
  switch (e.fn) {
    case Fn::kAbs: case Fn::kMax: case Fn::kMin: case Fn::kSign: case Fn::kFloor: case Fn::kCeil: case Fn::kMod: return true;
    default: return false;
  }
}

// Whole numbers written under ⌊⌋, | |, max: at them and beside them the value changes its course.
constexpr size_t kMostJumps = 24;  // … of them are tried, the smallest
void collect_jumps(const Expr& e, bool inside, std::set<int64_t>& out) {
  inside = inside || jumps(e);
  if (inside && e.is(Kind::kNumber)) {
    const Rational value = value_of(e).abs();
    for (const Rational& part : {value, value.is_zero() ? value : Rational(1) / value})
      if (const auto n = part.is_integer() ? part.small() : std::nullopt; n && *n > 1 && *n < (int64_t{1} << 40))
        out.insert({*n - 1, *n, *n + 1, 2 * *n});
  }
  for (uint32_t i = 0; i < e.count; ++i) collect_jumps(e[i], inside, out);
}

bool contains(const Expr& e, Kind kind) {
  return any(e, [&](const Expr& x) { return x.is(kind); });
}
bool bare_log(const Expr& e) {
  return any(e, [](const Expr& x) { return x.is(Kind::kCall) && x.fn == Fn::kLog && x.count == 1; });
}

// How close: 1 proven different, 0 not told apart, −1 no value.
int tell_apart(const Expr& a, const Expr& b, BallContext& bc, Ball* difference = nullptr) {
  Ball x, y;
  const bool dx = evaluate(a, bc, x), dy = evaluate(b, bc, y);
  if (!dx || !dy) return dx == dy ? -1 : -2;
  acb_sub(x.get(), x.get(), y.get(), bc.precision);
  if (difference) *difference = x;
  return x.contains_zero() ? 0 : 1;
}

bool below_power(const Ball& z, slong exponent) {
  mag_t m;
  mag_init(m);
  acb_get_mag(m, z.get());
  const bool below = mag_cmp_2exp_si(m, exponent) < 0;
  mag_clear(m);
  return below;
}

bool equal_constants(const Expr& a, const Expr& b, bool base_ten, Comparison& c) {
  bool tried_exact = false;
  int last = -1;
  double scale = 0;
  for (const slong p : {slong{64}, slong{256}, kFinalPrecision}) {
    const auto more = p == kFinalPrecision ? more_bits(scale) : 0;
    BallContext bc{c.budget, p + more.value_or(0)};
    if (p < kFinalPrecision) bc.scale = &scale;
    bc.complex_allowed = true;
    bc.log_is_base_ten = base_ten;
    Ball d;
    last = tell_apart(a, b, bc, &d);
    if (last == 1) {
      c.rule = "numeric";
      return false;
    }
    if (last < 0) continue;
    if (!tried_exact) {
      tried_exact = true;
      if (const Identity id = identity(a, b, c.budget); id != Identity::kUnknown) {
        c.rule = "algebraic";
        return id == Identity::kEqual;
      }
      const Expr* difference = c.arena.sub(&a, &b);
      if (const auto bits = separation_bits(*difference, c.budget)) {
        for (const slong q : {static_cast<slong>(*bits + 128), static_cast<slong>(2 * *bits + 1024)}) {
          BallContext exact{c.budget, q};
          exact.complex_allowed = true;
          const int told = tell_apart(a, b, exact, &d);
          if (told == 1) {
            c.rule = "algebraic";
            return false;
          }
          if (told == 0 && below_power(d, -static_cast<slong>(*bits))) {
            c.rule = "algebraic";
            return true;
          }
        }
      }
    }
    if (p == kFinalPrecision) {
      if (below_power(d, -600 - more.value_or(0) / 2)) {
        c.rule = "numeric";
        return true;
      }
      // large numbers: relative to their size, unless a difference of one would not show
      Ball x;
      if (more && evaluate(a, bc, x)) {
        acb_div(d.get(), d.get(), x.get(), bc.precision);
        if (d.finite() && below_power(d, -600 - *more)) {
          c.rule = "numeric";
          return true;
        }
      }
    }
  }
  if (last == -2) {
    c.rule = "numeric";
    c.note = "one side has no value";
    return false;
  }
  // No numeric value: towers of powers and other giants are compared part by part.
  if (proves_equal(a, b, c.budget)) {
    c.rule = "algebraic";
    return true;
  }
  if (a.kind == b.kind && a.fn == b.fn && a.count == b.count && a.count > 0 && (a.is(Kind::kPow) || (a.is(Kind::kCall) && a.name == b.name)) && ++c.depth < kMaxDepth) {
    for (uint32_t i = 0; i < a.count; ++i)
      if (!equal_exactly(a[i], b[i], c)) {
        c.rule = "structure";
        c.note = "too large to evaluate; compared part by part";
        return false;
      }
    c.rule = "structure";
    return true;
  }
  c.rule = "structure";
  c.note = "no numeric value; not shown equal";
  return false;
}

bool equal_functions(const Expr& a, const Expr& b, bool base_ten, const std::vector<std::string_view>& names, Comparison& c) {
  std::set<std::string_view> integers;
  collect_integers(a, false, integers);
  collect_integers(b, false, integers);
  const bool complex_allowed = contains(a, Kind::kI) || contains(b, Kind::kI);
  // |x − 1000|, max(x, 100), ⌊n/1000⌋ change far out
  const bool far_out = any(a, jumps) || any(b, jumps);
  std::set<int64_t> jump_points;
  collect_jumps(a, false, jump_points);
  collect_jumps(b, false, jump_points);
  std::vector<int64_t> turning(jump_points.begin(), jump_points.end());
  turning.resize(std::min(turning.size(), kMostJumps));
  Stream random(0x5eed, 7);
  bool exact_tried = false;
  const auto attempt = [&](bool all_integers, bool complex) -> int {  // 1 equal, 0 different, −1 no points
    int agreed = 0;
    const bool integral = all_integers || !integers.empty();
    const int points = integral ? 40 : 20;
    for (int k = names.size() == 1 ? -static_cast<int>(turning.size()) : 0; k < points; ++k) {
      Assignment point;
      for (const std::string_view name : names) {
        if (k < 0) {
          point.emplace_back(name, Rational(turning[static_cast<size_t>(-1 - k)]));
        } else if (all_integers || integers.count(name)) {
          // small consecutive values first (residues, floors), then some larger
          int64_t v = names.size() == 1 && k < 26 ? k + 1 : k % 3 == 2 ? random.between(20, 120) : random.between(1, 14);
          if (far_out && k >= 32) v = k >= 36 ? random.between(1000, 9000) : random.between(100, 1000);
          point.emplace_back(name, Rational(v));
        } else {
          // positive first, then negative, then mixed; 30 random bits
          const int64_t r = random.between(1 << 20, 5 << 20);
          const bool negative = k % 4 == 1 || (k % 4 == 3 && random.chance(0.5));
          if (far_out && k % 5 == 2) {  // where steps may jump
            point.emplace_back(name, Rational((negative ? -r : r) >> 19));
            continue;
          }
          const int64_t far = far_out && k >= 6 ? k >= 9 ? 1000 : 40 : 1;
          point.emplace_back(name, Rational((negative ? -r : r) * far, (1 << 20) + 7 * (k + 1)));
        }
      }
      double scale = 0;
      for (const slong p : {slong{96}, kFunctionPrecision}) {
        const auto more = p == kFunctionPrecision ? more_bits(scale) : 0;
        if (!more) break;
        BallContext bc{c.budget, p + *more, &point};
        if (p < kFunctionPrecision) bc.scale = &scale;
        bc.log_is_base_ten = base_ten;
        bc.complex_allowed = complex;
        Ball d;
        const int told = tell_apart(a, b, bc, &d);
        if (told == 1) return 0;
        if (told < 0) break;
        if (!exact_tried) {
          exact_tried = true;
          if (const Identity id = identity(a, b, c.budget); id != Identity::kUnknown) {
            c.rule = "polynomial";
            return id == Identity::kEqual ? 1 : 0;
          }
        }
        if (p < kFunctionPrecision) continue;
        if (below_power(d, -kAgreement - *more / 2)) {
          ++agreed;
          break;
        }
        Ball x;
        if (evaluate(a, bc, x)) {
          acb_div(d.get(), d.get(), x.get(), bc.precision);
          if (d.finite() && below_power(d, -kAgreement - *more)) {
            ++agreed;
            break;
          }
        }
      }
      if (!integral && agreed >= 10 && k >= 11) break;
    }
    return agreed >= (integral ? 8 : 5) ? 1 : -1;
  };
  c.rule = "";
  int r = attempt(false, complex_allowed);
  if (r < 0) r = attempt(true, complex_allowed);
  if (r < 0 && !complex_allowed) r = attempt(false, true);
  if (r < 0) {
    if (!exact_tried && proves_equal(a, b, c.budget)) {
      c.rule = "polynomial";
      return true;
    }
    c.rule = "structure";
    c.note = "too few points where both sides have a value";
    return false;
  }
  if (c.rule.empty()) c.rule = "numeric";
  return r == 1;
}

struct Decimal {
  Rational value;
  int64_t digits = 0, significant = 0;  // decimals after the point; significant digits as written
};

// A literal with a decimal point or exponent: 0.33, −2.50, 1.2·10^−3.
std::optional<Decimal> decimal(const Expr& e) {
  if (e.is(Kind::kNumber)) {
    if (!e.flag) return std::nullopt;
    return Decimal{value_of(e), e.digits, e.significant};
  }
  if (e.is(Kind::kPercent)) {
    auto d = decimal(e[0]);
    if (!d) return std::nullopt;
    return Decimal{d->value / Rational(100), d->digits + 2, d->significant};
  }
  if (e.is(Kind::kMul) && e.count == 2) {
    if (e[0].is(Kind::kNumber) && value_of(e[0]) == Rational(-1)) {
      auto d = decimal(e[1]);
      if (!d) return std::nullopt;
      d->value = -d->value;
      return d;
    }
    if (e[0].is(Kind::kNumber) && e[0].flag && e[1].is(Kind::kPow) && e[1][0].is(Kind::kNumber) && value_of(e[1][0]) == Rational(10) && e[1][1].is(Kind::kNumber)) {
      const auto k = value_of(e[1][1]).small();
      if (!k || *k > 5000 || *k < -5000) return std::nullopt;
      return Decimal{value_of(e[0]) * power_of_ten(*k), e[0].digits - *k, e[0].significant};
    }
  }
  return std::nullopt;
}

// |value of e − q| ≤ limit (or < when strict), decided rigorously.
bool within(const Expr& e, const Rational& q, const Rational& limit, bool strict, Comparison& c) {
  if (const auto x = exact_rational(e, c.budget)) {
    const Rational d = (*x - q).abs();
    return strict ? d < limit : !(limit < d);
  }
  BallContext bc{c.budget, 192};
  bc.complex_allowed = true;
  Ball z;
  if (!evaluate(e, bc, z)) return false;
  Ball t;
  acb_set_fmpq(t.get(), q.get(), 192);
  acb_sub(z.get(), z.get(), t.get(), 192);
  arb_t d, l;
  arb_init(d);
  arb_init(l);
  acb_abs(d, z.get(), 192);
  arb_set_fmpq(l, limit.get(), 192);
  const bool ok = arb_lt(d, l);
  arb_clear(d);
  arb_clear(l);
  return ok;
}

bool rounds_to(const Expr& gold, const Expr& answer, Comparison& c) {
  const auto g = decimal(gold), a = decimal(answer);
  if (!g && !a) return false;
  if (!variables(gold).empty() || !variables(answer).empty()) return false;
  if (g) {
    if (g->significant < 2 || g->digits > 4000 || g->digits < -4000) return false;
    if (a && (a->significant < g->significant + 2 || g->significant < 3)) return false;
    return within(answer, g->value, power_of_ten(-g->digits) * Rational(1, 2), false, c);
  }
  // An exact gold: a decimal must carry at least six significant digits, rounded or cut off. An integer has no digits to cut off.
  if (const auto r = exact_rational(gold, c.budget); r && r->is_integer()) return false;
  if (a->significant < 6 || a->digits > 4000 || a->digits < -4000) return false;
  const Rational unit = power_of_ten(-a->digits), half = unit * Rational(1, 2);
  if (a->significant >= 15) return within(gold, a->value, unit * Rational(4), true, c);  // a float as a machine prints it
  return within(gold, a->value, half, false, c) || within(gold, a->value + (a->value.sign() < 0 ? -half : half), half, true, c);
}

}  // namespace

std::vector<std::string_view> variables(const Expr& e) {
  std::set<std::string_view> set;
  collect_variables(e, set);
  return {set.begin(), set.end()};
}

bool is_scalar(const Expr& e) {
  switch (e.kind) {
    case Kind::kNumber: case Kind::kBase: case Kind::kSymbol: case Kind::kPi: case Kind::kE: case Kind::kI: case Kind::kInfinity: return true;
    case Kind::kAdd: case Kind::kMul: case Kind::kPow: case Kind::kCall: case Kind::kPercent: case Kind::kQuantity: case Kind::kPlusMinus:
      for (uint32_t i = 0; i < e.count; ++i)
        if (!is_scalar(e[i])) return false;
      return true;
    case Kind::kOpaque: return true;
    case Kind::kRatio: return e.count == 2;
    default: return false;
  }
}

bool equal_exactly(const Expr& a, const Expr& b, Comparison& c) {
  c.budget.spend(1);
  if (same(a, b)) {
    c.rule = "identical";
    return true;
  }
  if (a.is(Kind::kLong) || b.is(Kind::kLong)) {
    c.rule = "digits";
    return false;
  }
  const int ia = infinite_sign(a), ib = infinite_sign(b);
  if (ia || ib) {
    c.rule = "infinity";
    return ia == ib;
  }
  if (a.is(Kind::kNumber) && b.is(Kind::kNumber)) {
    c.rule = "rational";
    return value_of(a) == value_of(b);
  }
  {
    const auto x = exact_rational(a, c.budget);
    if (x) {
      const auto y = exact_rational(b, c.budget);
      if (y) {
        c.rule = "rational";
        return *x == *y;
      }
    }
  }
  std::set<std::string_view> names;
  collect_variables(a, names);
  collect_variables(b, names);
  const std::vector<std::string_view> list(names.begin(), names.end());
  const int bases = bare_log(a) || bare_log(b) ? 2 : 1;
  for (int ten = 0; ten < bases; ++ten)
    if (list.empty() ? equal_constants(a, b, ten == 1, c) : equal_functions(a, b, ten == 1, list, c)) return true;
  return false;
}

bool equal_scalars(const Expr& gold, const Expr& answer, Comparison& c) {
  if (equal_exactly(gold, answer, c)) return true;
  if (c.options.round_to_gold) {
    const std::string rule = c.rule;
    if (rounds_to(gold, answer, c)) {
      c.rule = "rounded";
      return true;
    }
    c.rule = rule;
  }
  return false;
}

bool proportional(const Expr& a, const Expr& b, bool positive, Comparison& c) {
  const Expr* zero = c.arena.number(0);
  std::set<std::string_view> names;
  collect_variables(a, names);
  collect_variables(b, names);
  if (names.empty()) return false;
  const bool complex_allowed = contains(a, Kind::kI) || contains(b, Kind::kI);
  if (!positive && proves_proportional(a, *zero, b, *zero, c.budget)) return true;
  // The ratio at random points is one constant.
  Stream random(0x5eed, 11);
  Ball first;
  int agreed = 0;
  for (int k = 0; k < 24 && agreed < 8; ++k) {
    Assignment point;
    for (const std::string_view name : names) {
      const int64_t r = random.between(1 << 20, 5 << 20);
      point.emplace_back(name, Rational(k % 2 && random.chance(0.6) ? -r : r, (1 << 20) + 7 * (k + 1)));
    }
    BallContext bc{c.budget, 192, &point};
    bc.complex_allowed = complex_allowed;
    Ball x, y;
    if (!evaluate(a, bc, x) || !evaluate(b, bc, y)) continue;
    if (y.contains_zero() || x.contains_zero()) continue;
    acb_div(x.get(), x.get(), y.get(), 192);
    if (positive && (!x.real() || !arb_is_positive(acb_realref(x.get())))) return false;
    if (agreed == 0) {
      first = x;
    } else {
      if (!acb_overlaps(first.get(), x.get())) return false;
    }
    ++agreed;
  }
  return agreed >= 5;
}

}  // namespace foil::verify
