// Operations left for one check. Counted, never timed: the same input gets the same verdict on every machine.
//
// One unit is about one operation on numbers of a machine word; work on longer numbers charges its length. Thrown inside the
// room only: verify.cpp turns BudgetSpent into a verdict.
#pragma once
#include <cstdint>

namespace foil::verify {

struct BudgetSpent {};

class Budget {
 public:
  explicit Budget(int64_t operations) : left_(operations) {}
  void spend(int64_t operations) {
    left_ -= operations;
    if (left_ < 0) throw BudgetSpent{};
  }
  int64_t left() const { return left_; }

 private:
  int64_t left_;
};

}  // namespace foil::verify
