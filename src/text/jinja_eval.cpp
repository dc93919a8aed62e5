// Runs a parsed template.
#include <cmath>
#include <ctime>

#include "base/error.h"
#include "text/jinja.h"
#include "text/jinja_ast.h"
#include "text/unicode.h"

namespace foil::text::jinja {

namespace {

constexpr int64_t kMaxSteps = 5'000'000;         // evaluated nodes and turns of loops: a template that takes more does not end
constexpr size_t kMaxOutput = size_t{1} << 28;   // bytes
constexpr int64_t kMaxRange = 100'000;           // as jinja2's sandbox

struct Scope {
  std::vector<std::pair<std::string, Value>> variables;
  std::shared_ptr<Scope> parent;

  Value* find(const std::string& name) {
    for (Scope* s = this; s; s = s->parent.get())
      for (auto& [key, value] : s->variables)
        if (key == name) return &value;
    return nullptr;
  }
  void set(const std::string& name, Value value) {
    for (auto& [key, old] : variables)
      if (key == name) return void(old = std::move(value));
    variables.emplace_back(name, std::move(value));
  }
};
using ScopePtr = std::shared_ptr<Scope>;

int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) throw Error("division by zero");
  if (b == -1) return -a;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

// By reference: the value is written while the first argument is evaluated.
int64_t checked(bool overflow, const int64_t& value) {
  if (overflow) throw Error("a whole number is out of range");
  return value;
}

Value arithmetic(const std::string& op, const Value& a, const Value& b) {
  if (op == "~") return Value(a.str() + b.str());
  for (const Value* v : {&a, &b})
    if (v->undefined()) throw Error(fmt::format("'{}' is undefined", v->as<Undefined>()->name));
  if (a.number() && b.number()) {
    if (op == "/") {
      if (b.real() == 0) throw Error("division by zero");
      return Value(a.real() / b.real());
    }
    if (a.integral() && b.integral()) {
      const int64_t x = a.integer(), y = b.integer();
      int64_t r = 0;
      if (op == "+") return Value(checked(__builtin_add_overflow(x, y, &r), r));
      if (op == "-") return Value(checked(__builtin_sub_overflow(x, y, &r), r));
      if (op == "*") return Value(checked(__builtin_mul_overflow(x, y, &r), r));
      if (x == INT64_MIN && y == -1) checked(true, 0);
      if (op == "//") return Value(floor_divide(x, y));
      if (op == "%") {
        const int64_t quotient = floor_divide(x, y);
        return Value(int64_t(uint64_t(x) - uint64_t(quotient) * uint64_t(y)));
      }
      if (y < 0) return Value(std::pow(double(x), double(y)));
      int64_t power = 1;
      for (int64_t i = 0; i < y && power != 0; ++i) {
        if (x == 1 || x == -1) return Value(x == 1 || y % 2 == 0 ? int64_t{1} : int64_t{-1});
        power = checked(__builtin_mul_overflow(power, x, &r), r);
      }
      return Value(power);
    }
    const double x = a.real(), y = b.real();
    if (op == "+") return Value(x + y);
    if (op == "-") return Value(x - y);
    if (op == "*") return Value(x * y);
    if (op == "**") return Value(std::pow(x, y));
    if (y == 0) throw Error("division by zero");
    return Value(op == "//" ? std::floor(x / y) : x - std::floor(x / y) * y);
  }
  if (op == "+" && a.string() && b.string()) return Value(*a.string() + *b.string());
  if (op == "+" && a.items() && b.items() && a.as<Sequence>()->tuple == b.as<Sequence>()->tuple) {
    List joined = *a.items();
    joined.insert(joined.end(), b.items()->begin(), b.items()->end());
    return Value::list(std::move(joined), a.as<Sequence>()->tuple);
  }
  if (op == "*" && (a.integral() || b.integral())) {
    const Value& thing = a.integral() ? b : a;
    const int64_t times = std::max<int64_t>(0, (a.integral() ? a : b).integer());
    const size_t size = thing.string() ? thing.string()->size() : thing.items() ? thing.items()->size() * 16 : 0;
    if (times > 0 && size > kMaxOutput / size_t(times)) throw Error("a repetition is too long");
    if (thing.string()) {
      std::string out;
      for (int64_t i = 0; i < times; ++i) out += *thing.string();
      return Value(std::move(out));
    }
    if (thing.items()) {
      List out;
      for (int64_t i = 0; i < times; ++i) out.insert(out.end(), thing.items()->begin(), thing.items()->end());
      return Value::list(std::move(out), thing.as<Sequence>()->tuple);
    }
  }
  throw Error(fmt::format("{} cannot be used between a {} and a {}", op, a.type_name(), b.type_name()));
}

class Interpreter {
 public:
  Interpreter(const Program& program, std::optional<int64_t> now) : program_(program), now_(now) {}

