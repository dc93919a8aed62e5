// foil generate: samples of a model for a problem file.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/engine/endpoint_flags.h"
#include "app/engine/model_flags.h"
#include "app/engine/processes.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "io/jsonl.h"
#include "pipeline/endpoints.h"
#include "pipeline/sampling.h"
#include "pipeline/workbench.h"
#include "rollout/engine.h"

namespace foil::app {

namespace {

struct GenerateArguments {
  ModelFlags model;
  EndpointFlags endpoint;
  std::string problems, output, source = "policy";
  int64_t limit = 0;
  int samples = 1;
  uint64_t seed = 0;
  SamplingParams sampling;
  rollout::EngineOptions engine;
};

}  // namespace

void declare_generate(CLI::App& app) {
  auto a = std::make_shared<GenerateArguments>();
  app.description(
      "Samples answers of a model: problems in, samples (verified, with log-probabilities) out, one JSON line each.\n\n"
      "  foil generate -m MODEL -p gsm8k -o samples.jsonl --samples 8\n"
      "  foil generate --endpoint http://localhost:8000/v1 -m NAME -p gsm8k -o samples.jsonl\n"
      "A run that was cut goes on where it was.");
  a->model.declare(app, true, true);
  a->endpoint.declare(app, "--endpoint", "it answers in place of a local model");
  app.add_option("-p,--problems", a->problems, "JSON Lines file or benchmark name")->required();
  app.add_option("-o,--output", a->output, "sample file to write")->required();
  app.add_option("-n,--samples", a->samples, "answers of each problem");
  app.add_option("--limit", a->limit, "only the first so many problems; 0: all");
  app.add_option("--temperature", a->sampling.temperature, "0: greedy");
  app.add_option("--top-p", a->sampling.top_p, "1: off");
  app.add_option("--top-k", a->sampling.top_k, "0: off");
  app.add_option("--min-p", a->sampling.min_p, "0: off");
  app.add_option("--max-tokens", a->sampling.max_tokens, "longest answer");
  app.add_option("--stop", a->sampling.stop, "text that ends an answer (repeatable)");
  app.add_option("--seed", a->seed, "every random number follows from it");
  app.add_option("--source", a->source, "label of the samples");
  const auto engine = std::make_shared<OptionFlags>();
  engine->add(app, a->engine);
  app.callback([a, engine] {
    engine->read(a->engine);
    if (a->samples < 1) throw UsageError(fmt::format("--samples is {}", a->samples), "", "at least one answer of each problem");
    a->model.require(a->endpoint.given());
    a->endpoint.refuse_without_url("--endpoint");
    const auto problems = load_problems({.source = a->problems, .limit = a->limit, .strip_annotations = false});
    const ProblemIndex index(problems);
    std::unique_ptr<Generator> generator;
    GenerateRequest request;
    if (a->endpoint.given()) {
      const auto& options = a->endpoint.settle(a->model.path);
      a->model.settle(options.api == endpoint::Api::kChat);
      generator = std::make_unique<endpoint::EndpointGenerator>(options);
      request.prompts = pipeline::endpoint_prompts(a->model.prompt, options.api, problems, nullptr);
    } else {
      const auto loaded = pipeline::load_model(a->model.path, a->model.model);
      a->model.settle(!loaded.tokenizer->chat_template().empty());
      generator = std::make_unique<rollout::LocalEngine>(loaded.model, loaded.tokenizer, a->engine, "generate");
      request.prompts = pipeline::Prompter(a->model.prompt, *loaded.tokenizer)(problems);
    }
    request.samples_per_prompt = a->samples, request.sampling = a->sampling, request.seed = a->seed, request.source = a->source;
    const std::string part = a->output + ".part";
    const Processes processes;
    const auto samples = pipeline::sample_in_parts(*generator, request, &index, part, a->model.path, processes.ranks());
    if (processes.first()) write_jsonl(a->output, samples);
    std::filesystem::remove(processes.own(part));
    if (!processes.first()) return;
    size_t right = 0, unreadable = 0;
    for (const auto& s : samples) right += s.correct.value_or(false), unreadable += !s.correct;
    std::fprintf(stderr, "%zu samples in %s: %.1f %% right, %.1f %% without a readable answer\n", samples.size(), a->output.c_str(), 100.0 * double(right) / double(samples.size()),
                 100.0 * double(unreadable) / double(samples.size()));
  });
}

}  // namespace foil::app
