// Values of Jinja expressions, behaving as Python's do.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace foil::text::jinja {

class Value;
using List = std::vector<Value>;

struct Undefined {
  std::string name;  // what was looked for
};
struct None {};
struct Sequence {
  std::shared_ptr<List> items;
  bool tuple = false;
  int depth = 1;
};
struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion
  Value* find(const Value& key);
  void set(const Value& key, Value value);
};
struct Mapping {
  std::shared_ptr<Dict> dict;
  bool is_namespace = false;
  int depth = 1;
};
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
  // The argument of that name, or at that position; null when it was not given. Marks it as read.
  const Value* get(size_t position, std::string_view name) const;
};
struct Callable {
  std::string name;
  std::function<Value(const Arguments&)> call;
};

class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, std::string, Sequence, Mapping, std::shared_ptr<Callable>>;
  Value() : data(None{}) {}
  Value(Undefined u) : data(std::move(u)) {}
  Value(bool b) : data(b) {}
  Value(int64_t i) : data(i) {}
  Value(double d) : data(d) {}
  Value(std::string s) : data(std::move(s)) {}
  Value(std::string_view s) : data(std::string(s)) {}
  Value(const char* s) : data(std::string(s)) {}
  // Throw Error for values nested so deeply that going through them would exhaust the stack.
  static Value list(List items, bool tuple = false);
  static Value dict(Dict d = {}, bool is_namespace = false);
  static Value callable(std::string name, std::function<Value(const Arguments&)> call) {
    return Value(std::make_shared<Callable>(Callable{std::move(name), std::move(call)}));
  }
  static Value from_json(const nlohmann::ordered_json& j);
  explicit Value(Data d) : data(std::move(d)) {}

  template <class T> const T* as() const { return std::get_if<T>(&data); }
  bool undefined() const { return as<Undefined>(); }
  bool none() const { return as<None>(); }
  const std::string* string() const { return as<std::string>(); }
  const List* items() const { return as<Sequence>() ? as<Sequence>()->items.get() : nullptr; }
  Dict* mapping() const { return as<Mapping>() ? as<Mapping>()->dict.get() : nullptr; }
  bool number() const { return as<bool>() || as<int64_t>() || as<double>(); }
  bool integral() const { return as<bool>() || as<int64_t>(); }
  int64_t integer() const { return as<bool>() ? int64_t(*as<bool>()) : *as<int64_t>(); }  // of an integral value
  double real() const { return as<double>() ? *as<double>() : double(integer()); }

  bool truthy() const;
  std::string str() const;     // Python's str(): what {{ }} prints
  std::string repr() const;
  int depth() const { return as<Sequence>() ? as<Sequence>()->depth : as<Mapping>() ? as<Mapping>()->depth : 0; }
  const char* type_name() const;  // "str", "list", …
  Data data;
};

bool equal(const Value& a, const Value& b);
// −1, 0, 1; throws Error for values that have no order.
int compare(const Value& a, const Value& b);
bool contains(const Value& container, const Value& item);
// What a for loop or a filter sees: items, keys, characters. Throws Error when there is nothing to iterate over.
List iterate(const Value& v);

struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ", key_separator = ": ";
};
std::string to_json_text(const Value& v, const JsonStyle& style);  // json.dumps

// Strings by characters, as Python counts them.
int64_t length_of(std::string_view s);
List characters(std::string_view s);
bool python_space(uint32_t c);
std::string strip(std::string_view s, const Value* chars, bool left, bool right);

// jinja_builtins.cpp. A name that does not exist: apply_* throw Error, has_* tell.
bool has_filter(const std::string& name);
bool has_test(const std::string& name);
Value apply_filter(const std::string& name, const Value& subject, const Arguments& arguments);
bool apply_test(const std::string& name, const Value& subject, const Arguments& arguments);
bool has_method(const Value& object, const std::string& name);
Value call_method(const Value& object, const std::string& name, const Arguments& arguments);
// jinja_access.cpp. foo.bar and foo['bar'], Undefined when there is no such thing.
Value attribute(const Value& object, const std::string& name);
Value subscript(const Value& object, const Value& key);
Value slice(const Value& object, const Value& begin, const Value& end, const Value& step);

}  // namespace foil::text::jinja
