// One function per command of `foil-engine`: declares options and callback on its CLI11 subcommand.
#pragma once

namespace CLI {
class App;
}

namespace foil::app {

void declare_run(CLI::App& app);
void declare_negatives(CLI::App& app);
void declare_study(CLI::App& app);
void declare_train(CLI::App& app);
void declare_generate(CLI::App& app);
void declare_score(CLI::App& app);
void declare_eval(CLI::App& app);
void declare_convert(CLI::App& app);
void declare_info(CLI::App& app);
void declare_completion(CLI::App& app);

}  // namespace foil::app
