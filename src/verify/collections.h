// Sets, enumerations and tuples: which orders and repeats matter, and what ± stands for.
#pragma once
#include <optional>

#include "verify/compare.h"

namespace foil::verify {

// ± stands for both signs at once: 1 ± √2 is the enumeration 1 + √2, 1 − √2.
const Expr* expand_signs(const Expr& e, Comparison& c);

bool collection(const Expr& e);  // enumeration, set or tuple
bool half_open(const Expr& e);   // brackets that cannot be those of a point or vector

bool members_match_in_order(const Expr& g, const Expr& a, Comparison& c);
// Every member has its own partner.
bool members_match(const Expr& g, const Expr& a, Comparison& c);

// nullopt: not two collections.
std::optional<bool> compare_collections(const Expr& g, const Expr& a, Comparison& c);

}  // namespace foil::verify
