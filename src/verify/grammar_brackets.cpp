// Brackets of every kind: groups, sets, tuples and intervals, absolute values, matrices and other environments.
#include <utility>

#include "verify/grammar.h"

namespace foil::verify {

const Expr* Parser::primary() {
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

const Expr* Parser::group() {
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
  const Expr* e = statement(false);
  if (!at(Token::kClose)) fail(at(Token::kEnd) ? "unbalanced braces" : "unexpected " + describe());
  next();
  --group_depth_;
  abs_open_ = abs;
  norm_open_ = norm;
  return e;
}

const Expr* Parser::set() {
  next();
  const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
  const Comma comma = std::exchange(mode_.comma, Comma::kSeparator);
  std::vector<const Expr*> items;
  // {x | condition}, {x : condition}, {x ∈ ℝ | condition}
  if (at(Token::kNumber) || at_command("frac") || at(Token::kWord) || at(Token::kOpen) || at_op('(')) {
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
    const bool runs = bar && j + 2 < t_.size() && t_[j + 1].type == Token::kWord && t_[j + 2].type == Token::kRelation && t_[j + 2].op == 'e';
    if (runs && value_inside) t_[j].op = ':';  // {2k + 1 | k ∈ ℤ}
    if (bar && !value_inside && !at_command("frac")) {
      abs_open_ = true;  // the bar ends the head
      set_operations();
      const Expr* domain = nullptr;
      if (at(Token::kRelation)) {
        next();
        domain = set_operations();
      }
      abs_open_ = false;
      if (at_op('|') || at_op(':')) next();
      const Expr* condition = statement(false);
      if (!at(Token::kSetClose)) fail("unexpected " + describe());
      next();
      mode_.comma = comma;
      abs_open_ = abs;
      norm_open_ = norm;
      if (domain && domain->is(Kind::kSymbol) && domain->name.substr(0, 4) == "set:" && domain->name != "set:R") return arena_.make(Kind::kIntersection, {domain, condition});  // {x ∈ ℤ : …} is no interval
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

const Expr* Parser::bracket() {
  const Lexeme open_token = cur();
  const char open = cur().op;
  next();
  ++group_depth_;
  const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false), french = std::exchange(french_open_, open == ']');
  const bool separators = has_comma_before_close();
  const Comma comma = separators ? std::exchange(mode_.comma, Comma::kSeparator) : mode_.comma;
  std::vector<const Expr*> items;
  char close = 0;
  while (true) {
    if (at_op(')') || at_op(']') || (open == ']' && at_op('[')) || closes_outwards()) {
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
    if (!separator() && !at_op(')') && !at_op(']') && !at_op('[') && !closes_outwards()) {
      if (at(Token::kEnd)) fail_at(open_token, "unbalanced brackets");
      fail("unexpected " + describe());
    }
  }
  --group_depth_;
  mode_.comma = comma;
  abs_open_ = abs;
  french_open_ = french;
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
  if (close == '[') name[1] = ')';
  e->name = arena_.copy({name, 2});
  return e;
}

// At the last bracket of [0, 2[: nothing that it could open follows.
bool Parser::closes_outwards() const {
  if (!at_op('[')) return false;
  const Lexeme& after = peek();
  return after.type == Token::kEnd || (after.type == Token::kCommand && (after.text == "cup" || after.text == "cap"));
}

bool Parser::has_comma_before_close() const {
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

const Expr* Parser::absolute() {
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

const Expr* Parser::determinant(const Expr* m) {
  const auto n = static_cast<size_t>(m->index);
  if (n * n != m->count) fail("a determinant must be square");
  if (n > 4) return arena_.call(Fn::kDet, {m});
  std::vector<const Expr*> cells(m->args, m->args + m->count);
  return expand(cells, n);
}

const Expr* Parser::expand(const std::vector<const Expr*>& cells, size_t n) {
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

const Expr* Parser::delimited(std::string_view close, Fn fn) {
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

// "n \text{ is even}" in a row of cases, as words; null (and nothing taken) where the row holds no such words.
const Expr* Parser::condition_in_words() {
  std::string words;
  bool said = false;
  size_t j = i_;
  for (; t_[j].type == Token::kText || t_[j].type == Token::kWord || t_[j].type == Token::kNumber; ++j) {
    const std::string w = fold(t_[j].text);
    said = said || (t_[j].type == Token::kText && w.size() >= 3) || (t_[j].type == Token::kWord && w.size() > 3);
    for (const std::string_view part : {"if ", "is ", "when "})
      if (w.rfind(part, 0) == 0) words += std::string(words.empty() ? "" : " ") + w.substr(part.size());
      else if (part == "when " && w.rfind("if ", 0) != 0 && w.rfind("is ", 0) != 0 && w != "is" && w != "if") words += std::string(words.empty() ? "" : " ") + w;
  }
  if (!said || (t_[j].type != Token::kRow && t_[j].type != Token::kEndEnv)) return nullptr;
  i_ = j;
  Expr* e = arena_.make(Kind::kText);
  e->name = arena_.copy(words);
  return e;
}

const Expr* Parser::environment() {
  const std::string_view name = cur().text;
  const Lexeme open_token = cur();
  next();
  ++group_depth_;
  const bool abs = std::exchange(abs_open_, false), norm = std::exchange(norm_open_, false);
  const Comma comma = mode_.comma;
  const bool cases = name == "cases" || name == "dcases" || name == "rcases";
  const bool lines = name == "aligned" || name == "align" || name == "gathered" || name == "gather" || name == "split" || name == "equation" || name == "eqnarray" || name == "multline" || name == "alignedat";
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
      if (at(Token::kRow) || at_op('&') || at_op(',') || at_op(';') || (at_op('.') && (peek().type == Token::kRow || peek().type == Token::kEndEnv))) {
        next();
        continue;
      }
      if (at(Token::kEnd) || at(Token::kBad)) fail_at(open_token, "environment without its end");
      if (at_command("Longrightarrow") || at_command("Rightarrow") || at_command("implies") || at_command("therefore")) {
        next();
        items.clear();  // what follows from the lines above is what is said
        continue;
      }
      if (at(Token::kText) && !items.empty() && t_[i_ - 1].type == Token::kPunct && t_[i_ - 1].op == '&') {  // a comment in a column of its own
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
    // lines of a derivation end in their last; x = 1 and y = 2 are a system
    bool system = items.size() > 1;
    for (size_t k = 0; k < items.size() && system; ++k) {
      const Expr& e = *items[k];
      system = !e.is(Kind::kRelation) || e.name.find_first_not_of('=') != std::string_view::npos || (e[0].is(Kind::kSymbol) && e.count == 2);
      for (size_t m = 0; m < k && system; ++m) system = !items[m]->is(Kind::kRelation) || !e.is(Kind::kRelation) || !same((*items[m])[0], e[0]);
    }
    return items.size() == 1 || !system ? items.back() : arena_.make(Kind::kList, items);
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
      } else if (const Expr* said = condition_in_words()) {
        condition = said;
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

}  // namespace foil::verify
