// JSON Lines: one JSON value a line, read with errors that name file, line and column, written through base/atomic_file.h.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil {

// Calls `row` for every line that is not blank. Throws Error: cannot open, not JSON (path:line:column), no lines at all.
// Errors thrown by `row` get path:line put in front.
void for_each_jsonl(const std::filesystem::path& path, const std::function<void(const nlohmann::json&)>& row);

// One line of text; invalid UTF-8 inside strings becomes U+FFFD.
std::string jsonl_line(const nlohmann::json& value);

template <class T>
std::vector<T> read_jsonl(const std::filesystem::path& path) {
  std::vector<T> out;
  for_each_jsonl(path, [&](const nlohmann::json& j) { out.push_back(j.get<T>()); });
  return out;
}

// Replaces the file in one step.
template <class Range>
void write_jsonl(const std::filesystem::path& path, const Range& rows) {
  std::string text;
  for (const auto& row : rows) text += jsonl_line(nlohmann::json(row)) + "\n";
  write_file(path, text);
}

}  // namespace foil
