#include "train/preference.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "config/options.h"
#include "nn/logprob.h"
#include "objective/packed.h"
#include "objective/reward_model.h"
#include "train/fit.h"

namespace foil::train {

void ContrastiveOptions::validate(const std::string& where) const {
  if (coefficient < 0 || temperature <= 0 || biased_weight < 0) throw UsageError("coefficient and biased_weight must not be negative, temperature must be above 0", where);
}

void PreferenceTrainOptions::validate(const std::string& where) const {
  objective.validate(where);
  loop.validate(where);
  const auto& row = objective::info(objective.loss);
  const std::string name = row.name;
  const auto require = [&](bool ok, const std::string& what, const std::string& hint = "") {
    if (!ok) throw UsageError(what, where, hint);
  };
  require(warn_chosen_fall >= 0, "warn_chosen_fall must not be negative (0: never)");
  require(beta_schedule == BetaSchedule::kConstant || beta_final, "beta_schedule needs beta_final", "set beta_final, e.g. a third of beta");
  require(!beta_final || beta_schedule != BetaSchedule::kConstant, "beta_final does nothing while beta_schedule is constant", "set beta_schedule: linear or cosine");
  require(!beta_final || *beta_final > 0, "beta_final must be above 0");
  require(!beta_final || objective.loss != objective::PreferenceLoss::kSft, "beta_schedule does nothing in the loss sft, which has no beta", "leave beta_schedule out, or use sigmoid");
  require(!beta_final || !row.unpaired, "beta_schedule is not there for the unpaired loss " + name, "use a pair loss, e.g. sigmoid");
  require(reference_refresh_steps >= 0 && reference_refresh_mix > 0 && reference_refresh_mix <= 1, "reference_refresh_steps must not be negative, reference_refresh_mix must be in (0, 1]");
  require(reference_refresh_steps == 0 || (row.needs_reference && !row.unpaired), "reference_refresh_steps does nothing in the loss " + name, row.unpaired ? "use a pair loss, e.g. sigmoid" : "this loss has no reference; use sigmoid");
  const bool distils = distillation.coefficient != 0, infonce = objective.loss == objective::PreferenceLoss::kInfonce;
  require(!distils || reference_refresh_steps == 0, "focal distillation holds on to the start policy, reference_refresh_steps lets it go", "choose one of them");
  require(!distils || !row.unpaired, "distillation is not there for the unpaired loss " + name, "use a pair loss, e.g. sigmoid");
  require(distils || config::to_json(distillation).dump() == config::to_json(objective::DistillationOptions{}).dump(), "distillation.base, focus and temperature do nothing while distillation.coefficient is 0",
          "set distillation.coefficient");
  require(contrastive.coefficient == 0 || !row.unpaired, "contrastive is not there for the unpaired loss " + name, "use a pair loss, e.g. sigmoid");
  require(infonce || negatives == NegativeCount::kAll, "negatives: optimal and adaptive choose how many negatives infonce compares; the loss " + name + " has no such number", "use loss: infonce");
  require(negatives_every >= 1, "negatives_every must be at least 1");
  require(chosen_reliability > 0 && chosen_reliability <= 1 && (!negative_reliability || (*negative_reliability > 0 && *negative_reliability <= 1)), "reliabilities are chances in (0, 1]");
  require(negatives != NegativeCount::kAll || (chosen_reliability == 1 && !negative_reliability), "chosen_reliability and negative_reliability do nothing while negatives is all", "set negatives: optimal or adaptive");
  require(curriculum == Curriculum::kNone || !row.unpaired, "curriculum orders pairs, and the loss " + name + " learns from single answers", "use a pair loss, e.g. sigmoid");
  require(!unpair || row.unpaired, "unpair makes single answers of pairs, and the loss " + name + " learns from pairs", "leave unpair out, or use kto, bco or apo_zero_unpaired");
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
  if (const auto least = size_t(objective::info(options_.objective.loss).min_negatives); least > 1) {
    const size_t all = examples_.size();
    if (std::any_of(examples_.begin(), examples_.end(), [&](const auto& x) { return x.rejected.size() >= least; }))
      std::erase_if(examples_, [&](const auto& x) { return x.rejected.size() < least; });  // else validate_data() says what is missing
    if (examples_.size() < all) log_warning("preference: {} of {} pairs have fewer than {} rejected answers and were dropped", all - examples_.size(), all, least);
  }
  if (options_.curriculum != Curriculum::kNone && std::any_of(examples_.begin(), examples_.end(), [](const auto& x) { return !x.plausibility; }))
    throw UsageError("a curriculum needs to know how right each rejected answer looks, and some pairs carry no score", "preference.curriculum",
                     "score the samples before pairing (foil score), or leave curriculum out");
  size_t fewest = examples_.empty() ? 1 : SIZE_MAX, sum = 0;
  double chosen = 0;
  for (const auto& x : examples_) {
    fewest = std::min(fewest, x.rejected.size());
    first_sum_.push_back(sum);
    sum += 1 + x.rejected.size();
    chosen += double(x.chosen.size());
  }
  const bool steps = !examples_.empty() && std::all_of(examples_.begin(), examples_.end(), [](const auto& x) { return x.step; });
  const bool margins = std::any_of(examples_.begin(), examples_.end(), [](const auto& x) { return x.margin != 0; });
  options_.objective.validate_data("preference", true, int(fewest), steps, margins);
  if (options_.contrastive.coefficient != 0 && steps)
    throw UsageError("the contrastive term is on whole answers, and the pairs are single steps", "preference", "set contrastive.coefficient: 0, or use pairs of whole answers");
  for (auto& x : examples_)
    if (int64_t((x.view_prompt.empty() ? x.prompt : x.view_prompt).size() + x.view.size()) > options_.loop.batch.max_tokens) x.view.clear(), x.view_prompt.clear();
  if (options_.contrastive.coefficient != 0 && std::all_of(examples_.begin(), examples_.end(), [](const auto& x) { return x.view.empty(); }))
    throw UsageError("the contrastive term needs views of the chosen answers, and no pair has one", "preference", "use a file with views (pairs/views.jsonl of recipes/methods/mmbs-views.yaml), or set contrastive.coefficient: 0");
  if (!examples_.empty()) mean_chosen_tokens_ = chosen / double(examples_.size());
  now_ = options_.objective;
  now_.beta = options_.objective.resolved_beta();
}

int64_t PreferenceTask::tokens(int64_t record) const {
  const auto& x = examples_[size_t(record)];
  size_t n = x.prompt.size() + x.chosen.size() + (options_.contrastive.coefficient != 0 ? x.view_prompt.size() + x.view.size() : 0);
  for (const auto& r : x.rejected) n += r.size();
  return int64_t(n);
}

double PreferenceTask::rank(int64_t record) const {
  const auto& x = examples_[size_t(record)].plausibility;
  if (options_.curriculum == Curriculum::kNone || !x) return 0;
  return options_.curriculum == Curriculum::kEasyFirst ? *x : -*x;
}

std::string PreferenceTask::data_hash() const {
  DataHash hash;
  for (const auto& x : examples_) {
    hash.add(x.prompt), hash.add(x.chosen);
    hash.add(double(x.rejected.size()));
    for (const auto& r : x.rejected) hash.add(r);
    hash.add(x.margin), hash.add(x.weight), hash.add(x.view), hash.add(x.view_prompt), hash.add(x.bias);
    if (options_.curriculum != Curriculum::kNone) hash.add(x.plausibility.value_or(0));
    hash.add(x.label.value_or(-1)), hash.add(x.old_right ? 1.0 : 0.0);
  }
  return hash.finish();
}

std::map<std::string, at::Tensor> PreferenceTask::kept_tensors() {
  if (!refreshes()) return {};
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, tensor] : live_reference_->parameters()) out["reference/" + name] = tensor;
  return out;
}