  std::string run(const Json& variables) {
    auto globals = std::make_shared<Scope>();
    add_globals(*globals);
    auto scope = std::make_shared<Scope>();
    scope->parent = globals;
    for (const auto& [key, value] : variables.items()) scope->set(key, Value::from_json(value));
    try {
      std::string out;
      execute(program_.body, scope, out);
      return out;
    } catch (const Error& e) {
      throw Error(e.message(), e.where().empty() ? fmt::format("{}:{}", program_.where, line_) : e.where(), e.hint());
    }
  }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  void step(int line) {
    line_ = line;
    if (++steps_ > kMaxSteps) throw Error("the template does not come to an end");
  }

  void add_globals(Scope& g) {
    g.set("range", Value::callable("range", [](const Arguments& a) { return range(a); }));
    g.set("dict", Value::callable("dict", [](const Arguments& a) { return Value::dict(named_dict(a)); }));
    g.set("namespace", Value::callable("namespace", [](const Arguments& a) { return Value::dict(named_dict(a), true); }));
    g.set("raise_exception", Value::callable("raise_exception", [](const Arguments& a) -> Value {
            throw Error(a.positional.empty() ? "the template refuses the messages" : a.positional[0].str(), "",
                        "the model's chat template does not take these messages as they are");
          }));
    g.set("strftime_now", Value::callable("strftime_now", [this](const Arguments& a) -> Value {
            if (a.positional.empty() || !a.positional[0].string()) throw Error("strftime_now wants a format");
            const std::time_t now = now_ ? std::time_t(*now_) : std::time(nullptr);
            std::tm parts{};
            localtime_r(&now, &parts);
            char text[512];
            return Value(std::string(text, std::strftime(text, sizeof text, a.positional[0].string()->c_str(), &parts)));
          }));
  }

  static Dict named_dict(const Arguments& a) {
    Dict d;
    for (const Value& v : a.positional) {
      if (!v.mapping()) throw Error("dict() and namespace() take mappings and named arguments");
      for (const auto& [key, value] : v.mapping()->items) d.set(key, value);
    }
    for (const auto& [key, value] : a.named) d.set(Value(key), value);
    return d;
  }

  static Value range(const Arguments& a) {
    int64_t bounds[3] = {0, 0, 1};
    if (a.positional.empty() || a.positional.size() > 3) throw Error("range takes one to three arguments");
    for (size_t i = 0; i < a.positional.size(); ++i) {
      if (!a.positional[i].integral()) throw Error("range takes whole numbers");
      bounds[a.positional.size() == 1 ? 1 : i] = a.positional[i].integer();
    }
    const auto [first, last, step] = bounds;
    if (step == 0) throw Error("range with a step of 0");
    const auto span = static_cast<__int128>(last) - first;
    const __int128 count = step > 0 ? (span + step - 1) / step : (span + step + 1) / step;
    if (count > kMaxRange) throw Error(fmt::format("a range of more than {} items", kMaxRange));
    List items;
    for (int64_t i = 0; i < int64_t(std::max<__int128>(0, count)); ++i) items.emplace_back(first + i * step);
    return Value::list(std::move(items));
  }

