#include "verify/number.h"

#include <flint/flint.h>
#include <flint/fmpz_factor.h>

namespace foil::verify {

namespace {
struct Caches {
  ~Caches() { flint_cleanup(); }
};
}  // namespace

void free_caches_with_thread() { static thread_local Caches caches; }

std::string Rational::to_string() const {
  char* s = fmpq_get_str(nullptr, 10, q_);
  std::string out = s;
  flint_free(s);
  return out;
}

Rational Rational::floor() const {
  Rational r;
  fmpz_fdiv_q(r.num(), num(), den());
  return r;
}

Rational Rational::ceil() const {
  Rational r;
  fmpz_cdiv_q(r.num(), num(), den());
  return r;
}

Rational power_of_ten(int64_t exponent) {
  Rational r(1);
  fmpz_set_ui(r.num(), 10);
  fmpz_pow_ui(r.num(), r.num(), static_cast<ulong>(exponent < 0 ? -exponent : exponent));
  if (exponent < 0) fmpq_inv(r.get(), r.get());
  return r;
}

std::optional<Rational> power(const Rational& base, int64_t exponent, int64_t max_bits) {
  if (exponent == 0) return Rational(1);
  if (base.is_zero()) {
    if (exponent < 0) return std::nullopt;
    return Rational(0);
  }
  const uint64_t n = exponent < 0 ? 0 - static_cast<uint64_t>(exponent) : static_cast<uint64_t>(exponent);
  const bool unit = base.is_integer() && fmpz_is_pm1(base.num());
  if (!unit) {
    if (n > static_cast<uint64_t>(max_bits) || static_cast<int64_t>(n) > max_bits / base.bits() + 1) return std::nullopt;
  }
  Rational r;
  fmpz_pow_ui(r.num(), base.num(), unit ? n & 1 : n);
  fmpz_pow_ui(r.den(), base.den(), unit ? 1 : n);
  if (exponent < 0) fmpq_inv(r.get(), r.get());
  return r;
}

std::optional<Rational> exact_root(const Rational& value, int64_t n) {
  if (n < 1 || n > 1'000'000 || (value.sign() < 0 && n % 2 == 0)) return std::nullopt;
  Rational r;
  if (!fmpz_root(r.num(), value.num(), n) || !fmpz_root(r.den(), value.den(), n)) return std::nullopt;
  return r;
}

std::optional<std::vector<std::pair<Rational, int64_t>>> prime_powers(const Rational& value, int64_t max_bits) {
  std::vector<std::pair<Rational, int64_t>> out;
  for (const int side : {1, -1}) {
    const fmpz* part = side > 0 ? value.num() : value.den();
    if (fmpz_is_pm1(part)) continue;
    if (fmpz_is_zero(part) || static_cast<int64_t>(fmpz_bits(part)) > max_bits) return std::nullopt;
    fmpz_factor_t factors;
    fmpz_factor_init(factors);
    fmpz_factor(factors, part);
    for (slong k = 0; k < factors->num; ++k) {
      Rational prime;
      fmpz_set(prime.num(), factors->p + k);
      out.emplace_back(std::move(prime), side * static_cast<int64_t>(factors->exp[k]));
    }
    fmpz_factor_clear(factors);
  }
  return out;
}

}  // namespace foil::verify
