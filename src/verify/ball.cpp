#include "verify/ball.h"
#include "verify/algebra.h"

#include <acb_hypgeom.h>
#include <arb_hypgeom.h>

#include "base/random.h"

namespace foil::verify {

namespace {

class Evaluator {
 public:
  explicit Evaluator(BallContext& c) : c_(c), p_(c.precision) {}

  bool run(const Expr& e, acb_ptr out) {
    if (!compute(e, out)) return false;
    if (c_.scale) note_scale(e, out);
    return true;
  }

 private:
  void note_scale(const Expr& e, acb_srcptr value) {
    double& scale = *c_.scale;
    if (e.is(Kind::kNumber)) scale = std::max(scale, static_cast<double>(std::max(fmpz_bits(&e.number.num), fmpz_bits(&e.number.den))));
    mag_t m;
    mag_init(m);
    acb_get_mag(m, value);
    if (!mag_is_special(m)) scale = std::max(scale, mag_get_d_log2_approx(m));
    acb_get_mag_lower(m, value);
    if (!mag_is_special(m)) scale = std::max(scale, -mag_get_d_log2_approx(m));
    mag_clear(m);
  }

  bool compute(const Expr& e, acb_ptr out) {
    c_.budget.spend(1 + p_ / 64);
    switch (e.kind) {
      case Kind::kNumber: case Kind::kBase: {
        fmpq_t q = {{e.number.num, e.number.den}};
        acb_set_fmpq(out, q, p_);
        return true;
      }
      case Kind::kSymbol:
        if (c_.point)
          for (const auto& [name, value] : *c_.point)
            if (name == e.name) {
              acb_set_fmpq(out, value.get(), p_);
              return true;
            }
        return false;
      case Kind::kPi: acb_const_pi(out, p_); return true;
      case Kind::kE:
        arb_const_e(acb_realref(out), p_);
        arb_zero(acb_imagref(out));
        return true;
      case Kind::kI: acb_onei(out); return true;
      case Kind::kAdd: case Kind::kMul: {
        Ball term;
        for (uint32_t i = 0; i < e.count; ++i) {
          if (!run(e[i], i ? term.get() : out)) return false;
          if (i && e.is(Kind::kAdd)) acb_add(out, out, term.get(), p_);
          if (i && e.is(Kind::kMul)) acb_mul(out, out, term.get(), p_);
        }
        return acb_is_finite(out);
      }
      case Kind::kPow: return power(e[0], e[1], out);
      case Kind::kCall: return call(e, out);
      case Kind::kPercent:
        if (!run(e[0], out)) return false;
        acb_div_ui(out, out, 100, p_);
        return true;
      case Kind::kQuantity:
        if (!run(e[0], out)) return false;
        if (e.name == "deg") {
          Ball pi;
          acb_const_pi(pi.get(), p_);
          acb_mul(out, out, pi.get(), p_);
          acb_div_ui(out, out, 180, p_);
        } else {
          Ball f;
          acb_set_fmpq(f.get(), value_of(e).get(), p_);
          acb_mul(out, out, f.get(), p_);
        }
        return true;
      case Kind::kRatio: {
        if (e.count != 2) return false;
        Ball second;
        if (!run(e[0], out) || !run(e[1], second.get()) || second.contains_zero()) return false;
        acb_div(out, out, second.get(), p_);
        return acb_is_finite(out);
      }
      case Kind::kOpaque: case Kind::kRelation: case Kind::kTuple: return mixture(e, out);
      default: return false;
    }
  }

