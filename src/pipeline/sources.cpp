#include "pipeline/sources.h"

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "data/perturb.h"
#include "data/verification.h"
#include "pipeline/endpoints.h"
#include "pipeline/sampling.h"
#include "pipeline/stage_work.h"
#include "rollout/engine.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

namespace {

constexpr const char* kCorruptionRequest =
    "Problem:\n{problem}\n\nA correct solution:\n{solution}\n\n"
    "Rewrite the solution so that it contains one plausible mistake of the kind a careful student could make and therefore ends in a wrong final answer. "
    "Keep its style, length and the form of its final answer. Do not mention the mistake. Write the rewritten solution only.";

void count_tokens(MadeNegatives& made, size_t from = 0) {
  for (size_t i = from; i < made.samples.size(); ++i) made.tokens += int64_t(made.samples[i].token_ids.size());
}

MadeNegatives sample_model(StageRun& run, const fs::path& path, const SamplingSection& s, const std::string& source) {
  MadeNegatives made;
  made.samples = stage_samples(run, s, sampled_problems(run, s), path, source, source + " negatives");
  count_tokens(made);
  return made;
}

MadeNegatives from_generator(StageRun& run, const std::vector<Sample>&) {
  SamplingSection asked = run.recipe.negatives.sampling;
  if (asked.ask.empty()) asked.ask = wrong_answer_request(run.recipe.generator.reward.format.answer);
  return sample_model(run, run.model(asked.from == Answers::kEndpoint ? "rl" : "generator"), asked, "generator");
}

MadeNegatives from_rejection(StageRun& run, const std::vector<Sample>& own) {
  std::set<std::string> wanted;
  for (const auto& p : sampled_problems(run, run.recipe.negatives.sampling)) wanted.insert(p.id);
  MadeNegatives made;
  for (const auto& s : own)
    if (wanted.contains(s.problem_id)) made.samples.push_back(s);
  return made;
}

MadeNegatives from_temperature(StageRun& run, const std::vector<Sample>&) {
  const auto& ladder = run.recipe.negatives.sources.temperatures;
  const SamplingSection& whole = run.recipe.negatives.sampling;
  const LoadedModel model = load_model(run.model("rl"), run.recipe.model);
  const auto problems = sampled_problems(run, whole);
  const ProblemIndex index(problems);
  const auto prompts = Prompter(run.recipe.prompt, *model.tokenizer)(problems);
  rollout::LocalEngine engine(model.model, model.tokenizer, run.recipe.engine, "hot negatives");
  MadeNegatives made;
  std::map<std::string, std::vector<Sample>> by_problem;
  int64_t first = 0;
  for (size_t i = 0; i < ladder.size(); ++i) {
    const int64_t share = whole.samples_per_problem * int64_t(i + 1) / int64_t(ladder.size()) - first;
    if (share == 0) continue;
    auto request = stage_request(run, prompts, whole, "temperature");
    request.sampling.temperature = ladder[i];
    request.samples_per_prompt = int(share), request.first_sample_id = first;
    for (auto& s : sample_in_parts(engine, request, &index, run.path(fmt::format("checkpoints/{}/step{}.part", run.stage, i)), "", run.ranks)) by_problem[s.problem_id].push_back(std::move(s));
    first += share;
  }
  for (const auto& p : problems)
    for (auto& s : by_problem[p.id]) made.samples.push_back(std::move(s));
  count_tokens(made);
  return made;
}

MadeNegatives from_weaker(StageRun& run, const std::vector<Sample>&) {
  const auto& named = run.recipe.negatives.sources.weaker_model;
  SamplingSection local = run.recipe.negatives.sampling;
  local.from = Answers::kModel;
  return sample_model(run, named.empty() ? run.model("sft") : fs::path(named), local, "weaker");
}

MadeNegatives from_perturbation(StageRun& run, const std::vector<Sample>& own) {
  const SamplingSection& s = run.recipe.negatives.sampling;
  const auto problems = sampled_problems(run, s);
  const PerturbOptions options{run.recipe.negatives.sources.perturbations, s.samples_per_problem};
  MadeNegatives made;
  const auto planted = perturb_all(problems, own, options, mix64(run.recipe.seed, hash64("perturbation")));
  made.samples = planted.samples;
  run.facts["perturbations"] = planted.made;
  verify_samples(ProblemIndex(problems), made.samples);
  return made;
}

std::string corruption_request(const SourceOptions& options) {
  if (options.corruption_request.empty()) return kCorruptionRequest;
  std::string text = read_file(options.corruption_request);
  for (const char* placeholder : {"{problem}", "{solution}"})
    if (text.find(placeholder) == std::string::npos)
      throw UsageError(fmt::format("the instruction has no {}", placeholder), options.corruption_request, "{problem} and {solution} mark where they go");
  return text;
}

std::string filled(std::string text, const std::string& placeholder, const std::string& value) {
  for (size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += value.size()) text.replace(at, placeholder.size(), value);
  return text;
}

MadeNegatives from_corruption(StageRun& run, const std::vector<Sample>& own) {
  const SourceOptions& o = run.recipe.negatives.sources;
  const SamplingSection& s = run.recipe.negatives.sampling;
  const bool remote = s.from == Answers::kEndpoint;
  const LoadedModel model = remote ? LoadedModel{} : load_model(o.corruption_model.empty() ? run.model("rl") : fs::path(o.corruption_model), run.recipe.model);
  if (!remote && model.tokenizer->chat_template().empty())
    throw UsageError("corruption needs a model that follows instructions, and this one has no chat template", "negatives.sources.corruption_model",
                     "name an instruction-tuned model, or choose another source");
  const std::string request = corruption_request(o);
  std::map<std::string, std::string> right;
  for (const auto& x : own)
    if (x.correct.value_or(false)) right.emplace(x.problem_id, x.text);
  PromptSection form;
  form.style = PromptStyle::kChat;
  const auto problems = sampled_problems(run, s);
  const ProblemIndex index(problems);
  std::vector<Prompt> prompts;
  const PromptMaker told(form);
  std::optional<Prompter> prompter;
  if (!remote) prompter.emplace(form, *model.tokenizer);
  for (const auto& p : problems) {
    const auto solution = right.find(p.id);
    if (solution == right.end() && !p.solution) continue;
    const std::string text = filled(filled(request, "{solution}", solution == right.end() ? *p.solution : solution->second), "{problem}", p.problem);
    prompts.push_back({p.id, remote ? told.plain(text) : (*prompter)(text), {}});
    if (remote && s.endpoint.api == endpoint::Api::kChat) prompts.back().messages = told.messages(text);
  }
  std::unique_ptr<Generator> writer;
  if (remote)
    writer = std::make_unique<endpoint::EndpointGenerator>(s.endpoint);
  else
    writer = std::make_unique<rollout::LocalEngine>(model.model, model.tokenizer, run.recipe.engine, "corrupted negatives");
  MadeNegatives made;
  made.samples = sample_in_parts(*writer, stage_request(run, std::move(prompts), s, "corruption"), &index, run.path(fmt::format("checkpoints/{}/corruption.part", run.stage)),
                                 remote ? writer->describe() : "", run.ranks);
  count_tokens(made);
  return made;
}

}  // namespace

