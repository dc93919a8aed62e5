// foil train sft|rl|reward|process-reward|preference: one stage, with files in and a model folder out.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>

#include "app/engine/commands.h"
#include "app/engine/model_flags.h"
#include "app/engine/processes.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "base/error.h"
#include "base/log.h"
#include "data/verification.h"
#include "io/jsonl.h"
#include "pipeline/preference_data.h"
#include "pipeline/rewards.h"
#include "pipeline/workbench.h"
#include "rollout/engine.h"

namespace foil::app {

namespace {

struct StrengthSection {
  train::StrengthOptions strength;
  template <class V>
  void visit(V& v) {
    v.group("strength", strength, "an ensemble measures how far each preference can be trusted");
  }
};

template <class Options>
struct TrainArguments {
  ModelFlags model;
  std::string data, output;
  uint64_t seed = 1;
  Options options;
  RewardOptions reward;
  rollout::EngineOptions engine;
};

// One training stage, alone or as one of the processes a launcher started (torchrun, srun, mpirun): the first one logs and saves.
class Work {
 public:
  Work(std::string stage, std::string output, uint64_t seed) : output_(std::move(output)) {
    context_.stage = std::move(stage), context_.folder = output_ + ".training", context_.seed = seed, context_.ranks = processes_.ranks();
    if (context_.rank() == 0) log_.emplace(std::filesystem::path(output_ + ".training") / "metrics.jsonl", context_.stage), context_.log = &*log_;
  }
  const train::StageContext& context() const { return context_; }
  void finish(const std::function<void()>& save, int64_t steps) {
    if (context_.rank() == 0) {
      save();
      std::fprintf(stderr, "%ld steps; model in %s, log and checkpoints in %s.training\n", long(steps), output_.c_str(), output_.c_str());
    }
    if (processes_.ranks()) processes_.ranks()->meet_patiently("model saved");
  }

