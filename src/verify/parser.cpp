#include "verify/parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "verify/units.h"
#include "verify/words.h"

namespace foil::verify {

namespace {

constexpr size_t kMaxDigits = 20'000;  // longer numbers are compared as digit strings

bool all_digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Failure {
  std::string why;
  size_t where;
};

const std::unordered_map<std::string_view, Fn>& function_names() {
  static const std::unordered_map<std::string_view, Fn> map = {
      {"sin", Fn::kSin}, {"cos", Fn::kCos}, {"tan", Fn::kTan}, {"tg", Fn::kTan}, {"cot", Fn::kCot}, {"ctg", Fn::kCot}, {"sec", Fn::kSec}, {"csc", Fn::kCsc}, {"cosec", Fn::kCsc},
      {"arcsin", Fn::kAsin}, {"arccos", Fn::kAcos}, {"arctan", Fn::kAtan}, {"arctg", Fn::kAtan}, {"arccot", Fn::kAcot}, {"arcctg", Fn::kAcot}, {"arcsec", Fn::kAsec}, {"arccsc", Fn::kAcsc},
      {"asin", Fn::kAsin}, {"acos", Fn::kAcos}, {"atan", Fn::kAtan}, {"acot", Fn::kAcot}, {"asec", Fn::kAsec}, {"acsc", Fn::kAcsc},
      {"sinh", Fn::kSinh}, {"cosh", Fn::kCosh}, {"tanh", Fn::kTanh}, {"coth", Fn::kCoth}, {"sech", Fn::kSech}, {"csch", Fn::kCsch}, {"sh", Fn::kSinh}, {"ch", Fn::kCosh}, {"th", Fn::kTanh},
      {"asinh", Fn::kAsinh}, {"acosh", Fn::kAcosh}, {"atanh", Fn::kAtanh}, {"arcsinh", Fn::kAsinh}, {"arccosh", Fn::kAcosh}, {"arctanh", Fn::kAtanh}, {"arsinh", Fn::kAsinh}, {"arcosh", Fn::kAcosh}, {"artanh", Fn::kAtanh},
      {"acoth", Fn::kAcoth}, {"arccoth", Fn::kAcoth}, {"asech", Fn::kAsech}, {"acsch", Fn::kAcsch}, {"arcsech", Fn::kAsech}, {"arccsch", Fn::kAcsch},
      {"exp", Fn::kExp}, {"ln", Fn::kLn}, {"log", Fn::kLog}, {"lg", Fn::kLog}, {"abs", Fn::kAbs}, {"floor", Fn::kFloor}, {"ceil", Fn::kCeil}, {"ceiling", Fn::kCeil},
      {"factorial", Fn::kFactorial}, {"gamma", Fn::kGamma}, {"max", Fn::kMax}, {"min", Fn::kMin}, {"gcd", Fn::kGcd}, {"lcm", Fn::kLcm}, {"sgn", Fn::kSign}, {"sign", Fn::kSign},
      {"Re", Fn::kRe}, {"Im", Fn::kIm}, {"arg", Fn::kArg}, {"Arg", Fn::kArg}, {"det", Fn::kDet}, {"sqrt", Fn::kSqrt}, {"cbrt", Fn::kRoot}, {"binom", Fn::kBinomial}, {"binomial", Fn::kBinomial}, {"conjugate", Fn::kConj}};
  return map;
}

// LaTeX commands that are a name: letters of other alphabets and the like.
bool is_symbol_command(std::string_view name) {
  static const std::unordered_map<std::string_view, int> names = {
      {"alpha", 1}, {"beta", 1}, {"gamma", 1}, {"delta", 1}, {"epsilon", 1}, {"varepsilon", 1}, {"zeta", 1}, {"eta", 1}, {"theta", 1}, {"vartheta", 1}, {"iota", 1}, {"kappa", 1}, {"lambda", 1}, {"mu", 1},
      {"nu", 1}, {"xi", 1}, {"rho", 1}, {"varrho", 1}, {"sigma", 1}, {"varsigma", 1}, {"tau", 1}, {"upsilon", 1}, {"phi", 1}, {"varphi", 1}, {"chi", 1}, {"psi", 1}, {"omega", 1}, {"Gamma", 1}, {"Delta", 1},
      {"Theta", 1}, {"Lambda", 1}, {"Xi", 1}, {"Pi", 1}, {"Sigma", 1}, {"Upsilon", 1}, {"Phi", 1}, {"Psi", 1}, {"Omega", 1}, {"hbar", 1}, {"hslash", 1}, {"ell", 1}, {"partial", 1}, {"nabla", 1}, {"aleph", 1}, {"mho", 1},
      {"odot", 1}, {"star", 1}, {"imath", 1}, {"jmath", 1}, {"wp", 1}, {"bullet", 1}, {"dagger", 1}, {"oplus", 1}, {"otimes", 1}, {"clubsuit", 1}, {"spadesuit", 1}, {"heartsuit", 1}, {"diamondsuit", 1}, {"parallel", 1}, {"perp", 1},
      {"square", 1}, {"Box", 1}, {"ldots", 1}};
  return names.count(name) > 0;
}

bool is_greek_word(std::string_view w) {
  static const std::unordered_map<std::string_view, int> names = {{"alpha", 1}, {"beta", 1}, {"gamma", 1}, {"delta", 1}, {"epsilon", 1}, {"zeta", 1}, {"eta", 1}, {"theta", 1}, {"kappa", 1}, {"lambda", 1}, {"mu", 1},
                                                                 {"nu", 1}, {"xi", 1}, {"rho", 1}, {"sigma", 1}, {"tau", 1}, {"phi", 1}, {"chi", 1}, {"psi", 1}, {"omega", 1}};
  return names.count(w) > 0;
}

// Two-letter words of English prose; set apart by spaces they are not a product.
bool is_little_word(std::string_view w) {
  if (w.size() != 2) return false;
  static constexpr std::string_view kWords = " is we it to of in so by be an as at he if no on or us do my me go up We It So If In As By To At On An No ";
  return kWords.find(" " + std::string(w) + " ") != std::string_view::npos;
}

bool is_accent(std::string_view c) {
  return c == "dot" || c == "ddot" || c == "hat" || c == "bar" || c == "tilde" || c == "vec" || c == "widehat" || c == "widetilde" || c == "overrightarrow" || c == "overleftrightarrow" || c == "check" || c == "breve" || c == "mathring" ||
         c == "overline" || c == "overarc" || c == "wideparen" || c == "overset" || c == "underset" || c == "stackrel" || c == "overbrace" || c == "underbrace" || c == "oversetarc";
}

class Parser {
 public:
  Parser(Arena& arena, const Lexed& lexed, const ParseMode& mode) : arena_(arena), t_(lexed.tokens), latex_(lexed.latex), mode_(mode) {}

