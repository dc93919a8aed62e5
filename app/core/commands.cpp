// The commands of `foil`, the executable without LibTorch.
#include "app/core/commands.h"

#include "app/command.h"

namespace foil::app {

std::vector<Command> commands() {
  return {
      {"verify", "verdicts for gold/answer lines", "", declare_verify},
      {"data", "make, list and check problem files", "", declare_data},
      {"pair", "preference pairs from scored samples", "", declare_pair},
      {"report", "the HTML page of a run folder", "", declare_report},
  };
}

}  // namespace foil::app
