#include "nn/logprob.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "nn/kernels.h"
#include "nn/panels.h"
#include "nn/team.h"

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

// The same for f32 hidden states on the CPU, over tiles of transposed logits [words, tokens] that stay in the cache: blocks of the weight's
// rows, each read once, against the tokens, so that the softmax runs down vector lanes.
class TiledLogprob : public torch::autograd::Function<TiledLogprob> {
  static constexpr int64_t kTokens = 128, kChunk = 1024;  // tokens of a tile; tokens that a block of words meets before the next one comes
  static_assert(kTokens % Panels::kWidth == 0);

  // Blocks of words in slices: the vocabulary alone decides, so that sums are the same for any number of threads.
  struct Plan {
    explicit Plan(int64_t vocabulary) : vocabulary(vocabulary), words(vocabulary >= 4096 ? 128 : 32) {
      const int64_t blocks = (vocabulary + words - 1) / words;
      slices = std::min<int64_t>(32, blocks);
      slice_words = (blocks + slices - 1) / slices * words;
      slices = (vocabulary + slice_words - 1) / slice_words;
    }
    // work(v, words) for the blocks of a slice.
    template <class F>
    void blocks_of(int64_t slice, const F& work) const {
      const int64_t last = std::min(vocabulary, (slice + 1) * slice_words);
      for (int64_t v = slice * slice_words; v < last; v += words) work(v, std::min(words, last - v));
    }
    int64_t vocabulary, words, slices, slice_words;
  };

  // The tile of a block's logits (block: its rows of the weight) at token t, rows kTokens apart.
  static void multiply(const Panels& by_token, const float* block, int64_t words, int64_t t, int64_t tokens, float* tile) {
    const int64_t d = by_token.rows();
    by_token.multiply_rows(0, d, t / Panels::kWidth, (tokens + Panels::kWidth - 1) / Panels::kWidth, words, block, d, 1, tile, kTokens, false);
  }

  // work(t, tokens) for the tiles of tokens [begin, end).
  template <class F>
  static void tiles_of(int64_t begin, int64_t end, const F& work) {
    for (int64_t t = begin; t < end; t += kTokens) work(t, std::min(kTokens, end - t));
  }

