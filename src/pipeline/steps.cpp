#include "pipeline/steps.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "data/recorded_generator.h"
#include "io/jsonl.h"
#include "pipeline/rewards.h"
#include "pipeline/sampling.h"
#include "report/run_files.h"
#include "reward/step_labels.h"
#include "rollout/engine.h"
#include "text/chat_template.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

// A generator with what it needs to live: a local model with its engine, or an endpoint.
struct Source {
  LoadedModel model;
  std::shared_ptr<Generator> generator;
};

Source source_of(const StageRun& run, Answers from, const endpoint::EndpointGeneratorOptions& endpoint, const fs::path& path, const std::string& label, const std::string& part) {
  Source out;
  if (from == Answers::kEndpoint) {
    out.generator = std::make_shared<endpoint::EndpointGenerator>(endpoint);
  } else {
    out.model = load_model(path, run.recipe.model);
    out.generator = std::make_shared<rollout::LocalEngine>(out.model.model, out.model.tokenizer, run.recipe.engine, label);
  }
  const std::string identity = out.generator->describe();
  out.generator = std::make_shared<RecordedGenerator>(out.generator, run.path(fmt::format("checkpoints/{}/{}.part", run.stage, part)), identity);
  return out;
}

// Wrong samples first, so many of a problem; right ones too where asked for. Different texts only.
std::vector<Sample> chosen_samples(const StageRun& run) {
  const StepsSection& s = run.recipe.steps;
  const auto problems = sampled_problems(run, s.sampling);
  const ProblemIndex index(problems);
  const auto& use = s.sampling.use;
  auto samples = read_jsonl<Sample>(use.empty() ? run.path(report::samples_file("policy")) : fs::path(use));
  if (!use.empty()) {
    std::erase_if(samples, [&](const Sample& x) { return !index.find(x.problem_id); });
    verify_samples(index, samples);
  }
  std::vector<Sample> out;
  std::map<std::pair<std::string, bool>, std::vector<std::string>> taken;
  for (auto& x : samples) {
    if (!x.correct || !index.find(x.problem_id) || x.finish_reason != Finish::kStop || (*x.correct && !s.right_samples)) continue;
    auto& texts = taken[{x.problem_id, *x.correct}];
    if (int64_t(texts.size()) >= s.sampling.samples_per_problem || std::find(texts.begin(), texts.end(), x.text) != texts.end()) continue;
    texts.push_back(x.text);
    out.push_back(std::move(x));
  }
  if (out.empty())
    throw Error("there is no sample whose steps could be labelled", "steps", s.right_samples ? "the policy's samples have no verdicts" : "the policy made no mistake: set right_samples: true, or sample more");
  return out;
}

StepValueResult valued(StageRun& run, const ProblemIndex& index, const std::vector<Sample>& samples) {
  const Recipe& recipe = run.recipe;
  const StepsSection& s = recipe.steps;
  const bool remote = s.sampling.from == Answers::kEndpoint, chat = remote && s.sampling.endpoint.api == endpoint::Api::kChat;
  const Source source = source_of(run, s.sampling.from, s.sampling.endpoint, run.model("rl"), "rollouts from prefixes", "rollouts");
  std::shared_ptr<const text::Tokenizer> tokenizer = source.model.tokenizer;
  if (!tokenizer) tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(run.model("rl")));
  const Prompter prompter(recipe.prompt, *tokenizer);
  const PromptMaker maker(recipe.prompt);
  const PrefixPrompt prompt = [&](const Problem& p, const std::string& prefix) {
    Prompt x;
    x.text = prompter(p.problem) + prefix;  // what the pairs are trained with, whoever continues
    if (chat) {  // the server goes on with the assistant's own message: vLLM wants extra {add_generation_prompt: false, continue_final_message: true}
      x.messages = maker.messages(p.problem);
      if (!prefix.empty()) x.messages.push_back({"assistant", prefix});
    }
    return x;
  };
  const GenerateRequest request = stage_request(run, {}, s.sampling, "rollout");
  return step_values(*source.generator, index, samples, prompt, s.values, request.sampling, request.seed);
}

// The same samples without their tokens, which are the policy's and need not be those of the model that scores them.
std::vector<Sample> of_text(std::vector<Sample> samples) {
  for (auto& s : samples) s.token_ids.clear(), s.logprobs.clear();
  return samples;
}

