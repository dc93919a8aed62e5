// A parsed template: statements and expressions.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja_value.h"

namespace foil::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Expression {
  enum class Kind {
    kLiteral, kName, kList, kTuple, kDict,  // kDict: key, value, key, value, …
    kAttribute, kItem, kSlice,              // kSlice: object, begin, end, step; absent ones null
    kCall, kFilter, kTest,                  // first the callee or subject, then positional arguments
    kNot, kAnd, kOr, kNegative, kPositive, kBinary,
    kCompare,                               // operands; `names` holds the operators between them
    kConditional                            // condition, then, else (null: undefined)
  } kind;
  int line = 0;
  std::string text;                         // name, attribute, filter, test, operator
  Value literal;
  std::vector<ExpressionPtr> parts;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  std::vector<std::string> names;
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;                   // null: undefined
};

struct Statement {
  enum class Kind { kText, kOutput, kIf, kFor, kSet, kSetBlock, kMacro, kCall, kFilter, kBreak, kContinue, kGroup } kind;
  int line = 0;
  std::string text;                         // kText; name of a macro
  ExpressionPtr target;                     // kFor, kSet, kSetBlock: name, tuple of names or attribute
  ExpressionPtr value;                      // kOutput, kSet, kFor (what to go through), kCall; kFilter, kSetBlock: filters over a literal ""
  ExpressionPtr condition;                  // kFor … if
  std::vector<std::pair<ExpressionPtr, Block>> branches;  // kIf; the condition of else is null
  std::vector<Parameter> parameters;        // kMacro, kCall
  bool uses_loop = false;                   // kFor: the name `loop` occurs in the body
  Block body, otherwise;                    // otherwise: for … else
};

struct Program {
  Block body;
  std::string where;
};

}  // namespace foil::text::jinja
