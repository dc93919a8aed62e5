#include "text/jinja_value.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "text/unicode.h"

namespace foil::text::jinja {

Value* Dict::find(const Value& key) {
  for (auto& [k, v] : items)
    if (equal(k, key)) return &v;
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  if (Value* there = find(key))
    *there = std::move(value);
  else
    items.emplace_back(key, std::move(value));
}

const Value* Arguments::get(size_t position, std::string_view name) const {
  if (position < positional.size()) return &positional[position];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

static int deeper(int depth) {
  if (depth >= 500) throw Error("a value is nested too deeply");
  return depth + 1;
}

Value Value::list(List items, bool tuple) {
  int depth = 0;
  for (const Value& v : items) depth = std::max(depth, v.depth());
  return Value(Sequence{std::make_shared<List>(std::move(items)), tuple, deeper(depth)});
}

Value Value::dict(Dict d, bool is_namespace) {
  int depth = 0;
  for (const auto& [key, value] : d.items) depth = std::max(depth, value.depth());
  return Value(Mapping{std::make_shared<Dict>(std::move(d)), is_namespace, deeper(depth)});
}

Value Value::from_json(const nlohmann::ordered_json& j) {
  switch (j.type()) {
    case nlohmann::ordered_json::value_t::boolean: return Value(j.get<bool>());
    case nlohmann::ordered_json::value_t::number_integer: return Value(j.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_unsigned: {
      const auto n = j.get<uint64_t>();
      if (n > uint64_t(INT64_MAX)) throw Error(fmt::format("the number {} is out of range for a chat template", n));
      return Value(int64_t(n));
    }
    case nlohmann::ordered_json::value_t::number_float: return Value(j.get<double>());
    case nlohmann::ordered_json::value_t::string: {
      const auto& s = j.get_ref<const std::string&>();
      return Value(valid_utf8_prefix(s) == s.size() ? s : repair_utf8(s));
    }
    case nlohmann::ordered_json::value_t::array: {
      List items;
      for (const auto& item : j) items.push_back(from_json(item));
      return Value::list(std::move(items));
    }
    case nlohmann::ordered_json::value_t::object: {
      Dict dict;
      for (const auto& [key, value] : j.items()) dict.items.emplace_back(Value(key), from_json(value));
      return Value::dict(std::move(dict));
    }
    default: return Value();
  }
}

bool Value::truthy() const {
  if (undefined() || none()) return false;
  if (number()) return real() != 0;
  if (const auto* s = string()) return !s->empty();
  if (const auto* l = items()) return !l->empty();
  if (const auto* m = as<Mapping>()) return m->is_namespace || !m->dict->items.empty();
  return true;
}

// The shortest digits that read back the same, laid out as Python's repr() does.
static std::string float_text(double x) {
  if (std::isnan(x)) return "nan";
  if (std::isinf(x)) return x < 0 ? "-inf" : "inf";
  char buffer[40];
  const double size = std::fabs(x);
  const bool scientific = x != 0 && (size < 1e-4 || size >= 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x, scientific ? std::chars_format::scientific : std::chars_format::fixed).ptr;
  std::string out(buffer, end);
  if (!scientific && out.find('.') == std::string::npos) out += ".0";
  return out;
}

static std::string string_repr(std::string_view s) {
  const char quote = s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const char* begin = p;
    const uint32_t c = next_character(p);
    if (c == uint32_t(quote) || c == '\\')
      out += '\\', out += char(c);
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (c < 0x20 || (c >= 0x7F && c < 0xA1) || c == 0xAD)
      out += fmt::format("\\x{:02x}", c);
    else if ((python_space(c) && c != ' ') || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xE000 && c <= 0xF8FF))
      out += fmt::format("\\u{:04x}", c);
    else
      out.append(begin, p);
  }
  return out + quote;
}

std::string Value::str() const {
  if (undefined()) return "";
  if (const auto* s = string()) return *s;
  return repr();
}

std::string Value::repr() const {
  if (undefined()) return "Undefined";
  if (none()) return "None";
  if (const auto* b = as<bool>()) return *b ? "True" : "False";
  if (const auto* i = as<int64_t>()) return std::to_string(*i);
  if (const auto* d = as<double>()) return float_text(*d);
  if (const auto* s = string()) return string_repr(*s);
  if (const auto* sequence = as<Sequence>()) {
    std::string out(1, sequence->tuple ? '(' : '[');
    for (size_t i = 0; i < sequence->items->size(); ++i) out += (i ? ", " : "") + (*sequence->items)[i].repr();
    if (sequence->tuple && sequence->items->size() == 1) out += ',';
    return out + (sequence->tuple ? ')' : ']');
  }
  if (const auto* m = as<Mapping>()) {
    if (m->is_namespace) return "<Namespace>";  // it may hold itself
    std::string out = "{";
    for (const auto& [key, value] : m->dict->items) out += (out.size() > 1 ? ", " : "") + key.repr() + ": " + value.repr();
    return out + "}";
  }
  return fmt::format("<function {}>", (*as<std::shared_ptr<Callable>>())->name);
}

const char* Value::type_name() const {
  static const char* kNames[] = {"Undefined", "NoneType", "bool", "int", "float", "str", "list", "dict", "function"};
  if (as<Sequence>() && as<Sequence>()->tuple) return "tuple";
  return kNames[data.index()];
}

bool equal(const Value& a, const Value& b) {
  if (a.number() && b.number()) return a.integral() && b.integral() ? a.integer() == b.integer() : a.real() == b.real();
  if (a.data.index() != b.data.index()) return false;
  if (a.undefined() || a.none()) return true;
  if (a.string()) return *a.string() == *b.string();
  if (a.items()) {
    if (a.as<Sequence>()->tuple != b.as<Sequence>()->tuple || a.items()->size() != b.items()->size()) return false;
    for (size_t i = 0; i < a.items()->size(); ++i)
      if (!equal((*a.items())[i], (*b.items())[i])) return false;
    return true;
  }
  if (a.mapping()) {
    if (a.mapping() == b.mapping()) return true;
    if (a.as<Mapping>()->is_namespace || b.as<Mapping>()->is_namespace) return false;
    if (a.mapping()->items.size() != b.mapping()->items.size()) return false;
    for (const auto& [key, value] : a.mapping()->items) {
      const Value* other = b.mapping()->find(key);
      if (!other || !equal(value, *other)) return false;
    }
    return true;
  }
  return *a.as<std::shared_ptr<Callable>>() == *b.as<std::shared_ptr<Callable>>();
}

int compare(const Value& a, const Value& b) {
  if (a.integral() && b.integral()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  if (a.number() && b.number()) return a.real() < b.real() ? -1 : a.real() > b.real();
  if (a.string() && b.string()) {
    const int order = a.string()->compare(*b.string());  // bytes of UTF-8 stand in the order of characters
    return order < 0 ? -1 : order > 0;
  }
  if (a.items() && b.items()) {
    for (size_t i = 0; i < std::min(a.items()->size(), b.items()->size()); ++i)
      if (!equal((*a.items())[i], (*b.items())[i])) return compare((*a.items())[i], (*b.items())[i]);
    return a.items()->size() < b.items()->size() ? -1 : a.items()->size() > b.items()->size();
  }
  if (a.undefined() || b.undefined()) throw Error(fmt::format("'{}' is undefined", (a.undefined() ? a : b).as<Undefined>()->name));
  throw Error(fmt::format("a {} and a {} have no order", a.type_name(), b.type_name()));
}

bool contains(const Value& container, const Value& item) {
  if (const auto* s = container.string()) {
    if (!item.string()) throw Error(fmt::format("a {} cannot be in a string", item.type_name()));
    return s->find(*item.string()) != std::string::npos;
  }
  if (container.mapping()) return container.mapping()->find(item) != nullptr;
  if (container.undefined()) return false;
  const List* list = container.items();
  if (!list) throw Error(fmt::format("nothing can be in a {}", container.type_name()));
  for (const Value& v : *list)
    if (equal(v, item)) return true;
  return false;
}

int64_t length_of(std::string_view s) {
  int64_t n = 0;
  for (const char c : s) n += (c & 0xC0) != 0x80;
  return n;
}

List characters(std::string_view s) {
  List out;
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const char* begin = p;
    next_character(p);
    out.emplace_back(std::string_view(begin, size_t(p - begin)));
  }
  return out;
}

List iterate(const Value& v) {
  if (const auto* l = v.items()) return *l;
  if (const auto* s = v.string()) return characters(*s);
  if (v.undefined()) return {};
  if (v.mapping() && !v.as<Mapping>()->is_namespace) {
    List keys;
    for (const auto& [key, value] : v.mapping()->items) keys.push_back(key);
    return keys;
  }
  throw Error(fmt::format("a {} has no items to go through", v.type_name()));
}

bool python_space(uint32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

std::string strip(std::string_view s, const Value* chars, bool left, bool right) {
  std::u32string set;
  if (chars && !chars->none()) {
    if (!chars->string()) throw Error(fmt::format("strip wants a string, not a {}", chars->type_name()));
    for (const char *p = chars->string()->data(), *end = p + chars->string()->size(); p < end;) set += char32_t(next_character(p));
  }
  auto goes = [&](uint32_t c) { return chars && !chars->none() ? set.find(char32_t(c)) != std::u32string::npos : python_space(c); };
  const char *begin = s.data(), *end = begin + s.size();
  for (const char* p = begin; left && begin < end && goes(next_character(p));) begin = p;
  for (const char* p = end; right && begin < end && goes(previous_character(p));) end = p;
  return std::string(begin, end);
}

static void json_string(std::string_view s, bool ensure_ascii, std::string& out) {
  out += '"';
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const char* begin = p;
    const uint32_t c = next_character(p);
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
          if (c == 0x7F) {
            out += char(c);
          } else {
            out += fmt::format("\\u{:04x}", c);
          }
        } else if (ensure_ascii && c >= 0x10000) {
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
        } else {
          out.append(begin, p);
        }
    }
  }
  out += '"';
}

