#include "pipeline/judges.h"

#include <cmath>

#include "base/error.h"
#include "data/recorded_generator.h"
#include "endpoint/generator.h"
#include "pipeline/workbench.h"

namespace foil::pipeline {

namespace {

// A local model reads the rubric once for each dimension and is asked for one digit; the score is its expectation over the
// probabilities of the tokens 0, 1, 2, 3.
class ModelJudge : public JudgeBackend {
 public:
  ModelJudge(LoadedModel model, std::string rubric, const rollout::EngineOptions& engine)
      : model_(std::move(model)), rubric_(std::move(rubric)), engine_(model_.model, model_.tokenizer, engine, "judge") {
    for (const char* digit : {"0", "1", "2", "3"}) {
      const auto ids = model_.tokenizer->encode(digit);
      if (ids.size() != 1) throw Error(fmt::format("the digit {} is no single token of the judge", digit), "generator.judge.model", "use another judge model, or kind: endpoint");
      digits_.push_back(ids[0]);
    }
  }

  std::vector<std::optional<RubricScores>> judge(std::span<const JudgeItem> items) override {
    PromptSection form;
    form.style = model_.tokenizer->chat_template().empty() ? PromptStyle::kTemplate : PromptStyle::kChat;
    std::vector<std::string> prompts;
    const Prompter prompter(form, *model_.tokenizer);
    for (const auto& item : items) {
      const std::string prompt = prompter(judge_prompt(item, rubric_));
      for (const char* dimension : kRubricDimensions) prompts.push_back(fmt::format("{}{{\"{}\": ", prompt, dimension));
    }
    const auto logprobs = engine_.next_token_logprobs(prompts, digits_);
    std::vector<std::optional<RubricScores>> out(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      RubricScores scores;
      for (size_t d = 0; d < 4; ++d) {
        double mass = 0, sum = 0;
        for (size_t k = 0; k < 4; ++k) {
          const double p = std::exp(double(logprobs[i * 4 + d][k]));
          mass += p, sum += p * double(k);
        }
        scores.dimension[d] = mass > 0 ? sum / mass : 0;
      }
      out[i] = scores;
    }
    return out;
  }

 private:
  LoadedModel model_;
  std::string rubric_;
  rollout::LocalEngine engine_;
  std::vector<int32_t> digits_;
};

}  // namespace

std::shared_ptr<JudgeBackend> make_judge(const JudgeSection& options, const std::filesystem::path& start, const ModelSection& model, const rollout::EngineOptions& engine,
                                         const std::filesystem::path& replies) {
  switch (options.kind) {
    case JudgeKind::kRules: return std::make_shared<RuleJudge>();
    case JudgeKind::kModel: return std::make_shared<ModelJudge>(load_model(options.model.empty() ? start : std::filesystem::path(options.model), model), load_rubric(options.rubric), engine);
    case JudgeKind::kEndpoint: {
      std::shared_ptr<Generator> generator = std::make_shared<endpoint::EndpointGenerator>(options.endpoint);
      if (!replies.empty()) generator = std::make_shared<RecordedGenerator>(generator, replies, generator->describe());
      return std::make_shared<GeneratorJudge>(generator, load_rubric(options.rubric), options.ask);
    }
  }
  return nullptr;
}

}  // namespace foil::pipeline
