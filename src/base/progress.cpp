#include "base/progress.h"

#include <atomic>
#include <mutex>

#include "base/error.h"

namespace foil {

static ProgressSink* g_sink = nullptr;
static std::mutex g_mutex;
static std::atomic<bool> g_interrupt{false};

void set_progress_sink(ProgressSink* sink) { g_sink = sink; }

Progress::Progress(std::string label, uint64_t total, std::string unit) : start_(std::chrono::steady_clock::now()) {
  state_.label = std::move(label), state_.total = total, state_.unit = std::move(unit);
  report(true);
}

Progress::~Progress() {
  state_.finished = true;
  report(true);
}

void Progress::add(uint64_t n) {
  std::lock_guard lock(g_mutex);
  moved_ = true;
  state_.done += n;
  report(false);
}

void Progress::set(uint64_t done) {
  if (!moved_ && done > 1) state_.resumed = done;
  moved_ = true;
  state_.done = done;
  report(false);
}

void Progress::note(std::string text) { state_.note = std::move(text); }

void Progress::report(bool force) {
  if (!g_sink) return;
  const auto now = std::chrono::steady_clock::now();
  if (!force && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  state_.elapsed_s = std::chrono::duration<double>(now - start_).count();
  g_sink->show(state_);
}

void request_interrupt() noexcept { g_interrupt = true; }
void clear_interrupt() noexcept { g_interrupt = false; }
bool interrupt_requested() noexcept { return g_interrupt; }

void throw_if_interrupted() {
  if (g_interrupt) throw Interrupted("interrupted", "", "run the same command again to go on from the last checkpoint");
}

}  // namespace foil
