// Filters, tests, and methods of strings, lists and mappings.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include <utf8proc.h>

#include "base/error.h"
#include "text/jinja_value.h"
#include "text/unicode.h"

namespace foil::text::jinja {

namespace {

using Args = Arguments;
constexpr size_t kMaxText = size_t{1} << 28;

const std::string& text_of(const Value& v, const char* what) {
  if (!v.string()) throw Error(fmt::format("{} wants a string, not a {}", what, v.type_name()));
  return *v.string();
}

int64_t integer_of(const Value& v, const char* what) {
  if (!v.integral()) throw Error(fmt::format("{} wants a whole number, not a {}", what, v.type_name()));
  return v.integer();
}

bool flag(const Args& a, size_t position, const char* name, bool otherwise = false) {
  const Value* v = a.get(position, name);
  return v ? v->truthy() : otherwise;
}

std::string map_characters(std::string_view s, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
  std::string out;
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const uint32_t c = next_character(p);
    if (c == 0xDF && map == utf8proc_toupper)
      out += "SS";
    else
      append_utf8(uint32_t(map(utf8proc_int32_t(c))), out);
  }
  return out;
}
std::string upper(std::string_view s) { return map_characters(s, utf8proc_toupper); }
std::string lower(std::string_view s) { return map_characters(s, utf8proc_tolower); }

std::string capitalize(std::string_view s) {
  if (s.empty()) return "";
  const char* p = s.data();
  next_character(p);
  const auto first = size_t(p - s.data());
  return upper(s.substr(0, first)) + lower(s.substr(first));
}

// str.title(): letters behind anything but a letter are large. The filter of that name begins words at spaces, hyphens and brackets.
std::string title(std::string_view s, bool filter) {
  std::string out;
  bool inside = false;
  for (const char *p = s.data(), *end = p + s.size(); p < end;) {
    const char* begin = p;
    const uint32_t c = next_character(p);
    const std::string_view character(begin, size_t(p - begin));
    out += inside ? lower(character) : upper(character);
    inside = filter ? !(python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<') : (kUnicode[c] & kLetter) != 0;
  }
  return out;
}

std::string replace(const std::string& s, const std::string& from, const std::string& to, int64_t count) {
  std::string out;
  if (from.empty()) {  // between all characters
    for (const char *p = s.data(), *end = p + s.size();;) {
      if (count-- != 0) out += to;
      if (p == end) return out;
      const char* begin = p;
      next_character(p);
      out.append(begin, p);
    }
  }
  size_t at = 0;
  for (size_t found; count-- != 0 && (found = s.find(from, at)) != std::string::npos; at = found + from.size()) {
    out.append(s, at, found - at).append(to);
    if (out.size() > kMaxText) throw Error("a replacement is too long");
  }
  return out.append(s, at);
}

List split(const std::string& s, const Value* separator, int64_t limit, bool from_right) {
  std::vector<std::string> parts;
  if (!separator || separator->none()) {
    for (std::string now = strip(s, nullptr, !from_right, from_right); !now.empty();) {
      if (limit == 0) {
        parts.push_back(now);
        break;
      }
      --limit;
      const char *begin = now.data(), *end = begin + now.size(), *cut = from_right ? end : begin;
      if (from_right) {
        for (const char* p = end; cut > begin && !python_space(previous_character(p));) cut = p;
        parts.emplace_back(cut, end);
        now = strip(std::string_view(begin, size_t(cut - begin)), nullptr, false, true);
      } else {
        for (const char* p = begin; cut < end && !python_space(next_character(p));) cut = p;
        parts.emplace_back(begin, cut);
        now = strip(std::string_view(cut, size_t(end - cut)), nullptr, true, false);
      }
    }
  } else {
    const std::string& by = text_of(*separator, "split");
    if (by.empty()) throw Error("split by an empty string");
    if (from_right) {
      size_t end = s.size();
      for (; limit != 0; --limit) {
        const size_t found = end < by.size() ? std::string::npos : s.rfind(by, end - by.size());
        if (found == std::string::npos) break;
        parts.push_back(s.substr(found + by.size(), end - found - by.size()));
        end = found;
      }
      parts.push_back(s.substr(0, end));
    } else {
      size_t begin = 0;
      for (size_t found; limit != 0 && (found = s.find(by, begin)) != std::string::npos; --limit, begin = found + by.size()) parts.push_back(s.substr(begin, found - begin));
      parts.push_back(s.substr(begin));
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  List out;
  for (auto& part : parts) out.emplace_back(std::move(part));
  return out;
}

List split_lines(const std::string& s, bool keep) {
  List out;
  size_t begin = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\n' && s[i] != '\r') continue;
    const size_t end = s[i] == '\r' && i + 1 < s.size() && s[i + 1] == '\n' ? i + 2 : i + 1;
    out.emplace_back(s.substr(begin, (keep ? end : i) - begin));
    begin = end;
    i = end - 1;
  }
  if (begin < s.size()) out.emplace_back(s.substr(begin));
  return out;
}

std::string join(const List& items, const std::string& by, bool strict) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (strict) text_of(items[i], "join");
    out += (i ? by : "") + items[i].str();
    if (out.size() > kMaxText) throw Error("a joined text is too long");
  }
  return out;
}

// "function.name": member by member.
Value member(const Value& v, const Value& path) {
  if (!path.string()) return subscript(v, path);
  Value now = v;
  const std::string& s = *path.string();
  for (size_t begin = 0; begin <= s.size();) {
    const size_t end = std::min(s.find('.', begin), s.size());
    const std::string part = s.substr(begin, end - begin);
    const bool digits = !part.empty() && part.size() < 10 && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    now = digits ? subscript(now, Value(int64_t(std::stoi(part)))) : subscript(now, Value(part));
    begin = end + 1;
  }
  return now;
}

bool affixes(const std::string& s, const Args& a, bool front) {
  if (a.positional.empty()) throw Error("startswith and endswith want a string");
  const Value& what = a.positional[0];
  const List options = what.items() ? *what.items() : List{what};
  for (const Value& option : options) {
    const std::string& t = text_of(option, front ? "startswith" : "endswith");
    if (front ? s.starts_with(t) : s.ends_with(t)) return true;
  }
  return false;
}

template <class Test>
bool every_character(const std::string& s, Test&& test) {
  for (const char *p = s.data(), *end = p + s.size(); p < end;)
    if (!test(next_character(p))) return false;
  return !s.empty();
}

bool is_digit(uint32_t c) { return utf8proc_category(utf8proc_int32_t(c)) == UTF8PROC_CATEGORY_ND; }

// Characters before a byte of the string, −1 for none.
Value position(const std::string& s, size_t at) { return Value(at == std::string::npos ? int64_t{-1} : length_of(std::string_view(s).substr(0, at))); }

using StringMethod = Value (*)(const std::string&, const Args&);
const std::map<std::string, StringMethod>& string_methods() {
  static const auto strip_with = [](const std::string& s, const Args& a, bool left, bool right) { return Value(strip(s, a.get(0, "chars"), left, right)); };
  static const auto limit_of = [](const Args& a) { return a.get(1, "maxsplit") ? integer_of(*a.get(1, "maxsplit"), "split") : int64_t{-1}; };
  static const auto first = [](const Args& a, const char* method) -> const std::string& {
    if (a.positional.empty()) throw Error(fmt::format("{} wants a string", method));
    return text_of(a.positional[0], method);
  };
  static const std::map<std::string, StringMethod> methods = {
      {"strip", [](const std::string& s, const Args& a) { return strip_with(s, a, true, true); }},
      {"lstrip", [](const std::string& s, const Args& a) { return strip_with(s, a, true, false); }},
      {"rstrip", [](const std::string& s, const Args& a) { return strip_with(s, a, false, true); }},
      {"startswith", [](const std::string& s, const Args& a) { return Value(affixes(s, a, true)); }},
      {"endswith", [](const std::string& s, const Args& a) { return Value(affixes(s, a, false)); }},
      {"split", [](const std::string& s, const Args& a) { return Value::list(split(s, a.get(0, "sep"), limit_of(a), false)); }},
      {"rsplit", [](const std::string& s, const Args& a) { return Value::list(split(s, a.get(0, "sep"), limit_of(a), true)); }},
      {"splitlines", [](const std::string& s, const Args& a) { return Value::list(split_lines(s, flag(a, 0, "keepends"))); }},
      {"upper", [](const std::string& s, const Args&) { return Value(upper(s)); }},
      {"lower", [](const std::string& s, const Args&) { return Value(lower(s)); }},
      {"title", [](const std::string& s, const Args&) { return Value(title(s, false)); }},
      {"capitalize", [](const std::string& s, const Args&) { return Value(capitalize(s)); }},
      {"replace",
       [](const std::string& s, const Args& a) {
         if (a.positional.size() < 2) throw Error("replace wants two strings");
         const Value* count = a.get(2, "count");
         return Value(replace(s, text_of(a.positional[0], "replace"), text_of(a.positional[1], "replace"), count ? integer_of(*count, "replace") : -1));
       }},
      {"join",
       [](const std::string& s, const Args& a) {
         if (a.positional.empty()) throw Error("join wants a list");
         return Value(join(iterate(a.positional[0]), s, true));
       }},
      {"find", [](const std::string& s, const Args& a) { return position(s, s.find(first(a, "find"))); }},
      {"rfind", [](const std::string& s, const Args& a) { return position(s, s.rfind(first(a, "rfind"))); }},
      {"index",
       [](const std::string& s, const Args& a) {
         const size_t at = s.find(first(a, "index"));
         if (at == std::string::npos) throw Error("substring not found");
         return position(s, at);
       }},
      {"count",
       [](const std::string& s, const Args& a) {
         const std::string& what = first(a, "count");
         if (what.empty()) return Value(length_of(s) + 1);
         int64_t n = 0;
         for (size_t at = 0; (at = s.find(what, at)) != std::string::npos; at += what.size()) ++n;
         return Value(n);
       }},
      {"removeprefix", [](const std::string& s, const Args& a) { return Value(s.starts_with(first(a, "removeprefix")) ? s.substr(first(a, "removeprefix").size()) : s); }},
      {"removesuffix",
       [](const std::string& s, const Args& a) {
         const std::string& t = first(a, "removesuffix");
         return Value(s.ends_with(t) ? s.substr(0, s.size() - t.size()) : s);
       }},
      {"isdigit", [](const std::string& s, const Args&) { return Value(every_character(s, is_digit)); }},
      {"isalpha", [](const std::string& s, const Args&) { return Value(every_character(s, [](uint32_t c) { return (kUnicode[c] & kLetter) != 0; })); }},
      {"isalnum", [](const std::string& s, const Args&) { return Value(every_character(s, [](uint32_t c) { return (kUnicode[c] & (kLetter | kNumber)) != 0; })); }},
      {"isspace", [](const std::string& s, const Args&) { return Value(every_character(s, python_space)); }},
      {"isupper", [](const std::string& s, const Args&) { return Value(upper(s) == s && lower(s) != s); }},
      {"islower", [](const std::string& s, const Args&) { return Value(lower(s) == s && upper(s) != s); }},
  };
  return methods;
}

Value list_method(const List& items, const std::string& name, const Args& a) {
  if (a.positional.empty()) throw Error(fmt::format("{} wants an item", name));
  int64_t n = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!equal(items[i], a.positional[0])) continue;
    if (name == "index") return Value(int64_t(i));
    ++n;
  }
  if (name == "index") throw Error("the item is not in the list");
  return Value(n);
}

