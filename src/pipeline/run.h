// A run: the recipe's stages in order, each skipped when done, resumed when cut short, and recorded in the manifest.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/options.h"
#include "dist/ranks.h"
#include "pipeline/manifest.h"
#include "pipeline/recipe.h"
#include "pipeline/workbench.h"
#include "train/checkpoint.h"

namespace foil::pipeline {

// What a stage works with.
struct StageRun {
  const Recipe& recipe;
  const Manifest& manifest;
  std::filesystem::path folder;       // the run folder
  std::string stage;
  nlohmann::json facts = nlohmann::json::object();  // the stage fills this in
  dist::Ranks* ranks = nullptr;       // processes that share the stage, all in the same function on the same data; not owned; null: this one alone
  std::shared_ptr<train::RunLog> log = nullptr;  // of the first rank; see context()

  std::filesystem::path path(const std::string& relative) const { return folder / relative; }
  std::vector<Problem> training_problems() const;
  std::vector<std::string> splits() const;
  std::vector<Problem> split(const std::string& name) const;
  // "start", "sft", "rl", "reward", "generator", "dpo_rejection", "dpo_plausible": the model that stands there, or what takes its place.
  std::filesystem::path model(const std::string& name) const;
  train::StageContext context();      // with the run log open, and the ranks
  bool first() const { return !ranks || ranks->first(); }
  // What one process does for all: writing a file. The others go on when it stands.
  template <class F>
  void once(const std::string& what, const F& work) {
    if (first()) work();
    if (ranks) ranks->meet_patiently(stage + ": " + what);
  }
  // A file name of this rank's own beside the others'.
  std::string own(const std::string& relative) const { return ranks ? relative + fmt::format(".rank{}", ranks->rank()) : relative; }
};

// The options of a section as they stand in a stage's key. The section `engine` stands in none: samples do not depend on it (on a GPU: but for rounding).
template <class T>
nlohmann::json options_json(const T& options) {
  return train::lasting_options(nlohmann::json::parse(config::to_json(options).dump()));
}

struct Stage {
  std::string name;
  std::string summary;                       // one line, for the plan
  std::vector<std::string> needs;            // stages before it
  std::vector<std::string> outputs;
  std::string skip;                          // not empty: why nothing is to be done (replaced, disabled)
  nlohmann::json key;                        // the recipe's part that its result depends on
  std::vector<std::filesystem::path> inputs; // files outside the run folder it reads
  std::function<void(StageRun&)> run;
  std::string nested = {};                   // relative folder of the run inside it: done anew with it by `from`
  bool shared = false;                       // several ranks run it together; else the first alone, and the others wait
};

// What a stage's result depends on, as a hash; `keys`: those of the stages it needs. Throws Error where an input file is not there.
std::string stage_key(const Recipe& recipe, const Stage& stage, const std::map<std::string, std::string>& keys);

// The stages of a recipe, in order.
std::vector<Stage> stages(const Recipe& recipe);

// What stages up to `until` ("": all) would refuse far down the list, though it is known now: inputs that are not there, a replay that does
// not fit, a source of negatives that the models cannot serve. Throws Error or UsageError.
void check_given(const Recipe& recipe, const std::vector<Stage>& list, const std::string& until = "");

struct RunOptions {
  std::string from, until;                   // stage names; empty: all
  std::string command;                       // for the manifest
  dist::Ranks* ranks = nullptr;              // processes that share the run folder; not owned; null: this one alone
  bool wait = false;                         // while another foil works in the folder; else that is an error
};

// Runs what is not done. `from` makes that stage and all after it run again. Returns the run folder.
// `announce` hears of every stage, on the first rank: (number, count, stage, "running" | "done" | "skipped", seconds).
// Several ranks: the first keeps lock, manifest and log and decides what is to be done; all train, sample, score and evaluate together.
std::filesystem::path run(const Recipe& recipe, const std::filesystem::path& recipe_path, const RunOptions& options,
                          const std::function<void(size_t, size_t, const Stage&, const std::string&, double)>& announce);

// The plan with memory and time estimates, as text: what each stage will do, whether it is done, tokens, and what the machine's
// measured matrix-multiply rate says it takes.
std::string plan_text(const Recipe& recipe);

}  // namespace foil::pipeline
