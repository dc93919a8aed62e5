#include "pipeline/study.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "data/family.h"
#include "data/verification.h"
#include "eval/separability.h"
#include "io/jsonl.h"
#include "objective/preference.h"
#include "pipeline/costs.h"
#include "pipeline/sources.h"
#include "pipeline/stage_work.h"
#include "pipeline/variants.h"
#include "pipeline/views.h"
#include "report/page.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

template <class E>
std::string name_of(E value) {
  for (const auto& [v, name] : enum_names(E{}))
    if (v == value) return name;
  FOIL_CHECK(false, "a value without a name");
}

// Samples, scores and pairs of one source, before the sources are cut to the same number.
void source_stage(StageRun& run, NegativeSource source) {
  const std::string name = name_of(source);
  const auto problems = run.training_problems();
  const LoadedModel policy = load_model(run.model("rl"), run.recipe.model);
  const auto own = scored_policy_samples(run, policy, problems);
  MadeNegatives made = make_negatives(run, source, own);
  const bool rejection = source == NegativeSource::kRejection;
  if (!rejection) score_candidates(run, policy, problems, made.samples);
  const auto result = pair_candidates(run, *policy.tokenizer, problems, own, made.samples, !rejection);
  require_pairs(result, name + " negatives");
  run.facts["generated_tokens"] = made.tokens, run.facts["candidates"] = result.candidates, run.facts["kept"] = result.kept, run.facts["pairs"] = result.pairs.size();
  run.facts["dropped"] = result.dropped;
  double right = 0, right_n = 0;
  const auto parts = by_reward_model(run, own);
  for (const auto& s : parts.unseen())
    if (const auto score = s.scores.find("reward_model"); s.correct.value_or(false) && score != s.scores.end()) right += score->second, ++right_n;
  if (right_n > 0) run.facts["right_score"] = right / right_n;
  for (auto& s : made.samples) s.logprobs.clear();
  run.once("pairs written", [&] {
    write_jsonl(run.path(report::samples_file(name)), made.samples);
    write_jsonl(run.path(report::pairs_file("all_" + name)), result.pairs);
  });
}

// Cuts the pairs of all sources to the same number: problems that all of them serve first, then the rest, each in its own order.
void equal_pairs_stage(StageRun& run) {
  std::vector<std::string> names;
  std::vector<std::vector<Pair>> lists;
  for (const auto source : run.recipe.study.sources) {
    names.push_back(name_of(source));
    lists.push_back(read_jsonl<Pair>(run.path(report::pairs_file("all_" + names.back()))));
  }
  size_t n = SIZE_MAX;
  std::map<std::string, size_t> served;
  for (const auto& pairs : lists) {
    n = std::min(n, pairs.size());
    std::set<std::string> ids;
    for (const auto& p : pairs) ids.insert(p.problem_id);
    for (const auto& id : ids) ++served[id];
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    std::vector<Pair> out;
    for (const bool shared : {true, false})
      for (const auto& p : lists[i])
        if (out.size() < n && (served[p.problem_id] == lists.size()) == shared) out.push_back(p);
    double score = 0, scored = 0;
    std::vector<eval::LabelledText> texts;
    for (const auto& p : out) {
      if (const auto it = p.scores.find("rejected_reward_model"); it != p.scores.end()) score += it->second, ++scored;
      texts.push_back({p.chosen, p.problem_id, true}), texts.push_back({p.rejected, p.problem_id, false});
    }
    const auto audit = eval::separability(texts);
    run.facts[names[i]] = {{"auc_words", audit.words.auc.value}, {"auc_format", audit.format.auc.value}};
    if (scored > 0) run.facts[names[i]]["reward_model"] = score / scored;
    write_jsonl(run.path(report::pairs_file(names[i])), out);
  }
  run.facts["pairs"] = n;
}