  // Integer exponents by repeated squaring; odd roots of negative reals are real.
  bool power(const Expr& base, const Expr& exponent, acb_ptr out) {
    if (exponent.is(Kind::kNumber)) {
      const Rational r = value_of(exponent);
      if (!run(base, out)) return false;
      if (const auto n = r.small(); n && *n > -(int64_t{1} << 40) && *n < (int64_t{1} << 40)) {
        if (*n < 0 && acb_contains_zero(out)) return false;
        c_.budget.spend(16);
        fmpz_t k;
        fmpz_init_set_si(k, *n);
        acb_pow_fmpz(out, out, k, p_);
        fmpz_clear(k);
        return acb_is_finite(out);
      }
      if (r.is_integer()) return general_power(out, exponent);
      if (fmpz_fits_si(r.den()) && fmpz_fits_si(r.num())) return rational_power(out, fmpz_get_si(r.num()), fmpz_get_si(r.den()));
      return general_power(out, exponent);
    }
    if (base.is(Kind::kE)) {
      if (!run(exponent, out)) return false;
      return exponential(out);
    }
    // x^{a/b} written as a quotient
    if (exponent.is(Kind::kMul) && exponent.count == 2 && exponent[0].is(Kind::kNumber) && exponent[1].is(Kind::kPow) && exponent[1][0].is(Kind::kNumber) && exponent[1][1].is(Kind::kNumber) &&
        value_of(exponent[1][1]) == Rational(-1) && !value_of(exponent[1][0]).is_zero()) {
      const Rational r = value_of(exponent[0]) / value_of(exponent[1][0]);
      if (fmpz_fits_si(r.num()) && fmpz_fits_si(r.den())) {
        if (!run(base, out)) return false;
        return rational_power(out, fmpz_get_si(r.num()), fmpz_get_si(r.den()));
      }
    }
    if (!run(base, out)) return false;
    return general_power(out, exponent);
  }

  bool rational_power(acb_ptr out, slong n, slong d) {
    c_.budget.spend(32);
    if (n < 0 && acb_contains_zero(out)) return false;
    const bool real = arb_is_zero(acb_imagref(out));
    bool flip = false;
    if (d % 2 == 0 || d > 1'000'000) {
      if (real && !arb_is_nonnegative(acb_realref(out))) {
        if (!arb_is_negative(acb_realref(out))) return d == 2 && contains_zero_root(out, n);
        if (!c_.complex_allowed) return false;
      }
    } else if (real) {
      if (arb_is_negative(acb_realref(out))) {
        flip = n % 2 != 0;
        arb_neg(acb_realref(out), acb_realref(out));
      } else if (!arb_is_nonnegative(acb_realref(out)) && !arb_is_zero(acb_realref(out))) {
        return false;  // the sign is not known at this precision
      }
    }
    if (real && arb_is_nonnegative(acb_realref(out))) {
      if (d == 2) arb_sqrt(acb_realref(out), acb_realref(out), p_);
      else if (d <= 1'000'000) arb_root_ui(acb_realref(out), acb_realref(out), static_cast<ulong>(d), p_);
      else {
        fmpq_t q;
        fmpq_init(q);
        fmpq_set_si(q, 1, static_cast<ulong>(d));
        arb_pow_fmpq(acb_realref(out), acb_realref(out), q, p_);
        fmpq_clear(q);
      }
      acb_pow_si(out, out, n, p_);
    } else {
      if (d == 2) acb_sqrt(out, out, p_);
      else acb_root_ui(out, out, static_cast<ulong>(d), p_);
      acb_pow_si(out, out, n, p_);
    }
    if (flip) acb_neg(out, out);
    return acb_is_finite(out);
  }
  // √ of a ball that straddles zero (an exact zero under a root): kept as a small ball around zero.
  bool contains_zero_root(acb_ptr out, slong n) {
    if (n != 1) return false;
    mag_t m;
    mag_init(m);
    arb_get_mag(m, acb_realref(out));
    mag_sqrt(m, m);
    arf_zero(arb_midref(acb_realref(out)));
    mag_set(arb_radref(acb_realref(out)), m);
    mag_set(arb_radref(acb_imagref(out)), m);
    arf_zero(arb_midref(acb_imagref(out)));
    mag_clear(m);
    return true;
  }

  bool exponential(acb_ptr out) {
    c_.budget.spend(64);
    // |exponent| beyond 2^50 is refused: the result would not fit any precision.
    if (arf_cmpabs_2exp_si(arb_midref(acb_realref(out)), 50) > 0 || arf_cmpabs_2exp_si(arb_midref(acb_imagref(out)), 50) > 0) return false;
    acb_exp(out, out, p_);
    return acb_is_finite(out);
  }

  bool general_power(acb_ptr base, const Expr& exponent) {
    Ball x;
    if (!run(exponent, x.get())) return false;
    c_.budget.spend(128);
    if (acb_contains_zero(base)) {
      if (!acb_is_zero(base) || !arb_is_positive(acb_realref(x.get()))) return false;
      acb_zero(base);
      return true;
    }
    const bool negative = arb_is_zero(acb_imagref(base)) && arb_is_negative(acb_realref(base));
    if (negative && x.real() && acb_is_int(x.get())) {  // (−1)^n at an integer point
      acb_pow(base, base, x.get(), p_);
      return acb_is_finite(base);
    }
    if (arb_is_zero(acb_imagref(base)) && !arb_is_positive(acb_realref(base)) && !(negative && c_.complex_allowed)) return false;
    acb_log(base, base, p_);
    acb_mul(base, base, x.get(), p_);
    return exponential(base);
  }

