#include "pipeline/rounds.h"

#include "base/random.h"
#include "pipeline/nested.h"
#include "pipeline/stage_work.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

static std::string folder_of(int64_t round) { return round == 1 ? "" : fmt::format("rounds/{}/", round); }

std::string round_model(int64_t round) { return folder_of(round) + report::model_folder("dpo_plausible"); }

Recipe round_recipe(const Recipe& recipe, int64_t round) {
  const fs::path first = recipe.output;
  Recipe r = recipe;
  r.name = fmt::format("{}, round {}", recipe.name, round);
  r.output = (first / fmt::format("rounds/{}", round)).string();
  r.rounds = 1;
  r.seed = mix64(recipe.seed, uint64_t(round)) >> 1;
  r.data.source = "files", r.data.train = (first / report::problems_file("train")).string(), r.data.train_limit = r.data.eval_limit = 0;
  r.data.eval.clear();
  Manifest none(first);
  for (const auto& split : StageRun{recipe, none, first, ""}.splits()) r.data.eval.push_back((first / report::problems_file(split)).string());
  if (r.model.path.empty()) r.model.path = (first / report::model_folder("start")).string();
  if (r.sft.enabled && r.sft.use.empty()) r.sft.use = (first / report::model_folder("sft")).string();
  r.rl.enabled = true, r.rl.use = (first / round_model(round - 1)).string();
  r.policy_samples.use.clear();
  r.steps = {}, r.self_training = {}, r.study = {};
  r.eval.max_negative_flips.reset();
  r.goals = {"dpo_plausible"};  // the outer run evaluates it
  return r;
}

const std::vector<std::string>& stages_of_round() {
  static const std::vector<std::string> names = {"policy_samples", "reward_model", "warm_start", "generator", "negatives", "dpo_plausible", "eval_dpo_plausible"};
  return names;
}

static void round_stage(StageRun& run, int64_t round) {
  nested_run(run, round_recipe(run.recipe, round), fmt::format("round {}", round));
  evaluate_stage(run, fmt::format("round_{}", round), run.path(round_model(round)), run.recipe.eval);  // with the random numbers of the run's other policies
}

void round_stages(const Recipe& r, std::vector<Stage>& out, std::vector<std::string>& evaluated) {
  for (int64_t round = 2; round <= r.rounds; ++round) {
    const std::string name = fmt::format("round_{}", round);
    out.push_back({name, fmt::format("round {}: samples, generator, negatives and preference training of the policy so far", round), {round == 2 ? "dpo_plausible" : fmt::format("round_{}", round - 1), "data"},
                   {report::eval_file(name), round_model(round)}, "",
                   {options_json(r.policy_samples), options_json(r.reward_model), options_json(r.generator), options_json(r.negatives), options_json(r.preference_data), options_json(r.preference),
                    options_json(r.views), options_json(r.eval), options_json(r.prompt), options_json(r.model)},
                   {}, [round](StageRun& run) { round_stage(run, round); }, fmt::format("rounds/{}", round)});
    evaluated.push_back(name);
  }
}

}  // namespace foil::pipeline
