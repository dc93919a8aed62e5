// Exact identities: expressions as rational functions over ℚ in generators, compared as polynomials.
//
// Generators are the variables, π, e, i (i² = −1), radicals of primes (p^{1/n}, reduced by their relation; distinct ones are
// linearly independent over ℚ, Besicovitch 1940), powers b^x split along sums in x, logarithms of primes, and every other
// subexpression as a name. Where all generators are independent the answer is a proof either way.
#pragma once
#include <optional>

#include "verify/ball.h"
#include "verify/budget.h"
#include "verify/expr.h"

namespace foil::verify {

// The exact value of a constant expression (or of one at a point) when it is rational and stays small enough; nullopt otherwise.
std::optional<Rational> exact_rational(const Expr& e, Budget& budget, const Assignment* point = nullptr);

enum class Identity { kEqual, kDifferent, kUnknown };
// a ≡ b as rational functions in the generators. kDifferent only if they are independent (variables, their roots, i, radicals, and
// one of π and e).
Identity identity(const Expr& a, const Expr& b, Budget& budget);
inline bool proves_equal(const Expr& a, const Expr& b, Budget& budget) { return identity(a, b, budget) == Identity::kEqual; }

// a = b and c = d are the same equation up to rearrangement and a constant factor: a − b and c − d have proportional numerators.
bool proves_proportional(const Expr& a, const Expr& b, const Expr& c, const Expr& d, Budget& budget);

// How deep algebraic equality has to be checked: for a constant built from rationals, roots and cos/sin of rational multiples of
// π, |value| < 2^(−bits) proves value = 0 (BFMSS bound, Burnikel et al. 2009). nullopt: not of that kind, or beyond reason.
std::optional<int64_t> separation_bits(const Expr& difference, Budget& budget);

}  // namespace foil::verify