train::PreferenceTrainOptions with_loss(const Recipe& recipe, objective::PreferenceLoss loss) {
  train::PreferenceTrainOptions options = recipe.preference;
  options.objective = {};  // each loss with its own β and likelihood term
  options.objective.loss = loss;
  if (loss == objective::PreferenceLoss::kRobust) options.objective.label_smoothing = 0.1;  // without it it is DPO
  options.unpair = objective::info(loss).unpaired;
  if (options.unpair) options.loop.batch.batch_size *= 2;  // two records a pair: as many updates, of as many answers
  return options;
}

train::OnPolicyOptions with_objective(const Recipe& recipe, PolicyObjective objective) {
  train::OnPolicyOptions o = recipe.rl.train;
  o.objective.loss = objective::PolicyLoss::kReinforce;
  o.objective.clip_low.reset(), o.objective.clip_high.reset(), o.objective.aggregation.reset();
  o.updates_per_batch = o.minibatches = 1;
  o.inject.clear(), o.replay.clear(), o.right_step_factor.reset(), o.advantage.train_on = TrainOn::kBoth;  // not every objective takes them: none has them
  if (recipe.study.policy_steps > 0) o.steps = recipe.study.policy_steps;
  switch (objective) {
    case PolicyObjective::kGrpo: o.objective.loss = objective::PolicyLoss::kGrpo, o.advantage.rule = AdvantageRule::kGroup; break;
    case PolicyObjective::kPpoClip:  // with its critic; two passes, so that there is something to clip
      o.objective.loss = objective::PolicyLoss::kPpo, o.advantage.rule = AdvantageRule::kGroup, o.updates_per_batch = 2, o.minibatches = 2;
      break;
    case PolicyObjective::kPsr: o.advantage.rule = AdvantageRule::kPositive; break;
    case PolicyObjective::kNsr: o.advantage.rule = AdvantageRule::kNegative; break;
    case PolicyObjective::kWReinforce: o.advantage.rule = AdvantageRule::kWeighted; break;
    case PolicyObjective::kRloo: o.advantage.rule = AdvantageRule::kLeaveOneOut; break;
    case PolicyObjective::kReinforcePp: o.advantage.rule = AdvantageRule::kBatch; break;
    case PolicyObjective::kDrGrpo: o.objective.loss = objective::PolicyLoss::kDrGrpo, o.advantage.rule = AdvantageRule::kGroupMean; break;
    case PolicyObjective::kDapo: o.objective.loss = objective::PolicyLoss::kDapo, o.advantage.rule = AdvantageRule::kGroup; break;
    case PolicyObjective::kBnpo: o.objective.loss = objective::PolicyLoss::kBnpo, o.advantage.rule = AdvantageRule::kGroup; break;
    case PolicyObjective::kGspo: o.objective.loss = objective::PolicyLoss::kGspo, o.advantage.rule = AdvantageRule::kGroup; break;
    case PolicyObjective::kCispo: o.objective.loss = objective::PolicyLoss::kCispo, o.advantage.rule = AdvantageRule::kGroup; break;
  }
  return o;
}

EvalSection pass_section(const Recipe& r) {
  EvalSection e = r.eval;
  e.samples_per_problem = r.study.pass_samples, e.runs = 1;
  if (e.temperature == 0) e.temperature = 1;
  return e;
}

std::vector<std::string> goals_of(const Recipe& r) {
  std::vector<std::string> out;
  if (!r.study.sources.empty() || !r.study.losses.empty() || !r.study.variants.empty()) out.push_back("eval_rl");
  for (const auto s : r.study.sources) out.push_back("eval_from_" + name_of(s));
  for (const auto l : r.study.losses) out.push_back("eval_loss_" + name_of(l));
  for (const auto& v : r.study.variants) out.push_back("variant_" + v.name);
  if (!r.study.policies.empty()) out.push_back("eval_pass_sft");
  for (const auto p : r.study.policies) out.push_back("eval_pass_" + name_of(p));
  return out;
}

