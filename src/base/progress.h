// Progress of long work, for whoever watches: the program installs a sink (bar on a terminal, plain lines elsewhere);
// without one nothing is shown. Library code only calls Progress. Also the Ctrl-C flag that long loops poll.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace foil {

struct ProgressState {
  std::string label;   // "rollout", "train sft"
  uint64_t done = 0, total = 0;  // total 0: unknown
  uint64_t resumed = 0;          // done before this process began: not part of the rate
  std::string unit;    // "samples", "steps", "tokens"
  std::string note;    // "loss 0.53 · reward 0.41"
  double elapsed_s = 0;
  bool finished = false;
};

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void show(const ProgressState& state) = 0;
};

// Not owned; null for silence. Set once by main before any work starts.
void set_progress_sink(ProgressSink* sink);

// One piece of long work. Not thread-safe except add(). Reports at most ten times a second.
class Progress {
 public:
  Progress(std::string label, uint64_t total, std::string unit);
  ~Progress();
  void add(uint64_t n = 1);
  void set(uint64_t done);      // the first call may name what was done before: the rate starts there
  void note(std::string text);

 private:
  void report(bool force);
  ProgressState state_;
  std::chrono::steady_clock::time_point start_, last_{};
  bool moved_ = false;
};

// Set by the program's signal handler; poll in long loops. Throws Interrupted.
void request_interrupt() noexcept;
void clear_interrupt() noexcept;
bool interrupt_requested() noexcept;
void throw_if_interrupted();

}  // namespace foil
