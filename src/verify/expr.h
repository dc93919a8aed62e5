// The tree an answer is read into. Nodes live in an Arena and are never changed after parsing.
//
// Subtraction is Add with a Mul by −1, division is Mul with a Pow to −1, so that only three arithmetic shapes exist. Depth is
// limited by the parser (kMaxDepth), which is what makes the recursive passes over a tree safe.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "verify/number.h"

namespace foil::verify {

inline constexpr int kMaxDepth = 400;

enum class Kind : uint8_t {
  kNumber,    // number; `digits`/`significant` when written as a decimal
  kBase,      // number read in base `index`; name: its digits
  kLong,      // a number too long for arithmetic; name: its normal digits
  kSymbol,    // name
  kPi, kE, kI, kInfinity,
  kAdd, kMul, kPow,        // n-ary, n-ary, binary
  kCall,      // fn; kUser: name
  kPlusMinus, // args[0] with either sign; flag kMinusFirst for ∓
  kTuple,     // ( ) [ ] ⟨ ⟩: name holds the two brackets
  kList,      // bare enumeration: 1, 2 and 3
  kSet,       // { }
  kUnion, kIntersection, kDifference,
  kMatrix,    // index = columns, args row by row
  kRelation,  // args a, b, c …; name: one operator character between each: = < > l g n ~ e(∈) N(∉) c(⊂) : (:)
  kQuantity,  // args[0] times a unit; name: the unit in normal form, number: its factor to that form
  kPercent,   // args[0] per cent
  kText,      // name: folded words
  kTime,      // number: seconds since midnight; index: 0 no half-day said, 1 a.m./p.m./24 h said
  kRatio,     // args a : b : c
  kChoice,    // name: the letter; args[0]: what stood behind it, if anything
  kCases,     // rows of value, condition
  kOpaque,    // name applied to args, only compared part by part (integrals, sums, limits)
  kDate,      // index: month * 100 + day
};

enum class Fn : uint8_t {
  kNone, kUser,
  kSin, kCos, kTan, kCot, kSec, kCsc, kAsin, kAcos, kAtan, kAcot, kAsec, kAcsc,
  kSinh, kCosh, kTanh, kCoth, kSech, kCsch, kAsinh, kAcosh, kAtanh, kAcoth, kAsech, kAcsch,
  kExp, kLn, kLog,  // kLog: args[0], or args[0] to base args[1]; without a base e or 10 is meant
  kSqrt, kRoot,     // kRoot: args[0], index args[1]
  kAbs, kFloor, kCeil, kFactorial, kDoubleFactorial, kBinomial, kGamma, kMax, kMin, kGcd, kLcm, kMod, kSign, kRe, kIm, kConj, kArg,
  kDet, kNorm,
};
const char* name_of(Fn fn);

struct Expr {
  Kind kind = Kind::kNumber;
  Fn fn = Fn::kNone;
  bool flag = false;         // kNumber: written with a decimal point; kPlusMinus: ∓; kSymbol: from \text; kMatrix: a vector
  int16_t digits = 0;        // decimals after the point (may be negative for 3e8)
  int16_t significant = 0;   // significant digits as written
  int32_t index = 0;
  uint32_t count = 0;
  const Expr* const* args = nullptr;
  std::string_view name;
  fmpq number = {0, 1};

  const Expr& operator[](size_t i) const { return *args[i]; }
  bool is(Kind k) const { return kind == k; }
};

// Owns nodes, their argument arrays and names. Not thread-safe while building; afterwards read-only.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  Expr* make(Kind kind);
  const Expr* number(const Rational& value);
  const Expr* number(int64_t value) { return number(Rational(value)); }
  void set_number(Expr* node, const Rational& value);
  const Expr* symbol(std::string_view name);
  const Expr* make(Kind kind, std::initializer_list<const Expr*> args) { return make(kind, args.begin(), args.size()); }
  const Expr* make(Kind kind, const std::vector<const Expr*>& args) { return make(kind, args.data(), args.size()); }
  Expr* make(Kind kind, const Expr* const* args, size_t n);
  void set_args(Expr* node, const Expr* const* args, size_t n);
  const Expr* call(Fn fn, std::initializer_list<const Expr*> args);
  std::string_view copy(std::string_view text);

  const Expr* add(const Expr* a, const Expr* b);
  const Expr* mul(const Expr* a, const Expr* b);
  const Expr* neg(const Expr* a);
  const Expr* sub(const Expr* a, const Expr* b) { return add(a, neg(b)); }
  const Expr* div(const Expr* a, const Expr* b);
  const Expr* pow(const Expr* a, const Expr* b) { return make(Kind::kPow, {a, b}); }

 private:
  void* take(size_t bytes);
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::vector<fmpq*> owned_;  // numbers that may hold long integers
  char* at_ = nullptr;
  size_t left_ = 0;
};

inline Rational value_of(const Expr& e) {
  fmpq_t q = {{e.number.num, e.number.den}};
  return Rational(q);
}

// Canonical, unambiguous text of a tree: the reading shown by --explain and the key of kernels.
std::string to_string(const Expr& e);
// Same tree, node by node (numbers by value).
bool same(const Expr& a, const Expr& b);
// True when any node satisfies the predicate.
template <class P>
bool any(const Expr& e, const P& predicate) {
  if (predicate(e)) return true;
  for (uint32_t i = 0; i < e.count; ++i)
    if (any(e[i], predicate)) return true;
  return false;
}

// A reading: the tree, further readings where the spelling is ambiguous ("1,234"), or why there is none.
}  // namespace foil::verify
