#include "train/process_reward.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "config/options.h"
#include "objective/reward_model.h"
#include "train/fit.h"

namespace foil::train {

ProcessExample process_example(const Encoder& encoder, Tokens prompt, const Sample& sample) {
  ProcessExample out{fmt::format("{}/{}", sample.problem_id, sample.sample_id), std::move(prompt), completion_tokens(encoder, sample), {}, {}};
  const Json* values = sample.extra.is_object() && sample.extra.contains("step_values") ? &sample.extra.at("step_values") : nullptr;
  if (values && values->size() != sample.steps.size() + 1)
    throw Error(fmt::format("sample {} has {} steps and {} step values", out.id, sample.steps.size(), values->size()), "process reward model", "one value for each prefix, that of the whole answer last");
  size_t token = 0, end = out.completion.empty() ? 0 : encoder.tokenizer->bytes(out.completion[0]).size();
  for (size_t k = 0; k < sample.steps.size(); ++k) {
    const Step& step = sample.steps[k];
    const std::string text = sample.text.substr(size_t(step.begin), size_t(step.end - step.begin));
    const size_t visible = size_t(step.begin) + text.find_last_not_of(" \n\t\r") + 1;  // a step begins with a visible character
    while (end < visible && token + 1 < out.completion.size()) end += encoder.tokenizer->bytes(out.completion[++token]).size();
    out.ends.push_back(int64_t(token));
    out.labels.push_back(values ? values->at(k + 1).get<double>() : step.correct ? double(*step.correct) : NAN);
  }
  return out;
}

static bool has_label(const ProcessExample& x) {
  return std::any_of(x.labels.begin(), x.labels.end(), [](double label) { return std::isfinite(label); });
}

ProcessRewardTask::ProcessRewardTask(std::vector<ProcessExample> examples, const BatchOptions& batch, at::Tensor head)
    : examples_(fit(std::move(examples), batch, "process_reward_model", [](ProcessExample& x) { return std::vector<Tokens*>{&x.completion}; })), head_(std::move(head)) {
  for (auto& x : examples_)  // steps of an answer that was cut
    while (!x.ends.empty() && x.ends.back() >= int64_t(x.completion.size())) x.ends.pop_back(), x.labels.pop_back();
  std::erase_if(examples_, [](const ProcessExample& x) { return !has_label(x); });
  for (const auto& x : examples_)
    for (const double label : x.labels)
      if (label < 0 || label > 1) throw Error(fmt::format("a step of {} has the label {}, expected 0 to 1", x.id, label), "process_reward_model");
}

int64_t ProcessRewardTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  return int64_t(x.prompt.size() + x.completion.size());
}

std::string ProcessRewardTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.completion);
    for (size_t k = 0; k < x.ends.size(); ++k) hash.add(double(x.ends[k])), hash.add(std::isfinite(x.labels[k]) ? x.labels[k] : -1.0);
  }
  return hash.finish();
}

objective::StepCounts ProcessRewardTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) {
    for (const double label : examples_[size_t(r)].labels) c.sequences += std::isfinite(label);
    c.tokens += int64_t(examples_[size_t(r)].completion.size());
  }
  return c;
}

// Hidden states at the ends of the steps of answers, in order. `wanted`: whether a step is asked for.
static at::Tensor at_step_ends(const nn::Transformer& model, std::span<const ProcessExample* const> answers, const nn::ForwardOptions& forward, const std::function<bool(double label)>& wanted) {
  CompletionPacker packer;
  for (const ProcessExample* x : answers) packer.completion(packer.prompt(x->prompt), x->completion);
  const CompletionBatch batch = packer.build(model.device());
  const at::Tensor last = batch.last_rows.cpu();
  std::vector<int64_t> rows;
  for (size_t i = 0; i < answers.size(); ++i) {
    const int64_t first = last[int64_t(i)].item<int64_t>() - int64_t(answers[i]->completion.size()) + 1;
    for (size_t k = 0; k < answers[i]->ends.size(); ++k)
      if (wanted(answers[i]->labels[k])) rows.push_back(first + answers[i]->ends[k]);
  }
  return model.hidden(batch.packed, at::tensor(rows, at::kLong).to(model.device()), forward);
}

at::Tensor ProcessRewardTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                                   objective::Statistics& figures) {
  std::vector<const ProcessExample*> answers;
  std::vector<float> labels;
  for (const int64_t r : records) {
    answers.push_back(&examples_[size_t(r)]);
    for (const double label : answers.back()->labels)
      if (std::isfinite(label)) labels.push_back(float(label));
  }
  const at::Tensor hidden = at_step_ends(model, answers, forward, [](double label) { return std::isfinite(label); });
  auto result = objective::process_reward(nn::score_tokens(hidden, head_), at::tensor(labels).to(model.device()), counts);
  figures.merge(result.statistics);
  return result.loss;
}

std::string ProcessRewardTask::note(const std::map<std::string, double>& figures) const {
  const auto get = [&](const char* name) { return figures.contains(name) ? figures.at(name) : 0.0; };
  return fmt::format("loss {:.3f} · accuracy {:.2f}", get("loss"), get("accuracy"));
}

FileLoopResult train_process_reward(nn::RewardModel& model, std::vector<ProcessExample> examples, const ProcessRewardOptions& options, const StageContext& context) {
  if (std::none_of(examples.begin(), examples.end(), has_label))
    throw Error("no sample has a step with a label", context.stage, "label steps first: steps.labels: values, or a file whose steps have \"correct\"");
  ProcessRewardTask task(std::move(examples), options.loop.batch, model.head);
  return train_from_file(model.backbone, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

std::vector<std::vector<double>> process_scores(const nn::RewardModel& model, const std::vector<ProcessExample>& examples, int64_t micro_batch_tokens) {
  at::NoGradGuard off;
  std::vector<std::vector<double>> out;
  for (const auto& x : examples) out.emplace_back(x.ends.size(), NAN);
  const int64_t limit = model.backbone.config().max_position_embeddings;
  std::vector<int64_t> fitting;
  for (size_t i = 0; i < examples.size(); ++i)
    if (const auto& x = examples[i]; !x.ends.empty() && !x.prompt.empty() && !x.completion.empty() && int64_t(x.prompt.size() + x.completion.size()) <= limit) fitting.push_back(int64_t(i));
  for (const auto& micro : micro_batches(fitting, [&](int64_t i) { return int64_t(examples[size_t(i)].prompt.size() + examples[size_t(i)].completion.size()); }, micro_batch_tokens)) {
    throw_if_interrupted();
    std::vector<const ProcessExample*> answers;
    for (const int64_t i : micro) answers.push_back(&examples[size_t(i)]);
    const at::Tensor scores = at::sigmoid(nn::score_tokens(at_step_ends(model.backbone, answers, {}, [](double) { return true; }), model.head)).to(at::kDouble).cpu().contiguous();
    int64_t at = 0;
    for (const int64_t i : micro)
      for (double& score : out[size_t(i)]) score = scores.const_data_ptr<double>()[at++];
  }
  return out;
}

}  // namespace foil::train