// Tokens that the stage `name` sampled while it trained, from its metrics.
double rollout_tokens(const std::vector<Metric>& metrics, const std::string& name) {
  std::map<int64_t, std::pair<double, double>> steps;  // a resumed run may have logged a step twice
  for (const auto& m : metrics)
    if (m.stage == name) {
      if (m.name == "rollout_tokens_per_s") steps[m.step].first = m.value;
      if (m.name == "rollout_s") steps[m.step].second = m.value;
    }
  double sum = 0;
  for (const auto& [step, x] : steps) sum += x.first * x.second;
  return std::round(sum);
}

// Means of a figure over the first and the last five steps of a stage.
std::optional<std::pair<double, double>> first_and_last(const std::vector<Metric>& metrics, const std::string& stage, const std::string& name) {
  std::map<int64_t, double> steps;
  for (const auto& m : metrics)
    if (m.stage == stage && m.name == name) steps[m.step] = m.value;
  if (steps.empty()) return std::nullopt;
  const size_t n = std::min<size_t>(5, steps.size());
  const auto mean = [&](auto from) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i, ++from) sum += from->second;
    return sum / double(n);
  };
  return std::pair(mean(steps.begin()), mean(steps.rbegin()));
}

}  // namespace

const char* to_string(StudyKind kind) { return kind == StudyKind::kNegatives ? "negatives" : kind == StudyKind::kVariants ? "variants" : "objectives"; }

// Variants that take the seed's generator, or what it wrote.
static bool variants_share(const Recipe& r, bool samples) {
  return std::any_of(r.study.variants.begin(), r.study.variants.end(), [&](const Variant& v) {
    const VariantWork work = work_of(r, v);
    return samples ? !work.negatives : !work.generator && work.from_generator;
  });
}

bool study_needs_generator(const Recipe& r) {
  const auto& s = r.study;
  return std::find(s.sources.begin(), s.sources.end(), NegativeSource::kGenerator) != s.sources.end() || (!s.losses.empty() && s.loss_source == NegativeSource::kGenerator) || variants_share(r, false);
}

void study_stages(const Recipe& r, std::vector<Stage>& out, std::vector<std::string>& evaluated) {
  using report::model_folder, report::pairs_file, report::samples_file;
  const Json prompt = options_json(r.prompt), model = options_json(r.model);
  std::set<NegativeSource> made(r.study.sources.begin(), r.study.sources.end());
  if (!r.study.losses.empty()) made.insert(r.study.loss_source);
  if (variants_share(r, true)) made.insert(NegativeSource::kGenerator);
  for (const auto source : made) {
    const std::string name = name_of(source);
    Stage stage{"negatives_" + name, "negatives: " + std::string(info(source).summary), info(source).needs, {samples_file(name), pairs_file("all_" + name)}, "",
                {options_json(r.negatives.sources), options_json(r.negatives.sampling), options_json(r.negatives.pairs), options_json(r.generator.reward), prompt}, {},
                [source](StageRun& run) { source_stage(run, source); }};
    stage.needs.push_back("policy_samples"), stage.needs.push_back("reward_model");
    stage.inputs = source_inputs(r, source);
    out.push_back(stage);
  }
  auto evaluate = [&](const std::string& policy, const std::string& need, const std::string& stands, const EvalSection& section, int64_t problems) {
    out.push_back({"eval_" + policy, "evaluating " + policy, {need, "data"}, {evaluation_file(policy, problems)}, "", {options_json(section), problems, prompt}, {},
                   [=](StageRun& run) { evaluate_stage(run, policy, run.model(stands), section, problems); }});
    evaluated.push_back("eval_" + policy);
  };
  if (!r.study.sources.empty()) {
    Stage equal{"equal_pairs", "as many pairs of every source", {}, {}, "", options_json(r.study)["sources"], {}, equal_pairs_stage};
    for (const auto source : r.study.sources) equal.needs.push_back("negatives_" + name_of(source)), equal.outputs.push_back(pairs_file(name_of(source)));
    out.push_back(equal);
  }
  for (const auto source : r.study.sources) {
    const std::string name = name_of(source), to = "from_" + name;
    out.push_back({"train_" + to, "preference training on " + name + " negatives", {"equal_pairs"}, {model_folder(to)}, "", {preference_json(r, r.preference), model}, {},
                   [=](StageRun& run) { preference_stage(run, pairs_file(name), to, run.recipe.preference, "study"); }});
    evaluate(to, "train_" + to, to, r.eval, 0);
  }
  for (const auto loss : r.study.losses) {
    const std::string to = "loss_" + name_of(loss), pairs = pairs_file("all_" + name_of(r.study.loss_source));
    const auto options = with_loss(r, loss);
    out.push_back({"train_" + to, "preference training with the loss " + name_of(loss), {"negatives_" + name_of(r.study.loss_source)}, {model_folder(to)}, "", {preference_json(r, options), model}, {},
                   [=](StageRun& run) { preference_stage(run, pairs, to, options, "study"); }});
    evaluate(to, "train_" + to, to, r.eval, 0);
  }
  variant_stages(r, out, evaluated);
  if (r.study.policies.empty()) return;
  evaluate("pass_sft", "sft", "sft", pass_section(r), r.study.pass_problems);
  for (const auto policy : r.study.policies) {
    const std::string to = "policy_" + name_of(policy);
    const auto options = with_objective(r, policy);
    out.push_back({"train_" + to, "RL with the objective " + name_of(policy), {"sft"}, {model_folder(to)}, "", {options_json(options), options_json(r.rl.reward), prompt, model}, {},
                   [=](StageRun& run) {
                     on_policy_stage(run, "sft", to, options, std::make_shared<Composite>(run.recipe.rl.reward, nullptr, ScoreScale{}, nullptr, options.max_completion_tokens),
                                     "study");
                   }});
    evaluate("pass_" + name_of(policy), "train_" + to, to, pass_section(r), r.study.pass_problems);
  }
}

