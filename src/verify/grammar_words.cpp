// Words: units and commentary behind a value, runs of letters as names, functions or products, and \text{…}.
#include <algorithm>

#include "verify/grammar.h"

namespace foil::verify {

const Expr* Parser::quantity() {
  const Expr* value = set_operations();
  bool had_unit = false;
  while (true) {
    if (at_op('%') ) {  // behind a whole sum or fraction
      next();
      value = arena_.make(Kind::kPercent, {value});
      continue;
    }
    if (!had_unit && is_scalar_kind(*value) && (at(Token::kWord) || at(Token::kText))) {
      static constexpr std::pair<std::string_view, int> kMade[] = {{"squared", 2}, {"cubed", 3}, {"halves", -2}, {"thirds", -3}, {"fifths", -5}, {"sixths", -6}, {"eighths", -8}, {"tenths", -10}};
      const Expr* made = nullptr;
      for (const auto& [word, n] : kMade)
        if (cur().text == word) made = n > 0 ? arena_.pow(value, arena_.number(n)) : arena_.div(value, arena_.number(-n));
      if (made) {
        value = made;
        next();
        continue;
      }
    }
    if (had_unit && at_word("and") && peek().type == Token::kNumber && value->is(Kind::kQuantity)) {  // 2 hours and 42 minutes
      const size_t before = i_;
      next();
      const Expr* rest = quantity();
      if (rest->is(Kind::kQuantity) && rest->name == value->name && value_of(*rest) < value_of(*value)) {
        const Expr* sum = arena_.add(arena_.mul((*value).args[0], arena_.number(value_of(*value))), arena_.mul((*rest).args[0], arena_.number(value_of(*rest))));
        Expr* q = arena_.make(Kind::kQuantity, &sum, 1);
        arena_.set_number(q, Rational(1));
        q->name = value->name;
        return q;
      }
      i_ = before;
      return value;
    }
    Unit unit;
    const size_t before = i_;
    if (unit_tokens(value, unit)) {
      if (unit.time_of_day) return value;  // handled by the reader of times
      if (!unit.name.empty() && !(value->is(Kind::kQuantity) && value->name != unit.name)) {  // "$18 per day" stays dollars
        value = with_unit(value, unit);
        had_unit = true;
      }
      if (had_unit && (at(Token::kNumber) || at_op('+') || at_op('-'))) {  // 5 ft 6 in
        take_op('+');
        const Expr* rest = quantity();
        if (rest->is(Kind::kQuantity) && value->is(Kind::kQuantity) && rest->name == value->name) {
          const Expr* sum = arena_.add(arena_.mul((*value).args[0], arena_.number(value_of(*value))), arena_.mul((*rest).args[0], arena_.number(value_of(*rest))));
          Expr* q = arena_.make(Kind::kQuantity, &sum, 1);
          arena_.set_number(q, Rational(1));
          q->name = value->name;
          return q;
        }
        fail("two quantities of different kinds");
      }
      if (i_ != before) continue;
    }
    return value;
  }
}

const Expr* Parser::with_unit(const Expr* value, const Unit& unit) {
  if (unit.name == "percent") return arena_.make(Kind::kPercent, {value});
  if (value->is(Kind::kQuantity) && value->name == unit.name) return value;  // "$5 dollars"
  Expr* q = arena_.make(Kind::kQuantity, &value, 1);
  q->name = arena_.copy(unit.name);
  arena_.set_number(q, unit.factor);
  return q;
}

bool Parser::unit_tokens(const Expr* value, Unit& unit) {
  std::string text;
  const size_t start = i_;
  bool any_text = false;
  while (true) {
    const Lexeme& t = cur();
    if (separator() == 1 || separator() == 2) break;
    if (t.type == Token::kText) {
      if ((any_text || top_) && opens_remark(fold(t.text))) break;  // at the top level statement() drops what follows
      any_text = true;
      if (!text.empty()) text += ' ';
      text += t.text;
      next();
    } else if (t.type == Token::kWord) {
      if (!word_is_unit(t, value, text.empty()) || (top_ && opens_remark(fold(t.text)) && t.text != "as")) break;
      if (!text.empty()) text += ' ';
      text += t.text;
      any_text = true;
      next();
    } else if (t.type == Token::kCommand && currency_of(t.text)) {
      if (any_text) break;
      text = currency_of(t.text);
      any_text = true;
      next();
    } else if (any_text && t.type == Token::kPunct && t.op == '^') {
      next();
      const bool group = at(Token::kOpen);
      if (group) next();
      if (take_op('-')) text += "^-";
      else text += '^';
      if (!at(Token::kNumber)) fail("a unit's power must be a number");
      text += cur().text;
      next();
      if (group) {
        if (!at(Token::kClose)) fail("unbalanced braces");
        next();
      }
    } else if (any_text && t.type == Token::kPunct && (t.op == '/' || t.op == '*') && (peek().type == Token::kText || peek().type == Token::kWord)) {
      text += t.op;
      next();
      text += cur().text;
      next();
    } else if (any_text && t.type == Token::kCommand && (t.text == "cdot" || t.text == "times") && peek().type == Token::kText) {
      text += '*';
      next();
    } else if (any_text && t.type == Token::kPunct && t.op == '.' && peek().type != Token::kEnd && peek().type != Token::kNumber) {
      text += '.';
      next();
    } else if (any_text && t.type == Token::kPunct && t.op == '(' ) {
      // a remark in parentheses behind the unit: "5 cm (approximately)"
      size_t depth = 0, j = i_;
      bool words = false;
      for (; j < t_.size(); ++j) {
        if (t_[j].type == Token::kPunct && t_[j].op == '(') ++depth;
        if (t_[j].type == Token::kWord || t_[j].type == Token::kText) words = true;
        if (t_[j].type == Token::kPunct && t_[j].op == ')' && --depth == 0) break;
      }
      if (!words || j >= t_.size()) break;
      i_ = j;
      next();
    } else {
      break;
    }
  }
  if (i_ == start) return false;
  // "n is odd", "5 is wrong", "n! if n is even": a statement about the value, not a unit of it
  {
    const std::string said = fold(text);
    for (const std::string_view opening : {"is ", "are ", "if ", "isnt ", "unless "})
      if (said.rfind(opening, 0) == 0 && !(said.rfind("is ", 0) == 0 && (said.find("only solution") != std::string::npos || said == "is solution" || said == "is answer" || said == "is final answer" || said == "is correct"))) fail("words inside a formula");
  }
  // "n odd" says something of n
  if (start == 1 && value->is(Kind::kSymbol))
    for (const std::string_view property : {"odd", "even", "prime", "composite", "positive", "negative", "integer", "rational", "irrational", "real"})
      if (const std::string said = fold(text); said == property || (said.size() > property.size() && said.compare(0, property.size() + 1, std::string(property) + " ") == 0)) fail("words inside a formula");
  // "a week", "per person": a rate's denominator alone is commentary
  if (text.rfind("a ", 0) == 0 || text.rfind("an ", 0) == 0 || text.rfind("per ", 0) == 0 || text.rfind("each", 0) == 0) return true;
  unit = parse_unit(text);
  // "9 (nine)" says it twice
  if (const int n = number_word(fold(text)); unit.name.empty() && n >= 0 && !(value->is(Kind::kNumber) && value_of(*value) == Rational(n))) fail("two numbers in a row");
  return true;
}

bool Parser::word_is_unit(const Lexeme& t, const Expr* value, bool first) const {
  if (!first) return true;
  if (t.text == "in" && peek().type != Token::kEnd && !(peek().type == Token::kPunct)) return false;
  const std::string lower = fold(t.text);
  const bool number = value->is(Kind::kNumber) || value->is(Kind::kMul) || value->is(Kind::kAdd) || value->is(Kind::kPow) || value->is(Kind::kQuantity) || value->is(Kind::kPercent) || value->is(Kind::kCall) || value->is(Kind::kPi);
  if (!number) return t.space_before && t.text.size() >= 4;
  return unit_like(t);
}

bool Parser::unit_like(const Lexeme& t) const {
  if (mode_.words_are_products) return false;
  const std::string_view w = t.text;
  if ((w == "st" || w == "nd" || w == "rd" || w == "th") && !t.space_before) return true;  // 6th
  if (function_names().count(w) || w == "pi" || is_greek_word(w) || w == "infinity" || w == "inf" || w == "oo") return false;
  const bool known = is_unit_word(w);
  const Lexeme& after = t_[std::min<size_t>(static_cast<size_t>(&t - t_.data()) + 1, t_.size() - 1)];
  if (w == "per" || w == "each") return true;
  if ((w == "a" || w == "an") && t.space_before && !latex_ && after.type == Token::kWord && after.text.size() > 1) return true;  // 840 a week
  if (w.size() == 1) {
    // "15 m" in plain text; in LaTeX or without the space a letter is a variable. "15m²" is written for units only.
    if (known && w == "m" && !latex_ && after.op == '^' && after.tight) return true;
    return known && t.space_before && !latex_ && (after.type == Token::kEnd || after.type == Token::kPunct) && (after.op != '+' && after.op != '-' && after.op != '(' && after.op != '*');
  }
  if (known && w.size() == 2) return (t.space_before || w != "mg") && !latex_ && after.op != '(';
  if (known) return true;
  if (w.size() == 2) return false;
  if (!t.space_before) return false;
  if (w.size() == 3) {
    const bool run = w[1] == w[0] + 1 && w[2] == w[1] + 1;  // abc, xyz
    return !run && w[0] >= 'a' && !latex_;
  }
  return !splits_into_functions(w);
}

bool Parser::splits_into_functions(std::string_view w) {
  static constexpr std::string_view kRun[] = {"arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "ln", "pi"};
  if (w == "cost" || w == "sect") return false;
  bool any = false, letter_before = false;
  for (size_t i = 0; i < w.size();) {
    size_t n = 0;
    for (const std::string_view f : kRun)
      if (w.substr(i, f.size()) == f) {
        n = f.size();
        break;
      }
    if (n) {
      any = true;
      letter_before = false;
      i += n;
      continue;
    }
    if (letter_before || std::string_view("xyztuvnkmabpqrw").find(w[i]) == std::string_view::npos) return false;
    letter_before = true;
    ++i;
  }
  return any;
}

void Parser::split_word(size_t n) {
  Lexeme rest = t_[i_];
  rest.text = t_[i_].text.substr(n);
  rest.begin += static_cast<uint32_t>(n);
  rest.space_before = false;
  t_[i_].text = t_[i_].text.substr(0, n);
  t_.insert(t_.begin() + static_cast<std::ptrdiff_t>(i_) + 1, rest);
  if (t_.size() > 4 * kMaxTokens) fail("too long");
}

const Expr* Parser::letter() {
  if (cur().text.size() > 1 && static_cast<unsigned char>(cur().text[0]) < 0x80) split_word(1);
  const std::string_view w = cur().text;
  next();
  if (w == "e") return arena_.make(Kind::kE);
  if (w == "i") return arena_.make(Kind::kI);
  return arena_.symbol(w);
}

const Expr* Parser::word() {
  std::string_view w = cur().text;
  // np.sqrt(3), math.pi
  if ((w == "np" || w == "math" || w == "numpy" || w == "sympy" || w == "sp" || w == "cmath") && peek().type == Token::kPunct && peek().op == '.' && peek(2).type == Token::kWord) {
    next();
    next();
    w = cur().text;
  }
  if (const Expr* e = named(w)) return e;
  if (w.size() == 1) {
    if (w == "a" && !latex_ && i_ == 0 && peek().type == Token::kWord && peek().space_before && peek().text.size() >= 4 && !is_greek_word(peek().text) && !function_names().count(peek().text)) longest_word_ = std::max<size_t>(longest_word_, 5);  // "a circle"
    const bool alone = i_ == 0 || cur().space_before || t_[i_ - 1].type != Token::kNumber;
    const Expr* s = letter();
    if (alone && s->is(Kind::kSymbol) && at(Token::kNumber) && !cur().space_before && cur().text.size() <= 2 && all_digits(cur().text) && ends_name(peek())) {  // "x1" for x_1
      const Expr* e = arena_.symbol(std::string(s->name) + "_" + std::string(cur().text));
      next();
      return e;
    }
    if (s->is(Kind::kSymbol) && at_op('(') && !cur().space_before && is_application(w)) return application(s);
    return s;
  }
  if (static_cast<unsigned char>(w[0]) >= 0x80) fail("unknown word");
  // a prefix that is a known name: "xsin(x)", "pix"
  if (w.size() <= 3 || splits_into_functions(w) || (peek().type == Token::kPunct && peek().op == '('))
    for (size_t n = std::min<size_t>(w.size() - 1, 8); n >= 2; --n) {
    const std::string_view head = w.substr(0, n);
    if (head == "pi" || head == "sqrt" || (function_names().count(head) && n >= 3) || (head == "ln" && n == 2)) {
      split_word(n);
      return named(cur().text);
    }
  }
  if (!mode_.words_are_products) {
    if (w.size() >= 3) {
      if (splits_into_functions(w)) return letter();
      static constexpr std::string_view kWords = " not but and the its was are for any all can has had who why how yes ";
      longest_word_ = std::max<size_t>(longest_word_, w.size() == 3 && kWords.find(" " + std::string(w) + " ") != std::string_view::npos ? 5 : w.size());
    } else if (is_little_word(w) && !latex_ && peek().type == Token::kPunct && peek().op == '\'' && peek(2).type == Token::kWord && !peek(2).space_before) {  // it's
      longest_word_ = std::max<size_t>(longest_word_, 5);
    } else if (is_little_word(w) && (cur().space_before || i_ == 0) && (peek().space_before || peek().type == Token::kEnd || (peek().type == Token::kPunct && peek().op == ','))) {
      longest_word_ = std::max<size_t>(longest_word_, 3);
    }
  }
  return letter();
}

const Expr* Parser::named(std::string_view w) {
  if (w == "pi" || w == "PI" || w == "Pi") {
    next();
    return arena_.make(Kind::kPi);
  }
  if (w == "infinity" || w == "infty" || w == "inf" || w == "oo" || w == "Infinity") {
    next();
    return arena_.make(Kind::kInfinity);
  }
  if (const auto it = function_names().find(w); it != function_names().end() && w.size() > 1) {
    if (it->second == Fn::kLog && peek().type == Token::kNumber && !peek().space_before && (peek().text == "2" || peek().text == "10") && peek(2).type == Token::kPunct && peek(2).op == '(') {  // log2(x), log10(x)
      next();
      const Expr* base = number_literal(arena_, cur().text);
      next();
      const Expr* x = bracket();
      if (x->is(Kind::kTuple) || x->is(Kind::kList)) fail("wrong number of arguments for log");
      return arena_.call(Fn::kLog, {x, base});
    }
    if (w.size() == 2 && (w == "sh" || w == "ch" || w == "th" || w == "tg" || w == "lg") && !latex_ && !(peek().type == Token::kPunct && peek().op == '(')) return nullptr;
    next();
    return function(it->second, w);
  }
  if (is_greek_word(w)) {
    next();
    return arena_.symbol(w);
  }
  return nullptr;
}

// May a name written "x1" end before this token? "k2\pi" is k times 2π.
bool Parser::ends_name(const Lexeme& t) {
  if (t.type == Token::kWord || t.type == Token::kCommand) return t.space_before;
  return t.type != Token::kNumber && t.type != Token::kOpen && !(t.type == Token::kPunct && (t.op == '(' || t.op == '^' || t.op == '_' || t.op == '!'));
}

bool Parser::is_function_letter(std::string_view w) { return w == "f" || w == "g" || w == "h" || w == "F" || w == "G" || w == "H"; }

bool Parser::is_application(std::string_view w) const {
  if (is_function_letter(w)) return true;
  if (i_ != relation_start_ + 1) return false;
  size_t j = i_ + 1;
  const auto op = [&](size_t k, std::string_view signs) { return t_[k].type == Token::kPunct && signs.find(t_[k].op) != std::string_view::npos; };
  while (j < t_.size() && (t_[j].type == Token::kWord || t_[j].type == Token::kNumber || op(j, ",") || (op(j, "+-") && op(j - 1, "(,")))) {  // E(x, +0, z)
    if (t_[j].type == Token::kWord && t_[j].text.size() > 1) return false;
    ++j;
  }
  return j > i_ + 1 && j + 1 < t_.size() && t_[j].type == Token::kPunct && t_[j].op == ')' && t_[j + 1].type == Token::kRelation && t_[j + 1].op == '=';
}

// At "(0)" or "(x)" alone behind a name: I(0) and y(x) are values of a function, nobody brackets such a factor.
bool Parser::applied_to_one(std::string_view name) const {
  if (i_ == 0 || !at_op('(') || cur().space_before || peek(2).type != Token::kPunct || peek(2).op != ')') return false;
  const Lexeme &argument = peek(), &before = t_[i_ - 1];
  if (before.type == Token::kPunct && before.op == ')') return false;  // (a)(b)
  if (argument.type == Token::kNumber) return argument.text == "0";
  const auto op = [&](size_t n, char sign) { return peek(n).type == Token::kPunct && peek(n).op == sign; };
  const bool power = op(3, '^'), factors = op(3, '(') && op(5, ')');  // a(b)^2, a(b)(c)
  return argument.type == Token::kWord && argument.text.size() == 1 && argument.text != name && !power && !factors;
}

const Expr* Parser::application(const Expr* head) {
  const Expr* inner = bracket();
  Expr* e = inner->is(Kind::kTuple) ? arena_.make(Kind::kCall, inner->args, inner->count) : arena_.make(Kind::kCall, &inner, 1);
  e->fn = Fn::kUser;
  e->name = head->name;
  return e;
}

const Expr* Parser::text() {
  const std::string_view content = cur().text;
  const std::string folded = fold(content);
  next();
  if (folded.empty()) return primary();
  if (content == "cis" && !at(Token::kEnd)) return cis();
  if (const auto it = function_names().find(content); it != function_names().end() && content.size() > 2 && (at_op('(') || at(Token::kOpen))) return function(it->second, content);  // \text{lcm}(4, 6)
  if (const int n = number_word(folded); n >= 0) return arena_.number(n);
  // "Rs. 5", "USD 5"
  if (const Unit unit = parse_unit(content); !unit.name.empty() && unit.currency && (at(Token::kNumber) || at_command("frac"))) return with_unit(factor(), unit);
  if (at(Token::kNumber) || at_command("frac") || at_command("sqrt") || at_op('-')) {
    for (const std::string_view word : {"not", "except", "other than", "never", "without", "twice", "double", "half", "half of", "multiple of", "multiples of", "square of", "root of", "any number but", "less than", "greater than", "more than", "undefined at"})
      if (folded == word || (folded.size() > word.size() && folded.substr(folded.size() - word.size() - 1) == " " + std::string(word))) fail("words that make another value of the number");
    // words before a value say nothing about it: "\text{approximately } 5"
    return signed_factor();
  }
  // "\text{The point is }(1, 2)"
  if (at_op('(') && (content.back() == ':' || (folded.size() > 3 && (folded.substr(folded.size() - 3) == " is" || folded.substr(folded.size() - 3) == "are")))) return primary();
  if (folded.size() == 1 || content.find_first_of("0123456789+=^/") != std::string_view::npos) {
    // mathematics inside \text
    const Lexed lexed = lex(arena_.copy(content));
    Parsed p = parse_tokens(arena_, lexed, mode_);
    if (p.tree && p.longest_word == 0) return p.tree;
  }
  if (content.find(',') != std::string_view::npos) {
    std::vector<const Expr*> items;
    size_t from = 0;
    while (from <= content.size()) {
      const size_t comma = std::min(content.find(',', from), content.size());
      std::string_view part = content.substr(from, comma - from);
      std::string w = fold(part);
      if (w.rfind("and ", 0) == 0) w = w.substr(4);
      if (!w.empty()) items.push_back(word_node(w, part));
      from = comma + 1;
    }
    if (items.size() > 1) return arena_.make(Kind::kList, items);
  }
  return word_node(folded, content);
}

const Expr* Parser::word_node(const std::string& folded, std::string_view original) {
  std::string_view s = original;
  while (!s.empty() && (s.front() == ' ' || s.front() == '(')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == ')' || s.back() == '.')) s.remove_suffix(1);
  if (s.size() == 1) return s == "e" ? arena_.make(Kind::kE) : s == "i" ? arena_.make(Kind::kI) : arena_.symbol(s);
  if (const int md = month_day(folded)) {
    Expr* date = arena_.make(Kind::kDate);
    date->index = md;
    return date;
  }
  Expr* e = arena_.make(Kind::kText);
  e->name = arena_.copy(phrase(folded));
  return e;
}

}  // namespace foil::verify