Value dict_method(const Value& v, const std::string& name, const Args& a) {
  Dict& d = *v.mapping();
  if (name == "copy") return Value::dict(d);
  if (name == "get") {
    if (a.positional.empty()) throw Error("get wants a key");
    const Value* found = d.find(a.positional[0]);
    const Value* otherwise = a.get(1, "default");
    return found ? *found : otherwise ? *otherwise : Value();
  }
  List out;
  for (const auto& [key, value] : d.items) out.push_back(name == "keys" ? key : name == "values" ? value : Value::list({key, value}, true));
  return Value::list(std::move(out));
}

// ---- tests

bool holds(const std::string& name, const Value& v, const Args& a);

using Test = bool (*)(const Value&, const Args&);
const std::map<std::string, Test>& tests() {
  static const auto other = [](const Args& a) -> const Value& {
    if (a.positional.empty()) throw Error("a test lacks its argument");
    return a.positional[0];
  };
  static const Test equals = [](const Value& v, const Args& a) { return equal(v, other(a)); };
  static const Test differs = [](const Value& v, const Args& a) { return !equal(v, other(a)); };
  static const Test less = [](const Value& v, const Args& a) { return compare(v, other(a)) < 0; };
  static const Test at_most = [](const Value& v, const Args& a) { return compare(v, other(a)) <= 0; };
  static const Test greater = [](const Value& v, const Args& a) { return compare(v, other(a)) > 0; };
  static const Test at_least = [](const Value& v, const Args& a) { return compare(v, other(a)) >= 0; };
  static const std::map<std::string, Test> all = {
      {"defined", [](const Value& v, const Args&) { return !v.undefined(); }},
      {"undefined", [](const Value& v, const Args&) { return v.undefined(); }},
      {"none", [](const Value& v, const Args&) { return v.none(); }},
      {"boolean", [](const Value& v, const Args&) { return v.as<bool>() != nullptr; }},
      {"true", [](const Value& v, const Args&) { return v.as<bool>() && *v.as<bool>(); }},
      {"false", [](const Value& v, const Args&) { return v.as<bool>() && !*v.as<bool>(); }},
      {"integer", [](const Value& v, const Args&) { return v.as<int64_t>() != nullptr; }},
      {"float", [](const Value& v, const Args&) { return v.as<double>() != nullptr; }},
      {"number", [](const Value& v, const Args&) { return v.number(); }},
      {"string", [](const Value& v, const Args&) { return v.string() != nullptr; }},
      {"mapping", [](const Value& v, const Args&) { return v.mapping() && !v.as<Mapping>()->is_namespace; }},
      {"iterable", [](const Value& v, const Args&) { return v.string() || v.items() || v.undefined() || (v.mapping() && !v.as<Mapping>()->is_namespace); }},
      {"sequence", [](const Value& v, const Args&) { return v.string() || v.items() || v.undefined() || (v.mapping() && !v.as<Mapping>()->is_namespace); }},
      {"callable", [](const Value& v, const Args&) { return v.as<std::shared_ptr<Callable>>() != nullptr; }},
      {"sameas",
       [](const Value& v, const Args& a) {
         if (v.data.index() != other(a).data.index()) return false;
         if (v.items()) return v.items() == other(a).items();
         if (v.mapping()) return v.mapping() == other(a).mapping();
         return equal(v, other(a));
       }},
      {"odd", [](const Value& v, const Args&) { return integer_of(v, "odd") % 2 != 0; }},
      {"even", [](const Value& v, const Args&) { return integer_of(v, "even") % 2 == 0; }},
      {"divisibleby",
       [](const Value& v, const Args& a) {
         const int64_t by = integer_of(other(a), "divisibleby");
         if (by == 0) throw Error("division by zero");
         return by == -1 || integer_of(v, "divisibleby") % by == 0;
       }},
      {"lower", [](const Value& v, const Args&) { const std::string s = v.str(); return lower(s) == s && upper(s) != s; }},
      {"upper", [](const Value& v, const Args&) { const std::string s = v.str(); return upper(s) == s && lower(s) != s; }},
      {"in", [](const Value& v, const Args& a) { return contains(other(a), v); }},
      {"filter", [](const Value& v, const Args&) { return v.string() && has_filter(*v.string()); }},
      {"test", [](const Value& v, const Args&) { return v.string() && has_test(*v.string()); }},
      {"eq", equals}, {"equalto", equals}, {"==", equals}, {"ne", differs}, {"!=", differs}, {"lt", less}, {"lessthan", less}, {"<", less},
      {"le", at_most}, {"<=", at_most}, {"gt", greater}, {"greaterthan", greater}, {">", greater}, {"ge", at_least}, {">=", at_least}};
  return all;
}

