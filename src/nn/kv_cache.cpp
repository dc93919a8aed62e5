#include "nn/kv_cache.h"

namespace foil::nn {

KvCache::KvCache(const ModelConfig& c, int64_t blocks, int64_t block_tokens, at::Device device, at::ScalarType type)
    : blocks_(blocks), block_tokens_(block_tokens) {
  const auto options = at::TensorOptions().device(device).dtype(type);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    keys_.push_back(at::empty({blocks, c.num_key_value_heads, c.head_dim, block_tokens}, options));
    values_.push_back(at::empty({blocks, c.num_key_value_heads, block_tokens, c.head_dim}, options));
  }
}

void KvCache::copy_block(int64_t from, int64_t to) {
  for (auto* side : {&keys_, &values_})
    for (auto& t : *side) t.select(0, to).copy_(t.select(0, from));
}

int64_t KvCache::bytes_per_block(const ModelConfig& c, int64_t block_tokens, at::ScalarType type) {
  return 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim * block_tokens * int64_t(at::elementSize(type));
}

}  // namespace foil::nn
