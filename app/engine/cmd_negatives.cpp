// foil negatives: the plug-and-play part. Model + problems → preference file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/engine/endpoint_flags.h"
#include "app/engine/model_flags.h"
#include "app/engine/processes.h"
#include "app/terminal.h"
#include "config/options.h"
#include "data/prompt.h"
#include "data/verification.h"
#include "io/jsonl.h"
#include "pipeline/run.h"
#include "report/run_files.h"

namespace foil::app {

namespace {

struct NegativesArguments {
  ModelFlags model;
  EndpointFlags endpoint, judge;
  std::string problems, output, work, reward_model, generator, endpoint_model, judge_model, ask;
  int64_t limit = 0, samples = 8, steps = 100;
  int max_tokens = 512;
  std::string answer = "boxed";
  uint64_t seed = 1;
  std::vector<std::string> set;
};

}  // namespace

void declare_negatives(CLI::App& app) {
  auto a = std::make_shared<NegativesArguments>();
  app.description(
      "Plausible wrong answers for your model: samples the model, trains a reward model and a generator (reverse RL), samples, verifies,\n"
      "filters and pairs. The result is a preference file (prompt, chosen, rejected) that TRL's DPOTrainer and others load as it is.\n\n"
      "  foil negatives -m MODEL -p gsm8k_train -o pairs.jsonl\n"
      "  foil negatives -m MODEL -p mine.jsonl -o pairs.jsonl --answer hash --steps 50 --set generator.optimizer.lr=1e-6\n"
      "  foil negatives -m MODEL -p mine.jsonl -o pairs.jsonl --endpoint http://localhost:8000/v1     a server writes them, no generator is trained\n"
      "Without --prompt the model is asked for the form of --answer; a model that answers so of itself: --prompt '{problem}'. With a chat\n"
      "template the pairs are conversational (messages). Work is kept in OUTPUT.work; the same command goes on where it was cut.");
  a->model.declare(app);
  app.add_option("-p,--problems", a->problems, "JSON Lines file or benchmark name")->required();
  app.add_option("-o,--output", a->output, "preference file to write")->required();
  app.add_option("--limit", a->limit, "only the first so many problems; 0: all");
  app.add_option("-n,--samples", a->samples, "answers of each problem, from the model and from the generator");
  app.add_option("--steps", a->steps, "steps of reverse RL");
  app.add_option("--max-tokens", a->max_tokens, "longest answer");
  app.add_option("--answer", a->answer, "form of the final answer, asked for where --prompt is not given: boxed, hash (#### 17), tag (<answer>17</answer>) or any");
  app.add_option("--reward-model", a->reward_model, "an existing reward model");
  app.add_option("--generator", a->generator, "an existing generator");
  a->endpoint.declare(app, "--endpoint", "it writes the wrong answers; no generator is trained");
  app.add_option("--endpoint-model", a->endpoint_model, "the model's name there");
  app.add_option("--ask", a->ask, "what the endpoint is asked; {problem} is filled in (default: write a wrong answer that looks right)");
  a->judge.declare(app, "--judge-endpoint", "it judges plausibility by the rubric");
  app.add_option("--judge-endpoint-model", a->judge_model, "the judge's name there");
  app.add_option("--seed", a->seed, "every random number follows from it");
  app.add_option("--set", a->set, "any option of a recipe: section.name=value (repeatable); foil run --options lists them")->take_all();
  app.callback([a, &app] {
    pipeline::Recipe recipe;
    recipe.name = "negatives", recipe.output = a->output + ".work", recipe.seed = a->seed;
    recipe.data.source = "files", recipe.data.train = a->problems, recipe.data.eval = {a->problems}, recipe.data.train_limit = a->limit, recipe.data.eval_limit = 1;
    recipe.model = a->model.model, recipe.model.path = a->model.path;
    recipe.sft.enabled = recipe.rl.enabled = false;
    recipe.reward_model.use = a->reward_model, recipe.generator.use = a->generator;
    recipe.policy_samples.samples_per_problem = recipe.negatives.sampling.samples_per_problem = a->samples;
    recipe.policy_samples.max_tokens = recipe.negatives.sampling.max_tokens = a->max_tokens;
    recipe.generator.train.max_completion_tokens = a->max_tokens;
    recipe.generator.train.steps = a->steps;
    a->endpoint.refuse_without_url("--endpoint"), a->judge.refuse_without_url("--judge-endpoint");
    if (a->endpoint.given()) {
      recipe.negatives.sampling.from = pipeline::Answers::kEndpoint;
      recipe.negatives.sampling.endpoint = a->endpoint.settle(a->endpoint_model);
      recipe.negatives.sampling.ask = a->ask;
    } else if (!a->ask.empty()) {
      throw UsageError("--ask needs --endpoint", "", "a local generator is trained, not asked");
    }
    if (a->judge.given()) recipe.generator.judge.kind = pipeline::JudgeKind::kEndpoint, recipe.generator.judge.endpoint = a->judge.settle(a->judge_model);
    std::vector<std::string> set = a->set;  // what is set there goes over the flag
    set.insert(set.begin(), "generator.reward.format.answer=" + a->answer);
    const auto loaded = pipeline::load_model(a->model.path, a->model.model);
    a->model.settle(!loaded.tokenizer->chat_template().empty());
    recipe.prompt = a->model.prompt;
    config::apply(set, recipe);
    const auto form = config::to_json(recipe.generator.reward.format).at("answer").get<std::string>();
    const bool worded = std::any_of(named_wordings().begin(), named_wordings().end(), [&](const auto& w) { return w.name == form; });
    const bool own = app.count("--prompt") || std::any_of(set.begin(), set.end(), [](const auto& s) { return s.starts_with("prompt.text="); });
    if (worded && !own) recipe.prompt.text = form;
    const Processes processes;
    const auto folder = pipeline::run(recipe, "", {"", "negatives", "foil negatives", processes.ranks()}, [](size_t, size_t, const pipeline::Stage& stage, const std::string& state, double) {
      if (state == "running") std::fprintf(stderr, "%s: %s\n", stage.name.c_str(), stage.summary.c_str());
    });
    if (!processes.first()) return;
    auto pairs = read_jsonl<Pair>(folder / report::pairs_file("plausible"));
    if (recipe.prompt.style == pipeline::PromptStyle::kChat) {  // a trainer lays the model's template over messages; over text it would begin it twice
      const auto problems = read_jsonl<Problem>(folder / report::problems_file("train"));
      const ProblemIndex index(problems);
      const PromptMaker maker(recipe.prompt);
      for (auto& p : pairs) p.prompt_messages = maker.messages(index.at(p.problem_id).problem);
    }
    write_jsonl(a->output, pairs);
    const pipeline::Manifest manifest(folder);
    const auto& facts = manifest.find("negatives")->facts;
    std::fprintf(stderr, "%s: %ld pairs (%ld candidates, %ld left after the filters)\n", a->output.c_str(), long(facts.at("pairs")), long(facts.at("plausible_candidates")),
                 long(facts.at("plausible_kept")));
  });
}

}  // namespace foil::app