 private:
  std::string output_;
  Processes processes_;
  std::optional<train::RunLog> log_;
  train::StageContext context_;
};

template <class Options>
std::shared_ptr<TrainArguments<Options>> declare_common(CLI::App& app, const std::string& data_help, bool with_prompt = true) {
  auto a = std::make_shared<TrainArguments<Options>>();
  a->model.declare(app, with_prompt);
  app.add_option("-d,--data", a->data, data_help)->required();
  app.add_option("-o,--output", a->output, "model folder to write; OUTPUT.training keeps checkpoints and the log")->required();
  app.add_option("--seed", a->seed, "every random number follows from it");
  return a;
}

}  // namespace

void declare_train(CLI::App& app) {
  app.description("One training stage. Cut short, the same command goes on from its last checkpoint to the same result.");
  app.require_subcommand(1);

  auto* sft = app.add_subcommand("sft", "supervised fine-tuning on worked solutions");
  {
    auto a = declare_common<train::SftOptions>(*sft, "problems with a \"solution\": JSON Lines file or benchmark name");
    const auto given = std::make_shared<OptionFlags>();
    given->add(*sft, a->options);
    sft->callback([a, given] {
      given->read(a->options);
      const auto problems = load_problems({.source = a->data, .strip_annotations = false});
      auto model = pipeline::load_model(a->model.path, a->model.model);
      a->model.settle(!model.tokenizer->chat_template().empty());
      Work work("sft", a->output, a->seed);
      const auto result = train::train_sft(*model.model, pipeline::sft_examples(a->model.prompt, *model.tokenizer, problems), a->options, work.context());
      work.finish([&] { pipeline::save_model(a->output, model); }, result.steps);
    });
  }

  auto* rl = app.add_subcommand("rl", "RL with verifiable rewards (GRPO and its kin); --kind plausible: reverse RL");
  {
    auto a = declare_common<train::OnPolicyOptions>(*rl, "problems: JSON Lines file or benchmark name");
    auto reward_model = std::make_shared<std::string>();
    auto scale = std::make_shared<ScoreScale>();
    rl->add_option("--reward-model", *reward_model, "plausible: reward-model folder");
    rl->add_option("--scale-mean", scale->mean, "plausible: mean reward-model score of right answers");
    rl->add_option("--scale-deviation", scale->deviation, "plausible: its deviation");
    const auto reward = std::make_shared<OptionFlags>();
    reward->add(*rl, a->reward);
    const auto given = std::make_shared<OptionFlags>();
    given->add(*rl, a->options);
    const auto engine = std::make_shared<OptionFlags>();
    engine->add(*rl, a->engine);
    rl->callback([a, given, reward, engine, reward_model, scale] {
      given->read(a->options);
      reward->read(a->reward);
      engine->read(a->engine);
      pipeline::validate_reward(a->reward, a->options, "foil train rl");
      const auto problems = load_problems({.source = a->data, .strip_annotations = false});
      auto model = pipeline::load_model(a->model.path, a->model.model);
      a->model.settle(!model.tokenizer->chat_template().empty());
      std::shared_ptr<Scorer> scorer;
      if (!reward_model->empty()) scorer = pipeline::reward_model_scorer(pipeline::load_reward_model(*reward_model, a->model.model));
      auto judge = a->reward.kind == RewardKind::kPlausible && a->reward.weight_judge != 0 ? std::make_shared<RuleJudge>() : nullptr;
      auto composite = std::make_shared<Composite>(a->reward, scorer, *scale, judge, a->options.max_completion_tokens);
      Work work("rl", a->output, a->seed);
      const auto result = pipeline::train_policy(model, pipeline::policy_problems(a->model.prompt, *model.tokenizer, problems), composite, a->options, a->engine,
                                                 work.context());
      work.finish([&] { pipeline::save_model(a->output, model); }, result.steps);
    });
  }

  auto* reward = app.add_subcommand("reward", "Bradley-Terry reward model on preference pairs");
  {
    auto a = declare_common<train::RewardModelOptions>(*reward, "preference file: prompt, chosen, rejected");
    const auto given = std::make_shared<OptionFlags>();
    given->add(*reward, a->options);
    auto outside = std::make_shared<std::string>(), outside_problems = std::make_shared<std::string>();
    reward->add_option("--outside", *outside, "meta_rate: sample file of answers from outside the training distribution");
    reward->add_option("--outside-problems", *outside_problems, "their problems: JSON Lines file or benchmark name");
    const auto strength_given = std::make_shared<OptionFlags>();
    strength_given->add(*reward, StrengthSection{});
    reward->callback([a, given, outside, outside_problems, strength_given] {
      given->read(a->options);
      StrengthSection section;
      strength_given->read(section);
      const auto pairs = read_jsonl<Pair>(a->data);
      pipeline::LoadedRewardModel rm{pipeline::load_model(a->model.path, a->model.model), {}};
      rm.head = at::zeros({1, rm.base.model->config().hidden_size}, at::kFloat).to(rm.base.model->device());
      Work work("reward_model", a->output, a->seed);
      nn::RewardModel trained{*rm.base.model, rm.head};  // shares the weights
      auto examples = pipeline::preference_examples(*rm.base.tokenizer, pairs);
      if (section.strength.models > 0) {
        train::StrengthFigures figures;
        examples = train::apply_strength(examples, train::preference_strength(trained, examples, section.strength, a->options, work.context()), section.strength, figures);
        log_info("{} pairs flipped, {} ambiguous ones dropped, {} with soft labels", figures.flipped, figures.dropped, figures.softened);
      }
      std::vector<train::Example> outside_answers;
      if (!outside->empty()) {
        a->model.settle(!rm.base.tokenizer->chat_template().empty());
        outside_answers = pipeline::outside_examples(a->model.prompt, *rm.base.tokenizer, *outside, load_problems({.source = outside_problems->empty() ? throw UsageError("--outside needs --outside-problems", "") : *outside_problems, .strip_annotations = false}));
      }
      const auto result = train::train_reward_model(trained, std::move(examples), a->options, work.context(), std::move(outside_answers));
      work.finish([&] { pipeline::save_reward_model(a->output, rm); }, result.steps);
    });
  }

  auto* process = app.add_subcommand("process-reward", "process reward model: scores every step, learns from samples whose steps have values or verdicts");
  {
    auto a = declare_common<train::ProcessRewardOptions>(*process, "sample file with steps, e.g. samples/steps.jsonl of a run");
    const auto given = std::make_shared<OptionFlags>();
    given->add(*process, a->options);
    auto problems = std::make_shared<std::string>();
    process->add_option("--problems", *problems, "their problems: JSON Lines file or benchmark name")->required();
    process->callback([a, given, problems] {
      given->read(a->options);
      pipeline::LoadedRewardModel rm{pipeline::load_model(a->model.path, a->model.model), {}};
      rm.head = at::zeros({1, rm.base.model->config().hidden_size}, at::kFloat).to(rm.base.model->device());
      a->model.settle(!rm.base.tokenizer->chat_template().empty());
      Work work("process_reward_model", a->output, a->seed);
      nn::RewardModel trained{*rm.base.model, rm.head};  // shares the weights
      auto examples = pipeline::process_examples(a->model.prompt, *rm.base.tokenizer, read_jsonl<Sample>(a->data), load_problems({.source = *problems, .strip_annotations = false}));
      const auto result = train::train_process_reward(trained, std::move(examples), a->options, work.context());
      work.finish([&] { pipeline::save_reward_model(a->output, rm); }, result.steps);
    });
  }

  auto* preference = app.add_subcommand("preference", "DPO and its kin on preference pairs, against the start weights as reference");
  {
    auto a = declare_common<train::PreferenceTrainOptions>(*preference, "preference file: prompt, chosen, rejected (more in rejected_more); or prompt, completion, label for kto and bco", false);
    const auto given = std::make_shared<OptionFlags>();
    given->add(*preference, a->options);
    auto data_options = std::make_shared<pipeline::PreferenceDataOptions>();
    const auto data_given = std::make_shared<OptionFlags>();
    data_given->add(*preference, *data_options);
    preference->callback([a, given, data_options, data_given] {
      given->read(a->options);
      data_given->read(*data_options);
      auto model = pipeline::load_model(a->model.path, a->model.model);
      Work work("preference", a->output, a->seed);
      auto data = pipeline::read_preference_data(*model.tokenizer, a->data, *data_options);
      pipeline::require_reliability(data, a->options);
      const auto result = train::train_preference(*model.model, std::move(data), a->options, work.context());
      work.finish([&] { pipeline::save_model(a->output, model); }, result.steps);
    });
  }
}

}  // namespace foil::app