void PreferenceTask::prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) {
  if (refreshes() || (options_.distillation.coefficient != 0 && !reference_)) live_reference_ = (reference_ ? *reference_ : model).clone();
  if (!objective::info(options_.objective.loss).needs_reference || refreshes()) return;
  std::vector<ScoredTokens> items;
  for (const auto& x : examples_) {
    items.push_back({&x.prompt, {&x.chosen}});
    for (const auto& r : x.rejected) items.back().completions.push_back(&r);
  }
  const at::Tensor sums =
      cached_logprobs(reference_ ? *reference_ : model, items, options.batch.micro_batch_tokens, context.folder, data_hash(), context.stage + ": reference log-probabilities", context.ranks);
  reference_sums_.assign(sums.const_data_ptr<float>(), sums.const_data_ptr<float>() + sums.numel());
}

// A step's figures of β and of the number of negatives, and the reference's own step.
void PreferenceTask::begin_step(nn::Transformer& model, std::span<const int64_t> /*records*/, const FileLoopOptions& options, const StepPlace& place) {
  const double start = options_.objective.resolved_beta(), end = options_.beta_final.value_or(start), share = place.share();
  now_.beta = options_.beta_schedule == BetaSchedule::kCosine ? end + (start - end) * 0.5 * (1 + std::cos(M_PI * share)) : start + (end - start) * share;
  if (!place.training) return;
  if (refreshes() && place.step > 0 && place.step % options_.reference_refresh_steps == 0) {
    const auto& policy = std::as_const(model).parameters();
    for (auto& [name, tensor] : live_reference_->parameters()) tensor.lerp_(policy.at(name).detach(), options_.reference_refresh_mix);
  }
  if (options_.negatives == NegativeCount::kOptimal && used_negatives_ == 0) choose_negatives(model, options, false);
  if (options_.negatives == NegativeCount::kAdaptive && (used_negatives_ == 0 || place.step % options_.negatives_every == 0)) choose_negatives(model, options, place.step > 0);
}

