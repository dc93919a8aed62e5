// Sums, products, powers and what stands behind a value (factorials, degrees, subscripts).
#include <utility>

#include "verify/grammar.h"

namespace foil::verify {

const Expr* Parser::set_operations() {
  const Expr* left = sum();
  while (true) {
    Kind kind;
    if (at_command("cup") || at_command("bigcup") || (at_word("U") && (left->is(Kind::kTuple) || left->is(Kind::kSet))) || at_word("union") || (left->is(Kind::kUnion) && at_word("U"))) {
      kind = Kind::kUnion;
    } else if (at_command("cap") || at_word("intersect") || at_word("intersection")) {
      kind = Kind::kIntersection;
    } else if (left->is(Kind::kSymbol) && left->name.substr(0, 4) == "set:" && at_op('-') && peek().type == Token::kSetOpen) {
      kind = Kind::kDifference;
    } else if (at_command("setminus") || at_command("smallsetminus") || at_command("backslash")) {
      kind = Kind::kDifference;
    } else {
      return left;
    }
    next();
    const Expr* right = sum();
    if (left->kind == kind && kind != Kind::kDifference) {
      std::vector<const Expr*> args(left->args, left->args + left->count);
      args.push_back(right);
      left = arena_.make(kind, args);
    } else {
      left = arena_.make(kind, {left, right});
    }
  }
}

const Expr* Parser::sum() {
  Deeper deeper(*this);
  std::vector<const Expr*> terms;
  bool first = true;
  while (true) {
    bool negative = false, sign = false;
    const Expr* pm = nullptr;
    while (true) {
      if (at_op('+')) {
        sign = true;
      } else if (at_op('-')) {
        negative = !negative;
        sign = true;
      } else if (at_command("pm") || at_command("mp") || at_command("plusmn")) {
        if (pm) fail("two ± in a row");
        Expr* e = arena_.make(Kind::kPlusMinus);
        e->flag = at_command("mp");
        pm = e;
        sign = true;
      } else {
        break;
      }
      next();
    }
    if (at_op('/') && negative && pm == nullptr) fail("unexpected '/'");
    if (!first && !sign) break;
    if (!first && negative && at(Token::kSetOpen) && terms.size() == 1 && terms[0]->is(Kind::kSymbol) && terms[0]->name.substr(0, 4) == "set:") {  // \mathbb{R} - \{2\}
      return arena_.make(Kind::kDifference, {terms[0], factor()});
    }
    const Expr* t = term(first && !pm ? &negative : nullptr);
    if (negative && !pm && (t->is(Kind::kQuantity) || t->is(Kind::kPercent)) && !(at_op('+') || at_op('-'))) {
      // −$5 is a quantity of −5
      Expr* q = arena_.make(t->kind);
      *q = *t;
      const Expr* inner = arena_.neg(t->args[0]);
      arena_.set_args(q, &inner, 1);
      t = q;
    } else if (pm) {
      Expr* e = arena_.make(Kind::kPlusMinus, &t, 1);
      e->flag = pm->flag != negative;
      t = e;
    } else if (negative) {
      t = arena_.neg(t);
    }
    terms.push_back(t);
    first = false;
  }
  const Expr* e = terms.size() == 1 ? terms[0] : arena_.make(Kind::kAdd, terms);
  if (at_command("pmod")) {  // 2 + 4 \pmod 5: what stands before it as a whole
    next();
    const Expr* args[2] = {e, factor()};
    Expr* residue = arena_.make(Kind::kCall, args, 2);
    residue->fn = Fn::kMod;
    residue->flag = true;  // a class, not the remainder
    e = residue;
  }
  return e;
}

// At "/day" behind money, "/person" behind a number, with nothing further.
bool Parser::rate_without_unit(const Expr& value) const {
  const Lexeme& by = peek();
  if ((by.type != Token::kText && (by.type != Token::kWord || by.text.size() < 3 || !unit_like(by))) || (peek(2).type != Token::kEnd && peek(2).type != Token::kPunct)) return false;
  if (peek(2).type == Token::kPunct && peek(2).op != '.' && peek(2).op != ')' && peek(2).op != ',') return false;
  if (value.is(Kind::kQuantity)) return value.name == "dollar" || value.name == "euro" || value.name == "pound";
  return value.is(Kind::kNumber) && parse_unit(by.text).name.empty();
}

// Does a set follow the word at hand? Then "U" is a union, not a name.
bool Parser::joins_sets() const {
  const Lexeme& after = peek();
  return after.type == Token::kSetOpen || after.type == Token::kOpen || after.type == Token::kCommand || (after.type == Token::kPunct && (after.op == '(' || after.op == '[' || after.op == ']'));
}

bool Parser::starts_factor() const {
  const Lexeme& t = cur();
  switch (t.type) {
    case Token::kText: return t.text == "cis";
    case Token::kNumber: case Token::kOpen: case Token::kBegin: case Token::kSetOpen: return true;
    case Token::kWord: return !separator() && !at_remark() && !((t.text == "U" && joins_sets()) || t.text == "union" || t.text == "in" || t.text == "intersect");
    case Token::kPunct: return t.op == '(' || (t.op == '[' && !french_open_ && !closes_outwards()) || (t.op == '|' && !abs_open_);
    case Token::kCommand:
      if (t.text == "rangle" || t.text == "rfloor" || t.text == "rceil" || t.text == "cup" || t.text == "cap" || t.text == "bigcup" || t.text == "setminus" || t.text == "smallsetminus" || t.text == "backslash" || t.text == "pm" ||
          t.text == "mp" || t.text == "choose" || t.text == "to" || t.text == "rightarrow" || t.text == "Rightarrow" || t.text == "implies" || t.text == "iff" || t.text == "over" || t.text == "atop" || t.text == "therefore" ||
          t.text == "land" || t.text == "lor" || t.text == "wedge" || t.text == "vee" || t.text == "and" || t.text == "plusmn" || t.text == "longrightarrow" || t.text == "forall" || t.text == "mapsto")
        return false;
      if (t.text == "Vert") return !norm_open_;
      if (t.text == "pmod" || t.text == "bmod" || t.text == "mod") return false;
      if (currency_of(t.text)) return false;
      return true;
    default: return false;
  }
}

// negative: a sign before the term; taken into it by \bmod, −1 \bmod 2 being (−1) mod 2, and then cleared.
const Expr* Parser::term(bool* negative) {
  Deeper deeper(*this);
  std::vector<const Expr*> factors = {factor()};
  while (true) {
    if (at(Token::kWord) && (cur().text == "x" || cur().text == "X") && cur().space_before && peek().space_before && (peek().type == Token::kNumber || (peek().type == Token::kCommand && currency_of(peek().text))) && !latex_ &&
        (factors.back()->is(Kind::kNumber) || factors.back()->is(Kind::kQuantity) || factors.back()->is(Kind::kPercent))) {
      next();  // 600 x 2
      factors.push_back(signed_factor());
      continue;
    }
    // 3x10^8
    if (at_word("x") && peek().type == Token::kNumber && peek().text == "10" && !peek().space_before && peek(2).type == Token::kPunct && peek(2).op == '^' && factors.back()->is(Kind::kNumber)) {
      next();
      factors.push_back(factor());
      continue;
    }
    if (at_op('*') || at_command("cdot") || at_command("times") || at_command("ast") || at_command("cdotp")) {
      next();
      factors.push_back(signed_factor());
    } else if (at_op('/') && factors.size() == 1 && rate_without_unit(*factors[0])) {
      next();  // "$18/day", "3/person": what a rate is by is commentary
      next();
    } else if (at_op('/') || at_command("div")) {
      next();
      const Expr* below = signed_factor();
      if (below->is(Kind::kQuantity) && below->name == "deg" && is_plain(*factors.back())) {  // 990/7° is (990/7)°
        factors.push_back(arena_.pow(below->args[0], arena_.number(-1)));
        return degrees(product(factors));
      }
      factors.push_back(arena_.pow(below, arena_.number(-1)));
    } else if (at_command("bmod") || at_command("mod")) {
      next();
      const Expr* modulus = signed_factor();
      const Expr* value = product(factors);
      if (negative && std::exchange(*negative, false)) value = arena_.neg(value);
      factors = {arena_.call(Fn::kMod, {value, modulus})};
    } else if (at_command("over")) {
      next();
      const Expr* top = product(factors);
      const Expr* bottom = sum();
      factors = {top, arena_.pow(bottom, arena_.number(-1))};
    } else if (at_command("choose") && group_depth_ > 0) {
      next();
      const Expr* top = product(factors);
      const Expr* bottom = sum();
      factors = {arena_.call(Fn::kBinomial, {top, bottom})};
    } else if (starts_factor()) {
      if (cur().newline_before && at(Token::kWord) && cur().text.size() == 1 && peek().type == Token::kRelation) break;  // x = 1, and on the next line y = 2
      if (top_ && at_op('(') && peek().type == Token::kWord && peek(2).type == Token::kRelation) break;  // kπ (k ∈ ℤ)
      if (at(Token::kNumber) && factors.back()->is(Kind::kNumber)) fail("two numbers in a row");
      if (at(Token::kWord)) {
        const Expr* so_far = factors.back();
        const bool numeric = so_far->is(Kind::kNumber) || so_far->is(Kind::kPow) || so_far->is(Kind::kCall) || so_far->is(Kind::kPi) || so_far->is(Kind::kPercent) || so_far->is(Kind::kQuantity) || so_far->is(Kind::kAdd) || so_far->is(Kind::kBase);
        if (numeric && unit_like(cur())) break;
        if (!numeric && !mode_.words_are_products && cur().space_before && cur().text.size() >= 4 && !splits_into_functions(cur().text)) break;
      }
      if ((at_op('[') || at(Token::kSetOpen)) && factors.back()->is(Kind::kTuple)) fail("two sets in a row");
      factors.push_back(factor());
    } else {
      break;
    }
  }
  return product(factors);
}

const Expr* Parser::signed_factor() {
  bool negative = false;
  while (at_op('-') || at_op('+')) {
    if (at_op('-')) negative = !negative;
    next();
  }
  if (at_command("pm") || at_command("mp")) fail("± inside a product");
  const Expr* f = factor();
  return negative ? arena_.neg(f) : f;
}

const Expr* Parser::factor() {
  Deeper deeper(*this);
  return postfix(primary());
}

bool Parser::degree_sign() const {
  if (at_command("degree") || at_command("circ") || at_command("textdegree")) return true;
  return false;
}

const Expr* Parser::postfix(const Expr* base) {
  while (true) {
    if (at_op('^')) {
      const Lexeme& n = peek();
      // ^\circ, ^{\circ}, ^\prime
      if (n.type == Token::kCommand && (n.text == "circ" || n.text == "degree")) {
        next();
        next();
        base = degrees(base);
        continue;
      }
      if (n.type == Token::kOpen && peek(2).type == Token::kCommand && (peek(2).text == "circ" || peek(2).text == "degree")) {
        next();
        next();
        next();
        if (at(Token::kWord) && (cur().text == "C" || cur().text == "F")) {
          const std::string unit = cur().text == "C" ? "celsius" : "fahrenheit";
          next();
          base = with_unit(base, parse_unit(unit));
        } else {
          base = degrees(base);
        }
        if (!at(Token::kClose)) fail("unexpected " + describe());
        next();
        continue;
      }
      if ((n.type == Token::kPunct && n.op == '\'') || (n.type == Token::kOpen && peek(2).type == Token::kPunct && peek(2).op == '\'')) {
        next();
        const bool group = at(Token::kOpen);
        if (group) next();
        std::string primes;
        while (take_op('\'')) primes += '\'';
        if (group) {
          if (!at(Token::kClose)) fail("unexpected " + describe());
          next();
        }
        base = renamed(base, primes);
        continue;
      }
      if (n.type == Token::kOpen && (peek(2).type == Token::kText || peek(2).type == Token::kWord) && (peek(2).text == "th" || peek(2).text == "st" || peek(2).text == "nd" || peek(2).text == "rd") && peek(3).type == Token::kClose) {
        for (int k = 0; k < 4; ++k) next();  // 6^{th}
        continue;
      }
      // x^2_1 and x^{2}_{ij} are powers of x_1 and x_{ij}
      const size_t width = n.type == Token::kNumber && n.text.size() == 1 ? 1 : n.type == Token::kOpen && peek(2).type == Token::kNumber && peek(3).type == Token::kClose ? 3 : 0;
      if (width > 0 && base->is(Kind::kSymbol) && peek(1 + width).type == Token::kPunct && peek(1 + width).op == '_') {
        const std::string_view digits = width == 1 ? n.text : peek(2).text;
        if (digits.size() <= 4 && all_digits(std::string(digits))) {
          const Expr* power = arena_.number(std::stoi(std::string(digits)));
          for (size_t k = 0; k <= width; ++k) next();
          base = arena_.pow(subscripted(base), power);
          continue;
        }
      }
      next();
      const Expr* power = exponent();
      if (base->is(Kind::kNumber) && power->is(Kind::kSymbol) && (power->name == "o" || power->name == "\\circ" || power->name == "\\degree")) {  // 90^o
        base = degrees(base);
        continue;
      }
      // f^{-1}(x) is the inverse function at x
      if (base->is(Kind::kSymbol) && is_function_letter(base->name) && at_op('(') && !cur().space_before && power->is(Kind::kNumber) && value_of(*power) == Rational(-1)) {
        base = application(arena_.symbol(std::string(base->name) + "^{-1}"));
        continue;
      }
      base = arena_.pow(base, power);
      continue;
    }
    if (at_op('\'')) {
      std::string primes;
      while (take_op('\'')) primes += '\'';
      base = renamed(base, primes);
      if (base->is(Kind::kSymbol) && at_op('(')) base = application(base);
      continue;
    }
    if (at_op('!')) {
      next();
      Fn fn = Fn::kFactorial;
      if (at_op('!')) {
        next();
        fn = Fn::kDoubleFactorial;
      }
      base = arena_.call(fn, {base});
      continue;
    }
    if (at_op('_')) {
      base = subscripted(base);
      continue;
    }
    if (base->is(Kind::kSymbol) && applied_to_one(base->name)) {
      base = application(base);
      continue;
    }
    if (at_op('%')) {
      next();
      base = arena_.make(Kind::kPercent, {base});
      continue;
    }
    if (at_command("permille")) {
      next();
      base = arena_.div(base, arena_.number(1000));
      continue;
    }
    if (degree_sign() && !cur().space_before && (base->is(Kind::kNumber) || base->is(Kind::kPow) || base->is(Kind::kMul) || base->is(Kind::kSymbol) || base->is(Kind::kAdd))) {
      next();
      base = degrees(base);
      continue;
    }
    if (at_command("celsius") || at_command("fahrenheit")) {
      const std::string unit(cur().text);
      next();
      base = with_unit(base, parse_unit(unit));
      continue;
    }
    return base;
  }
}

const Expr* Parser::degrees(const Expr* base) {
  if ((at(Token::kWord) || at(Token::kText)) && (cur().text == "C" || cur().text == "F") && (peek().type == Token::kEnd || peek().type == Token::kPunct || peek().type == Token::kRelation)) {
    const std::string unit = cur().text == "C" ? "celsius" : "fahrenheit";
    next();
    return with_unit(base, parse_unit(unit));
  }
  Unit unit;
  unit.name = "deg";
  unit.factor = Rational(1);
  // Minutes and seconds of arc: 30° 15' 20''
  return with_unit(base, unit);
}

const Expr* Parser::renamed(const Expr* base, std::string_view suffix) {
  if (!base->is(Kind::kSymbol)) {
    if (base->is(Kind::kE) || base->is(Kind::kI)) return arena_.symbol(std::string(base->is(Kind::kE) ? "e" : "i") + std::string(suffix));
    if (base->is(Kind::kQuantity) && base->name == "deg") fail("minutes of arc");
    fail("a prime behind something that is not a name");
  }
  return arena_.symbol(std::string(base->name) + std::string(suffix));
}

const Expr* Parser::exponent() {
  Deeper deeper(*this);
  bool negative = false;
  while (at_op('-') || at_op('+')) {
    if (at_op('-')) negative = !negative;
    next();
  }
  if (at_op('*')) {
    next();
    return arena_.symbol("*");
  }
  const Expr* e;
  if (at(Token::kNumber) || at(Token::kOpen) || at_op('(')) {
    e = primary();
  } else if (at(Token::kWord) && !function_names().count(cur().text) && cur().text != "pi") {
    e = letter();  // x^yz: only y is in the exponent
  } else {
    e = primary();
  }
  if (at_op('!')) {
    next();
    e = arena_.call(Fn::kFactorial, {e});
  }
  if (at_op('_')) e = subscripted(e);
  if (at_op('^')) {
    next();
    e = arena_.pow(e, exponent());
  }
  return negative ? arena_.neg(e) : e;
}

std::string Parser::subscript_text() {
  std::string s;
  if (at(Token::kOpen)) {
    int depth = 0;
    do {
      if (at(Token::kEnd) || at(Token::kBad)) fail("unbalanced braces");
      if (at(Token::kOpen)) ++depth;
      else if (at(Token::kClose)) --depth;
      else s += token_text(cur());
      next();
    } while (depth > 0);
    return s;
  }
  if (at(Token::kEnd) || at(Token::kBad)) fail("nothing after '_'");
  s = token_text(cur());
  if (at(Token::kWord) && s.size() > 1) {
    split_word(1);
    s = s.substr(0, 1);
    next();
    return s;
  }
  next();
  return s;
}

std::string Parser::token_text(const Lexeme& t) {
  if (t.type == Token::kPunct || t.type == Token::kRelation) return std::string(1, t.op);
  return std::string(t.text);
}

const Expr* Parser::subscripted(const Expr* base) {
  next();
  if (base->is(Kind::kNumber) || base->is(Kind::kLong)) {
    const size_t where = i_;
    std::string s = subscript_text();
    if (const int n = number_word(fold(s)); n >= 0) s = std::to_string(n);
    int b = 0;
    if (!all_digits(s) || s.size() > 2 || (b = std::stoi(s)) < 2 || b > 36) fail_at(t_[where], "not a number base: " + s);
    if (last_number_.find_first_of("eE") != std::string::npos && b < 15) fail_at(t_[where], "not a number in base " + s);
    const Expr* r = base_number(arena_, last_number_, b);
    if (!r) fail_at(t_[where], "a digit too large for base " + s);
    return r;
  }
  const std::string s = subscript_text();
  if (base->is(Kind::kSymbol)) return arena_.symbol(std::string(base->name) + "_" + s);
  if (base->is(Kind::kE) || base->is(Kind::kI)) return arena_.symbol(std::string(base->is(Kind::kE) ? "e" : "i") + "_" + s);
  if (base->is(Kind::kPi)) return arena_.symbol("pi_" + s);
  if (base->is(Kind::kMul) && base->count > 0 && base->args[base->count - 1]->is(Kind::kSymbol)) {
    std::vector<const Expr*> args(base->args, base->args + base->count);
    args.back() = arena_.symbol(std::string(args.back()->name) + "_" + s);
    return arena_.make(Kind::kMul, args);
  }
  fail("a subscript behind something that is not a name");
}

}  // namespace foil::verify
