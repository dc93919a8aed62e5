// Statements of the grammar: enumerations, relations, ratios.
#include <utility>

#include "verify/grammar.h"

namespace foil::verify {

Parsed Parser::run() {
  Parsed out;
  try {
    if (t_.back().type == Token::kBad) fail_at(t_.back(), std::string(t_.back().text));
    skip_to_conclusion();
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
  out.integer = integer_;
  return out;
}

// "12.75 = 2.25 + 1.5x \implies x = 7": what stands behind the last arrow.
void Parser::skip_to_conclusion() {
  int depth = 0;
  for (size_t j = 0; j + 1 < t_.size(); ++j) {
    const Lexeme& t = t_[j];
    if (t.type == Token::kOpen || t.type == Token::kSetOpen || t.type == Token::kBegin || (t.type == Token::kPunct && (t.op == '(' || t.op == '['))) ++depth;
    if (t.type == Token::kClose || t.type == Token::kSetClose || t.type == Token::kEndEnv || (t.type == Token::kPunct && (t.op == ')' || t.op == ']'))) --depth;
    if (t.type != Token::kCommand || depth != 0) continue;
    const bool arrow = t.text == "Rightarrow" || t.text == "implies" || t.text == "Longrightarrow" || t.text == "therefore" || (j == 0 && (t.text == "to" || t.text == "rightarrow"));
    if (arrow && t_[j + 1].type != Token::kEnd && t_[j + 1].type != Token::kBad) i_ = j + 1;
  }
}

std::string Parser::describe() const {
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

int Parser::separator() const {
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

// Is `range` only where the name on the right of `e` runs: "a_n = 2^{n-1}, n ≥ 1"?
bool Parser::says_range(const Expr& e, const Expr& range) {
  if (!e.is(Kind::kRelation) || e.name != "=" || !range.is(Kind::kRelation) || range.count != 2 || (range.name != "g" && range.name != ">") || !range[0].is(Kind::kSymbol) || !range[1].is(Kind::kNumber)) return false;
  const auto holds = [&](const Expr& side) { return any(side, [&](const Expr& x) { return x.is(Kind::kSymbol) && x.name == range[0].name; }); };
  const bool indexed = e[0].is(Kind::kSymbol) && e[0].name.find("_" + std::string(range[0].name)) != std::string_view::npos;
  return holds(e[1]) && (indexed || (e[0].is(Kind::kCall) && holds(e[0])));
}

// "x = π/4 + kπ, k ∈ ℤ" says the same by any other name than k; "x = 2, x ∈ ℤ" does not.
void Parser::note_integer(const Expr& e, const Expr& domain) {
  const bool solved = e.is(Kind::kRelation) && any(e[0], [&](const Expr& x) { return x.is(Kind::kSymbol) && x.name == domain[0].name; });
  if (domain[1].name == "set:Z" && !solved) integer_ = domain[0].name;
}

const Expr* Parser::statement(bool top) {
  Deeper deeper(*this);
  struct Level {
    bool& top;
    bool before;
    ~Level() { top = before; }
  } level{top_, std::exchange(top_, top)};
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
    const bool french = top && at_op(']') && items.empty() && groups.empty();  // ]a, b[
    const bool bar = at_op('|') && items.empty() && groups.empty();  // ||x| - 1|: a bar where a value must stand opens
    if (!french && !bar && ends_statement()) break;
    if (top && !(items.empty() && groups.empty()) && at_remark()) {
      skip_remark();
      break;
    }
    if (top && at_op('.') && !(peek().type == Token::kCommand && (is_accent(peek().text)))) {
      next();
      if (at(Token::kEnd)) break;
      fail("text after the full stop");
    }
    items.push_back(relation());
    if (top && items.size() == 2 && groups.empty() && says_domain(*items[1])) note_integer(*items[0], *items[1]);
    if (top && items.size() + groups.size() > 1 && (says_domain(*items.back()) || (items.size() == 2 && says_range(*items[0], *items[1])))) items.pop_back();  // "kπ, k ∈ ℤ"; "a_n = 2^n, n ≥ 1"
    if (top && (at_remark() || (at_op('(') && peek().type == Token::kWord && peek(2).type == Token::kRelation))) {
      skip_remark();
      break;
    }
    if (!separator() && !ends_statement() && !(top && at_op('.')) && !(top && cur().newline_before && items.back()->is(Kind::kRelation) && at(Token::kWord) && peek().type == Token::kRelation)) fail("unexpected " + describe());
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

// "4x - 7 where x > 0": the remark says nothing more about the value. "x² for x > 0, −x for x < 0" is a definition by cases.
void Parser::skip_remark() {
  const std::string opening = fold(cur().text);
  bool further = false;
  while (!at(Token::kEnd) && !at(Token::kBad)) {
    next();
    if (separator()) further = true;
    else if (further && (at(Token::kWord) || at(Token::kText)) && fold(cur().text) == opening) fail("a definition by cases");
  }
}

bool Parser::ends_statement() const {
  switch (cur().type) {
    case Token::kEnd: case Token::kBad: case Token::kClose: case Token::kSetClose: case Token::kEndEnv: return true;
    case Token::kPunct: return cur().op == ')' || cur().op == ']' || (cur().op == '|' && abs_open_);
    case Token::kCommand: return cur().text == "rangle" || cur().text == "rfloor" || cur().text == "rceil" || (cur().text == "Vert" && norm_open_);
    default: return false;
  }
}

const Expr* Parser::relation() {
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
    while (at_op('&')) next();  // eqnarray's &=&
    sides.push_back(ratio());
  }
  if (at_word("in") && sides.size() == 1 && ops.empty() && peek().type != Token::kNumber && !(peek().type == Token::kWord && peek().text.size() <= 2 && peek(2).type == Token::kWord)) {  // not "$240 in 20 days", "in a year"
    next();
    ops += 'e';
    sides.push_back(ratio());
  }
  if (sides.size() == 1) return sides[0];
  Expr* r = arena_.make(Kind::kRelation, sides.data(), sides.size());
  r->name = arena_.copy(ops);
  return r;
}

const Expr* Parser::ratio() {
  const Expr* first = quantity();
  if (!at_op(':')) return first;
  if (peek().type == Token::kEnd) return first;
  std::vector<const Expr*> parts = {first};
  while (take_op(':')) parts.push_back(quantity());
  return arena_.make(Kind::kRatio, parts);
}

Parsed parse_tokens(Arena& arena, const Lexed& lexed, const ParseMode& mode) { return Parser(arena, lexed, mode).run(); }

}  // namespace foil::verify
