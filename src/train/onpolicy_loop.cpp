#include "train/onpolicy_loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "config/options.h"
#include "nn/logprob.h"
#include "nn/value_head.h"
#include "text/detokenizer.h"
#include "train/fit.h"
#include "train/rollout_step.h"

namespace foil::train {

namespace {

// A sample that takes part in the forward pass.
struct Trained {
  const Sample* sample;
  double advantage;
  at::Tensor old_logprob, reference_logprob;       // [tokens], CPU; undefined when not needed
  at::Tensor token_advantage, values, returns;     // [tokens], CPU: loss ppo; token_advantage for step credits too
  bool offline() const { return sample->source == kInjected; }
};

// Samples of one group that are packed behind one copy of its prompt.
struct Unit {
  const PolicyProblem* problem;
  std::vector<Trained*> samples;
  int64_t tokens() const {
    auto n = int64_t(problem->prompt_tokens.size());
    for (const Trained* t : samples) n += int64_t(t->sample->token_ids.size());
    return n;
  }
};

// What one update learns from: the units this rank computes, and what the loss is divided by (samples without signal and those of
// other ranks included).
struct Update {
  std::vector<Unit> units;
  objective::StepCounts counts;
  bool empty = true;  // on every rank
};

struct PackedUnits {
  CompletionBatch batch;
  std::vector<Trained*> samples;
  nn::SampledRows sampled;  // of units whose activations are all there; else without `kept`
  int64_t tokens = 0;
};

// Rows of the tokens whose activations the sampler has kept: all of a prompt's, all but the last of a sample's.
std::optional<std::vector<int32_t>> kept_prompt(const nn::KeptActivations& kept, const PolicyProblem& p) {
  return kept.find({&p.prompt.problem_id, nn::KeptActivations::kPrompt, p.prompt_tokens});
}
std::optional<std::vector<int32_t>> kept_sample(const nn::KeptActivations& kept, const Trained& t) {
  if (t.offline()) return std::nullopt;
  return kept.find({&t.sample->problem_id, t.sample->sample_id, std::span(t.sample->token_ids).first(t.sample->token_ids.size() - 1)});
}

PackedUnits pack(std::span<const Unit* const> units, at::Device device, const std::shared_ptr<const nn::KeptActivations>& kept = nullptr) {
  CompletionPacker packer(LastTokens::kLeftOut);
  PackedUnits out;
  out.sampled.kept = kept;
  const auto append = [&](const std::optional<std::vector<int32_t>>& rows) { out.sampled.rows.insert(out.sampled.rows.end(), rows.value().begin(), rows.value().end()); };
  for (const Unit* unit : units) {
    const int32_t prompt = packer.prompt(unit->problem->prompt_tokens);
    if (kept) append(kept_prompt(*kept, *unit->problem));
    for (Trained* t : unit->samples) {
      packer.completion(prompt, t->sample->token_ids);
      if (kept) append(kept_sample(*kept, *t));
      out.samples.push_back(t);
    }
    out.tokens += unit->tokens();
  }
  out.batch = packer.build(device);
  return out;
}

std::vector<std::vector<const Unit*>> cut(const std::vector<Unit>& units, int64_t budget) {
  std::vector<int64_t> all(units.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = int64_t(i);
  std::vector<std::vector<const Unit*>> out;
  for (const auto& micro : micro_batches(all, [&](int64_t i) { return units[size_t(i)].tokens(); }, budget)) {
    out.emplace_back();
    for (const int64_t i : micro) out.back().push_back(&units[size_t(i)]);
  }
  return out;
}

class OnPolicyLoop {
 public:
  OnPolicyLoop(nn::Transformer& policy, const nn::Transformer* reference, at::Tensor critic, const PolicySampler& sampler, const OnPolicyOptions& options, Session& session,
               const StageContext& context)
      : policy_(policy), reference_(reference), critic_(std::move(critic)), sampler_(sampler), options_(options), session_(session), context_(context), objective_(options.objective) {
    if (objective_.constant_tokens == 0) objective_.constant_tokens = options.max_completion_tokens;
  }

  // Returns whether any weight moved. `moved` figures go into `figures`; the mean of the updates' losses into `loss`.
  bool learn(std::vector<Group>& groups, objective::Statistics& figures, double& loss, int64_t& trained_tokens) {
    std::vector<std::vector<Trained>> trained = choose(groups);
    fill_fixed_logprobs(groups, trained);
    if (critic_.defined()) estimate_advantages(trained);
    else if (options_.right_step_factor) credit_right_steps(trained, figures);
    int updates = 0;
    loss = 0;
    for (int pass = 0; pass < options_.updates_per_batch; ++pass) {
      for (Update& update : partition(groups, trained, pass)) {
        if (update.empty) continue;
        loss += apply(update, figures, trained_tokens);
        ++updates;
      }
    }
    if (updates > 0) loss /= updates;
    return updates > 0;
  }

 private:
  bool skips_flat() const {
    return options_.objective.kl_coefficient == 0 && options_.objective.entropy_coefficient == 0 && options_.distillation.coefficient == 0 && !critic_.defined() && options_.replay.empty();
  }
  bool masked(const Sample& s) const { return s.finish_reason == Finish::kError || !s.reward || (options_.over_long == OverLong::kMask && s.finish_reason == Finish::kLength); }

  bool trains(const Group& group, size_t i) const { return !masked(group.samples[i]) && (!skips_flat() || group.advantages[i] != 0); }

  // Samples of this rank's groups that take part in the forward pass.
  std::vector<std::vector<Trained>> choose(const std::vector<Group>& groups) const {
    std::vector<std::vector<Trained>> out(groups.size());
    for (size_t g = size_t(context_.rank()); g < groups.size(); g += size_t(context_.size()))
      for (size_t i = 0; i < groups[g].samples.size(); ++i) {
        const Sample& s = groups[g].samples[i];
        if (!trains(groups[g], i)) continue;
        out[g].push_back({&s, groups[g].advantages[i], {}, {}});
      }
    return out;
  }

  // Log-probabilities that do not change while the step's updates are made.
  void fill_fixed_logprobs(const std::vector<Group>& groups, std::vector<std::vector<Trained>>& trained) {
    const bool several = options_.updates_per_batch * options_.minibatches > 1;
    const bool own = options_.sampler_arithmetic == SamplerArithmetic::kSame || behaviour();
    bool old = !own && several;
    for (auto& group : trained)
      for (Trained& t : group)
        if (own && t.sample->logprobs.size() == t.sample->token_ids.size()) t.old_logprob = at::tensor(t.sample->logprobs);
        else if (own) old = true;  // an injected answer whose author is unknown: taken as the policy's own
    const bool reference = reference_ && (options_.objective.kl_coefficient != 0);
    if (!old && !reference && !critic_.defined()) return;
    at::NoGradGuard guard;
    const std::vector<Unit> all = units(groups, trained, {});
    for (const auto& micro : cut(all, options_.micro_batch_tokens)) {
      session_.poll();
      const PackedUnits packed = pack(micro, policy_.device());
      if (critic_.defined()) {
        const at::Tensor hidden = policy_.hidden(packed.batch.packed, packed.batch.rows);
        store(packed, nn::score_tokens(hidden, critic_).cpu(), &Trained::values);
        if (old) store(packed, nn::token_logprobs(hidden, policy_.output_weight(), packed.batch.targets, options_.temperature).logprob.cpu(), &Trained::old_logprob, own);
      } else if (old) {
        store(packed, logprobs(policy_, packed.batch), &Trained::old_logprob, own);
      }
      if (reference) store(packed, logprobs(*reference_, packed.batch), &Trained::reference_logprob);
    }
  }

  // The loss measures the distance from the policy that sampled, by that policy's own numbers.
  bool behaviour() const { return options_.objective.loss == objective::PolicyLoss::kBcpg; }

  void estimate_advantages(std::vector<std::vector<Trained>>& trained) {
    double sum = 0, squares = 0, tokens = 0;
    for (auto& group : trained)
      for (Trained& t : group) {
        const auto n = t.values.size(0);
        at::Tensor rewards = at::zeros({n});
        rewards[n - 1] = t.advantage;
        auto gae = objective::generalized_advantages(rewards, t.values, at::zeros({n}, at::kLong), options_.critic.gamma, options_.critic.lambda);
        t.token_advantage = gae.advantages, t.returns = gae.returns;
        const at::Tensor a = gae.advantages.to(at::kDouble);
        sum += a.sum().item<double>(), squares += a.square().sum().item<double>(), tokens += double(n);
      }
    if (!options_.critic.whiten) return;
    sum = session_.over_ranks(sum), squares = session_.over_ranks(squares), tokens = session_.over_ranks(tokens);
    if (tokens < 2) return;
    const double mean = sum / tokens, deviation = std::sqrt(std::max(squares / tokens - mean * mean, 0.0));
    for (auto& group : trained)
      for (Trained& t : group) t.token_advantage = (t.token_advantage - mean) / (deviation + 1e-8);
  }

  // A token belongs to the step that holds its last byte.
  void credit_right_steps(std::vector<std::vector<Trained>>& trained, objective::Statistics& figures) const {
    std::vector<double> in_right_step;  // tokens of punished samples
    for (auto& group : trained)
      for (Trained& t : group) {
        t.token_advantage = at::full({int64_t(t.sample->token_ids.size())}, t.advantage);
        if (t.advantage >= 0 || t.sample->correct.value_or(false) || t.sample->steps.empty()) continue;
        float* a = t.token_advantage.mutable_data_ptr<float>();
        text::Detokenizer text(*sampler_.tokenizer);
        for (size_t i = 0; i < t.sample->token_ids.size(); ++i) {
          text.add(t.sample->token_ids[i]);
          const auto last = std::max<int64_t>(0, int64_t(text.text().size()) - 1);  // a token that ends no character: where the text stands
          const bool right = std::any_of(t.sample->steps.begin(), t.sample->steps.end(), [&](const Step& step) { return step.correct.value_or(false) && step.begin <= last && last < step.end; });
          if (right) a[i] *= float(*options_.right_step_factor);
          in_right_step.push_back(right);
        }
      }
    figures.mean("right_step_share", at::tensor(in_right_step, at::kDouble));
  }

  at::Tensor logprobs(const nn::Transformer& model, const CompletionBatch& batch) const {
    const at::Tensor hidden = model.hidden(batch.packed, batch.rows);
    return nn::token_logprobs(hidden, model.output_weight(), batch.targets, options_.temperature).logprob.cpu();
  }

  static void store(const PackedUnits& packed, const at::Tensor& values, at::Tensor Trained::*field, bool keep = false) {
    int64_t begin = 0;
    for (Trained* t : packed.samples) {
      const auto n = int64_t(t->sample->token_ids.size());
      if (!keep || !(t->*field).defined()) t->*field = values.slice(0, begin, begin + n);
      begin += n;
    }
  }

  // Groups (all, or those in `which`) cut so that each unit stays within the token budget.
  std::vector<Unit> units(const std::vector<Group>& groups, std::vector<std::vector<Trained>>& trained, const std::vector<size_t>& which) const {
    std::vector<Unit> out;
    for (size_t k = 0; k < (which.empty() ? groups.size() : which.size()); ++k) {
      const size_t g = which.empty() ? k : which[k];
      Unit unit{groups[g].problem, {}};
      for (Trained& t : trained[g]) {
        if (!unit.samples.empty() && unit.tokens() + int64_t(t.sample->token_ids.size()) > options_.micro_batch_tokens) {
          out.push_back(unit);
          unit.samples.clear();
        }
        unit.samples.push_back(&t);
      }
      if (!unit.samples.empty()) out.push_back(std::move(unit));
    }
    return out;
  }

  std::vector<Update> partition(const std::vector<Group>& groups, std::vector<std::vector<Trained>>& trained, int pass) const {
    std::vector<size_t> order(groups.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (options_.minibatches > 1) Stream(mix64(context_.seed, uint64_t(session_.step())), mix64(hash64("minibatches"), uint64_t(pass))).shuffle(order);
    std::vector<Update> out;
    const auto parts = size_t(options_.minibatches);
    for (size_t m = 0; m < parts; ++m) {
      const std::vector<size_t> which(order.begin() + ptrdiff_t(order.size() * m / parts), order.begin() + ptrdiff_t(order.size() * (m + 1) / parts));
      if (which.empty()) continue;
      Update update{units(groups, trained, which), {}, true};
      for (const size_t g : which)
        for (size_t i = 0; i < groups[g].samples.size(); ++i) {
          const Sample& s = groups[g].samples[i];
          update.empty = update.empty && !trains(groups[g], i);
          if (s.finish_reason == Finish::kError || !s.reward) continue;
          ++update.counts.sequences;
          if (!masked(s)) update.counts.tokens += int64_t(s.token_ids.size());
        }
      out.push_back(std::move(update));
    }
    return out;
  }

  // Units whose activations the sampler has kept, and the others.
  std::pair<std::vector<Unit>, std::vector<Unit>> by_kept(const std::vector<Unit>& units) const {
    std::vector<Unit> kept, others;
    for (const Unit& unit : units) {
      Unit sampled{unit.problem, {}}, computed{unit.problem, {}};
      const bool prompt = sampler_.kept && kept_prompt(*sampler_.kept, *unit.problem);
      for (Trained* t : unit.samples) (prompt && kept_sample(*sampler_.kept, *t) ? sampled : computed).samples.push_back(t);
      if (!sampled.samples.empty()) kept.push_back(std::move(sampled));
      if (!computed.samples.empty()) others.push_back(std::move(computed));
    }
    return {std::move(kept), std::move(others)};
  }

  double apply(const Update& update, objective::Statistics& figures, int64_t& trained_tokens) {
    const auto [kept, others] = by_kept(update.units);
    const auto sampled = cut(kept, options_.micro_batch_tokens), computed = cut(others, options_.micro_batch_tokens);
    objective::StepCounts counts = update.counts;
    counts.micro_batches = int64_t(session_.over_ranks(double(sampled.size() + computed.size())));
    const auto describe = [&] { return update.units.empty() ? std::string("problems of other ranks") : fmt::format("problems {}{}", update.units[0].problem->problem.id, update.units.size() > 1 ? " and others" : ""); };
    double loss = 0, mismatch = 0, tokens = 0;
    const auto learn_from = [&](std::span<const Unit* const> micro, const std::shared_ptr<const nn::KeptActivations>& activations) {
      const PackedUnits packed = pack(micro, policy_.device(), activations);
      const auto& batch = packed.batch;
      const at::Tensor hidden = policy_.hidden(batch.packed, batch.rows, {.recompute = options_.recompute, .sampled = activations ? &packed.sampled : nullptr});
      std::optional<nn::KnownSoftmax> known;
      if (activations) known = activations->softmax(options_.temperature, packed.sampled.rows, batch.rows);
      const auto result = nn::token_logprobs(hidden, policy_.output_weight(), batch.targets, options_.temperature, /*entropy=*/true, 0, nn::kKeptLogitBytes, known ? &*known : nullptr);
      at::Tensor value = policy_value(packed, result, counts, figures, mismatch);
      if (critic_.defined()) value = value + critic_value(packed, hidden, counts, figures);
      if (options_.distillation.coefficient != 0) value = value + distillation_value(packed, hidden, counts, figures);
      session_.backward(value, describe);
      loss += value.item<double>();
      tokens += double(batch.targets.size(0));
      trained_tokens += packed.tokens;
    };
    for (const auto& micro : sampled) learn_from(micro, sampler_.kept);
    if (sampler_.kept) sampler_.kept->close();  // the weights are about to move
    for (const auto& micro : computed) learn_from(micro, nullptr);
    if (!checked_) check_sampler(session_.over_ranks(mismatch) / std::max(session_.over_ranks(tokens), 1.0));
    session_.update(describe, figures);
    return session_.over_ranks(loss);
  }

  at::Tensor policy_value(const PackedUnits& packed, const nn::TokenLogprobs& result, const objective::StepCounts& counts, objective::Statistics& figures, double& mismatch) const {
    const at::Device device = policy_.device();
    std::vector<float> sampler, advantage, own;
    std::vector<at::Tensor> old, reference, token_advantage;
    for (const Trained* t : packed.samples) {
      if (t->sample->logprobs.size() == t->sample->token_ids.size()) sampler.insert(sampler.end(), t->sample->logprobs.begin(), t->sample->logprobs.end());
      else sampler.resize(sampler.size() + t->sample->token_ids.size(), 0);  // not compared, see `own`
      own.resize(sampler.size(), t->offline() ? 0.f : 1.f);
      advantage.push_back(float(t->advantage));
      if (t->token_advantage.defined()) token_advantage.push_back(t->token_advantage);
      if (t->old_logprob.defined()) old.push_back(t->old_logprob);
      if (t->reference_logprob.defined()) reference.push_back(t->reference_logprob);
    }
    const at::Tensor sampler_logprob = at::tensor(sampler).to(device);
    objective::PolicyBatch b;
    b.logprob = result.logprob;
    b.entropy = result.entropy;
    if (token_advantage.empty()) b.advantage = at::tensor(advantage).to(device);
    else b.token_advantage = at::cat(token_advantage).to(device);
    b.sequence = packed.batch.sequence;
    b.sequences = packed.batch.completions();
    if (!old.empty()) b.old_logprob = at::cat(old).to(device);
    if (!reference.empty()) b.reference_logprob = at::cat(reference).to(device);
    if (options_.sampler_arithmetic == SamplerArithmetic::kOther && !behaviour()) b.sampler_logprob = sampler_logprob;
    if (!session_.weights_moved() && options_.replay.empty()) {
      const at::Tensor away = (result.logprob.detach() - sampler_logprob).exp().sub(1).abs().to(at::kDouble) * at::tensor(own).to(device);
      mismatch += away.sum().item<double>();
      figures.mean("sampler_mismatch", away);
      figures.maximum("sampler_mismatch/max", away);
    }
    auto loss = objective::policy_loss(b, objective_, counts);
    figures.merge(loss.statistics);
    return loss.loss;
  }

  at::Tensor critic_value(const PackedUnits& packed, const at::Tensor& hidden, const objective::StepCounts& counts, objective::Statistics& figures) const {
    std::vector<at::Tensor> values, returns;
    for (const Trained* t : packed.samples) values.push_back(t->values), returns.push_back(t->returns);
    const at::Device device = policy_.device();
    auto loss = objective::value_loss(nn::score_tokens(hidden, critic_), at::cat(values).to(device), at::cat(returns).to(device), options_.critic.clip, {}, counts);
    figures.merge(loss.statistics);
    return options_.critic.coefficient * loss.loss;
  }

  // Right answers stay as likely as under the reference, most of all on problems the start policy solved.
  at::Tensor distillation_value(const PackedUnits& packed, const at::Tensor& hidden, const objective::StepCounts& counts, objective::Statistics& figures) const {
    std::vector<int64_t> rows, sequence;
    std::vector<uint8_t> old_right;
    int64_t row = 0;
    for (const Trained* t : packed.samples) {
      const auto n = int64_t(t->sample->token_ids.size());
      if (t->sample->correct.value_or(false)) {
        for (int64_t i = 0; i < n; ++i) rows.push_back(row + i), sequence.push_back(int64_t(old_right.size()));
        old_right.push_back(sampler_.old_right.count(t->sample->problem_id) > 0);
      }
      row += n;
    }
    if (rows.empty()) return at::zeros({}, hidden.options().dtype(at::kFloat));
    const at::Device device = policy_.device();
    const at::Tensor which = at::tensor(rows, at::kLong).to(device);
    at::Tensor old_hidden;
    {
      at::NoGradGuard guard;
      old_hidden = reference_->hidden(packed.batch.packed, packed.batch.rows.index_select(0, which));
    }
    const at::Tensor kl = objective::distribution_kl(hidden.index_select(0, which), policy_.output_weight(), old_hidden, reference_->output_weight(), options_.distillation.temperature);
    auto result = objective::focal_distillation(kl, at::tensor(sequence, at::kLong).to(device), at::tensor(old_right, at::kByte).to(at::kBool).to(device), options_.distillation, counts);
    figures.merge(result.statistics);
    return result.loss;
  }

  // Before the first update of this process: a policy that has not moved must give the sampler's own probabilities.
  void check_sampler(double mismatch) {
    checked_ = true;
    const double tolerance = policy_.type() == at::kFloat ? options_.ratio_tolerance : std::max(options_.ratio_tolerance, 0.1);
    if (mismatch <= tolerance || !options_.replay.empty()) return;
    const std::string what = fmt::format("sampler and trainer disagree: the mean |ratio - 1| of a policy that has not moved is {:.3g}, at most {:.3g} is expected", mismatch, tolerance);
    if (options_.sampler_arithmetic == SamplerArithmetic::kOther) {
      log_warning("{}; truncated importance weights are on", what);
      return;
    }
    throw Error(what, "", "the sampler has other weights, another temperature or truncated sampling; for a remote or low-precision sampler set sampler_arithmetic: other");
  }

  nn::Transformer& policy_;
  const nn::Transformer* reference_;
  at::Tensor critic_;  // [1, hidden]; undefined: no value head
  const PolicySampler& sampler_;
  const OnPolicyOptions& options_;
  Session& session_;
  const StageContext& context_;
  objective::PolicyLossOptions objective_;
  bool checked_ = false;
};

std::string data_hash(const std::vector<PolicyProblem>& problems) {
  DataHash hash;
  for (const auto& p : problems) {
    hash.add(p.prompt_tokens);
    hash.add(double(hash64(p.problem.id + '\0' + p.problem.answer) >> 12));
  }
  return hash.finish();
}

// Problems whose prompt leaves no room for the completion cannot be sampled.
std::vector<PolicyProblem> that_fit(const std::vector<PolicyProblem>& problems, const nn::ModelConfig& config, int max_completion_tokens, const std::string& stage) {
  std::vector<PolicyProblem> out;
  for (const auto& p : problems)
    if (!p.prompt_tokens.empty() && int64_t(p.prompt_tokens.size()) + max_completion_tokens <= config.max_position_embeddings) out.push_back(p);
  if (out.empty())
    throw Error(problems.empty() ? "there is no problem to train on" : fmt::format("no prompt fits: the context is {} tokens, max_completion_tokens {}", config.max_position_embeddings, max_completion_tokens),
                stage, problems.empty() ? "look at the problems file" : "lower max_completion_tokens, or use a model with a longer context");
  if (out.size() < problems.size())
    log_warning("{}: {} of {} problems dropped: prompt and max_completion_tokens {} do not fit the context of {} tokens", stage, problems.size() - out.size(), problems.size(),
                max_completion_tokens, config.max_position_embeddings);
  return out;
}

}  // namespace

void CriticOptions::validate(const std::string& where) const {
  if (gamma <= 0 || gamma > 1 || lambda < 0 || lambda > 1) throw UsageError("gamma must be in (0, 1], lambda in [0, 1]", where, "1 and 0.95 are usual");
  if (clip < 0 || coefficient <= 0) throw UsageError("clip must not be negative, and coefficient must be above 0", where, "0.2 and 0.1 are usual");
}

void OnPolicyOptions::validate(const std::string& where) const {
  const auto require = [&](bool ok, const char* what, const char* hint = "") {
    if (!ok) throw UsageError(what, where, hint);
  };
  objective.validate(where);
  const bool ppo = objective.loss == objective::PolicyLoss::kPpo;
  require(!ppo || advantage.rule == AdvantageRule::kGroup || advantage.rule == AdvantageRule::kReward, "loss ppo takes its advantages from the critic: advantage.rule does nothing there",
          "leave advantage.rule out, or use loss: grpo");
  require(!ppo || (advantage.train_on == TrainOn::kBoth && inject.empty() && !right_step_factor && !dynamic_sampling),
          "advantage.train_on, inject, right_step_factor and dynamic_sampling change group advantages, which loss ppo does not have", "leave them out, or use loss: grpo");
  require(ppo || config::to_json(critic).dump() == config::to_json(CriticOptions{}).dump(), "the critic's options do nothing without loss: ppo", "use loss: ppo, or leave critic out");
  require(objective.loss != objective::PolicyLoss::kReinforce || updates_per_batch * minibatches == 1,
          "loss reinforce has no ratio: from the second update on it would learn from samples of a policy that is no longer there",
          "set updates_per_batch: 1 and minibatches: 1, or use loss: cispo, which is reinforce with the ratio");
  require(objective.truncation == objective::PolicyLossOptions{}.truncation || (sampler_arithmetic == SamplerArithmetic::kOther && objective.loss != objective::PolicyLoss::kBcpg),
          objective.loss == objective::PolicyLoss::kBcpg ? "truncation does nothing in the loss bcpg, which holds to the sampler's own log-probabilities" : "truncation does nothing while sampler_arithmetic is same: there are no importance weights",
          objective.loss == objective::PolicyLoss::kBcpg ? "leave it out, or use loss: grpo" : "set sampler_arithmetic: other, or leave it out");
  const bool distils = distillation.coefficient != 0;
  require(distils || config::to_json(distillation).dump() == config::to_json(objective::DistillationOptions{}).dump(), "distillation.base, focus and temperature do nothing while distillation.coefficient is 0",
          "set distillation.coefficient");
  require(inject.empty() || (advantage.rule != AdvantageRule::kNegative && advantage.train_on != TrainOn::kNegatives), "inject brings right answers, and this advantage.rule or train_on learns from wrong ones only",
          "leave inject out, or use advantage.rule: group or weighted with train_on: both");
  require(inject_per_group >= 1 && inject_per_group < std::max(group_size, 2), "inject_per_group must be at least 1 and leave a sample of the policy in the group");
  require(inject.empty() || sampler_arithmetic == SamplerArithmetic::kSame, "inject does not work with sampler_arithmetic: other", "use the local engine's own log-probabilities: sampler_arithmetic: same");
  require(!right_step_factor || (*right_step_factor >= -1 && *right_step_factor < 1), "right_step_factor must be in [-1, 1)", "0: right steps of wrong samples are not punished");
  require(!right_step_factor || advantage.train_on != TrainOn::kPositives, "right_step_factor changes wrong samples, and advantage.train_on: positives leaves none", "use both or negatives");
  require(!right_step_factor || advantage.rule != AdvantageRule::kPositive, "right_step_factor changes wrong samples, and advantage.rule: psr leaves none", "use advantage.rule: nsr, weighted or group_mean");
  require(replay.empty() || objective.loss == objective::PolicyLoss::kBcpg, "replay learns from another policy's samples: it needs a loss that holds to that policy", "use loss: bcpg");
  require(replay.empty() || (inject.empty() && !dynamic_sampling), "inject and dynamic_sampling do not work with replay: the samples are given", "leave them out");
  require(steps >= 1, "steps must be at least 1");
  require(problems_per_step >= 1, "problems_per_step must be at least 1");
  require(group_size >= 1, "group_size must be at least 1");
  const bool grouped = !ppo && (advantage.rule == AdvantageRule::kGroup || advantage.rule == AdvantageRule::kGroupMean || advantage.rule == AdvantageRule::kLeaveOneOut || advantage.rule == AdvantageRule::kBatch);
  require(!grouped || group_size >= 2, "this advantage rule compares the samples of a group: group_size must be at least 2", "raise group_size, or use advantage.rule: reward");
  require(max_completion_tokens >= 1, "max_completion_tokens must be at least 1");
  require(temperature > 0, "temperature must be positive: greedy samples of a group are all the same");
  require(allow_truncated_sampling || (top_p >= 1 && top_k == 0 && min_p == 0), "top_p, top_k and min_p make the sampler's distribution another than the loss's",
          "leave them off, or set allow_truncated_sampling: true");
  require(updates_per_batch >= 1 && minibatches >= 1, "updates_per_batch and minibatches must be at least 1");
  require(minibatches <= problems_per_step, "minibatches must not exceed problems_per_step");
  require(max_sampling_rounds >= 1, "max_sampling_rounds must be at least 1");
  require(!dynamic_sampling || grouped, "dynamic_sampling drops groups whose rewards are all the same: it needs an advantage rule that compares them", "use advantage.rule: group");
  require(over_long != OverLong::kPenalty || (over_long_buffer >= 1 && over_long_buffer <= max_completion_tokens), "over_long_buffer must be between 1 and max_completion_tokens");
  require(micro_batch_tokens >= 1, "micro_batch_tokens must be positive");
  require(ratio_tolerance > 0, "ratio_tolerance must be positive");
}

OnPolicyResult train_on_policy(nn::Transformer& policy, const std::vector<PolicyProblem>& all_problems, const PolicySampler& sampler, const RewardFunction& reward,
                               const OnPolicyOptions& given, const StageContext& context, const nn::Transformer* reference, const OnPolicyHooks& hooks) {
  given.validate(context.stage);
  OnPolicyOptions options = given;
  const bool ppo = options.objective.loss == objective::PolicyLoss::kPpo;
  if (ppo) options.advantage.rule = AdvantageRule::kReward;  // what GAE starts from
  FOIL_CHECK(sampler.generator);
  const bool needs_reference = options.objective.kl_coefficient != 0 || options.distillation.coefficient != 0;
  if (needs_reference && !reference) throw UsageError("kl_coefficient and distillation.coefficient > 0 need a reference model", context.stage);
  if (!options.inject.empty() && sampler.offline.empty())
    throw UsageError("inject: there is no right answer to inject", context.stage, "name a sample file with right answers of these problems, or inject: solutions where the problems have solutions");
  if (options.right_step_factor && !sampler.tokenizer) throw UsageError("right_step_factor needs the tokenizer and samples with marked steps", context.stage);
  const auto problems = that_fit(all_problems, policy.config(), options.max_completion_tokens, context.stage);
  if (options.problems_per_step > int64_t(problems.size()))
    log_warning("{}: problems_per_step {} is more than the {} problems there are: each step takes all of them", context.stage, options.problems_per_step, problems.size());

  at::Tensor critic;
  if (ppo) critic = at::zeros({1, policy.config().hidden_size}, at::kFloat).to(policy.device());
  Session session(context, policy, ppo ? std::vector<NamedTensor>{{"critic.weight", critic}} : std::vector<NamedTensor>{}, options.optimizer, options.checkpoint, nlohmann::json(config::to_json(options)), data_hash(problems));
  const auto counters = session.resume(options.steps, options.steps * options.updates_per_batch * options.minibatches);
  int64_t cursor = counters.value("cursor", int64_t{0}), silent = counters.value("silent_steps", int64_t{0});
  RolloutStep rollouts(problems, sampler, reward, options, context);
  OnPolicyLoop loop(policy, needs_reference ? reference : nullptr, critic, sampler, options, session, context);
  const auto state = [&] { return nlohmann::json{{"cursor", cursor}, {"silent_steps", silent}}; };
  OnPolicyResult result{options.steps, {}};
  if (sampler.weights_changed) sampler.weights_changed();
  while (!session.done()) {
    objective::Statistics figures;
    RolloutFigures rollout;
    int64_t next_cursor = cursor;
    std::vector<Group> groups;
    try {
      at::NoGradGuard guard;
      if (sampler.kept && options.keep_sampled && !options.recompute) sampler.kept->open(policy, options.micro_batch_tokens);
      groups = rollouts.collect(session.step(), next_cursor, figures, rollout);
    } catch (const Interrupted&) {
      session.poll();
      throw;
    }
    const auto start = std::chrono::steady_clock::now();
    double loss = 0;
    int64_t trained_tokens = 0;
    objective::Statistics learnt;
    const bool moved = loop.learn(groups, learnt, loss, trained_tokens);
    if (moved && sampler.weights_changed) sampler.weights_changed();
    cursor = next_cursor;
    silent = rollout.groups_with_signal > 0 ? 0 : silent + 1;

    trained_tokens = int64_t(session.over_ranks(double(trained_tokens)));
    figures.merge(over_ranks(learnt, context.ranks, fmt::format("{}: figures of step {}", context.stage, session.step() + 1)));
    auto values = figures.values();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double sampled = values["response_tokens"] * double(rollout.drawn_groups * options.group_size);
    if (moved) values["loss"] = loss;
    else values.erase("loss");
    values["rollout_s"] = rollout.seconds, values["train_s"] = seconds;
    values["rollout_tokens_per_s"] = sampled / std::max(rollout.seconds, 1e-9);
    values["train_tokens"] = double(trained_tokens);
    if (moved) values["train_tokens_per_s"] = double(trained_tokens) / std::max(seconds, 1e-9);
    values["groups/drawn"] = double(rollout.drawn_groups);
    values["epoch"] = double(cursor) / double(problems.size());
    if (hooks.samples) {
      std::vector<Sample> samples;
      for (const Group& g : groups) samples.insert(samples.end(), g.samples.begin(), g.samples.end());
      hooks.samples(session.step() + 1, samples);
    }
    const std::string note = fmt::format("reward {:.3f} · right {:.2f} · {:.0f} tokens", values["reward"], values["correct_share"], values["response_tokens"]);
    result.last = values;
    session.finish_step(std::move(values), state(), note);
    if (options.give_up_after > 0 && silent >= options.give_up_after)
      throw Error(fmt::format("no group had a signal for {} steps: in every group all rewards were the same (the last mean reward is {:.3g}), so there is nothing to learn", silent, result.last["reward"]),
                  context.stage, "make the problems easier or harder, raise group_size or temperature, or check the reward and the answer format; give_up_after: 0 goes on regardless");
  }
  session.finish(state());
  return result;
}

}  // namespace foil::train
