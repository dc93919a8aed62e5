#include "base/error.h"
#include "nn/decoder.h"
#include "nn/kv_cache.h"
#include "nn/paged_attention.h"
#include "nn/transformer.h"

namespace foil::nn {

at::Tensor Transformer::step(const StepBatch& batch, KvCache& cache) const {
  FOIL_CHECK(!batch.sequences.empty() && batch.sequences.back().end == batch.tokens.size(0));
  at::NoGradGuard off;
  const Decoder decoder(config_, parameters_);
  int64_t longest = 1;
  for (const auto& s : batch.sequences) longest = std::max(longest, s.context + s.end - s.begin);
  const RotaryTable table = rotary(longest);
  at::Tensor x = at::embedding(decoder.embedding, batch.tokens);
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const Layer& layer = decoder.layers[i];
    const auto qkv = project(config_, layer, x, batch.positions, table);
    x = finish_layer(config_, layer, x, paged_attention(qkv.q, qkv.k, qkv.v, batch, cache, int64_t(i)));
  }
  std::vector<int64_t> last;
  for (const auto& s : batch.sequences) last.push_back(s.end - 1);
  if (int64_t(last.size()) != x.size(0)) x = x.index_select(0, at::tensor(last, at::kLong).to(x.device()));
  return rms_norm(x, decoder.norm, config_.rms_norm_eps);
}

}  // namespace foil::nn
