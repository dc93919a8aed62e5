#include "config/value.h"

#include <yaml-cpp/yaml.h>

#include <charconv>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::config {
namespace fs = std::filesystem;

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 1'000'000;  // an alias may repeat its anchor: bounded, so that a small file cannot fill the memory

class Converter {
 public:
  explicit Converter(const std::string& file) : file_(file) {}

  Value convert(const YAML::Node& node, int depth = 0) {
    Value out;
    out.place = place(node.Mark());
    if (depth > kMaxDepth) throw UsageError(fmt::format("nested more than {} deep", kMaxDepth), out.place.to_string());
    if (++nodes_ > kMaxNodes) throw UsageError("more than a million values", out.place.to_string(), "aliases repeat what they name: use fewer");
    if (const std::string& tag = node.Tag(); !tag.empty() && tag != "?" && tag != "!")
      throw UsageError(fmt::format("tags such as {} are not read", tag), out.place.to_string(), "remove the tag");
    if (node.IsScalar()) {
      out.kind = Value::Kind::kScalar;
      out.text = node.Scalar();
      out.quoted = node.Tag() == "!";
    } else if (node.IsSequence()) {
      out.kind = Value::Kind::kList;
      for (const auto& item : node) out.items.push_back(convert(item, depth + 1));
    } else if (node.IsMap()) {
      out.kind = Value::Kind::kMap;
      convert_map(node, depth, out);
    }
    return out;
  }

 private:
  Place place(const YAML::Mark& mark) const { return {file_, mark.is_null() ? 0 : mark.line + 1, mark.is_null() ? 0 : mark.column + 1}; }

  void convert_map(const YAML::Node& node, int depth, Value& out) {
    std::vector<Value> merged;
    for (const auto& entry : node) {
      const YAML::Node &key = entry.first, &value = entry.second;
      const Place at = place(key.Mark());
      if (!key.IsScalar()) throw UsageError("a key must be text", at.to_string());
      if (key.Scalar() == "<<") {
        Value base = convert(value, depth + 1);
        if (base.is_map()) merged.push_back(std::move(base));
        else if (base.is_list()) for (auto& item : base.items) merged.push_back(std::move(item));
        else throw UsageError("<< needs a map (an alias such as *base)", at.to_string());
        continue;
      }
      if (const Value* twice = out.find(key.Scalar()))
        throw UsageError(fmt::format("key \"{}\" stands twice in one map", key.Scalar()), at.to_string(),
                         fmt::format("the first one is at line {}: keep one", twice->place.line));
      out.entries.push_back({key.Scalar(), at, convert(value, depth + 1)});
    }
    for (Value& base : merged) {  // what the map says itself wins over what it takes in
      if (!base.is_map()) throw UsageError("<< needs maps", base.place.to_string());
      for (Entry& entry : base.entries)
        if (!out.find(entry.key)) out.entries.push_back(std::move(entry));
    }
  }

  std::string file_;
  size_t nodes_ = 0;
};

Value load(const fs::path& path, std::vector<fs::path>& chain) {
  const fs::path canonical = fs::weakly_canonical(path);
  for (const auto& seen : chain)
    if (seen == canonical) throw UsageError("extends itself, through " + chain.back().string(), path.string(), "remove one `extends:`");
  chain.push_back(canonical);
  Value own = parse_yaml(read_file(path), path.string());
  if (!own.is_map()) throw UsageError("expected a map of sections, found " + own.describe(), own.place.to_string());
  Value out;
  out.kind = Value::Kind::kMap, out.place = own.place;
  for (size_t i = 0; i < own.entries.size(); ++i) {
    if (own.entries[i].key != "extends") continue;
    const Value extends = own.entries[i].value;
    own.entries.erase(own.entries.begin() + ptrdiff_t(i));
    for (const Value& name : extends.is_list() ? extends.items : std::vector<Value>{extends}) {
      if (!name.is_scalar()) throw UsageError("extends: expected a file name, found " + name.describe(), name.place.to_string());
      const fs::path base = path.parent_path() / name.text;
      if (!fs::exists(base)) throw UsageError(fmt::format("extends: there is no file {}", base.string()), name.place.to_string(), "the name is relative to the file it stands in");
      merge(out, load(base, chain));
    }
    break;
  }
  merge(out, own);
  chain.pop_back();
  return out;
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) parts.push_back(path.substr(begin, dot - begin));
  parts.push_back(path.substr(begin));
  return parts;
}

void move_to(Value& value, const Place& place) {
  value.place = place;
  for (auto& item : value.items) move_to(item, place);
  for (auto& entry : value.entries) entry.place = place, move_to(entry.value, place);
}