bool holds(const std::string& name, const Value& v, const Args& a) {
  const auto it = tests().find(name);
  if (it == tests().end()) throw Error(fmt::format("the test \"{}\" is not supported", name));
  return it->second(v, a);
}

// ---- filters

// select, reject, selectattr, rejectattr: (attribute,) test name, its arguments.
Value choose(const Value& v, const Args& a, bool keep, bool by_attribute) {
  size_t at = by_attribute ? 1 : 0;
  if (by_attribute && a.positional.empty()) throw Error("selectattr and rejectattr want an attribute");
  Args rest;
  if (a.positional.size() > at + 1) rest.positional.assign(a.positional.begin() + int64_t(at) + 1, a.positional.end());
  List out;
  for (const Value& item : iterate(v)) {
    const Value subject = by_attribute ? member(item, a.positional[0]) : item;
    const bool passes = a.positional.size() > at ? holds(text_of(a.positional[at], "select"), subject, rest) : subject.truthy();
    if (passes == keep) out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value map_filter(const Value& v, const Args& a) {
  List out;
  const Value* path = a.positional.empty() ? a.get(0, "attribute") : nullptr;
  Args rest;
  if (a.positional.size() > 1) rest.positional.assign(a.positional.begin() + 1, a.positional.end());
  for (const auto& named : a.named)
    if (named.first != "attribute" && named.first != "default") rest.named.push_back(named);
  if (!path && a.positional.empty()) throw Error("map wants a filter or an attribute");
  for (const Value& item : iterate(v)) {
    if (!path) {
      out.push_back(apply_filter(text_of(a.positional[0], "map"), item, rest));
      continue;
    }
    Value found = member(item, *path);
    const Value* otherwise = a.get(99, "default");
    out.push_back(found.undefined() && otherwise ? *otherwise : std::move(found));
  }
  return Value::list(std::move(out));
}

// What sort, min, max and unique compare: the attribute, in lower case unless case_sensitive.
Value sort_key(const Value& item, const Value* path, bool case_sensitive) {
  Value key = path && !path->none() ? member(item, *path) : item;
  return !case_sensitive && key.string() ? Value(lower(*key.string())) : key;
}

List sorted(List items, const Value* path, bool case_sensitive, bool reverse) {
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value key = sort_key(item, path, case_sensitive);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) { return reverse ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0; });
  List out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return out;
}

