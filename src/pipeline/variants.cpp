#include "pipeline/variants.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "eval/audit.h"
#include "eval/result.h"
#include "pipeline/nested.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

bool begins(const std::string& option, std::initializer_list<const char*> with) {
  for (const char* w : with)
    if (option.starts_with(w)) return true;
  return false;
}

Recipe changed(const Recipe& base, const Variant& variant) {
  config::Value root = config::parse_yaml(config::to_yaml(base), "variant " + variant.name);
  for (const auto& option : variant.set) {
    if (!begins(option, {"policy_samples.", "reward_model.", "generator.", "negatives.", "preference.", "preference_data.", "views.", "engine.", "rounds="}))
      throw UsageError(fmt::format("a variant may not change {}", option.substr(0, option.find('='))), "variant " + variant.name,
                       "it changes what comes after the RL policy: policy_samples, reward_model, generator, negatives, preference_data, preference, views, rounds");
    config::set(root, option);
  }
  Recipe out;
  config::read(root, out);
  return out;
}

std::string last_policy(const Recipe& r) { return r.rounds > 1 ? fmt::format("round_{}", r.rounds) : "dpo_plausible"; }

Recipe variant_recipe(const StageRun& run, const Variant& variant) {
  const VariantWork work = work_of(run.recipe, variant);
  Recipe r = work.recipe;
  r.name = run.recipe.name + ", " + variant.name;
  r.output = run.path("variants/" + variant.name).string();
  r.study = {}, r.steps = {}, r.self_training = {};
  r.eval.max_negative_flips.reset();
  r.goals = {r.rounds > 1 ? last_policy(r) : "eval_dpo_plausible", "audit"};
  if (r.model.path.empty()) r.model.path = run.model("start").string();
  if (r.sft.enabled && r.sft.use.empty()) r.sft.use = run.model("sft").string();
  if (r.rl.enabled && r.rl.use.empty()) r.rl.use = run.model("rl").string();
  if (!work.samples && r.policy_samples.use.empty()) r.policy_samples.use = run.path(report::samples_file("policy")).string();
  if (!work.reward_model && r.reward_model.enabled && r.reward_model.use.empty()) r.reward_model.use = run.path(report::model_folder("reward")).string();
  if (!work.generator && work.from_generator && r.generator.use.empty()) r.generator.use = run.path(report::model_folder("generator")).string();
  if (!work.negatives && r.negatives.sampling.use.empty()) r.negatives.sampling.use = run.path(report::samples_file("generator")).string();
  return r;
}

// Files that a recipe's stages from the RL policy on read, beside what the run makes.
std::vector<fs::path> given_files(Recipe r) {
  r.study = {}, r.goals.clear();
  std::vector<fs::path> out;
  bool after = false;
  for (const Stage& stage : stages(r)) {
    if (after) out.insert(out.end(), stage.inputs.begin(), stage.inputs.end());
    after |= stage.name == "rl";
  }
  return out;
}

void variant_stage(StageRun& run, const Variant& variant) {
  const Recipe recipe = variant_recipe(run, variant);
  const fs::path folder = nested_run(run, recipe, variant.name);
  auto result = Json::parse(read_file(folder / report::eval_file(last_policy(recipe)))).get<eval::EvalResult>();  // of the same seed: paired
  result.policy = "variant_" + variant.name;
  run.once("the evaluation written", [&] { write_file(run.path(report::eval_file(result.policy)), Json(result).dump(1) + "\n"); });
  run.facts["accuracy"] = result.average.value;
  const auto audit = Json::parse(read_file(folder / report::kAuditFile)).get<eval::AuditResult>();
  if (const auto it = audit.separability.find("plausible"); it != audit.separability.end())
    run.facts["auc_words"] = it->second.words.auc.value, run.facts["auc_format"] = it->second.format.auc.value;
  if (const auto* scores = audit.find("reward_model"))
    if (const auto *right = scores->find("correct"), *wrong = scores->find("plausible"); right && wrong) run.facts["score_gap"] = right->mean - wrong->mean;
  const Manifest manifest(folder);
  if (const auto* trained = manifest.find("dpo_plausible"); trained && trained->status == "done")
    for (const char* name : {"delta/chosen", "delta/rejected"})
      if (trained->facts.contains(name)) run.facts[name] = trained->facts.at(name);
}

}  // namespace