void complete_study(Recipe& r, StudyKind kind, std::vector<std::string>& notes) {
  StudySection& s = r.study;
  if (!r.rl.enabled) throw UsageError("a study needs an RL policy, and rl.enabled is false", "rl", "name a model as rl.use: it takes the RL policy's place");
  if (kind == StudyKind::kNegatives) {
    s.losses.clear(), s.policies.clear(), s.variants.clear();
    if (s.sources.empty()) {
      for (const auto& row : negative_sources()) {
        const std::string obstacle = source_obstacle(r, row.source);
        if (obstacle.empty())
          s.sources.push_back(row.source);
        else
          notes.push_back(fmt::format("Left out: {} ({}).", row.name, obstacle));
      }
    }
    for (const auto source : s.sources)
      if (const std::string obstacle = source_obstacle(r, source); !obstacle.empty()) throw UsageError(fmt::format("the source {} cannot be had: {}", name_of(source), obstacle), "study.sources");
    return;
  }
  s.sources.clear();
  if (kind == StudyKind::kVariants) {
    s.losses.clear(), s.policies.clear();
    if (s.variants.empty()) s.variants = usual_variants(r);
    for (const auto& v : s.variants) {
      check_variant(r, v);
      if (!v.set.empty()) notes.push_back(fmt::format("{}: {}.", v.name, fmt::join(v.set, ", ")));
    }
    return;
  }
  s.variants.clear();
  const auto obstacle = [&](const objective::PreferenceLossInfo& row) -> std::string {
    if (row.needs_steps) return "it learns from pairs of single steps, these are whole answers";
    if (row.min_negatives > r.negatives.pairs.negatives_per_pair)
      return fmt::format("it compares {} negatives, negatives.pairs.negatives_per_pair is {}", row.min_negatives, r.negatives.pairs.negatives_per_pair);
    return "";
  };
  if (s.losses.empty() && s.policies.empty()) {
    for (const auto& row : objective::preference_losses()) {
      if (const std::string why = obstacle(row); why.empty())
        s.losses.push_back(row.loss);
      else
        notes.push_back(fmt::format("Left out: the loss {} ({}).", row.name, why));
    }
    for (const auto& [policy, name] : enum_names(PolicyObjective{})) s.policies.push_back(policy);
  }
  for (const auto loss : s.losses)
    if (const std::string why = obstacle(objective::info(loss)); !why.empty()) throw UsageError(fmt::format("the loss {} cannot be compared: {}", name_of(loss), why), "study.losses");
  if (!s.losses.empty())
    if (const std::string why = source_obstacle(r, s.loss_source); !why.empty()) throw UsageError(fmt::format("the source {} cannot be had: {}", name_of(s.loss_source), why), "study.loss_source");
}

