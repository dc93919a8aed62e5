// A YAML document as a tree that remembers where everything stood, so that every complaint can name file, line and column.
//
// What option structs (config/options.h) are read from. Also: `extends:`, `${variables}` and `--set a.b=c` work on this tree,
// before anything is read from it. yaml-cpp stays behind value.cpp.
// Refused: several documents in one file, duplicate keys, tags, keys that are not text.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace foil::config {

struct Place {
  std::string file;          // path, or "--set a.b=c"
  int line = 0, column = 0;  // from 1; 0: no line (an override)
  std::string to_string() const;  // "recipe.yaml:12:5"
};

struct Entry;

struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;            // scalar: as written, quotes removed
  bool quoted = false;         // scalar: stood in quotes or a block, so it is text and never a number
  std::vector<Value> items;    // list
  std::vector<Entry> entries;  // map, in the order written, keys unique
  Place place;

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  const Value* find(std::string_view key) const;  // null when not a map or absent
  Value* find(std::string_view key);
  std::string describe() const;  // for "found …": `text "abc"`, `the list of 3 values`, `a map with keys a, b`
};

struct Entry {
  std::string key;
  Place place;  // of the key
  Value value;
};

// `name` stands for the file in errors. An empty document is an empty map. Throws UsageError at the offending line.
Value parse_yaml(std::string_view text, const std::string& name);

// Reads a file and resolves `extends: other.yaml` (or a list of them, later ones win), relative to the file: maps are merged
// key by key, lists and scalars replaced. Throws UsageError on a cycle, Error when a file cannot be read.
Value load_yaml(const std::filesystem::path& path);

// Lays `over` on `base`: maps merge, everything else is replaced.
void merge(Value& base, const Value& over);

// One override "a.b=c": c is read as YAML (`[1, 2]`, `true`, `0.5`); a number in the path indexes a list; missing maps are
// made. Throws UsageError when the text has no '=', or the path leads through a scalar or past a list's end.
void set(Value& root, const std::string& assignment);

// Replaces ${name} in every scalar by the scalar under the top-level map `variables`, and removes that map. "$${" stands for
// a literal "${". Variables may use variables above them. Throws UsageError on an unknown name, with the nearest one.
void substitute_variables(Value& root);

}  // namespace foil::config
