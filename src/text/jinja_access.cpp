// foo.bar, foo['bar'] and foo[1:2].
#include <algorithm>

#include "base/error.h"
#include "text/jinja_value.h"

namespace foil::text::jinja {

static int64_t bound_of(const Value& v) {
  if (!v.integral()) throw Error(fmt::format("a slice wants a whole number, not a {}", v.type_name()));
  return v.integer();
}

static Value missing(const Value& object, const std::string& name) {
  if (object.undefined()) throw Error(fmt::format("'{}' is undefined", object.as<Undefined>()->name));
  return Value(Undefined{name});
}

Value attribute(const Value& object, const std::string& name) {
  if (has_method(object, name)) return Value::callable(name, [object, name](const Arguments& a) { return call_method(object, name, a); });
  if (object.mapping())
    if (const Value* found = object.mapping()->find(Value(name))) return *found;
  // Methods that would change a value: the sandbox of the reference refuses to call them.
  for (const char* changing : {"append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault", "sort", "reverse"})
    if ((object.items() || object.mapping()) && name == changing) throw Error(fmt::format("{} is not allowed: values in a template do not change", name));
  return missing(object, name);
}

Value subscript(const Value& object, const Value& key) {
  if (object.mapping()) {
    if (const Value* found = object.mapping()->find(key)) return *found;
    if (key.string() && has_method(object, *key.string())) return attribute(object, *key.string());
    return Value(Undefined{key.str()});
  }
  if (key.integral() && (object.items() || object.string())) {
    const List items = object.string() ? characters(*object.string()) : List{};
    const List& all = object.items() ? *object.items() : items;
    const int64_t n = int64_t(all.size()), i = key.integer() < 0 ? key.integer() + n : key.integer();
    return i >= 0 && i < n ? all[size_t(i)] : Value(Undefined{key.str()});
  }
  if (key.string() && has_method(object, *key.string())) return attribute(object, *key.string());
  return missing(object, key.str());
}

Value slice(const Value& object, const Value& begin, const Value& end, const Value& step_value) {
  if (!object.items() && !object.string()) {
    missing(object, "slice");
    throw Error(fmt::format("a {} cannot be sliced", object.type_name()));
  }
  const List all = iterate(object);
  const auto n = int64_t(all.size());
  const int64_t step = step_value.none() ? 1 : bound_of(step_value);
  if (step == 0) throw Error("a slice with a step of 0");
  auto bound = [&](const Value& v, int64_t otherwise) {
    if (v.none()) return otherwise;
    const int64_t i = bound_of(v) + (bound_of(v) < 0 ? n : 0);
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  const int64_t first = bound(begin, step > 0 ? 0 : n - 1), last = bound(end, step > 0 ? n : -1);
  List out;
  for (int64_t i = first; step > 0 ? i < last : i > last;) {
    out.push_back(all[size_t(i)]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (!object.string()) return Value::list(std::move(out), object.as<Sequence>()->tuple);
  std::string text;
  for (const Value& character : out) text += *character.string();
  return Value(std::move(text));
}

}  // namespace foil::text::jinja
