// foil eval: benchmarks.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/engine/endpoint_flags.h"
#include "app/engine/model_flags.h"
#include "app/engine/processes.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "eval/compare.h"
#include "eval/result.h"
#include "io/jsonl.h"
#include "pipeline/endpoints.h"
#include "pipeline/sampling.h"
#include "pipeline/workbench.h"
#include "report/headline.h"
#include "rollout/engine.h"

namespace foil::app {

namespace {

struct EvalArguments {
  ModelFlags model;
  EndpointFlags endpoint;
  std::vector<std::string> benchmarks;
  std::string output, against, name;
  int64_t limit = 0;
  int samples = 1, runs = 1;
  uint64_t seed = 0;
  SamplingParams sampling{.temperature = 0};
  rollout::EngineOptions engine;
  bool json = false;
};

}  // namespace

void declare_eval(CLI::App& app) {
  auto a = std::make_shared<EvalArguments>();
  app.description(
      "Evaluates a model: pass@k, avg@k, maj@k with intervals over problems; differences and negative flips against another result.\n\n"
      "  foil eval -m MODEL -b gsm8k math500 -o evals/mine                      greedy\n"
      "  foil eval --endpoint http://localhost:8000/v1 -m NAME -b gsm8k -o evals/served\n"
      "  foil eval -m MODEL -b math500 --prompt boxed -o evals/mine             asked for \\boxed{}\n"
      "  foil eval -m BASE -b gsm8k --examples gsm8k_train --shots 4 --prompt question_answer --stop 'Question:' -o evals/base\n"
      "  foil eval -m MODEL -b aime24 -o evals/mine --temperature 1 --samples 16 --runs 3\n"
      "  foil eval -m NEW -b gsm8k -o evals/new --against evals/mine/result.json  with paired differences");
  a->model.declare(app, true, true);
  a->endpoint.declare(app, "--endpoint", "it answers in place of a local model");
  app.add_option("-b,--benchmarks", a->benchmarks, "benchmark names or problem files")->required();
  app.add_option("-o,--output", a->output, "folder for result.json and every sample")->required();
  app.add_option("--name", a->name, "name of the policy in the result (default: that of the model's folder or file; with --endpoint, the model's name there)");
  app.add_option("--against", a->against, "result.json of an earlier policy");
  app.add_option("--limit", a->limit, "only the first so many problems of each; 0: all");
  app.add_option("-n,--samples", a->samples, "answers of each problem in one run");
  app.add_option("--runs", a->runs, "evaluation runs, for the spread");
  app.add_option("--temperature", a->sampling.temperature, "0: greedy");
  app.add_option("--top-p", a->sampling.top_p, "1: off");
  app.add_option("--max-tokens", a->sampling.max_tokens, "longest answer");
  app.add_option("--stop", a->sampling.stop, "text that ends an answer (repeatable)");
  app.add_option("--seed", a->seed, "every random number follows from it");
  app.add_flag("--json", a->json, "the result as JSON on standard output");
  const auto engine = std::make_shared<OptionFlags>();
  engine->add(app, a->engine);
  app.callback([a, engine] {
    engine->read(a->engine);
    if (a->samples < 1 || a->runs < 1) throw UsageError(fmt::format("--samples is {}, --runs is {}", a->samples, a->runs), "", "both are at least 1");
    a->model.require(a->endpoint.given());
    a->endpoint.refuse_without_url("--endpoint");
    if (a->sampling.temperature == 0 && (a->samples > 1 || a->runs > 1))
      throw UsageError("several samples at temperature 0 are all the same", "foil eval", "set --temperature, or leave out --samples and --runs");
    std::vector<std::vector<Problem>> problems;
    for (const auto& b : a->benchmarks) problems.push_back(load_problems({.source = b, .limit = a->limit, .strip_annotations = false}));
    std::optional<eval::EvalResult> before;
    if (!a->against.empty()) before = nlohmann::json::parse(read_file(a->against)).get<eval::EvalResult>();
    pipeline::LoadedModel loaded;
    std::unique_ptr<endpoint::EndpointGenerator> remote;
    eval::EvalResult result;
    if (a->endpoint.given()) {
      const auto& options = a->endpoint.settle(a->model.path);
      a->model.settle(options.api == endpoint::Api::kChat);
      remote = std::make_unique<endpoint::EndpointGenerator>(options);
      result.model = remote->client().model() + " at " + options.endpoint.url;
      result.policy = remote->client().model();
    } else {
      loaded = pipeline::load_model(a->model.path, a->model.model);
      a->model.settle(!loaded.tokenizer->chat_template().empty());
      result.model = a->model.path;
      result.policy = a->model.name();
    }
    if (!a->name.empty()) result.policy = a->name;
    result.sampling = {{"temperature", a->sampling.temperature}, {"top_p", a->sampling.top_p}, {"max_tokens", a->sampling.max_tokens}, {"prompt", a->model.prompt.text}};
    if (a->model.prompt.shots > 0) result.sampling["shots"] = a->model.prompt.shots;
    eval::EvalOptions options;
    options.runs = a->runs, options.greedy = a->sampling.temperature == 0;
    const std::filesystem::path folder = a->output;
    const Processes processes;
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < problems.size(); ++i) {
      const std::string split = std::filesystem::path(a->benchmarks[i]).stem().string();
      const ProblemIndex index(problems[i]);
      std::unique_ptr<rollout::LocalEngine> local;
      if (!remote) local = std::make_unique<rollout::LocalEngine>(loaded.model, loaded.tokenizer, a->engine, split);
      GenerateRequest request;
      request.prompts = remote ? pipeline::endpoint_prompts(a->model.prompt, a->endpoint.options.api, problems[i], nullptr)
                               : pipeline::Prompter(a->model.prompt, *loaded.tokenizer)(problems[i]);
      request.samples_per_prompt = a->samples * a->runs, request.sampling = a->sampling, request.seed = a->seed, request.source = result.policy;
      const auto part = folder / (split + ".part");
      Generator& generator = remote ? static_cast<Generator&>(*remote) : *local;
      const auto samples = pipeline::sample_in_parts(generator, request, &index, part, result.model, processes.ranks());
      if (processes.first()) write_jsonl(folder / (split + ".jsonl"), samples);
      std::filesystem::remove(processes.own(part.string()));
      result.splits.push_back(eval::evaluate(split, problems[i], samples, options));
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!processes.first()) return;
    eval::finish(result, options.bootstrap);
    write_file(folder / "result.json", nlohmann::json(result).dump(1) + "\n");
    std::vector<eval::EvalResult> table;
    if (before) table.push_back(*before);
    table.push_back(result);
    if (a->json)
      std::printf("%s\n", nlohmann::json(result).dump(2).c_str());
    else
      std::printf("%s\n", report::headline_text(report::headline(table, before ? before->policy : ""), 140, stdout_is_terminal() && !std::getenv("NO_COLOR")).c_str());
    std::fprintf(stderr, "every sample and result.json: %s\n", folder.string().c_str());
  });
}

}  // namespace foil::app