  bool call(const Expr& e, acb_ptr out) {
    using F = Fn;
    if (e.fn == F::kUser) return mixture(e, out);
    if (e.count == 0) return false;
    if (e.fn == F::kRoot) {
      if (!e[1].is(Kind::kNumber)) return power(e[0], *reciprocal(e), out);
      const auto n = value_of(e[1]).small();
      if (!n || *n < 1 || *n > 100000) return false;
      if (!run(e[0], out)) return false;
      return rational_power(out, 1, *n);
    }
    if (!run(e[0], out)) return false;
    c_.budget.spend(24 + p_ / 16);
    const bool real = arb_is_zero(acb_imagref(out));
    arb_ptr x = acb_realref(out);
    switch (e.fn) {
      case F::kSin: acb_sin(out, out, p_); break;
      case F::kCos: acb_cos(out, out, p_); break;
      case F::kTan: acb_tan(out, out, p_); break;
      case F::kCot: acb_cot(out, out, p_); break;
      case F::kSec: acb_cos(out, out, p_); return invert(out);
      case F::kCsc: acb_sin(out, out, p_); return invert(out);
      case F::kSinh: acb_sinh(out, out, p_); break;
      case F::kCosh: acb_cosh(out, out, p_); break;
      case F::kTanh: acb_tanh(out, out, p_); break;
      case F::kCoth: acb_coth(out, out, p_); break;
      case F::kSech: acb_cosh(out, out, p_); return invert(out);
      case F::kCsch: acb_sinh(out, out, p_); return invert(out);
      case F::kAsin: if (!within_one(out, real)) return false; acb_asin(out, out, p_); break;
      case F::kAcos: if (!within_one(out, real)) return false; acb_acos(out, out, p_); break;
      case F::kAtan: acb_atan(out, out, p_); break;
      case F::kAcot:
        if (acb_is_zero(out)) {
          acb_const_pi(out, p_);
          acb_div_ui(out, out, 2, p_);
          break;
        }
        if (!invert(out)) return false;
        acb_atan(out, out, p_);
        // range (0, π)
        if (real && arb_is_negative(x)) {
          Ball pi;
          acb_const_pi(pi.get(), p_);
          acb_add(out, out, pi.get(), p_);
        }
        break;
      case F::kAsec: if (!invert(out) || !within_one(out, real)) return false; acb_acos(out, out, p_); break;
      case F::kAcsc: if (!invert(out) || !within_one(out, real)) return false; acb_asin(out, out, p_); break;
      case F::kAsinh: acb_asinh(out, out, p_); break;
      case F::kAcosh: acb_acosh(out, out, p_); break;
      case F::kAtanh: acb_atanh(out, out, p_); break;
      case F::kAcoth: if (!invert(out)) return false; acb_atanh(out, out, p_); break;
      case F::kAsech: if (!invert(out)) return false; acb_acosh(out, out, p_); break;
      case F::kAcsch: if (!invert(out)) return false; acb_asinh(out, out, p_); break;
      case F::kExp: return exponential(out);
      case F::kLn: case F::kLog: {
        if (!logarithm(out)) return false;
        Ball base;
        if (e.count > 1) {
          if (!run(e[1], base.get()) || !logarithm(base.get())) return false;
        } else if (e.fn == F::kLog && c_.log_is_base_ten) {
          acb_set_ui(base.get(), 10);
          acb_log(base.get(), base.get(), p_);
        } else {
          break;
        }
        if (base.contains_zero()) return false;
        acb_div(out, out, base.get(), p_);
        break;
      }
      case F::kSqrt: return rational_power(out, 1, 2);
      case F::kAbs: case F::kNorm:
        acb_abs(acb_realref(out), out, p_);
        arb_zero(acb_imagref(out));
        break;
      case F::kSign:
        if (!real || (arb_contains_zero(x) && !arb_is_zero(x))) return false;
        arb_sgn(x, x);
        break;
      case F::kFloor: case F::kCeil: {
        if (!real) return false;
        if (e.fn == F::kFloor) arb_floor(x, x, p_);
        else arb_ceil(x, x, p_);
        if (arb_is_exact(x)) return true;
        // a ball across an integer: decided where the value is rational, as ⌊2n/5⌋ at n = 5 is
        const auto exact = exact_rational(e, c_.budget, c_.point);
        if (!exact) return false;
        arb_set_fmpq(x, exact->get(), p_);
        return true;
      }
      case F::kFactorial: case F::kGamma:
        if (real && arb_is_exact(x) && arb_is_int(x) && arf_cmp_si(arb_midref(x), 5000) < 0 && arf_sgn(arb_midref(x)) > 0) {
          arb_fac_ui(x, static_cast<ulong>(arf_get_si(arb_midref(x), ARF_RND_NEAR) - (e.fn == F::kGamma ? 1 : 0)), p_);
          break;
        }
        c_.budget.spend(2000);
        if (e.fn == F::kFactorial) acb_add_ui(out, out, 1, p_);
        if (arf_cmpabs_2exp_si(arb_midref(acb_realref(out)), 40) > 0) return false;
        acb_gamma(out, out, p_);
        break;
      case F::kDoubleFactorial: {
        if (!arb_is_int(x) || !real || arf_cmp_si(arb_midref(x), 100000) > 0 || arf_sgn(arb_midref(x)) < 0) return false;
        const slong n = arf_get_si(arb_midref(x), ARF_RND_NEAR);
        arb_doublefac_ui(x, static_cast<ulong>(n), p_);
        break;
      }
      case F::kBinomial: {
        Ball k, nk, a, b;
        if (e.count != 2 || !run(e[1], k.get())) return false;
        if (real && k.real() && arb_is_exact(x) && arb_is_int(x) && arb_is_exact(acb_realref(k.get())) && arb_is_int(acb_realref(k.get())) && arf_sgn(arb_midref(x)) >= 0 && arf_cmp_si(arb_midref(x), 20000) < 0) {
          const slong n = arf_get_si(arb_midref(x), ARF_RND_NEAR);
          if (arf_sgn(arb_midref(acb_realref(k.get()))) < 0 || arf_cmp(arb_midref(acb_realref(k.get())), arb_midref(x)) > 0) arb_zero(x);
          else arb_bin_uiui(x, static_cast<ulong>(n), static_cast<ulong>(arf_get_si(arb_midref(acb_realref(k.get())), ARF_RND_NEAR)), p_);
          break;
        }
        c_.budget.spend(6000);
        if (arf_cmpabs_2exp_si(arb_midref(acb_realref(out)), 40) > 0 || arf_cmpabs_2exp_si(arb_midref(acb_realref(k.get())), 40) > 0) return false;
        acb_sub(nk.get(), out, k.get(), p_);
        acb_add_ui(out, out, 1, p_);
        acb_add_ui(k.get(), k.get(), 1, p_);
        acb_add_ui(nk.get(), nk.get(), 1, p_);
        acb_gamma(out, out, p_);
        acb_rgamma(a.get(), k.get(), p_);
        acb_rgamma(b.get(), nk.get(), p_);
        acb_mul(out, out, a.get(), p_);
        acb_mul(out, out, b.get(), p_);
        break;
      }
      case F::kMax: case F::kMin: {
        Ball other;
        for (uint32_t i = 1; i < e.count; ++i) {
          if (!run(e[i], other.get())) return false;
          if (!real || !other.real()) return false;
          if (e.fn == F::kMax) arb_max(x, x, acb_realref(other.get()), p_);
          else arb_min(x, x, acb_realref(other.get()), p_);
        }
        break;
      }
      case F::kMod: {  // x − y⌊x/y⌋
        Ball y, q;
        if (e.count != 2 || !real || !run(e[1], y.get()) || !y.real()) return false;
        arb_ptr divisor = acb_realref(y.get()), floor = acb_realref(q.get());
        if (arb_contains_zero(divisor)) return false;
        arb_div(floor, x, divisor, p_);
        arb_floor(floor, floor, p_);
        if (!arb_is_exact(floor)) return false;  // a ball across an integer is not decided
        arb_submul(x, divisor, floor, p_);
        break;
      }
      case F::kGcd: case F::kLcm: {
        fmpz_t a, b;
        fmpz_init(a);
        fmpz_init(b);
        bool ok = real && arb_get_unique_fmpz(a, x);
        for (uint32_t i = 1; ok && i < e.count; ++i) {
          Ball other;
          ok = run(e[i], other.get()) && other.real() && arb_get_unique_fmpz(b, acb_realref(other.get()));
          if (!ok) break;
          if (e.fn == F::kGcd) fmpz_gcd(a, a, b);
          else fmpz_lcm(a, a, b);
        }
        if (ok) acb_set_fmpz(out, a);
        fmpz_clear(a);
        fmpz_clear(b);
        return ok;
      }
      case F::kRe:
        arb_zero(acb_imagref(out));
        break;
      case F::kIm:
        arb_swap(acb_realref(out), acb_imagref(out));
        arb_zero(acb_imagref(out));
        break;
      case F::kConj: acb_conj(out, out); break;
      case F::kArg:
        acb_arg(acb_realref(out), out, p_);
        arb_zero(acb_imagref(out));
        break;
      default: return false;
    }
    return acb_is_finite(out);
  }

