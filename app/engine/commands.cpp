// The commands of `foil-engine`, the executable with LibTorch.
#include "app/engine/commands.h"

#include "app/command.h"

namespace foil::app {

std::vector<Command> commands() {
  return {
      {"run", "the whole method from a recipe", "", declare_run},
  };
}

}  // namespace foil::app
