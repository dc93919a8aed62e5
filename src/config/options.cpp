#include "config/options.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace foil::config {
namespace detail {

[[noreturn]] static void wrong_type(const Value& value, const std::string& path, const std::string& expected, const std::string& hint = "") {
  throw UsageError(fmt::format("{}: expected {}, found {}", path.empty() ? "document" : path, expected, value.describe()), value.place.to_string(), hint);
}

bool read_bool(const Value& value, const std::string& path) {
  if (value.is_scalar() && !value.quoted) {
    if (value.text == "true") return true;
    if (value.text == "false") return false;
  }
  wrong_type(value, path, "true or false");
}

static std::string without_underscores(std::string text) {  // 10_000
  std::erase(text, '_');
  if (!text.empty() && text[0] == '+') text.erase(0, 1);
  return text;
}

int64_t read_integer(const Value& value, const std::string& path, int64_t low, uint64_t high) {
  if (!value.is_scalar() || value.quoted) wrong_type(value, path, "an integer");
  const std::string text = without_underscores(value.text);
  const char* end = text.data() + text.size();
  const auto out_of_range = [&] { wrong_type(value, path, fmt::format("an integer from {} to {}", low, high)); };
  int64_t number = 0;
  auto [at, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && at == end) {
    if (number < low || (number > 0 && uint64_t(number) > high)) out_of_range();
    return number;
  }
  if (error == std::errc::result_out_of_range && at == end) {
    uint64_t large = 0;
    auto [last, failed] = std::from_chars(text.data(), end, large);
    if (failed == std::errc() && last == end && large <= high) return int64_t(large);
    out_of_range();
  }
  double real = 0;  // 1e6 is an integer too
  auto [last, failed] = std::from_chars(text.data(), end, real);
  if (failed != std::errc() || last != end || real != std::floor(real) || std::abs(real) > 9e15) wrong_type(value, path, "an integer");
  if (real < double(low) || real > double(high)) out_of_range();
  return int64_t(real);
}

double read_number(const Value& value, const std::string& path) {
  if (!value.is_scalar() || (value.quoted && value.text != ".inf" && value.text != "-.inf")) wrong_type(value, path, "a number");
  if (value.text == ".inf" || value.text == "inf") return HUGE_VAL;
  if (value.text == "-.inf" || value.text == "-inf") return -HUGE_VAL;
  const std::string text = without_underscores(value.text);
  double number = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || at != text.data() + text.size() || !std::isfinite(number)) wrong_type(value, path, "a number");
  return number;
}

std::string read_text(const Value& value, const std::string& path) {
  if (!value.is_scalar()) wrong_type(value, path, "text", value.is_map() ? "put the text in quotes if it contains a colon or a brace" : "");
  return value.text;
}

size_t read_choice(const Value& value, const std::string& path, const std::vector<std::string>& names) {
  if (value.is_scalar())
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == value.text) return i;
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
  const std::string near = value.is_scalar() ? nearest(value.text, names) : "";
  wrong_type(value, path, "one of " + all, near.empty() ? "" : fmt::format("did you mean \"{}\"?", near));
}

void expect_kind(const Value& value, const std::string& path, Value::Kind kind) {
  if (value.kind == kind) return;
  if (kind == Value::Kind::kList) wrong_type(value, path, "a list", value.is_scalar() ? fmt::format("write [{}]", value.text) : "");
  wrong_type(value, path, "a section (a map of names and values)");
}

void unknown_key(const Entry& entry, const std::string& path, const std::vector<std::string>& known) {
  const std::string near = nearest(entry.key, known);
  std::string all;
  for (const auto& name : known) all += (all.empty() ? "" : ", ") + name;
  throw UsageError(path.empty() ? fmt::format("unknown key \"{}\"", entry.key) : fmt::format("unknown key \"{}\" in {}", entry.key, path), entry.place.to_string(),
                   near.empty() ? "known keys: " + all : fmt::format("did you mean \"{}\"?", near));
}

nlohmann::json json_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull: return nullptr;
    case Value::Kind::kList: {
      auto out = nlohmann::json::array();
      for (const auto& item : value.items) out.push_back(json_of(item));
      return out;
    }
    case Value::Kind::kMap: {
      auto out = nlohmann::json::object();
      for (const auto& entry : value.entries) out[entry.key] = json_of(entry.value);
      return out;
    }
    case Value::Kind::kScalar: break;
  }
  if (!value.quoted) {
    if (value.text == "true") return true;
    if (value.text == "false") return false;
    const char *begin = value.text.data(), *end = begin + value.text.size();
    int64_t integer = 0;
    if (auto [at, error] = std::from_chars(begin, end, integer); error == std::errc() && at == end) return integer;
    double real = 0;
    if (auto [at, error] = std::from_chars(begin, end, real); error == std::errc() && at == end && std::isfinite(real)) return real;
  }
  return value.text;
}

