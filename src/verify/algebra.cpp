#include "verify/algebra.h"

#include <flint/fmpq_mpoly.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace foil::verify {

namespace {

constexpr int64_t kMaxTerms = 1200;       // of a polynomial
constexpr ulong kMaxDegree = 4000;

struct Generator {
  std::string key;
  int64_t root = 1;         // generator^root is the base; exponents count in 1/root
  bool imaginary = false;   // i
  bool radical = false;     // a prime: generator^root = prime
  bool variable = false;    // a variable, or a root of one
  Rational prime;
};

struct GaveUp {};

class Ring;

// A quotient of polynomials in a Ring.
class Fraction {
 public:
  explicit Fraction(const Ring& ring);
  Fraction(const Fraction&) = delete;
  Fraction& operator=(const Fraction&) = delete;
  ~Fraction();
  fmpq_mpoly_t num, den;
  const Ring& ring;
};

class Ring {
 public:
  explicit Ring(Budget& budget) : budget_(budget) {}
  ~Ring() {
    if (ready_) fmpq_mpoly_ctx_clear(ctx_);
  }

  void collect(const Expr& e) { walk(e, nullptr); }
  void freeze() {
    if (generators_.size() > 28) throw GaveUp{};
    fmpq_mpoly_ctx_init(ctx_, static_cast<slong>(std::max<size_t>(generators_.size(), 1)), ORD_LEX);
    ready_ = true;
  }
  void build(const Expr& e, Fraction& out) { walk(e, &out); }
  const fmpq_mpoly_ctx_struct* ctx() const { return ctx_; }

  void check(const fmpq_mpoly_t p) {
    const int64_t n = fmpq_mpoly_length(p, ctx_);
    budget_.spend(n + 1);
    if (n > kMaxTerms) throw GaveUp{};
  }
  void mul(fmpq_mpoly_t out, const fmpq_mpoly_t a, const fmpq_mpoly_t b) {
    const int64_t la = fmpq_mpoly_length(a, ctx_), lb = fmpq_mpoly_length(b, ctx_);
    budget_.spend(la * lb / 2 + 4);
    if (la * lb > 40 * kMaxTerms) throw GaveUp{};
    fmpq_mpoly_mul(out, a, b, ctx_);
    check(out);
  }

  // No algebraic relation between the generators but those reduce() knows.
  bool independent() const {
    int transcendental = 0;
    for (const Generator& g : generators_) {
      if (g.variable || g.imaginary || g.radical) continue;
      if (g.key != "π" && g.key != "e^1*") return false;
      if (++transcendental > 1) return false;
    }
    return true;
  }

  // Rewrites powers of i and of radicals by their relations.
  void reduce(fmpq_mpoly_t p) {
    bool any = false;
    for (const Generator& g : generators_) any = any || g.imaginary || g.radical;
    if (!any) return;
    fmpq_mpoly_t out;
    fmpq_mpoly_init(out, ctx_);
    const slong n = fmpq_mpoly_length(p, ctx_);
    std::vector<ulong> exponents(std::max<size_t>(generators_.size(), 1));
    fmpq_t c;
    fmpq_init(c);
    for (slong t = 0; t < n; ++t) {
      fmpq_mpoly_get_term_coeff_fmpq(c, p, t, ctx_);
      fmpq_mpoly_get_term_exp_ui(exponents.data(), p, t, ctx_);
      Rational factor{c};
      for (size_t g = 0; g < generators_.size(); ++g) {
        if (generators_[g].imaginary) {
          const ulong k = exponents[g] % 4;
          if (k >= 2) factor = -factor;
          exponents[g] = k % 2;
        } else if (generators_[g].radical) {
          const auto root = static_cast<ulong>(generators_[g].root);
          if (exponents[g] >= root) {
            const auto f = power(generators_[g].prime, static_cast<int64_t>(exponents[g] / root), kMaxBits);
            if (!f) {
              fmpq_clear(c);
              fmpq_mpoly_clear(out, ctx_);
              throw GaveUp{};
            }
            factor = factor * *f;
            exponents[g] %= root;
          }
        }
      }
      fmpq_mpoly_push_term_fmpq_ui(out, factor.get(), exponents.data(), ctx_);
    }
    fmpq_clear(c);
    fmpq_mpoly_sort_terms(out, ctx_);
    fmpq_mpoly_combine_like_terms(out, ctx_);
    fmpq_mpoly_swap(p, out, ctx_);
    fmpq_mpoly_clear(out, ctx_);
  }

