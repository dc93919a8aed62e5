// Work on all cores for the core rooms (verification, tokenising, filters). Torch rooms use at::parallel_for.
#pragma once
#include <cstddef>
#include <functional>

namespace foil {

int hardware_threads();

// Calls work(i) for every i in [0, n), on up to `threads` threads (0: all cores), in chunks handed out dynamically.
// The first exception thrown by any call is rethrown here after all threads have stopped.
void parallel_for(size_t n, const std::function<void(size_t)>& work, int threads = 0, size_t chunk = 1);

}  // namespace foil
