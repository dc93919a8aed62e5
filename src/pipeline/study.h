// Studies: the same policy trained in several ways, the rest held equal, over several seeds, in one table.
//
// A seed is one run folder (RECIPE_OUTPUT/study/seed-N, one for all kinds: what they share is made once) whose start, SFT and RL models and problems are those of the recipe's own run;
// sampling, reward model, generator, training order and evaluation are drawn anew from the seed. The ways compared are stages of that
// run (recipe section `study`), so a study stops, resumes and is killed like any run. The table is a pure function of the finished seeds.
//
//   negatives   the policy on negatives of each source, as many pairs each (problems that all sources serve come first)
//   variants    the recipe with some of its options changed, from the RL policy on (pipeline/variants.h)
//   objectives  the policy with each preference loss on the same pairs; the SFT model with each policy objective, with pass@k
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "eval/study.h"
#include "pipeline/run.h"

namespace foil::pipeline {

enum class StudyKind { kNegatives, kObjectives, kVariants };
const char* to_string(StudyKind kind);

struct StudyOptions {
  StudyKind kind = StudyKind::kNegatives;
  int64_t seeds = 5;
  std::vector<int64_t> only;  // run only these of them; empty: all. The table is of all that are finished
  std::string command;      // as typed, for the table
};

// Adds the stages that recipe.study asks for; `evaluated` gets the names of their evaluations.
void study_stages(const Recipe& recipe, std::vector<Stage>& out, std::vector<std::string>& evaluated);
bool study_needs_generator(const Recipe& recipe);

// Fills in what the recipe's study section leaves open (all sources that can be had, all losses that take such pairs, all policy
// objectives); what was left out, and why, goes to `notes`. Throws UsageError when something that is named cannot be had.
void complete_study(Recipe& recipe, StudyKind kind, std::vector<std::string>& notes);

// The recipe of one seed. `base`: completed, its run finished up to the RL policy.
Recipe seed_recipe(const Recipe& base, StudyKind kind, int64_t seed);
std::filesystem::path study_folder(const Recipe& base);

// The table of what is finished so far. Reads files only.
eval::StudyTable study_table(const Recipe& base, const StudyOptions& options, const std::vector<std::string>& notes);

// Runs the recipe up to its RL policy, then seed after seed; after each the table is written (study/KIND.json and KIND.md in the run
// folder) and the run's report is written again. `announce`: as run()'s, with the seed (0: the recipe's own run) in front.
eval::StudyTable run_study(Recipe base, const std::filesystem::path& recipe_path, const StudyOptions& options,
                           const std::function<void(int64_t, size_t, size_t, const Stage&, const std::string&, double)>& announce);

// What will be run, as text. Runs nothing.
std::string study_plan(Recipe base, const StudyOptions& options);

}  // namespace foil::pipeline
