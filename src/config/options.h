// Option structs: one field list drives defaults, YAML, --set, flags, --help and the resolved configuration.
//
//   enum class Norm { kGroup, kNone };
//   inline constexpr std::pair<Norm, const char*> kNormNames[] = {{Norm::kGroup, "group"}, {Norm::kNone, "none"}};
//   inline auto& enum_names(Norm) { return kNormNames; }                     // found by its argument; the first text of a value is written
//
//   struct GrpoOptions {
//     int group_size = 8;
//     Norm norm = Norm::kGroup;
//     OptimizerOptions optimizer;
//     template <class V> void visit(V& v) {
//       v("group_size", group_size, "completions per problem");
//       v("norm", norm, "what the advantages are divided by");
//       v.group("optimizer", optimizer, "how the weights move");
//     }
//     void validate(const std::string& where) const;  // cross-field rules; optional; where: "recipe.yaml:12:3 (rl)"
//   };
//
//   GrpoOptions options;                                   // the defaults
//   Value file = load_yaml("recipe.yaml");
//   set(file, "rl.group_size=16");
//   Sections sections(file); sections.read("rl", options); sections.finish();
//
// Fields: bool, integers, floating point, std::string, std::filesystem::path, enums, nested structs, Json and Value (kept as they
// stand), and optional, vector and map<string, …> of all of these. v() and v.group() do the same.
// Each room's option structs stay free of this header: `visit` is a template. Errors are UsageError: expected and found, the
// nearest name, file:line:column.
#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/value.h"

namespace foil::config {

using OrderedJson = nlohmann::ordered_json;  // keeps the field list's order

// One field as flags and help need it.
struct Field {
  std::string path;                  // "optimizer.lr"
  std::string flag;                  // "--lr" where the last part is unique in the struct, else "--optimizer-lr"
  std::string type;                  // "yes/no", "integer", "number", "text", "path", "one of a|b", "list of …", "map of …", "section"
  std::string default_text;          // as YAML; "" for a section or an absent optional
  std::string help;
  std::vector<std::string> choices;  // of an enum
  bool is_bool = false;
};

namespace detail {

struct AnyVisitor {
  template <class T> void operator()(const char*, T&, const char*) {}
  template <class T> void group(const char*, T&, const char*) {}
};
template <class T>
concept Struct = requires(T& t, AnyVisitor& v) { t.visit(v); };
template <class T>
concept Enum = std::is_enum_v<T> && requires(T t) { enum_names(t); };
template <class T>
concept Validated = requires(const T& t, const std::string& where) { t.validate(where); };
template <class T> struct IsOptional : std::false_type {};
template <class T> struct IsOptional<std::optional<T>> : std::true_type {};
template <class T> struct IsVector : std::false_type {};
template <class T> struct IsVector<std::vector<T>> : std::true_type {};
template <class T> struct IsMap : std::false_type {};
template <class T> struct IsMap<std::map<std::string, T>> : std::true_type {};
template <class T> inline constexpr bool kRaw = std::is_same_v<T, Value> || std::is_same_v<T, nlohmann::json>;

// `path` is the dotted name, for the error. All throw UsageError.
bool read_bool(const Value& value, const std::string& path);
int64_t read_integer(const Value& value, const std::string& path, int64_t low, uint64_t high);
double read_number(const Value& value, const std::string& path);
std::string read_text(const Value& value, const std::string& path);
size_t read_choice(const Value& value, const std::string& path, const std::vector<std::string>& names);
void expect_kind(const Value& value, const std::string& path, Value::Kind kind);
[[noreturn]] void unknown_key(const Entry& entry, const std::string& path, const std::vector<std::string>& known);
nlohmann::json json_of(const Value& value);
Value value_of(const OrderedJson& json, const Place& place);
OrderedJson number_json(double x);
void name_flags(std::vector<Field>& fields);

inline std::string join(const std::string& path, const std::string& name) { return path.empty() ? name : path + "." + name; }

template <Enum T>
std::vector<std::string> names_of() {
  std::vector<std::string> out;
  for (const auto& [value, text] : enum_names(T{})) out.emplace_back(text);
  return out;
}

template <class T> void read_into(const Value& value, const std::string& path, T& out, const std::vector<std::string>& extra_keys = {});

class Reader {
 public:
  Reader(const Value& map, std::string path, std::vector<std::string> extra_keys) : map_(map), path_(std::move(path)), known_(std::move(extra_keys)) {}
  template <class T>
  void operator()(const char* name, T& field, const char*) {
    known_.emplace_back(name);
    if (const Value* value = map_.find(name)) read_into(*value, join(path_, name), field);
  }
  template <class T> void group(const char* name, T& field, const char* help) { (*this)(name, field, help); }
  void finish() const {
    for (const Entry& entry : map_.entries) {
      bool found = false;
      for (const auto& name : known_) found = found || name == entry.key;
      if (!found) unknown_key(entry, path_, known_);
    }
  }

