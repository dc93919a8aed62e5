// Quantities with units, percentages, times of day and ratios.
#pragma once
#include <optional>

#include "verify/compare.h"

namespace foil::verify {

// nullopt: neither side has a unit or %.
std::optional<bool> compare_quantities(const Expr& g, const Expr& a, Comparison& c);
bool equal_times(const Expr& g, const Expr& a);
bool equal_ratios(const Expr& g, const Expr& a, Comparison& c);

}  // namespace foil::verify
