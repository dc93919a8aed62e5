// Exact rational numbers of any size, over FLINT's fmpq.
//
// FLINT keeps integers below 2^62 inline (no allocation), so the usual small answer costs a few nanoseconds; Boost.Multiprecision's
// rational measured 3–6 times slower there and has no ball arithmetic beside it. Immutable in use; any thread.
#pragma once
#include <flint/fmpq.h>
#include <flint/fmpz.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace foil::verify {

// FLINT keeps caches for each thread, and frees them when told to: at the end of every thread that has called this once.
void free_caches_with_thread();

inline constexpr int64_t kMaxBits = 60'000;  // of an exact constant

class Rational {
 public:
  Rational() { fmpq_init(q_); }
  template <class N>
    requires std::is_integral_v<N>
  Rational(N n) {  // NOLINT: integers are rationals
    fmpq_init(q_);
    fmpz_set_si(fmpq_numref(q_), static_cast<slong>(n));
  }
  Rational(int64_t n, int64_t d) : Rational(n) {
    fmpz_set_si(fmpq_denref(q_), d);
    fmpq_canonicalise(q_);
  }
  explicit Rational(const fmpq_t other) {
    fmpq_init(q_);
    fmpq_set(q_, other);
  }
  Rational(const Rational& o) : Rational(o.q_) {}
  Rational(Rational&& o) noexcept {
    fmpq_init(q_);
    fmpq_swap(q_, o.q_);
  }
  Rational& operator=(Rational o) noexcept {
    fmpq_swap(q_, o.q_);
    return *this;
  }
  ~Rational() { fmpq_clear(q_); }

  const fmpq* get() const { return q_; }
  fmpq* get() { return q_; }
  const fmpz* num() const { return fmpq_numref(q_); }
  const fmpz* den() const { return fmpq_denref(q_); }
  fmpz* num() { return fmpq_numref(q_); }
  fmpz* den() { return fmpq_denref(q_); }

  bool is_zero() const { return fmpq_is_zero(q_); }
  bool is_one() const { return fmpq_is_one(q_); }
  bool is_integer() const { return fmpz_is_one(den()); }
  int sign() const { return fmpq_sgn(q_); }
  // The value as a small integer; nullopt when it is not one.
  std::optional<int64_t> small() const {
    if (is_integer() && fmpz_fits_si(num())) return fmpz_get_si(num());
    return std::nullopt;
  }
  int64_t bits() const { return static_cast<int64_t>(fmpz_bits(num())) + static_cast<int64_t>(fmpz_bits(den())); }
  std::string to_string() const;

  friend Rational operator+(const Rational& a, const Rational& b) { Rational r; fmpq_add(r.q_, a.q_, b.q_); return r; }
  friend Rational operator-(const Rational& a, const Rational& b) { Rational r; fmpq_sub(r.q_, a.q_, b.q_); return r; }
  friend Rational operator*(const Rational& a, const Rational& b) { Rational r; fmpq_mul(r.q_, a.q_, b.q_); return r; }
  // b must not be zero.
  friend Rational operator/(const Rational& a, const Rational& b) { Rational r; fmpq_div(r.q_, a.q_, b.q_); return r; }
  friend Rational operator-(const Rational& a) { Rational r; fmpq_neg(r.q_, a.q_); return r; }
  friend bool operator==(const Rational& a, const Rational& b) { return fmpq_equal(a.q_, b.q_); }
  friend bool operator<(const Rational& a, const Rational& b) { return fmpq_cmp(a.q_, b.q_) < 0; }
  Rational abs() const { Rational r; fmpq_abs(r.q_, q_); return r; }
  Rational floor() const;
  Rational ceil() const;

 private:
  fmpq_t q_;
};

// 10^exponent, |exponent| kept small by the caller.
Rational power_of_ten(int64_t exponent);
// base^exponent when the result stays below `max_bits`; nullopt otherwise or for 0^negative.
std::optional<Rational> power(const Rational& base, int64_t exponent, int64_t max_bits);
// The integer n-th root when exact.
std::optional<Rational> exact_root(const Rational& value, int64_t n);
// |value| ≠ 0 as a product of prime powers, those of the denominator with negative exponents; nullopt where the numerator or
// denominator is longer than `max_bits`.
std::optional<std::vector<std::pair<Rational, int64_t>>> prime_powers(const Rational& value, int64_t max_bits);

}  // namespace foil::verify
