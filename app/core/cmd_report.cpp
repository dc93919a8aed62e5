// foil report: the page of a run folder.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/core/commands.h"
#include "app/terminal.h"
#include "report/headline.h"
#include "report/page.h"

namespace foil::app {

void declare_report(CLI::App& app) {
  struct Arguments {
    std::string folder;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  app.description("Writes report.html into a run folder, from what the folder holds, and prints the result table.\n\n  foil report runs/demo");
  app.add_option("folder", a->folder, "run folder")->required();
  app.add_flag("--json", a->json, "the result table as JSON");
  app.callback([a] {
    const auto run = report::read_run(a->folder);
    const auto path = report::write_report(a->folder);
    if (!run.evals.empty()) {
      const auto table = report::headline(run.evals);
      std::printf("%s\n", a->json ? report::headline_json(table).dump(2).c_str() : report::headline_text(table, 140, stdout_is_terminal() && !std::getenv("NO_COLOR")).c_str());
    }
    std::fprintf(stderr, "report: %s\n", path.string().c_str());
  });
}

}  // namespace foil::app
