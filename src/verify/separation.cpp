// Root separation: how small a nonzero algebraic constant can be.
#include <algorithm>
#include <cmath>

#include "verify/algebra.h"

namespace foil::verify {

namespace {

// BFMSS for real and complex algebraic expressions: value = U/L form with logarithmic sizes u, l and a degree.
struct Bound {
  double u = 0, l = 0;   // log2 upper bounds of the numerator's conjugates and the denominator's
  double degree = 1;
};

// e with π (and i) replaced by 1 and degrees by 1/180.
const Expr* with_unit_pi(Arena& arena, const Expr& x) {
  if (x.is(Kind::kPi) || x.is(Kind::kI)) return arena.number(1);
  if (x.is(Kind::kQuantity) && x.name == "deg") return arena.div(with_unit_pi(arena, x[0]), arena.number(180));
  if (x.count == 0) return &x;
  Expr* copy = arena.make(x.kind);
  *copy = x;
  std::vector<const Expr*> args;
  for (uint32_t i = 0; i < x.count; ++i) args.push_back(with_unit_pi(arena, x[i]));
  arena.set_args(copy, args.data(), args.size());
  return copy;
}

// r when e is r·π (or r·iπ) for a rational r.
std::optional<Rational> multiple_of_pi(const Expr& e, bool imaginary, Budget& budget) {
  if (!any(e, [](const Expr& x) { return x.is(Kind::kPi) || (x.is(Kind::kQuantity) && x.name == "deg"); })) return std::nullopt;
  Arena arena;
  const auto r = exact_rational(*with_unit_pi(arena, e), budget);
  if (!r) return std::nullopt;
  const Expr* claim = arena.mul(arena.number(*r), arena.make(Kind::kPi));
  if (imaginary) claim = arena.mul(claim, arena.make(Kind::kI));
  if (!proves_equal(e, *claim, budget)) return std::nullopt;
  return r;
}

bool bound(const Expr& e, Bound& out, Budget& budget) {
  budget.spend(2);
  switch (e.kind) {
    case Kind::kNumber: case Kind::kBase: {
      out.u = static_cast<double>(fmpz_bits(&e.number.num)) + 0.001;
      out.l = static_cast<double>(fmpz_bits(&e.number.den)) + 0.001;
      return true;
    }
    case Kind::kI: out.degree = 2; return true;
    case Kind::kPercent: {
      if (!bound(e[0], out, budget)) return false;
      out.l += 7;
      return true;
    }
    case Kind::kAdd: case Kind::kMul: {
      out = Bound{};
      if (e.is(Kind::kAdd)) out.u = -1e9;
      for (uint32_t i = 0; i < e.count; ++i) {
        Bound b;
        if (!bound(e[i], b, budget)) return false;
        out.degree *= b.degree;
        if (e.is(Kind::kMul)) {
          out.u += b.u;
          out.l += b.l;
        } else {
          const double x = out.u + b.l, y = b.u + out.l;
          out.u = std::max(x, y) + (i ? 1 : 0);
          if (i == 0) out.u = b.u;
          out.l += b.l;
        }
      }
      return true;
    }
    case Kind::kPow: {
      if (e[0].is(Kind::kE)) {
        // e^{iπr}: a root of unity
        const auto turn = multiple_of_pi(e[1], true, budget);
        if (!turn || !fmpz_fits_si(turn->den()) || fmpz_get_si(turn->den()) > 400) return false;
        out.degree = 2 * static_cast<double>(fmpz_get_si(turn->den()));
        return true;
      }
      const auto r = exact_rational(e[1], budget);
      if (!r || !bound(e[0], out, budget)) return false;
      if (!fmpz_fits_si(r->num()) || !fmpz_fits_si(r->den())) return false;
      double n = static_cast<double>(fmpz_get_si(r->num()));
      const double d = static_cast<double>(fmpz_get_si(r->den()));
      if (n < 0) {
        std::swap(out.u, out.l);
        n = -n;
      }
      if (d > 64 || n > 4096) return false;
      out.u *= n;
      out.l *= n;
      if (d > 1) {
        // (u/l)^(1/d) = (u·l^(d−1))^(1/d) / l
        out.u = (out.u + (d - 1) * out.l) / d;
        out.degree *= d;
      }
      return true;
    }
    case Kind::kCall: {
      if (e.fn == Fn::kSqrt || e.fn == Fn::kRoot) {
        double d = 2;
        if (e.fn == Fn::kRoot) {
          const auto n = exact_rational(e[1], budget);
          if (!n || !n->small() || *n->small() < 1 || *n->small() > 64) return false;
          d = static_cast<double>(*n->small());
        }
        if (!bound(e[0], out, budget)) return false;
        out.u = (out.u + (d - 1) * out.l) / d;
        out.degree *= d;
        return true;
      }
      if (e.fn == Fn::kAbs) {
        if (!bound(e[0], out, budget)) return false;
        out.degree *= 2;
        return true;
      }
      if (e.fn == Fn::kSin || e.fn == Fn::kCos || e.fn == Fn::kTan || e.fn == Fn::kCot || e.fn == Fn::kSec || e.fn == Fn::kCsc) {
        // at a rational multiple of π: 2cos, 2sin are algebraic integers with conjugates at most 2, degree at most 2q
        const auto r = multiple_of_pi(e[0], false, budget);
        if (!r) return false;
        if (!fmpz_fits_si(r->den()) || fmpz_get_si(r->den()) > 400) return false;
        const double q = static_cast<double>(fmpz_get_si(r->den()));
        out.u = 1;
        out.l = 1;
        out.degree = 2 * q;
        if (e.fn == Fn::kSec || e.fn == Fn::kCsc || e.fn == Fn::kTan || e.fn == Fn::kCot) {
          // quotients of two such numbers in the same field
          out.u = 1;
          out.l = 1;
        }
        return true;
      }
      return false;
    }
    default: return false;
  }
}

}  // namespace

std::optional<int64_t> separation_bits(const Expr& e, Budget& budget) {
  Bound b;
  if (!bound(e, b, budget)) return std::nullopt;
  const double bits = (b.degree - 1) * std::max(b.u, 0.0) + b.l + 8;
  if (!(bits < 12'000)) return std::nullopt;
  return static_cast<int64_t>(bits) + 16;
}

}  // namespace foil::verify
