// Matrices and vectors: sums and products worked out, columns against tuples, i + 2j + 3k against (1, 2, 3).
#pragma once
#include <optional>

#include "verify/compare.h"

namespace foil::verify {

// −7i + 16j + 5k as (−7, 16, 5): a sum of multiples of the unit vectors; null: not one.
const Expr* components(const Expr& e, uint32_t size, Comparison& c);

// nullopt: neither side is a matrix.
std::optional<bool> compare_matrices(const Expr& g, const Expr& a, Comparison& c);

}  // namespace foil::verify