  Parsed run() {
    Parsed out;
    try {
      if (t_.back().type == Token::kBad) fail_at(t_.back(), std::string(t_.back().text));
      const Expr* e = statement(/*top=*/true);
      skip_trailing();
      if (!at(Token::kEnd)) fail("unexpected " + describe());
      out.tree = e;
    } catch (const Failure& f) {
      out.problem = f.why;
      out.where = f.where;
    }
    out.comma_ambiguous = comma_ambiguous_;
    out.longest_word = longest_word_;
    return out;
  }

 private:
  // ---- tokens ----
  const Lexeme& cur() const { return t_[i_]; }
  const Lexeme& peek(size_t n = 1) const { return t_[std::min(i_ + n, t_.size() - 1)]; }
  bool at(Token type) const { return cur().type == type; }
  bool at_op(char op) const { return cur().type == Token::kPunct && cur().op == op; }
  bool at_command(std::string_view name) const { return cur().type == Token::kCommand && cur().text == name; }
  bool at_word(std::string_view w) const { return cur().type == Token::kWord && cur().text == w; }
  void next() {
    if (i_ + 1 < t_.size()) ++i_;
  }
  bool take_op(char op) {
    if (!at_op(op)) return false;
    next();
    return true;
  }
  void expect_op(char op) {
    if (!take_op(op)) fail(std::string("expected '") + op + "' before " + describe());
  }
  [[noreturn]] void fail(std::string why) { fail_at(cur(), std::move(why)); }
  [[noreturn]] static void fail_at(const Lexeme& t, std::string why) { throw Failure{std::move(why), t.begin}; }
  std::string describe() const {
    const Lexeme& t = cur();
    switch (t.type) {
      case Token::kEnd: return "the end";
      case Token::kBad: return std::string(t.text);
      case Token::kOpen: return "'{'";
      case Token::kClose: return "'}'";
      case Token::kSetOpen: return "'\\{'";
      case Token::kSetClose: return "'\\}'";
      case Token::kRow: return "'\\\\'";
      case Token::kPunct: case Token::kRelation: return std::string("'") + t.op + "'";
      case Token::kCommand: return "'\\" + std::string(t.text) + "'";
      default: return "'" + std::string(t.text.substr(0, 40)) + "'";
    }
  }

  struct Deeper {
    explicit Deeper(Parser& p) : p(p) {
      if (++p.depth_ > kMaxDepth) p.fail("nested too deeply");
    }
    ~Deeper() { --p.depth_; }
    Parser& p;
  };

  void skip_trailing() {
    while (at_op('.') || at_op(',') || at_op(';') || at_op('!') || at(Token::kRow)) next();
  }

  // ---- enumerations ----
  // 1: and, 2: or, 3: comma, 4: semicolon
  int separator() const {
    const Lexeme& t = cur();
    if (t.type == Token::kPunct && t.op == ',') return 3;
    if (t.type == Token::kPunct && t.op == ';') return 4;
    if (t.type == Token::kPunct && t.op == '&' ) return 1;
    if (t.type == Token::kRow) return 3;
    if (t.type == Token::kCommand) {
      if (t.text == "land" || t.text == "wedge" || t.text == "and") return 1;
      if (t.text == "lor" || t.text == "vee") return 2;
    }
    if (t.type == Token::kWord || t.type == Token::kText) {
      const std::string w = fold(t.text);
      if (w == "and") return 1;
      if (w == "or") return 2;
    }
    return 0;
  }
  // Words that open a remark behind the answer.
  bool at_remark() const {
    if (cur().type != Token::kWord && cur().type != Token::kText) return false;
    return opens_remark(fold(cur().text));
  }

  const Expr* statement(bool top) {
    Deeper deeper(*this);
    std::vector<const Expr*> items, groups;
    bool any_and = false, any_or = false, semicolons = false;
    const auto close_group = [&] {
      if (items.empty()) return;
      groups.push_back(items.size() == 1 ? items[0] : arena_.make(Kind::kList, items));
      items.clear();
    };
    while (true) {
      while (const int s = separator()) {
        if (s == 1) any_and = true;
        if (s == 2) any_or = true;
        if (s == 4) {
          semicolons = true;
          close_group();
        }
        next();
      }
      if (ends_statement()) break;
      if (top && !(items.empty() && groups.empty()) && at_remark()) {
        while (!at(Token::kEnd) && !at(Token::kBad)) next();
        break;
      }
      if (top && at_op('.') && !(peek().type == Token::kCommand && (is_accent(peek().text)))) {
        next();
        if (at(Token::kEnd)) break;
        fail("text after the full stop");
      }
      items.push_back(relation());
      if (top && items.size() + groups.size() > 1 && says_domain(*items.back())) items.pop_back();  // "kπ, k ∈ ℤ"
      if (top && at_remark()) {
        while (!at(Token::kEnd) && !at(Token::kBad)) next();
        break;
      }
      if (!separator() && !ends_statement() && !(top && at_op('.'))) fail("unexpected " + describe());
    }
    if (semicolons && !groups.empty()) {
      close_group();
      if (groups.size() == 1) return groups[0];
      return arena_.make(Kind::kList, groups);
    }
    if (items.empty()) fail("nothing before " + describe());
    if (items.size() == 1) return items[0];
    Expr* list = arena_.make(Kind::kList, items.data(), items.size());
    list->index = any_or ? 2 : any_and ? 1 : 0;
    return list;
  }
  static bool says_domain(const Expr& e) { return e.is(Kind::kRelation) && e.count == 2 && e.name == "e" && e[0].is(Kind::kSymbol) && e[1].is(Kind::kSymbol) && e[1].name.substr(0, 4) == "set:"; }
  bool ends_statement() const {
    switch (cur().type) {
      case Token::kEnd: case Token::kBad: case Token::kClose: case Token::kSetClose: case Token::kEndEnv: return true;
      case Token::kPunct: return cur().op == ')' || cur().op == ']' || (cur().op == '|' && abs_open_);
      case Token::kCommand: return cur().text == "rangle" || cur().text == "rfloor" || cur().text == "rceil" || (cur().text == "Vert" && norm_open_);
      default: return false;
    }
  }

  // a = b ≤ c …, also a : b : c
  const Expr* relation() {
    Deeper deeper(*this);
    std::vector<const Expr*> sides;
    std::string ops;
    relation_start_ = i_;
    if (at(Token::kRelation) && (cur().op == '=' || cur().op == '~')) next();  // "= 5", "≈ 8.24"
    if (at(Token::kRelation)) {
      sides.push_back(arena_.symbol("?"));
    } else {
      sides.push_back(ratio());
    }
    while (at(Token::kRelation)) {
      ops += cur().op;
      next();
      if (at(Token::kRelation) && cur().op == '=') {  // "> =" written apart
        if (ops.back() == '>') ops.back() = 'g';
        if (ops.back() == '<') ops.back() = 'l';
        next();
      }
      if (ends_statement() || separator()) fail("nothing after the relation");
      sides.push_back(ratio());
    }
    if (at_word("in") && sides.size() == 1 && ops.empty()) {
      next();
      ops += 'e';
      sides.push_back(ratio());
    }
    if (sides.size() == 1) return sides[0];
    Expr* r = arena_.make(Kind::kRelation, sides.data(), sides.size());
    r->name = arena_.copy(ops);
    return r;
  }