 private:
  // Prime powers of |value|, the denominator's with negative exponents.
  std::vector<std::pair<Rational, int64_t>> factored(const Rational& value) {
    for (const fmpz* part : {value.num(), value.den()})
      if (!fmpz_is_pm1(part)) budget_.spend(200);
    auto powers = prime_powers(value, 80);
    if (!powers) throw GaveUp{};
    return *std::move(powers);
  }

  // out == null: only meet the generators.
  size_t generator(const std::string& key, int64_t root = 1) {
    for (size_t i = 0; i < generators_.size(); ++i)
      if (generators_[i].key == key) {
        if (!ready_) {
          int64_t& r = generators_[i].root;
          r = r / std::__gcd(r, root) * root;
          if (r > 720) throw GaveUp{};
        }
        return i;
      }
    if (ready_) throw GaveUp{};
    generators_.push_back({key, root});
    return generators_.size() - 1;
  }

  void one(Fraction* out) {
    if (!out) return;
    fmpq_mpoly_one(out->num, ctx_);
    fmpq_mpoly_one(out->den, ctx_);
  }
  void constant(const Rational& r, Fraction* out) {
    if (!out) return;
    fmpq_mpoly_set_fmpq(out->num, r.get(), ctx_);
    fmpq_mpoly_one(out->den, ctx_);
  }
  // generator^(n/d)
  void generator_power(size_t g, int64_t n, int64_t d, Fraction* out) {
    if (!out) return;
    one(out);
    const int64_t k = n * (generators_[g].root / d);
    if (k == 0) return;
    const ulong magnitude = static_cast<ulong>(k < 0 ? -k : k);
    if (magnitude > kMaxDegree) throw GaveUp{};
    std::vector<ulong> exponents(std::max<size_t>(generators_.size(), 1));
    exponents[g] = magnitude;
    fmpq_mpoly_struct* target = k > 0 ? out->num : out->den;
    fmpq_mpoly_zero(target, ctx_);
    const Rational unit(1);
    fmpq_mpoly_set_coeff_fmpq_ui(target, unit.get(), exponents.data(), ctx_);
  }
  void symbol(const std::string& key, Fraction* out) {
    const size_t g = generator(key);
    generator_power(g, 1, 1, out);
  }

  void multiply(Fraction& a, const Fraction& b) {
    mul(a.num, a.num, b.num);
    mul(a.den, a.den, b.den);
  }
  void add(Fraction& a, const Fraction& b) {
    if (fmpq_mpoly_equal(a.den, b.den, ctx_)) {
      fmpq_mpoly_add(a.num, a.num, b.num, ctx_);
      check(a.num);
      return;
    }
    fmpq_mpoly_t t;
    fmpq_mpoly_init(t, ctx_);
    try {
      mul(t, b.num, a.den);
      mul(a.num, a.num, b.den);
      mul(a.den, a.den, b.den);
    } catch (...) {
      fmpq_mpoly_clear(t, ctx_);
      throw;
    }
    fmpq_mpoly_add(a.num, a.num, t, ctx_);
    fmpq_mpoly_clear(t, ctx_);
    check(a.num);
  }
  void integer_power(Fraction& a, int64_t n) {
    if (n < 0) {
      if (fmpq_mpoly_is_zero(a.num, ctx_)) throw GaveUp{};
      fmpq_mpoly_swap(a.num, a.den, ctx_);
      n = -n;
    }
    if (n > static_cast<int64_t>(kMaxDegree)) throw GaveUp{};
    for (fmpq_mpoly_struct* p : {a.num, a.den}) {
      const int64_t length = fmpq_mpoly_length(p, ctx_);
      if (length > 1) {
        // (t terms)^n has at most C(n+t−1, n) terms
        double terms = 1;
        for (int64_t k = 1; k < length; ++k) terms *= static_cast<double>(n + k) / static_cast<double>(k);
        if (terms > kMaxTerms) throw GaveUp{};
        budget_.spend(static_cast<int64_t>(terms) * length + n);
      } else if (length == 1 && n > 1) {
        budget_.spend(n / 8 + 1);
      }
      if (!fmpq_mpoly_pow_ui(p, p, static_cast<ulong>(n), ctx_)) throw GaveUp{};
      check(p);
    }
  }

