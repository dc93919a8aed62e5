// LaTeX commands: fractions, roots, functions and their bare arguments, accents, sums and integrals.
#include <algorithm>
#include <utility>

#include "verify/grammar.h"

namespace foil::verify {

const Expr* Parser::argument() {
  Deeper deeper(*this);
  if (at(Token::kOpen)) return group();
  if (at(Token::kNumber) && cur().text.size() > 1 && all_digits(cur().text)) {
    // \frac12: one digit is one argument
    Lexeme rest = t_[i_];
    rest.text = t_[i_].text.substr(1);
    rest.begin += 1;
    rest.space_before = false;
    t_[i_].text = t_[i_].text.substr(0, 1);
    t_.insert(t_.begin() + static_cast<std::ptrdiff_t>(i_) + 1, rest);
  }
  if (at(Token::kNumber)) {
    const Expr* n = number_literal(arena_, cur().text);
    next();
    return n;
  }
  if (at(Token::kWord) && !function_names().count(cur().text)) return letter();
  if (at_op('-')) {
    next();
    return arena_.neg(argument());
  }
  return primary();
}

const Expr* Parser::fraction() {
  next();
  const Expr* p = argument();
  const Expr* q = argument();
  return arena_.make(Kind::kMul, {p, arena_.pow(q, arena_.number(-1))});
}

const Expr* Parser::root(bool cube) {
  const Expr* index = cube ? arena_.number(3) : nullptr;
  if (at_op('[')) {
    next();
    index = sum();
    expect_op(']');
  }
  const Expr* inside;
  if (at(Token::kOpen)) {
    inside = group();
  } else if (at_op('(')) {
    inside = bracket();
  } else if (at(Token::kNumber)) {
    inside = number_literal(arena_, cur().text);
    next();
  } else if (at(Token::kWord) && !function_names().count(cur().text) && cur().text != "pi") {
    inside = letter();
  } else {
    inside = primary();
  }
  if (inside->is(Kind::kTuple) || inside->is(Kind::kList)) {
    // cbrt/root(x, n)
    fail("a root of an enumeration");
  }
  if (index) {
    if (index->is(Kind::kNumber) && value_of(*index) == Rational(2)) return arena_.call(Fn::kSqrt, {inside});
    return arena_.call(Fn::kRoot, {inside, index});
  }
  return arena_.call(Fn::kSqrt, {inside});
}

const Expr* Parser::bare_argument() {
  std::vector<const Expr*> factors;
  bool negative = false;
  while (at_op('-') || at_op('+')) {
    if (at_op('-')) negative = !negative;
    next();
  }
  while (starts_factor()) {
    if (!factors.empty()) {
      if (at_command("cdot") || at_command("times") || at_command("ast")) break;  // \sin t \cdot \sin t
      if (at(Token::kCommand) && function_names().count(cur().text)) break;
      if (at(Token::kWord) && (function_names().count(cur().text) || unit_like(cur()))) break;
      if (at_op('(') || at_op('[') || at(Token::kBegin) || at(Token::kSetOpen)) {
        if (!(factors.size() == 1 && factors[0]->is(Kind::kNumber))) break;
      }
      if (at(Token::kNumber) && factors.back()->is(Kind::kNumber)) break;
    }
    factors.push_back(factor());
  }
  if (factors.empty()) fail("a function without its argument");
  const Expr* e = product(factors);
  return negative ? arena_.neg(e) : e;
}

// cis θ = cos θ + i sin θ
const Expr* Parser::cis() {
  const Expr* x = at_op('(') ? bracket() : at(Token::kOpen) ? group() : bare_argument();
  return arena_.add(arena_.call(Fn::kCos, {x}), arena_.mul(arena_.make(Kind::kI), arena_.call(Fn::kSin, {x})));
}

const Expr* Parser::function(Fn fn, std::string_view name) {
  Deeper deeper(*this);
  if (fn == Fn::kSqrt) return root(false);
  if (name == "cbrt") return root(true);
  const Expr* base = nullptr;
  const Expr* power = nullptr;
  bool inverse = false;
  if (fn == Fn::kLog && name == "lg") base = arena_.number(10);
  while (true) {
    if (at_op('_') && !base) {
      next();
      if (fn == Fn::kLog || fn == Fn::kLn) {
        base = at(Token::kNumber) ? number_literal(arena_, cur().text) : nullptr;
        if (base) next();
        else base = argument();
      } else {
        const std::string s = subscript_text();
        return arena_.symbol(std::string(name) + "_" + s);
      }
    } else if (at_op('^') && !power) {
      next();
      const Expr* p = exponent();
      const bool minus_one = p->is(Kind::kNumber) && value_of(*p) == Rational(-1);
      if (minus_one && fn >= Fn::kSin && fn <= Fn::kCsch) {
        inverse = true;
      } else {
        power = p;
      }
    } else {
      break;
    }
  }
  if (inverse) {
    static const std::pair<Fn, Fn> pairs[] = {{Fn::kSin, Fn::kAsin}, {Fn::kCos, Fn::kAcos}, {Fn::kTan, Fn::kAtan}, {Fn::kCot, Fn::kAcot}, {Fn::kSec, Fn::kAsec}, {Fn::kCsc, Fn::kAcsc},
                                              {Fn::kSinh, Fn::kAsinh}, {Fn::kCosh, Fn::kAcosh}, {Fn::kTanh, Fn::kAtanh}, {Fn::kCoth, Fn::kAcoth}, {Fn::kSech, Fn::kAsech}, {Fn::kCsch, Fn::kAcsch}};
    for (const auto& [from, to] : pairs)
      if (from == fn) {
        fn = to;
        break;
      }
  }
  std::vector<const Expr*> args;
  if (at_op('(') || at_op('[')) {
    const Expr* inner = bracket();
    if (inner->is(Kind::kTuple)) args.assign(inner->args, inner->args + inner->count);
    else args.push_back(inner);
  } else if (at(Token::kOpen)) {
    const Expr* inner = group();
    if (inner->is(Kind::kList)) args.assign(inner->args, inner->args + inner->count);
    else args.push_back(inner);
    if (fn == Fn::kBinomial && args.size() == 1) args.push_back(argument());
  } else {
    args.push_back(bare_argument());
  }
  const bool many = fn == Fn::kMax || fn == Fn::kMin || fn == Fn::kGcd || fn == Fn::kLcm;
  if (many && args.size() == 1 && args[0]->is(Kind::kSet) && args[0]->count > 1) args.assign(args[0]->args, args[0]->args + args[0]->count);  // \max\{a, b\}
  const size_t n = args.size();
  const bool two = fn == Fn::kBinomial;
  if (fn == Fn::kLog && n == 2 && !base) {
    base = args[1];
    args.pop_back();
  } else if (n == 0 || (!many && n != (two ? 2u : 1u))) {
    fail("wrong number of arguments for " + std::string(name));
  }
  if (base) {
    if (base->is(Kind::kE)) {
      fn = Fn::kLn;
    } else {
      args.push_back(base);
      fn = Fn::kLog;
    }
  }
  if (fn == Fn::kDet && args[0]->is(Kind::kMatrix)) return determinant(args[0]);
  Expr* call = arena_.make(Kind::kCall, args.data(), args.size());
  call->fn = fn;
  if (power) return arena_.pow(call, power);
  return call;
}

const Expr* Parser::command() {
  const std::string_view name = cur().text;
  if (name == "cis" || name == "ang") {
    next();
    if (name == "cis") return cis();
    return degrees(argument());
  }
  if (name == "frac" || name == "dfrac" || name == "tfrac" || name == "cfrac" || name == "nicefrac" || name == "sfrac") return fraction();
  if (name == "sqrt") {
    next();
    return root(false);
  }
  if (name == "cbrt") {
    next();
    return root(true);
  }
  if (name == "fourthroot") {
    next();
    return arena_.call(Fn::kRoot, {root(false)->args[0], arena_.number(4)});
  }
  if (name == "binom" || name == "dbinom" || name == "tbinom") {
    next();
    const Expr* n = argument();
    const Expr* k = argument();
    return arena_.call(Fn::kBinomial, {n, k});
  }
  if (name == "pi") {
    next();
    return arena_.make(Kind::kPi);
  }
  if (name == "exponentialE") {
    next();
    return arena_.make(Kind::kE);
  }
  if (name == "infty" || name == "infin") {
    next();
    return arena_.make(Kind::kInfinity);
  }
  if (name == "emptyset" || name == "varnothing") {
    next();
    return arena_.make(Kind::kSet, std::initializer_list<const Expr*>{});
  }
  if (name == "langle" || name == "lt") return delimited("rangle", Fn::kNone);
  if (name == "lfloor") return delimited("rfloor", Fn::kFloor);
  if (name == "lceil") return delimited("rceil", Fn::kCeil);
  if (name == "Vert" || name == "lVert") return delimited(name == "lVert" ? "rVert" : "Vert", Fn::kNorm);
  if (const char* currency = currency_of(name)) {
    next();
    return with_unit(factor(), parse_unit(currency));
  }
  if (name == "R" || name == "Z" || name == "Q" || name == "N" || name == "C") {
    next();
    std::string s = "set:" + std::string(name);
    if (at_op('^') && peek().type == Token::kPunct && (peek().op == '+' || peek().op == '-' || peek().op == '*')) {
      next();
      s += cur().op;
      next();
    }
    if (at_op('_') && peek().type == Token::kOpen) {
      next();
      s += "_" + subscript_text();
    }
    return arena_.symbol(s);
  }
  if (name == "Gamma" && peek().type == Token::kPunct && peek().op == '(') {
    next();
    return function(Fn::kGamma, "gamma");
  }
  if (is_symbol_command(name)) {
    next();
    std::string n(name);
    if (n == "varepsilon") n = "epsilon";
    if (n == "varphi") n = "phi";
    if (n == "vartheta") n = "theta";
    if (n == "imath" || n == "imaginaryI") return arena_.make(Kind::kI);
    return arena_.symbol(n == "ldots" ? "..." : n);
  }
  if ((name == "angle" || name == "measuredangle") && peek().type == Token::kWord && peek().text.size() == 3 && !(peek(2).type == Token::kPunct && peek(2).op == '_') && std::all_of(peek().text.begin(), peek().text.end(), [](char ch) { return ch >= 'A' && ch <= 'Z'; })) {  // ∠ABC is ∠CBA, not ∠ACB
    next();
    std::string corner(cur().text);
    if (corner[2] < corner[0]) std::swap(corner[0], corner[2]);
    next();
    return arena_.symbol("angle " + corner);
  }
  if (name == "angle" || name == "triangle" || name == "measuredangle" || name == "odot" || name == "operatorname" || name == "bigtriangleup") {
    next();
    return primary();
  }
  if (is_accent(name)) {
    next();
    if (name == "overset" || name == "underset" || name == "stackrel") argument();
      const Expr* inner = argument();
    if (name == "overline" || name == "vec" || name == "overrightarrow" || name == "overleftrightarrow" || name == "overarc" || name == "wideparen") {
      if (inner->is(Kind::kNumber)) fail("a bar over a number");
      return inner;
    }
    if (name == "overbrace" || name == "underbrace") return inner;
    if (inner->is(Kind::kSymbol)) return arena_.symbol(std::string(name) + " " + std::string(inner->name));
    if (inner->is(Kind::kI)) return arena_.symbol(std::string(name) + " i");
    if (inner->is(Kind::kNumber)) fail("an accent over a number");
    return inner;
  }
  if (name == "sum" || name == "prod" || name == "int" || name == "iint" || name == "oint" || name == "lim" || name == "limsup" || name == "liminf" || name == "bigcap" || name == "sup" || name == "inf") return opaque(name);
  if (const auto it = function_names().find(name); it != function_names().end()) {
    next();
    return function(it->second, name);
  }
  // \quadx: a spacing command run into a name
  for (const std::string_view spacing : {"qquad", "quad"})
    if (name.size() > spacing.size() && name.substr(0, spacing.size()) == spacing) {
      t_[i_].type = Token::kWord;
      t_[i_].text = name.substr(spacing.size());
      return primary();
    }
  if (peek().type == Token::kOpen) fail("unknown command \\" + std::string(name));
  next();
  return arena_.symbol("\\" + std::string(name));
}

const Expr* Parser::opaque(std::string_view name) {
  next();
  const Expr *lower = nullptr, *upper = nullptr;
  while (at_op('_') || at_op('^')) {
    const bool low = at_op('_');
    next();
    const Expr* bound;
    if (at(Token::kOpen)) {
      next();
      ++group_depth_;
      bound = bound_statement();
      --group_depth_;
      if (!at(Token::kClose)) fail("unexpected " + describe());
      next();
    } else {
      bound = argument();
    }
    (low ? lower : upper) = bound;
  }
  const Expr* body = term();
  std::vector<const Expr*> args = {lower ? lower : arena_.symbol("-"), upper ? upper : arena_.symbol("-"), body};
  Expr* e = arena_.make(Kind::kOpaque, args.data(), args.size());
  e->name = arena_.copy(name);
  return e;
}

const Expr* Parser::bound_statement() {
  const Expr* e = relation();
  if (at_command("to") || at_command("rightarrow") || at_command("longrightarrow")) {
    next();
    const Expr* to = relation();
    return arena_.make(Kind::kTuple, {e, to});
  }
  return e;
}

}  // namespace foil::verify
