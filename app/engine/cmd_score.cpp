// foil score: verdicts, reward-model and judge scores, log-probabilities and rewards for samples.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/engine/endpoint_flags.h"
#include "app/engine/processes.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "data/verification.h"
#include "io/jsonl.h"
#include "pipeline/judges.h"
#include "pipeline/workbench.h"
#include "reward/composite.h"
#include "rollout/reward_model_scorer.h"

namespace foil::app {

namespace {

struct ScoreArguments {
  std::string samples, problems, output, reward_model, policy, prompt_style = "auto";
  pipeline::ModelSection model;
  pipeline::PromptSection prompt;
  pipeline::JudgeSection judge;
  EndpointFlags judge_endpoint;
  std::string judge_name;
  RewardOptions reward;
  double scale_mean = 0, scale_deviation = 1;
};

}  // namespace

void declare_score(CLI::App& app) {
  auto a = std::make_shared<ScoreArguments>();
  app.description(
      "Verdicts and rewards for samples.\n\n"
      "  foil score -s samples.jsonl -p gsm8k -o scored.jsonl                              verdicts and the accuracy reward\n"
      "  foil score -s samples.jsonl -p gsm8k -o scored.jsonl --kind plausible --reward-model RM   the reward of reverse RL");
  app.add_option("-s,--samples", a->samples, "sample file")->required();
  app.add_option("-p,--problems", a->problems, "problems of the samples: JSON Lines file or benchmark name")->required();
  app.add_option("-o,--output", a->output, "scored sample file")->required();
  app.add_option("--reward-model", a->reward_model, "reward-model folder (sequence classification, one label)");
  app.add_option("--policy", a->policy, "model whose log-probability per token is added as policy_logprob");
  app.add_option("--prompt", a->prompt.text, "how prompts were made; {problem} is filled in");
  app.add_option("--prompt-style", a->prompt_style, "auto, chat or template");
  app.add_option("--dtype", a->model.dtype, "f32 or bf16");
  app.add_option("--device", a->model.device, "auto, cpu or cuda");
  app.add_option("--scale-mean", a->scale_mean, "mean reward-model score of right answers");
  app.add_option("--scale-deviation", a->scale_deviation, "its deviation");
  const auto reward = std::make_shared<OptionFlags>();
  reward->add(app, a->reward);
  app.add_option("--judge-model", a->judge.model, "a local model judges by the rubric (default: the built-in rules)");
  a->judge_endpoint.declare(app, "--judge-endpoint", "it judges by the rubric");
  app.add_option("--judge-endpoint-model", a->judge_name, "the judge's name there");
  app.add_option("--rubric", a->judge.rubric, "file with the rubric; empty: the built-in one");
  app.callback([a, reward] {
    reward->read(a->reward);
    if (!a->judge.model.empty()) a->judge.kind = pipeline::JudgeKind::kModel;
    a->judge_endpoint.refuse_without_url("--judge-endpoint");
    if (a->judge_endpoint.given()) {
      if (!a->judge.model.empty()) throw UsageError("--judge-model and --judge-endpoint exclude each other", "");
      a->judge.kind = pipeline::JudgeKind::kEndpoint, a->judge.endpoint = a->judge_endpoint.settle(a->judge_name);
    }
    if (a->judge.kind != pipeline::JudgeKind::kRules && (a->reward.kind != RewardKind::kPlausible || a->reward.weight_judge == 0))
      throw UsageError("a judge is named, but the reward asks none", "", "add --kind plausible, and a --weight-judge above 0");
    const auto problems = load_problems({.source = a->problems, .strip_annotations = false});
    const ProblemIndex index(problems);
    refuse_processes("foil score", "start it without a launcher");
    auto samples = read_jsonl<Sample>(a->samples);
    verify_samples(index, samples);
    std::shared_ptr<Scorer> scorer;
    std::shared_ptr<const text::Tokenizer> tokenizer;
    if (!a->reward_model.empty()) {
      const auto rm = pipeline::load_reward_model(a->reward_model, a->model);
      scorer = std::make_shared<rollout::RewardModelScorer>(rm.base.model, rm.head, rm.base.tokenizer);
      tokenizer = rm.base.tokenizer;
    }
    std::optional<pipeline::LoadedModel> policy;
    if (!a->policy.empty()) policy = pipeline::load_model(a->policy, a->model), tokenizer = policy->tokenizer;
    const bool chat = a->prompt_style == "chat" || (a->prompt_style == "auto" && tokenizer && !tokenizer->chat_template().empty());
    a->prompt.style = chat ? pipeline::PromptStyle::kChat : pipeline::PromptStyle::kTemplate;
    std::map<std::string, std::string> prompts;
    for (const auto& p : problems) prompts[p.id] = p.problem;
    if (tokenizer)
      for (auto& p : pipeline::Prompter(a->prompt, *tokenizer)(problems)) prompts[p.problem_id] = std::move(p.text);
    std::vector<const Problem*> at;
    std::vector<const std::string*> texts;
    for (const auto& s : samples) at.push_back(&index.at(s.problem_id)), texts.push_back(&prompts.at(s.problem_id));
    auto judge_backend = a->reward.kind == RewardKind::kPlausible && a->reward.weight_judge != 0 ? pipeline::make_judge(a->judge, a->judge.model, a->model, {}, a->output + ".judge") : nullptr;
    Composite composite(a->reward, scorer, {a->scale_mean, a->scale_deviation}, judge_backend, 0);
    composite.apply(at, texts, samples);
    if (policy) {
      std::vector<Sample*> all;
      for (auto& s : samples) all.push_back(&s);
      pipeline::score_logprobs(*policy, prompts, all, "likelihood");
    }
    write_jsonl(a->output, samples);
    std::filesystem::remove(a->output + ".judge");
    double sum = 0;
    size_t right = 0;
    for (const auto& s : samples) sum += s.reward.value_or(0), right += s.correct.value_or(false);
    std::fprintf(stderr, "%zu samples in %s: %.1f %% right, mean reward %.3f\n", samples.size(), a->output.c_str(), 100.0 * double(right) / double(samples.size()),
                 sum / double(samples.size()));
  });
}

}  // namespace foil::app