  const Expr* reciprocal(const Expr& e) {
    scratch_ = std::make_unique<Arena>();
    return scratch_->pow(&e[1], scratch_->number(-1));
  }

  bool invert(acb_ptr out) {
    if (acb_contains_zero(out)) return false;
    acb_inv(out, out, p_);
    return acb_is_finite(out);
  }
  bool within_one(acb_ptr out, bool real) const {
    if (!real || c_.complex_allowed) return true;
    arb_t one;
    arb_init(one);
    arb_abs(one, acb_realref(out));
    arb_sub_ui(one, one, 1, p_);
    const bool outside = arb_is_positive(one);
    arb_clear(one);
    return !outside;
  }
  bool logarithm(acb_ptr out) {
    if (acb_contains_zero(out)) return false;
    if (arb_is_zero(acb_imagref(out)) && !arb_is_positive(acb_realref(out))) {
      if (!arb_is_negative(acb_realref(out)) || !c_.complex_allowed) return false;
    }
    acb_log(out, out, p_);
    return acb_is_finite(out);
  }

  // A fixed generic function of the arguments, drawn from the name: what f(…), ∑ … and unknown operators stand for.
  bool mixture(const Expr& e, acb_ptr out) {
    const uint64_t key = hash64(e.name, static_cast<uint64_t>(e.kind) * 131 + e.count);
    acb_set_ui(out, key % 1000003);
    acb_div_ui(out, out, 65537, p_);
    for (uint32_t i = 0; i < e.count; ++i) {
      Ball a, b;
      if (!run(e[i], a.get())) return false;
      const uint64_t k = mix64(key, i + 1);
      acb_mul_ui(b.get(), a.get(), 1 + k % 9973, p_);
      acb_div_ui(b.get(), b.get(), 8191, p_);
      acb_sin(b.get(), b.get(), p_);
      acb_mul_ui(a.get(), a.get(), 1 + (k >> 32) % 7919, p_);
      acb_div_ui(a.get(), a.get(), 4093, p_);
      acb_add(out, out, a.get(), p_);
      acb_add(out, out, b.get(), p_);
    }
    return acb_is_finite(out);
  }

  BallContext& c_;
  slong p_;
  std::unique_ptr<Arena> scratch_;
};

}  // namespace

bool evaluate(const Expr& e, BallContext& context, Ball& out) { return Evaluator(context).run(e, out.get()); }

std::optional<slong> more_bits(double scale) {
  if (scale < 200) return 0;
  if (!(scale < 20'000)) return std::nullopt;
  return 2 * static_cast<slong>(scale);
}

int sign_of(const Expr& e, Budget& budget) {
  if (e.is(Kind::kNumber)) return fmpz_sgn(&e.number.num);
  double scale = 0;
  for (slong p : {64, 512}) {
    BallContext c{budget, p == 512 ? p + more_bits(scale).value_or(0) : p};
    c.complex_allowed = false;
    if (p == 64) c.scale = &scale;
    Ball z;
    if (!evaluate(e, c, z) || !z.real()) continue;
    if (arb_is_positive(acb_realref(z.get()))) return 1;
    if (arb_is_negative(acb_realref(z.get()))) return -1;
  }
  return 0;
}

int order(const Expr& a, const Expr& b, Budget& budget) {
  Arena arena;
  return sign_of(*arena.sub(&a, &b), budget);
}

}  // namespace foil::verify