Value extreme(const Value& v, const Args& a, int sign) {
  const List items = iterate(v);
  const Value* path = a.get(1, "attribute");
  const bool case_sensitive = flag(a, 0, "case_sensitive");
  if (items.empty()) return Value(Undefined{"the smallest or largest of no items"});
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i)
    if (compare(sort_key(items[i], path, case_sensitive), sort_key(items[best], path, case_sensitive)) * sign > 0) best = i;
  return items[best];
}

std::string escape(std::string_view s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string indent(const std::string& s, const Args& a) {
  const Value* width = a.get(0, "width");
  const std::string by = width && width->string() ? *width->string() : std::string(size_t(std::clamp<int64_t>(width ? integer_of(*width, "indent") : 4, 0, 1000)), ' ');
  const bool first = flag(a, 1, "first"), blank = flag(a, 2, "blank");
  std::string out;
  const List lines = split_lines(s + "\n", false);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = *lines[i].string();
    if (i) out += '\n';
    if (i ? blank || !line.empty() : first) out += by;
    out += line;
  }
  return out;
}

Value to_integer(const Value& v, const Args& a) {
  const Value otherwise = a.get(0, "default") ? *a.get(0, "default") : Value(int64_t{0});
  if (v.integral()) return Value(v.integer());
  if (v.as<double>()) return std::fabs(v.real()) < 9e18 ? Value(int64_t(v.real())) : otherwise;
  if (!v.string()) return otherwise;
  std::string s = strip(*v.string(), nullptr, true, true);
  std::erase(s, '_');
  int64_t base = a.get(1, "base") ? integer_of(*a.get(1, "base"), "int") : 10;
  if (base < 2 || base > 36) base = 10;
  int64_t value = 0;
  const char* begin = s.data() + (s.starts_with('+') ? 1 : 0);
  const auto whole = std::from_chars(begin, s.data() + s.size(), value, int(base));
  if (whole.ec == std::errc() && whole.ptr == s.data() + s.size()) return Value(value);
  char* end = nullptr;
  const double real = std::strtod(s.c_str(), &end);
  return !s.empty() && *end == '\0' && std::fabs(real) < 9e18 ? Value(int64_t(real)) : otherwise;
}

