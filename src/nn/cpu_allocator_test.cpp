#include "nn/cpu_allocator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace foil::nn {

TEST(CpuAllocator, LargeBuffersComeBackAndTheTotalIsBounded) {
  keep_cpu_buffers();
  const size_t before = kept_cpu_buffers().in_use;
  const void* first = nullptr;
  {
    const at::Tensor t = at::ones({3 << 20});
    first = t.const_data_ptr();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
    EXPECT_GE(kept_cpu_buffers().in_use, before + (12u << 20));
  }
  EXPECT_EQ(kept_cpu_buffers().in_use, before);
  EXPECT_EQ(at::empty({(3 << 20) + 5000}).const_data_ptr(), first);  // the same class of size
  for (int i = 1; i < 40; ++i) {
    const at::Tensor t = at::zeros({i << 18});
    EXPECT_EQ(t.sum().item<float>(), 0);
    EXPECT_LE(kept_cpu_buffers().in_use + kept_cpu_buffers().kept, kept_cpu_buffers().most_in_use / 4 * 5);
  }
  const size_t large = kept_cpu_buffers().in_use;
  const at::Tensor small = at::empty({1000});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(small.const_data_ptr()) % 64, 0u);
  EXPECT_EQ(kept_cpu_buffers().in_use, large);
  EXPECT_EQ(at::empty({0}).numel(), 0);
}

}  // namespace foil::nn
