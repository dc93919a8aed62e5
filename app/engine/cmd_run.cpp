// foil run: all stages of a recipe.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/engine/commands.h"
#include "app/engine/processes.h"
#include "app/terminal.h"
#include "base/error.h"
#include "config/options.h"
#include "pipeline/run.h"
#include "report/headline.h"
#include "report/page.h"
#include "report/run_files.h"

namespace foil::app {

namespace {

struct RunArguments {
  std::string recipe, profile, from, until;
  std::vector<std::string> set;
  bool dry_run = false, json = false, options = false;
};

void print_headline(const pipeline::Recipe& recipe, bool json) {
  const auto results = report::read_evals(recipe.output);
  if (results.empty()) return;
  const auto table = report::headline(results);
  if (json)
    std::printf("%s\n", report::headline_json(table).dump(2).c_str());
  else
    std::printf("\n%s\n", report::headline_text(table, 140, stdout_is_terminal() && !std::getenv("NO_COLOR")).c_str());
}

}  // namespace

void declare_run(CLI::App& app) {
  auto a = std::make_shared<RunArguments>();
  app.description(
      "Runs a recipe: problems in, a better reasoner and a report out. What is done is not done again; what was cut short goes on.\n\n"
      "  foil run recipes/demo.yaml                         the whole method on a tiny model, in minutes\n"
      "  foil run recipes/demo.yaml --dry-run               the plan, with memory and time\n"
      "  foil run recipes/demo.yaml --set rl.steps=20 --set output=runs/short\n"
      "  foil run recipes/demo.yaml --from generator        this stage and all after it again\n"
      "  foil run --options                                 every option a recipe can set, explained, as a recipe of defaults\n"
      "  torchrun --nproc-per-node 8 --no-python foil run recipes/qwen2.5-7b-eight-gpu.yaml   processes that share every stage (srun, mpirun too)");
  app.add_option("recipe", a->recipe, "the recipe");
  app.add_option("--set", a->set, "change one option: section.name=value (repeatable)")->take_all();
  app.add_option("--profile", a->profile, "lay one of the recipe's profiles over it");
  app.add_option("--from", a->from, "run this stage and all after it again");
  app.add_option("--until", a->until, "stop after this stage");
  app.add_flag("--dry-run", a->dry_run, "print the plan and do nothing");
  app.add_flag("--options", a->options, "print every option, what it means and its value (in RECIPE, else the default) and do nothing");
  app.add_flag("--json", a->json, "the result table as JSON");
  app.callback([a] {
    if (a->recipe.empty() && !a->options) throw UsageError("no recipe is named", "foil run", "foil run recipes/demo.yaml; foil run --options prints what a recipe can hold");
    if (a->options) {
      if (a->recipe.empty() && !a->profile.empty()) throw UsageError("--profile is given, but no recipe that has it", "foil run --options", "foil run recipes/demo.yaml --options --profile short");
      pipeline::Recipe recipe;
      if (a->recipe.empty())
        config::apply(a->set, recipe);
      else
        recipe = pipeline::load_recipe(a->recipe, a->set, a->profile);
      std::printf("%s", config::commented_yaml(config::fields(recipe)).c_str());
      return;
    }
    const auto recipe = pipeline::load_recipe(a->recipe, a->set, a->profile);
    if (a->dry_run) {
      std::printf("%s", pipeline::plan_text(recipe).c_str());
      return;
    }
    const Processes processes;
    std::string command = "foil run " + a->recipe;
    for (const auto& s : a->set) command += " --set " + s;
    if (!a->profile.empty()) command += " --profile " + a->profile;
    const auto start = std::chrono::steady_clock::now();
    const auto folder = pipeline::run(recipe, a->recipe, {a->from, a->until, command, processes.ranks()},
                                      [](size_t i, size_t n, const pipeline::Stage& stage, const std::string& state, double seconds) {
                                        const std::string at = fmt::format("[{}/{}] {}", i + 1, n, stage.name);
                                        if (state == "running")
                                          std::fprintf(stderr, "%s: %s\n", at.c_str(), stage.summary.c_str());
                                        else if (state == "done")
                                          std::fprintf(stderr, "%s: done before (%s)\n", at.c_str(), duration(seconds).c_str());
                                        else if (state == "skipped")
                                          std::fprintf(stderr, "%s: %s\n", at.c_str(), stage.skip.c_str());
                                      });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!processes.first()) return;
    print_headline(recipe, a->json);
    std::fprintf(stderr, "%s in %s\n", a->until.empty() ? "finished" : ("stopped after " + a->until).c_str(), duration(seconds).c_str());
    const auto page = folder / report::kReportFile;
    if (std::filesystem::exists(page)) std::fprintf(stderr, "report: %s\n", page.string().c_str());
  });
}

}  // namespace foil::app
