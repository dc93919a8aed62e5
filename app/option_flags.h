// Flags of a command from an option struct's field list: one flag a field, same name, same help, checked like a recipe.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/options.h"

namespace foil::app {

class OptionFlags {
 public:
  // Adds the flags of `options` to `app`; `hidden`: paths that get none. Keep the object alive until read().
  template <class T>
  void add(CLI::App& app, const T& options, const std::vector<std::string>& hidden = {}) {
    for (const auto& f : config::fields(options)) {
      if (f.type == "section" || std::find(hidden.begin(), hidden.end(), f.path) != hidden.end()) continue;
      auto text = std::make_shared<std::string>();
      std::string help = f.help;
      if (!f.default_text.empty()) help += " (" + f.default_text + ")";
      given_.push_back({f.path, text, app.add_option(f.flag, *text, help)->type_name(f.type)});
    }
  }
  // Sets what the command line gave. Throws UsageError.
  template <class T>
  void read(T& options) const {
    std::vector<std::string> assignments;
    for (const auto& g : given_)
      if (g.option->count()) assignments.push_back(g.path + "=" + *g.text);
    config::apply(assignments, options);
  }

 private:
  struct Given {
    std::string path;
    std::shared_ptr<std::string> text;
    CLI::Option* option;
  };
  std::vector<Given> given_;
};

}  // namespace foil::app