  // ---- statements
  Flow execute(const Block& block, const ScopePtr& scope, std::string& out) {
    for (const Statement& s : block) {
      step(s.line);
      if (out.size() > kMaxOutput) throw Error("the template writes too much");
      Flow flow = Flow::kNormal;
      switch (s.kind) {
        case Statement::Kind::kText: out += s.text; break;
        case Statement::Kind::kOutput: out += evaluate(*s.value, scope).str(); break;
        case Statement::Kind::kIf:
          for (const auto& [condition, body] : s.branches) {
            if (condition && !evaluate(*condition, scope).truthy()) continue;
            flow = execute(body, scope, out);
            break;
          }
          break;
        case Statement::Kind::kFor: loop(s, scope, out); break;
        case Statement::Kind::kSet: assign(*s.target, evaluate(*s.value, scope), scope); break;
        case Statement::Kind::kSetBlock: assign(*s.target, filtered(s, scope), scope); break;
        case Statement::Kind::kFilter: out += filtered(s, scope).str(); break;
        case Statement::Kind::kMacro: scope->set(s.text, macro(s, scope, s.text)); break;
        case Statement::Kind::kCall: call_block(s, scope, out); break;
        case Statement::Kind::kGroup: execute(s.body, nested(scope), out); break;
        case Statement::Kind::kBreak: return Flow::kBreak;
        case Statement::Kind::kContinue: return Flow::kContinue;
      }
      if (flow != Flow::kNormal) return flow;
    }
    return Flow::kNormal;
  }

  static ScopePtr nested(const ScopePtr& parent) {
    auto scope = std::make_shared<Scope>();
    scope->parent = parent;
    return scope;
  }

  // The body's text, through the filters, which stand over a literal in its place.
  Value filtered(const Statement& s, const ScopePtr& scope) {
    std::string text;
    execute(s.body, nested(scope), text);
    if (!s.value) return Value(std::move(text));
    std::vector<const Expression*> filters;
    for (const Expression* e = s.value.get(); e->kind == Expression::Kind::kFilter; e = e->parts[0].get()) filters.push_back(e);
    Value value(std::move(text));
    for (size_t i = filters.size(); i-- > 0;) value = apply_filter(filters[i]->text, value, arguments(*filters[i], scope));
    return value;
  }

  void assign(const Expression& target, Value value, const ScopePtr& scope) {
    if (target.kind == Expression::Kind::kName) return scope->set(target.text, std::move(value));
    if (target.kind == Expression::Kind::kTuple) {
      const List items = iterate(value);
      if (items.size() != target.parts.size()) throw Error(fmt::format("{} values for {} names", items.size(), target.parts.size()));
      for (size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i], scope);
      return;
    }
    const Value object = evaluate(*target.parts[0], scope);
    if (!object.as<Mapping>() || !object.as<Mapping>()->is_namespace) throw Error("only members of a namespace can be set");
    if (target.text.starts_with('_')) throw Error("names that begin with an underscore cannot be set in a namespace");
    object.mapping()->set(Value(target.text), std::move(value));
  }

