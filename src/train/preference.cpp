#include "train/preference.h"

#include "base/error.h"
#include "base/log.h"
#include "config/options.h"
#include "nn/logprob.h"
#include "objective/packed.h"
#include "train/fit.h"

namespace foil::train {

void PreferenceTrainOptions::validate(const std::string& where) const {
  objective.validate(where);
  loop.validate(where);
  if (warn_chosen_fall < 0) throw UsageError("warn_chosen_fall must not be negative (0: never)", where);
}

static at::Tensor floats(const std::vector<float>& x, at::Device device) { return at::tensor(x, at::kFloat).to(device); }

PreferenceTask::PreferenceTask(std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference)
    : examples_(fit(std::move(examples), options.loop.batch, "preference",
                    [](PreferenceExample& x) {
                      std::vector<Tokens*> out{&x.chosen};
                      for (Tokens& r : x.rejected) out.push_back(&r);
                      return out;
                    })),
      options_(options),
      reference_(reference) {
  size_t fewest = examples_.empty() ? 1 : SIZE_MAX, sum = 0;
  double chosen = 0;
  for (const auto& x : examples_) {
    fewest = std::min(fewest, x.rejected.size());
    first_sum_.push_back(sum);
    sum += 1 + x.rejected.size();
    chosen += double(x.chosen.size());
  }
  options_.objective.validate_data("preference", true, int(fewest), objective::info(options_.objective.loss).needs_steps);
  if (!examples_.empty()) mean_chosen_tokens_ = chosen / double(examples_.size());
}

int64_t PreferenceTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  size_t n = x.prompt.size() + x.chosen.size();
  for (const auto& r : x.rejected) n += r.size();
  return int64_t(n);
}

std::string PreferenceTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.chosen);
    hash.add(double(x.rejected.size()));
    for (const auto& r : x.rejected) hash.add(r);
    hash.add(x.margin), hash.add(x.weight);
  }
  return hash.finish();
}

void PreferenceTask::prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) {
  if (!objective::info(options_.objective.loss).needs_reference) return;
  std::vector<ScoredTokens> items;
  for (const auto& x : examples_) {
    items.push_back({&x.prompt, {&x.chosen}});
    for (const auto& r : x.rejected) items.back().completions.push_back(&r);
  }
  const at::Tensor sums =
      cached_logprobs(reference_ ? *reference_ : model, items, options.batch.micro_batch_tokens, context.folder, data_hash(), context.stage + ": reference log-probabilities");
  reference_sums_.assign(sums.const_data_ptr<float>(), sums.const_data_ptr<float>() + sums.numel());
}

objective::StepCounts PreferenceTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].chosen.size());
  return c;
}

at::Tensor PreferenceTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                                objective::Statistics& figures) {
  CompletionPacker packer;
  std::vector<int64_t> chosen, rejected, rejected_pair;
  std::vector<float> reference_chosen, reference_rejected, margin, weight;
  bool has_margin = false, has_weight = false;
  for (size_t pair = 0; pair < records.size(); ++pair) {
    const auto record = size_t(records[pair]);
    const auto& x = examples_[record];
    const int32_t prompt = packer.prompt(x.prompt);
    chosen.push_back(packer.completion(prompt, x.chosen));
    for (const auto& r : x.rejected) {
      rejected.push_back(packer.completion(prompt, r));
      rejected_pair.push_back(int64_t(pair));
    }
    if (!reference_sums_.empty()) {
      const float* sums = reference_sums_.data() + first_sum_[record];
      reference_chosen.push_back(sums[0]);
      reference_rejected.insert(reference_rejected.end(), sums + 1, sums + 1 + x.rejected.size());
    }
    margin.push_back(float(x.margin)), weight.push_back(float(x.weight));
    has_margin = has_margin || x.margin != 0, has_weight = has_weight || x.weight != 1;
  }
  const at::Device device = model.device();
  const CompletionBatch batch = packer.build(device);
  const at::Tensor hidden = model.hidden(batch.packed, forward).index_select(0, batch.rows);
  const at::Tensor logprob = nn::token_logprobs(hidden, model.output_weight(), batch.targets).logprob;
  const at::Tensor sums = objective::sequence_sum(logprob, batch.sequence, batch.completions());
  const auto pick = [&](const at::Tensor& from, const std::vector<int64_t>& which) { return from.index_select(0, at::tensor(which, at::kLong).to(device)); };
  objective::PreferenceBatch b;
  b.policy_chosen = pick(sums, chosen), b.policy_rejected = pick(sums, rejected);
  b.chosen_tokens = pick(batch.lengths, chosen), b.rejected_tokens = pick(batch.lengths, rejected);
  if (!reference_sums_.empty()) b.reference_chosen = floats(reference_chosen, device), b.reference_rejected = floats(reference_rejected, device);
  if (rejected.size() != chosen.size() || objective::info(options_.objective.loss).min_negatives > 1) b.rejected_pair = at::tensor(rejected_pair, at::kLong).to(device);
  if (has_margin) b.margin = floats(margin, device);
  if (has_weight) b.weight = floats(weight, device);
  auto result = objective::preference_loss(b, options_.objective, counts);
  figures.merge(result.statistics);
  return result.loss;
}