const std::vector<NegativeSourceInfo>& negative_sources() {
  using S = NegativeSource;
  static const std::vector<NegativeSourceInfo> table = {
      {S::kGenerator, "generator", "reverse RL", {"generator"}, from_generator},
      {S::kRejection, "rejection", "the policy's own wrong answers", {}, from_rejection},
      {S::kSelected, "selected", "the most plausible of the policy's own wrong answers", {}, from_rejection},
      {S::kTemperature, "temperature", "the policy at higher temperatures", {}, from_temperature},
      {S::kWeaker, "weaker", "a weaker model", {"sft"}, from_weaker},
      {S::kPerturbation, "perturbation", "errors planted by rule", {}, from_perturbation},
      {S::kCorruption, "corruption", "a model told to spoil right answers", {}, from_corruption},
  };
  return table;
}

const NegativeSourceInfo& info(NegativeSource source) {
  for (const auto& row : negative_sources())
    if (row.source == source) return row;
  FOIL_CHECK(false, "a source without a row");
}

MadeNegatives make_negatives(StageRun& run, NegativeSource source, const std::vector<Sample>& own) { return info(source).make(run, own); }

std::vector<fs::path> source_inputs(const Recipe& r, NegativeSource source) {
  const SourceOptions& o = r.negatives.sources;
  std::vector<fs::path> out;
  const auto add = [&](const std::string& path) {
    if (!path.empty()) out.emplace_back(path);
  };
  if (source == NegativeSource::kWeaker) add(o.weaker_model);
  if (source == NegativeSource::kCorruption) add(o.corruption_model), add(o.corruption_request);
  return out;
}

std::string source_obstacle(const Recipe& r, NegativeSource source) {
  if (source == NegativeSource::kCorruption && r.negatives.sampling.from != Answers::kEndpoint && r.negatives.sources.corruption_model.empty() && r.prompt.style == PromptStyle::kTemplate)
    return "the policy is no chat model and follows no instructions: name negatives.sources.corruption_model";
  if (source == NegativeSource::kWeaker && r.negatives.sources.weaker_model.empty() && !r.rl.enabled && r.rl.use.empty())
    return "the SFT model is the policy itself: name negatives.sources.weaker_model";
  return "";
}

}  // namespace foil::pipeline
