#include "objective/reward_model.h"

#include "base/error.h"

namespace foil::objective {

void RewardLossOptions::validate(const std::string& where) const {
  if (centring < 0) throw UsageError("centring is negative", where, "0 turns it off; 0.01 is the usual value");
  if (label_smoothing < 0 || label_smoothing >= 0.5)
    throw UsageError(fmt::format("label_smoothing is {}, expected 0 ≤ label_smoothing < 0.5", label_smoothing), where, "0.1 is a usual value");
  if (contrastive < 0) throw UsageError("contrastive is negative", where, "0 turns the contrastive term off");
  if (temperature <= 0) throw UsageError("temperature must be above 0", where, "0.05 is the usual value");
  if (cutoff <= 0 || cutoff >= 1) throw UsageError("cutoff must be between 0 and 1: without it both views are the same text", where, "0.1 is a usual value");
  if (contrastive == 0 && on_difference) throw UsageError("on_difference does nothing while contrastive is 0", where, "set contrastive: 0.1");
}

RewardResult bradley_terry(const RewardBatch& b, const RewardLossOptions& o, const StepCounts& step) {
  const int64_t pairs = b.chosen.numel();
  const auto type = b.chosen.scalar_type();
  const auto spread = [&](const at::Tensor& x) { return b.rejected_pair.defined() ? x.index_select(0, b.rejected_pair) : x; };
  const at::Tensor chosen = spread(b.chosen);
  const at::Tensor margin = chosen - b.rejected;
  const at::Tensor z = b.margin.defined() ? margin - spread(b.margin.detach().to(type)) : margin;
  at::Tensor loss;
  if (b.label.defined()) {
    const at::Tensor p = spread(b.label.detach().to(type));
    loss = -p * at::log_sigmoid(z) - (1 - p) * at::log_sigmoid(-z);
  } else {
    loss = -(1 - o.label_smoothing) * at::log_sigmoid(z) - o.label_smoothing * at::log_sigmoid(-z);
  }
  if (o.centring != 0) loss = loss + o.centring * (chosen + b.rejected).square();
  RewardResult out;
  out.per_pair = b.rejected_pair.defined() ? sequence_mean(loss, b.rejected_pair, pairs) : loss;
  const at::Tensor weighted = b.weight.defined() ? out.per_pair * b.weight.detach().to(type) : out.per_pair;
  out.loss = weighted.sum() / double(std::max<int64_t>(step.sequences ? step.sequences : pairs, 1));
  Statistics& s = out.statistics;
  s.mean("score/chosen", b.chosen);
  s.mean("score/rejected", b.rejected);
  s.mean("score/margin", margin);
  s.minimum("score/min", at::cat({b.chosen.detach(), b.rejected.detach()}));
  s.maximum("score/max", at::cat({b.chosen.detach(), b.rejected.detach()}));
  s.mean("accuracy", margin.detach().gt(0));
  s.sum("loss", out.loss);
  return out;
}

RewardResult process_reward(const at::Tensor& score, const at::Tensor& label, const StepCounts& step) {
  const at::Tensor p = label.detach().to(score.scalar_type());
  RewardResult out;
  out.per_pair = -p * at::log_sigmoid(score) - (1 - p) * at::log_sigmoid(-score);
  out.loss = out.per_pair.sum() / double(std::max<int64_t>(step.sequences ? step.sequences : score.numel(), 1));
  out.statistics.mean("accuracy", score.detach().gt(0).eq(p.gt(0.5)));
  out.statistics.mean("score/mean", at::sigmoid(score.detach()));
  out.statistics.sum("loss", out.loss);
  return out;
}

at::Tensor contrastive_loss(const at::Tensor& view, const at::Tensor& other, double temperature, const at::Tensor& negatives,
                            const at::Tensor& weight) {
  FOIL_CHECK(view.dim() == 2 && view.sizes() == other.sizes());
  const auto unit = [](const at::Tensor& x) { return x / x.norm(2, 1, true).clamp_min(1e-12); };
  const at::Tensor a = unit(view), b = unit(other);
  at::Tensor similarity = at::matmul(a, b.t()) / temperature;
  const at::Tensor positive = similarity.diagonal();
  if (negatives.defined()) similarity = at::cat({similarity, at::matmul(a, unit(negatives).t()) / temperature}, 1);
  const at::Tensor loss = at::logsumexp(similarity, 1) - positive;
  if (!weight.defined()) return loss.mean();
  const at::Tensor w = weight.detach().to(loss.scalar_type());
  return (w * loss).sum() / w.sum().clamp_min(1e-12);
}

}  // namespace foil::objective