void PreferenceTask::end_step(const std::map<std::string, double>& figures) {
  const auto found = figures.find("delta/chosen");
  if (warned_ || found == figures.end() || options_.warn_chosen_fall == 0 || found->second > -options_.warn_chosen_fall * mean_chosen_tokens_) return;
  warned_ = true;
  log_warning("the chosen answers have become {:.1f} nats less likely than under the reference ({:.2f} per token): the policy forgets what it should learn; "
              "raise beta or sft_coefficient, lower optimizer.lr, or use loss: sigmoid_norm or apo_zero",
              -found->second, -found->second / mean_chosen_tokens_);
}

std::string PreferenceTask::note(const std::map<std::string, double>& figures) const {
  const auto get = [&](const char* name) { return figures.contains(name) ? figures.at(name) : 0.0; };
  return fmt::format("loss {:.3f} · margin {:.3f} · accuracy {:.2f}", get("loss"), get("rewards/margin"), get("rewards/accuracy"));
}

UnpairedTask::UnpairedTask(std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference)
    : examples_(fit(std::move(examples), options.loop.batch, "preference", [](UnpairedExample& x) { return std::vector<Tokens*>{&x.completion}; })),
      options_(options),
      reference_(reference) {
  options_.objective.validate_data("preference", false, 0, false);
  if (options_.objective.loss == objective::PreferenceLoss::kKto && examples_.size() == 1)
    throw Error("kto needs at least two records: its baseline pairs each prompt with another record's answer", "preference");
}

int64_t UnpairedTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  return int64_t(x.prompt.size() + x.completion.size());
}

std::string UnpairedTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.completion);
    hash.add(x.weight), hash.add(x.desirable ? 1.0 : 0.0);
  }
  return hash.finish();
}

ScoredTokens UnpairedTask::mismatched(int64_t record) const {
  return {&examples_[size_t(record)].prompt, {&examples_[size_t(record + 1) % examples_.size()].completion}};
}

void UnpairedTask::prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) {
  const bool kto = options_.objective.loss == objective::PreferenceLoss::kKto;
  std::vector<ScoredTokens> items;
  for (const auto& x : examples_) items.push_back({&x.prompt, {&x.completion}});
  if (kto)
    for (int64_t i = 0; i < size(); ++i) items.push_back(mismatched(i));
  const at::Tensor sums = cached_logprobs(reference_ ? *reference_ : model, items, options.batch.micro_batch_tokens, context.folder, data_hash() + (kto ? " kto" : ""),
                                          context.stage + ": reference log-probabilities");
  reference_sums_ = sums.slice(0, 0, size());
  if (kto) mismatched_sums_ = sums.slice(0, size());
}

objective::StepCounts UnpairedTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].completion.size());
  return c;
}

void UnpairedTask::begin_step(const nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options) {
  if (options_.objective.loss == objective::PreferenceLoss::kKto) {
    std::vector<ScoredTokens> items;
    for (const int64_t r : records) items.push_back(mismatched(r));
    const at::Tensor policy = summed_logprobs(model, items, options.batch.micro_batch_tokens);
    shift_ = objective::kto_baseline(policy, mismatched_sums_.index_select(0, at::tensor(at::IntArrayRef(records.data(), records.size()), at::kLong)));
  } else if (options_.objective.loss == objective::PreferenceLoss::kBco) {
    shift_ = at::scalar_tensor(bco_.mean, at::kFloat);
  }
}

at::Tensor UnpairedTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                              objective::Statistics& figures) {
  const at::Device device = model.device();
  CompletionPacker packer;
  std::vector<float> weight;
  std::vector<uint8_t> desirable;
  bool has_weight = false;
  for (const int64_t r : records) {
    const auto& x = examples_[size_t(r)];
    packer.completion(packer.prompt(x.prompt), x.completion);
    desirable.push_back(x.desirable);
    weight.push_back(float(x.weight));
    has_weight = has_weight || x.weight != 1;
  }
  const CompletionBatch batch = packer.build(device);
  const at::Tensor hidden = model.hidden(batch.packed, forward).index_select(0, batch.rows);
  const at::Tensor logprob = nn::token_logprobs(hidden, model.output_weight(), batch.targets).logprob;
  objective::UnpairedBatch b;
  b.policy = objective::sequence_sum(logprob, batch.sequence, batch.completions());
  b.reference = reference_sums_.index_select(0, at::tensor(at::IntArrayRef(records.data(), records.size()), at::kLong)).to(device);
  b.desirable = at::tensor(desirable, at::kByte).to(at::kBool).to(device);
  if (has_weight) b.weight = floats(weight, device);
  if (shift_.defined()) b.shift = shift_.to(device);
  auto result = objective::unpaired_loss(b, options_.objective, counts);
  if (options_.objective.loss == objective::PreferenceLoss::kBco && at::GradMode::is_enabled()) bco_.update(options_.objective.resolved_beta() * (b.policy.detach() - b.reference));
  figures.merge(result.statistics);
  return result.loss;
}

nlohmann::json UnpairedTask::state() const { return {{"bco_mean", bco_.mean}, {"bco_count", bco_.count}}; }

void UnpairedTask::load_state(const nlohmann::json& state) {
  if (state.contains("bco_mean")) bco_.mean = state.at("bco_mean"), bco_.count = state.at("bco_count");
}

FileLoopResult train_preference(nn::Transformer& model, std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                                const nn::Transformer* reference) {
  PreferenceTask task(std::move(examples), options, reference);
  return train_from_file(model, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

FileLoopResult train_unpaired(nn::Transformer& model, std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                              const nn::Transformer* reference) {
  UnpairedTask task(std::move(examples), options, reference);
  return train_from_file(model, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

}  // namespace foil::train