  // prime^(n/d) and products of them: value^(exponent)
  void rational_power(const Rational& value, const Rational& exponent, Fraction* out) {
    if (value.is_zero()) {
      if (exponent.sign() <= 0) throw GaveUp{};
      return constant(Rational(0), out);
    }
    if (!fmpz_fits_si(exponent.num()) || !fmpz_fits_si(exponent.den())) throw GaveUp{};
    const int64_t n = fmpz_get_si(exponent.num()), d = fmpz_get_si(exponent.den());
    if (d > 60 || n > 4000 || n < -4000 || value.bits() > 400) throw GaveUp{};
    one(out);
    if (value.sign() < 0) {
      if (d % 2 == 1) {
        if (n % 2 != 0) constant(Rational(-1), out);
      } else if (d == 2) {
        const size_t g = generator("i");
        generators_[g].imaginary = true;
        if (out) {
          Fraction f(*this);
          generator_power(g, ((n % 4) + 4) % 4, 1, &f);
          multiply(*out, f);
        }
      } else {
        throw GaveUp{};
      }
    }
    for (const auto& [prime, multiplicity] : factored(value)) {
      const Rational e = exponent * Rational(multiplicity);
      Rational whole = e.floor();
      const Rational rest = e - whole;
      if (out) {
        const auto w = whole.small();
        const auto f = w ? power(prime, *w, kMaxBits) : std::nullopt;
        if (!f) throw GaveUp{};
        Fraction c(*this);
        constant(*f, &c);
        multiply(*out, c);
      }
      if (!rest.is_zero()) {
        const int64_t rn = fmpz_get_si(rest.num()), rd = fmpz_get_si(rest.den());
        const size_t g = generator("√" + prime.to_string(), rd);
        generators_[g].radical = true;
        generators_[g].prime = prime;
        if (out) {
          Fraction f(*this);
          generator_power(g, rn, rd, &f);
          multiply(*out, f);
        }
      }
    }
  }

  // base^(c·rest): the generator stands for base^rest, its exponent is c.
  void kernel_power(const std::string& key, const Rational& c, Fraction* out) {
    if (!fmpz_fits_si(c.num()) || !fmpz_fits_si(c.den()) || fmpz_cmp_si(c.den(), 60) > 0) throw GaveUp{};
    const int64_t n = fmpz_get_si(c.num()), d = fmpz_get_si(c.den());
    const size_t g = generator(key, d);
    generator_power(g, n, d, out);
  }

  // x^(n/d): the generator of x stands for x^(1/root).
  void variable_root(const Expr& x, const Rational& exponent, Fraction* out) {
    kernel_power(std::string(x.name), exponent, out);
    generators_[generator(std::string(x.name))].variable = true;
  }

