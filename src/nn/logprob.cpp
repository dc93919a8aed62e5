#include "nn/logprob.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/error.h"

namespace foil::nn {

namespace {

constexpr int64_t kChunkBytes = int64_t{16} << 20;  // of f32 logits

class FusedLogprob : public torch::autograd::Function<FusedLogprob> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight,
                                                const at::Tensor& targets, double temperature, bool entropy, int64_t chunk) {
    const int64_t rows = hidden.size(0);
    const auto f32 = hidden.options().dtype(hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    at::Tensor logprob = at::empty({rows}, f32), lse = at::empty({rows}, f32), spread = entropy ? at::empty({rows}, f32) : at::Tensor();
    for (int64_t a = 0; a < rows; a += chunk) {
      const int64_t b = std::min(rows, a + chunk);
      at::Tensor logits = at::linear(hidden.slice(0, a, b), weight).to(f32.dtype());
      if (temperature != 1.0) logits.div_(temperature);
      at::Tensor sum = at::logsumexp(logits, 1);
      lse.slice(0, a, b).copy_(sum);
      logprob.slice(0, a, b).copy_(logits.gather(1, targets.slice(0, a, b).unsqueeze(1)).squeeze(1) - sum);
      if (entropy) {  // H = lse − Σ p·logit
        const at::Tensor p = (logits - sum.unsqueeze(1)).exp_();
        spread.slice(0, a, b).copy_(sum - p.mul_(logits).sum(1));
      }
    }
    ctx->save_for_backward({hidden, weight, targets, lse});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["chunk"] = chunk;
    if (!entropy) spread = at::empty({0}, f32);
    ctx->mark_non_differentiable({spread});
    return {logprob, spread};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &weight = saved[1], &targets = saved[2], &lse = saved[3];
    const double temperature = ctx->saved_data["temperature"].toDouble();
    const int64_t chunk = ctx->saved_data["chunk"].toInt(), rows = hidden.size(0);
    const bool want_hidden = ctx->needs_input_grad(0), want_weight = ctx->needs_input_grad(1);
    at::Tensor dhidden = want_hidden ? at::empty_like(hidden) : at::Tensor();
    at::Tensor dweight = want_weight ? at::zeros(weight.sizes(), weight.options().dtype(lse.scalar_type())) : at::Tensor();
    for (int64_t a = 0; a < rows; a += chunk) {
      const int64_t b = std::min(rows, a + chunk);
      const at::Tensor h = hidden.slice(0, a, b), g = (grads[0].slice(0, a, b) / temperature).unsqueeze(1);
      at::Tensor d = at::linear(h, weight).to(lse.scalar_type());
      if (temperature != 1.0) d.div_(temperature);
      d.sub_(lse.slice(0, a, b).unsqueeze(1)).exp_().mul_(-g);  // −g·softmax
      d.scatter_add_(1, targets.slice(0, a, b).unsqueeze(1), g.to(d.scalar_type()));
      const at::Tensor narrow = d.to(hidden.scalar_type());
      if (want_hidden) dhidden.slice(0, a, b).copy_(at::matmul(narrow, weight));
      if (want_weight) {
        if (dweight.scalar_type() == hidden.scalar_type())
          dweight.addmm_(narrow.t(), h);
        else
          dweight.add_(at::mm(narrow.t(), h));
      }
    }
    if (want_weight) dweight = dweight.to(weight.scalar_type());
    return {dhidden, dweight, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenLogprobs token_logprobs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature, bool entropy,
                             int64_t chunk_rows) {
  FOIL_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) && targets.size(0) == hidden.size(0) && temperature > 0);
  if (chunk_rows <= 0) chunk_rows = std::clamp<int64_t>(kChunkBytes / (4 * weight.size(0)), 16, 4096);
  const auto out = FusedLogprob::apply(hidden.contiguous(), weight, targets, temperature, entropy, chunk_rows);
  return {out[0], entropy ? out[1] : at::Tensor()};
}

}  // namespace foil::nn
