#include "train/reward_model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "config/options.h"
#include "train/fit.h"

namespace foil::train {

void RewardModelOptions::validate(const std::string& where) const {
  objective.validate(where);
  loop.validate(where);
  if (meta_rate < 0 || meta_rate > 0.1) throw UsageError("meta_rate must be in [0, 0.1]", where, "0.001 is a usual value");
  if (meta_answers < 2) throw UsageError("meta_answers must be at least 2: one score has no spread", where);
}

RewardModelTask::RewardModelTask(std::vector<PreferenceExample> examples, const RewardModelOptions& options, at::Tensor head, std::vector<Example> outside)
    : examples_(fit(std::move(examples), options.loop.batch, "reward_model",
                    [](PreferenceExample& x) {
                      std::vector<Tokens*> out{&x.chosen};
                      for (Tokens& r : x.rejected) out.push_back(&r);
                      return out;
                    })),
      options_(options),
      head_(std::move(head)),
      outside_(std::move(outside)) {
  std::erase_if(outside_, [&](const Example& x) { return x.prompt.empty() || x.completion.empty() || int64_t(x.prompt.size() + x.completion.size()) > options.loop.batch.max_tokens; });
  if (options.meta_rate > 0 && outside_.size() < 2)
    throw UsageError("meta_rate needs answers from outside the training distribution, and there are none", "reward_model", "name a sample file: reward_model.outside in a recipe, --outside on the command line");
  for (const auto& x : examples_)
    if (x.rejected.empty()) throw Error(fmt::format("record {} has no rejected answer", x.id), "reward_model");
}

int64_t RewardModelTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  size_t n = x.prompt.size() + x.chosen.size();
  for (const auto& r : x.rejected) n += r.size();
  return int64_t(options_.objective.contrastive != 0 ? 3 * n : n);
}

std::string RewardModelTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.chosen);
    hash.add(double(x.rejected.size()));
    for (const auto& r : x.rejected) hash.add(r);
    hash.add(x.margin), hash.add(x.weight), hash.add(x.label.value_or(-1));
  }
  for (const auto& x : outside_) hash.add(x.prompt), hash.add(x.completion);
  return hash.finish();
}

void RewardModelTask::prepare(const nn::Transformer& /*model*/, const StageContext& context, const FileLoopOptions& /*options*/) { seed_ = context.seed; }

void RewardModelTask::begin_step(nn::Transformer& model, std::span<const int64_t> /*records*/, const FileLoopOptions& /*options*/, const StepPlace& place) {
  step_ = place.step;
  if (options_.meta_rate == 0 || !place.training) return;
  Stream stream(mix64(seed_, hash64("outside")), uint64_t(step_));
  CompletionPacker packer;
  for (int64_t i = 0; i < options_.meta_answers; ++i) {
    const Example& x = outside_[size_t(stream.between(0, int64_t(outside_.size()) - 1))];
    packer.completion(packer.prompt(x.prompt), x.completion);
  }
  std::map<std::string, at::Tensor> weights = std::as_const(model).parameters();
  weights["score.weight"] = head_;
  {
    at::AutoGradMode on(true);
    const CompletionBatch batch = packer.build(model.device());
    const at::Tensor scores = nn::score_tokens(model.hidden(batch.packed, batch.last_rows), head_);
    const at::Tensor spread = scores.to(at::kFloat).var(0);
    outside_spread_ = spread.item<double>();
    spread.backward();
  }
  // A step of fixed length along the gradient: its size says nothing (the variance is flat where all scores are the same).
  double norm = 0, length = 0;
  for (auto& [name, w] : weights) {
    length += w.detach().to(at::kDouble).square().sum().item<double>();
    if (w.grad().defined()) norm += w.grad().to(at::kDouble).square().sum().item<double>();
  }
  const double scale = norm > 0 ? options_.meta_rate * std::sqrt(length / norm) : 0;
  for (auto& [name, w] : weights) {
    if (!w.grad().defined()) continue;
    moved_[name] = w.detach().clone();
    w.detach().add_(w.grad().to(w.scalar_type()), scale);
    w.mutable_grad() = at::Tensor();
  }
}

void RewardModelTask::before_update(nn::Transformer& model) {
  std::map<std::string, at::Tensor> weights = std::as_const(model).parameters();
  weights["score.weight"] = head_;
  for (auto& [name, before] : moved_) weights.at(name).detach().copy_(before);
  moved_.clear();
}