std::vector<Variant> usual_variants(const Recipe& r) {
  std::vector<Variant> out = {{"as_is", {}}};
  const bool judged = r.generator.reward.weight_judge != 0, scored = r.generator.reward.weight_model != 0 && r.reward_model.enabled;
  const std::vector<std::string> no_model = {"generator.reward.weight_model=0"}, no_wrong = {"generator.reward.weight_wrong=0", "generator.reward.require_wrong=false"};
  std::vector<std::string> no_judge = {"generator.reward.weight_judge=0", "generator.reward.judge_floor=0"};
  if (r.generator.judge.kind != JudgeKind::kRules) no_judge.push_back("generator.judge.kind=rules");  // a judge that has no say is refused
  if (scored) out.push_back({"no_reward_model", no_model});
  if (judged) out.push_back({"no_judge", no_judge});
  if (scored && judged) {
    out.push_back({"only_wrong", no_model});
    out.back().set.insert(out.back().set.end(), no_judge.begin(), no_judge.end());
  }
  if ((scored || judged) && (r.generator.reward.weight_wrong != 0 || r.generator.reward.require_wrong)) out.push_back({"no_accuracy_inversion", no_wrong});
  if (r.generator.reward.gate_format) out.push_back({"no_format_gate", {"generator.reward.gate_format=false"}});
  if (r.negatives.pairs.filter.min_logprob) out.push_back({"no_likelihood_filter", {"negatives.pairs.filter.min_logprob=null"}});
  if (!objective::info(r.preference.objective.loss).unpaired) {
    if (r.preference.curriculum == train::Curriculum::kNone) out.push_back({"curriculum", {"preference.curriculum=easy_first"}});
    if (r.preference.contrastive.coefficient == 0) out.push_back({"mmbs", {"preference.contrastive.coefficient=0.1"}});
    if (r.preference.distillation.coefficient == 0) out.push_back({"congruent", {"preference.distillation.coefficient=0.1"}});
  }
  return out;
}

void check_variant(const Recipe& recipe, const Variant& variant) { changed(recipe, variant); }

VariantWork work_of(const Recipe& recipe, const Variant& variant) {
  VariantWork work{changed(recipe, variant)};
  const Recipe& r = work.recipe;
  for (const auto& option : variant.set) {
    work.samples |= begins(option, {"policy_samples."});
    work.reward_model |= begins(option, {"reward_model."});
    work.generator |= begins(option, {"generator."});
    work.negatives |= begins(option, {"negatives.source", "negatives.sampling", "engine."});
  }
  work.from_generator = r.negatives.source == NegativeSource::kGenerator && r.negatives.sampling.from != Answers::kEndpoint;
  work.reward_model |= work.samples || r.rounds > 1;
  work.generator |= work.reward_model;
  work.negatives |= work.generator || !work.from_generator;
  return work;
}

void variant_stages(const Recipe& r, std::vector<Stage>& out, std::vector<std::string>& evaluated) {
  for (const auto& variant : r.study.variants) {
    const VariantWork work = work_of(r, variant);
    const Recipe& c = work.recipe;
    const std::string name = "variant_" + variant.name;
    Stage stage{name, variant.set.empty() ? "the recipe as it is" : fmt::format("the recipe with {}", fmt::join(variant.set, ", ")), {"data", "rl", "policy_samples", "reward_model"},
                {report::eval_file(name), "variants/" + variant.name + "/" + report::model_folder("dpo_plausible")}, "",
                {options_json(c.policy_samples), options_json(c.reward_model), options_json(c.generator), options_json(c.negatives), options_json(c.preference_data), options_json(c.preference),
                 options_json(c.views), options_json(c.eval), options_json(c.prompt), options_json(c.model), c.rounds},
                given_files(c), [variant](StageRun& run) { variant_stage(run, variant); }, "variants/" + variant.name};
    if (!work.generator && work.from_generator) stage.needs.push_back("generator");
    if (!work.negatives) stage.needs.push_back("negatives_generator");
    out.push_back(std::move(stage));
    evaluated.push_back(name);
  }
}

}  // namespace foil::pipeline