  void power_by(const Expr& base, const Expr& exponent, Fraction* out) {
    // base^(a+b) = base^a · base^b
    if (exponent.is(Kind::kAdd)) {
      one(out);
      for (uint32_t i = 0; i < exponent.count; ++i) {
        if (out) {
          Fraction f(*this);
          power_by(base, exponent[i], &f);
          multiply(*out, f);
        } else {
          power_by(base, exponent[i], nullptr);
        }
      }
      return;
    }
    if (const auto r = exact_rational(exponent, budget_)) {
      if (const auto n = r->small()) {
        walk(base, out);
        if (out) integer_power(*out, *n);
        return;
      }
      if (const auto b = exact_rational(base, budget_)) return rational_power(*b, *r, out);
      if (base.is(Kind::kSymbol)) return variable_root(base, *r, out);
      return kernel_power("(" + normal_key(base) + ")", *r, out);
    }
    // constant times rest
    Rational c(1);
    std::string rest;
    if (exponent.is(Kind::kMul)) {
      std::vector<std::string> parts;
      for (uint32_t i = 0; i < exponent.count; ++i) {
        if (const auto r = exact_rational(exponent[i], budget_)) c = c * *r;
        else if (exponent[i].is(Kind::kAdd) && i + 1 == exponent.count && parts.empty()) {
          // c·(a + b)
          one(out);
          for (uint32_t k = 0; k < exponent[i].count; ++k) {
            Arena arena;
            const Expr* term = arena.mul(arena.number(c), &exponent[i][k]);
            if (out) {
              Fraction f(*this);
              power_by(base, *term, &f);
              multiply(*out, f);
            } else {
              power_by(base, *term, nullptr);
            }
          }
          return;
        } else {
          if (exponent[i].is(Kind::kMul)) {
            // a nested product: its own constants too
            for (uint32_t k = 0; k < exponent[i].count; ++k) {
              if (const auto r = exact_rational(exponent[i][k], budget_)) c = c * *r;
              else parts.push_back(to_string(exponent[i][k]));
            }
          } else {
            parts.push_back(to_string(exponent[i]));
          }
        }
      }
      std::sort(parts.begin(), parts.end());
      for (const std::string& p : parts) rest += p + "*";
    } else {
      rest = to_string(exponent) + "*";
    }
    if (c.is_zero()) return one(out);
    if (const auto b = exact_rational(base, budget_)) {
      // rational bases by primes: 4^n = (2^n)²
      if (b->sign() <= 0 || b->bits() > 160) {
        if (b->is_zero() || !(*b == Rational(-1))) throw GaveUp{};
        return kernel_power("-1^" + rest, c, out);
      }
      one(out);
      for (const auto& [prime, multiplicity] : factored(*b)) {
        const Rational e = c * Rational(multiplicity);
        if (out) {
          Fraction f(*this);
          kernel_power(prime.to_string() + "^" + rest, e, &f);
          multiply(*out, f);
        } else {
          kernel_power(prime.to_string() + "^" + rest, e, nullptr);
        }
      }
      return;
    }
    kernel_power(normal_key(base) + "^" + rest, c, out);
  }

  static std::string normal_key(const Expr& e) { return e.is(Kind::kE) ? "e" : to_string(e); }

  void walk(const Expr& e, Fraction* out) {
    budget_.spend(4);
    switch (e.kind) {
      case Kind::kNumber: case Kind::kBase: return constant(value_of(e), out);
      case Kind::kSymbol: {
        const size_t g = generator(std::string(e.name));
        generators_[g].variable = true;
        return generator_power(g, 1, 1, out);
      }
      case Kind::kPi: return symbol("π", out);
      case Kind::kE: return kernel_power("e^1*", Rational(1), out);
      case Kind::kI: {
        const size_t g = generator("i");
        generators_[g].imaginary = true;
        return generator_power(g, 1, 1, out);
      }
      case Kind::kAdd: case Kind::kMul:
        for (uint32_t i = 0; i < e.count; ++i) {
          if (!out) {
            walk(e[i], nullptr);
          } else if (i == 0) {
            walk(e[0], out);
          } else {
            Fraction f(*this);
            walk(e[i], &f);
            if (e.is(Kind::kAdd)) add(*out, f);
            else multiply(*out, f);
          }
        }
        return;
      case Kind::kPow:
        if (e[0].is(Kind::kE)) {
          if (const auto r = exact_rational(e[1], budget_)) return kernel_power("e^1*", *r, out);
        }
        return power_by(e[0], e[1], out);
      case Kind::kPercent:
        walk(e[0], out);
        if (out) fmpq_mpoly_scalar_div_si(out->num, out->num, 100, ctx_);
        return;
      case Kind::kQuantity:
        walk(e[0], out);
        if (e.name == "deg") {
          if (!out) {
            symbol("π", nullptr);
          } else {
            Fraction f(*this);
            symbol("π", &f);
            multiply(*out, f);
            fmpq_mpoly_scalar_div_si(out->num, out->num, 180, ctx_);
          }
        } else if (out) {
          fmpq_mpoly_scalar_mul_fmpq(out->num, out->num, value_of(e).get(), ctx_);
        }
        return;
      case Kind::kCall: return call(e, out);
      case Kind::kOpaque: return symbol(to_string(e), out);
      default: throw GaveUp{};
    }
  }

