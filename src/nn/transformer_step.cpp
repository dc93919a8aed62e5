#include "base/error.h"
#include "nn/decoder.h"
#include "nn/kv_cache.h"
#include "nn/paged_attention.h"
#include "nn/transformer.h"

namespace foil::nn {

static at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) { return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight); }

at::Tensor cached_layers(const ModelConfig& c, const Decoder& decoder, const at::Tensor& tokens, const at::Tensor& positions, const RotaryTable& table,
                         const std::function<at::Tensor(int64_t layer, const QueryKeyValue&)>& attend) {
  at::NoGradGuard off;
  const int64_t rows = tokens.size(0), heads = c.num_attention_heads, kv_heads = c.num_key_value_heads;
  at::Tensor x = at::embedding(decoder.embedding, tokens);
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const Layer& l = decoder.layers[i];
    const at::Tensor qkv = affine(rms_norm(x, l.input_norm, c.rms_norm_eps), l.qkv, l.qkv_bias).view({rows, heads + 2 * kv_heads, c.head_dim});
    at::Tensor q = qkv.narrow(1, 0, heads), k = qkv.narrow(1, heads, kv_heads);
    if (c.qk_norm) q = rms_norm(q, l.q_norm, c.rms_norm_eps), k = rms_norm(k, l.k_norm, c.rms_norm_eps);
    const at::Tensor attended = attend(int64_t(i), {rotate(q, positions, table), rotate(k, positions, table), qkv.narrow(1, heads + kv_heads, kv_heads)});
    x = x + affine(attended.reshape({rows, heads * c.head_dim}), l.o, l.o_bias);
    const auto gate_up = at::linear(rms_norm(x, l.post_norm, c.rms_norm_eps), l.gate_up).chunk(2, 1);
    x = x + at::linear(swiglu(gate_up[0], gate_up[1]), l.down);
  }
  return x;
}

at::Tensor Transformer::step(const StepBatch& batch, KvCache& cache) const {
  FOIL_CHECK(!batch.sequences.empty() && batch.sequences.back().end == batch.tokens.size(0));
  at::NoGradGuard off;
  const Decoder decoder(config_, parameters_);
  int64_t longest = 1;
  for (const auto& s : batch.sequences) longest = std::max(longest, s.context + s.end - s.begin);
  const StepPlaces places = cache.token_major() ? step_places(batch, cache) : StepPlaces{};
  at::Tensor x = cached_layers(config_, decoder, batch.tokens.to(device()), batch.positions.to(device()), rotary(longest), [&](int64_t layer, const QueryKeyValue& a) {
    return cache.token_major() ? paged_attention(a.q, a.k, a.v, places, cache, layer) : paged_attention(a.q, a.k, a.v, batch, cache, layer);
  });
  std::vector<int64_t> last;
  for (const auto& s : batch.sequences) last.push_back(s.end - 1);
  if (int64_t(last.size()) != x.size(0)) x = x.index_select(0, at::tensor(last, at::kLong).to(x.device()));
  return rms_norm(x, decoder.norm, config_.rms_norm_eps);
}

}  // namespace foil::nn
