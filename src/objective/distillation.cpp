#include "objective/distillation.h"

#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"

namespace foil::objective {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

at::Tensor chunk_log_softmax(const at::Tensor& hidden, const at::Tensor& weight, double temperature) {
  at::Tensor logits = at::matmul(hidden, weight.t());
  if (logits.scalar_type() != at::kDouble) logits = logits.to(at::kFloat);
  return at::log_softmax(logits / temperature, 1);
}

// Forward and backward recompute the logits of a chunk; only the inputs are kept between them.
struct DistributionKl : Function<DistributionKl> {
  static Variable forward(AutogradContext* context, const Variable& hidden, const Variable& weight, const Variable& old_hidden,
                          const Variable& old_weight, double temperature, int64_t chunk) {
    context->save_for_backward({hidden, weight, old_hidden, old_weight});
    context->saved_data["temperature"] = temperature;
    context->saved_data["chunk"] = chunk;
    const auto type = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    at::Tensor kl = at::empty({hidden.size(0)}, hidden.options().dtype(type));
    for (int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const int64_t end = std::min(begin + chunk, hidden.size(0));
      const at::Tensor p = chunk_log_softmax(hidden.slice(0, begin, end), weight, temperature);
      const at::Tensor old = chunk_log_softmax(old_hidden.slice(0, begin, end), old_weight, temperature);
      kl.slice(0, begin, end).copy_((old.exp() * (old - p)).sum(1));
    }
    return kl;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &hidden = saved[0], &weight = saved[1], &old_hidden = saved[2], &old_weight = saved[3];
    const double temperature = context->saved_data["temperature"].toDouble();
    const int64_t chunk = context->saved_data["chunk"].toInt();
    const at::Tensor& upstream = gradients[0];
    at::Tensor dh = context->needs_input_grad(0) ? at::empty_like(hidden) : at::Tensor();
    // f32 even for bf16 weights: the sum over chunks must not round away
    at::Tensor dw = context->needs_input_grad(1) ? at::zeros(weight.sizes(), weight.options().dtype(upstream.scalar_type())) : at::Tensor();
    for (int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
      const int64_t end = std::min(begin + chunk, hidden.size(0));
      const at::Tensor h = hidden.slice(0, begin, end);
      const at::Tensor p = chunk_log_softmax(h, weight, temperature).exp();
      const at::Tensor old = chunk_log_softmax(old_hidden.slice(0, begin, end), old_weight, temperature).exp();
      const at::Tensor dlogits = (p - old) * (upstream.slice(0, begin, end) / temperature).unsqueeze(1);
      if (dh.defined()) dh.slice(0, begin, end).copy_(at::matmul(dlogits.to(weight.scalar_type()), weight));
      if (dw.defined()) dw.addmm_(dlogits.t(), h.to(dlogits.scalar_type()));
    }
    return {dh, dw.defined() ? dw.to(weight.scalar_type()) : dw, {}, {}, {}, {}};
  }
};

}  // namespace

void DistillationOptions::validate(const std::string& where) const {
  if (coefficient < 0) throw UsageError("coefficient is negative", where, "0 turns the distillation term off");
  if (base < 0 || focus < 0) throw UsageError("base and focus must not be negative", where, "1 and 5 are the paper's values");
  if (temperature <= 0) throw UsageError("temperature must be above 0", where, "1 is the usual value");
}

at::Tensor distribution_kl(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& old_hidden, const at::Tensor& old_weight,
                           double temperature, int64_t chunk_rows) {
  FOIL_CHECK(hidden.dim() == 2 && old_hidden.dim() == 2 && hidden.size(0) == old_hidden.size(0) && weight.size(0) == old_weight.size(0),
             "hidden {} rows against {}, vocabularies {} and {}", hidden.size(0), old_hidden.size(0), weight.size(0), old_weight.size(0));
  if (chunk_rows <= 0) chunk_rows = std::max<int64_t>(1, (int64_t{8} << 20) / std::max<int64_t>(weight.size(0), 1));  // 8 M logits at a time
  return DistributionKl::apply(hidden, weight, old_hidden.detach(), old_weight.detach(), temperature, chunk_rows);
}

DistillationResult focal_distillation(const at::Tensor& kl, const at::Tensor& sequence, const at::Tensor& old_right,
                                      const DistillationOptions& o, const StepCounts& step) {
  const int64_t sequences = old_right.numel();
  const at::Tensor right = old_right.to(kl.scalar_type());
  const at::Tensor mean = sequence_mean(kl, sequence, sequences);
  DistillationResult out;
  out.loss = o.coefficient * ((o.base + o.focus * right) * mean).sum() / double(std::max<int64_t>(step.sequences ? step.sequences : sequences, 1));
  out.statistics.mean("distillation/kl", kl);
  out.statistics.mean("distillation/kl_old_right", kl, old_right.to(at::kBool).index_select(0, sequence));
  out.statistics.sum("distillation/loss", out.loss);
  return out;
}

}  // namespace foil::objective