  void call(const Expr& e, Fraction* out) {
    if (const auto r = exact_rational(e, budget_)) return constant(*r, out);
    switch (e.fn) {
      case Fn::kSqrt: case Fn::kRoot: {
        Rational exponent(1, 2);
        if (e.fn == Fn::kRoot) {
          const auto n = exact_rational(e[1], budget_);
          if (!n || !n->is_integer() || n->sign() <= 0) throw GaveUp{};
          exponent = Rational(1) / *n;
        }
        if (const auto b = exact_rational(e[0], budget_)) return rational_power(*b, exponent, out);
        if (e[0].is(Kind::kSymbol)) return variable_root(e[0], exponent, out);
        return kernel_power("(" + to_string(e[0]) + ")", exponent, out);
      }
      case Fn::kExp: {
        Arena arena;
        const Expr* power_form = arena.pow(arena.make(Kind::kE), &e[0]);
        return walk(*power_form, out);
      }
      case Fn::kLn: case Fn::kLog: {
        if (e.count == 2) {
          Arena arena;
          const Expr* ratio = arena.div(arena.call(Fn::kLn, {&e[0]}), arena.call(Fn::kLn, {&e[1]}));
          return walk(*ratio, out);
        }
        const std::string prefix = e.fn == Fn::kLn ? "ln " : "log ";
        const auto r = exact_rational(e[0], budget_);
        if (r && r->sign() > 0 && r->bits() <= 160 && fmpz_bits(r->num()) <= 80 && fmpz_bits(r->den()) <= 80) {
          if (out) constant(Rational(0), out);
          for (const auto& [prime, multiplicity] : factored(*r)) {
            const std::string key = prefix + prime.to_string();
            if (!out) {
              symbol(key, nullptr);
            } else {
              Fraction f(*this);
              symbol(key, &f);
              const Rational m(multiplicity);
              fmpq_mpoly_scalar_mul_fmpq(f.num, f.num, m.get(), ctx_);
              add(*out, f);
            }
          }
          return;
        }
        if (e[0].is(Kind::kE) && e.fn == Fn::kLn) return constant(Rational(1), out);
        return symbol(prefix + to_string(e[0]), out);
      }
      case Fn::kBinomial: {
        // binomial(x, k) with a small k is a polynomial in x
        const auto k = exact_rational(e[1], budget_);
        const auto small = k ? k->small() : std::nullopt;
        if (!small || *small < 0 || *small > 12) return symbol(to_string(e), out);
        Arena arena;
        const Expr* product = arena.number(1);
        Rational factorial(1);
        for (int64_t j = 0; j < *small; ++j) {
          product = arena.mul(product, arena.sub(&e[0], arena.number(j)));
          factorial = factorial * Rational(j + 1);
        }
        return walk(*arena.mul(product, arena.number(Rational(1) / factorial)), out);
      }
      // tan, cot, sec, csc through sin and cos
      case Fn::kTan: return quotient(Fn::kSin, Fn::kCos, e, out);
      case Fn::kCot: return quotient(Fn::kCos, Fn::kSin, e, out);
      case Fn::kSec: return quotient(Fn::kNone, Fn::kCos, e, out);
      case Fn::kCsc: return quotient(Fn::kNone, Fn::kSin, e, out);
      default: return symbol(to_string(e), out);
    }
  }

