// Rigorous numeric values of expressions: Arb balls, so that "different" is proven and "equal" comes with its bound.
//
// Real roots of negative numbers are real for odd indices; every other function takes its principal value. At a point of real
// variables an expression that needs a non-real step (√−2, ln −3) counts as undefined there unless it contains i itself.
#pragma once
#include <optional>
#include <acb.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "verify/budget.h"
#include "verify/expr.h"

namespace foil::verify {

class Ball {
 public:
  Ball() { acb_init(z_); }
  Ball(const Ball& o) : Ball() { acb_set(z_, o.z_); }
  Ball(Ball&& o) noexcept : Ball() { acb_swap(z_, o.z_); }
  Ball& operator=(Ball o) noexcept {
    acb_swap(z_, o.z_);
    return *this;
  }
  ~Ball() { acb_clear(z_); }
  acb_ptr get() { return z_; }
  acb_srcptr get() const { return z_; }
  bool finite() const { return acb_is_finite(z_); }
  bool contains_zero() const { return acb_contains_zero(z_); }
  bool real() const { return arb_is_zero(acb_imagref(z_)); }

 private:
  acb_t z_;
};

using Assignment = std::vector<std::pair<std::string_view, Rational>>;

struct BallContext {
  Budget& budget;
  slong precision = 64;
  const Assignment* point = nullptr;  // values of the variables
  bool log_is_base_ten = false;       // what a bare \log means
  bool complex_allowed = false;       // false: a non-real intermediate value makes the whole undefined
  double* scale = nullptr;            // if set: raised to the largest |log2| of a value met on the way, and to the length of a number
};

// Bits beyond the usual that a difference in the smallest part of a value of this scale needs; nullopt: more than is ever spent.
// 2^2019 and 2^2019 + 1 agree to 2019 bits.
std::optional<slong> more_bits(double scale);

// False: undefined here, or not computable at this precision.
bool evaluate(const Expr& e, BallContext& context, Ball& out);

// Sign of a real constant: −1, 0 (not decided at 512 bits), 1; complex or undefined values give 0.
int sign_of(const Expr& e, Budget& budget);
// Order of two real constants for sorting: −1, 0, 1 (0: equal or not decided).
int order(const Expr& a, const Expr& b, Budget& budget);

}  // namespace foil::verify
