#include "train/onpolicy_loop.h"

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "config/options.h"
#include "nn/logprob.h"
#include "train/fit.h"
#include "train/rollout_step.h"

namespace foil::train {

namespace {

// A sample that takes part in the forward pass.
struct Trained {
  const Sample* sample;
  double advantage;
  at::Tensor old_logprob, reference_logprob;  // [tokens], CPU; undefined when not needed
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

// What one update learns from: the units to compute, and what the loss is divided by (samples without signal included).
struct Update {
  std::vector<Unit> units;
  objective::StepCounts counts;
};

struct PackedUnits {
  CompletionBatch batch;
  std::vector<Trained*> samples;
};

PackedUnits pack(std::span<const Unit* const> units, at::Device device) {
  CompletionPacker packer;
  PackedUnits out;
  for (const Unit* unit : units) {
    const int32_t prompt = packer.prompt(unit->problem->prompt_tokens);
    for (Trained* t : unit->samples) {
      packer.completion(prompt, t->sample->token_ids);
      out.samples.push_back(t);
    }
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
  OnPolicyLoop(nn::Transformer& policy, const nn::Transformer* reference, const OnPolicyOptions& options, Session& session, uint64_t seed)
      : policy_(policy), reference_(reference), options_(options), session_(session), seed_(seed), objective_(options.objective) {
    if (objective_.constant_tokens == 0) objective_.constant_tokens = options.max_completion_tokens;
  }

  // Returns whether any weight moved. `moved` figures go into `figures`; the mean of the updates' losses into `loss`.
  bool learn(std::vector<Group>& groups, objective::Statistics& figures, double& loss, int64_t& trained_tokens) {
    std::vector<std::vector<Trained>> trained = choose(groups);
    fill_fixed_logprobs(groups, trained);
    int updates = 0;
    loss = 0;
    for (int pass = 0; pass < options_.updates_per_batch; ++pass) {
      for (Update& update : partition(groups, trained, pass)) {
        if (update.units.empty()) continue;
        loss += apply(update, figures, trained_tokens);
        ++updates;
      }
    }
    if (updates > 0) loss /= updates;
    return updates > 0;
  }

 private:
  bool skips_flat() const { return options_.objective.kl_coefficient == 0 && options_.objective.entropy_coefficient == 0; }
  bool masked(const Sample& s) const { return s.finish_reason == Finish::kError || !s.reward || (options_.over_long == OverLong::kMask && s.finish_reason == Finish::kLength); }

  std::vector<std::vector<Trained>> choose(const std::vector<Group>& groups) const {
    std::vector<std::vector<Trained>> out(groups.size());
    for (size_t g = 0; g < groups.size(); ++g)
      for (size_t i = 0; i < groups[g].samples.size(); ++i) {
        const Sample& s = groups[g].samples[i];
        if (masked(s) || (skips_flat() && groups[g].advantages[i] == 0)) continue;
        out[g].push_back({&s, groups[g].advantages[i], {}, {}});
      }
    return out;
  }

  // Log-probabilities that do not change while the step's updates are made.
  void fill_fixed_logprobs(const std::vector<Group>& groups, std::vector<std::vector<Trained>>& trained) {
    const bool several = options_.updates_per_batch * options_.minibatches > 1;
    const bool old = options_.sampler_arithmetic == SamplerArithmetic::kOther && several;
    for (auto& group : trained)
      for (Trained& t : group)
        if (options_.sampler_arithmetic == SamplerArithmetic::kSame) t.old_logprob = at::tensor(t.sample->logprobs);
    if (!old && !reference_) return;
    at::NoGradGuard guard;
    const std::vector<Unit> all = units(groups, trained, {});
    for (const auto& micro : cut(all, options_.micro_batch_tokens)) {
      session_.poll();
      const PackedUnits packed = pack(micro, policy_.device());
      if (old) store(packed, logprobs(policy_, packed.batch), &Trained::old_logprob);
      if (reference_) store(packed, logprobs(*reference_, packed.batch), &Trained::reference_logprob);
    }
  }

  at::Tensor logprobs(const nn::Transformer& model, const CompletionBatch& batch) const {
    const at::Tensor hidden = model.hidden(batch.packed).index_select(0, batch.rows);
    return nn::token_logprobs(hidden, model.output_weight(), batch.targets, options_.temperature).logprob.cpu();
  }

  static void store(const PackedUnits& packed, const at::Tensor& values, at::Tensor Trained::*field) {
    int64_t begin = 0;
    for (Trained* t : packed.samples) {
      const auto n = int64_t(t->sample->token_ids.size());
      t->*field = values.slice(0, begin, begin + n);
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
    if (options_.minibatches > 1) Stream(mix64(seed_, uint64_t(session_.step())), mix64(hash64("minibatches"), uint64_t(pass))).shuffle(order);
    std::vector<Update> out;
    const auto parts = size_t(options_.minibatches);
    for (size_t m = 0; m < parts; ++m) {
      const std::vector<size_t> which(order.begin() + ptrdiff_t(order.size() * m / parts), order.begin() + ptrdiff_t(order.size() * (m + 1) / parts));
      if (which.empty()) continue;
      Update update{units(groups, trained, which), {}};
      for (const size_t g : which)
        for (const Sample& s : groups[g].samples) {
          if (s.finish_reason == Finish::kError || !s.reward) continue;
          ++update.counts.sequences;
          if (!masked(s)) update.counts.tokens += int64_t(s.token_ids.size());
        }
      out.push_back(std::move(update));
    }
    return out;
  }

  double apply(const Update& update, objective::Statistics& figures, int64_t& trained_tokens) {
    const auto micros = cut(update.units, options_.micro_batch_tokens);
    objective::StepCounts counts = update.counts;
    counts.micro_batches = int64_t(micros.size());
    const auto describe = [&] { return fmt::format("problems {}{}", update.units[0].problem->problem.id, update.units.size() > 1 ? " and others" : ""); };
    double loss = 0, mismatch = 0, tokens = 0;
    for (const auto& micro : micros) {
      const PackedUnits packed = pack(micro, policy_.device());
      const auto& batch = packed.batch;
      const at::Tensor hidden = policy_.hidden(batch.packed, {.recompute = options_.recompute}).index_select(0, batch.rows);
      const auto result = nn::token_logprobs(hidden, policy_.output_weight(), batch.targets, options_.temperature, /*entropy=*/true);
      const at::Tensor value = policy_value(packed, result, counts, figures, mismatch);
      session_.backward(value, describe);
      loss += value.item<double>();
      tokens += double(batch.targets.size(0));
      trained_tokens += batch.packed.tokens.size(0);
    }
    if (!session_.weights_moved()) check_sampler(mismatch / std::max(tokens, 1.0), figures);
    session_.update(describe, figures);
    return loss;
  }

  at::Tensor policy_value(const PackedUnits& packed, const nn::TokenLogprobs& result, const objective::StepCounts& counts, objective::Statistics& figures, double& mismatch) const {
    const at::Device device = policy_.device();
    std::vector<float> sampler, advantage;
    std::vector<at::Tensor> old, reference;
    for (const Trained* t : packed.samples) {
      sampler.insert(sampler.end(), t->sample->logprobs.begin(), t->sample->logprobs.end());
      advantage.push_back(float(t->advantage));
      if (t->old_logprob.defined()) old.push_back(t->old_logprob);
      if (t->reference_logprob.defined()) reference.push_back(t->reference_logprob);
    }
    const at::Tensor sampler_logprob = at::tensor(sampler).to(device);
    objective::PolicyBatch b;
    b.logprob = result.logprob;
    b.entropy = result.entropy;
    b.advantage = at::tensor(advantage).to(device);
    b.sequence = packed.batch.sequence;
    b.sequences = packed.batch.completions();
    if (!old.empty()) b.old_logprob = at::cat(old).to(device);
    if (!reference.empty()) b.reference_logprob = at::cat(reference).to(device);
    if (options_.sampler_arithmetic == SamplerArithmetic::kOther) b.sampler_logprob = sampler_logprob;
    if (!session_.weights_moved()) {
      const at::Tensor away = (result.logprob.detach() - sampler_logprob).exp().sub(1).abs().to(at::kDouble);
      mismatch += away.sum().item<double>();
      figures.mean("sampler_mismatch", away);
      figures.maximum("sampler_mismatch/max", away);
    }
    auto loss = objective::policy_loss(b, objective_, counts);
    figures.merge(loss.statistics);
    return loss.loss;
  }

  // Before the first update of this process: a policy that has not moved must give the sampler's own probabilities.
  void check_sampler(double mismatch, objective::Statistics&) {
    if (checked_) return;
    checked_ = true;
    const double tolerance = policy_.type() == at::kFloat ? options_.ratio_tolerance : std::max(options_.ratio_tolerance, 0.1);
    if (mismatch <= tolerance) return;
    const std::string what = fmt::format("sampler and trainer disagree: the mean |ratio - 1| of a policy that has not moved is {:.3g}, at most {:.3g} is expected", mismatch, tolerance);
    if (options_.sampler_arithmetic == SamplerArithmetic::kOther) {
      log_warning("{}; truncated importance weights are on", what);
      return;
    }
    throw Error(what, "", "the sampler has other weights, another temperature or truncated sampling; for a remote or low-precision sampler set sampler_arithmetic: other");
  }

  nn::Transformer& policy_;
  const nn::Transformer* reference_;
  const OnPolicyOptions& options_;
  Session& session_;
  uint64_t seed_;
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

nlohmann::json fingerprint_options(const OnPolicyOptions& options) {
  nlohmann::json out(config::to_json(options));
  for (const char* key : {"checkpoint", "micro_batch_tokens", "recompute", "ratio_tolerance", "give_up_after"}) out.erase(key);
  return out;
}

}  // namespace

void OnPolicyOptions::validate(const std::string& where) const {
  const auto require = [&](bool ok, const char* what, const char* hint = "") {
    if (!ok) throw UsageError(what, where, hint);
  };
  objective.validate(where);
  require(objective.loss != objective::PolicyLoss::kPpo, "loss ppo needs a value head, which this loop does not train", "use grpo, dapo, gspo, cispo or reinforce");
  require(steps >= 1, "steps must be at least 1");
  require(problems_per_step >= 1, "problems_per_step must be at least 1");
  require(group_size >= 1, "group_size must be at least 1");
  const bool grouped = advantage.rule == AdvantageRule::kGroup || advantage.rule == AdvantageRule::kGroupMean || advantage.rule == AdvantageRule::kLeaveOneOut || advantage.rule == AdvantageRule::kBatch;
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
                               const OnPolicyOptions& options, const StageContext& context, const nn::Transformer* reference, const OnPolicyHooks& hooks) {
  options.validate(context.stage);
  FOIL_CHECK(sampler.generator);
  const bool needs_reference = options.objective.kl_coefficient != 0;
  if (needs_reference && !reference) throw UsageError("kl_coefficient > 0 needs a reference model", context.stage);
  const auto problems = that_fit(all_problems, policy.config(), options.max_completion_tokens, context.stage);
  if (options.problems_per_step > int64_t(problems.size()))
    log_warning("{}: problems_per_step {} is more than the {} problems there are: each step takes all of them", context.stage, options.problems_per_step, problems.size());

  Session session(context, policy, {}, options.optimizer, options.checkpoint, fingerprint_options(options), data_hash(problems));
  const auto counters = session.resume(options.steps, options.steps * options.updates_per_batch * options.minibatches);
  int64_t cursor = counters.value("cursor", int64_t{0}), silent = counters.value("silent_steps", int64_t{0});
  RolloutStep rollouts(problems, sampler, reward, options, context.seed);
  OnPolicyLoop loop(policy, needs_reference ? reference : nullptr, options, session, context.seed);
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
      groups = rollouts.collect(session.step(), next_cursor, figures, rollout);
    } catch (const Interrupted&) {
      session.poll();
      throw;
    }
    const auto start = std::chrono::steady_clock::now();
    double loss = 0;
    int64_t trained_tokens = 0;
    const bool moved = loop.learn(groups, figures, loss, trained_tokens);
    if (moved && sampler.weights_changed) sampler.weights_changed();
    cursor = next_cursor;
    silent = rollout.groups_with_signal > 0 ? 0 : silent + 1;

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