  const Expr* ratio() {
    const Expr* first = quantity();
    if (!at_op(':')) return first;
    if (peek().type == Token::kEnd) return first;
    std::vector<const Expr*> parts = {first};
    while (take_op(':')) parts.push_back(quantity());
    return arena_.make(Kind::kRatio, parts);
  }

  // ---- quantities: a value and its unit ----
  const Expr* quantity() {
    const Expr* value = set_operations();
    bool had_unit = false;
    while (true) {
      if (at_op('%') ) {  // behind a whole sum or fraction
        next();
        value = arena_.make(Kind::kPercent, {value});
        continue;
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

  const Expr* with_unit(const Expr* value, const Unit& unit) {
    if (unit.name == "percent") return arena_.make(Kind::kPercent, {value});
    if (value->is(Kind::kQuantity) && value->name == arena_copy_cmp(unit.name)) return value;  // "$5 dollars"
    Expr* q = arena_.make(Kind::kQuantity, &value, 1);
    q->name = arena_.copy(unit.name);
    arena_.set_number(q, unit.factor);
    return q;
  }
  static std::string_view arena_copy_cmp(const std::string& s) { return s; }

  // Reads words and \text{…} behind a value as a unit or as commentary. False: nothing there.
  bool unit_tokens(const Expr* value, Unit& unit) {
    std::string text;
    const size_t start = i_;
    bool any_text = false;
    while (true) {
      const Lexeme& t = cur();
      if (separator() == 1 || separator() == 2) break;
      if (t.type == Token::kText) {
        if (any_text && opens_remark(fold(t.text))) break;
        any_text = true;
        if (!text.empty()) text += ' ';
        text += t.text;
        next();
      } else if (t.type == Token::kWord) {
        if (!word_is_unit(t, value, text.empty())) break;
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
    unit = parse_unit(text);
    if (unit.name.empty() && number_word(fold(text)) >= 0) fail("two numbers in a row");
    return true;
  }

  // May this word stand behind `value` as a unit or as commentary (and not as a factor)?
  bool word_is_unit(const Lexeme& t, const Expr* value, bool first) const {
    if (!first) return true;
    if (t.text == "in" && peek().type != Token::kEnd && !(peek().type == Token::kPunct)) return false;
    const std::string lower = fold(t.text);
    const bool number = value->is(Kind::kNumber) || value->is(Kind::kMul) || value->is(Kind::kAdd) || value->is(Kind::kPow) || value->is(Kind::kQuantity) || value->is(Kind::kPercent) || value->is(Kind::kCall) || value->is(Kind::kPi);
    if (!number) return t.space_before && t.text.size() >= 4;
    return unit_like(t);
  }

  // A word that cannot be a product of variables where it stands: a unit, or commentary.
  bool unit_like(const Lexeme& t) const {
    if (mode_.words_are_products) return false;
    const std::string_view w = t.text;
    if (function_names().count(w) || w == "pi" || is_greek_word(w) || w == "infinity" || w == "inf" || w == "oo") return false;
    const bool known = is_unit_word(w);
    const Lexeme& after = t_[std::min<size_t>(static_cast<size_t>(&t - t_.data()) + 1, t_.size() - 1)];
    if (w == "per" || w == "each") return true;
    if ((w == "a" || w == "an") && t.space_before && !latex_ && after.type == Token::kWord && after.text.size() > 1) return true;  // 840 a week
    if ((w == "st" || w == "nd" || w == "rd" || w == "th") && !t.space_before) return true;                                     // 6th
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

  // ---- sets ----
  const Expr* set_operations() {
    const Expr* left = sum();
    while (true) {
      Kind kind;
      if (at_command("cup") || at_command("bigcup") || (at_word("U") && left->is(Kind::kTuple)) || at_word("union") || (left->is(Kind::kUnion) && at_word("U"))) {
        kind = Kind::kUnion;
      } else if (at_command("cap") || at_word("intersect") || at_word("intersection")) {
        kind = Kind::kIntersection;
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

  // ---- arithmetic ----
  const Expr* sum() {
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
      const Expr* t = term();
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
    return terms.size() == 1 ? terms[0] : arena_.make(Kind::kAdd, terms);
  }

  bool starts_factor() const {
    const Lexeme& t = cur();
    switch (t.type) {
      case Token::kNumber: case Token::kOpen: case Token::kBegin: case Token::kSetOpen: return true;
      case Token::kWord: return !separator() && !at_remark() && !(t.text == "U" || t.text == "union" || t.text == "in" || t.text == "intersect");
      case Token::kPunct: return t.op == '(' || t.op == '[' || (t.op == '|' && !abs_open_);
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

  const Expr* term() {
    Deeper deeper(*this);
    std::vector<const Expr*> factors = {factor()};
    while (true) {
      if (at(Token::kWord) && (cur().text == "x" || cur().text == "X") && cur().space_before && peek().space_before && (peek().type == Token::kNumber || (peek().type == Token::kCommand && currency_of(peek().text))) && !latex_ &&
          (factors.back()->is(Kind::kNumber) || factors.back()->is(Kind::kQuantity) || factors.back()->is(Kind::kPercent))) {
        next();  // 600 x 2
        factors.push_back(signed_factor());
        continue;
      }
      if (at_op('*') || at_command("cdot") || at_command("times") || at_command("ast") || at_command("cdotp")) {
        next();
        factors.push_back(signed_factor());
        if (factors.back()->is(Kind::kNumber)) factors.back() = unmixed(factors.back());
      } else if (at_op('/') || at_command("div")) {
        next();
        factors.push_back(arena_.pow(signed_factor(), arena_.number(-1)));
      } else if (at_command("bmod") || at_command("pmod") || at_command("mod")) {
        const bool parenthesised = cur().text == "pmod";
        next();
        (void)parenthesised;
        const Expr* modulus = factor();
        const Expr* value = product(factors);
        factors = {arena_.call(Fn::kMod, {value, modulus})};
      } else if (at_command("over") && group_depth_ > 0) {
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

  const Expr* product(const std::vector<const Expr*>& factors) { return factors.size() == 1 ? factors[0] : arena_.make(Kind::kMul, factors); }
  static const Expr* unmixed(const Expr* e) { return e; }

  const Expr* signed_factor() {
    bool negative = false;
    while (at_op('-') || at_op('+')) {
      if (at_op('-')) negative = !negative;
      next();
    }
    if (at_command("pm") || at_command("mp")) fail("± inside a product");
    const Expr* f = factor();
    return negative ? arena_.neg(f) : f;
  }

  const Expr* factor() {
    Deeper deeper(*this);
    return postfix(primary());
  }

  bool degree_sign() const {
    if (at_command("degree") || at_command("circ") || at_command("textdegree")) return true;
    return false;
  }

  const Expr* postfix(const Expr* base) {
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
        next();
        base = arena_.pow(base, exponent());
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

  const Expr* degrees(const Expr* base) {
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

  const Expr* renamed(const Expr* base, std::string_view suffix) {
    if (!base->is(Kind::kSymbol)) {
      if (base->is(Kind::kE) || base->is(Kind::kI)) return arena_.symbol(std::string(base->is(Kind::kE) ? "e" : "i") + std::string(suffix));
      if (base->is(Kind::kQuantity) && base->name == "deg") fail("minutes of arc");
      fail("a prime behind something that is not a name");
    }
    return arena_.symbol(std::string(base->name) + std::string(suffix));
  }

  const Expr* exponent() {
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

  // The subscript as text, for names.
  std::string subscript_text() {
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
  static std::string token_text(const Lexeme& t) {
    if (t.type == Token::kPunct || t.type == Token::kRelation) return std::string(1, t.op);
    return std::string(t.text);
  }

  const Expr* subscripted(const Expr* base) {
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

  // ---- primaries ----
  const Expr* primary() {
    Deeper deeper(*this);
    const Lexeme& t = cur();
    switch (t.type) {
      case Token::kNumber: return number();
      case Token::kWord: return word();
      case Token::kText: return text();
      case Token::kOpen: return group();
      case Token::kSetOpen: return set();
      case Token::kBegin: return environment();
      case Token::kCommand: return command();
      case Token::kPunct:
        if (t.op == '(' || t.op == '[' || t.op == ']') return bracket();
        if (t.op == '|') return absolute();
        if (t.op == '.' && (peek().type == Token::kCommand && (peek().text == "overline" || peek().text == "dot" || peek().text == "bar"))) {
          next();
          return repeating("0.");
        }
        if (t.op == '-' || t.op == '+') return signed_factor();
        break;
      default: break;
    }
    if (t.type == Token::kEnd) fail("something is missing at the end");
    fail("unexpected " + describe());
  }

  const Expr* group() {
    next();
    ++group_depth_;
    const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
    if (at(Token::kClose)) {  // {}: nothing
      next();
      --group_depth_;
      abs_open_ = abs;
      norm_open_ = norm;
      if (at(Token::kEnd) || at(Token::kClose)) return arena_.make(Kind::kSet, std::initializer_list<const Expr*>{});
      return primary();
    }
    const Comma comma = inner_comma();
    const Expr* e = statement(false);
    mode_.comma = comma;
    if (!at(Token::kClose)) fail(at(Token::kEnd) ? "unbalanced braces" : "unexpected " + describe());
    next();
    --group_depth_;
    abs_open_ = abs;
    norm_open_ = norm;
    return e;
  }
  // Inside brackets a bare comma separates; returns the mode to restore. A brace group that only wraps one value keeps the mode.
  Comma inner_comma() { return mode_.comma; }

  const Expr* set() {
    next();
    const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
    const Comma comma = std::exchange(mode_.comma, Comma::kSeparator);
    std::vector<const Expr*> items;
    // {x | condition}, {x : condition}, {x ∈ ℝ | condition}
    if (at(Token::kWord) || at(Token::kOpen) || at_op('(')) {
      size_t j = i_;
      int depth = 0;
      bool bar = false;
      for (; j < t_.size(); ++j) {
        const Lexeme& t = t_[j];
        if (t.type == Token::kSetOpen || t.type == Token::kOpen || (t.type == Token::kPunct && (t.op == '(' || t.op == '['))) ++depth;
        if (t.type == Token::kSetClose || t.type == Token::kClose || (t.type == Token::kPunct && (t.op == ')' || t.op == ']'))) --depth;
        if (depth < 0 || t.type == Token::kEnd || (t.type == Token::kPunct && t.op == ',' && depth == 0)) break;
        if (depth == 0 && t.type == Token::kPunct && (t.op == '|' || t.op == ':')) {
          bar = true;
          break;
        }
      }
      bool value_inside = false;
      for (size_t k = i_; k < j; ++k)
        if (t_[k].type == Token::kNumber) value_inside = true;
      if (bar && !value_inside) {
        abs_open_ = true;  // the bar ends the head
        set_operations();
        if (at(Token::kRelation)) {
          next();
          set_operations();
        }
        abs_open_ = false;
        if (at_op('|') || at_op(':')) next();
        const Expr* condition = statement(false);
        if (!at(Token::kSetClose)) fail("unexpected " + describe());
        next();
        mode_.comma = comma;
        abs_open_ = abs;
        norm_open_ = norm;
        return condition;
      }
    }
    while (!at(Token::kSetClose)) {
      if (separator()) {
        next();
        continue;
      }
      if (at(Token::kEnd) || at(Token::kBad)) fail("unbalanced braces");
      items.push_back(relation());
      if (!separator() && !at(Token::kSetClose)) fail("unexpected " + describe());
    }
    next();
    mode_.comma = comma;
    abs_open_ = abs;
    norm_open_ = norm;
    return arena_.make(Kind::kSet, items);
  }

  const Expr* bracket() {
    const Lexeme open_token = cur();
    const char open = cur().op;
    next();
    ++group_depth_;
    const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
    const bool separators = has_comma_before_close();
    const Comma comma = separators ? std::exchange(mode_.comma, Comma::kSeparator) : mode_.comma;
    std::vector<const Expr*> items;
    char close = 0;
    while (true) {
      if (at_op(')') || at_op(']') || (open == ']' && at_op('['))) {
        close = cur().op;
        next();
        break;
      }
      if (at(Token::kPunct) && (cur().op == ',' || cur().op == ';')) {
        next();
        continue;
      }
      if (const int s = separator(); s == 1 || s == 2 || s == 3) {
        next();
        continue;
      }
      if (at(Token::kEnd) || at(Token::kBad)) fail_at(open_token, "unbalanced brackets");
      items.push_back(relation());
      if (!separator() && !at_op(')') && !at_op(']') && !at_op('[')) fail(at(Token::kEnd) ? "unbalanced brackets" : "unexpected " + describe());
    }
    --group_depth_;
    mode_.comma = comma;
    abs_open_ = abs;
    norm_open_ = norm;
    if (items.size() == 1) {
      if ((open == '(' && close == ')') || (open == '[' && close == ']')) {
        // (212)_3
        return items[0];
      }
      fail_at(open_token, "brackets that do not match");
    }
    Expr* e = arena_.make(Kind::kTuple, items.data(), items.size());
    char name[2] = {open, close};
    if (open == ']') name[0] = '(';  // ]a, b[
    if (open == ']' && close == '[') name[1] = ')';
    e->name = arena_.copy({name, 2});
    return e;
  }

  // Is there a comma or semicolon at this bracket's own level?
  bool has_comma_before_close() const {
    int depth = 0;
    for (size_t j = i_; j < t_.size(); ++j) {
      const Lexeme& t = t_[j];
      if (t.type == Token::kEnd) return false;
      if (t.type == Token::kOpen || t.type == Token::kSetOpen) ++depth;
      if (t.type == Token::kClose || t.type == Token::kSetClose) --depth;
      if (t.type != Token::kPunct) continue;
      if (t.op == '(' || t.op == '[') ++depth;
      if ((t.op == ')' || t.op == ']') && --depth < 0) return false;
      if ((t.op == ',' || t.op == ';') && depth == 0 && !t.tight) return true;
    }
    return false;
  }

  const Expr* absolute() {
    next();
    ++group_depth_;
    const bool abs = std::exchange(abs_open_, true);
    const Expr* e = statement(false);
    if (!at_op('|')) fail("'|' without its partner");
    next();
    abs_open_ = abs;
    --group_depth_;
    if (e->is(Kind::kMatrix) && e->index > 1) return determinant(e);
    return arena_.call(Fn::kAbs, {e});
  }

  // Written out for up to four rows; larger ones stay a name.
  const Expr* determinant(const Expr* m) {
    const auto n = static_cast<size_t>(m->index);
    if (n * n != m->count) fail("a determinant must be square");
    if (n > 4) return arena_.call(Fn::kDet, {m});
    std::vector<const Expr*> cells(m->args, m->args + m->count);
    return expand(cells, n);
  }
  const Expr* expand(const std::vector<const Expr*>& cells, size_t n) {
    if (n == 1) return cells[0];
    const Expr* sum = nullptr;
    for (size_t c = 0; c < n; ++c) {
      std::vector<const Expr*> minor;
      for (size_t r = 1; r < n; ++r)
        for (size_t k = 0; k < n; ++k)
          if (k != c) minor.push_back(cells[r * n + k]);
      const Expr* term = arena_.mul(cells[c], expand(minor, n - 1));
      if (c % 2) term = arena_.neg(term);
      sum = sum ? arena_.add(sum, term) : term;
    }
    return sum;
  }

  const Expr* delimited(std::string_view close, Fn fn) {
    next();
    ++group_depth_;
    const bool abs = std::exchange(abs_open_, false);
    const bool norm = std::exchange(norm_open_, close == "Vert");
    const Comma comma = mode_.comma;
    if (close == "rangle") mode_.comma = Comma::kSeparator;
    const Expr* e = statement(false);
    mode_.comma = comma;
    if (!at_command(close)) fail("expected '\\" + std::string(close) + "' before " + describe());
    next();
    abs_open_ = abs;
    norm_open_ = norm;
    --group_depth_;
    if (fn == Fn::kNone) {
      Expr* tuple = e->is(Kind::kList) ? arena_.make(Kind::kTuple, e->args, e->count) : arena_.make(Kind::kTuple, &e, 1);
      tuple->name = "<>";
      return tuple;
    }
    return arena_.call(fn, {e});
  }

  const Expr* environment() {
    const std::string_view name = cur().text;
    const Lexeme open_token = cur();
    next();
    ++group_depth_;
    const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
    const Comma comma = mode_.comma;
    const bool cases = name == "cases" || name == "dcases" || name == "rcases";
    const bool lines = name == "aligned" || name == "align" || name == "gathered" || name == "gather" || name == "split" || name == "equation" || name == "eqnarray" || name == "alignedat";
    std::vector<const Expr*> cells;
    size_t columns = 0, in_row = 0;
    const auto end_row = [&] {
      if (in_row == 0) return;
      if (columns && in_row != columns && !lines) fail("rows of different lengths");
      columns = in_row;
      in_row = 0;
    };
    if (lines) {
      std::vector<const Expr*> items;
      while (!at(Token::kEndEnv)) {
        if (at(Token::kRow) || at_op('&') || at_op(',')) {
          next();
          continue;
        }
        if (at(Token::kEnd) || at(Token::kBad)) fail_at(open_token, "environment without its end");
        if (at_command("Longrightarrow") || at_command("Rightarrow") || at_command("implies") || at_command("therefore")) {
          next();
          continue;
        }
        // "a &= b \\\\ &= c" is one chain
        const char op = at(Token::kRelation) ? cur().op : 0;
        const Expr* item = relation();
        if (op && !items.empty() && is_scalar_or_relation(*items.back())) {
          std::vector<const Expr*> sides;
          std::string ops;
          for (const Expr* part : {items.back(), item}) {
            if (part == item) ops += op;
            if (part->is(Kind::kRelation)) {
              sides.insert(sides.end(), part->args, part->args + part->count);
              ops += part->name;
            } else {
              sides.push_back(part);
            }
          }
          Expr* chain = arena_.make(Kind::kRelation, sides.data(), sides.size());
          chain->name = arena_.copy(ops);
          items.back() = chain;
        } else {
          items.push_back(item);
        }
        if (items.size() > 400 || items.back()->count > 400) fail("too many lines");
      }
      next();
      --group_depth_;
      abs_open_ = abs;
      norm_open_ = norm;
      if (items.empty()) fail_at(open_token, "empty environment");
      return items.size() == 1 ? items[0] : arena_.make(Kind::kList, items);
    }
    while (true) {
      if (at(Token::kEndEnv)) {
        end_row();
        next();
        break;
      }
      if (at(Token::kRow)) {
        end_row();
        next();
        // \\[4pt]
        if (at_op('[') && peek().type == Token::kNumber && peek(2).type == Token::kWord && peek(3).type == Token::kPunct && peek(3).op == ']') i_ += 4;
        if (at_command("hline")) next();
        continue;
      }
      if (at_command("hline") ) {
        next();
        continue;
      }
      if (take_op('&')) continue;
      if (at(Token::kEnd) || at(Token::kBad)) fail_at(open_token, "environment without its end");
      if (cases) {
        // value & condition: the condition is compared as words or a relation
        const Expr* value = relation();
        take_op(',');
        if (at_op('&')) next();
        take_op(',');
        const Expr* condition = nullptr;
        while (at(Token::kText) || at(Token::kWord)) {
          const std::string w = fold(cur().text);
          if (w == "if" || w == "for" || w == "when" || w == "where") next();
          else break;
        }
        if (at(Token::kText) && fold(cur().text) == "otherwise") {
          Expr* text = arena_.make(Kind::kText);
          text->name = arena_.copy("otherwise");
          condition = text;
          next();
        } else if (!at(Token::kRow) && !at(Token::kEndEnv)) {
          std::vector<const Expr*> parts = {relation()};
          while (take_op(',') || separator() == 1 || separator() == 2) {
            if (separator()) next();
            if (at(Token::kRow) || at(Token::kEndEnv)) break;
            parts.push_back(relation());
          }
          condition = parts.size() == 1 ? parts[0] : arena_.make(Kind::kList, parts);
        }
        cells.push_back(condition ? arena_.make(Kind::kTuple, {value, condition}) : value);
        ++in_row;
        columns = 1;
        in_row = 0;
        continue;
      }
      cells.push_back(relation());
      take_op(',');
      ++in_row;
      if (!at_op('&') && !at(Token::kRow) && !at(Token::kEndEnv)) fail("unexpected " + describe());
    }
    --group_depth_;
    abs_open_ = abs;
    norm_open_ = norm;
    mode_.comma = comma;
    if (cells.empty()) fail_at(open_token, "empty environment");
    if (cases) return arena_.make(Kind::kCases, cells);
    const bool known = name == "pmatrix" || name == "bmatrix" || name == "Bmatrix" || name == "matrix" || name == "smallmatrix" || name == "array" || name == "psmallmatrix" || name == "bsmallmatrix" || name == "vmatrix" || name == "Vmatrix" || name == "tabular";
    if (!known) fail_at(open_token, "unknown environment " + std::string(name));
    Expr* m = arena_.make(Kind::kMatrix, cells.data(), cells.size());
    m->index = static_cast<int32_t>(columns);
    if (name == "vmatrix") return determinant(m);
    return m;
  }

  static bool is_scalar_or_relation(const Expr& e) { return e.is(Kind::kRelation) || !(e.is(Kind::kList) || e.is(Kind::kTuple) || e.is(Kind::kText)); }

  // ---- numbers ----
  // Glues "1,234,567" / "1 234" / "1{,}234" / "1.234,5" and reads decimals, repeating decimals and mixed numbers.
  const Expr* number() {
    std::string digits(cur().text);
    const bool trailing_point = false;
    (void)trailing_point;
    const size_t start = i_;
    next();
    glue_groups(digits);
    last_number_ = digits;
    // repeating decimals
    if (at(Token::kCommand) && !cur().space_before && (cur().text == "overline" || cur().text == "bar" || cur().text == "dot" || cur().text == "overset") && digits.find_first_of("eE") == std::string::npos) {
      const bool point = digits.find('.') != std::string::npos;
      const bool point_dropped = source_has_point(start);
      if (point || point_dropped) return repeating(point ? digits : digits + ".");
    }
    if (at_command("ldots") && digits.find('.') != std::string::npos) {
      if (const Expr* r = ellipsis(digits)) {
        next();
        return r;
      }
    }
    if (source_has_point(start) && at_op('(') && peek().type == Token::kNumber && all_digits(peek().text) && peek(2).type == Token::kPunct && peek(2).op == ')') {
      const std::string period(peek().text);
      next();
      next();
      next();
      return from_period(digits + ".", period);
    }
    const Expr* n = number_literal(arena_, digits);
    // mixed numbers: 1\frac{4}{5}, 1 4/5
    if (all_digits(digits)) {
      if (at(Token::kCommand) && (cur().text == "frac" || cur().text == "dfrac" || cur().text == "tfrac" || cur().text == "cfrac")) {
        const size_t save = i_;
        const Expr* f = fraction();
        if (const Expr* sum = mixed(n, f)) return sum;
        i_ = save;
        restore_split();
      } else if (at(Token::kNumber) && cur().space_before && !cur().newline_before && all_digits(cur().text) && peek().type == Token::kPunct && peek().op == '/' && peek(2).type == Token::kNumber && all_digits(peek(2).text)) {
        const Rational p = value_of(*number_literal(arena_, cur().text)), q = value_of(*number_literal(arena_, peek(2).text));
        if (p < q) {
          next();
          next();
          next();
          return arena_.number(value_of(*n) + p / q);
        }
      }
    }
    return n;
  }

  // A point written directly behind this number token ("0.\overline{3}"): the lexer keeps the text up to it.
  bool source_has_point(size_t token) const {
    const Lexeme& t = t_[token];
    const char* end = t.text.data() + t.text.size();
    return t.text.find('.') == std::string_view::npos && *end == '.' && t_[token + 1].begin == t.begin + t.text.size() + 1;
  }

  const Expr* mixed(const Expr* whole, const Expr* f) {
    // f is Mul(p, Pow(q, −1)) as fraction() makes it
    if (!f->is(Kind::kMul) || f->count != 2 || !(*f)[0].is(Kind::kNumber) || !(*f)[1].is(Kind::kPow) || !(*f)[1][0].is(Kind::kNumber)) return nullptr;
    const Rational p = value_of((*f)[0]), q = value_of((*f)[1][0]);
    if (!p.is_integer() || !q.is_integer() || p.sign() <= 0 || !(p < q) || whole->is(Kind::kLong)) return nullptr;
    return arena_.number(value_of(*whole) + p / q);
  }

  void glue_groups(std::string& digits) {
    const auto group_of_three = [&](const Lexeme& t) {
      if (t.type != Token::kNumber || t.text.size() < 3) return false;
      const size_t point = t.text.find_first_of(".eE");
      return (point == std::string_view::npos ? t.text.size() : point) == 3 && t.text.find_first_of("eE") == std::string_view::npos;
    };
    if (!all_digits(digits)) {
      // 1.234,56 and 1.234.567,8: points between thousands, a decimal comma
      const size_t point = digits.find('.');
      if (point != std::string::npos && point >= 1 && point <= 3 && digits.size() - point - 1 == 3 && digits[0] != '0') {
        std::string whole = digits.substr(0, point) + digits.substr(point + 1);
        size_t j = i_;
        const auto tok = [&](size_t k) -> const Lexeme& { return t_[std::min(k, t_.size() - 1)]; };
        bool groups = false;
        while (tok(j).type == Token::kNumber && tok(j).text.size() == 4 && tok(j).text[0] == '.' && !tok(j).space_before) {
          whole += tok(j).text.substr(1);
          groups = true;
          ++j;
        }
        const bool decimal = tok(j).type == Token::kPunct && tok(j).op == ',' && !tok(j).space_before && tok(j + 1).type == Token::kNumber && !tok(j + 1).space_before && all_digits(tok(j + 1).text) &&
                             (tok(j + 1).text.size() != 3 || groups);
        if (decimal && mode_.comma != Comma::kSeparator && group_depth_ == 0) {
          digits = whole + "." + std::string(tok(j + 1).text);
          i_ = j + 2;
        } else if (groups) {
          digits = whole;
          i_ = j;
        }
      }
      return;
    }
    const bool may_group = digits.size() <= 3 && digits[0] != '0';
    // "1,234", "1{,}234", "1,\!234"
    if (at_op(',') && may_group) {
      size_t j = i_;
      std::string joined = digits;
      bool tight = true;
      while (t_[j].type == Token::kPunct && t_[j].op == ',' && j + 1 < t_.size() && group_of_three(t_[j + 1])) {
        const bool this_tight = t_[j].tight;
        if (!this_tight) {
          tight = false;
          if (t_[j + 1].space_before || t_[j].space_before) break;
        }
        joined += t_[j + 1].text;
        j += 2;
        if (joined.find('.') != std::string::npos) break;
      }
      // A further group that is not three digits long shows an enumeration: 10,123,4
      const bool more = t_[j].type == Token::kPunct && t_[j].op == ',' && j + 1 < t_.size() && t_[j + 1].type == Token::kNumber && !t_[j + 1].space_before && !t_[j].tight;
      if (j > i_ && (tight || !more)) {
        if (!tight) {
          if (mode_.comma == Comma::kSeparator) return;
          comma_ambiguous_ = true;
        }
        digits = joined;
        i_ = j;
        return;
      }
      if (j > i_) return;
    }
    // "0,5", "1000,99": a decimal comma
    if (at_op(',') && peek().type == Token::kNumber && all_digits(peek().text) && !peek().space_before && !cur().space_before) {
      const bool last = !(peek(2).type == Token::kPunct && peek(2).op == ',');
      if (cur().tight || (last && group_depth_ == 0)) {
        if (!cur().tight) comma_ambiguous_ = true;
        if (mode_.comma == Comma::kDecimal || cur().tight) {
          digits += "." + std::string(peek().text);
          next();
          next();
        }
      }
      return;
    }
    // "1 234 567"
    if (may_group && at(Token::kNumber) && cur().space_before && !cur().newline_before && group_of_three(cur())) {
      size_t j = i_;
      std::string joined = digits;
      while (t_[j].type == Token::kNumber && t_[j].space_before && group_of_three(t_[j])) {
        joined += t_[j].text;
        ++j;
        if (joined.find('.') != std::string::npos) break;
      }
      const bool fraction_follows = t_[j].type == Token::kNumber && j + 2 < t_.size() && t_[j + 1].type == Token::kPunct && t_[j + 1].op == '/' && t_[j + 2].type == Token::kNumber;
      if (!(t_[j].type == Token::kPunct && t_[j].op == '/') && (t_[j].type != Token::kNumber || fraction_follows)) {
        digits = joined;
        i_ = j;
      }
    }
  }

  // digits "0.1" followed by \overline{6} or \dot{6} or \dot{1}2\dot{3}
  const Expr* repeating(std::string head) {
    const bool dots = at_command("dot");
    const auto one = [&]() -> std::string {
      next();
      std::string s;
      if (at(Token::kOpen)) {
        next();
        while (at(Token::kNumber)) {
          s += cur().text;
          next();
        }
        if (!at(Token::kClose)) fail("unexpected " + describe());
        next();
      } else if (at(Token::kNumber)) {
        s = cur().text;
        next();
      }
      if (!all_digits(s)) fail("a repeating part must be digits");
      return s;
    };
    std::string period = one();
    if (dots) {
      if (at(Token::kNumber) && peek().type == Token::kCommand && peek().text == "dot") {
        period += cur().text;
        next();
      }
      if (at_command("dot")) period += one();
    }
    return from_period(head, period);
  }

  const Expr* from_period(const std::string& head, const std::string& period) {
    if (head.size() + period.size() > 2000) fail("repeating decimal too long");
    const size_t point = head.find('.');
    const auto decimals = static_cast<int64_t>(head.size() - point - 1);
    const Rational whole = value_of(*number_literal(arena_, head.substr(0, head.size()) + (decimals ? "" : "0")));
    Rational nines = power_of_ten(static_cast<int64_t>(period.size())) - Rational(1);
    const Rational tail = value_of(*number_literal(arena_, period)) / nines / power_of_ten(decimals);
    return arena_.number(whole + tail);
  }

  // "0.333…": a period seen at least three times (or a longer one twice) goes on.
  const Expr* ellipsis(const std::string& digits) {
    const size_t point = digits.find('.');
    const std::string decimals = digits.substr(point + 1);
    for (size_t p = 1; p * 2 <= decimals.size() && p <= 12; ++p) {
      const size_t times = p == 1 ? 3 : 2;
      if (decimals.size() < p * times) continue;
      const std::string period = decimals.substr(decimals.size() - p);
      size_t n = 1;
      while ((n + 1) * p <= decimals.size() && decimals.compare(decimals.size() - (n + 1) * p, p, period) == 0) ++n;
      if (n >= times) return from_period(digits.substr(0, digits.size() - n * p), period);
    }
    return nullptr;
  }

  // ---- words ----
  // "sinx", "xcosx": functions run together with single variables, and nothing else.
  static bool splits_into_functions(std::string_view w) {
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

  // Cuts the current word token behind its first n letters (kept for restore_split()).
  void split_word(size_t n) {
    Lexeme rest = t_[i_];
    splits_.push_back({i_, t_[i_]});
    rest.text = t_[i_].text.substr(n);
    rest.begin += static_cast<uint32_t>(n);
    rest.space_before = false;
    t_[i_].text = t_[i_].text.substr(0, n);
    t_.insert(t_.begin() + static_cast<std::ptrdiff_t>(i_) + 1, rest);
    if (t_.size() > 4 * kMaxTokens) fail("too long");
  }
  void restore_split() {}

  const Expr* letter() {
    if (cur().text.size() > 1 && static_cast<unsigned char>(cur().text[0]) < 0x80) split_word(1);
    const std::string_view w = cur().text;
    next();
    if (w == "e") return arena_.make(Kind::kE);
    if (w == "i") return arena_.make(Kind::kI);
    return arena_.symbol(w);
  }

  const Expr* word() {
    std::string_view w = cur().text;
    // np.sqrt(3), math.pi
    if ((w == "np" || w == "math" || w == "numpy" || w == "sympy" || w == "sp" || w == "cmath") && peek().type == Token::kPunct && peek().op == '.' && peek(2).type == Token::kWord) {
      next();
      next();
      w = cur().text;
    }
    if (const Expr* e = named(w)) return e;
    if (w.size() == 1) {
      const Expr* s = letter();
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
        longest_word_ = std::max(longest_word_, w.size());
      } else if (is_little_word(w) && (cur().space_before || i_ == 0) && (peek().space_before || peek().type == Token::kEnd)) {
        longest_word_ = std::max<size_t>(longest_word_, 3);
      }
    }
    return letter();
  }

  // A whole word with a meaning of its own; null if it has none.
  const Expr* named(std::string_view w) {
    if (w == "pi" || w == "PI" || w == "Pi") {
      next();
      return arena_.make(Kind::kPi);
    }
    if (w == "infinity" || w == "infty" || w == "inf" || w == "oo" || w == "Infinity") {
      next();
      return arena_.make(Kind::kInfinity);
    }
    if (const auto it = function_names().find(w); it != function_names().end() && w.size() > 1) {
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

  // f(…), g(…), h(…) are applications; another letter only when the bracket holds names alone and an equals sign follows.
  bool is_application(std::string_view w) const {
    if (w == "f" || w == "g" || w == "h" || w == "F" || w == "G" || w == "H") return true;
    if (i_ != relation_start_ + 1) return false;
    size_t j = i_ + 1;
    while (j < t_.size() && (t_[j].type == Token::kWord || t_[j].type == Token::kNumber || (t_[j].type == Token::kPunct && t_[j].op == ','))) {
      if (t_[j].type == Token::kWord && t_[j].text.size() > 1) return false;
      ++j;
    }
    return j > i_ + 1 && j + 1 < t_.size() && t_[j].type == Token::kPunct && t_[j].op == ')' && t_[j + 1].type == Token::kRelation && t_[j + 1].op == '=';
  }

  const Expr* application(const Expr* head) {
    const Expr* inner = bracket();
    Expr* e = inner->is(Kind::kTuple) ? arena_.make(Kind::kCall, inner->args, inner->count) : arena_.make(Kind::kCall, &inner, 1);
    e->fn = Fn::kUser;
    e->name = head->name;
    return e;
  }

  const Expr* text() {
    const std::string_view content = cur().text;
    const std::string folded = fold(content);
    next();
    if (folded.empty()) return primary();
    if (const int n = number_word(folded); n >= 0) return arena_.number(n);
    // "Rs. 5", "USD 5"
    if (const Unit unit = parse_unit(content); !unit.name.empty() && unit.currency && (at(Token::kNumber) || at_command("frac"))) return with_unit(factor(), unit);
    if (at(Token::kNumber) || at_command("frac") || at_command("sqrt") || at_op('-')) {
      // words before a value say nothing about it: "\text{approximately } 5"
      return signed_factor();
    }
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

  const Expr* word_node(const std::string& folded, std::string_view original) {
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

  // ---- commands ----
  const Expr* argument() {
    Deeper deeper(*this);
    if (at(Token::kOpen)) return group();
    if (at(Token::kNumber) && cur().text.size() > 1 && all_digits(cur().text)) {
      // \frac12: one digit is one argument
      splits_.push_back({i_, t_[i_]});
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

  const Expr* fraction() {
    next();
    const Expr* p = argument();
    const Expr* q = argument();
    return arena_.make(Kind::kMul, {p, arena_.pow(q, arena_.number(-1))});
  }

  const Expr* root(bool cube) {
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

  // The argument of a function written without brackets: sin 2x, \ln 2, \cos \frac{x}{2}.
  const Expr* bare_argument() {
    std::vector<const Expr*> factors;
    bool negative = false;
    while (at_op('-') || at_op('+')) {
      if (at_op('-')) negative = !negative;
      next();
    }
    while (starts_factor()) {
      if (!factors.empty()) {
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

  const Expr* function(Fn fn, std::string_view name) {
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
          if (at(Token::kNumber) && !peek().space_before && cur().text.size() > 1 && false) break;
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
    const size_t n = args.size();
    const bool many = fn == Fn::kMax || fn == Fn::kMin || fn == Fn::kGcd || fn == Fn::kLcm;
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

  const Expr* command() {
    const std::string_view name = cur().text;
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
    if (name == "R" || name == "Z" || name == "Q" || name == "N" || (name == "C" && !latex_word())) {
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
      if (n == "imath") return arena_.make(Kind::kI);
      return arena_.symbol(n == "ldots" ? "..." : n);
    }
    if (name == "angle" || name == "triangle" || name == "measuredangle" || name == "odot" || name == "operatorname" || name == "bigtriangleup") {
      next();
      return primary();
    }
    if (is_accent(name)) {
      next();
      if (name == "overset" || name == "underset" || name == "stackrel") argument();
      const size_t begin = i_;
      const Expr* inner = argument();
      (void)begin;
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
  bool latex_word() const { return false; }

  // \sum_{a}^{b} body and its kin: read, compared part by part.
  const Expr* opaque(std::string_view name) {
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
  const Expr* bound_statement() {
    const Expr* e = relation();
    if (at_command("to") || at_command("rightarrow") || at_command("longrightarrow")) {
      next();
      const Expr* to = relation();
      Expr* r = arena_.make(Kind::kTuple, {e, to}) == nullptr ? nullptr : const_cast<Expr*>(arena_.make(Kind::kTuple, {e, to}));
      return r;
    }
    return e;
  }

  Arena& arena_;
  std::vector<Lexeme> t_;
  bool latex_;
  ParseMode mode_;
  size_t i_ = 0, relation_start_ = 0;
  int depth_ = 0, group_depth_ = 0;
  bool abs_open_ = false, norm_open_ = false;
  bool comma_ambiguous_ = false;
  size_t longest_word_ = 0;
  std::string last_number_;
  std::vector<std::pair<size_t, Lexeme>> splits_;
};

}  // namespace

const Expr* number_literal(Arena& arena, std::string_view s) {
  Expr* e = arena.make(Kind::kNumber);
  // digits [. digits] [e exponent]
  const size_t mark = s.find_first_of("eE");
  std::string_view mantissa = s.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view x = s.substr(mark + 1);
    if (!x.empty() && x[0] == '+') x.remove_prefix(1);
    const auto [end, error] = std::from_chars(x.data(), x.data() + x.size(), exponent);
    (void)end;
    if (error != std::errc() || exponent > 20'000 || exponent < -20'000) exponent = 1 << 30;
  }
  const size_t point = mantissa.find('.');
  const size_t decimals = point == std::string_view::npos ? 0 : mantissa.size() - point - 1;
  if (mantissa.size() > kMaxDigits || exponent == (1 << 30)) {
    std::string normal(s);
    const size_t first = normal.find_first_not_of('0');
    if (first == std::string::npos) normal = "0";
    else normal = normal.substr(first);
    if (point != std::string_view::npos && mark == std::string_view::npos) {
      while (normal.back() == '0') normal.pop_back();
      if (normal.back() == '.') normal.pop_back();
    }
    e->kind = Kind::kLong;
    e->name = arena.copy(normal);
    return e;
  }
  int64_t significant = 0;
  bool leading = true;
  uint64_t small = 0;
  for (const char c : mantissa) {
    if (c == '.') continue;
    if (c != '0') leading = false;
    if (!leading) ++significant;
    if (mantissa.size() <= 18) small = small * 10 + static_cast<uint64_t>(c - '0');
  }
  e->flag = point != std::string_view::npos || mark != std::string_view::npos;
  e->digits = static_cast<int16_t>(static_cast<int64_t>(decimals) - exponent);
  e->significant = static_cast<int16_t>(significant);
  if (mantissa.size() <= 18 && !e->flag) {
    fmpz_set_ui(&e->number.num, small);
    return e;
  }
  Rational value;
  if (mantissa.size() <= 18) {
    fmpz_set_ui(value.num(), small);
  } else {
    std::string digits;
    digits.reserve(mantissa.size());
    for (const char c : mantissa)
      if (c != '.') digits += c;
    fmpz_set_str(value.num(), digits.c_str(), 10);
  }
  if (const int64_t shift = exponent - static_cast<int64_t>(decimals); shift != 0) value = value * power_of_ten(shift);
  arena.set_number(e, value);
  return e;
}

Parsed parse_tokens(Arena& arena, const Lexed& lexed, const ParseMode& mode) { return Parser(arena, lexed, mode).run(); }

}  // namespace foil::verify
