// One command of the program: its name, one-line summary, and how it declares itself to CLI11.
//
// There are two executables from one main: `foil` holds the commands that need no LibTorch and starts in milliseconds;
// `foil-engine`, beside it, holds the rest. `foil` hands over to it (exec), so a user only ever types `foil`.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace foil::app {

struct Command {
  std::string name;
  std::string summary;                     // shown by `foil --help`
  std::string group;                       // heading in `foil --help`
  // Declares options and the callback that does the work. Null in the executable that hands the command over.
  std::function<void(CLI::App&)> declare;
};

// The commands of this executable (app/core/commands.cpp, app/engine/commands.cpp).
std::vector<Command> commands();
// Those of `foil`, in both executables.
std::vector<Command> core_commands();

}  // namespace foil::app
