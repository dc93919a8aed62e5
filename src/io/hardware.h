// What machine this is, for `foil info` and the run log. Linux; a fact that cannot be read is empty or 0.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace foil::io {

struct Hardware {
  std::string cpu;                  // model name
  int cores = 0;                    // this process may run on
  std::vector<std::string> vector;  // of avx2, fma, f16c, avx512f, avx512_bf16, avx512_fp16, amx_bf16, amx_int8: those present
  uint64_t memory_bytes = 0;        // of the machine, or of the cgroup where that is less
  uint64_t memory_available_bytes = 0;
  uint64_t disk_free_bytes = 0;     // for this user, where `folder` or its nearest existing parent lies
};

Hardware read_hardware(const std::filesystem::path& folder = ".");

// Parts, on given text, for tests. "flags : fpu avx2 …" of /proc/cpuinfo; "MemAvailable:  123 kB" of /proc/meminfo.
std::string cpuinfo_value(const std::string& cpuinfo, const std::string& key);
uint64_t meminfo_bytes(const std::string& meminfo, const std::string& key);

}  // namespace foil::io
