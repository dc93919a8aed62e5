#include "nn/cpu_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace foil::nn {

namespace {

constexpr size_t kLarge = size_t{1} << 20, kAlign = 64, kHugePage = size_t{2} << 20;

struct alignas(kAlign) Header {
  size_t bytes = 0;  // of the whole block; 0: from malloc
};
static_assert(sizeof(Header) == kAlign);

// The next size of the form (8 … 15)·2ⁿ.
size_t size_class(size_t bytes) {
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t n) override {
    void* data = n == 0 ? nullptr : take(n);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t n) const override { std::memcpy(to, from, n); }

  static KeepingAllocator& instance() {
    static auto* it = new KeepingAllocator;  // outlives every tensor
    return *it;
  }
  KeptBuffers facts() {
    std::lock_guard lock(mutex_);
    return facts_;
  }

 private:
  static void release(void* data) {
    if (data) instance().put(static_cast<Header*>(data) - 1);
  }

  void* take(size_t n) {
    if (n < kLarge) {
      void* block = nullptr;
      if (posix_memalign(&block, kAlign, n + sizeof(Header)) != 0) throw std::bad_alloc();
      return new (block) Header{0} + 1;
    }
    const size_t bytes = size_class(n + sizeof(Header));
    {
      std::lock_guard lock(mutex_);
      facts_.in_use += bytes;
      facts_.most_in_use = std::max(facts_.most_in_use, facts_.in_use);
      const auto it = kept_.find(bytes);
      if (it != kept_.end() && !it->second.empty()) {
        Header* block = it->second.back();
        it->second.pop_back();
        facts_.kept -= bytes;
        return block + 1;
      }
      trim();
    }
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
      std::lock_guard lock(mutex_);
      facts_.in_use -= bytes;
      throw std::bad_alloc();
    }
    if (bytes >= 2 * kHugePage) madvise(block, bytes, MADV_HUGEPAGE);
    return new (block) Header{bytes} + 1;
  }

  void put(Header* block) {
    if (block->bytes == 0) {
      std::free(block);
      return;
    }
    std::lock_guard lock(mutex_);
    facts_.in_use -= block->bytes;
    facts_.kept += block->bytes;
    kept_[block->bytes].push_back(block);
  }

  // Largest first: they are the ones a small change of the batch leaves unused.
  void trim() {
    for (auto it = kept_.rbegin(); it != kept_.rend() && facts_.in_use + facts_.kept > facts_.most_in_use / 4 * 5; ++it)
      while (!it->second.empty() && facts_.in_use + facts_.kept > facts_.most_in_use / 4 * 5) {
        munmap(it->second.back(), it->first);
        it->second.pop_back();
        facts_.kept -= it->first;
      }
  }

  std::mutex mutex_;
  KeptBuffers facts_;
  std::map<size_t, std::vector<Header*>> kept_;
};

}  // namespace

void keep_cpu_buffers() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&KeepingAllocator::instance(), /*priority=*/1); });
}

KeptBuffers kept_cpu_buffers() { return KeepingAllocator::instance().facts(); }

}  // namespace foil::nn
