#include "reward/generator_judge.h"

#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil {

void GeneratorJudgeOptions::validate(const std::string& where) const {
  if (attempts < 1 || max_tokens < 1) throw UsageError("attempts and max_tokens must be at least 1", where);
  if (temperature < 0) throw UsageError("temperature must not be negative", where);
  if (attempts > 1 && temperature == 0) throw UsageError("attempts above 1 need a temperature above 0", where, "at temperature 0 the judge repeats itself");
}

std::optional<RubricScores> read_judgement(const std::string& reply) {
  // From the last '{' backwards: the first that begins a whole object wins.
  for (size_t open = reply.rfind('{'); open != std::string::npos; open = open ? reply.rfind('{', open - 1) : std::string::npos) {
    const size_t close = reply.find('}', open);
    if (close == std::string::npos) continue;
    const Json j = Json::parse(reply.substr(open, close - open + 1), nullptr, false);
    if (!j.is_object()) continue;
    RubricScores out;
    for (size_t d = 0; d < 4; ++d) {
      const auto it = j.find(kRubricDimensions[d]);
      if (it == j.end()) return std::nullopt;
      double x = NAN;
      if (it->is_number()) {
        x = it->get<double>();
      } else if (it->is_string()) {
        const std::string text = it->get<std::string>();
        char* end = nullptr;
        x = std::strtod(text.c_str(), &end);
        if (text.empty() || *end) return std::nullopt;
      }
      if (!(x >= 0 && x <= 3)) return std::nullopt;
      out.dimension[d] = x;
    }
    return out;
  }
  return std::nullopt;
}

GeneratorJudge::GeneratorJudge(std::shared_ptr<Generator> generator, std::string rubric, GeneratorJudgeOptions options, uint64_t seed,
                               std::function<std::string(const std::vector<Message>&)> render)
    : generator_(std::move(generator)), rubric_(std::move(rubric)), options_(options), seed_(seed), render_(std::move(render)) {
  FOIL_CHECK(generator_);
  options_.validate("judge");
}

std::vector<std::optional<RubricScores>> GeneratorJudge::judge(std::span<const JudgeItem> items) {
  std::vector<std::optional<RubricScores>> out(items.size());
  std::vector<size_t> open(items.size());
  for (size_t i = 0; i < open.size(); ++i) open[i] = i;
  for (int64_t attempt = 0; attempt < options_.attempts && !open.empty(); ++attempt) {
    GenerateRequest request;
    for (const size_t i : open) {
      Prompt p;
      p.messages = {{"user", judge_prompt(items[i], rubric_)}};
      p.problem_id = fmt::format("judge/{:016x}", hash64(p.messages[0].content));  // the same whatever was judged before
      p.text = render_ ? render_(p.messages) : p.messages[0].content;
      request.prompts.push_back(std::move(p));
    }
    request.first_sample_id = attempt;
    request.sampling.temperature = options_.temperature, request.sampling.max_tokens = int(options_.max_tokens), request.sampling.logprobs = false;
    request.seed = seed_, request.source = "judge";
    const auto replies = generator_->generate(request);
    FOIL_CHECK(replies.size() == open.size());
    std::vector<size_t> again;
    if (attempt + 1 == options_.attempts && open.size() == items.size() && items.size() >= 4 && std::none_of(replies.begin(), replies.end(), [](const Sample& s) { return read_judgement(s.text).has_value(); }))
      throw Error(fmt::format("none of {} replies of the judge is a judgement; the last: {}", int64_t(items.size()) * options_.attempts, shortened(replies.back().text, 200)), generator_->describe(),
                  "use a stronger model as judge, a larger max_tokens, or a rubric that says more plainly what to reply");
    for (size_t k = 0; k < open.size(); ++k) {
      out[open[k]] = read_judgement(replies[k].text);
      if (!out[open[k]]) again.push_back(open[k]);
    }
    open = std::move(again);
  }
  unread_ += int64_t(open.size());
  return out;
}

}  // namespace foil
