// Continuous batching over a block pool: which prompts are prefilled and which sequences decode in the next engine step.
//
// A group is one prompt with several samples. Its prompt is prefilled once; full prompt blocks are shared by the samples, the last,
// partly filled one is copied for each. Blocks for the longest possible answer are reserved when a group is admitted, so a running
// sequence never has to be thrown out; a group is admitted in parts when not all its samples fit (the prompt's blocks stay).
// Ids and counts only: no tensors, no tokens. Deterministic. Not thread-safe.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "sched/block_pool.h"

namespace foil::sched {

struct SchedulerOptions {
  int64_t blocks = 0;              // in the pool
  int64_t block_tokens = 32;
  int64_t max_sequences = 256;     // decoding at once
  int64_t prefill_tokens = 4096;   // prompt tokens of one step (at least one prompt)
};

struct GroupRequest {
  int64_t prompt_tokens = 0;
  int64_t samples = 1;
  int64_t max_tokens = 1;          // completion tokens of each sample
};

struct CopyBlock {
  BlockId from, to;
};

// A sequence slot that is decoding: the caller keeps tokens by (group, sample).
struct Running {
  int32_t group, sample;
  int64_t context = 0;             // tokens in the cache
  std::vector<BlockId> blocks;     // covers context + 1 tokens at every step
};

struct StepPlan {
  struct Prefill {
    int32_t group;
    std::vector<BlockId> blocks;   // of the whole prompt
  };
  std::vector<Prefill> prefills;   // run these prompts, then call started() for each
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerOptions& options);

  // Returns the group's number. Throws Error when even one sample of it can never fit the pool.
  int32_t add(const GroupRequest& request, const std::string& name);

  // Prompts to prefill now: waiting groups in order, as far as blocks, sequence slots and the step's token budget allow.
  StepPlan plan();
  // After the prompt of `group` is in the cache: its samples begin to run, as many as fit (the rest follow as others finish).
  // Returns the block copies to make before the next step, and appends to running(). started_samples: the samples that began.
  std::vector<CopyBlock> start(int32_t group, std::vector<int32_t>& started_samples);
  // Groups whose prompt is in the cache and that have samples waiting for a slot.
  std::vector<int32_t> groups_with_waiting_samples() const;

  std::vector<Running>& running() { return running_; }
  // Removes running()[index] (the last takes its place) and frees its blocks; frees the group's prompt with its last sample.
  void finish(size_t index);
  bool idle() const { return running_.empty() && waiting_.empty() && active_.empty(); }
  const BlockPool& pool() const { return pool_; }

 private:
  struct Group {
    GroupRequest request;
    std::vector<BlockId> prompt_blocks;
    int64_t next_sample = 0, live = 0;
  };
  int64_t blocks_for(int64_t tokens) const { return (tokens + options_.block_tokens - 1) / options_.block_tokens; }
  int64_t private_blocks(const GroupRequest& r) const;  // of one sample, beyond the shared full prompt blocks
  void drop_prompt(int32_t group);

  SchedulerOptions options_;
  BlockPool pool_;
  std::vector<Group> groups_;
  std::deque<int32_t> waiting_;    // prompt not yet in the cache
  std::vector<int32_t> active_;    // prompt in the cache, samples still to start
  int64_t promised_ = 0;           // blocks set aside for prefilled groups' first sample
  std::vector<Running> running_;
};

}  // namespace foil::sched
