// Keeps large CPU tensor buffers for reuse instead of giving them back to the system after every step.
//
// A training step allocates the same few hundred megabytes again and again; returned to the system, each comes back as zeroed pages,
// one fault for every 4 KiB (a fifth of the time of a small model). Buffers of 1 MiB and more are kept in classes of size (at most
// 1/8 larger than asked) on huge pages where the kernel grants them; smaller ones go to malloc. What is in use and kept together
// stays below 5/4 of the most that was ever in use at once. Thread-safe.
#pragma once
#include <cstddef>

namespace foil::nn {

// Installs it as ATen's CPU allocator for the rest of the process. Called once by the program, before any tensor exists; calls after
// the first do nothing.
void keep_cpu_buffers();

struct KeptBuffers {
  size_t in_use = 0, kept = 0, most_in_use = 0;  // bytes of large buffers
};
KeptBuffers kept_cpu_buffers();

}  // namespace foil::nn
