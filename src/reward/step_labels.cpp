#include "reward/step_labels.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil {

static const char* kStepRequest =
    "Below are a problem and the numbered steps of a solution. Say for each step whether it is right: what it states follows from the problem and from the steps before it, and its "
    "arithmetic holds. A step that only carries an earlier mistake on is wrong.\n\nProblem:\n{problem}\n\nSteps:\n{steps}\n\n"
    "Reply with one JSON object and nothing else, one entry for each step: {\"steps\": [true, false, …]}\n";

GeneratorStepJudge::GeneratorStepJudge(std::shared_ptr<Generator> generator, std::string request, GeneratorJudgeOptions options, uint64_t seed,
                                       std::function<std::string(const std::vector<Message>&)> render)
    : generator_(std::move(generator)), request_(request.empty() ? kStepRequest : std::move(request)), options_(options), seed_(seed), render_(std::move(render)) {
  FOIL_CHECK(generator_);
  options_.validate("step judge");
  for (const char* placeholder : {"{problem}", "{steps}"})
    if (request_.find(placeholder) == std::string::npos) throw Error(fmt::format("the step judge's request has no {}", placeholder), "steps.judge", "it is filled in for every sample");
}

StepVerdicts read_step_verdicts(const std::string& reply, size_t steps) {
  for (size_t open = reply.rfind('{'); open != std::string::npos; open = open ? reply.rfind('{', open - 1) : std::string::npos) {
    const size_t close = reply.find('}', open);
    if (close == std::string::npos) continue;
    const Json j = Json::parse(reply.substr(open, close - open + 1), nullptr, false);
    if (!j.is_object() || !j.contains("steps")) continue;
    const Json& list = j["steps"];
    if (!list.is_array() || list.size() != steps) return std::nullopt;
    std::vector<bool> out;
    for (const auto& x : list) {
      if (x.is_boolean()) out.push_back(x.get<bool>());
      else if (x.is_number_integer() && (x == 0 || x == 1)) out.push_back(x == 1);
      else if (x == "correct" || x == "right" || x == "true") out.push_back(true);
      else if (x == "wrong" || x == "incorrect" || x == "false") out.push_back(false);
      else return std::nullopt;
    }
    return out;
  }
  return std::nullopt;
}

static std::string filled(std::string text, const std::string& problem, const std::string& steps) {
  const size_t p = text.find("{problem}"), s = text.find("{steps}");
  if (s > p) text.replace(s, 7, steps), text.replace(p, 9, problem);  // from the back: a placeholder inside a text stays text
  else text.replace(p, 9, problem), text.replace(s, 7, steps);
  return text;
}

std::vector<StepVerdicts> GeneratorStepJudge::judge(const ProblemIndex& problems, std::span<const Sample> samples) {
  std::vector<StepVerdicts> out(samples.size());
  std::vector<size_t> open;
  for (size_t i = 0; i < samples.size(); ++i)
    if (!samples[i].steps.empty()) open.push_back(i);
  const size_t asked = open.size();
  std::string last;
  for (int64_t attempt = 0; attempt < options_.attempts && !open.empty(); ++attempt) {
    GenerateRequest request;
    for (const size_t i : open) {
      std::string steps;
      for (size_t k = 0; k < samples[i].steps.size(); ++k) {
        const Step& step = samples[i].steps[k];
        std::string text = samples[i].text.substr(size_t(step.begin), size_t(step.end - step.begin));
        while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
        steps += fmt::format("{}{}. {}", k ? "\n" : "", k + 1, text);
      }
      Prompt p;
      p.messages = {{"user", filled(request_, problems.at(samples[i].problem_id).problem, steps)}};
      p.problem_id = fmt::format("step-judge/{:016x}", hash64(p.messages[0].content));
      p.text = render_ ? render_(p.messages) : p.messages[0].content;
      request.prompts.push_back(std::move(p));
    }
    request.first_sample_id = attempt;
    request.sampling.temperature = options_.temperature, request.sampling.max_tokens = int(options_.max_tokens), request.sampling.logprobs = false;
    request.seed = seed_, request.source = "judge";
    const auto replies = generator_->generate(request);
    FOIL_CHECK(replies.size() == open.size());
    std::vector<size_t> again;
    for (size_t k = 0; k < open.size(); ++k) {
      out[open[k]] = read_step_verdicts(replies[k].text, samples[open[k]].steps.size());
      if (!out[open[k]]) again.push_back(open[k]), last = replies[k].text;
    }
    open = std::move(again);
  }
  if (asked >= 4 && open.size() == asked)
    throw Error(fmt::format("none of {} replies of the step judge can be read; the last: {}", int64_t(asked) * options_.attempts, shortened(last, 200)), generator_->describe(),
                "use a stronger model as judge, a larger max_tokens, or a request that says more plainly what to reply");
  return out;
}

std::vector<std::vector<double>> process_scores(Scorer& scorer, std::span<const Sample> samples, const std::function<std::string(const Sample&)>& prompt, bool squash) {
  std::vector<Scored> items;
  for (const auto& s : samples) {
    const std::string text = prompt(s);
    for (const auto& step : s.steps) items.push_back({text, s.text.substr(0, size_t(step.end))});
  }
  const auto scores = scorer.score(items);
  std::vector<std::vector<double>> out;
  size_t at = 0;
  for (const auto& s : samples) {
    out.emplace_back();
    for (size_t k = 0; k < s.steps.size(); ++k, ++at) out.back().push_back(squash ? 1 / (1 + std::exp(-scores[at])) : scores[at]);
  }
  return out;
}

StepLabelCounts label_steps(std::span<Sample> samples, std::span<const StepVerdicts> verdicts, std::span<const std::vector<double>> scores, double threshold) {
  FOIL_CHECK(verdicts.size() == samples.size() && scores.size() == samples.size());
  StepLabelCounts out;
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& s = samples[i];
    FOIL_CHECK(scores[i].size() == s.steps.size() && (!verdicts[i] || verdicts[i]->size() == s.steps.size()));
    for (size_t k = 0; k < s.steps.size(); ++k) {
      Step& step = s.steps[k];
      ++out.steps;
      const bool scored = std::isfinite(scores[i][k]);
      step.score = scored ? std::optional(scores[i][k]) : std::nullopt;
      step.correct.reset();
      if (!verdicts[i] || !scored) {
        ++out.unjudged;
        continue;
      }
      const bool judge = (*verdicts[i])[k], process = scores[i][k] >= threshold;
      step.correct = judge && process;
      ++(judge && process ? out.right : judge ? out.judge_only : process ? out.process_only : out.neither);
      out.right_in_wrong_samples += judge && process && s.correct.has_value() && !*s.correct;
    }
  }
  return out;
}

}  // namespace foil
