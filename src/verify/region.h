// Sets of real numbers as unions of intervals: what [2, ∞), x ≥ 2, {x : x ≥ 2} and ℝ ∖ (−∞, 2) have in common.
#pragma once
#include <optional>
#include <vector>

#include "verify/compare.h"

namespace foil::verify {

struct Interval {
  const Expr *low = nullptr, *high = nullptr;  // null: unbounded
  bool low_open = true, high_open = true;
};

struct Region {
  std::vector<Interval> parts;  // sorted, disjoint, merged
};

// The region an answer describes; nullopt when it describes none (or ends that are not real constants).
// `loose` also takes a pair (a, b) for an open interval and {a, b} for points.
std::optional<Region> region_of(const Expr& e, bool loose, Comparison& c);
bool equal_regions(const Region& gold, const Region& answer, Comparison& c);

}  // namespace foil::verify
