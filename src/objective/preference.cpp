#include "objective/preference.h"

#include <ATen/TensorIndexing.h>

#include <cmath>

#include "base/error.h"

namespace foil::objective {
namespace {

at::Tensor per_rejected(const at::Tensor& chosen, const PreferenceBatch& b) {  // [B] → [M]
  return b.rejected_pair.defined() ? chosen.index_select(0, b.rejected_pair) : chosen;
}

at::Tensor per_pair(const at::Tensor& rejected, const PreferenceBatch& b) {  // [M] → [B], mean over the pair's negatives
  return b.rejected_pair.defined() ? sequence_mean(rejected, b.rejected_pair, b.policy_chosen.numel()) : rejected;
}

// Δ as the divergence sees it: f'(exp Δ) up to a constant that cancels in m.
at::Tensor divergence_score(const at::Tensor& delta, const PreferenceOptions& o) {
  switch (o.divergence) {
    case Divergence::kReverseKl: return delta;
    case Divergence::kForwardKl: return 1 - at::exp(-delta);
    case Divergence::kJensenShannon: return std::log(2.0) + at::log_sigmoid(delta);
    case Divergence::kAlpha: {
      const double a = o.divergence_alpha - 1;
      return std::abs(a) < 1e-6 ? delta : (at::exp((a * delta).clamp_max(80)) - 1) / a;
    }
  }
  FOIL_CHECK(false, "unknown divergence");
}

// log(1 − eˣ) for x < 0, accurate at both ends; each branch sees only arguments it is finite for, in the backward pass too.
at::Tensor log1mexp(const at::Tensor& x) {
  const at::Tensor negative = x.clamp_max(-1e-6);
  const at::Tensor near = negative.gt(-0.6931472);
  const at::Tensor a = at::log(-at::expm1(at::where(near, negative, at::full_like(negative, -0.5))));
  const at::Tensor b = at::log1p(-at::exp(at::where(near, at::full_like(negative, -1.0), negative)));
  return at::where(near, a, b);
}

at::Tensor smoothed_sigmoid(const at::Tensor& z, double smoothing) {
  const at::Tensor loss = -at::log_sigmoid(z);
  return smoothing == 0 ? loss : (1 - smoothing) * loss - smoothing * at::log_sigmoid(-z);
}

// log(1 + Σ_k e^{−z_k}) by pair, [M] → [B].
at::Tensor infonce(const at::Tensor& z, const PreferenceBatch& b) {
  if (!b.rejected_pair.defined()) return -at::log_sigmoid(z);
  const int64_t pairs = b.policy_chosen.numel();
  const at::Tensor top = at::zeros({pairs}, z.options().requires_grad(false))
                             .scatter_reduce(0, b.rejected_pair, (-z).detach(), "amax", /*include_self=*/true);
  const at::Tensor rest = sequence_sum(at::exp(-z - top.index_select(0, b.rejected_pair)), b.rejected_pair, pairs);
  return top + at::log(at::exp(-top) + rest);
}

at::Tensor ones_like_pairs(const at::Tensor& weight, const at::Tensor& like) {
  return weight.defined() ? weight.detach().to(like.scalar_type()) : at::ones_like(like);
}

bool on_lengths_alone(const PreferenceOptions& o) { return info(o.loss).needs_lengths || o.resolved_sft() != 0 || o.length_penalty != 0; }

}  // namespace

const std::vector<PreferenceLossInfo>& preference_losses() {
  using P = PreferenceLoss;
  //                       name            ref   unpaired lengths min smooth margin diverg steps  β     sft
  static const std::vector<PreferenceLossInfo> table = {
      {P::kSigmoid, "sigmoid", true, false, false, 1, true, true, true, false, 0.1, 0, "−log σ(z); smoothing ε: −(1−ε) log σ(z) − ε log σ(−z)",
       "DPO; with label_smoothing it is cDPO", "arXiv 2305.18290"},
      {P::kRobust, "robust", true, false, false, 1, true, true, true, false, 0.1, 0, "(−(1−ε) log σ(z) + ε log σ(−z)) / (1 − 2ε)",
       "DPO, unbiased when a known share ε of the labels is flipped", "arXiv 2403.00409"},
      {P::kHinge, "hinge", true, false, false, 1, false, true, true, false, 0.1, 0, "max(0, 1 − z)",
       "stops pushing once the margin is reached (SLiC)", "arXiv 2309.06657"},
      {P::kIpo, "ipo", true, false, true, 1, false, false, true, false, 0.1, 0, "(m̄ − 1/(2β))², Δ averaged over tokens",
       "a target margin instead of an endless one; robust to deterministic preferences", "arXiv 2310.12036"},
      {P::kExoPair, "exo_pair", true, false, false, 1, true, true, true, false, 0.1, 0,
       "σ(z)(log σ(z) − log(1−ε)) + σ(−z)(log σ(−z) − log ε)", "reverse KL to the labels, mode seeking; ε above 0", "arXiv 2402.00856"},
      {P::kNcaPair, "nca_pair", true, false, false, 1, false, false, false, false, 0.1, 0,
       "−log σ(βΔ_c) − ½ log σ(−βΔ_c) − ½ log σ(−βΔ_r)", "holds the chosen likelihood in place", "arXiv 2402.05369"},
      {P::kBcoPair, "bco_pair", true, false, false, 1, false, false, false, false, 0.1, 0, "−log σ(βΔ_c) − log σ(−βΔ_r)",
       "chosen and rejected classified separately", "arXiv 2404.04656"},
      {P::kSppoHard, "sppo_hard", true, false, false, 1, false, false, false, false, 0.001, 0, "(Δ_c − 1/(2β))² + (Δ_r + 1/(2β))²",
       "self-play with hard labels; pulls both log-ratios to fixed targets", "arXiv 2405.00675"},
      {P::kApoZero, "apo_zero", true, false, false, 1, false, false, false, false, 0.1, 0, "1 − σ(βΔ_c) + σ(βΔ_r)",
       "chosen answers better than the policy's: chosen up, rejected down", "arXiv 2408.06266"},
      {P::kApoDown, "apo_down", true, false, false, 1, false, false, false, false, 0.1, 0, "σ(βΔ_c) + 1 − σ(βm)",
       "chosen answers worse than the policy's: both down, rejected more", "arXiv 2408.06266"},
      {P::kDiscopop, "discopop", true, false, false, 1, false, true, true, false, 0.05, 0, "(1−w)(−log σ(z)) + w e^{−z}, w = σ(z/τ)",
       "blend of logistic and exponential loss found by search", "arXiv 2406.08414"},
      {P::kSigmoidNorm, "sigmoid_norm", true, false, true, 1, true, true, true, false, 5.0, 0, "−log σ(β m̄), Δ averaged over tokens",
       "DPO blind to length", "arXiv 2411.15124"},
      {P::kSft, "sft", false, false, true, 0, false, false, false, false, 0, 1, "−ℓ_c / |y_c|",
       "likelihood of the chosen answers only: the baseline without negatives", "–"},
      {P::kSimpo, "simpo", false, false, true, 1, true, true, false, false, 2.0, 0, "−log σ(β(ℓ̄_c − ℓ̄_r) − γ)",
       "no reference model; the length-averaged log-probability is the reward", "arXiv 2405.14734"},
      {P::kCpo, "cpo", false, false, true, 1, true, true, false, false, 0.1, 1, "−log σ(β(ℓ_c − ℓ_r)) + α NLL(chosen)",
       "no reference model; likelihood term keeps the chosen up", "arXiv 2401.08417"},
      {P::kOrpo, "orpo", false, false, true, 1, false, false, false, false, 0.1, 1, "NLL(chosen) − β log σ(log odds_c − log odds_r)",
       "fine-tuning and preference in one, from a base model", "arXiv 2403.07691"},
      {P::kKto, "kto", true, true, false, 0, false, false, false, false, 0.1, 0,
       "λ_D(1 − σ(β(Δ − z₀))) right; λ_U(1 − σ(β(z₀ − Δ))) wrong", "single answers marked right or wrong, no pairs", "arXiv 2402.01306"},
      {P::kBco, "bco", true, true, false, 0, false, false, false, false, 0.1, 0, "−log σ(βΔ − δ) right; −log σ(δ − βΔ) wrong",
       "single answers as a binary classifier with a running reward shift", "arXiv 2404.04656"},
      {P::kApoZeroUnpaired, "apo_zero_unpaired", true, true, false, 0, false, false, false, false, 0.1, 0,
       "1 − σ(βΔ) right; σ(βΔ) wrong", "apo_zero on single answers", "arXiv 2408.06266"},
      {P::kInfonce, "infonce", true, false, false, 2, false, true, true, false, 0.1, 0, "−log( e^{βΔ_c} / (e^{βΔ_c} + Σ_k e^{βΔ_k}) )",
       "one chosen against K negatives at once", "arXiv 2105.13003"},
      {P::kStepDpo, "step_dpo", true, false, false, 1, true, true, true, true, 0.4, 0, "sigmoid on the step after a shared correct prefix",
       "only the first wrong step is punished", "arXiv 2406.18629"},
  };
  return table;
}

const PreferenceLossInfo& info(PreferenceLoss loss) {
  for (const auto& row : preference_losses())
    if (row.loss == loss) return row;
  FOIL_CHECK(false, "preference loss without a row");
}

void PreferenceOptions::validate(const std::string& where) const {
  const auto& row = info(loss);
  const std::string name = row.name;
  const auto refuse = [&](const std::string& what, const std::string& hint) { throw UsageError(what, where, hint); };
  if (loss == PreferenceLoss::kSft && beta) refuse("beta does nothing in the loss sft, which holds to no reference", "leave it out (beta: null over another recipe's), or use sigmoid");
  if (row.loss != PreferenceLoss::kSft && resolved_beta() <= 0) refuse(fmt::format("beta is {}, expected above 0", resolved_beta()), fmt::format("the usual value for {} is {}", name, row.beta));
  if (label_smoothing && *label_smoothing != 0 && !row.takes_smoothing) refuse("label_smoothing does nothing in the loss " + name, "use sigmoid (cDPO) or robust");
  if (resolved_smoothing() < 0 || resolved_smoothing() >= 0.5) refuse(fmt::format("label_smoothing is {}, expected 0 ≤ label_smoothing < 0.5", resolved_smoothing()), "0.1 is a usual value");
  if (loss == PreferenceLoss::kExoPair && resolved_smoothing() == 0) refuse("exo_pair needs label_smoothing above 0", "0.001 is the paper's value");
  if (length_penalty != 0 && !row.takes_margin) refuse("length_penalty does nothing in the loss " + name, "use sigmoid, or a loss that averages over tokens: ipo, sigmoid_norm, simpo");
  if (divergence != Divergence::kReverseKl && !row.takes_divergence) refuse("divergence does nothing in the loss " + name, "use sigmoid, robust, hinge, ipo, exo_pair, discopop or infonce");
  if (row.unpaired && resolved_sft() != 0) refuse("sft_coefficient does nothing in the loss " + name, "there is no chosen answer in unpaired data; use a pair loss, e.g. sigmoid");
  if (loss == PreferenceLoss::kSft && resolved_sft() == 0) refuse("the loss sft with sft_coefficient 0 is no loss", "leave sft_coefficient out");
  if (resolved_sft() < 0) refuse("sft_coefficient is negative", "0 turns the likelihood term off");
  if (sft_token_mean && resolved_sft() == 0) refuse("sft_token_mean does nothing without a likelihood term", "set sft_coefficient, or leave it out");
  const PreferenceOptions standard;
  if (loss != PreferenceLoss::kSimpo && simpo_gamma != standard.simpo_gamma) refuse("simpo_gamma does nothing in the loss " + name, "use loss: simpo");
  if (loss != PreferenceLoss::kDiscopop && discopop_tau != standard.discopop_tau) refuse("discopop_tau does nothing in the loss " + name, "use loss: discopop");
  if (divergence != Divergence::kAlpha && divergence_alpha != standard.divergence_alpha) refuse("divergence_alpha does nothing without divergence: alpha_divergence", "set divergence: alpha_divergence, or leave it out");
  if (discopop_tau <= 0) refuse("discopop_tau must be above 0", "0.05 is the paper's value");
  if (!row.unpaired && (desirable_weight != 1 || undesirable_weight != 1)) refuse("desirable_weight and undesirable_weight do nothing in the loss " + name, "use kto or bco");
  if (desirable_weight < 0 || undesirable_weight < 0) refuse("desirable_weight and undesirable_weight must not be negative", "1 is the usual value");
}

void PreferenceOptions::validate_data(const std::string& where, bool has_pairs, int negatives, bool has_steps, bool has_margins) const {
  const auto& row = info(loss);
  const std::string name = row.name;
  if (row.unpaired && has_pairs)
    throw UsageError("the loss " + name + " learns from single answers marked right or wrong, and these data are pairs", where,
                     "use sigmoid, or apo_zero; or take each pair as two single answers: unpair: true");
  if (!row.unpaired && !has_pairs)
    throw UsageError("the loss " + name + " needs pairs, and these data are single answers", where, "use kto, bco or apo_zero_unpaired");
  if (!row.unpaired && negatives < row.min_negatives)
    throw UsageError(fmt::format("the loss {} needs at least {} rejected answers per pair, found {}", name, row.min_negatives, negatives), where,
                     row.min_negatives > 1 ? "use sigmoid, which is the same with one negative, or raise the number of negatives per pair"
                                           : "make pairs first: foil pair, or foil negatives");
  if (row.needs_steps && !has_steps)
    throw UsageError("the loss " + name + " needs pairs of steps after a shared prefix, and these data have none", where, "use sigmoid on whole answers");
  if (has_margins && !row.takes_margin)
    throw UsageError("the loss " + name + " takes no margin, and some pairs have one", where, "use sigmoid, which asks for that much more, or leave \"margin\" out of the file");
}

PreferenceResult preference_loss(const PreferenceBatch& b, const PreferenceOptions& o, const StepCounts& step) {
  using P = PreferenceLoss;
  const auto& row = info(o.loss);
  const int64_t pairs = b.policy_chosen.numel();
  FOIL_CHECK(!row.unpaired, "{} takes an UnpairedBatch", row.name);
  FOIL_CHECK(!on_lengths_alone(o) || b.chosen_tokens.defined(), "{} needs token counts", row.name);
  const bool rejected = b.policy_rejected.defined() && b.policy_rejected.numel() > 0;
  FOIL_CHECK(rejected || o.loss == P::kSft, "{} needs rejected completions", row.name);
  const double beta = o.resolved_beta(), smoothing = o.resolved_smoothing();
  PreferenceResult out;
  Statistics& s = out.statistics;

  at::Tensor delta_c = b.policy_chosen, delta_r = b.policy_rejected;
  if (row.needs_reference) {
    FOIL_CHECK(b.reference_chosen.defined() && b.reference_rejected.defined(), "{} needs reference log-probabilities", row.name);
    delta_c = delta_c - b.reference_chosen.detach();
    delta_r = delta_r - b.reference_rejected.detach();
  }
  const auto type = b.policy_chosen.scalar_type();
  const at::Tensor len_c = b.chosen_tokens.defined() ? b.chosen_tokens.to(type).clamp_min(1) : at::Tensor();
  const at::Tensor len_r = b.rejected_tokens.defined() ? b.rejected_tokens.to(type).clamp_min(1) : at::Tensor();

  if (o.loss == P::kSft) {
    out.per_pair = at::zeros_like(b.policy_chosen);
  } else {
    at::Tensor score_c = delta_c, score_r = delta_r;
    if (row.takes_divergence) score_c = divergence_score(delta_c, o), score_r = divergence_score(delta_r, o);
    if (o.loss == P::kIpo || o.loss == P::kSigmoidNorm || o.loss == P::kSimpo || o.loss == P::kOrpo)
      score_c = score_c / len_c, score_r = score_r / len_r;
    const at::Tensor sc = per_rejected(score_c, b);  // [M]
    at::Tensor z = beta * (sc - score_r);
    if (o.loss == P::kSimpo) z = z - o.simpo_gamma;
    if (b.margin.defined()) {
      FOIL_CHECK(row.takes_margin, "{} takes no margin", row.name);
      z = z - per_rejected(b.margin.detach().to(type), b);
    }
    if (o.length_penalty != 0) z = z + o.length_penalty * (per_rejected(len_c, b) - len_r);

    at::Tensor loss;  // [M]
    switch (o.loss) {
      case P::kSigmoid: case P::kStepDpo: case P::kSigmoidNorm: case P::kSimpo: case P::kCpo:
        loss = smoothed_sigmoid(z, smoothing);
        break;
      case P::kRobust:
        loss = (-(1 - smoothing) * at::log_sigmoid(z) + smoothing * at::log_sigmoid(-z)) / (1 - 2 * smoothing);
        break;
      case P::kHinge: loss = at::relu(1 - z); break;
      case P::kIpo: loss = (sc - score_r - 1 / (2 * beta)).square(); break;
      case P::kExoPair: {
        const at::Tensor lw = at::log_sigmoid(z), ll = at::log_sigmoid(-z);
        loss = lw.exp() * (lw - std::log1p(-smoothing)) + ll.exp() * (ll - std::log(smoothing));
        break;
      }
      case P::kNcaPair:
        loss = -at::log_sigmoid(beta * sc) - 0.5 * at::log_sigmoid(-beta * sc) - 0.5 * at::log_sigmoid(-beta * score_r);
        break;
      case P::kBcoPair: loss = -at::log_sigmoid(beta * sc) - at::log_sigmoid(-beta * score_r); break;
      case P::kSppoHard: loss = (sc - 0.5 / beta).square() + (score_r + 0.5 / beta).square(); break;
      case P::kApoZero: loss = 1 - at::sigmoid(beta * sc) + at::sigmoid(beta * score_r); break;
      case P::kApoDown: loss = at::sigmoid(beta * sc) + 1 - at::sigmoid(z); break;
      case P::kDiscopop: {
        const at::Tensor w = at::sigmoid(z / o.discopop_tau);
        loss = (1 - w) * -at::log_sigmoid(z) + w * at::exp((-z).clamp_max(80));  // w vanishes long before the clamp bites
        break;
      }
      case P::kOrpo: {
        const at::Tensor odds = (sc - score_r) - (log1mexp(sc) - log1mexp(score_r));
        loss = -beta * at::log_sigmoid(odds);
        break;
      }
      case P::kInfonce: break;
      default: FOIL_CHECK(false, "loss {} is not computed", row.name);
    }
    out.per_pair = o.loss == P::kInfonce ? infonce(z, b) : per_pair(loss, b);
  }

  const at::Tensor weight = ones_like_pairs(b.weight, b.policy_chosen);
  const double divisor = double(std::max<int64_t>(step.sequences ? step.sequences : pairs, 1));
  out.loss = (weight * out.per_pair).sum() / divisor;
  if (o.resolved_sft() != 0) {
    const at::Tensor nll = o.sft_token_mean
                               ? (weight * -b.policy_chosen).sum() / (step.tokens ? at::full({}, double(step.tokens), len_c.options()) : len_c.sum())
                               : (weight * -b.policy_chosen / len_c).sum() / divisor;
    out.loss = out.loss + o.resolved_sft() * nll;
  }

  const double scale = beta > 0 ? beta : 1;
  out.chosen_reward = scale * delta_c.detach();
  s.mean("rewards/chosen", out.chosen_reward);
  s.mean("delta/chosen", delta_c);
  s.mean("logprob/chosen", b.policy_chosen);
  if (b.chosen_tokens.defined()) s.mean("nll", -b.policy_chosen / len_c);
  if (rejected) {
    out.rejected_reward = scale * delta_r.detach();
    const at::Tensor margin = per_rejected(out.chosen_reward, b) - out.rejected_reward;
    s.mean("rewards/rejected", out.rejected_reward);
    s.mean("rewards/margin", margin);
    s.mean("rewards/accuracy", margin.gt(0));
    s.mean("delta/rejected", delta_r);
    s.mean("logprob/rejected", b.policy_rejected);
  }
  s.sum("loss", out.loss);
  return out;
}

PreferenceResult unpaired_loss(const UnpairedBatch& b, const PreferenceOptions& o, const StepCounts& step) {
  const auto& row = info(o.loss);
  FOIL_CHECK(row.unpaired, "{} takes a PreferenceBatch", row.name);
  const double beta = o.resolved_beta();
  const at::Tensor delta = b.policy - b.reference.detach();
  const at::Tensor right = b.desirable;
  const at::Tensor sign = at::where(right, at::ones_like(delta).detach(), -at::ones_like(delta).detach());
  PreferenceResult out;
  const at::Tensor shift = b.shift.defined() ? b.shift.detach().to(delta.scalar_type()) : at::zeros({}, delta.options().requires_grad(false));
  switch (o.loss) {
    case PreferenceLoss::kKto: out.per_pair = at::sigmoid(-sign * beta * (delta - shift)); break;
    case PreferenceLoss::kBco: out.per_pair = -at::log_sigmoid(sign * (beta * delta - shift)); break;
    case PreferenceLoss::kApoZeroUnpaired: out.per_pair = at::sigmoid(-sign * beta * delta); break;
    default: FOIL_CHECK(false, "loss {} is not computed", row.name);
  }
  const at::Tensor side = at::where(right, at::full_like(delta, o.desirable_weight).detach(), at::full_like(delta, o.undesirable_weight).detach());
  const at::Tensor weight = ones_like_pairs(b.weight, delta.detach()) * side;
  out.loss = (weight * out.per_pair).sum() / double(std::max<int64_t>(step.sequences ? step.sequences : delta.numel(), 1));
  Statistics& s = out.statistics;
  const at::Tensor wrong = right.logical_not(), reward = beta * delta.detach();
  out.chosen_reward = reward.masked_select(right);
  out.rejected_reward = reward.masked_select(wrong);
  s.mean("rewards/chosen", reward, right);
  s.mean("rewards/rejected", reward, wrong);
  s.mean("delta/chosen", delta, right);
  s.mean("delta/rejected", delta, wrong);
  s.mean("logprob/chosen", b.policy, right);
  s.mean("logprob/rejected", b.policy, wrong);
  s.mean(o.loss == PreferenceLoss::kBco ? "reward_shift" : "kl", shift);
  s.sum("loss", out.loss);
  return out;
}

at::Tensor kto_baseline(const at::Tensor& policy_mismatched, const at::Tensor& reference_mismatched) {
  return (policy_mismatched - reference_mismatched).detach().mean().clamp_min(0);
}

void BcoShift::update(const at::Tensor& rewards) {
  const double n = double(rewards.numel());
  if (n == 0) return;
  const double batch = rewards.detach().to(at::kDouble).mean().item<double>();
  count += n;
  mean += (batch - mean) * n / count;
}

at::Tensor length_desensitised_weights(const at::Tensor& sequence, const at::Tensor& shared, double alpha) {
  const at::Tensor place = position_in_sequence(sequence, shared.numel());
  const at::Tensor tail = place.ge(shared.to(at::kLong).index_select(0, sequence));
  return at::where(tail, at::full({}, alpha, shared.options().dtype(at::kFloat)), at::ones({}, shared.options().dtype(at::kFloat)));
}

}  // namespace foil::objective
