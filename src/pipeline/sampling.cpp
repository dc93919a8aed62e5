#include "pipeline/sampling.h"

#include "base/error.h"
#include "base/random.h"
#include "data/recorded_generator.h"
#include "io/jsonl.h"
#include "pipeline/endpoints.h"
#include "rollout/engine.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

// Every rank's samples, in rank order. Waits for the slowest.
static std::vector<std::vector<Sample>> of_all_ranks(dist::Ranks& ranks, const std::vector<Sample>& mine, const std::string& what) {
  std::string text;
  for (const auto& s : mine) text += jsonl_line(Json(s)) + "\n";
  ranks.meet_patiently(what);
  std::vector<std::vector<Sample>> out;
  for (const std::string& theirs : ranks.gather(text, what)) {
    out.emplace_back();
    for (size_t at = 0; at < theirs.size();) {
      const size_t end = theirs.find('\n', at);
      out.back().push_back(Json::parse(theirs.begin() + ptrdiff_t(at), theirs.begin() + ptrdiff_t(end)).get<Sample>());
      at = end + 1;
    }
  }
  return out;
}

std::vector<Sample> sample_in_parts(Generator& generator, const GenerateRequest& request, const ProblemIndex* verify, const fs::path& part_file, const std::string& identity, dist::Ranks* ranks) {
  const auto sample = [&](const GenerateRequest& asked, const fs::path& file) {
    auto out = RecordedGenerator(generator, file, identity).generate(asked);
    if (asked.sampling.temperature != 1)
      for (auto& s : out) s.extra[kTemperature] = asked.sampling.temperature;  // log-probabilities mean nothing without it
    if (verify) verify_samples(*verify, out);
    return out;
  };
  if (!ranks) return sample(request, part_file);
  const auto size = size_t(ranks->size()), n = size_t(request.samples_per_prompt);
  GenerateRequest mine = request;
  mine.prompts.clear();
  for (size_t p = size_t(ranks->rank()); p < request.prompts.size(); p += size) mine.prompts.push_back(request.prompts[p]);
  std::vector<Sample> made;
  if (!mine.prompts.empty()) made = sample(mine, part_file.string() + fmt::format(".rank{}", ranks->rank()));
  auto all = of_all_ranks(*ranks, made, "samples of " + part_file.stem().string());
  std::vector<Sample> out;
  for (size_t p = 0; p < request.prompts.size(); ++p)
    for (size_t i = 0; i < n; ++i) out.push_back(std::move(all[p % size].at(p / size * n + i)));
  return out;
}

void share_samples(dist::Ranks* ranks, std::vector<Sample>& samples, const std::string& what, const std::function<void(std::vector<Sample>&)>& work) {
  if (!ranks) return work(samples);
  const auto size = size_t(ranks->size()), rank = size_t(ranks->rank());
  const auto bound = [&](size_t r) {  // the samples of a problem stay together: rewards look at the whole group
    size_t at = samples.size() * r / size;
    while (at > 0 && at < samples.size() && samples[at].problem_id == samples[at - 1].problem_id) ++at;
    return ptrdiff_t(at);
  };
  std::vector<Sample> mine(samples.begin() + bound(rank), samples.begin() + bound(rank + 1));
  if (!mine.empty()) work(mine);
  samples.clear();
  for (auto& part : of_all_ranks(*ranks, mine, what))
    for (auto& s : part) samples.push_back(std::move(s));
}

GenerateRequest stage_request(const StageRun& run, std::vector<Prompt> prompts, const SamplingSection& s, const std::string& source) {
  GenerateRequest r;
  r.prompts = std::move(prompts);
  r.samples_per_prompt = int(s.samples_per_problem);
  r.sampling.temperature = s.temperature, r.sampling.top_p = s.top_p, r.sampling.max_tokens = s.max_tokens, r.sampling.stop = s.stop;
  r.seed = mix64(run.recipe.seed, hash64(run.stage));
  r.source = source;
  return r;
}

std::vector<Problem> sampled_problems(const StageRun& run, const SamplingSection& s) {
  auto problems = run.training_problems();
  if (s.problems > 0 && int64_t(problems.size()) > s.problems) problems.resize(size_t(s.problems));
  return problems;
}

std::vector<Sample> stage_samples(StageRun& run, const SamplingSection& s, const std::vector<Problem>& problems, const fs::path& model_path, const std::string& source,
                                  const std::string& label) {
  const ProblemIndex index(problems);
  const fs::path part = run.path(fmt::format("checkpoints/{}/{}.part", run.stage, source));
  if (s.from == Answers::kEndpoint) {
    endpoint::EndpointGenerator generator(s.endpoint);
    PromptSection prompt = run.recipe.prompt;
    if (!s.ask.empty()) prompt.text = s.ask;
    std::shared_ptr<const text::Tokenizer> tokenizer;
    if (s.endpoint.api == endpoint::Api::kCompletions) tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(model_path));
    return sample_in_parts(generator, stage_request(run, endpoint_prompts(prompt, s.endpoint.api, problems, tokenizer.get()), s, source), &index, part, generator.describe(), run.ranks);
  }
  const LoadedModel model = load_model(model_path, run.recipe.model);
  rollout::LocalEngine engine(model.model, model.tokenizer, run.recipe.engine, label);
  return sample_in_parts(engine, stage_request(run, Prompter(run.recipe.prompt, *model.tokenizer)(problems), s, source), &index, part, "", run.ranks);
}

}  // namespace foil::pipeline