Value to_float(const Value& v, const Args& a) {
  if (v.number()) return Value(v.real());
  if (v.string()) {
    const std::string s = strip(*v.string(), nullptr, true, true);
    char* end = nullptr;
    const double real = std::strtod(s.c_str(), &end);
    if (!s.empty() && *end == '\0') return Value(real);
  }
  return a.get(0, "default") ? *a.get(0, "default") : Value(0.0);
}

Value round(const Value& v, const Args& a) {
  if (!v.number()) throw Error(fmt::format("round wants a number, not a {}", v.type_name()));
  const int64_t digits = a.get(0, "precision") ? integer_of(*a.get(0, "precision"), "round") : 0;
  const std::string method = a.get(1, "method") ? text_of(*a.get(1, "method"), "round") : "common";
  const double scale = std::pow(10.0, double(std::clamp<int64_t>(digits, -300, 300)));
  if (method == "ceil") return Value(std::ceil(v.real() * scale) / scale);
  if (method == "floor") return Value(std::floor(v.real() * scale) / scale);
  if (digits > 0) return Value(std::strtod(fmt::format("{:.{}f}", v.real(), std::min<int64_t>(digits, 300)).c_str(), nullptr));
  return Value(std::nearbyint(v.real() * scale) / scale);
}

Value json_filter(const Value& v, const Args& a) {
  JsonStyle style;
  style.ensure_ascii = flag(a, 0, "ensure_ascii");
  style.sort_keys = flag(a, 3, "sort_keys");
  if (const Value* by = a.get(1, "indent"); by && !by->none()) {
    style.indent = by->string() ? *by->string() : std::string(size_t(std::clamp<int64_t>(integer_of(*by, "tojson"), 0, 100)), ' ');
    style.item_separator = ",";
  }
  if (const Value* separators = a.get(2, "separators"); separators && !separators->none()) {
    const List both = iterate(*separators);
    if (both.size() != 2) throw Error("tojson wants two separators");
    style.item_separator = text_of(both[0], "tojson");
    style.key_separator = text_of(both[1], "tojson");
  }
  return Value(to_json_text(v, style));
}

