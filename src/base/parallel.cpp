#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace foil {

int hardware_threads() { return std::max(1u, std::thread::hardware_concurrency()); }

void parallel_for(size_t n, const std::function<void(size_t)>& work, int threads, size_t chunk) {
  if (threads <= 0) threads = hardware_threads();
  chunk = std::max<size_t>(chunk, 1);
  threads = int(std::min<size_t>(threads, (n + chunk - 1) / chunk));
  if (threads <= 1) {
    for (size_t i = 0; i < n; ++i) work(i);
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr first;
  std::mutex mutex;
  auto run = [&] {
    for (size_t begin; (begin = next.fetch_add(chunk)) < n;) {
      try {
        for (size_t i = begin; i < std::min(begin + chunk, n); ++i) work(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        next = n;
      }
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back(run);
  run();
  for (auto& t : pool) t.join();
  if (first) std::rethrow_exception(first);
}

}  // namespace foil