  // Logits that the forward pass keeps for the backward pass, which else makes them again: the tiles of the first tokens, as many as fit.
  struct Kept {
    Kept(int64_t rows, int64_t vocabulary, int64_t bytes)
        : vocabulary(vocabulary), tiles(std::min((rows + kTokens - 1) / kTokens, bytes / (vocabulary * kTokens * int64_t(sizeof(float))))) {
      if (tiles > 0) data = at::empty({tiles, vocabulary, kTokens}, at::kFloat);
    }
    explicit Kept(const at::Tensor& data) : vocabulary(data.defined() ? data.size(1) : 0), tiles(data.defined() ? data.size(0) : 0), data(data) {}
    bool holds(int64_t t) const { return t / kTokens < tiles; }
    float* at_block(int64_t t, int64_t v) const { return static_cast<float*>(data.mutable_data_ptr()) + (t / kTokens * vocabulary + v) * kTokens; }
    int64_t vocabulary, tiles;
    at::Tensor data;  // [tiles, vocabulary, kTokens]; undefined: none
  };

 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight,
                                                const at::Tensor& targets, double temperature, int64_t kept_bytes, const KnownSoftmax* known) {
    const int64_t rows = hidden.size(0), d = hidden.size(1);
    if (known) return of_known(ctx, hidden, weight, targets, temperature, *known);
    const Plan plan(weight.size(0));
    const Kept kept(rows, plan.vocabulary, kept_bytes);
    const int64_t chunk = plan.slices < 8 ? kTokens : kChunk, chunks = (rows + chunk - 1) / chunk;
    const at::Tensor wide = weight.detach().to(at::kFloat).contiguous();
    const Panels by_token = Panels::of_transposed(hidden).filled_up();
    const auto options = hidden.options().requires_grad(false);
    at::Tensor logprob = at::empty({rows}, options), lse = at::empty_like(logprob), entropy = at::empty_like(logprob);
    at::Tensor statistics = at::empty({plan.slices, 3, rows}, options);  // top, sum, weighted of column_logsumexp
    const float *w = wide.const_data_ptr<float>(), scale = float(1.0 / temperature);
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float *lp = logprob.mutable_data_ptr<float>(), *ls = lse.mutable_data_ptr<float>(), *en = entropy.mutable_data_ptr<float>(), *st = statistics.mutable_data_ptr<float>();
    Team::run([&](Team& team) {
      std::vector<float> own(size_t(plan.words * kTokens));
      team.share(chunks * plan.slices, [&](int64_t job) {
        const int64_t slice = job % plan.slices, begin = job / plan.slices * chunk, end = std::min(rows, begin + chunk);
        float *top = st + slice * 3 * rows, *sum = top + rows, *weighted = sum + rows;
        std::fill(top + begin, top + end, -1e30f), std::fill(sum + begin, sum + end, 0.0f), std::fill(weighted + begin, weighted + end, 0.0f);
        plan.blocks_of(slice, [&](int64_t v, int64_t words) {
          tiles_of(begin, end, [&](int64_t t, int64_t tokens) {
            float* logits = kept.holds(t) ? kept.at_block(t, v) : own.data();
            multiply(by_token, w + v * d, words, t, tokens, logits);
            for (int64_t j = 0; j < tokens; ++j)
              if (target[t + j] >= v && target[t + j] < v + words) lp[t + j] = logits[(target[t + j] - v) * kTokens + j] * scale;
            kernels::column_logsumexp(logits, kTokens, words, tokens, scale, top + t, sum + t, weighted + t);
          });
        });
      });
      team.share((rows + kTokens - 1) / kTokens, [&](int64_t block) {
        for (int64_t t = block * kTokens; t < std::min(rows, (block + 1) * kTokens); ++t) {
          float most = st[t];
          for (int64_t slice = 1; slice < plan.slices; ++slice) most = std::max(most, st[slice * 3 * rows + t]);
          float sum = 0, weighted = 0;
          for (int64_t slice = 0; slice < plan.slices; ++slice) {
            const float *s = st + slice * 3 * rows + t, shift = s[0] - most, shrink = std::exp(shift);
            sum += s[rows] * shrink;
            weighted += (s[2 * rows] + s[rows] * shift) * shrink;
          }
          ls[t] = most + std::log(sum);
          lp[t] -= ls[t];
          en[t] = std::log(sum) - weighted / sum;
        }
      });
    }, rows * d * plan.vocabulary < Panels::kSerialWork);
    ctx->save_for_backward({hidden, weight, targets, lse, kept.data});
    ctx->saved_data["temperature"] = temperature;
    ctx->mark_non_differentiable({entropy});
    return {logprob, entropy};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Kept kept(saved[4]);
    const at::Tensor hidden = saved[0].detach(), wide = saved[1].detach().to(at::kFloat).contiguous(), &targets = saved[2], &lse = saved[3];
    const float scale = float(1.0 / ctx->saved_data["temperature"].toDouble());
    const int64_t rows = hidden.size(0), d = hidden.size(1);
    const bool want_weight = ctx->needs_input_grad(1);
    const Plan plan(wide.size(0));
    const at::Tensor coefficient = (grads[0] * scale).contiguous(), minus = coefficient.neg();
    const Panels by_token = Panels::of_transposed(hidden).filled_up(), by_row = want_weight ? Panels::of(hidden) : Panels();
    at::Tensor dhidden = at::zeros_like(hidden), dweight = want_weight ? at::empty(wide.sizes(), wide.options()) : at::Tensor();
    const float *w = wide.const_data_ptr<float>(), *ls = lse.const_data_ptr<float>(), *co = coefficient.const_data_ptr<float>(), *mi = minus.const_data_ptr<float>();
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float *dh = dhidden.mutable_data_ptr<float>(), *dw = want_weight ? dweight.mutable_data_ptr<float>() : nullptr;
    at::Tensor partial = at::empty({plan.slices, std::min(rows, kChunk), d}, hidden.options());  // of dhidden, added up in order
    float* pp = partial.mutable_data_ptr<float>();
    Team::run([&](Team& team) {
      std::vector<float> tile(size_t(plan.words * kTokens));
      float* logits = tile.data();
      for (int64_t begin = 0; begin < rows; begin += kChunk) {
        const int64_t end = std::min(rows, begin + kChunk);
        const auto slice_of = [&](int64_t slice) { return pp + slice * partial.size(1) * d; };
        team.share(plan.slices, [&](int64_t slice) {
          Panels by_word;
          plan.blocks_of(slice, [&](int64_t v, int64_t words) {
            if (!by_word.defined() || by_word.rows() != words) by_word = Panels(words, d);
            for (int64_t r = 0; r < words; ++r) by_word.set_row(r, w + (v + r) * d);
            tiles_of(begin, end, [&](int64_t t, int64_t tokens) {
              if (kept.holds(t)) std::memcpy(logits, kept.at_block(t, v), size_t(words * kTokens) * sizeof(float));
              else multiply(by_token, w + v * d, words, t, tokens, logits);
              kernels::column_softmax(logits, kTokens, words, tokens, scale, ls + t, mi + t);
              for (int64_t j = 0; j < tokens; ++j)
                if (target[t + j] >= v && target[t + j] < v + words) logits[(target[t + j] - v) * kTokens + j] += co[t + j];
              by_word.multiply_rows(0, words, 0, by_word.count(), tokens, logits, 1, kTokens, slice_of(slice) + (t - begin) * d, d, v > slice * plan.slice_words);
              if (want_weight) by_row.multiply_rows(t, t + tokens, 0, by_row.count(), words, logits, kTokens, 1, dw + v * d, d, t > 0);
            });
          });
        });
        constexpr int64_t kRows = 16;
        team.share((end - begin + kRows - 1) / kRows, [&](int64_t job) {
          const int64_t first = job * kRows, count = std::min(kRows, end - begin - first);
          for (int64_t slice = 0; slice < plan.slices; ++slice) kernels::add_row(dh + (begin + first) * d, slice_of(slice) + first * d, count * d);
        });
      }
    }, rows * d * plan.vocabulary < Panels::kSerialWork);
    return {dhidden, dweight, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }

 private:
  static torch::autograd::variable_list of_known(torch::autograd::AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets,
                                                 double temperature, const KnownSoftmax& known) {
    const int64_t rows = hidden.size(0), d = hidden.size(1);
    const at::Tensor wide = weight.detach().to(at::kFloat).contiguous();
    at::Tensor logprob = at::empty({rows}, hidden.options().requires_grad(false));
    const at::Tensor lse = known.lse.contiguous(), entropy = known.entropy.clone();
    FOIL_CHECK(lse.size(0) == rows && entropy.size(0) == rows);
    const float *w = wide.const_data_ptr<float>(), *h = hidden.const_data_ptr<float>(), *ls = lse.const_data_ptr<float>(), scale = float(1.0 / temperature);
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float* lp = logprob.mutable_data_ptr<float>();
    for (int64_t r = 0; r < rows; ++r) lp[r] = kernels::dot(h + r * d, w + target[r] * d, d) * scale - ls[r];
    ctx->save_for_backward({hidden, weight, targets, lse, at::Tensor()});
    ctx->saved_data["temperature"] = temperature;
    ctx->mark_non_differentiable({entropy});
    return {logprob, entropy};
  }
};

}  // namespace

