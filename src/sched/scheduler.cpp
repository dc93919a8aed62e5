#include "sched/scheduler.h"

#include <algorithm>

#include "base/error.h"

namespace foil::sched {

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options), pool_(options.blocks) {
  FOIL_CHECK(options.block_tokens > 0 && options.max_sequences > 0);
}

// The sample's own copy of a partly filled prompt block, and what the longest answer needs.
int64_t Scheduler::private_blocks(const GroupRequest& r) const {
  return blocks_for(r.prompt_tokens + r.max_tokens) - r.prompt_tokens / options_.block_tokens;
}

int32_t Scheduler::add(const GroupRequest& request, const std::string& name) {
  const int64_t least = blocks_for(request.prompt_tokens) + private_blocks(request);
  if (least > pool_.blocks())
    throw Error(fmt::format("a prompt of {} tokens with {} completion tokens needs {} cache blocks of {} tokens; there are {}", request.prompt_tokens,
                            request.max_tokens, least, options_.block_tokens, pool_.blocks()),
                name, "raise kv_memory_mb, or lower max_tokens");
  groups_.push_back({request, {}, 0, request.samples});
  waiting_.push_back(int32_t(groups_.size()) - 1);
  return waiting_.back();
}

StepPlan Scheduler::plan() {
  StepPlan plan;
  int64_t tokens = 0;
  while (!waiting_.empty() && active_.empty()) {
    const int32_t index = waiting_.front();
    Group& group = groups_[size_t(index)];
    const int64_t prompt = blocks_for(group.request.prompt_tokens), first = private_blocks(group.request);
    const bool fits = pool_.free_blocks() - promised_ >= prompt + first &&
                      int64_t(running_.size() + plan.prefills.size()) < options_.max_sequences;
    if (!fits || (tokens > 0 && tokens + group.request.prompt_tokens > options_.prefill_tokens)) break;
    for (int64_t i = 0; i < prompt; ++i) group.prompt_blocks.push_back(*pool_.alloc());
    promised_ += first;
    tokens += group.request.prompt_tokens;
    waiting_.pop_front();
    plan.prefills.push_back({index, group.prompt_blocks});
  }
  for (const auto& p : plan.prefills) active_.push_back(p.group);
  return plan;
}

std::vector<int32_t> Scheduler::groups_with_waiting_samples() const { return active_; }

std::vector<CopyBlock> Scheduler::start(int32_t index, std::vector<int32_t>& started_samples) {
  Group& group = groups_[size_t(index)];
  const GroupRequest& r = group.request;
  const int64_t full = r.prompt_tokens / options_.block_tokens, own = private_blocks(r);
  const bool partial = r.prompt_tokens % options_.block_tokens != 0;
  std::vector<CopyBlock> copies;
  while (group.next_sample < r.samples && int64_t(running_.size()) < options_.max_sequences) {
    const bool first = group.next_sample == 0;
    const int64_t available = pool_.free_blocks() - promised_ + (first ? own : 0);
    if (available < own) break;
    if (first) promised_ -= own;
    Running run{index, int32_t(group.next_sample++), r.prompt_tokens, {}};
    for (int64_t i = 0; i < full; ++i) {
      pool_.share(group.prompt_blocks[size_t(i)]);
      run.blocks.push_back(group.prompt_blocks[size_t(i)]);
    }
    for (int64_t i = 0; i < own; ++i) run.blocks.push_back(*pool_.alloc());
    if (partial) copies.push_back({group.prompt_blocks.back(), run.blocks[size_t(full)]});
    started_samples.push_back(run.sample);
    running_.push_back(std::move(run));
  }
  if (group.next_sample == r.samples) {
    drop_prompt(index);
    active_.erase(std::find(active_.begin(), active_.end(), index));
  }
  return copies;
}

void Scheduler::drop_prompt(int32_t index) {
  for (const BlockId id : groups_[size_t(index)].prompt_blocks) pool_.release(id);
  groups_[size_t(index)].prompt_blocks.clear();
}

void Scheduler::finish(size_t index) {
  for (const BlockId id : running_.at(index).blocks) pool_.release(id);
  --groups_[size_t(running_[index].group)].live;
  std::swap(running_[index], running_.back());
  running_.pop_back();
}

}  // namespace foil::sched
