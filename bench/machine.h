// What this machine can do, measured: the bounds that every figure is set against.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace foil::bench {

double seconds();

// Best of at least `rounds` rounds and `budget_s` seconds, after one that warms up: other work on the machine only slows a round down.
double best_time(const std::function<void()>& work, double budget_s, int rounds = 3);

// Operations a second, multiply-adds counted as two, on all threads.
double fma_peak();               // accumulators in registers, nothing loaded
double matmul_rate();            // at::mm, 1024³, f32: MKL on x86
double packed_matmul_rate();     // nn/panels.h, 512 × 1536 × 576, weights packed beforehand
double memory_bandwidth();       // bytes a second, read

int64_t peak_memory_bytes();     // of this process so far
std::string processor();         // "AMD EPYC, 2 threads, AVX-512"

}  // namespace foil::bench