static void json_value(const Value& v, const JsonStyle& style, int level, std::string& out) {
  if (level > 200) throw Error("a value is nested too deeply for JSON");
  auto line = [&](int depth) {
    if (!style.indent) return;
    out += '\n';
    for (int i = 0; i < depth; ++i) out += *style.indent;
  };
  if (v.none()) {
    out += "null";
  } else if (const auto* b = v.as<bool>()) {
    out += *b ? "true" : "false";
  } else if (const auto* d = v.as<double>()) {
    out += std::isnan(*d) ? "NaN" : std::isinf(*d) ? (*d < 0 ? "-Infinity" : "Infinity") : v.repr();
  } else if (v.number()) {
    out += v.repr();
  } else if (v.string()) {
    json_string(*v.string(), style.ensure_ascii, out);
  } else if (v.items()) {
    if (v.items()->empty()) {
      out += "[]";
      return;
    }
    out += '[';
    for (size_t i = 0; i < v.items()->size(); ++i) {
      if (i) out += style.item_separator;
      line(level + 1);
      json_value((*v.items())[i], style, level + 1, out);
    }
    line(level);
    out += ']';
  } else if (v.mapping() && !v.as<Mapping>()->is_namespace) {
    auto items = v.mapping()->items;
    if (items.empty()) {
      out += "{}";
      return;
    }
    if (style.sort_keys) std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return compare(a.first, b.first) < 0; });
    out += '{';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out += style.item_separator;
      line(level + 1);
      std::string key;
      json_value(items[i].first, style, 0, key);
      out += items[i].first.string() ? key : '"' + key + '"';
      out += style.key_separator;
      json_value(items[i].second, style, level + 1, out);
    }
    line(level);
    out += '}';
  } else {
    throw Error(fmt::format("a {} cannot be written as JSON", v.undefined() ? "value that is undefined" : v.type_name()));
  }
}

std::string to_json_text(const Value& v, const JsonStyle& style) {
  std::string out;
  json_value(v, style, 0, out);
  return out;
}

}  // namespace foil::text::jinja