fs::path study_folder(const Recipe& base) { return fs::path(base.output) / "study"; }

Recipe seed_recipe(const Recipe& base, StudyKind kind, int64_t seed) {
  const fs::path from = base.output;
  const Manifest manifest(from);
  const StageRun place{base, manifest, from, ""};
  Recipe r = base;
  r.name = fmt::format("{}, study of {}, seed {}", base.name, to_string(kind), seed);
  r.output = (study_folder(base) / fmt::format("seed-{}", seed)).string();
  r.seed = mix64(base.seed, uint64_t(seed));
  r.data.source = "files";
  r.data.train = (from / report::problems_file("train")).string();
  r.data.eval.clear();
  for (const auto& split : place.splits()) r.data.eval.push_back((from / report::problems_file(split)).string());
  r.data.train_limit = r.data.eval_limit = 0;
  r.model.path = place.model("start").string();
  if (base.sft.enabled) r.sft.use = place.model("sft").string();
  if (base.rl.enabled) r.rl.use = place.model("rl").string();
  r.eval.start_model = false;
  r.goals = goals_of(r);
  return r;
}

eval::StudyTable study_table(const Recipe& base, const StudyOptions& options, const std::vector<std::string>& notes) {
  eval::StudyTable table;
  table.kind = to_string(options.kind), table.command = options.command, table.seeds_planned = options.seeds, table.notes = notes;
  table.title = options.kind == StudyKind::kNegatives ? "Sources of negatives" : options.kind == StudyKind::kVariants ? "Variants" : "Objectives";
  std::vector<eval::StudyArm> arms, passes;
  const bool pairs = !base.study.sources.empty() || !base.study.losses.empty() || !base.study.variants.empty();
  if (pairs) arms.push_back({"rl", "RL policy"});
  for (const auto s : base.study.sources) arms.push_back({"from_" + name_of(s), name_of(s)});
  if (options.kind == StudyKind::kObjectives && !base.study.losses.empty()) arms.push_back({"from_rejection", "rejection-sampled negatives"});  // where the study of negatives was made
  for (const auto l : base.study.losses) arms.push_back({"loss_" + name_of(l), name_of(l)});
  for (const auto& v : base.study.variants) arms.push_back({"variant_" + v.name, v.name});
  if (!base.study.policies.empty()) passes.push_back({"pass_sft", "SFT"});
  for (const auto p : base.study.policies) passes.push_back({"pass_" + name_of(p), name_of(p)});
  for (int64_t seed = 1; seed <= options.seeds; ++seed) {
    const fs::path folder = study_folder(base) / fmt::format("seed-{}", seed);
    if (!fs::exists(folder / report::kManifestFile)) continue;
    const Manifest manifest(folder);
    const auto fact = [&](const std::string& stage, const std::string& key) -> const Json* {
      const auto* record = manifest.find(stage);
      return record && record->status == "done" && record->facts.contains(key) ? &record->facts[key] : nullptr;
    };
    std::vector<Metric> metrics;
    try {  // another process may be writing the log of its seed at this moment
      if (fs::exists(folder / report::kMetricsFile)) metrics = read_jsonl<Metric>(folder / report::kMetricsFile);
    } catch (const Error&) {
      metrics.clear();
    }
    for (auto* list : {&arms, &passes})
      for (auto& arm : *list) {
        const auto* record = manifest.find(arm.name.starts_with("variant_") ? arm.name : "eval_" + arm.name);
        if (!record || record->status != "done") continue;
        arm.evals[seed] = Json::parse(read_file(folder / evaluation_file(arm.name, arm.name.starts_with("pass_") ? base.study.pass_problems : 0))).get<eval::EvalResult>();
        auto& figures = arm.figures[seed];
        if (arm.name.starts_with("from_")) {
          const std::string source = arm.name.substr(5);
          if (const Json* n = fact("equal_pairs", "pairs")) figures["pairs"] = n->get<double>();
          if (const Json* n = fact("negatives_" + source, "pairs")) figures["pairs available"] = n->get<double>();
          if (const Json* x = fact("equal_pairs", source)) {
            figures["AUC words"] = x->at("auc_words"), figures["AUC format"] = x->at("auc_format");
            if (const Json* right = fact("negatives_" + source, "right_score"); right && x->contains("reward_model")) figures["score gap"] = right->get<double>() - x->at("reward_model").get<double>();
          }
          double tokens = 0;
          if (const Json* n = fact("negatives_" + source, "generated_tokens")) tokens += n->get<double>();
          if (source == "generator") tokens += rollout_tokens(metrics, "generator");
          figures["tokens generated"] = tokens;
        }
        if (arm.name.starts_with("loss_"))
          for (const char* name : {"delta/chosen", "delta/rejected"})
            if (const Json* x = fact("train_" + arm.name, name)) figures[name] = x->get<double>();
        if (arm.name.starts_with("variant_")) {
          for (const auto& [key, label] : {std::pair{"pairs", "pairs"}, {"auc_words", "AUC words"}, {"auc_format", "AUC format"}, {"score_gap", "score gap"}, {"delta/chosen", "delta/chosen"}, {"delta/rejected", "delta/rejected"}})
            if (const Json* x = fact(arm.name, key)) figures[label] = x->get<double>();
        }
        if (arm.name.starts_with("pass_") && arm.name != "pass_sft") {
          const std::string stage = "train_policy_" + arm.name.substr(5);
          figures["tokens generated"] = rollout_tokens(metrics, stage);
          if (const auto entropy = first_and_last(metrics, stage, "entropy")) figures["entropy, first 5 steps"] = entropy->first, figures["entropy, last 5 steps"] = entropy->second;
        }
      }
  }
  table.baselines = pairs ? std::vector<std::string>{"rl"} : std::vector<std::string>{"pass_sft"};
  const bool rejection = std::any_of(arms.begin(), arms.end(), [](const auto& arm) { return arm.name == "from_rejection" && !arm.evals.empty(); });
  if (options.kind == StudyKind::kNegatives || rejection) table.baselines.push_back("from_rejection");
  if (options.kind == StudyKind::kVariants && !base.study.variants.empty()) table.baselines.push_back("variant_" + base.study.variants.front().name);
  const eval::BootstrapOptions bootstrap{.resamples = 2000, .seed = base.seed};
  table.rows = eval::study_rows(arms, table.baselines, bootstrap);
  if (!passes.empty()) {
    auto more = eval::study_rows(passes, {"pass_sft"}, bootstrap);
    for (auto& row : more) table.rows.push_back(std::move(row));
    if (pairs) table.baselines.push_back("pass_sft");
  }
  for (const auto* list : {&arms, &passes})
    for (const auto& arm : *list)
      if (!arm.evals.empty() && table.splits.empty())
        for (const auto& split : arm.evals.begin()->second.splits) table.splits.push_back(split.split);
  return table;
}