void consensus(StageRun& run, const ProblemIndex& index, std::vector<Sample>& samples) {
  const StepsSection& s = run.recipe.steps;
  std::vector<std::vector<double>> scores;
  if (s.process == ProcessScores::kValues) {
    for (const auto& x : samples) {  // the value of the prefix that ends with the step
      const auto values = x.extra.at("step_values").get<std::vector<double>>();
      scores.emplace_back(values.begin() + 1, values.end());
    }
  } else if (s.process == ProcessScores::kProcessRewardModel) {
    const auto rm = load_reward_model(s.process_model, run.recipe.model);
    scores = train::process_scores({*rm.base.model, rm.head}, process_examples(run.recipe.prompt, *rm.base.tokenizer, of_text(samples), run.training_problems()));
  } else {
    std::shared_ptr<Scorer> scorer;
    std::shared_ptr<const text::Tokenizer> tokenizer;
    if (s.process == ProcessScores::kEndpoint) {
      scorer = std::make_shared<endpoint::EndpointScorer>(s.process_endpoint);
      tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(run.model("rl")));
    } else {
      const auto rm = load_reward_model(s.process_model.empty() ? run.model("reward") : fs::path(s.process_model), run.recipe.model);
      scorer = reward_model_scorer(rm), tokenizer = rm.base.tokenizer;
    }
    const Prompter prompter(run.recipe.prompt, *tokenizer);
    scores = process_scores(*scorer, samples, [&](const Sample& x) { return prompter(index.at(x.problem_id).problem); }, s.process_squash);
  }
  const Source source = source_of(run, s.judge.from, s.judge.endpoint, s.judge.model.empty() ? run.model("start") : fs::path(s.judge.model), "judging steps", "judge");
  std::function<std::string(const std::vector<Message>&)> render;
  if (source.model.tokenizer && !source.model.tokenizer->chat_template().empty())
    render = [tokenizer = source.model.tokenizer](const std::vector<Message>& messages) { return text::render_chat(*tokenizer, Json(messages), true); };
  GeneratorStepJudge judge(source.generator, s.judge.request.empty() ? "" : read_file(s.judge.request), s.judge.ask, mix64(run.recipe.seed, hash64("step judge")), render);
  const auto verdicts = judge.judge(index, samples);
  const StepLabelCounts counts = label_steps(samples, verdicts, scores, s.threshold);
  run.facts["steps"] = counts.steps, run.facts["right_steps"] = counts.right, run.facts["judge_only"] = counts.judge_only, run.facts["process_only"] = counts.process_only;
  run.facts["neither"] = counts.neither, run.facts["unjudged"] = counts.unjudged, run.facts["right_steps_in_wrong_samples"] = counts.right_in_wrong_samples;
  if (counts.unjudged * 5 > counts.steps) log_warning("{} of {} steps got no judgement: a stronger judge, or a larger steps.judge.ask.max_tokens", counts.unjudged, counts.steps);
}

void steps(StageRun& run) {
  const StepsSection& s = run.recipe.steps;
  const auto problems = run.training_problems();
  const ProblemIndex index(problems);
  auto samples = chosen_samples(run);
  std::vector<Pair> pairs;
  if (s.labels == StepLabels::kValues || s.process == ProcessScores::kValues) {
    auto result = valued(run, index, samples);
    run.facts["samples"] = result.samples.size(), run.facts["prefixes"] = result.prefixes, run.facts["rollouts"] = result.rollouts;
    run.facts["right_rollouts"] = result.right_rollouts, run.facts["bad_steps"] = result.bad_steps, run.facts["spurious_steps"] = result.spurious_steps;
    run.facts["pairs"] = result.pairs.size(), run.facts["left_out"] = result.left_out;
    samples = std::move(result.samples), pairs = std::move(result.pairs);
    if (samples.empty()) throw Error(fmt::format("every sample has more than {} steps", s.values.max_steps), "steps", "raise steps.values.max_steps");
  } else {
    for (auto& x : samples) x.steps = segment(x.text, s.values.rule);
  }
  if (s.labels == StepLabels::kConsensus) consensus(run, index, samples);
  if (s.trains_pairs() && pairs.empty())
    throw Error("no sample has a first bad step with a better one in its place", "steps",
                run.facts.value("right_rollouts", int64_t{0}) == 0 ? "no continuation of any prefix ended right: a better policy, easier problems or a larger max_tokens"
                                                                  : "more rollouts or a lower confidence find more of them (steps.values), more samples too (steps.sampling)");
  write_jsonl(run.path(report::samples_file("steps")), samples);
  write_jsonl(run.path(report::pairs_file("steps")), pairs);
}

void process_reward(StageRun& run) {
  LoadedRewardModel rm{load_model(run.model("rl"), run.recipe.model), {}};
  rm.head = at::zeros({1, rm.base.model->config().hidden_size}, at::kFloat).to(rm.base.model->device());
  nn::RewardModel trained{*rm.base.model, rm.head};  // shares the weights
  auto examples = process_examples(run.recipe.prompt, *rm.base.tokenizer, read_jsonl<Sample>(run.path(report::samples_file("steps"))), run.training_problems());
  const auto result = train::train_process_reward(trained, std::move(examples), run.recipe.steps.process_reward.train, run.context());
  run.once("the process reward model written", [&] { save_reward_model(run.path(report::model_folder("process_reward")), rm); });
  run.facts["steps"] = result.steps, run.facts["answers"] = result.records;
  for (const char* name : {"loss", "accuracy"}) run.facts[name] = result.last.at(name);
  for (const auto& [name, value] : result.validation) run.facts[name] = value;
}

}  // namespace

void step_stages(const Recipe& r, std::vector<Stage>& out) {
  if (!r.steps.enabled) return;
  StepsSection labelling = r.steps;
  labelling.policy = StepsSection{}.policy, labelling.process_reward = {};  // what is learned from the labels changes none
  Stage stage{"steps", r.steps.labels == StepLabels::kValues ? "what each step is worth, by rollouts from its prefix" : "which steps are right, by consensus", {"rl", "policy_samples"},
              {report::samples_file("steps"), report::pairs_file("steps")}, "", {options_json(labelling), options_json(r.prompt)}, {}, steps};
  if (r.steps.labels == StepLabels::kConsensus && r.steps.process == ProcessScores::kRewardModel && r.steps.process_model.empty()) stage.needs.push_back("reward_model");
  if (r.steps.labels == StepLabels::kConsensus && r.steps.judge.from == Answers::kModel && r.steps.judge.model.empty()) stage.needs.push_back("model");
  for (const auto& file : {r.steps.sampling.use, r.steps.judge.model, r.steps.judge.request, r.steps.process_model})
    if (!file.empty()) stage.inputs.push_back(file);
  out.push_back(stage);
  if (r.steps.process_reward.enabled)
    out.push_back({"process_reward_model", "process reward model on the values of the steps", {"steps", "rl"}, {report::model_folder("process_reward")}, "",
                   {options_json(r.steps.process_reward), options_json(r.prompt), options_json(r.model)}, {}, process_reward});
}

}  // namespace foil::pipeline
