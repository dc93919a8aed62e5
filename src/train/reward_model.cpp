#include "train/reward_model.h"

#include "base/error.h"
#include "config/options.h"
#include "train/fit.h"

namespace foil::train {

void RewardModelOptions::validate(const std::string& where) const {
  objective.validate(where);
  loop.validate(where);
}

RewardModelTask::RewardModelTask(std::vector<PreferenceExample> examples, const RewardModelOptions& options, at::Tensor head)
    : examples_(fit(std::move(examples), options.loop.batch, "reward_model",
                    [](PreferenceExample& x) {
                      std::vector<Tokens*> out{&x.chosen};
                      for (Tokens& r : x.rejected) out.push_back(&r);
                      return out;
                    })),
      options_(options),
      head_(std::move(head)) {
  for (const auto& x : examples_)
    if (x.rejected.empty()) throw Error(fmt::format("record {} has no rejected answer", x.id), "reward_model");
}

int64_t RewardModelTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  size_t n = x.prompt.size() + x.chosen.size();
  for (const auto& r : x.rejected) n += r.size();
  return int64_t(n);
}

std::string RewardModelTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.chosen);
    hash.add(double(x.rejected.size()));
    for (const auto& r : x.rejected) hash.add(r);
    hash.add(x.margin), hash.add(x.weight), hash.add(x.label.value_or(-1));
  }
  return hash.finish();
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
  const at::Tensor last = model.hidden(batch.packed, forward).index_select(0, batch.last_rows);
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
  return result.loss;
}

std::string RewardModelTask::note(const std::map<std::string, double>& figures) const {
  const auto get = [&](const char* name) { return figures.contains(name) ? figures.at(name) : 0.0; };
  return fmt::format("loss {:.3f} · accuracy {:.2f}", get("loss"), get("accuracy"));
}

FileLoopResult train_reward_model(nn::RewardModel& model, std::vector<PreferenceExample> examples, const RewardModelOptions& options, const StageContext& context) {
  RewardModelTask task(std::move(examples), options, model.head);
  return train_from_file(model.backbone, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

}  // namespace foil::train
