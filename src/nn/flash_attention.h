// LibTorch's flash attention over sequences laid end to end: on CUDA, in half precision, from compute capability 8. Elsewhere
// applies() is false and callers go another way.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>

namespace foil::nn::flash {

inline constexpr int64_t kBlockTokens = 256;  // blocks of keys that it reads in place hold a multiple of so many tokens

bool applies(at::Device device, at::ScalarType type, int64_t head_dim);
// With a block table, too: LibTorch 2.13 and later.
bool reads_blocks(at::Device device, at::ScalarType type, int64_t head_dim);

// q [T, heads, d]; k, v [U, kv_heads, d]; begins [S + 1] i32 on the device: first rows of the sequences, and the end of the last.
// Causal, a sequence's last query against its last key. Gradients flow to q, k, v.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& begins, const at::Tensor& key_begins, int64_t most_rows, int64_t most_keys);

// The same with keys and values in blocks [blocks, block_tokens, kv_heads, d]; table [S, n] i32, lengths [S] i32: keys of each
// sequence. No autograd.
at::Tensor attend_blocks(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values, const at::Tensor& begins, const at::Tensor& lengths, const at::Tensor& table, int64_t most_rows);

}  // namespace foil::nn::flash
