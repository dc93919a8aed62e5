#include "pipeline/offline.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/segmentation.h"
#include "data/verification.h"
#include "data/worked_steps.h"
#include "io/jsonl.h"
#include "pipeline/sampling.h"

namespace foil::pipeline {

std::map<std::string, std::vector<Sample>> right_answers(const std::string& source, const std::vector<train::PolicyProblem>& problems, const text::Tokenizer& tokenizer) {
  std::map<std::string, std::vector<Sample>> out;
  if (source == "solutions") {
    for (const auto& p : problems) {
      if (!p.problem.solution) continue;
      Sample s;
      s.problem_id = p.problem.id, s.source = "solution", s.text = *p.problem.solution;
      s.token_ids = completion_tokens(tokenizer, s.text);
      out[p.problem.id].push_back(std::move(s));
    }
    return out;
  }
  std::vector<Problem> known;
  for (const auto& p : problems) known.push_back(p.problem);
  const ProblemIndex index(known);
  std::set<std::string> ids;
  for (const auto& p : known) ids.insert(p.id);
  auto samples = read_jsonl<Sample>(source);
  std::erase_if(samples, [&](const Sample& s) { return !ids.count(s.problem_id); });
  verify_samples(index, samples);
  for (Sample& s : samples) {
    if (!s.correct.value_or(false)) continue;
    if (s.token_ids.empty()) s.token_ids = completion_tokens(tokenizer, s.text), s.logprobs.clear();
    out[s.problem_id].push_back(std::move(s));
  }
  return out;
}

std::map<std::string, std::vector<Sample>> replay_samples(const std::filesystem::path& file, double temperature) {
  std::map<std::string, std::vector<Sample>> out;
  for (Sample& s : read_jsonl<Sample>(file)) {
    if (s.token_ids.empty() || s.logprobs.size() != s.token_ids.size()) continue;
    const double theirs = s.extra.is_object() ? s.extra.value(kTemperature, 1.0) : 1.0;
    if (theirs != temperature)
      throw UsageError(fmt::format("replay: the log-probabilities of {} were sampled at temperature {}, and the loss takes the policy's at temperature {}", s.problem_id, theirs, temperature), file.string(),
                       theirs > 0 ? fmt::format("set temperature: {}", theirs) : "replay samples of a temperature above 0");
    out[s.problem_id].push_back(std::move(s));
  }
  if (out.empty()) throw Error("no sample has token ids and log-probabilities", file.string(), "sample it with foil generate, or the policy_samples stage");
  return out;
}

std::vector<Sample> FileGenerator::generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample) {
  std::vector<Sample> out;
  for (const Prompt& p : request.prompts) {
    const auto found = samples_.find(p.problem_id);
    if (found == samples_.end()) throw Error(fmt::format("there is no sample of problem {}", p.problem_id), file_.string());
    for (int i = 0; i < request.samples_per_prompt; ++i) {
      out.push_back(found->second[size_t(request.first_sample_id + i) % found->second.size()]);
      out.back().sample_id = request.first_sample_id + i;
      if (on_sample) on_sample(out.back());
    }
  }
  return out;
}

void mark_right_steps(const Problem& problem, Sample& sample) {
  if (!sample.steps.empty() || sample.correct.value_or(false)) return;
  std::vector<double> results;
  if (problem.solution) {
    const WorkedSteps solution = read_steps(*problem.solution);
    for (const Equation& e : solution.equations) results.push_back(solution.numbers[e.result].value);
  }
  sample.steps = segment(sample.text, StepRule::kSentence);
  for (Step& step : sample.steps) {
    const std::string text = sample.text.substr(size_t(step.begin), size_t(step.end - step.begin));
    const WorkedSteps read = read_steps(text);  // an equation that does not hold is not among them
    bool right = !read.equations.empty() && size_t(std::count(text.begin(), text.end(), '=')) == read.equations.size();
    for (const Equation& e : read.equations)
      right = right && std::any_of(results.begin(), results.end(), [&](double x) { return std::abs(x - read.numbers[e.result].value) < 1e-9 * std::max(1.0, std::abs(x)); });
    step.correct = right;
  }
}

std::set<std::string> solved(Generator& generator, const std::vector<train::PolicyProblem>& problems, int max_tokens, const std::vector<std::string>& stop) {
  GenerateRequest request;
  std::vector<Problem> known;
  for (const auto& p : problems) request.prompts.push_back(p.prompt), known.push_back(p.problem);
  request.sampling.temperature = 0, request.sampling.max_tokens = max_tokens, request.sampling.stop = stop;
  auto samples = generator.generate(request);
  const ProblemIndex index(known);
  verify_samples(index, samples);
  std::set<std::string> out;
  for (const Sample& s : samples)
    if (s.correct.value_or(false)) out.insert(s.problem_id);
  return out;
}

}  // namespace foil::pipeline
