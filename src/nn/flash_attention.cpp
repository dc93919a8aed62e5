#include "nn/flash_attention.h"

#include <torch/version.h>

#include <algorithm>

#include "base/error.h"

#ifdef FOIL_CUDA
#include <cuda_runtime_api.h>
#endif

namespace foil::nn::flash {

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 13)
#define FOIL_FLASH_BLOCKS 1
#else
#define FOIL_FLASH_BLOCKS 0
#endif

bool applies([[maybe_unused]] at::Device device, [[maybe_unused]] at::ScalarType type, [[maybe_unused]] int64_t head_dim) {
#ifdef FOIL_CUDA
  if (!device.is_cuda() || (type != at::kHalf && type != at::kBFloat16) || head_dim % 8 != 0 || head_dim > 256) return false;
  int major = 0;
  return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, std::max<int>(0, device.index())) == cudaSuccess && major >= 8;
#else
  return false;
#endif
}

bool reads_blocks(at::Device device, at::ScalarType type, int64_t head_dim) { return FOIL_FLASH_BLOCKS && applies(device, type, head_dim); }

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& begins, const at::Tensor& key_begins, int64_t most_rows, int64_t most_keys) {
  return std::get<0>(at::_flash_attention_forward(q, k, v, begins, key_begins, most_rows, most_keys, 0.0, true, false));
}

at::Tensor attend_blocks([[maybe_unused]] const at::Tensor& q, [[maybe_unused]] const at::Tensor& keys, [[maybe_unused]] const at::Tensor& values, [[maybe_unused]] const at::Tensor& begins,
                         [[maybe_unused]] const at::Tensor& lengths, [[maybe_unused]] const at::Tensor& table, [[maybe_unused]] int64_t most_rows) {
#if FOIL_FLASH_BLOCKS
  const at::Tensor key_begins = at::constant_pad_nd(lengths.cumsum(0, at::kInt), {1, 0});
  return std::get<0>(at::_flash_attention_forward(q, keys, values, begins, key_begins, most_rows, table.size(1) * keys.size(1), 0.0, true, false, std::nullopt, std::nullopt, std::nullopt, lengths,
                                                  std::nullopt, table));
#else
  FOIL_CHECK(false, "this LibTorch's flash attention knows no block tables");
#endif
}

}  // namespace foil::nn::flash
