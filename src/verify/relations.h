// Equations and inequalities: what they name, and when two of them say the same.
#pragma once
#include <optional>
#include <string_view>

#include "verify/compare.h"

namespace foil::verify {

// x = 3, f(x) = 2x, AB = 9, (x, y) = (1, 2): a name and its value.
struct Labelled {
  const Expr* name;   // null: a chain of constants
  const Expr* value;
};
// nullopt: the relation names no value.
std::optional<Labelled> label(const Expr& e, Comparison& c);

const Expr* rename(const Expr& e, std::string_view from, std::string_view to, Arena& arena);

bool upper(std::string_view s);  // begins with a capital

// nullopt: neither side is a relation.
std::optional<bool> compare_relations(const Expr& g, const Expr& a, Comparison& c);

}  // namespace foil::verify
