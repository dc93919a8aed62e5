#include "nn/logprob.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "nn/kernels.h"
#include "nn/panels.h"

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

// The same for f32 hidden states on the CPU, over tiles of transposed logits [kVocabulary, kTokens] that stay in the cache: rows of
// the weight against panels of tokens, so that the weight is read where it lies and the softmax runs down vector lanes.
class TiledLogprob : public torch::autograd::Function<TiledLogprob> {
  static constexpr int64_t kVocabulary = 64, kTokens = 128, kSlices = 16, kBackwardTokens = 1024;

  static_assert(kTokens % Panels::kWidth == 0);
  // Tile of logits of words [v, v + words) and tokens [t, t + tokens), zeros up to a full panel: rows kTokens apart.
  static void tile(const Panels& tokens_side, int64_t t, int64_t tokens, const float* weight, int64_t v, int64_t words, float* out) {
    const int64_t d = tokens_side.rows();
    tokens_side.multiply_some(t / Panels::kWidth, (tokens + Panels::kWidth - 1) / Panels::kWidth, words, weight + v * d, d, out, kTokens, false);
  }

 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight,
                                                const at::Tensor& targets, double temperature) {
    const int64_t rows = hidden.size(0), vocabulary = weight.size(0);
    const at::Tensor wide = weight.detach().to(at::kFloat).contiguous();
    const Panels panels = Panels::of_transposed(hidden).filled_up();
    at::Tensor logprob = at::empty({rows}, hidden.options().requires_grad(false)), lse = at::empty_like(logprob), entropy = at::empty_like(logprob);
    const float *w = wide.const_data_ptr<float>(), scale = float(1.0 / temperature);
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float *lp = logprob.mutable_data_ptr<float>(), *ls = lse.mutable_data_ptr<float>(), *en = entropy.mutable_data_ptr<float>();
    at::parallel_for(0, (rows + kTokens - 1) / kTokens, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> logits(kVocabulary * kTokens), top(kTokens), sum(kTokens), weighted(kTokens);
      for (int64_t t = begin * kTokens; t < std::min(end * kTokens, rows); t += kTokens) {
        const int64_t tokens = std::min(kTokens, rows - t);
        std::fill(top.begin(), top.end(), -1e30f), std::fill(sum.begin(), sum.end(), 0.0f), std::fill(weighted.begin(), weighted.end(), 0.0f);
        for (int64_t v = 0; v < vocabulary; v += kVocabulary) {
          const int64_t words = std::min(kVocabulary, vocabulary - v);
          tile(panels, t, tokens, w, v, words, logits.data());
          for (int64_t j = 0; j < tokens; ++j)
            if (target[t + j] >= v && target[t + j] < v + words) lp[t + j] = logits[size_t((target[t + j] - v) * kTokens + j)] * scale;
          kernels::column_logsumexp(logits.data(), kTokens, words, tokens, scale, top.data(), sum.data(), weighted.data());
        }
        for (int64_t j = 0; j < tokens; ++j) {
          ls[t + j] = top[size_t(j)] + std::log(sum[size_t(j)]);
          lp[t + j] -= ls[t + j];
          en[t + j] = std::log(sum[size_t(j)]) - weighted[size_t(j)] / sum[size_t(j)];
        }
      }
    });
    ctx->save_for_backward({hidden, weight, targets, lse});
    ctx->saved_data["temperature"] = temperature;
    ctx->mark_non_differentiable({entropy});
    return {logprob, entropy};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor hidden = saved[0].detach(), wide = saved[1].detach().to(at::kFloat).contiguous(), &targets = saved[2], &lse = saved[3];
    const float scale = float(1.0 / ctx->saved_data["temperature"].toDouble());
    const int64_t rows = hidden.size(0), d = hidden.size(1), vocabulary = wide.size(0);
    const at::Tensor coefficient = (grads[0] * scale).contiguous(), minus = coefficient.neg();
    const Panels by_token = Panels::of_transposed(hidden).filled_up(), by_row = Panels::of(hidden);
    at::Tensor dhidden = at::zeros_like(hidden), dweight = at::empty(wide.sizes(), wide.options());
    const float *w = wide.const_data_ptr<float>(), *ls = lse.const_data_ptr<float>(), *co = coefficient.const_data_ptr<float>(), *mi = minus.const_data_ptr<float>();
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float *dh = dhidden.mutable_data_ptr<float>(), *dw = dweight.mutable_data_ptr<float>();
    // Slices of the vocabulary, the same for any number of threads; each has its own sum for the hidden states, added up in order.
    const int64_t blocks = (vocabulary + kVocabulary - 1) / kVocabulary, slices = std::min(kSlices, blocks);
    const int64_t slice_words = (blocks + slices - 1) / slices * kVocabulary;
    at::Tensor partial = at::empty({slices, std::min(rows, kBackwardTokens), d}, hidden.options());
    float* pp = partial.mutable_data_ptr<float>();
    for (int64_t chunk = 0; chunk < rows; chunk += kBackwardTokens) {
      const int64_t chunk_end = std::min(rows, chunk + kBackwardTokens);
      at::parallel_for(0, slices, 1, [&](int64_t begin, int64_t end) {
        std::vector<float> logits(kVocabulary * kTokens);
        for (int64_t slice = begin; slice < end; ++slice)
          for (int64_t t = chunk; t < chunk_end; t += kTokens) {
            const int64_t tokens = std::min(kTokens, chunk_end - t);
            float* mine = pp + (slice * partial.size(1) + t - chunk) * d;
            const int64_t first = slice * slice_words, last = std::min(vocabulary, first + slice_words);
            if (first >= last) std::fill(mine, mine + tokens * d, 0.0f);
            for (int64_t v = first; v < last; v += kVocabulary) {
              const int64_t words = std::min(kVocabulary, last - v);
              tile(by_token, t, tokens, w, v, words, logits.data());
              kernels::column_softmax(logits.data(), kTokens, words, tokens, scale, ls + t, mi + t);
              for (int64_t j = 0; j < tokens; ++j)
                if (target[t + j] >= v && target[t + j] < v + words) logits[size_t((target[t + j] - v) * kTokens + j)] += co[t + j];
              kernels::multiply(tokens, d, words, logits.data(), 1, kTokens, w + v * d, d, mine, d, v > first);
              by_row.multiply_rows(t, t + tokens, words, logits.data(), kTokens, 1, dw + v * d, d, t > 0);
            }
          }
      });
      at::parallel_for(chunk, chunk_end, 64, [&](int64_t begin, int64_t end) {
        for (int64_t slice = 0; slice < slices; ++slice) kernels::add_row(dh + begin * d, pp + (slice * partial.size(1) + begin - chunk) * d, (end - begin) * d);
      });
    }
    return {dhidden, ctx->needs_input_grad(1) ? dweight : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenLogprobs token_logprobs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature, bool entropy,
                             int64_t chunk_rows) {
  FOIL_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) && targets.size(0) == hidden.size(0) && temperature > 0);
  if (chunk_rows <= 0 && hidden.is_cpu() && hidden.scalar_type() == at::kFloat && hidden.size(0) > 0) {
    const auto out = TiledLogprob::apply(hidden.contiguous(), weight, targets.contiguous(), temperature);
    return {out[0], entropy ? out[1] : at::Tensor()};
  }
  if (chunk_rows <= 0) chunk_rows = std::clamp<int64_t>(kChunkBytes / (4 * weight.size(0)), 16, 4096);
  const auto out = FusedLogprob::apply(hidden.contiguous(), weight, targets, temperature, entropy, chunk_rows);
  return {out[0], entropy ? out[1] : at::Tensor()};
}

}  // namespace foil::nn