// From the first pairs of the file, with all their negatives: what the present policy makes of them, against how far labels can be trusted.
void PreferenceTask::choose_negatives(const nn::Transformer& model, const FileLoopOptions& options, bool moved) {
  constexpr size_t kProbe = 64;
  size_t most = SIZE_MAX;
  double label = 0, labelled = 0;
  for (const auto& x : examples_) {
    most = std::min(most, x.rejected.size());
    if (x.label) label += *x.label, ++labelled;
  }
  std::vector<double> information;
  if (moved) {
    std::vector<ScoredTokens> items;
    for (size_t i = 0; i < std::min(kProbe, examples_.size()); ++i) {
      items.push_back({&examples_[i].prompt, {&examples_[i].chosen}});
      for (size_t k = 0; k < most; ++k) items.back().completions.push_back(&examples_[i].rejected[k]);
    }
    const at::Tensor policy = summed_logprobs(model, items, options.batch.micro_batch_tokens);
    at::Tensor reference = at::empty_like(policy);
    if (refreshes()) {
      reference = summed_logprobs(*live_reference_, items, options.batch.micro_batch_tokens);
    } else {
      int64_t at = 0;
      for (size_t i = 0; i < items.size(); ++i)
        for (size_t k = 0; k <= most; ++k) reference[at++] = reference_sums_[first_sum_[i] + k];
    }
    const at::Tensor delta = (policy - reference).reshape({int64_t(items.size()), int64_t(most) + 1});
    information = objective::informativeness(*now_.beta * (delta.slice(1, 0, 1) - delta.slice(1, 1)));
  } else {
    information = objective::informativeness(at::zeros({1, int64_t(most)}));
  }
  const double q = options_.negative_reliability.value_or(labelled > 0 ? label / labelled : 1);
  used_negatives_ = objective::optimal_negatives(information, {options_.chosen_reliability, q});
}

objective::StepCounts PreferenceTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].chosen.size());
  return c;
}

