#include "nn/kv_cache.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "nn/flash_attention.h"

namespace foil::nn {

KvCache::KvCache(const ModelConfig& c, int64_t blocks, int64_t block_tokens, at::Device device, at::ScalarType type)
    : blocks_(blocks), block_tokens_(block_tokens), token_major_(!device.is_cpu() || type != at::kFloat) {
  const auto options = at::TensorOptions().device(device).dtype(type);
  const int64_t heads = c.num_key_value_heads, d = c.head_dim;
  if (!token_major_) memory_ = at::empty({blocks, c.num_hidden_layers, 2, heads * d * block_tokens}, options);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    if (token_major_) {  // zeros: what a mask hides is multiplied by 0 and must be finite
      for (auto* side : {&keys_, &values_}) side->push_back(at::zeros({blocks + 1, block_tokens, heads, d}, options));
    } else {
      keys_.push_back(memory_.select(1, i).select(1, 0).view({blocks, heads, d, block_tokens}));
      values_.push_back(memory_.select(1, i).select(1, 1).view({blocks, heads, block_tokens, d}));
    }
}

void KvCache::copy_blocks(std::span<const std::pair<int64_t, int64_t>> copies) {
  if (token_major_) {
    for (const auto& [from, to] : copies)
      for (auto* side : {&keys_, &values_})
        for (auto& t : *side) t.select(0, to).copy_(t.select(0, from));
    return;
  }
  auto* blocks = memory_.mutable_data_ptr<float>();
  const int64_t size = memory_.stride(0);
  at::parallel_for(0, int64_t(copies.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(blocks + copies[size_t(i)].first * size, size, blocks + copies[size_t(i)].second * size);
  });
}

int64_t KvCache::bytes_per_block(const ModelConfig& c, int64_t block_tokens, at::ScalarType type) {
  return 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim * block_tokens * int64_t(at::elementSize(type));
}

int64_t KvCache::usable_block_tokens(const ModelConfig& c, int64_t wanted, at::Device device, at::ScalarType type) {
  return flash::reads_blocks(device, type, c.head_dim) ? (wanted + flash::kBlockTokens - 1) / flash::kBlockTokens * flash::kBlockTokens : wanted;
}

}  // namespace foil::nn
