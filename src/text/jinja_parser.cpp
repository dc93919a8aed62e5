// Jinja tokens → statements.
#include <charconv>
#include <unordered_set>

#include "base/error.h"
#include "text/jinja.h"
#include "text/jinja_ast.h"
#include "text/jinja_lexer.h"
#include "text/unicode.h"

namespace foil::text::jinja {

namespace {

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::string& where) : tokens_(std::move(tokens)), where_(where) {}

  Block program() {
    Block body = block({});
    if (peek().kind != TokenKind::kEnd) fail(fmt::format("unexpected {{% {} %}}", peek(1).text));
    return body;
  }

 private:
  using E = Expression::Kind;
  using S = Statement::Kind;

  // Nested parts of foreign text must not exhaust the stack.
  struct Depth {
    explicit Depth(Parser& p) : parser(p) {
      if (++parser.depth_ > 200) parser.fail("the template is nested too deeply");
    }
    ~Depth() { --parser.depth_; }
    Parser& parser;
  };

  [[noreturn]] void fail(const std::string& what) const { throw Error(what, fmt::format("{}:{}", where_, peek().line)); }
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_.back(); }
  bool is(TokenKind kind, std::string_view text) const { return peek().kind == kind && peek().text == text; }
  bool is_operator(std::string_view text) const { return is(TokenKind::kOperator, text); }
  bool is_name(std::string_view text) const { return is(TokenKind::kName, text); }
  bool take_operator(std::string_view text) { return is_operator(text) && (next(), true); }
  bool take_name(std::string_view text) { return is_name(text) && (next(), true); }
  std::string shown() const {
    switch (peek().kind) {
      case TokenKind::kOutputEnd: return "}}";
      case TokenKind::kBlockEnd: return "%}";
      case TokenKind::kEnd: return "the end of the template";
      default: return fmt::format("\"{}\"", peek().text);
    }
  }
  void expect_operator(std::string_view text) {
    if (!take_operator(text)) fail(fmt::format("expected \"{}\", found {}", text, shown()));
  }
  std::string name() {
    if (peek().kind != TokenKind::kName) fail(fmt::format("expected a name, found {}", shown()));
    return next().text;
  }
  void block_end() {
    if (peek().kind != TokenKind::kBlockEnd) fail(fmt::format("expected %}}, found {}", shown()));
    next();
  }
  ExpressionPtr make(E kind, std::string text = "") const {
    auto e = std::make_unique<Expression>();
    e->kind = kind;
    e->line = peek().line;
    e->text = std::move(text);
    return e;
  }

  // ---- statements
  // Statements up to {% one of `ends` …, whose name is left to be read.
  Block block(const std::vector<std::string>& ends) {
    const Depth depth(*this);
    Block out;
    for (;;) {
      const Token& token = peek();
      if (token.kind == TokenKind::kEnd) {
        if (!ends.empty()) fail(fmt::format("the template ends where {{% {} %}} is missing", ends.back()));
        return out;
      }
      Statement s{};
      s.line = token.line;
      if (token.kind == TokenKind::kData) {
        s.kind = S::kText;
        s.text = next().text;
      } else if (token.kind == TokenKind::kOutputBegin) {
        next();
        s.kind = S::kOutput;
        s.value = tuple(true);
        if (peek().kind != TokenKind::kOutputEnd) fail(fmt::format("expected }}}}, found {}", shown()));
        next();
      } else {
        if (peek(1).kind == TokenKind::kName && std::find(ends.begin(), ends.end(), peek(1).text) != ends.end()) {
          next();
          return out;
        }
        if (ends.empty() && peek(1).text.starts_with("end")) return out;
        next();
        statement(s);
      }
      out.push_back(std::move(s));
    }
  }

  void end(const char* what) {
    if (!take_name(what)) fail(fmt::format("expected {}, found {}", what, shown()));
    block_end();
  }

  void statement(Statement& s) {
    const std::string keyword = name();
    if (keyword == "if") {
      if_statement(s);
    } else if (keyword == "for") {
      for_statement(s);
    } else if (keyword == "set") {
      set_statement(s);
    } else if (keyword == "macro") {
      s.kind = S::kMacro;
      s.text = name();
      s.parameters = parameters();
      block_end();
      s.body = body_of("endmacro");
    } else if (keyword == "call") {
      s.kind = S::kCall;
      if (is_operator("(")) s.parameters = parameters();
      s.value = expression();
      if (s.value->kind != E::kCall) fail("expected a call of a macro");
      block_end();
      s.body = body_of("endcall");
    } else if (keyword == "filter") {
      s.kind = S::kFilter;
      s.value = filters_of(make(E::kLiteral), true);
      block_end();
      s.body = body_of("endfilter");
    } else if (keyword == "generation") {
      s.kind = S::kGroup;
      block_end();
      s.body = body_of("endgeneration");
    } else if (keyword == "break" || keyword == "continue") {
      if (loops_ == 0) fail(fmt::format("{{% {} %}} outside a loop", keyword));
      s.kind = keyword == "break" ? S::kBreak : S::kContinue;
      block_end();
    } else {
      --at_;
      fail(fmt::format("{{% {} %}} is not supported", keyword));
    }
  }

  Block body_of(const char* closing) {
    Block body = block({closing});
    end(closing);
    return body;
  }

  void if_statement(Statement& s) {
    s.kind = S::kIf;
    ExpressionPtr condition = tuple(false);
    block_end();
    for (;;) {
      Block body = block({"elif", "else", "endif"});
      const bool last = condition == nullptr;
      s.branches.emplace_back(std::move(condition), std::move(body));
      const std::string keyword = name();
      if (keyword == "endif") return block_end();
      if (last) fail(fmt::format("{{% {} %}} behind {{% else %}}", keyword));
      condition = keyword == "elif" ? tuple(false) : nullptr;
      block_end();
    }
  }

  void for_statement(Statement& s) {
    s.kind = S::kFor;
    s.target = target();
    if (!take_name("in")) fail(fmt::format("expected \"in\", found {}", shown()));
    s.value = tuple(false);
    if (take_name("if")) s.condition = expression();
    if (is_name("recursive")) fail("recursive loops are not supported");
    block_end();
    ++loops_;
    const size_t begin = at_;
    s.body = block({"else", "endfor"});
    s.uses_loop = std::any_of(tokens_.begin() + int64_t(begin), tokens_.begin() + int64_t(at_), [](const Token& t) { return t.kind == TokenKind::kName && t.text == "loop"; });
    --loops_;
    if (take_name("else")) {
      block_end();
      s.otherwise = block({"endfor"});
    }
    end("endfor");
  }

  void set_statement(Statement& s) {
    s.target = target();
    if (take_operator("=")) {
      s.kind = S::kSet;
      s.value = tuple(true);
      return block_end();
    }
    s.kind = S::kSetBlock;
    if (is_operator("|")) s.value = filters_of(make(E::kLiteral), false);
    block_end();
    s.body = body_of("endset");
  }

  // A name, name.member, or several names.
  ExpressionPtr target() {
    auto one = [&]() -> ExpressionPtr {
      if (take_operator("(")) {
        ExpressionPtr inner = target();
        expect_operator(")");
        return inner;
      }
      ExpressionPtr e = make(E::kName);
      e->text = name();
      if (take_operator(".")) {
        ExpressionPtr member = make(E::kAttribute);
        member->text = name();
        member->parts.push_back(std::move(e));
        return member;
      }
      return e;
    };
    ExpressionPtr first = one();
    if (!is_operator(",")) return first;
    ExpressionPtr all = make(E::kTuple);
    all->parts.push_back(std::move(first));
    while (take_operator(",")) {
      if (is_name("in") || is_operator("=") || is_operator(")")) break;
      all->parts.push_back(one());
    }
    return all;
  }

  std::vector<Parameter> parameters() {
    std::vector<Parameter> out;
    expect_operator("(");
    while (!take_operator(")")) {
      if (!out.empty()) expect_operator(",");
      if (take_operator(")")) break;
      Parameter p{name(), nullptr};
      if (take_operator("=")) p.fallback = expression();
      out.push_back(std::move(p));
    }
    return out;
  }

  // ---- expressions, loosest first
  ExpressionPtr tuple(bool with_conditional) {
    auto one = [&] { return with_conditional ? expression() : disjunction(); };
    ExpressionPtr first = one();
    if (!is_operator(",")) return first;
    ExpressionPtr all = make(E::kTuple);
    all->parts.push_back(std::move(first));
    while (take_operator(",")) {
      if (peek().kind == TokenKind::kOutputEnd || peek().kind == TokenKind::kBlockEnd || is_operator(")")) break;
      all->parts.push_back(one());
    }
    return all;
  }

  ExpressionPtr expression() {
    const Depth depth(*this);
    ExpressionPtr value = disjunction();
    while (is_name("if")) {
      ExpressionPtr e = make(E::kConditional);
      next();
      e->parts.push_back(disjunction());
      e->parts.push_back(std::move(value));
      e->parts.push_back(take_name("else") ? expression() : nullptr);
      value = std::move(e);
    }
    return value;
  }

  ExpressionPtr binary(E kind, std::string text, ExpressionPtr left, ExpressionPtr right) const {
    ExpressionPtr e = make(kind, std::move(text));
    e->parts.push_back(std::move(left));
    e->parts.push_back(std::move(right));
    return e;
  }

  ExpressionPtr disjunction() {
    ExpressionPtr left = conjunction();
    while (take_name("or")) {
      ExpressionPtr right = conjunction();
      left = binary(E::kOr, "or", std::move(left), std::move(right));
    }
    return left;
  }

  ExpressionPtr conjunction() {
    ExpressionPtr left = negation();
    while (take_name("and")) {
      ExpressionPtr right = negation();
      left = binary(E::kAnd, "and", std::move(left), std::move(right));
    }
    return left;
  }

  ExpressionPtr negation() {
    const Depth depth(*this);
    if (!is_name("not")) return comparison();
    ExpressionPtr e = make(E::kNot);
    next();
    e->parts.push_back(negation());
    return e;
  }

  ExpressionPtr comparison() {
    ExpressionPtr left = sum();
    ExpressionPtr all;
    for (;;) {
      std::string op;
      for (const char* symbol : {"==", "!=", "<=", ">=", "<", ">"})
        if (op.empty() && take_operator(symbol)) op = symbol;
      if (op.empty() && take_name("in")) op = "in";
      if (op.empty() && is_name("not") && peek(1).kind == TokenKind::kName && peek(1).text == "in") next(), next(), op = "not in";
      if (op.empty()) return all ? std::move(all) : std::move(left);
      if (!all) {
        all = make(E::kCompare);
        all->parts.push_back(std::move(left));
      }
      all->names.push_back(op);
      all->parts.push_back(sum());
    }
  }

  ExpressionPtr chain(std::initializer_list<const char*> operators, ExpressionPtr (Parser::*operand)()) {
    ExpressionPtr left = (this->*operand)();
    for (;;) {
      std::string op;
      for (const char* symbol : operators)
        if (op.empty() && take_operator(symbol)) op = symbol;
      if (op.empty()) return left;
      ExpressionPtr right = (this->*operand)();
      left = binary(E::kBinary, op, std::move(left), std::move(right));
    }
  }
  ExpressionPtr sum() { return chain({"+", "-"}, &Parser::concatenation); }
  ExpressionPtr concatenation() { return chain({"~"}, &Parser::product); }
  ExpressionPtr product() { return chain({"*", "//", "/", "%"}, &Parser::power); }
  ExpressionPtr power() { return chain({"**"}, &Parser::signed_value); }
  ExpressionPtr signed_value() { return unary(true); }

  ExpressionPtr unary(bool with_filters) {
    const Depth depth(*this);
    ExpressionPtr e;
    if (is_operator("-") || is_operator("+")) {
      e = make(is_operator("-") ? E::kNegative : E::kPositive);
      next();
      e->parts.push_back(unary(false));
    } else {
      e = primary();
    }
    e = postfix(std::move(e));
    return with_filters ? filters_and_tests(std::move(e)) : std::move(e);
  }

  ExpressionPtr primary() {
    const Token& token = peek();
    ExpressionPtr e = make(E::kLiteral);
    switch (token.kind) {
      case TokenKind::kName: {
        const std::string& text = token.text;
        if (text == "true" || text == "True") {
          e->literal = Value(true);
        } else if (text == "false" || text == "False") {
          e->literal = Value(false);
        } else if (text == "none" || text == "None") {
          e->literal = Value();
        } else {
          e->kind = E::kName;
          e->text = text;
        }
        next();
        return e;
      }
      case TokenKind::kString: {
        std::string text = next().text;
        while (peek().kind == TokenKind::kString) text += next().text;
        e->literal = Value(std::move(text));
        return e;
      }
      case TokenKind::kInteger: {
        int64_t value = 0;
        if (std::from_chars(token.text.data(), token.text.data() + token.text.size(), value).ec != std::errc()) fail("a whole number is out of range");
        e->literal = Value(value);
        next();
        return e;
      }
      case TokenKind::kFloat:
        e->literal = Value(std::strtod(token.text.c_str(), nullptr));
        next();
        return e;
      default: break;
    }
    if (take_operator("(")) {
      if (take_operator(")")) return make(E::kTuple);
      e = tuple(true);
      expect_operator(")");
      return e;
    }
    if (take_operator("[")) {
      e->kind = E::kList;
      while (!take_operator("]")) {
        if (!e->parts.empty()) expect_operator(",");
        if (take_operator("]")) break;
        e->parts.push_back(expression());
      }
      return e;
    }
    if (take_operator("{")) {
      e->kind = E::kDict;
      while (!take_operator("}")) {
        if (!e->parts.empty()) expect_operator(",");
        if (take_operator("}")) break;
        e->parts.push_back(expression());
        expect_operator(":");
        e->parts.push_back(expression());
      }
      return e;
    }
    fail(fmt::format("expected an expression, found {}", shown()));
  }

  ExpressionPtr postfix(ExpressionPtr e) {
    for (;;) {
      if (take_operator(".")) {
        ExpressionPtr outer = make(E::kAttribute);
        if (peek().kind == TokenKind::kInteger) {
          outer->kind = E::kItem;
          outer->parts.push_back(std::move(e));
          outer->parts.push_back(primary());
        } else {
          outer->text = name();
          outer->parts.push_back(std::move(e));
        }
        e = std::move(outer);
      } else if (take_operator("[")) {
        e = subscript(std::move(e));
      } else if (is_operator("(")) {
        e = call(std::move(e));
      } else {
        return e;
      }
    }
  }

  ExpressionPtr subscript(ExpressionPtr object) {
    ExpressionPtr e = make(E::kItem);
    e->parts.push_back(std::move(object));
    ExpressionPtr first = is_operator(":") ? nullptr : tuple(true);
    if (!is_operator(":")) {
      e->parts.push_back(std::move(first));
      expect_operator("]");
      return e;
    }
    e->kind = E::kSlice;
    e->parts.push_back(std::move(first));
    next();
    e->parts.push_back(is_operator(":") || is_operator("]") ? nullptr : expression());
    const bool has_step = take_operator(":");
    e->parts.push_back(has_step && !is_operator("]") ? expression() : nullptr);
    expect_operator("]");
    return e;
  }

  void arguments(Expression& e) {
    expect_operator("(");
    bool first = true;
    while (!take_operator(")")) {
      if (!first) expect_operator(",");
      first = false;
      if (take_operator(")")) break;
      if (is_operator("*") || is_operator("**")) fail("* and ** arguments are not supported");
      if (peek().kind == TokenKind::kName && peek(1).kind == TokenKind::kOperator && peek(1).text == "=") {
        std::string key = name();
        next();
        e.named.emplace_back(std::move(key), expression());
      } else {
        if (!e.named.empty()) fail("a positional argument behind a named one");
        e.parts.push_back(expression());
      }
    }
  }

  ExpressionPtr call(ExpressionPtr callee) {
    ExpressionPtr e = make(E::kCall);
    e->parts.push_back(std::move(callee));
    arguments(*e);
    return e;
  }

  // bare: the first filter stands without its bar ({% filter upper %}).
  ExpressionPtr filters_of(ExpressionPtr e, bool bare) {
    while (bare || take_operator("|")) {
      bare = false;
      ExpressionPtr outer = make(E::kFilter);
      outer->text = name();
      if (!has_filter(outer->text)) fail(fmt::format("the filter \"{}\" is not supported", outer->text));
      outer->parts.push_back(std::move(e));
      if (is_operator("(")) arguments(*outer);
      e = std::move(outer);
    }
    return e;
  }

  ExpressionPtr filters_and_tests(ExpressionPtr e) {
    for (;;) {
      if (is_operator("|")) {
        e = filters_of(std::move(e), false);
      } else if (is_name("is")) {
        e = test(std::move(e));
      } else if (is_operator("(")) {
        e = call(std::move(e));
      } else {
        return e;
      }
    }
  }

  ExpressionPtr test(ExpressionPtr subject) {
    next();
    const bool negated = take_name("not");
    ExpressionPtr e = make(E::kTest);
    e->text = name();
    if (!has_test(e->text)) fail(fmt::format("the test \"{}\" is not supported", e->text));
    e->parts.push_back(std::move(subject));
    const TokenKind kind = peek().kind;
    const bool argument_name = kind == TokenKind::kName && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is") && !is_name("if") && !is_name("in") && !is_name("not");
    if (is_operator("(")) {
      arguments(*e);
    } else if (argument_name || kind == TokenKind::kString || kind == TokenKind::kInteger || kind == TokenKind::kFloat || is_operator("[") || is_operator("{")) {
      e->parts.push_back(postfix(primary()));
    }
    if (!negated) return e;
    ExpressionPtr outer = make(E::kNot);
    outer->parts.push_back(std::move(e));
    return outer;
  }

  std::vector<Token> tokens_;
  std::string where_;
  size_t at_ = 0;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

Template Template::parse(std::string_view source, const std::string& where) {
  std::string repaired;
  if (valid_utf8_prefix(source) != source.size()) source = repaired = repair_utf8(source);
  auto program = std::make_shared<Program>();
  program->where = where;
  program->body = Parser(tokens_of(source, where), where).program();
  Template out;
  out.program_ = std::move(program);
  return out;
}

}  // namespace foil::text::jinja