OrderedJson number_json(double x) {
  FOIL_CHECK(!std::isnan(x));
  if (std::isinf(x)) return x > 0 ? ".inf" : "-.inf";
  return x;
}

// Text that YAML would read as something else than this text, or not at all.
static bool needs_quotes(const std::string& text) {
  static constexpr std::string_view words[] = {"",    "~",    "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "yes", "Yes",
                                               "YES", "no",   "No",   "NO",   "on",   "On",   "ON",   "off",  "Off",   "OFF",   "y",     "n",   "Y",
                                               "N",   ".inf", "-.inf", ".nan", "<<",  "-"};
  if (std::find(std::begin(words), std::end(words), text) != std::end(words)) return true;
  if (text.front() == ' ' || text.back() == ' ' || std::string_view("-?:,[]{}#&*!|>'\"%@`=~").find(text.front()) != std::string_view::npos) return true;
  for (const unsigned char c : text)
    if (c < 0x20 || c >= 0x7f || std::string_view(",[]{}\"'\\").find(char(c)) != std::string_view::npos) return true;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos || text.back() == ':') return true;
  double real;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + (text[0] == '+'), end, real);
  return error == std::errc() && at == end;
}

std::string yaml_scalar_or_flow(const OrderedJson& json) {
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (text == ".inf" || text == "-.inf") return text;
    return needs_quotes(text) ? json.dump() : text;  // a JSON string is a YAML double-quoted one
  }
  if (json.is_number_float()) return fmt::format("{}", json.get<double>());
  if (json.is_array() || json.is_object()) {
    std::string out;
    for (const auto& [key, item] : json.items()) {
      if (!out.empty()) out += ", ";
      if (json.is_object()) out += yaml_scalar_or_flow(OrderedJson(key)) + ": ";
      out += yaml_scalar_or_flow(item);
    }
    return json.is_array() ? "[" + out + "]" : "{" + out + "}";
  }
  return json.dump();
}

void name_flags(std::vector<Field>& fields) {
  std::map<std::string, int> count;
  const auto leaf = [](const Field& f) { return f.path.substr(f.path.rfind('.') == std::string::npos ? 0 : f.path.rfind('.') + 1); };
  for (const Field& f : fields)
    if (f.type != "section") ++count[leaf(f)];
  for (Field& f : fields) {
    if (f.type == "section") continue;
    f.flag = "--" + (count[leaf(f)] == 1 ? leaf(f) : f.path);
    std::replace_if(f.flag.begin(), f.flag.end(), [](char c) { return c == '_' || c == '.'; }, '-');
  }
}

}  // namespace detail

Sections::Sections(const Value& root) : root_(root) {
  if (!root.is_map()) throw UsageError("expected a map of sections, found " + root.describe(), root.place.to_string());
}

const Value* Sections::find(const std::string& name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
  return root_.find(name);
}

void Sections::finish() const {
  for (const Entry& entry : root_.entries)
    if (std::find(known_.begin(), known_.end(), entry.key) == known_.end()) detail::unknown_key(entry, "", known_);
}

static void emit(const OrderedJson& json, int indent, std::string& out) {
  const std::string margin(size_t(indent), ' ');
  if (json.is_object()) {
    for (const auto& [key, item] : json.items()) {
      out += margin + detail::yaml_scalar_or_flow(OrderedJson(key)) + ":";
      const bool block = (item.is_object() && !item.empty()) || (item.is_array() && !item.empty() && item[0].is_object());
      if (block) out += "\n", emit(item, indent + 2, out);
      else out += " " + detail::yaml_scalar_or_flow(item) + "\n";
    }
  } else if (json.is_array()) {
    for (const auto& item : json) {
      if (!item.is_object() || item.empty()) {
        out += margin + "- " + detail::yaml_scalar_or_flow(item) + "\n";
        continue;
      }
      std::string inner;
      emit(item, indent + 2, inner);
      inner[size_t(indent)] = '-';
      out += inner;
    }
  } else {
    out += margin + detail::yaml_scalar_or_flow(json) + "\n";
  }
}

std::string to_yaml(const OrderedJson& json) {
  std::string out;
  emit(json, 0, out);
  return out.empty() ? "{}\n" : out;
}

std::string commented_yaml(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& f : fields) {
    const auto dots = size_t(std::count(f.path.begin(), f.path.end(), '.'));
    const std::string margin(2 * dots, ' '), name = f.path.substr(f.path.rfind('.') == std::string::npos ? 0 : f.path.rfind('.') + 1);
    const std::string choices = f.choices.empty() ? "" : fmt::format(" [{}]", fmt::join(f.choices, ", "));
    if (f.type == "section") out += fmt::format("{}{}:  # {}\n", margin, name, f.help);
    else if (f.default_text.empty()) out += fmt::format("{}# {}:  ({}) {}{}\n", margin, name, f.type, f.help, choices);
    else out += fmt::format("{}{}: {}  # {}{}\n", margin, name, f.default_text, f.help, choices);
  }
  return out;
}

}  // namespace foil::config