at::Tensor PreferenceTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                                objective::Statistics& figures) {
  CompletionPacker packer(LastTokens::kLeftOut);
  std::vector<int64_t> chosen, rejected, rejected_pair, views;
  std::vector<float> reference_chosen, reference_rejected, margin, weight;
  bool has_margin = false, has_weight = false;
  for (size_t pair = 0; pair < records.size(); ++pair) {
    const auto record = size_t(records[pair]);
    const auto& x = examples_[record];
    const size_t negatives = used_negatives_ > 0 ? std::min(size_t(used_negatives_), x.rejected.size()) : x.rejected.size();
    const int32_t prompt = packer.prompt(x.prompt);
    chosen.push_back(packer.completion(prompt, x.chosen));
    for (size_t k = 0; k < negatives; ++k) {
      rejected.push_back(packer.completion(prompt, x.rejected[k]));
      rejected_pair.push_back(int64_t(pair));
    }
    if (options_.contrastive.coefficient != 0) views.push_back(x.view.empty() ? -1 : packer.completion(x.view_prompt.empty() ? prompt : packer.prompt(x.view_prompt), x.view));
    if (!reference_sums_.empty()) {
      const float* sums = reference_sums_.data() + first_sum_[record];
      reference_chosen.push_back(sums[0]);
      reference_rejected.insert(reference_rejected.end(), sums + 1, sums + 1 + negatives);
    }
    margin.push_back(float(x.margin)), weight.push_back(float(x.weight));
    has_margin = has_margin || x.margin != 0, has_weight = has_weight || x.weight != 1;
  }
  const at::Device device = model.device();
  const CompletionBatch batch = packer.build(device);
  const at::Tensor hidden = model.hidden(batch.packed, batch.rows, forward);
  const at::Tensor logprob = nn::token_logprobs(hidden, model.output_weight(), batch.targets).logprob;
  const at::Tensor sums = objective::sequence_sum(logprob, batch.sequence, batch.completions());
  const auto pick = [&](const at::Tensor& from, const std::vector<int64_t>& which) { return from.index_select(0, at::tensor(which, at::kLong).to(device)); };
  objective::PreferenceBatch b;
  b.policy_chosen = pick(sums, chosen), b.policy_rejected = pick(sums, rejected);
  b.chosen_tokens = pick(batch.lengths, chosen), b.rejected_tokens = pick(batch.lengths, rejected);
  if (refreshes()) {
    at::NoGradGuard guard;
    const at::Tensor held_hidden = live_reference_->hidden(batch.packed, batch.rows);
    const at::Tensor held_sums = objective::sequence_sum(nn::token_logprobs(held_hidden, live_reference_->output_weight(), batch.targets).logprob, batch.sequence, batch.completions());
    b.reference_chosen = pick(held_sums, chosen), b.reference_rejected = pick(held_sums, rejected);
  } else if (!reference_sums_.empty()) {
    b.reference_chosen = floats(reference_chosen, device), b.reference_rejected = floats(reference_rejected, device);
  }
  if (rejected.size() != chosen.size() || objective::info(options_.objective.loss).min_negatives > 1) b.rejected_pair = at::tensor(rejected_pair, at::kLong).to(device);
  if (has_margin) b.margin = floats(margin, device);
  if (has_weight) b.weight = floats(weight, device);
  auto result = objective::preference_loss(b, now_, counts);
  figures.merge(result.statistics);
  if (options_.beta_schedule != BetaSchedule::kConstant) figures.mean("beta", at::scalar_tensor(*now_.beta, at::kDouble));
  if (options_.negatives != NegativeCount::kAll) figures.mean("negatives", at::scalar_tensor(double(used_negatives_), at::kDouble));
  if (options_.distillation.coefficient != 0) result.loss = result.loss + distillation_loss(model, batch, hidden, chosen, records, counts, figures);
  if (options_.contrastive.coefficient != 0) result.loss = result.loss + contrastive_loss(hidden, batch, chosen, rejected, views, records, counts, figures);
  return result.loss;
}

at::Tensor PreferenceTask::distillation_loss(const nn::Transformer& model, const CompletionBatch& batch, const at::Tensor& hidden, const std::vector<int64_t>& chosen,
                                             std::span<const int64_t> records, const objective::StepCounts& counts, objective::Statistics& figures) const {
  const at::Device device = model.device();
  at::Tensor pair_of = at::full({batch.completions()}, -1, at::kLong);
  std::vector<uint8_t> old_right;
  for (size_t pair = 0; pair < chosen.size(); ++pair) {
    pair_of[chosen[pair]] = int64_t(pair);
    old_right.push_back(examples_[size_t(records[pair])].old_right);
  }
  const at::Tensor owner = pair_of.to(device).index_select(0, batch.sequence);
  const at::Tensor rows = owner.ge(0).nonzero().squeeze(1);
  at::Tensor old_hidden;
  {
    at::NoGradGuard guard;
    old_hidden = held()->hidden(batch.packed, batch.rows.index_select(0, rows));
  }
  const at::Tensor kl = objective::distribution_kl(hidden.index_select(0, rows), model.output_weight(), old_hidden, held()->output_weight(), options_.distillation.temperature);
  auto result = objective::focal_distillation(kl, owner.index_select(0, rows), at::tensor(old_right, at::kByte).to(at::kBool).to(device), options_.distillation, counts);
  figures.merge(result.statistics);
  return result.loss;
}

