#include <ATen/Parallel.h>

#include "base/error.h"
#include "nn/decoder.h"
#include "nn/kernels.h"
#include "nn/kv_cache.h"
#include "nn/paged_attention.h"
#include "nn/transformer.h"

namespace foil::nn {

namespace {

// A linear layer whose rows do not influence each other's rounding.
at::Tensor independent_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor in = x.contiguous();
  const int64_t rows = in.size(0), n = weight.size(0), k = weight.size(1);
  at::Tensor out = at::empty({rows, n}, in.options());
  const float *a = in.const_data_ptr<float>(), *w = weight.const_data_ptr<float>(), *b = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  float* o = out.mutable_data_ptr<float>();
  at::parallel_for(0, n, std::max<int64_t>(1, (int64_t{1} << 16) / (rows * k)), [&](int64_t begin, int64_t end) {
    kernels::linear_rows(rows, end - begin, k, a, k, w + begin * k, k, b ? b + begin : nullptr, o + begin, n);
  });
  return out;
}

}  // namespace

at::Tensor independent_rows_logits(const at::Tensor& hidden, const at::Tensor& weight) { return independent_linear(hidden, weight, {}); }

at::Tensor Transformer::step(const StepBatch& batch, KvCache& cache, bool deterministic) const {
  FOIL_CHECK(!batch.sequences.empty() && batch.sequences.back().end == batch.tokens.size(0));
  FOIL_CHECK(!deterministic || (device().is_cpu() && type() == at::kFloat), "deterministic steps need f32 on the CPU");
  at::NoGradGuard off;
  const Decoder decoder(config_, parameters_);
  int64_t longest = 1;
  for (const auto& s : batch.sequences) longest = std::max(longest, s.context + s.end - s.begin);
  const RotaryTable table = rotary(longest);
  const LinearFunction linear = deterministic ? independent_linear : nullptr;
  at::Tensor x = at::embedding(decoder.embedding, batch.tokens);
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const Layer& layer = decoder.layers[i];
    const auto qkv = project(config_, layer, x, batch.positions, table, linear);
    x = finish_layer(config_, layer, x, paged_attention(qkv.q, qkv.k, qkv.v, batch, cache, int64_t(i)), linear);
  }
  std::vector<int64_t> last;
  for (const auto& s : batch.sequences) last.push_back(s.end - 1);
  if (int64_t(last.size()) != x.size(0)) x = x.index_select(0, at::tensor(last, at::kLong).to(x.device()));
  return rms_norm(x, decoder.norm, config_.rms_norm_eps);
}

}  // namespace foil::nn
