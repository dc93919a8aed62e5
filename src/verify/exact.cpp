// Exact rational values of constant expressions.
#include <algorithm>

#include "verify/algebra.h"

namespace foil::verify {

namespace {

std::optional<Rational> exact_power(const Rational& base, const Rational& exponent, Budget& budget) {
  if (exponent.is_integer()) {
    const auto n = exponent.small();
    if (!n) return std::nullopt;
    auto r = power(base, *n, kMaxBits);
    if (r) budget.spend(1 + r->bits() / 32);
    return r;
  }
  const Rational d = [&] {
    Rational r;
    fmpz_set(r.num(), exponent.den());
    return r;
  }();
  const auto root_index = d.small();
  if (!root_index || *root_index > 64) return std::nullopt;
  budget.spend(8 + base.bits() / 16);
  const auto root = exact_root(base, *root_index);
  if (!root) return std::nullopt;
  Rational n;
  fmpz_set(n.num(), exponent.num());
  return exact_power(*root, n, budget);
}

}  // namespace

std::optional<Rational> exact_rational(const Expr& e, Budget& budget, const Assignment* point) {
  budget.spend(1);
  switch (e.kind) {
    case Kind::kNumber: case Kind::kBase: return value_of(e);
    case Kind::kSymbol: {
      if (!point) return std::nullopt;
      const auto at = std::find_if(point->begin(), point->end(), [&](const auto& p) { return p.first == e.name; });
      return at == point->end() ? std::nullopt : std::optional(at->second);
    }
    case Kind::kAdd: {
      Rational sum;
      for (uint32_t i = 0; i < e.count; ++i) {
        const auto x = exact_rational(e[i], budget, point);
        if (!x) return std::nullopt;
        sum = sum + *x;
      }
      budget.spend(sum.bits() / 64);
      return sum;
    }
    case Kind::kMul: {
      Rational product(1);
      for (uint32_t i = 0; i < e.count; ++i) {
        const auto x = exact_rational(e[i], budget, point);
        if (!x) return std::nullopt;
        product = product * *x;
        if (product.bits() > kMaxBits) return std::nullopt;
      }
      budget.spend(product.bits() / 64);
      return product;
    }
    case Kind::kPow: {
      const auto base = exact_rational(e[0], budget, point);
      if (!base) return std::nullopt;
      const auto exponent = exact_rational(e[1], budget, point);
      if (!exponent) return std::nullopt;
      return exact_power(*base, *exponent, budget);
    }
    case Kind::kPercent: {
      const auto x = exact_rational(e[0], budget, point);
      if (!x) return std::nullopt;
      return *x / Rational(100);
    }
    case Kind::kQuantity: {
      if (e.name == "deg") return std::nullopt;
      const auto x = exact_rational(e[0], budget, point);
      if (!x) return std::nullopt;
      return *x * value_of(e);
    }
    case Kind::kRatio: {
      if (e.count != 2) return std::nullopt;
      const auto x = exact_rational(e[0], budget, point), y = exact_rational(e[1], budget, point);
      if (!x || !y || y->is_zero()) return std::nullopt;
      return *x / *y;
    }
    case Kind::kCall: break;
    default: return std::nullopt;
  }
  if (e.count == 0) return std::nullopt;
  std::vector<Rational> x;
  for (uint32_t i = 0; i < e.count; ++i) {
    auto v = exact_rational(e[i], budget, point);
    if (!v) return std::nullopt;
    x.push_back(std::move(*v));
  }
  switch (e.fn) {
    case Fn::kSqrt: return exact_power(x[0], Rational(1, 2), budget);
    case Fn::kRoot:
      if (!x[1].is_integer() || x[1].sign() <= 0) return std::nullopt;
      return exact_power(x[0], Rational(1) / x[1], budget);
    case Fn::kAbs: return x[0].abs();
    case Fn::kFloor: return x[0].floor();
    case Fn::kCeil: return x[0].ceil();
    case Fn::kSign: return Rational(x[0].sign());
    case Fn::kFactorial: case Fn::kDoubleFactorial: {
      const auto n = x[0].small();
      if (!n || *n < 0 || *n > 4000) return std::nullopt;
      Rational r(1);
      budget.spend(*n / 4 + 1);
      if (e.fn == Fn::kFactorial) {
        fmpz_fac_ui(r.num(), static_cast<ulong>(*n));
      } else {
        for (int64_t k = *n; k > 1; k -= 2) fmpz_mul_ui(r.num(), r.num(), static_cast<ulong>(k));
      }
      return r;
    }
    case Fn::kBinomial: {
      const auto n = x[0].small(), k = x[1].small();
      if (!n || !k || *n < 0 || *n > 20'000) return std::nullopt;
      if (*k < 0 || *k > *n) return Rational(0);
      Rational r(1);
      budget.spend(*n / 4 + 1);
      fmpz_bin_uiui(r.num(), static_cast<ulong>(*n), static_cast<ulong>(*k));
      return r;
    }
    case Fn::kMax: return *std::max_element(x.begin(), x.end());
    case Fn::kMin: return *std::min_element(x.begin(), x.end());
    case Fn::kGcd: case Fn::kLcm: {
      // of rationals: the largest number that both are whole multiples of, the smallest that is one of both
      Rational r = x[0].abs();
      for (size_t i = 1; i < x.size(); ++i) {
        Rational g;
        fmpq_gcd(g.get(), r.get(), x[i].get());
        r = e.fn == Fn::kGcd || g.is_zero() ? g : (r * x[i] / g).abs();
      }
      return r;
    }
    case Fn::kMod:  // x − y⌊x/y⌋: the sign of y
      if (x.size() != 2 || x[1].is_zero()) return std::nullopt;
      return x[0] - x[1] * (x[0] / x[1]).floor();
    case Fn::kLn: case Fn::kLog:
      if (x[0].is_one()) return Rational(0);
      if (x.size() == 2) {
        // log_b b^k with both positive powers of one base, found by exact division
        if (x[0].sign() <= 0 || x[1].sign() <= 0 || x[1].is_one() || x[0].bits() > 4000) return std::nullopt;
        Rational b = x[1], v = x[0];
        int64_t sign = 1;
        if (b < Rational(1)) {
          b = Rational(1) / b;
          sign = -sign;
        }
        if (v < Rational(1)) {
          v = Rational(1) / v;
          sign = -sign;
        }
        int64_t k = 0;
        while (Rational(1) < v && k < 4000) {
          budget.spend(2);
          v = v / b;
          ++k;
        }
        if (v.is_one()) return Rational(sign * k);
      }
      return std::nullopt;
    case Fn::kExp:
      if (x[0].is_zero()) return Rational(1);
      return std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace foil::verify