  void quotient(Fn top, Fn bottom, const Expr& e, Fraction* out) {
    const std::string inner = "(" + to_string(e[0]) + ")";
    const size_t b = generator(std::string(name_of(bottom)) + inner);
    const size_t t = top == Fn::kNone ? 0 : generator(std::string(name_of(top)) + inner);
    if (!out) return;
    generator_power(b, -1, 1, out);
    if (top != Fn::kNone) {
      Fraction f(*this);
      generator_power(t, 1, 1, &f);
      multiply(*out, f);
    }
  }

  Budget& budget_;
  std::vector<Generator> generators_;
  fmpq_mpoly_ctx_t ctx_;
  bool ready_ = false;
};

Fraction::Fraction(const Ring& r) : ring(r) {
  fmpq_mpoly_init(num, ring.ctx());
  fmpq_mpoly_init(den, ring.ctx());
  fmpq_mpoly_one(den, ring.ctx());
}
Fraction::~Fraction() {
  fmpq_mpoly_clear(num, ring.ctx());
  fmpq_mpoly_clear(den, ring.ctx());
}

}  // namespace

Identity identity(const Expr& a, const Expr& b, Budget& budget) {
  try {
    Ring ring(budget);
    ring.collect(a);
    ring.collect(b);
    ring.freeze();
    Fraction x(ring), y(ring);
    ring.build(a, x);
    ring.build(b, y);
    ring.mul(x.num, x.num, y.den);
    ring.mul(y.num, y.num, x.den);
    fmpq_mpoly_sub(x.num, x.num, y.num, ring.ctx());
    ring.reduce(x.num);
    if (fmpq_mpoly_is_zero(x.num, ring.ctx())) return Identity::kEqual;
    return ring.independent() ? Identity::kDifferent : Identity::kUnknown;
  } catch (const GaveUp&) {
    return Identity::kUnknown;
  }
}

bool proves_proportional(const Expr& a, const Expr& b, const Expr& c, const Expr& d, Budget& budget) {
  try {
    Ring ring(budget);
    for (const Expr* e : {&a, &b, &c, &d}) ring.collect(*e);
    ring.freeze();
    fmpq_mpoly_struct* numerators[2] = {nullptr, nullptr};
    Fraction x(ring), y(ring);
    const std::pair<const Expr*, const Expr*> sides[] = {{&a, &b}, {&c, &d}};
    Fraction* into[] = {&x, &y};
    for (int k = 0; k < 2; ++k) {
      Fraction left(ring), right(ring);
      ring.build(*sides[k].first, left);
      ring.build(*sides[k].second, right);
      ring.mul(left.num, left.num, right.den);
      ring.mul(right.num, right.num, left.den);
      fmpq_mpoly_sub(into[k]->num, left.num, right.num, ring.ctx());
      ring.reduce(into[k]->num);
      // a common monomial or factor with the denominator may remain: x²y = x against xy = 1 are different equations
      numerators[k] = into[k]->num;
    }
    if (fmpq_mpoly_is_zero(numerators[0], ring.ctx()) || fmpq_mpoly_is_zero(numerators[1], ring.ctx()))
      return fmpq_mpoly_is_zero(numerators[0], ring.ctx()) && fmpq_mpoly_is_zero(numerators[1], ring.ctx());
    if (fmpq_mpoly_length(numerators[0], ring.ctx()) != fmpq_mpoly_length(numerators[1], ring.ctx())) return false;
    fmpq_t p, q;
    fmpq_init(p);
    fmpq_init(q);
    fmpq_mpoly_get_term_coeff_fmpq(p, numerators[0], 0, ring.ctx());
    fmpq_mpoly_get_term_coeff_fmpq(q, numerators[1], 0, ring.ctx());
    fmpq_div(p, p, q);
    fmpq_mpoly_scalar_mul_fmpq(numerators[1], numerators[1], p, ring.ctx());
    fmpq_clear(p);
    fmpq_clear(q);
    return fmpq_mpoly_equal(numerators[0], numerators[1], ring.ctx());
  } catch (const GaveUp&) {
    return false;
  }
}

}  // namespace foil::verify
