#include "bench/machine.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "io/hardware.h"
#include "nn/kernels.h"
#include "nn/panels.h"
#include "nn/tiles.h"

namespace foil::bench {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double best_time(const std::function<void()>& work, double budget_s, int rounds) {
  work();
  double best = 1e30;
  const double start = seconds();
  for (int i = 0; i < rounds || seconds() - start < budget_s; ++i) {
    const double a = seconds();
    work();
    best = std::min(best, seconds() - a);
  }
  return best;
}

namespace {

constexpr int kChains = 12;

// Independent chains of multiply-adds, as many as hide the latency; returns operations made. A macro: GCC takes neither the width
// of a vector type nor a register constraint from a template.
#define FOIL_CHAINS(name, width, constraint)                                                \
  double name(int64_t turns, float* sink) {                                                 \
    typedef float Vector __attribute__((vector_size(width * 4), aligned(4), may_alias));    \
    Vector acc[kChains], a = Vector{} + 0.999f, b = Vector{} + 1e-3f;                       \
    for (int i = 0; i < kChains; ++i) acc[i] = b;                                           \
    for (int64_t t = 0; t < turns; ++t) {                                                   \
      _Pragma("GCC unroll 16") for (int i = 0; i < kChains; ++i) acc[i] = acc[i] * a + b;   \
    }                                                                                       \
    for (int i = 1; i < kChains; ++i) acc[0] += acc[i];                                     \
    *sink = acc[0][0];                                                                      \
    return double(turns) * kChains * width * 2;                                             \
  }

#if defined(__x86_64__)
FOIL_CHAINS(plain_chains, 4, "x")
__attribute__((target("avx2,fma"))) FOIL_CHAINS(avx2_chains, 8, "x")
__attribute__((target("avx512f"))) FOIL_CHAINS(avx512_chains, 16, "v")
#else
FOIL_CHAINS(plain_chains, 4, "w")
#endif

}  // namespace

double fma_peak() {
  auto run = plain_chains;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) run = avx512_chains;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) run = avx2_chains;
#endif
  const int threads = at::get_num_threads();
  std::vector<double> operations(size_t(threads) * 16);
  std::vector<float> sinks(size_t(threads) * 32);
  const double time = best_time([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) operations[size_t(i) * 16] = run(1 << 20, &sinks[size_t(i) * 32]);
    });
  }, 0.5, 5);
  return operations[0] * threads / time;
}

double matmul_rate() {
  const at::Tensor a = at::randn({1024, 1024}), b = at::randn({1024, 1024});
  at::Tensor c = at::empty({1024, 1024});
  return 2.0 * 1024 * 1024 * 1024 / best_time([&] { at::mm_out(c, a, b); }, 1.0, 5);
}

double packed_matmul_rate() {
  const at::Tensor x = at::randn({512, 576}), w = at::randn({1536, 576});
  const nn::Panels panels = nn::Panels::of_transposed(w);
  return 2.0 * 512 * 576 * 1536 / best_time([&] { panels.linear(x); }, 0.5, 5);
}

double memory_bandwidth() {
  const at::Tensor x = at::ones({int64_t{64} << 20});  // 256 MB
  const int64_t threads = at::get_num_threads(), part = x.numel() / threads;
  std::vector<float> sums(size_t(threads) * 16);
  const float* p = x.const_data_ptr<float>();
  const double time = best_time([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) sums[size_t(i) * 16] = nn::kernels::dot(p + i * part, p + i * part, part);
    });
  }, 0.5, 5);
  return double(x.numel()) * 4 / time;
}

int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t(usage.ru_maxrss) * 1024;
}

std::string processor() {
  const io::Hardware machine = io::read_hardware();
  const auto named = [&](const char* flag, const char* name) { return std::find(machine.vector.begin(), machine.vector.end(), flag) != machine.vector.end() ? name : ""; };
  return fmt::format("{}, {} threads{}{}{}{}", machine.cpu.empty() ? "unknown processor" : machine.cpu, at::get_num_threads(), named("avx2", ", AVX2"), named("avx512f", ", AVX-512"), named("avx512_bf16", ", bf16"),
                     nn::tiles::available() ? ", AMX" : "");
}

}  // namespace foil::bench
