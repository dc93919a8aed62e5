#include "objective/policy.h"

#include "base/error.h"

namespace foil::objective {
namespace {

constexpr double kMaxLogRatio = 20;

bool is_surrogate(PolicyLoss loss) {
  return loss != PolicyLoss::kCispo && loss != PolicyLoss::kReinforce && loss != PolicyLoss::kBcpg;
}

int64_t token_count(const PolicyBatch& b) { return b.mask.defined() ? b.mask.sum().item<int64_t>() : b.logprob.numel(); }

at::Tensor masked_sum(const at::Tensor& values, const at::Tensor& mask) {
  return (mask.defined() ? values.masked_fill(mask.logical_not(), 0) : values).sum();
}

// Token losses [R] → 0-dim, by the aggregation's divisor.
at::Tensor aggregate(const at::Tensor& token_loss, const PolicyBatch& b, const PolicyLossOptions& o, const StepCounts& step) {
  const double sequences = double(step.sequences ? step.sequences : b.sequences);
  switch (o.reduction()) {
    case Aggregation::kSequenceMean:
      return sequence_mean(token_loss, b.sequence, b.sequences, b.mask).sum() / std::max(sequences, 1.0);
    case Aggregation::kMicroBatchTokenMean:
      return masked_sum(token_loss, b.mask) / double(std::max<int64_t>(token_count(b), 1)) /
             double(std::max<int64_t>(step.micro_batches, 1));
    case Aggregation::kConstant:
      FOIL_CHECK(o.constant_tokens > 0, "aggregation constant needs constant_tokens");
      return masked_sum(token_loss, b.mask) / (std::max(sequences, 1.0) * double(o.constant_tokens));
    case Aggregation::kTokenMean:
      return masked_sum(token_loss, b.mask) / double(std::max<int64_t>(step.tokens ? step.tokens : token_count(b), 1));
  }
  FOIL_CHECK(false, "unknown aggregation");
}

}  // namespace

const std::vector<PolicyLossInfo>& policy_losses() {
  using A = Aggregation;
  static const std::vector<PolicyLossInfo> table = {
      {PolicyLoss::kGrpo, "grpo", A::kSequenceMean, 0.2, 0.2, "−min(ρ A, clip(ρ, 1−ε_low, 1+ε_high) A)", "arXiv 2402.03300"},
      {PolicyLoss::kBnpo, "bnpo", A::kMicroBatchTokenMean, 0.2, 0.2, "grpo's, per token of the micro-batch", "arXiv 2503.20783"},
      {PolicyLoss::kDrGrpo, "dr_grpo", A::kConstant, 0.2, 0.2, "grpo's, divided by a constant length", "arXiv 2503.20783"},
      {PolicyLoss::kDapo, "dapo", A::kTokenMean, 0.2, 0.28, "grpo's with clip-higher, per token of the step", "arXiv 2503.14476"},
      {PolicyLoss::kGspo, "gspo", A::kSequenceMean, 3e-4, 4e-4, "grpo's with ρ = exp(mean_t log ρ_t) of the sequence", "arXiv 2507.18071"},
      {PolicyLoss::kCispo, "cispo", A::kTokenMean, 0, 5, "−sg(min(ρ, ε_high)) A log π", "arXiv 2506.13585"},
      {PolicyLoss::kReinforce, "reinforce", A::kTokenMean, 0, 0, "−A log π", "Williams 1992"},
      {PolicyLoss::kPpo, "ppo", A::kTokenMean, 0.2, 0.2, "grpo's, with GAE advantages per token", "arXiv 1707.06347"},
      {PolicyLoss::kBcpg, "bcpg", A::kTokenMean, 0, 0, "−sg(A − β Σ_t log π/π_b) log π", "arXiv 2505.14403 (form unverified)"},
  };
  return table;
}

const PolicyLossInfo& info(PolicyLoss loss) {
  for (const auto& row : policy_losses())
    if (row.loss == loss) return row;
  FOIL_CHECK(false, "policy loss without a row");
}

void PolicyLossOptions::validate(const std::string& where) const {
  const std::string name = info(loss).name;
  const auto refuse = [&](const std::string& what, const std::string& hint) { throw UsageError(what, where, hint); };
  if (!is_surrogate(loss) && clip_low) refuse("clip_low does nothing in the loss " + name, "leave it out, or use grpo, dapo or gspo");
  if (!is_surrogate(loss) && loss != PolicyLoss::kCispo && clip_high)
    refuse("clip_high does nothing in the loss " + name, "leave it out, or use grpo, dapo, gspo or cispo");
  if (delta != 0 && !is_surrogate(loss)) refuse("delta does nothing in the loss " + name, "leave it out, or use grpo or dapo");
  if (is_surrogate(loss) && (low() < 0 || low() >= 1)) refuse(fmt::format("clip_low is {}, expected 0 ≤ clip_low < 1", low()), "0.2 is the usual value");
  if (high() < 0) refuse(fmt::format("clip_high is {}, expected at least 0", high()), "0.2 to 0.28 are usual; cispo: 5");
  if (delta != 0 && delta <= 1 + high()) refuse(fmt::format("delta is {}, expected more than 1 + clip_high = {}", delta, 1 + high()), "delta 4 is a usual value; 0 turns it off");
  if (kl_coefficient < 0) refuse("kl_coefficient is negative", "0 turns the KL term off");
  if (entropy_coefficient < 0) refuse("entropy_coefficient is negative", "0 turns the entropy bonus off");
  if (truncation <= 0) refuse("truncation must be above 0", "2 is the usual cap");
  if (behaviour_coefficient != 0 && loss != PolicyLoss::kBcpg) refuse("behaviour_coefficient does nothing in the loss " + name, "use loss: bcpg");
  if (constant_tokens < 0) refuse("constant_tokens is negative", "0 takes the rollout's limit");
  if (constant_tokens > 0 && reduction() != Aggregation::kConstant)
    refuse("constant_tokens only counts with aggregation: constant", "leave it out, or use loss: dr_grpo");
}

at::Tensor k3_kl(const at::Tensor& logprob, const at::Tensor& reference_logprob) {
  const at::Tensor d = (reference_logprob.detach() - logprob).clamp(-kMaxLogRatio, kMaxLogRatio);
  return d.exp() - d - 1;
}

at::Tensor truncated_importance(const at::Tensor& old_logprob, const at::Tensor& sampler_logprob, double cap) {
  return (old_logprob - sampler_logprob).detach().exp().clamp_max(cap);
}

at::Tensor entropy_bonus(const at::Tensor& entropy, const at::Tensor& logprob) {
  if (entropy.requires_grad()) return entropy;
  const at::Tensor score = -(logprob.detach() + entropy) * logprob;
  return entropy + (score - score.detach());
}

at::Tensor overlong_penalty(const at::Tensor& lengths, int64_t limit, int64_t buffer) {
  FOIL_CHECK(buffer > 0 && limit >= buffer, "limit {}, buffer {}", limit, buffer);
  return ((double(limit - buffer) - lengths.to(at::kFloat)) / double(buffer)).clamp(-1, 0);
}

PolicyResult policy_loss(const PolicyBatch& b, const PolicyLossOptions& o, const StepCounts& step) {
  FOIL_CHECK(b.logprob.dim() == 1 && b.sequence.numel() == b.logprob.numel());
  PolicyResult out;
  Statistics& s = out.statistics;
  const at::Tensor old = (b.old_logprob.defined() ? b.old_logprob : b.logprob).detach();
  FOIL_CHECK(b.advantage.defined() != b.token_advantage.defined(), "exactly one of advantage and token_advantage");
  FOIL_CHECK(b.token_advantage.defined() ? b.token_advantage.numel() == b.logprob.numel() : b.advantage.numel() == b.sequences);
  const at::Tensor advantage =
      b.token_advantage.defined() ? b.token_advantage.detach() : b.advantage.detach().index_select(0, b.sequence);

  const at::Tensor token_log_ratio = b.logprob - old;
  at::Tensor log_ratio = token_log_ratio;
  if (o.loss == PolicyLoss::kGspo)
    log_ratio = sequence_mean(token_log_ratio, b.sequence, b.sequences, b.mask).index_select(0, b.sequence);
  const at::Tensor ratio = log_ratio.clamp(-kMaxLogRatio, kMaxLogRatio).exp();

  at::Tensor token_loss;
  if (o.loss == PolicyLoss::kCispo) {
    token_loss = -(ratio.detach().clamp_max(o.high()) * advantage) * b.logprob;
  } else if (o.loss == PolicyLoss::kReinforce) {
    token_loss = -advantage * b.logprob;
  } else if (o.loss == PolicyLoss::kBcpg) {
    const at::Tensor drift = sequence_sum(token_log_ratio.detach(), b.sequence, b.sequences, b.mask).index_select(0, b.sequence);
    token_loss = -(advantage - o.behaviour_coefficient * drift) * b.logprob;
  } else {
    const at::Tensor capped = o.delta > 0 ? ratio.clamp_max(o.delta) : ratio;
    token_loss = -at::minimum(capped * advantage, ratio.clamp(1 - o.low(), 1 + o.high()) * advantage);
  }

  const at::Tensor raw = token_log_ratio.detach().exp();
  s.mean("ratio/mean", raw, b.mask);
  s.minimum("ratio/min", raw, b.mask);
  s.maximum("ratio/max", raw, b.mask);
  if (is_surrogate(o.loss)) {
    const at::Tensor r = ratio.detach();
    s.mean("clip/low_share", r.lt(1 - o.low()).logical_and(advantage.lt(0)), b.mask);
    s.mean("clip/high_share", r.gt(1 + o.high()).logical_and(advantage.gt(0)), b.mask);
  } else if (o.loss == PolicyLoss::kCispo) {
    s.mean("clip/high_share", raw.gt(o.high()), b.mask);
  }
  s.mean("logprob", b.logprob, b.mask);
  s.mean("advantage", advantage, b.mask);

  if (b.sampler_logprob.defined()) {
    token_loss = token_loss * truncated_importance(old, b.sampler_logprob, o.truncation);
    const at::Tensor importance = (old - b.sampler_logprob).detach().exp();
    s.mean("importance/mean", importance, b.mask);
    s.minimum("importance/min", importance, b.mask);
    s.maximum("importance/max", importance, b.mask);
    s.mean("importance/truncated_share", importance.gt(o.truncation), b.mask);
  }
  s.sum("policy_loss", aggregate(token_loss.detach(), b, o, step));
  if (b.reference_logprob.defined() || o.kl_coefficient != 0) {
    FOIL_CHECK(b.reference_logprob.defined(), "kl_coefficient needs reference log-probabilities");
    const at::Tensor kl = k3_kl(b.logprob, b.reference_logprob);
    s.mean("kl", kl, b.mask);
    if (o.kl_coefficient != 0) token_loss = token_loss + o.kl_coefficient * kl;
  }
  out.loss = aggregate(token_loss, b, o, step);

  if (b.entropy.defined()) s.mean("entropy", b.entropy, b.mask);
  if (o.entropy_coefficient != 0) {
    FOIL_CHECK(b.entropy.defined(), "entropy_coefficient needs token entropies");
    const double tokens = double(std::max<int64_t>(step.tokens ? step.tokens : token_count(b), 1));
    out.loss = out.loss - o.entropy_coefficient * masked_sum(entropy_bonus(b.entropy, b.logprob), b.mask) / tokens;
  }
  s.sum("loss", out.loss);
  return out;
}

Gae generalized_advantages(const at::Tensor& rewards, const at::Tensor& values, const at::Tensor& sequence, double gamma, double lambda) {
  FOIL_CHECK(rewards.sizes() == values.sizes() && sequence.sizes() == values.sizes());
  const at::Tensor r = rewards.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor v = values.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor q = sequence.to(at::kCPU).contiguous();
  const int64_t n = r.numel();
  at::Tensor a = at::empty({n}, at::kDouble);
  const double* pr = r.const_data_ptr<double>();
  const double* pv = v.const_data_ptr<double>();
  const int64_t* pq = q.const_data_ptr<int64_t>();
  double* pa = a.data_ptr<double>();
  for (int64_t t = n - 1; t >= 0; --t) {
    const bool last = t + 1 == n || pq[t + 1] != pq[t];
    const double error = pr[t] + (last ? 0 : gamma * pv[t + 1]) - pv[t];
    pa[t] = error + (last ? 0 : gamma * lambda * pa[t + 1]);
  }
  const auto back = [&](const at::Tensor& x) { return x.to(values.device(), values.scalar_type()); };
  return {back(a), back(a + v)};
}

PolicyResult value_loss(const at::Tensor& values, const at::Tensor& old_values, const at::Tensor& returns, double clip,
                        const at::Tensor& mask, const StepCounts& step) {
  PolicyResult out;
  const at::Tensor target = returns.detach();
  at::Tensor token_loss = (values - target).square();
  if (clip > 0) {
    const at::Tensor old = old_values.detach();
    const at::Tensor near = old + (values - old).clamp(-clip, clip);
    const at::Tensor clipped = (near - target).square();
    out.statistics.mean("value/clip_share", clipped.detach().gt(token_loss.detach()), mask);
    token_loss = at::maximum(token_loss, clipped);
  }
  const int64_t own = mask.defined() ? mask.sum().item<int64_t>() : values.numel();
  out.loss = 0.5 * masked_sum(token_loss, mask) / double(std::max<int64_t>(step.tokens ? step.tokens : own, 1));
  out.statistics.sum("value/loss", out.loss);
  out.statistics.mean("value/mean", values, mask);
  out.statistics.mean("value/return", target, mask);
  return out;
}

}  // namespace foil::objective
