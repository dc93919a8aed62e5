// Threads that go through the phases of one computation together: one OpenMP region for all of them, a barrier between phases.
//
// Waking a region's threads costs tens of microseconds; a decoded token of a small model has hundreds of phases not much longer than
// that. At a barrier a thread spins for a while, then sleeps, so that a busy machine loses little.
#pragma once
#include <ATen/Parallel.h>
#include <omp.h>

#include <atomic>
#include <cstdint>

namespace foil::nn {

class Team {
 public:
  // Calls body(team) on every thread at once, up to ATen's number of threads. It must reach the same phases in the same order on each
  // of them, and must not throw. alone: on this thread only, for work too small to share.
  template <class F>
  static void run(const F& body, bool alone = false) {
    const int threads = alone || at::in_parallel_region() || omp_in_parallel() ? 1 : at::get_num_threads();
    Team team;
    if (threads == 1) {
      body(team);
      return;
    }
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
      team.members_ = omp_get_num_threads();  // the system may have given fewer; the end of `single` is a barrier
      body(team);
    }
  }

  // One phase: work(i) for every i < jobs, each on whichever thread is free; returns on all threads when all are done.
  template <class F>
  void share(int64_t jobs, const F& work) {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < jobs;) work(i);
    wait();
  }

 private:
  void wait() {
    const uint32_t phase = phase_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
      arrived_.store(0, std::memory_order_relaxed);
      next_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      phase_.notify_all();
      return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
      if (phase_.load(std::memory_order_acquire) != phase) return;
      pause();
    }
    phase_.wait(phase, std::memory_order_acquire);
  }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  static constexpr int kSpins = 4000;  // of 10 to 40 ns
  int members_ = 1;
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
};

}  // namespace foil::nn
