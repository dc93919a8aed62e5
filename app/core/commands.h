// One function per command of `foil`: declares options and callback on its CLI11 subcommand.
#pragma once

namespace CLI {
class App;
}

namespace foil::app {

void declare_verify(CLI::App& app);
void declare_data(CLI::App& app);
void declare_pair(CLI::App& app);
void declare_report(CLI::App& app);

}  // namespace foil::app
