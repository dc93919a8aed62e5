// One function per command of `foil-engine`: declares options and callback on its CLI11 subcommand.
#pragma once

namespace CLI {
class App;
}

namespace foil::app {

void declare_run(CLI::App& app);

}  // namespace foil::app
