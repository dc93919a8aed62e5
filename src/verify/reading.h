// What parse() makes of an answer: the tree, and further trees where the spelling allows two readings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verify/expr.h"
#include "verify/verify.h"

namespace foil::verify {

struct Alternative {
  const Expr* tree;
  // When it may be used: 'l' against an enumeration, 'd' against a scalar, 'p' against anything but words, 'r' against a ratio or
  // scalar, 'u' against a quantity, 'i' against another 'i', 'c' against anything but a choice, 'a' always.
  char use;
};

// parse() for a gold: "3,4" there is a list, not 3.4 with a decimal comma.
Reading parse_listed(std::string_view answer);

struct Reading::Node {
  Arena arena;
  const Expr* tree = nullptr;  // null: unreadable
  std::vector<Alternative> others;
  bool prose = false;          // words were read as products of letters: hardly an answer on its own
  std::string problem;         // with the byte offset
  std::string plain;           // the answer without spaces and delimiters, for identity of unreadable answers
};

}  // namespace foil::verify