Value length(const Value& v, const Args&) {
  if (v.string()) return Value(length_of(*v.string()));
  if (v.items()) return Value(int64_t(v.items()->size()));
  if (v.undefined()) return Value(int64_t{0});
  if (v.mapping() && !v.as<Mapping>()->is_namespace) return Value(int64_t(v.mapping()->items.size()));
  throw Error(fmt::format("a {} has no length", v.type_name()));
}

Value items_filter(const Value& v, const Args& a) {
  if (v.undefined()) return Value::list({});
  if (!v.mapping()) throw Error("items wants a mapping");
  return dict_method(v, "items", a);
}

Value dictsort(const Value& v, const Args& a) {
  if (!v.mapping()) throw Error("dictsort wants a mapping");
  const bool by_value = a.get(1, "by") && a.get(1, "by")->string() && *a.get(1, "by")->string() == "value";
  const Value place(int64_t{by_value ? 1 : 0});
  return Value::list(sorted(iterate(dict_method(v, "items", {})), &place, flag(a, 0, "case_sensitive"), flag(a, 2, "reverse")));
}

Value sum(const Value& v, const Args& a) {
  const Value* path = a.get(0, "attribute");
  double real = a.get(1, "start") ? a.get(1, "start")->real() : 0;
  bool integral = !a.get(1, "start") || a.get(1, "start")->integral();
  int64_t whole = integral && a.get(1, "start") ? a.get(1, "start")->integer() : 0;
  for (const Value& item : iterate(v)) {
    const Value x = path && !path->none() ? member(item, *path) : item;
    if (!x.number()) throw Error(fmt::format("sum wants numbers, not a {}", x.type_name()));
    integral &= x.integral();
    if (integral && __builtin_add_overflow(whole, x.integer(), &whole)) throw Error("a whole number is out of range");
    real += x.real();
  }
  return integral ? Value(whole) : Value(real);
}