eval::StudyTable run_study(Recipe base, const fs::path& recipe_path, const StudyOptions& options,
                           const std::function<void(int64_t, size_t, size_t, const Stage&, const std::string&, double)>& announce) {
  std::vector<std::string> notes;
  complete_study(base, options.kind, notes);
  Recipe own = base;
  own.study = {};
  if (own.goals.empty()) own.goals = {base.rl.enabled ? "rl" : base.sft.enabled ? "sft" : "model", "data"};
  if (std::find(own.goals.begin(), own.goals.end(), "sft") == own.goals.end() && base.sft.enabled) own.goals.push_back("sft");
  run(own, recipe_path, {.command = options.command, .wait = true}, [&](size_t i, size_t n, const Stage& stage, const std::string& state, double s) { announce(0, i, n, stage, state, s); });
  eval::StudyTable table;
  for (int64_t seed = 1; seed <= options.seeds; ++seed) {
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), seed) == options.only.end()) continue;
    run(seed_recipe(base, options.kind, seed), recipe_path, {.command = options.command},
        [&](size_t i, size_t n, const Stage& stage, const std::string& state, double s) { announce(seed, i, n, stage, state, s); });
    table = study_table(base, options, notes);
    const fs::path to = fs::path(base.output) / "study";
    write_file(to / fmt::format("{}.json", to_string(options.kind)), Json(table).dump(1) + "\n");
    write_file(to / fmt::format("{}.md", to_string(options.kind)), eval::study_markdown(table));
    report::write_report(base.output);
  }
  return table;
}

