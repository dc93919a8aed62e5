#include "pipeline/views.h"

#include "base/error.h"
#include "base/random.h"
#include "data/verification.h"
#include "eval/separability.h"
#include "io/jsonl.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

ViewCounts add_views(std::vector<Pair>& pairs, const std::vector<Problem>& problems, const Recipe& recipe, const text::Tokenizer& tokenizer) {
  const ViewsSection& s = recipe.views;
  const ProblemIndex index(problems);
  std::vector<eval::LabelledText> texts;
  for (const auto& p : pairs) texts.push_back({p.chosen, p.problem_id, true}), texts.push_back({p.rejected, p.problem_id, false});
  const auto bias = eval::pair_bias(texts);
  ViewCounts out;
  const Prompter prompter(recipe.prompt, tokenizer);
  for (size_t i = 0; i < pairs.size(); ++i) {
    Pair& p = pairs[i];
    p.extra["bias"] = bias[i], p.extra["biased"] = bias[i] >= s.biased_from;
    out.biased += bias[i] >= s.biased_from;
    const Problem* problem = index.find(p.problem_id);
    if (!problem) continue;
    Stream stream(mix64(recipe.seed, hash64("views")), p.problem_id + "\n" + p.rejected);
    const auto view = positive_view(*problem, p.chosen, p.rejected, s.options, stream);
    if (!view) continue;
    ++out.views, out.biased_with_view += bias[i] >= s.biased_from;
    p.extra["view"] = {{"prompt", prompter(view->problem)}, {"completion", view->solution}, {"changes", view->changes}};
  }
  if (out.views == 0) throw Error("no pair has a view of its right answer", "views", "raise views.max_length_ratio; other numbers need worked arithmetic (a + b = c) in the solutions");
  return out;
}

namespace {

bool own_pairs(const std::string& name) { return name == "plausible" || name == "rejection"; }

void views(StageRun& run) {
  const ViewsSection& s = run.recipe.views;
  auto pairs = read_jsonl<Pair>(own_pairs(s.pairs) ? run.path(report::pairs_file(s.pairs)) : fs::path(s.pairs));
  const auto counts = add_views(pairs, run.training_problems(), run.recipe, text::Tokenizer::load(run.model("rl")));
  run.facts["pairs"] = pairs.size(), run.facts["biased"] = counts.biased, run.facts["views"] = counts.views, run.facts["biased_with_view"] = counts.biased_with_view;
  write_jsonl(run.path(report::pairs_file("views")), pairs);
}

}  // namespace

nlohmann::json preference_json(const Recipe& r, const train::PreferenceTrainOptions& options) {
  nlohmann::json out = {options_json(options), options_json(r.preference_data)};
  if (options.contrastive.coefficient != 0) out.push_back(options_json(r.views)), out.push_back(options_json(r.prompt));
  return out;
}

void view_stages(const Recipe& r, std::vector<Stage>& out) {
  if (!r.views.enabled) return;
  Stage stage{"views", "right answers without surface cues; biased pairs", {"rl", own_pairs(r.views.pairs) ? "negatives" : "data"}, {report::pairs_file("views")}, "",
              {options_json(r.views), options_json(r.prompt)}, {}, views};
  if (!own_pairs(r.views.pairs)) stage.inputs.push_back(r.views.pairs);
  out.push_back(stage);
}

}  // namespace foil::pipeline
