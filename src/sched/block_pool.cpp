#include "sched/block_pool.h"

#include "base/error.h"

namespace foil::sched {

BlockPool::BlockPool(int64_t blocks) : counts_(size_t(blocks), 0) {
  for (int64_t i = blocks; i-- > 0;) free_.push_back(BlockId(i));
}

std::optional<BlockId> BlockPool::alloc() {
  if (free_.empty()) return std::nullopt;
  const BlockId id = free_.back();
  free_.pop_back();
  counts_[size_t(id)] = 1;
  return id;
}

void BlockPool::share(BlockId id) {
  FOIL_CHECK(counts_.at(size_t(id)) > 0, "block {} is free", id);
  ++counts_[size_t(id)];
}

void BlockPool::release(BlockId id) {
  FOIL_CHECK(counts_.at(size_t(id)) > 0, "block {} is free already", id);
  if (--counts_[size_t(id)] == 0) free_.push_back(id);
}

}  // namespace foil::sched
