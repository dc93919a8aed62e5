// Equality of two trees: which rule applies to which pair of shapes.
#pragma once
#include <string>

#include "verify/budget.h"
#include "verify/expr.h"
#include "verify/verify.h"

namespace foil::verify {

struct Comparison {
  Arena& arena;            // for trees made on the way; outlives the comparison
  Budget& budget;
  const Options& options;
  std::string rule;        // what decided last
  std::string note;        // why not, when it is not plain
  int depth = 0;
};

// Is `answer` the same answer as `gold`? May throw BudgetSpent.
bool equal_answers(const Expr& gold, const Expr& answer, Comparison& c);

// Equality of two scalar expressions (constants, polynomials, functions), with the rounding rules of the options.
bool equal_scalars(const Expr& gold, const Expr& answer, Comparison& c);
// The same without rounding.
bool equal_exactly(const Expr& a, const Expr& b, Comparison& c);
bool is_scalar(const Expr& e);

// Equations and inequalities with variables left in them.
bool equal_relations(const Expr& gold, const Expr& answer, Comparison& c);
bool proportional(const Expr& a, const Expr& b, bool positive, Comparison& c);  // a = k·b for a constant k ≠ 0 (k > 0)

// Distinct variable names in a tree, sorted.
std::vector<std::string_view> variables(const Expr& e);

}  // namespace foil::verify
