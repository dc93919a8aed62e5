// The part of Jinja that chat templates are written in, with the settings transformers uses (trim_blocks, lstrip_blocks, sandbox).
//
// Statements: if, for (filtered, else, loop), set (also blocks and namespace members), macro, call, filter, raw, break, continue,
// generation (passed through). Expressions: all operators, slices, inline if, tests, filters, methods of strings, lists and mappings, as in
// Python 3. Not there, and refused when the template is read: include, import, extends, block, with, `recursive` loops, * and ** arguments.
// Differences from Python on purpose: integers are 64 bits wide, and work is limited (templates are foreign code).
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace foil::text::jinja {

using Json = nlohmann::ordered_json;  // the order of keys shows in what tojson writes

struct Program;  // text/jinja_ast.h

class Template {
 public:
  // Throws Error with the line when the template cannot be read. `where` names it in errors.
  static Template parse(std::string_view source, const std::string& where = "chat template");
  // `variables`: an object. `now`: seconds since the epoch for strftime_now, the clock if absent.
  // Throws Error when the template raises or fails. Thread-safe.
  std::string render(const Json& variables, std::optional<int64_t> now = std::nullopt) const;

 private:
  std::shared_ptr<const Program> program_;
};

}  // namespace foil::text::jinja