at::Tensor PreferenceTask::contrastive_loss(const at::Tensor& hidden, const CompletionBatch& batch, const std::vector<int64_t>& chosen, const std::vector<int64_t>& rejected,
                                            const std::vector<int64_t>& views, std::span<const int64_t> records, const objective::StepCounts& counts,
                                            objective::Statistics& figures) const {
  std::vector<int64_t> anchors, positives;
  std::vector<float> weight;
  for (size_t pair = 0; pair < chosen.size(); ++pair) {
    if (views[pair] < 0) continue;
    anchors.push_back(chosen[pair]), positives.push_back(views[pair]);
    weight.push_back(float(1 + options_.contrastive.biased_weight * examples_[size_t(records[pair])].bias));
  }
  if (anchors.empty()) return at::zeros({}, hidden.options().dtype(at::kFloat));
  const at::Tensor wide = hidden.to(at::kFloat);
  const at::Tensor mean = at::zeros({batch.completions(), hidden.size(1)}, wide.options()).index_add(0, batch.sequence, wide) / batch.lengths.unsqueeze(1);
  const auto pick = [&](const std::vector<int64_t>& which) { return mean.index_select(0, at::tensor(which, at::kLong).to(hidden.device())); };
  const at::Tensor value = objective::contrastive_loss(pick(anchors), pick(positives), options_.contrastive.temperature, pick(rejected), floats(weight, hidden.device()));
  figures.mean("contrastive", value);
  return options_.contrastive.coefficient * value * (double(anchors.size()) / double(std::max<int64_t>(counts.sequences, 1)));
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
  if (options_.objective.loss == objective::PreferenceLoss::kKto) mismatch_ = mismatched_records(examples_);
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
  return {&examples_[size_t(record)].prompt, {&examples_[size_t(mismatch_[size_t(record)])].completion}};
}

void UnpairedTask::prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) {
  const bool kto = options_.objective.loss == objective::PreferenceLoss::kKto;
  std::vector<ScoredTokens> items;
  for (const auto& x : examples_) items.push_back({&x.prompt, {&x.completion}});
  if (kto)
    for (int64_t i = 0; i < size(); ++i) items.push_back(mismatched(i));
  const at::Tensor sums = cached_logprobs(reference_ ? *reference_ : model, items, options.batch.micro_batch_tokens, context.folder, data_hash() + (kto ? " kto" : ""),
                                          context.stage + ": reference log-probabilities", context.ranks);
  reference_sums_ = sums.slice(0, 0, size());
  if (kto) mismatched_sums_ = sums.slice(0, size());
}

objective::StepCounts UnpairedTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].completion.size());
  return c;
}

void UnpairedTask::begin_step(nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options, const StepPlace& /*place*/) {
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
  CompletionPacker packer(LastTokens::kLeftOut);
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
  const at::Tensor hidden = model.hidden(batch.packed, batch.rows, forward);
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

std::vector<int64_t> mismatched_records(const std::vector<UnpairedExample>& examples) {
  const auto n = int64_t(examples.size());
  const auto at = [&](int64_t i) -> const Tokens& { return examples[size_t(i % n)].prompt; };
  if (std::all_of(examples.begin(), examples.end(), [&](const auto& x) { return x.prompt == at(0); }))
    throw Error("kto's baseline pairs each prompt with an answer to another one, and all records answer the same prompt", "preference", "use bco or apo_zero_unpaired");
  std::vector<int64_t> next(static_cast<size_t>(2 * n)), out(static_cast<size_t>(n));  // next: the first record behind i with another prompt, the file read in a circle
  for (int64_t i = 2 * n - 2; i >= 0; --i) next[size_t(i)] = at(i + 1) != at(i) ? i + 1 : next[size_t(i + 1)];
  for (int64_t begin = 0; begin < n;) {
    const int64_t end = std::min(n, next[size_t(begin)]);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t other = (i + end - begin) % n;
      out[size_t(i)] = (at(other) != at(i) ? other : next[size_t(other)]) % n;
    }
    begin = end;
  }
  return out;
}

std::vector<UnpairedExample> unpaired(const std::vector<PreferenceExample>& pairs) {
  std::vector<UnpairedExample> out;
  for (const auto& x : pairs) {
    out.push_back({x.id + "/chosen", x.prompt, x.chosen, true, x.weight});
    for (size_t i = 0; i < x.rejected.size(); ++i) out.push_back({fmt::format("{}/rejected{}", x.id, i), x.prompt, x.rejected[i], false, x.weight});
  }
  return out;
}

FileLoopResult train_preference(nn::Transformer& model, PreferenceData data, const PreferenceTrainOptions& options, const StageContext& context, const nn::Transformer* reference) {
  if (options.unpair) {
    if (data.pairs.empty()) throw UsageError("unpair: these data are single answers already", context.stage, "leave unpair out");
    data.singles = unpaired(data.pairs);
    data.pairs.clear();
  }
  const bool has_pairs = !data.pairs.empty();
  if (!has_pairs && data.singles.empty()) throw Error("there is no record to train on", context.stage, "look at the stage that made the records");
  if (objective::info(options.objective.loss).unpaired == has_pairs) options.objective.validate_data(context.stage, has_pairs, 1, false);  // throws
  return has_pairs ? train_preference(model, std::move(data.pairs), options, context, reference) : train_unpaired(model, std::move(data.singles), options, context, reference);
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