 private:
  const Value& map_;
  std::string path_;
  std::vector<std::string> known_;
};

template <class T>
void read_into(const Value& value, const std::string& path, T& out, const std::vector<std::string>& extra_keys) {
  if constexpr (IsOptional<T>::value) {
    if (value.is_null()) return void(out.reset());
    if (!out) out.emplace();
    read_into(value, path, *out);
  } else if constexpr (std::is_same_v<T, Value>) {
    out = value;
  } else if constexpr (std::is_same_v<T, nlohmann::json>) {
    out = json_of(value);
  } else if constexpr (Struct<T>) {
    if (value.is_null()) return;  // "section:" with nothing below it keeps the defaults
    expect_kind(value, path, Value::Kind::kMap);
    Reader reader(value, path, extra_keys);
    out.visit(reader);
    reader.finish();
  } else if constexpr (IsVector<T>::value) {
    expect_kind(value, path, Value::Kind::kList);
    T items;
    for (size_t i = 0; i < value.items.size(); ++i) {
      typename T::value_type item{};
      read_into(value.items[i], join(path, std::to_string(i)), item);
      items.push_back(std::move(item));
    }
    out = std::move(items);
  } else if constexpr (IsMap<T>::value) {
    expect_kind(value, path, Value::Kind::kMap);
    T items;
    for (const Entry& entry : value.entries) read_into(entry.value, join(path, entry.key), items[entry.key]);
    out = std::move(items);
  } else if constexpr (Enum<T>) {
    out = enum_names(T{})[read_choice(value, path, names_of<T>())].first;
  } else if constexpr (std::is_same_v<T, bool>) {
    out = read_bool(value, path);
  } else if constexpr (std::is_integral_v<T>) {
    out = T(read_integer(value, path, int64_t(std::numeric_limits<T>::min()), uint64_t(std::numeric_limits<T>::max())));
  } else if constexpr (std::is_floating_point_v<T>) {
    out = T(read_number(value, path));
  } else {
    static_assert(std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>, "no way to read a field of this type");
    out = read_text(value, path);
  }
}

template <class T> OrderedJson json_from(const T& x);

struct Writer {
  OrderedJson out = OrderedJson::object();
  template <class F> void operator()(const char* name, F& field, const char*) { out[name] = json_from(field); }
  template <class F> void group(const char* name, F& field, const char*) { out[name] = json_from(field); }
};

template <class T>
OrderedJson json_from(const T& x) {
  if constexpr (IsOptional<T>::value) {
    return x ? json_from(*x) : OrderedJson();
  } else if constexpr (std::is_same_v<T, Value>) {
    return OrderedJson(json_of(x));
  } else if constexpr (std::is_same_v<T, nlohmann::json>) {
    return OrderedJson(x);
  } else if constexpr (Struct<T>) {
    Writer writer;
    const_cast<T&>(x).visit(writer);  // the writer only reads
    return writer.out;
  } else if constexpr (IsVector<T>::value) {
    OrderedJson out = OrderedJson::array();
    for (const auto& item : x) out.push_back(json_from(static_cast<const typename T::value_type&>(item)));
    return out;
  } else if constexpr (IsMap<T>::value) {
    OrderedJson out = OrderedJson::object();
    for (const auto& [key, item] : x) out[key] = json_from(item);
    return out;
  } else if constexpr (Enum<T>) {
    for (const auto& [value, text] : enum_names(T{}))
      if (value == x) return text;
    return OrderedJson();
  } else if constexpr (std::is_floating_point_v<T>) {
    return number_json(x);
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return x.string();
  } else {
    return x;
  }
}

template <class T>
std::string type_name() {
  if constexpr (IsOptional<T>::value) {
    return type_name<typename T::value_type>();
  } else if constexpr (kRaw<T>) {
    return "anything";
  } else if constexpr (Struct<T>) {
    return "section";
  } else if constexpr (IsVector<T>::value) {
    return "list of " + type_name<typename T::value_type>();
  } else if constexpr (IsMap<T>::value) {
    return "map of " + type_name<typename T::mapped_type>();
  } else if constexpr (Enum<T>) {
    std::string out = "one of ";
    for (const auto& name : names_of<T>()) out += (out.size() > 7 ? "|" : "") + name;
    return out;
  } else if constexpr (std::is_same_v<T, bool>) {
    return "yes/no";
  } else if constexpr (std::is_integral_v<T>) {
    return "integer";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "number";
  } else {
    return std::is_same_v<T, std::filesystem::path> ? "path" : "text";
  }
}

std::string yaml_scalar_or_flow(const OrderedJson& json);

class Lister {
 public:
  Lister(std::vector<Field>& out, std::string path) : out_(out), path_(std::move(path)) {}
  template <class T>
  void operator()(const char* name, T& field, const char* help) {
    Field f{join(path_, name), "", type_name<T>(), "", help, {}, std::is_same_v<T, bool>};
    if constexpr (Enum<T>) f.choices = names_of<T>();
    if constexpr (IsOptional<T>::value) {
      if constexpr (Enum<typename T::value_type>) f.choices = names_of<typename T::value_type>();
      if constexpr (std::is_same_v<typename T::value_type, bool>) f.is_bool = true;
    }
    if constexpr (!Struct<T>) {
      const OrderedJson json = json_from(field);
      if (!json.is_null()) f.default_text = yaml_scalar_or_flow(json);
    }
    out_.push_back(f);
    if constexpr (Struct<T>) {
      Lister inner(out_, f.path);
      field.visit(inner);
    }
  }
  template <class T> void group(const char* name, T& field, const char* help) { (*this)(name, field, help); }

