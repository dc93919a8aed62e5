// The grammar of answers as one recursive-descent parser; its rules are spread over grammar_*.cpp by what they read.
//
// Every rule either returns a tree or throws Failure, which parse_tokens() turns into a problem with its place. Recursion is
// bounded: each rule that can contain itself holds a Deeper, which fails beyond kMaxDepth.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "verify/expr.h"
#include "verify/lexer.h"
#include "verify/parser.h"
#include "verify/units.h"
#include "verify/words.h"

namespace foil::verify {

struct Failure {
  std::string why;
  size_t where;
};

// sin, arctan, log … by their LaTeX and plain names.
const std::unordered_map<std::string_view, Fn>& function_names();
// LaTeX commands that are a name: letters of other alphabets and the like.
bool is_symbol_command(std::string_view name);
// Greek letters spelled out in plain text.
bool is_greek_word(std::string_view word);
// Two-letter words of English prose; set apart by spaces they are not a product.
bool is_little_word(std::string_view word);
// \hat, \overline, \dot …
bool is_accent(std::string_view command);
bool all_digits(std::string_view s);

class Parser {
 public:
  Parser(Arena& arena, const Lexed& lexed, const ParseMode& mode) : arena_(arena), t_(lexed.tokens), latex_(lexed.latex), mode_(mode) {}
  Parsed run();
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
  std::string describe() const;
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
  int separator() const;
  // Words that open a remark behind the answer.
  bool at_remark() const {
    if (cur().type == Token::kCommand) return cur().text == "forall";
    if (cur().type != Token::kWord && cur().type != Token::kText) return false;
    return opens_remark(fold(cur().text));
  }
  const Expr* statement(bool top);
  static bool says_domain(const Expr& e) { return e.is(Kind::kRelation) && e.count == 2 && e.name == "e" && e[0].is(Kind::kSymbol) && e[1].is(Kind::kSymbol) && e[1].name.substr(0, 4) == "set:"; }
  void note_integer(const Expr& e, const Expr& domain);
  void skip_to_conclusion();
  void skip_remark();
  static bool says_range(const Expr& e, const Expr& range);
  bool ends_statement() const;
  // a = b ≤ c …, also a : b : c
  const Expr* relation();
  const Expr* ratio();

  // ---- quantities: a value and its unit ----
  const Expr* quantity();
  static bool is_plain(const Expr& e) { return e.is(Kind::kNumber) || e.is(Kind::kPi); }
  static bool is_scalar_kind(const Expr& e) { return e.is(Kind::kNumber) || e.is(Kind::kSymbol) || e.is(Kind::kPi) || e.is(Kind::kE); }
  const Expr* with_unit(const Expr* value, const Unit& unit);
  // Reads words and \text{…} behind a value as a unit or as commentary. False: nothing there.
  bool unit_tokens(const Expr* value, Unit& unit);
  // May this word stand behind `value` as a unit or as commentary (and not as a factor)?
  bool word_is_unit(const Lexeme& t, const Expr* value, bool first) const;
  // A word that cannot be a product of variables where it stands: a unit, or commentary.
  bool unit_like(const Lexeme& t) const;

  // ---- sets ----
  const Expr* set_operations();

  // ---- arithmetic ----
  const Expr* sum();
  bool rate_without_unit(const Expr& value) const;
  bool joins_sets() const;
  bool starts_factor() const;
  const Expr* term(bool* negative = nullptr);
  const Expr* product(const std::vector<const Expr*>& factors) { return factors.size() == 1 ? factors[0] : arena_.make(Kind::kMul, factors); }
  const Expr* signed_factor();
  const Expr* factor();
  bool degree_sign() const;
  const Expr* postfix(const Expr* base);
  const Expr* degrees(const Expr* base);
  const Expr* renamed(const Expr* base, std::string_view suffix);
  const Expr* exponent();
  // The subscript as text, for names.
  std::string subscript_text();
  static std::string token_text(const Lexeme& t);
  const Expr* subscripted(const Expr* base);

  // ---- primaries ----
  const Expr* primary();
  const Expr* group();
  const Expr* set();
  const Expr* bracket();
  // Is there a comma or semicolon at this bracket's own level?
  bool has_comma_before_close() const;
  bool closes_outwards() const;
  const Expr* absolute();
  // Written out for up to four rows; larger ones stay a name.
  const Expr* determinant(const Expr* m);
  const Expr* expand(const std::vector<const Expr*>& cells, size_t n);
  const Expr* delimited(std::string_view close, Fn fn);
  const Expr* condition_in_words();
  const Expr* environment();
  static bool is_scalar_or_relation(const Expr& e) { return e.is(Kind::kRelation) || !(e.is(Kind::kList) || e.is(Kind::kTuple) || e.is(Kind::kText)); }

  // ---- numbers ----
  // Glues "1,234,567" / "1 234" / "1{,}234" / "1.234,5" and reads decimals, repeating decimals and mixed numbers.
  const Expr* number();
  // A point written directly behind this number token ("0.\overline{3}"): the lexer keeps the text up to it.
  bool source_has_point(size_t token) const;
  const Expr* mixed(const Expr* whole, const Expr* f);
  void glue_groups(std::string& digits);
  // digits "0.1" followed by \overline{6} or \dot{6} or \dot{1}2\dot{3}
  const Expr* repeating(std::string head);
  const Expr* from_period(const std::string& head, const std::string& period);
  // "0.333…": a period seen at least three times (or a longer one twice) goes on.
  const Expr* ellipsis(const std::string& digits);

  // ---- words ----
  // "sinx", "xcosx": functions run together with single variables, and nothing else.
  static bool splits_into_functions(std::string_view w);
  // Cuts the current word token behind its first n letters.
  void split_word(size_t n);
  const Expr* letter();
  const Expr* word();
  // A whole word with a meaning of its own; null if it has none.
  const Expr* named(std::string_view w);
  // f(…), g(…), h(…) are applications; another letter only when the bracket holds names alone and an equals sign follows.
  static bool ends_name(const Lexeme& t);
  static bool is_function_letter(std::string_view w);
  bool is_application(std::string_view w) const;
  bool applied_to_one(std::string_view name) const;
  const Expr* application(const Expr* head);
  const Expr* text();
  const Expr* word_node(const std::string& folded, std::string_view original);

  // ---- commands ----
  const Expr* argument();
  const Expr* fraction();
  const Expr* root(bool cube);
  // The argument of a function written without brackets: sin 2x, \ln 2, \cos \frac{x}{2}.
  const Expr* bare_argument();
  const Expr* cis();
  const Expr* function(Fn fn, std::string_view name);
  const Expr* command();
  // \sum_{a}^{b} body and its kin: read, compared part by part.
  const Expr* opaque(std::string_view name);
  const Expr* bound_statement();

  Arena& arena_;
  std::vector<Lexeme> t_;
  bool latex_;
  ParseMode mode_;
  size_t i_ = 0, relation_start_ = 0;
  int depth_ = 0, group_depth_ = 0;
  bool top_ = false;  // outside all brackets and groups
  bool abs_open_ = false, norm_open_ = false, french_open_ = false;  // ]a, b[
  bool comma_ambiguous_ = false;
  size_t longest_word_ = 0;
  std::string last_number_;
  std::string_view integer_;  // k of "…, k ∈ ℤ"
};

}  // namespace foil::verify