TokenLogprobs token_logprobs(const at::Tensor& hidden, const at::Tensor& weight, const at::Tensor& targets, double temperature, bool entropy,
                             int64_t chunk_rows, int64_t kept_bytes, const KnownSoftmax* known) {
  FOIL_CHECK(hidden.dim() == 2 && weight.dim() == 2 && hidden.size(1) == weight.size(1) && targets.size(0) == hidden.size(0) && temperature > 0);
  if (chunk_rows <= 0 && hidden.is_cpu() && hidden.scalar_type() == at::kFloat && hidden.size(0) > 0) {
    const bool differentiated = at::GradMode::is_enabled() && (hidden.requires_grad() || weight.requires_grad());
    const auto out = TiledLogprob::apply(hidden.contiguous(), weight, targets.contiguous(), temperature, differentiated ? kept_bytes : 0, known);
    return {out[0], entropy ? out[1] : at::Tensor()};
  }
  if (chunk_rows <= 0) chunk_rows = std::clamp<int64_t>(kChunkBytes / (4 * weight.size(0)), 16, 4096);
  const auto out = FusedLogprob::apply(hidden.contiguous(), weight, targets, temperature, entropy, chunk_rows);
  return {out[0], entropy ? out[1] : at::Tensor()};
}

}  // namespace foil::nn
