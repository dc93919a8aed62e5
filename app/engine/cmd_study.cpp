// foil study: negative sources, training objectives or variants of the recipe, compared over several seeds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/engine/commands.h"
#include "app/engine/processes.h"
#include "app/terminal.h"
#include "base/atomic_file.h"
#include "base/error.h"
#include "pipeline/study.h"
#include "report/run_files.h"

namespace foil::app {

namespace {

struct StudyArguments {
  std::string recipe = "recipes/demo.yaml", profile;
  std::vector<std::string> set, only;
  int64_t seeds = 5;
  std::vector<int64_t> only_seeds;
  bool dry_run = false, json = false;
};

// "no_judge: generator.reward.weight_judge=0; preference.beta=0.05" as the recipe's {name: …, set: […]}
std::string variant_entry(const std::string& text) {
  const size_t colon = text.find(':');
  const auto trimmed = [](std::string s) {
    s.erase(0, s.find_first_not_of(' '));
    s.erase(s.find_last_not_of(' ') + 1);
    return s;
  };
  std::vector<std::string> set;
  for (size_t at = colon; at < text.size();) {
    const size_t end = std::min(text.find(';', at + 1), text.size());
    if (const std::string option = trimmed(text.substr(at + 1, end - at - 1)); !option.empty()) set.push_back(nlohmann::json(option).dump());
    at = end;
  }
  return fmt::format("{{name: {}, set: [{}]}}", nlohmann::json(trimmed(text.substr(0, colon))).dump(), fmt::join(set, ", "));
}

void declare_kind(CLI::App& app, pipeline::StudyKind kind) {
  auto a = std::make_shared<StudyArguments>();
  const char* option = kind == pipeline::StudyKind::kNegatives ? "sources" : kind == pipeline::StudyKind::kVariants ? "variants" : "losses";
  app.add_option("recipe", a->recipe, "the recipe whose policy is trained (recipes/demo.yaml)");
  app.add_option("--seeds", a->seeds, "how often everything is drawn anew (5)")->check(CLI::PositiveNumber);
  if (kind == pipeline::StudyKind::kVariants) {
    app.add_option("--variant", a->only, "NAME: OPTION=VALUE; OPTION=VALUE, the recipe with these options changed (repeatable); the first named is what the others are compared with. None named: as_is, and the method's parts switched off one by one")
        ->take_all();
  } else {
    const bool negatives = kind == pipeline::StudyKind::kNegatives;
    app.add_option(negatives ? "--sources" : "--losses", a->only, negatives ? "only these: generator, rejection, selected, temperature, weaker, perturbation, corruption" : "only these preference losses")
        ->delimiter(',');
  }
  app.add_option("--only-seeds", a->only_seeds, "run only these seeds: several processes, or machines that share the folder, can each take some")->delimiter(',');
  app.add_option("--set", a->set, "change one option: section.name=value (repeatable)")->take_all();
  app.add_option("--profile", a->profile, "lay one of the recipe's profiles over it");
  app.add_flag("--dry-run", a->dry_run, "print the plan and do nothing");
  app.add_flag("--json", a->json, "the table as JSON");
  app.callback([a, kind, option] {
    if (a->seeds < 1) throw UsageError(fmt::format("--seeds is {}", a->seeds), "", "at least one seed");
    for (const int64_t seed : a->only_seeds)
      if (seed < 1 || seed > a->seeds) throw UsageError(fmt::format("--only-seeds names {}", seed), "", fmt::format("seeds are 1 to {} (--seeds)", a->seeds));
    std::vector<std::string> set = a->set;
    std::vector<std::string> entries = a->only;
    if (kind == pipeline::StudyKind::kVariants)
      for (auto& entry : entries) entry = variant_entry(entry);
    if (!entries.empty()) set.push_back(fmt::format("study.{}=[{}]", option, fmt::join(entries, ", ")));
    const auto recipe = pipeline::load_recipe(a->recipe, set, a->profile);
    pipeline::StudyOptions options{kind, a->seeds, a->only_seeds, fmt::format("foil study {} {} --seeds {}", pipeline::to_string(kind), a->recipe, a->seeds)};
    if (kind == pipeline::StudyKind::kVariants) {
      for (const auto& entry : a->only) options.command += fmt::format(" --variant '{}'", entry);
    } else if (!a->only.empty()) {
      options.command += fmt::format(" --{} {}", option, fmt::join(a->only, ","));
    }
    if (!a->profile.empty()) options.command += " --profile " + a->profile;
    for (const auto& s : a->set) options.command += " --set " + s;
    if (a->dry_run) {
      std::printf("%s", pipeline::study_plan(recipe, options).c_str());
      return;
    }
    refuse_processes("foil study", "give each process seeds of its own: --only-seeds 1,2");
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [start] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    double seed_began = 0, seeds_took = 0;
    int64_t current = -1, seeds_run = 0;
    bool worked = false;
    const auto table = pipeline::run_study(recipe, a->recipe, options, [&](int64_t seed, size_t i, size_t n, const pipeline::Stage& stage, const std::string& state, double) {
      if (seed != current) {
        if (current > 0 && worked) seeds_took += elapsed() - seed_began, ++seeds_run;
        current = seed, seed_began = elapsed(), worked = false;
      }
      if (state != "running") return;
      worked = true;
      std::string left;
      if (seed > 0 && seeds_run > 0) {
        const double to_go = seeds_took / double(seeds_run) * double(a->seeds - seed + 1) - (elapsed() - seed_began);
        left = fmt::format(", about {} left", duration(std::max(0.0, to_go)));
      }
      std::fprintf(stderr, "%s [%zu/%zu] %s: %s%s\n", seed == 0 ? "the policy" : fmt::format("seed {} of {}", seed, a->seeds).c_str(), i + 1, n, stage.name.c_str(), stage.summary.c_str(), left.c_str());
    });
    const auto folder = std::filesystem::path(recipe.output);
    if (a->json)
      std::printf("%s\n", nlohmann::json(table).dump(2).c_str());
    else
      std::printf("\n%s\n", eval::study_markdown(table).c_str());
    std::fprintf(stderr, "finished in %s\ntable: %s\nreport: %s\n", duration(elapsed()).c_str(), (folder / "study" / (table.kind + ".md")).string().c_str(), (folder / report::kReportFile).string().c_str());
  });
}

}  // namespace

void declare_study(CLI::App& app) {
  app.description(
      "Trains the same policy in several ways, the rest held equal, and writes one table: mean and 95 % interval of each split, differences\n"
      "against the RL policy and against rejection sampling with p, negative flips, what the negatives look like, and the cost in tokens.\n\n"
      "  foil study negatives --seeds 5                                  every source of negatives, on the demo's policy\n"
      "  foil study negatives recipes/mine.yaml --sources generator,rejection,perturbation\n"
      "  foil study objectives --seeds 5                                 every preference loss; every policy objective with pass@k\n"
      "  foil study variants --seeds 5                                   the method's parts switched off one by one\n"
      "  foil study variants --variant as_is --variant 'soft: preference.beta=0.05; preference.loss=ipo'\n"
      "  foil study negatives --dry-run                                  what will be run, what is done\n"
      "The recipe's own run gives the policy. A study that is cut, or killed, goes on where it was when it is started again.");
  app.require_subcommand(1);
  declare_kind(*app.add_subcommand("negatives", "sources of negatives, as many pairs of each"), pipeline::StudyKind::kNegatives);
  declare_kind(*app.add_subcommand("variants", "the recipe with some of its options changed: ablations, additions"), pipeline::StudyKind::kVariants);
  declare_kind(*app.add_subcommand("objectives", "preference losses on the same pairs, and policy objectives with pass@k"), pipeline::StudyKind::kObjectives);
}

}  // namespace foil::app
