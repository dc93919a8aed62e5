// foil completion: a completion script for bash, zsh or fish, from the commands' own flags.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "app/engine/commands.h"
#include "app/summaries.h"
#include "app/terminal.h"

namespace foil::app {

namespace {

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; })) out.push_back(sub->get_name());
  return out;
}

}  // namespace

void declare_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.description("Prints a completion script.\n\n  source <(foil completion bash)\n  foil completion fish > ~/.config/fish/completions/foil.fish");
  app.add_option("shell", *shell, "bash, zsh or fish")->required();
  app.callback([shell] {
    std::string names;
    for (const auto& s : summaries()) names += fmt::format("{} ", s.name);
    CLI::App root;
    std::map<std::string, std::vector<std::string>> flags;
    for (const auto& command : commands()) {
      auto* sub = root.add_subcommand(command.name, "");
      command.declare(*sub);
      flags[command.name] = flags_of(*sub);
    }
    flags["verify"] = {"--output", "--gold", "--answer", "--gold-key", "--answer-key", "--explain", "--json", "--threads", "--help"};
    flags["data"] = {"make", "list", "check", "--help"};
    if (*shell == "bash" || *shell == "zsh") {
      if (*shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
      std::printf("_foil() {\n  local word=${COMP_WORDS[COMP_CWORD]}\n  case ${COMP_WORDS[1]} in\n");
      for (const auto& [name, list] : flags) std::printf("    %s) [[ $word == -* || $COMP_CWORD == 2 ]] && COMPREPLY=($(compgen -W '%s' -- \"$word\")) ;;\n", name.c_str(), fmt::format("{}", fmt::join(list, " ")).c_str());
      std::printf("  esac\n  [ $COMP_CWORD == 1 ] && COMPREPLY=($(compgen -W '%s' -- \"$word\"))\n}\ncomplete -o default -F _foil foil\n", names.c_str());
    } else if (*shell == "fish") {
      for (const auto& s : summaries()) std::printf("complete -c foil -n __fish_use_subcommand -a %s -d '%s'\n", s.name, s.summary);
      for (const auto& [name, list] : flags)
        for (const auto& flag : list)
          if (flag.starts_with("--")) std::printf("complete -c foil -n '__fish_seen_subcommand_from %s' -l %s\n", name.c_str(), flag.substr(2).c_str());
    } else {
      throw UsageError(fmt::format("no completion for shell \"{}\"", *shell), "foil completion", "choose bash, zsh or fish");
    }
  });
}

}  // namespace foil::app
