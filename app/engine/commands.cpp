// The commands of `foil-engine`, the executable with LibTorch.
#include "app/engine/commands.h"

#include "app/command.h"
#include "nn/cpu_allocator.h"

namespace foil::app {

std::vector<Command> commands() {
  nn::keep_cpu_buffers();  // before the first tensor
  return {
      {"run", "the whole method from a recipe", "", declare_run},
  };
}

}  // namespace foil::app
