#include "nn/kv_cache.h"

#include "nn/flash_attention.h"

namespace foil::nn {

KvCache::KvCache(const ModelConfig& c, int64_t blocks, int64_t block_tokens, at::Device device, at::ScalarType type)
    : blocks_(blocks), block_tokens_(block_tokens), token_major_(!device.is_cpu() || type != at::kFloat) {
  const auto options = at::TensorOptions().device(device).dtype(type);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    if (token_major_) {  // zeros: what a mask hides is multiplied by 0 and must be finite
      for (auto* side : {&keys_, &values_}) side->push_back(at::zeros({blocks + 1, block_tokens, c.num_key_value_heads, c.head_dim}, options));
    } else {
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

int64_t KvCache::usable_block_tokens(const ModelConfig& c, int64_t wanted, at::Device device, at::ScalarType type) {
  return flash::reads_blocks(device, type, c.head_dim) ? (wanted + flash::kBlockTokens - 1) / flash::kBlockTokens * flash::kBlockTokens : wanted;
}

}  // namespace foil::nn