 private:
  std::vector<Field>& out_;
  std::string path_;
};

template <class T> void validate_all(const T& x, const Value* value, const std::string& path, const std::string& fallback);

struct Validator {
  const Value* value;
  const std::string& path;
  const std::string& here;
  template <class F> void operator()(const char* name, F& field, const char*) {
    validate_all(field, value ? value->find(name) : nullptr, join(path, name), here);
  }
  template <class F> void group(const char* name, F& field, const char* help) { (*this)(name, field, help); }
};

// Calls validate() of nested structs first, then of the struct itself.
template <class T>
void validate_all(const T& x, const Value* value, const std::string& path, const std::string& fallback) {
  if constexpr (IsOptional<T>::value) {
    if (x) validate_all(*x, value, path, fallback);
  } else if constexpr (IsVector<T>::value) {
    if constexpr (Struct<typename T::value_type>)
      for (size_t i = 0; i < x.size(); ++i)
        validate_all(x[i], value && i < value->items.size() ? &value->items[i] : nullptr, join(path, std::to_string(i)), fallback);
  } else if constexpr (IsMap<T>::value) {
    if constexpr (Struct<typename T::mapped_type>)
      for (const auto& [key, item] : x) validate_all(item, value ? value->find(key) : nullptr, join(path, key), fallback);
  } else if constexpr (Struct<T>) {
    const std::string here = value && !value->place.file.empty() ? value->place.to_string() : fallback;
    Validator walker{value, path, here};
    const_cast<T&>(x).visit(walker);
    if constexpr (Validated<T>) x.validate(path.empty() ? here : here.empty() ? path : here + " (" + path + ")");
  }
}

}  // namespace detail

// Reads a map into `options` (fields it does not name keep their values), then calls every validate(). `path` is the name of
// the map in errors. `extra_keys` are keys the map may hold besides the struct's (a step's `stage:`).
template <class T>
void read(const Value& value, T& options, const std::string& path = "", const std::vector<std::string>& extra_keys = {}) {
  detail::read_into(value, path, options, extra_keys);
  detail::validate_all(options, &value, path, "");
}

// Calls every validate() of options filled by code. Throws what they throw.
template <class T>
void validate(const T& options, const std::string& where = "") {
  detail::validate_all(options, nullptr, "", where);
}

// Overrides "optimizer.lr=1e-4" on options already filled; typed and checked like a file.
template <class T>
void apply(const std::vector<std::string>& assignments, T& options) {
  Value root;
  root.kind = Value::Kind::kMap;
  for (const auto& assignment : assignments) set(root, assignment);
  read(root, options);
}

// The sections of a recipe: which exist, and that nothing in it goes unread.
class Sections {
 public:
  explicit Sections(const Value& root);
  const Value* find(const std::string& name);  // counts as read; null when absent
  template <class T>
  bool read(const std::string& name, T& options) {  // false: absent, options untouched but validated
    const Value* value = find(name);
    if (value) config::read(*value, options, name);
    else detail::validate_all(options, nullptr, name, root_.place.file);
    return value != nullptr;
  }
  void finish() const;  // throws UsageError for a section nothing read, with the nearest name that exists

 private:
  const Value& root_;
  std::vector<std::string> known_;
};

// Every field, sections included, depth first, with the defaults `options` holds.
template <class T>
std::vector<Field> fields(const T& options = {}) {
  std::vector<Field> out;
  detail::Lister lister(out, "");
  const_cast<T&>(options).visit(lister);
  detail::name_flags(out);
  return out;
}

// The resolved configuration, every field in the order of the field list. Infinite numbers are the texts ".inf" and "-.inf".
template <class T>
OrderedJson to_json(const T& options) {
  return detail::json_from(options);
}

// YAML that reads back to the same values.
std::string to_yaml(const OrderedJson& json);
template <class T>
std::string to_yaml(const T& options) requires(detail::Struct<T>) {
  return to_yaml(detail::json_from(options));
}

// The values as a commented YAML file a user can start from; a comment names the choices.
std::string commented_yaml(const std::vector<Field>& fields);

}  // namespace foil::config
