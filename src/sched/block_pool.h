// Pool of fixed-size KV-cache block ids with reference counts.
//
// Holds ids only; tensors live in nn/kv_cache.h. A block is free when its count is 0. Free list, O(1); the lowest free ids are not
// preferred, so the order of ids is a function of the order of calls alone. Not thread-safe: one scheduler owns it.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace foil::sched {

using BlockId = int32_t;

class BlockPool {
 public:
  explicit BlockPool(int64_t blocks);
  std::optional<BlockId> alloc();         // count 1; nullopt when full
  void share(BlockId id);                 // count + 1; the block must be in use
  void release(BlockId id);               // count − 1; free at 0
  int64_t free_blocks() const { return int64_t(free_.size()); }
  int64_t blocks() const { return int64_t(counts_.size()); }
  int32_t count(BlockId id) const { return counts_.at(size_t(id)); }

 private:
  std::vector<int32_t> counts_;
  std::vector<BlockId> free_;
};

}  // namespace foil::sched
