// foil completion: a completion script for bash, zsh or fish, from the commands' own flags.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/command.h"
#include "app/engine/commands.h"
#include "app/summaries.h"
#include "app/terminal.h"
#include "base/error.h"

namespace foil::app {

namespace {

struct Word {
  std::string text, help;  // help: one line
};

// What can follow on one command line: "train" → its subcommands, "train sft" → flags.
using Words = std::map<std::string, std::vector<Word>>;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void collect(const CLI::App& app, const std::string& line, Words& words) {
  const auto subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const auto* sub : subcommands) {
    words[line].push_back({sub->get_name(), first_line(sub->get_description())});
    collect(*sub, line + " " + sub->get_name(), words);
  }
  if (!subcommands.empty()) return words[line].push_back({"--help", "options and examples"});
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) words[line].push_back({"--" + name, first_line(option->get_description())});
}

void print_bash(const Words& words) {
  std::printf("_foil() {\n  local word=${COMP_WORDS[COMP_CWORD]} line=foil i\n  for ((i = 1; i < COMP_CWORD; ++i)); do [[ ${COMP_WORDS[i]} == -* ]] || line+=\" ${COMP_WORDS[i]}\"; done\n  case $line in\n");
  for (auto it = words.rbegin(); it != words.rend(); ++it) {  // "foil train sft" before "foil train"
    std::string list;
    for (const Word& w : it->second) list += w.text + " ";
    const bool flags = it->second.front().text.starts_with("--");  // files and values stand between them: the shell's own completion
    std::printf("    '%s'%s) %sCOMPREPLY=($(compgen -W '%s' -- \"$word\")) ;;\n", it->first.c_str(), flags ? "*" : "", flags ? "[[ $word == -* ]] && " : "", list.c_str());
  }
  std::printf("  esac\n}\ncomplete -o default -F _foil foil\n");
}

void print_fish(const Words& words) {
  for (const auto& [line, list] : words) {
    std::string there, not_yet;  // conditions: every word of the line was typed, none of what can follow
    const auto seen = [](const std::string& names) { return "__fish_seen_subcommand_from " + names; };
    for (size_t begin = line.find(' '); begin != std::string::npos;) {
      const size_t end = line.find(' ', begin + 1);
      there += (there.empty() ? "" : "; and ") + seen(line.substr(begin + 1, end == std::string::npos ? end : end - begin - 1));
      begin = end;
    }
    for (const Word& w : list)
      if (!w.text.starts_with("--")) not_yet += " " + w.text;
    if (there.empty()) there = "true";
    for (const Word& w : list) {
      std::string help = w.help;
      for (size_t at = 0; (at = help.find_first_of("\\'", at)) != std::string::npos; at += 2) help.insert(at, "\\");
      if (w.text.starts_with("--")) std::printf("complete -c foil -n '%s' -l %s -d '%s'\n", there.c_str(), w.text.c_str() + 2, help.c_str());
      else std::printf("complete -c foil -f -n '%s; and not %s' -a %s -d '%s'\n", there.c_str(), seen(not_yet.substr(1)).c_str(), w.text.c_str(), help.c_str());
    }
  }
}

}  // namespace

void declare_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.description("Prints a completion script.\n\n  source <(foil completion bash)\n  foil completion fish > ~/.config/fish/completions/foil.fish");
  app.add_option("shell", *shell, "bash, zsh or fish")->required();
  app.callback([shell] {
    Words words;
    for (const auto& s : summaries()) words["foil"].push_back({s.name, s.summary});
    CLI::App root;
    for (const auto& list : {core_commands(), commands()})
      for (const auto& command : list) {
        auto* sub = root.add_subcommand(command.name, "");
        command.declare(*sub);
        collect(*sub, "foil " + command.name, words);
      }
    if (*shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
    if (*shell == "bash" || *shell == "zsh") print_bash(words);
    else if (*shell == "fish") print_fish(words);
    else throw UsageError(fmt::format("no completion for shell \"{}\"", *shell), "foil completion", "choose bash, zsh or fish");
  });
}

}  // namespace foil::app