void substitute(Value& value, const Value& variables) {
  for (auto& item : value.items) substitute(item, variables);
  for (auto& entry : value.entries) substitute(entry.value, variables);
  if (!value.is_scalar() || value.text.find("${") == std::string::npos) return;
  std::string out;
  const std::string& text = value.text;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "$${") == 0) {
      out += "${", i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const size_t end = text.find('}', i);
      if (end == std::string::npos) throw UsageError("\"${\" without its \"}\"", value.place.to_string(), "write $${ for a literal ${");
      const std::string name = text.substr(i + 2, end - i - 2);
      const Value* found = variables.find(name);
      if (!found) {
        std::vector<std::string> names;
        for (const auto& entry : variables.entries) names.push_back(entry.key);
        const std::string near = nearest(name, names);
        throw UsageError(fmt::format("there is no variable \"{}\"", name), value.place.to_string(),
                         near.empty() ? "define it under the top-level key `variables`" : fmt::format("did you mean \"{}\"?", near));
      }
      if (!found->is_scalar()) throw UsageError(fmt::format("variable \"{}\" must be a number or text, found {}", name, found->describe()), found->place.to_string());
      out += found->text, i = end + 1;
    } else {
      out += text[i++];
    }
  }
  value.text = std::move(out);
}

}  // namespace

std::string Place::to_string() const { return line ? fmt::format("{}:{}:{}", file, line, column) : file; }

const Value* Value::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

std::string Value::describe() const {
  switch (kind) {
    case Kind::kNull: return "nothing (null)";
    case Kind::kScalar: return fmt::format("\"{}\"", shortened(text, 60));
    case Kind::kList: return items.size() == 1 ? "a list of 1 value" : fmt::format("a list of {} values", items.size());
    case Kind::kMap: {
      std::string keys;
      for (size_t i = 0; i < entries.size() && i < 4; ++i) keys += (i ? ", " : "") + entries[i].key;
      return entries.empty() ? "an empty map" : fmt::format("a map with the keys {}{}", keys, entries.size() > 4 ? ", ..." : "");
    }
  }
  return "";
}

Value parse_yaml(std::string_view text, const std::string& name) {
  try {
    const auto documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) throw UsageError(fmt::format("{} documents in one file, expected one", documents.size()), name, "remove the lines that are only ---");
    Converter converter(name);
    Value out = documents.empty() ? Value{} : converter.convert(documents[0]);
    if (documents.empty() || out.is_null()) out.kind = Value::Kind::kMap, out.place = {name, 1, 1};
    return out;
  } catch (const YAML::Exception& e) {
    throw UsageError("not readable as YAML: " + e.msg, Place{name, e.mark.is_null() ? 0 : e.mark.line + 1, e.mark.column + 1}.to_string(),
                     "check indentation (spaces, not tabs), colons and quotes near that place");
  }
}

Value load_yaml(const fs::path& path) {
  std::vector<fs::path> chain;
  return load(path, chain);
}

void merge(Value& base, const Value& over) {
  if (!base.is_map() || !over.is_map()) {
    base = over;
    return;
  }
  base.place = over.place;
  for (const Entry& entry : over.entries) {
    if (Value* mine = base.find(entry.key)) merge(*mine, entry.value);
    else base.entries.push_back(entry);
  }
}

void set(Value& root, const std::string& assignment) {
  const Place place{"--set " + assignment};
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0) throw UsageError("expected NAME=VALUE", place.file, "for example --set train.optimizer.lr=1e-6");
  Value* at = &root;
  std::string walked;
  for (const std::string& part : split_path(assignment.substr(0, equals))) {
    if (part.empty()) throw UsageError("empty name between two dots", place.file);
    if (at->is_list()) {
      size_t index = 0;
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
      if (error != std::errc() || end != part.data() + part.size() || index >= at->items.size())
        throw UsageError(fmt::format("{} is a list of {}: expected an index from 0, found \"{}\"", walked, at->items.size(), part), place.file);
      at = &at->items[index];
    } else {
      if (at->is_null()) at->kind = Value::Kind::kMap, at->place = place;
      if (!at->is_map()) throw UsageError(fmt::format("{} is {}, not a section", walked, at->describe()), place.file);
      Value* next = at->find(part);
      if (!next) {
        at->entries.push_back({part, place, Value{}});
        next = &at->entries.back().value;
        next->place = place;
      }
      at = next;
    }
    walked += (walked.empty() ? "" : ".") + part;
  }
  const std::string text = assignment.substr(equals + 1);
  Value value;
  if (text.empty()) value.kind = Value::Kind::kScalar, value.quoted = true;
  else value = parse_yaml(text, place.file);
  if (value.is_map() && value.entries.empty() && text.find('{') == std::string::npos) value.kind = Value::Kind::kNull;  // NAME=null
  move_to(value, place);
  *at = std::move(value);
}

void substitute_variables(Value& root) {
  Value variables;
  variables.kind = Value::Kind::kMap;
  for (size_t i = 0; i < root.entries.size(); ++i) {
    if (root.entries[i].key != "variables") continue;
    Value given = std::move(root.entries[i].value);
    root.entries.erase(root.entries.begin() + ptrdiff_t(i));
    if (!given.is_map() && !given.is_null()) throw UsageError("variables: expected a map of names and values, found " + given.describe(), given.place.to_string());
    for (Entry& entry : given.entries) {
      substitute(entry.value, variables);
      variables.entries.push_back(std::move(entry));
    }
    break;
  }
  substitute(root, variables);
}

}  // namespace foil::config