Value unique(const Value& v, const Args& a) {
  List out, keys;
  for (const Value& item : iterate(v)) {
    Value key = sort_key(item, a.get(1, "attribute"), flag(a, 0, "case_sensitive"));
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equal(k, key); })) continue;
    keys.push_back(std::move(key));
    out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value batch(const Value& v, const Args& a) {
  const int64_t size = a.get(0, "linecount") ? integer_of(*a.get(0, "linecount"), "batch") : 0;
  if (size < 1) throw Error("batch wants a size of at least 1");
  List out, now;
  auto close = [&] { out.push_back(Value::list(std::move(now))), now.clear(); };
  for (Value& item : iterate(v)) {
    now.push_back(std::move(item));
    if (int64_t(now.size()) == size) close();
  }
  if (!now.empty()) {
    if (const Value* fill = a.get(1, "fill_with"); fill && !fill->none()) now.resize(size_t(size), *fill);
    close();
  }
  return Value::list(std::move(out));
}

using Filter = Value (*)(const Value&, const Args&);
const std::map<std::string, Filter>& filters() {
  static const Filter fallback = [](const Value& v, const Args& a) {
    const bool use = v.undefined() || (flag(a, 1, "boolean") && !v.truthy());
    return !use ? v : a.get(0, "default_value") ? *a.get(0, "default_value") : Value("");
  };
  static const Filter safe = [](const Value& v, const Args&) { return Value(v.str()); };
  static const Filter escaped = [](const Value& v, const Args&) { return Value(escape(v.str())); };
  static const std::map<std::string, Filter> all = {
      {"tojson", json_filter}, {"length", length}, {"count", length}, {"default", fallback}, {"d", fallback}, {"string", safe}, {"safe", safe},
      {"e", escaped}, {"escape", escaped}, {"forceescape", escaped}, {"int", to_integer}, {"float", to_float}, {"round", round},
      {"items", items_filter}, {"dictsort", dictsort}, {"sum", sum}, {"unique", unique}, {"batch", batch}, {"map", map_filter},
      {"trim", [](const Value& v, const Args& a) { return Value(strip(v.str(), a.get(0, "chars"), true, true)); }},
      {"upper", [](const Value& v, const Args&) { return Value(upper(v.str())); }},
      {"lower", [](const Value& v, const Args&) { return Value(lower(v.str())); }},
      {"title", [](const Value& v, const Args&) { return Value(title(v.str(), true)); }},
      {"capitalize", [](const Value& v, const Args&) { return Value(capitalize(v.str())); }},
      {"indent", [](const Value& v, const Args& a) { return Value(indent(v.str(), a)); }},
      {"replace",
       [](const Value& v, const Args& a) {
         const Value *from = a.get(0, "old"), *to = a.get(1, "new"), *count = a.get(2, "count");
         if (!from || !to) throw Error("replace wants two strings");
         return Value(replace(v.str(), from->str(), to->str(), count && !count->none() ? integer_of(*count, "replace") : -1));
       }},
      {"join",
       [](const Value& v, const Args& a) {
         List items = iterate(v);
         if (const Value* path = a.get(1, "attribute"); path && !path->none())
           for (Value& item : items) item = member(item, *path);
         return Value(join(items, a.get(0, "d") ? a.get(0, "d")->str() : "", false));
       }},
      {"list", [](const Value& v, const Args&) { return Value::list(iterate(v)); }},
      {"first",
       [](const Value& v, const Args&) {
         const List items = iterate(v);
         return items.empty() ? Value(Undefined{"the first of no items"}) : items.front();
       }},
      {"last",
       [](const Value& v, const Args&) {
         const List items = iterate(v);
         return items.empty() ? Value(Undefined{"the last of no items"}) : items.back();
       }},
      {"reverse",
       [](const Value& v, const Args&) {
         List items = iterate(v);
         std::reverse(items.begin(), items.end());
         return v.string() ? Value(join(items, "", false)) : Value::list(std::move(items));
       }},
      {"sort", [](const Value& v, const Args& a) { return Value::list(sorted(iterate(v), a.get(2, "attribute"), flag(a, 1, "case_sensitive"), flag(a, 0, "reverse"))); }},
      {"min", [](const Value& v, const Args& a) { return extreme(v, a, -1); }},
      {"max", [](const Value& v, const Args& a) { return extreme(v, a, 1); }},
      {"abs",
       [](const Value& v, const Args&) {
         if (!v.number()) throw Error(fmt::format("abs wants a number, not a {}", v.type_name()));
         if (v.integral() && v.integer() != INT64_MIN) return Value(std::abs(v.integer()));
         return Value(std::fabs(v.real()));
       }},
      {"wordcount", [](const Value& v, const Args&) { return Value(int64_t(split(v.str(), nullptr, -1, false).size())); }},
      {"attr",
       [](const Value& v, const Args& a) {
         if (a.positional.empty()) throw Error("attr wants a name");
         const std::string& name = text_of(a.positional[0], "attr");
         if (!has_method(v, name) && !(v.mapping() && v.as<Mapping>()->is_namespace)) return Value(Undefined{name});
         return attribute(v, name);
       }},
      {"select", [](const Value& v, const Args& a) { return choose(v, a, true, false); }},
      {"reject", [](const Value& v, const Args& a) { return choose(v, a, false, false); }},
      {"selectattr", [](const Value& v, const Args& a) { return choose(v, a, true, true); }},
      {"rejectattr", [](const Value& v, const Args& a) { return choose(v, a, false, true); }},
  };
  return all;
}

}  // namespace

bool has_filter(const std::string& name) { return filters().contains(name); }
bool has_test(const std::string& name) { return tests().contains(name); }

Value apply_filter(const std::string& name, const Value& subject, const Arguments& arguments) {
  const auto it = filters().find(name);
  if (it == filters().end()) throw Error(fmt::format("the filter \"{}\" is not supported", name));
  return it->second(subject, arguments);
}

bool apply_test(const std::string& name, const Value& subject, const Arguments& arguments) { return holds(name, subject, arguments); }

bool has_method(const Value& object, const std::string& name) {
  if (object.string()) return string_methods().contains(name);
  if (object.items()) return name == "index" || name == "count";
  if (object.mapping() && !object.as<Mapping>()->is_namespace) return name == "get" || name == "items" || name == "keys" || name == "values" || name == "copy";
  return false;
}

Value call_method(const Value& object, const std::string& name, const Arguments& arguments) {
  if (object.string()) return string_methods().at(name)(*object.string(), arguments);
  if (object.items()) return list_method(*object.items(), name, arguments);
  return dict_method(object, name, arguments);
}

}  // namespace foil::text::jinja
