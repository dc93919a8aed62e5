// The commands that need no LibTorch: those of `foil`; `foil-engine` knows them for their flags (foil completion).
#include "app/core/commands.h"

#include "app/command.h"

namespace foil::app {

std::vector<Command> core_commands() {
  return {
      {"verify", "verdicts for gold/answer lines", "", declare_verify},
      {"data", "make, list and check problem files", "", declare_data},
      {"pair", "preference pairs from scored samples", "", declare_pair},
      {"report", "the HTML page of a run folder", "", declare_report},
  };
}

#ifndef FOIL_ENGINE
std::vector<Command> commands() { return core_commands(); }
#endif

}  // namespace foil::app
