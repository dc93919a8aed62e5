// Option structs as command-line flags: every field becomes --name (unique) or --section-name, with its help and default.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "config/options.h"

namespace foil::app {

// Declares flags for every field of T in `group`; returns the assignments given on the command line ("optimizer.lr=1e-4"), to be laid
// over a T by config::apply. `skip`: top-level fields left out.
template <class T>
std::shared_ptr<std::vector<std::string>> declare_options(CLI::App& app, const T& defaults, const std::string& group, const std::vector<std::string>& skip = {}) {
  auto assignments = std::make_shared<std::vector<std::string>>();
  for (const auto& field : config::fields(defaults)) {
    if (field.type == "section") continue;
    const std::string top = field.path.substr(0, field.path.find('.'));
    if (std::find(skip.begin(), skip.end(), top) != skip.end()) continue;
    std::string help = field.help;
    if (!field.choices.empty()) help += fmt::format(" [{}]", fmt::join(field.choices, ", "));
    if (!field.default_text.empty()) help += fmt::format(" (default {})", field.default_text);
    const std::string path = field.path;
    try {
      app.add_option_function<std::string>(
             field.flag, [assignments, path](const std::string& value) { assignments->push_back(path + "=" + value); }, help)
          ->group(group)
          ->type_name(field.type == "yes/no" ? "yes|no" : "");
    } catch (const CLI::OptionAlreadyAdded&) {  // a command's own flag of the same name stands for it
    }
  }
  return assignments;
}

}  // namespace foil::app