// A token cutoff (as ConSERT's, Yan et al. 2021, 2105.11741): each token but the last is left out with the chance `cutoff`, at least one is.
Tokens RewardModelTask::view(const Tokens& text, int64_t record, int which) const {
  if (text.size() < 3) return text;
  Stream stream(mix64(seed_, hash64(which ? "view 1" : "view 0")), mix64(uint64_t(step_), uint64_t(record)));
  Tokens out;
  const auto one = size_t(stream.between(0, int64_t(text.size()) - 2));
  for (size_t i = 0; i < text.size(); ++i)
    if (i + 1 == text.size() || (i != one && stream.uniform() >= options_.objective.cutoff)) out.push_back(text[i]);
  return out;
}

at::Tensor RewardModelTask::contrastive_value(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward) const {
  CompletionPacker packer;
  for (const int64_t r : records) {
    const auto& x = examples_[size_t(r)];
    const int32_t prompt = packer.prompt(x.prompt);
    for (int which = 0; which < 2; ++which) {
      packer.completion(prompt, view(x.chosen, r, which));
      packer.completion(prompt, view(x.rejected[0], r, which));
    }
  }
  const CompletionBatch batch = packer.build(model.device());
  const auto n = int64_t(records.size());
  const at::Tensor last = model.hidden(batch.packed, batch.last_rows, forward).to(at::kFloat).reshape({n, 2, 2, -1});  // [pair, view, side, D]
  at::Tensor a = last.select(1, 0), b = last.select(1, 1);
  if (options_.objective.on_difference) a = a.select(1, 0) - a.select(1, 1), b = b.select(1, 0) - b.select(1, 1);
  else a = a.reshape({2 * n, -1}), b = b.reshape({2 * n, -1});
  const at::Tensor value = objective::contrastive_loss(a, b, options_.objective.temperature);
  return options_.objective.contrastive * value * (double(n) / double(std::max<int64_t>(counts.sequences, 1)));
}

objective::StepCounts RewardModelTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].chosen.size());
  return c;
}

at::Tensor RewardModelTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                                 objective::Statistics& figures) {
  CompletionPacker packer;
  std::vector<int64_t> chosen, rejected, rejected_pair;
  std::vector<float> margin, weight, label;
  bool has_margin = false, has_weight = false, has_label = false;
  for (size_t pair = 0; pair < records.size(); ++pair) {
    const auto& x = examples_[size_t(records[pair])];
    const int32_t prompt = packer.prompt(x.prompt);
    chosen.push_back(packer.completion(prompt, x.chosen));
    for (const auto& r : x.rejected) {
      rejected.push_back(packer.completion(prompt, r));
      rejected_pair.push_back(int64_t(pair));
    }
    margin.push_back(float(x.margin)), weight.push_back(float(x.weight));
    label.push_back(float(x.label.value_or(1 - options_.objective.label_smoothing)));
    has_margin = has_margin || x.margin != 0, has_weight = has_weight || x.weight != 1, has_label = has_label || x.label.has_value();
  }
  const at::Device device = model.device();
  const CompletionBatch batch = packer.build(device);
  const at::Tensor last = model.hidden(batch.packed, batch.last_rows, forward);
  const at::Tensor scores = nn::score_tokens(last, head_);
  const auto indices = [&](const std::vector<int64_t>& x) { return at::tensor(x, at::kLong).to(device); };
  const auto floats = [&](const std::vector<float>& x) { return at::tensor(x, at::kFloat).to(device); };
  objective::RewardBatch b;
  b.chosen = scores.index_select(0, indices(chosen)), b.rejected = scores.index_select(0, indices(rejected));
  if (rejected.size() != chosen.size()) b.rejected_pair = indices(rejected_pair);
  if (has_margin) b.margin = floats(margin);
  if (has_weight) b.weight = floats(weight);
  if (has_label) b.label = floats(label);
  auto result = objective::bradley_terry(b, options_.objective, counts);
  figures.merge(result.statistics);
  if (options_.meta_rate > 0) figures.mean("outside_variance", at::scalar_tensor(outside_spread_, at::kDouble));
  if (options_.objective.contrastive != 0) {
    const at::Tensor contrastive = contrastive_value(model, records, counts, forward);
    figures.sum("contrastive", contrastive);
    result.loss = result.loss + contrastive;
  }
  return result.loss;
}

std::string RewardModelTask::note(const std::map<std::string, double>& figures) const {
  const auto get = [&](const char* name) { return figures.contains(name) ? figures.at(name) : 0.0; };
  return fmt::format("loss {:.3f} · accuracy {:.2f}", get("loss"), get("accuracy"));
}

FileLoopResult train_reward_model(nn::RewardModel& model, std::vector<PreferenceExample> examples, const RewardModelOptions& options, const StageContext& context,
                                  std::vector<Example> outside) {
  RewardModelTask task(std::move(examples), options, model.head, std::move(outside));
  return train_from_file(model.backbone, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

}  // namespace foil::train