  void loop(const Statement& s, const ScopePtr& scope, std::string& out) {
    List items = iterate(evaluate(*s.value, scope));
    if (s.condition) {
      List kept;
      for (Value& item : items) {
        step(s.line);
        const ScopePtr inner = nested(scope);
        assign(*s.target, item, inner);
        if (evaluate(*s.condition, inner).truthy()) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    if (items.empty()) {
      execute(s.otherwise, nested(scope), out);
      return;
    }
    const auto n = int64_t(items.size());
    auto last_changed = std::make_shared<std::optional<Value>>();
    for (int64_t i = 0; i < n; ++i) {
      step(s.line);
      const ScopePtr inner = nested(scope);
      if (s.uses_loop) inner->set("loop", loop_state(items, i, last_changed));
      assign(*s.target, items[size_t(i)], inner);
      if (execute(s.body, inner, out) == Flow::kBreak) break;
    }
  }

  static Value loop_state(const List& items, int64_t i, const std::shared_ptr<std::optional<Value>>& last_changed) {
    const auto n = int64_t(items.size());
    Dict state;
    state.items = {{"index", i + 1}, {"index0", i}, {"revindex", n - i}, {"revindex0", n - i - 1}, {"first", i == 0}, {"last", i == n - 1},
                   {"length", n}, {"depth", int64_t{1}}, {"depth0", int64_t{0}}};
    if (i > 0) state.items.emplace_back("previtem", items[size_t(i - 1)]);
    if (i + 1 < n) state.items.emplace_back("nextitem", items[size_t(i + 1)]);
    state.items.emplace_back("cycle", Value::callable("cycle", [i](const Arguments& a) {
                               if (a.positional.empty()) throw Error("cycle without items");
                               return a.positional[size_t(i) % a.positional.size()];
                             }));
    state.items.emplace_back("changed", Value::callable("changed", [last_changed](const Arguments& a) {
                               Value now = Value::list(a.positional, true);
                               const bool changed = !*last_changed || !equal(**last_changed, now);
                               *last_changed = std::move(now);
                               return Value(changed);
                             }));
    return Value::dict(std::move(state), true);
  }

  // The closure holds its scope weakly where the scope holds the macro: a template's own macros would otherwise never be freed.
  Value macro(const Statement& s, const ScopePtr& scope, const std::string& name) {
    std::weak_ptr<Scope> home = scope;
    return Value::callable(name, [this, &s, home, name](const Arguments& a) -> Value {
      const ScopePtr outer = home.lock();
      if (!outer) throw Error(fmt::format("the macro {} is called outside of where it was made", name));
      if (a.positional.size() > s.parameters.size()) throw Error(fmt::format("the macro {} takes {} arguments, not {}", name, s.parameters.size(), a.positional.size()));
      if (++calls_ > 100) throw Error(fmt::format("the macro {} calls itself too deeply", name));
      const ScopePtr inner = nested(outer);
      for (const auto& [key, value] : a.named) {
        const bool known = key == "caller" || std::any_of(s.parameters.begin(), s.parameters.end(), [&, &key = key](const Parameter& p) { return p.name == key; });
        if (!known) throw Error(fmt::format("the macro {} takes no argument \"{}\"", name, key));
        inner->set(key, value);
      }
      for (size_t i = 0; i < s.parameters.size(); ++i) {
        const Parameter& p = s.parameters[i];
        if (const Value* given = a.get(i, p.name))
          inner->set(p.name, *given);
        else
          inner->set(p.name, p.fallback ? evaluate(*p.fallback, inner) : Value(Undefined{p.name}));
      }
      std::string out;
      execute(s.body, inner, out);
      --calls_;
      return Value(std::move(out));
    });
  }

  void call_block(const Statement& s, const ScopePtr& scope, std::string& out) {
    const Expression& e = *s.value;
    Arguments a = arguments(e, scope);
    a.named.emplace_back("caller", macro(s, scope, "caller"));
    out += call(evaluate(*e.parts[0], scope), a).str();
  }

  // ---- expressions
  Arguments arguments(const Expression& e, const ScopePtr& scope) {
    Arguments a;
    for (size_t i = 1; i < e.parts.size(); ++i) a.positional.push_back(evaluate(*e.parts[i], scope));
    for (const auto& [key, value] : e.named) a.named.emplace_back(key, evaluate(*value, scope));
    return a;
  }

  static Value call(const Value& callee, const Arguments& a) {
    if (const auto* c = callee.as<std::shared_ptr<Callable>>()) return (*c)->call(a);
    if (callee.undefined()) throw Error(fmt::format("'{}' is undefined", callee.as<Undefined>()->name));
    throw Error(fmt::format("a {} cannot be called", callee.type_name()));
  }

  Value evaluate(const Expression& e, const ScopePtr& scope) {
    step(e.line);
    using K = Expression::Kind;
    switch (e.kind) {
      case K::kLiteral: return e.literal;
      case K::kName: {
        const Value* found = scope->find(e.text);
        return found ? *found : Value(Undefined{e.text});
      }
      case K::kList:
      case K::kTuple: {
        List items;
        for (const auto& part : e.parts) items.push_back(evaluate(*part, scope));
        return Value::list(std::move(items), e.kind == K::kTuple);
      }
      case K::kDict: {
        Dict d;
        for (size_t i = 0; i + 1 < e.parts.size(); i += 2) {
          const Value key = evaluate(*e.parts[i], scope);
          d.set(key, evaluate(*e.parts[i + 1], scope));
        }
        return Value::dict(std::move(d));
      }
      case K::kAttribute: return attribute(evaluate(*e.parts[0], scope), e.text);
      case K::kItem: {
        const Value object = evaluate(*e.parts[0], scope);
        return subscript(object, evaluate(*e.parts[1], scope));
      }
      case K::kSlice: {
        const Value object = evaluate(*e.parts[0], scope);
        Value bounds[3];
        for (size_t i = 0; i < 3; ++i)
          if (e.parts[i + 1]) bounds[i] = evaluate(*e.parts[i + 1], scope);
        return slice(object, bounds[0], bounds[1], bounds[2]);
      }
      case K::kCall: return call_expression(e, scope);
      case K::kFilter: {
        const Value subject = evaluate(*e.parts[0], scope);
        return apply_filter(e.text, subject, arguments(e, scope));
      }
      case K::kTest: {
        const Value subject = evaluate(*e.parts[0], scope);
        return Value(apply_test(e.text, subject, arguments(e, scope)));
      }
      case K::kNot: return Value(!evaluate(*e.parts[0], scope).truthy());
      case K::kAnd: {
        Value left = evaluate(*e.parts[0], scope);
        return left.truthy() ? evaluate(*e.parts[1], scope) : left;
      }
      case K::kOr: {
        Value left = evaluate(*e.parts[0], scope);
        return left.truthy() ? left : evaluate(*e.parts[1], scope);
      }
      case K::kNegative: return arithmetic("-", Value(int64_t{0}), number(evaluate(*e.parts[0], scope)));
      case K::kPositive: return number(evaluate(*e.parts[0], scope));
      case K::kBinary: {
        const Value left = evaluate(*e.parts[0], scope);
        return arithmetic(e.text, left, evaluate(*e.parts[1], scope));
      }
      case K::kCompare: return comparison(e, scope);
      case K::kConditional:
        if (evaluate(*e.parts[0], scope).truthy()) return evaluate(*e.parts[1], scope);
        return e.parts[2] ? evaluate(*e.parts[2], scope) : Value(Undefined{"the inline if without else"});
    }
    FOIL_CHECK(false, "expression {}", int(e.kind));
  }

  static Value number(Value v) {
    if (!v.number()) throw Error(fmt::format("a {} has no sign", v.type_name()));
    return v;
  }

  Value call_expression(const Expression& e, const ScopePtr& scope) {
    const Expression& callee = *e.parts[0];
    if (callee.kind == Expression::Kind::kAttribute) {
      const Value object = evaluate(*callee.parts[0], scope);
      const Arguments a = arguments(e, scope);
      if (has_method(object, callee.text)) return call_method(object, callee.text, a);
      return call(attribute(object, callee.text), a);
    }
    const Value function = evaluate(callee, scope);
    return call(function, arguments(e, scope));
  }

  Value comparison(const Expression& e, const ScopePtr& scope) {
    Value left = evaluate(*e.parts[0], scope);
    for (size_t i = 0; i < e.names.size(); ++i) {
      Value right = evaluate(*e.parts[i + 1], scope);
      const std::string& op = e.names[i];
      bool holds;
      if (op == "==" || op == "!=")
        holds = equal(left, right) == (op == "==");
      else if (op == "in" || op == "not in")
        holds = contains(right, left) == (op == "in");
      else {
        const int order = compare(left, right);
        holds = op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
      }
      if (!holds) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  const Program& program_;
  std::optional<int64_t> now_;
  int line_ = 1, calls_ = 0;
  int64_t steps_ = 0;
};

}  // namespace

std::string Template::render(const Json& variables, std::optional<int64_t> now) const { return Interpreter(*program_, now).run(variables); }

}  // namespace foil::text::jinja
