#include "train/preference_strength.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil::train {

void StrengthOptions::validate(const std::string& where) const {
  const auto require = [&](bool ok, const char* what, const char* hint = "") {
    if (!ok) throw UsageError(what, where, hint);
  };
  require(models == 0 || models >= 2, "models must be at least 2 (0: off): one model is no ensemble", "the paper has 10");
  require(share > 0 && share <= 1, "share must be in (0, 1]");
  require(ambiguous_share >= 0 && ambiguous_share < 1, "ambiguous_share must be in [0, 1)", "0.1 is usual");
  require(margin_scale > 0, "margin_scale must be above 0");
  require(!(soft_labels && adaptive_margin), "adaptive_margin does nothing with soft_labels: each pair's label says how much it counts", "choose one of them");
  require(models > 0 || (ambiguous_share == 0 && !soft_labels && !adaptive_margin), "strength needs an ensemble to measure it", "set strength.models: 10");
}

namespace {

// [N] s(chosen) − mean s(rejected).
std::vector<double> score_margins(const nn::RewardModel& model, const std::vector<PreferenceExample>& pairs, int64_t budget) {
  at::NoGradGuard guard;
  std::vector<int64_t> all(pairs.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = int64_t(i);
  std::vector<double> out;
  const auto tokens = [&](int64_t i) {
    const auto& x = pairs[size_t(i)];
    size_t n = x.prompt.size() + x.chosen.size();
    for (const auto& r : x.rejected) n += r.size();
    return int64_t(n);
  };
  for (const auto& micro : micro_batches(all, tokens, budget)) {
    CompletionPacker packer;
    for (const int64_t i : micro) {
      const auto& x = pairs[size_t(i)];
      const int32_t prompt = packer.prompt(x.prompt);
      packer.completion(prompt, x.chosen);
      for (const auto& r : x.rejected) packer.completion(prompt, r);
    }
    const CompletionBatch batch = packer.build(model.backbone.device());
    const at::Tensor scores = nn::score_tokens(model.backbone.hidden(batch.packed, batch.last_rows), model.head).to(at::kFloat).cpu();
    const float* s = scores.const_data_ptr<float>();
    for (const int64_t i : micro) {
      const double chosen = *s++;
      double rejected = 0;
      for (size_t k = 0; k < pairs[size_t(i)].rejected.size(); ++k) rejected += *s++ / double(pairs[size_t(i)].rejected.size());
      out.push_back(chosen - rejected);
    }
  }
  return out;
}

}  // namespace

std::vector<double> preference_strength(const nn::RewardModel& model, const std::vector<PreferenceExample>& pairs, const StrengthOptions& options, const RewardModelOptions& training,
                                        const StageContext& context) {
  std::vector<double> unseen(pairs.size(), 0), every(pairs.size(), 0);
  std::vector<int> measured(pairs.size(), 0);
  for (int m = 0; m < options.models; ++m) {
    StageContext own = context;
    own.stage = fmt::format("{}_{}", context.stage, m), own.folder = context.folder / fmt::format("model-{}", m);
    own.seed = mix64(context.seed, hash64(own.stage)), own.log = nullptr;
    Stream stream(own.seed, "strength");
    std::vector<PreferenceExample> seen;
    std::vector<bool> held_out(pairs.size());
    for (size_t i = 0; i < pairs.size(); ++i) {
      held_out[i] = stream.uniform() >= options.share;
      if (!held_out[i]) seen.push_back(pairs[i]);
    }
    if (seen.empty()) throw Error("a model of the ensemble would see no pair", context.stage, "raise strength.share, or make more pairs");
    nn::RewardModel copy{model.backbone.clone(), model.head.detach().clone()};
    RewardModelOptions plain = training;
    plain.meta_rate = 0, plain.loop.validation_share = 0, plain.loop.validate_every = 0;
    train_reward_model(copy, std::move(seen), plain, own);
    const auto margins = score_margins(copy, pairs, training.loop.batch.micro_batch_tokens);
    for (size_t i = 0; i < pairs.size(); ++i) {
      every[i] += margins[i] / options.models;
      if (held_out[i]) unseen[i] += margins[i], ++measured[i];
    }
  }
  for (size_t i = 0; i < pairs.size(); ++i) every[i] = measured[i] ? unseen[i] / measured[i] : every[i];
  return every;
}

std::vector<PreferenceExample> apply_strength(std::vector<PreferenceExample> pairs, const std::vector<double>& strength, const StrengthOptions& options, StrengthFigures& figures) {
  FOIL_CHECK(pairs.size() == strength.size());
  std::vector<size_t> order(pairs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return std::abs(strength[a]) < std::abs(strength[b]); });
  std::vector<bool> ambiguous(pairs.size());
  for (size_t i = 0; i < size_t(options.ambiguous_share * double(pairs.size()) + 0.5); ++i) ambiguous[order[i]] = true;
  std::vector<PreferenceExample> out;
  for (size_t i = 0; i < pairs.size(); ++i) {
    PreferenceExample x = std::move(pairs[i]);
    double s = strength[i];
    if (ambiguous[i] && options.drop_ambiguous) {
      ++figures.dropped;
      continue;
    }
    const bool soft = options.soft_labels || ambiguous[i];
    if (!soft && options.flip && s < 0 && x.rejected.size() == 1) {
      std::swap(x.chosen, x.rejected[0]);
      s = -s;
      ++figures.flipped;
    }
    if (soft) x.label = 1 / (1 + std::exp(-s)), ++figures.softened;
    if (options.adaptive_margin && !soft) x.margin = options.margin_scale * s;
    out.push_back(std::move(x));
  }
  return out;
}

}  // namespace foil::train
