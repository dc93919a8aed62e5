#include "nn/packed_decoder.h"

#include <ATen/Parallel.h>

#include "base/error.h"
#include "nn/kernels.h"
#include "nn/paged_attention.h"

namespace foil::nn {

static bool can_pack(const Transformer& model) { return model.device().is_cpu() && model.type() != at::kDouble; }

at::ScalarType PackedDecoder::type_for(const Transformer& model) { return can_pack(model) ? at::kFloat : model.type(); }

PackedDecoder::PackedDecoder(const Transformer& model) : model_(model) {
  if (!can_pack(model)) return;
  at::NoGradGuard off;
  const Decoder decoder(model.config(), model.parameters());
  auto wide = [](const at::Tensor& t) { return t.defined() ? t.detach().to(at::kFloat) : t; };
  embedding_ = decoder.embedding.detach();
  norm_ = wide(decoder.norm);
  for (const Layer& l : decoder.layers)
    layers_.push_back({wide(l.input_norm), wide(l.post_norm), wide(l.qkv_bias), wide(l.o_bias), wide(l.q_norm), wide(l.k_norm),
                       Panels::of_transposed(l.qkv), Panels::of_transposed(l.o), Panels::of_transposed(l.gate_up), Panels::of_transposed(l.down)});
  output_ = Panels::of_transposed(decoder.output);
}

at::Tensor PackedDecoder::logits(const at::Tensor& hidden) const { return packed() ? output_.linear(hidden) : model_.logits(hidden); }

at::Tensor PackedDecoder::step(const StepBatch& batch, KvCache& cache) const {
  if (!packed()) return model_.step(batch, cache);
  FOIL_CHECK(!batch.sequences.empty() && batch.sequences.back().end == batch.tokens.size(0));
  at::NoGradGuard off;
  const ModelConfig& c = model_.config();
  int64_t longest = 1;
  for (const auto& s : batch.sequences) longest = std::max(longest, s.context + s.end - s.begin);
  const RotaryTable table = model_.rotary(longest);
  const int64_t rows = batch.tokens.size(0), d = c.head_dim, heads = c.num_attention_heads, kv_heads = c.num_key_value_heads, inner = c.intermediate_size;
  const int64_t q_width = heads * d, kv_width = kv_heads * d;
  at::Tensor x = at::embedding(embedding_, batch.tokens).to(at::kFloat);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const PackedLayer& l = layers_[i];
    const at::Tensor qkv = l.qkv.linear(rms_norm(x, l.input_norm, c.rms_norm_eps), l.qkv_bias);
    at::Tensor q = qkv.narrow(1, 0, q_width).view({rows, heads, d}), k = qkv.narrow(1, q_width, kv_width).view({rows, kv_heads, d});
    if (c.qk_norm) q = rms_norm(q, l.q_norm, c.rms_norm_eps), k = rms_norm(k, l.k_norm, c.rms_norm_eps);
    const at::Tensor v = qkv.narrow(1, q_width + kv_width, kv_width).view({rows, kv_heads, d});
    const at::Tensor attended = paged_attention(rotate(q, batch.positions, table), rotate(k, batch.positions, table), v, batch, cache, int64_t(i));
    x = l.o.linear(attended.view({rows, q_width}), l.o_bias).add_(x);
    const at::Tensor gate_up = l.gate_up.linear(rms_norm(x, l.post_norm, c.rms_norm_eps));
    at::Tensor active = at::empty({rows, inner}, x.options());
    const float* from = gate_up.const_data_ptr<float>();
    float* to = active.mutable_data_ptr<float>();
    at::parallel_for(0, rows, std::max<int64_t>(1, (1 << 14) / inner), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) kernels::swiglu(from + r * 2 * inner, from + r * 2 * inner + inner, to + r * inner, inner);
    });
    x = l.down.linear(active).add_(x);
  }
  std::vector<int64_t> last;
  for (const auto& s : batch.sequences) last.push_back(s.end - 1);
  if (int64_t(last.size()) != rows) x = x.index_select(0, at::tensor(last, at::kLong));
  return rms_norm(x, norm_, c.rms_norm_eps);
}

}  // namespace foil::nn