std::string study_plan(Recipe base, const StudyOptions& options) {
  std::vector<std::string> notes;
  complete_study(base, options.kind, notes);
  const fs::path data = fs::path(base.output) / report::problems_file("train");
  std::string out = fmt::format("study of {}: {} seeds of {}, in {}\n", to_string(options.kind), options.seeds, base.name, study_folder(base).string());
  if (!fs::exists(data)) out += "first the recipe's own run up to the RL policy (foil run RECIPE --dry-run shows it)\n";
  Recipe shape = base;
  shape.goals = goals_of(base);
  auto own = [](const Stage& stage) { return stage.skip.empty() && stage.name != "model" && stage.name != "sft" && stage.name != "rl" && stage.name != "report"; };
  const Costs costs(base);
  const auto each = stages(shape);
  double done_seconds = 0, left_seconds = 0;
  int64_t done = 0;
  for (int64_t seed = 1; seed <= options.seeds; ++seed) {
    const Manifest manifest(study_folder(base) / fmt::format("seed-{}", seed));
    double spent = 0, left = 0;
    bool all = !manifest.empty();
    if (all) {
      const Recipe its = seed_recipe(base, options.kind, seed);
      std::map<std::string, std::string> keys;
      for (const auto& stage : stages(its)) {
        keys[stage.name] = stage_key(its, stage, keys);
        if (!own(stage)) continue;
        const bool stands = manifest.done(stage.name, keys[stage.name]);
        if (stands)
          spent += manifest.find(stage.name)->seconds;
        else
          left += costs.of(stage.name).seconds, all = false;
      }
    } else {
      for (const auto& stage : each)
        if (own(stage)) left += costs.of(stage.name).seconds;
    }
    if (all)
      ++done, done_seconds += spent;
    else
      left_seconds += left;
    out += fmt::format("  seed {}: {}\n", seed, all ? "done in " + time_text(spent) : spent > 0 ? fmt::format("begun, {} so far", time_text(spent)) : std::string("to do"));
  }
  if (done > 0 && done < options.seeds) left_seconds = done_seconds / double(done) * double(options.seeds - done);
  if (done < options.seeds) out += fmt::format("to go: about {} ({})\n", time_text(left_seconds), done > 0 ? "by the seeds that are done" : costs.machine());
  out += "each seed:\n";
  for (const auto& stage : each)
    if (own(stage)) {
      const Work w = costs.of(stage.name);
      out += fmt::format("  {:<28} {:>8}  {}\n", stage.name, w.seconds < 0.5 ? "-" : time_text(w.seconds), stage.summary);
    }
  for (const auto& note : notes) out += note + "\n";
  return out;
}

}  // namespace foil::pipeline
