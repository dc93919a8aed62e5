// Every hot path with its share of the machine's measured matrix-multiply rate: one JSON line a figure.
//
//   foil_bench [PATTERN …]        cases whose name starts with a pattern; default all. FOIL_MODELS_DIR, FOIL_DATA_DIR: bench/workload.h
//   foil_bench --list             their names
//   foil_bench --export FOLDER    the model and the workload for peers (bench/peers)
//
// Each case runs in a process of its own, so that its peak memory is its own.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "bench/cases.h"
#include "bench/machine.h"
#include "bench/workload.h"
#include "nn/cpu_allocator.h"

using namespace foil;
using namespace foil::bench;
using Line = nlohmann::ordered_json;

static std::vector<Case> all_cases() {
  std::vector<Case> out = rollout_cases();
  for (auto more : {train_cases(), core_cases()}) out.insert(out.end(), more.begin(), more.end());
  return out;
}

static void print(const Line& line) {
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

static double rounded(double x) { return std::strtod(fmt::format("{:.4g}", x).c_str(), nullptr); }

static void run_case(const std::string& name, double matmul, double peak) {
  for (const Case& c : all_cases()) {
    if (c.name != name) continue;
    for (const Figure& f : c.run()) {
      Line line = {{"bench", f.name}, {"value", rounded(f.value)}, {"unit", f.unit}};
      if (f.operations_per_s > 0) {
        line["share_of_matmul"] = rounded(f.operations_per_s / matmul);
        line["share_of_fma_peak"] = rounded(f.operations_per_s / peak);
      }
      line["peak_memory_mb"] = rounded(double(peak_memory_bytes()) / 1048576);
      line["threads"] = at::get_num_threads();
      for (const auto& [key, value] : f.more) line[key] = rounded(value);
      if (!f.note.empty()) line["note"] = f.note;
      print(line);
    }
  }
}

static int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "--export") {
    export_workload(arguments[1]);
    return 0;
  }
  if (arguments.size() == 1 && arguments[0] == "--list") {
    for (const Case& c : all_cases()) std::printf("%s\n", c.name.c_str());
    return 0;
  }
  if (arguments.size() == 4 && arguments[0] == "--case") {
    run_case(arguments[1], std::strtod(arguments[2].c_str(), nullptr), std::strtod(arguments[3].c_str(), nullptr));
    return 0;
  }
  const double peak = fma_peak(), matmul = matmul_rate();
  print({{"bench", "machine"}, {"processor", processor()}, {"threads", at::get_num_threads()}, {"fma_peak_gflops", rounded(peak * 1e-9)},
         {"matmul_gflops", rounded(matmul * 1e-9)}, {"packed_matmul_gflops", rounded(packed_matmul_rate() * 1e-9)}, {"memory_read_gb_per_s", rounded(memory_bandwidth() * 1e-9)}});
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  int failed = 0;
  for (const Case& c : all_cases()) {
    bool wanted = arguments.empty();
    for (const auto& pattern : arguments) wanted = wanted || c.name.starts_with(pattern);
    if (wanted) failed += std::system(fmt::format("'{}' --case '{}' {} {}", self, c.name, matmul, peak).c_str()) != 0;
  }
  return failed ? 1 : 0;
}

int main(int argc, char** argv) {
  nn::keep_cpu_buffers();
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "foil_bench: %s\n%s%s", e.what(), e.hint().c_str(), e.hint().empty() ? "" : "\n");
    return 1;
  }
}
