#include "pipeline/sampling.h"

#include "base/error.h"
#include "base/random.h"
#include "data/recorded_generator.h"
#include "pipeline/endpoints.h"
#include "rollout/engine.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

std::vector<Sample> sample_in_parts(Generator& generator, const GenerateRequest& request, const ProblemIndex* verify, const fs::path& part_file, const std::string& identity) {
  auto out = RecordedGenerator(generator, part_file, identity).generate(request);
  if (verify) verify_samples(*verify, out);
  return out;
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
    return sample_in_parts(generator, stage_request(run, endpoint_prompts(prompt, s.endpoint.api, problems, tokenizer.get()), s, source), &index, part, generator.describe());
  }
  const LoadedModel model = load_model(model_path, run.recipe.model);
  rollout::LocalEngine engine(model.model, model.tokenizer, run.recipe.engine, label);
  return sample_in_parts(engine, stage_request(run, Prompter(run.recipe.prompt, *model.tokenizer)(problems), s, source), &index, part);
}

}  // namespace foil::pipeline
