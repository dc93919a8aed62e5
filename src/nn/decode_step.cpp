#include "nn/decode_step.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace foil::nn {

DecodeStep::DecodeStep(const Transformer& model, KvCache& cache)
    : model_(model), cache_(cache), decoder_(model.config(), model.parameters()), table_(model.rotary(std::min(model.config().max_position_embeddings, cache.blocks() * cache.block_tokens()))) {
  FOIL_CHECK(cache.token_major());
}

bool DecodeStep::applies(const StepBatch& batch) {
  return std::all_of(batch.sequences.begin(), batch.sequences.end(), [](const auto& s) { return s.end - s.begin == 1; });
}

DecodeStep::Shape& DecodeStep::shape(int64_t rows, int64_t blocks) {
  rows = rows <= 32 ? int64_t(std::bit_ceil(uint64_t(rows))) : (rows + 31) / 32 * 32;
  blocks = int64_t(std::bit_ceil(uint64_t(blocks)));
  auto [it, fresh] = shapes_.try_emplace({rows, blocks});
  Shape& s = it->second;
  if (!fresh) return s;
  const at::Device device = cache_.device();
  const auto on_host = at::TensorOptions().pinned_memory(device.is_cuda());
  s.host = at::empty({3, rows}, on_host.dtype(at::kLong)), s.input = at::empty({3, rows}, at::TensorOptions(device).dtype(at::kLong));
  s.host_blocks = at::empty({rows, 1 + blocks}, on_host.dtype(at::kInt)), s.blocks = at::empty({rows, 1 + blocks}, at::TensorOptions(device).dtype(at::kInt));
  s.out = at::empty({rows, model_.config().hidden_size}, at::TensorOptions(device).dtype(model_.type()));
  s.places.begins = at::arange(rows + 1, at::TensorOptions(device).dtype(at::kInt));
  s.places.slots = s.input[2];
  return s;
}

at::Tensor DecodeStep::run(const StepBatch& batch) {
  at::NoGradGuard off;
  const auto n = int64_t(batch.sequences.size());
  FOIL_CHECK(n > 0 && n == batch.tokens.size(0) && applies(batch));
  size_t most = 1;
  for (const auto& q : batch.sequences) most = std::max(most, q.blocks.size());
  Shape& s = shape(n, int64_t(most));
  const int64_t rows = s.host.size(1), width = s.host_blocks.size(1), bt = cache_.block_tokens();
  int64_t *tokens = s.host.mutable_data_ptr<int64_t>(), *positions = tokens + rows, *slots = positions + rows;
  int32_t* blocks = s.host_blocks.mutable_data_ptr<int32_t>();
  std::fill(tokens, tokens + 2 * rows, 0);  // rows that fill up: token 0 at the start of the spare block
  std::fill(slots, slots + rows, cache_.blocks() * bt);
  std::fill(blocks, blocks + rows * width, int32_t(cache_.blocks()));
  std::copy_n(batch.tokens.const_data_ptr<int64_t>(), n, tokens);
  std::copy_n(batch.positions.const_data_ptr<int64_t>(), n, positions);
  for (int64_t i = 0; i < rows; ++i) {
    blocks[i * width] = 1;
    if (i >= n) continue;
    const auto& q = batch.sequences[size_t(i)];
    slots[i] = int64_t(q.blocks[size_t(q.context / bt)]) * bt + q.context % bt;
    blocks[i * width] = int32_t(q.context + 1);
    std::copy(q.blocks.begin(), q.blocks.end(), blocks + i * width + 1);
  }
  s.input.copy_(s.host, true);
  s.blocks.copy_(s.host_blocks, true);
  s.work.run(cache_.device(), [&] {
    s.places.lengths = s.blocks.select(1, 0).contiguous(), s.places.table = s.blocks.narrow(1, 1, width - 1).contiguous();
    const at::Tensor x = cached_layers(model_.config(), decoder_, s.input[0], s.input[1], table_, [&](int64_t layer, const QueryKeyValue& a) {
      return paged_attention(a.q, a.k, a.v, s.places, cache_, layer);
    });
    s.out.copy_(rms_norm(x, decoder_.norm, model_.config().rms_norm_eps));
  });
  return s.out.narrow(0, 0, n);
}

}  // namespace foil::nn
