// foil train sft|rl|reward|preference: one stage, with files in and a model folder out.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/engine/model_flags.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "base/random.h"
#include "data/verification.h"
#include "io/jsonl.h"
#include "pipeline/rewards.h"
#include "pipeline/workbench.h"
#include "rollout/engine.h"

namespace foil::app {

namespace {

template <class Options>
struct TrainArguments {
  ModelFlags model;
  std::string data, output;
  uint64_t seed = 1;
  Options options;
  RewardOptions reward;
  rollout::EngineOptions engine;
};

train::StageContext context_of(const std::string& stage, const std::filesystem::path& output, uint64_t seed, train::RunLog& log) {
  train::StageContext context;
  context.stage = stage, context.folder = output.string() + ".training", context.log = &log, context.seed = seed;
  return context;
}

std::filesystem::path log_path(const std::string& output) { return std::filesystem::path(output + ".training") / "metrics.jsonl"; }

void finished(const std::string& output, int64_t steps) {
  std::fprintf(stderr, "%ld steps; model in %s, log and checkpoints in %s.training\n", long(steps), output.c_str(), output.c_str());
}

template <class Options>
std::shared_ptr<TrainArguments<Options>> declare_common(CLI::App& app, const std::string& data_help) {
  auto a = std::make_shared<TrainArguments<Options>>();
  a->model.declare(app);
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
      train::RunLog log(log_path(a->output), "sft");
      const auto result = train::train_sft(*model.model, pipeline::sft_examples(a->model.prompt, *model.tokenizer, problems), a->options, context_of("sft", a->output, a->seed, log));
      pipeline::save_model(a->output, model);
      finished(a->output, result.steps);
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
      const auto problems = load_problems({.source = a->data, .strip_annotations = false});
      auto model = pipeline::load_model(a->model.path, a->model.model);
      a->model.settle(!model.tokenizer->chat_template().empty());
      std::shared_ptr<Scorer> scorer;
      if (!reward_model->empty()) scorer = pipeline::reward_model_scorer(pipeline::load_reward_model(*reward_model, a->model.model));
      auto judge = a->reward.kind == RewardKind::kPlausible && a->reward.weight_judge != 0 ? std::make_shared<RuleJudge>() : nullptr;
      auto composite = std::make_shared<Composite>(a->reward, scorer, *scale, judge, a->options.max_completion_tokens);
      train::RunLog log(log_path(a->output), "rl");
      const auto result = pipeline::train_policy(model, pipeline::policy_problems(a->model.prompt, *model.tokenizer, problems), composite, a->options, a->engine,
                                                 context_of("rl", a->output, a->seed, log));
      pipeline::save_model(a->output, model);
      finished(a->output, result.steps);
    });
  }

  auto* reward = app.add_subcommand("reward", "Bradley-Terry reward model on preference pairs");
  {
    auto a = declare_common<train::RewardModelOptions>(*reward, "preference file: prompt, chosen, rejected");
    const auto given = std::make_shared<OptionFlags>();
  given->add(*reward, a->options);
    reward->callback([a, given] {
      given->read(a->options);
      const auto pairs = read_jsonl<Pair>(a->data);
      pipeline::LoadedRewardModel rm{pipeline::load_model(a->model.path, a->model.model), {}};
      rm.head = at::zeros({1, rm.base.model->config().hidden_size}, at::kFloat).to(rm.base.model->device());
      train::RunLog log(log_path(a->output), "reward_model");
      nn::RewardModel trained{*rm.base.model, rm.head};  // shares the weights
      const auto result = train::train_reward_model(trained, pipeline::preference_examples(*rm.base.tokenizer, pairs), a->options,
                                                    context_of("reward_model", a->output, a->seed, log));
      pipeline::save_reward_model(a->output, rm);
      finished(a->output, result.steps);
    });
  }

  auto* preference = app.add_subcommand("preference", "DPO and its kin on preference pairs, against the start weights as reference");
  {
    auto a = declare_common<train::PreferenceTrainOptions>(*preference, "preference file: prompt, chosen, rejected");
    const auto given = std::make_shared<OptionFlags>();
  given->add(*preference, a->options);
    preference->callback([a, given] {
      given->read(a->options);
      const auto pairs = read_jsonl<Pair>(a->data);
      auto model = pipeline::load_model(a->model.path, a->model.model);
      train::RunLog log(log_path(a->output), "preference");
      const auto result = train::train_preference(*model.model, pipeline::preference_examples(*model.tokenizer, pairs), a->options,
                                                  context_of("preference", a->output, a->seed, log));
      pipeline::save_model(a->output, model);
      finished(a->output, result.steps);
    });
  }
}

}  // namespace foil::app
