#include "io/hardware.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace foil::io {
namespace fs = std::filesystem;

static std::string text_of(const char* path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

static std::string trimmed(const std::string& s) {
  const size_t begin = s.find_first_not_of(" \t\r\n"), end = s.find_last_not_of(" \t\r\n");
  return begin == std::string::npos ? "" : s.substr(begin, end - begin + 1);
}

std::string cpuinfo_value(const std::string& cpuinfo, const std::string& key) {
  std::istringstream in(cpuinfo);
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(':');
    if (colon != std::string::npos && trimmed(line.substr(0, colon)) == key) return trimmed(line.substr(colon + 1));
  }
  return "";
}

uint64_t meminfo_bytes(const std::string& meminfo, const std::string& key) {
  const std::string value = cpuinfo_value(meminfo, key);
  uint64_t kilobytes = 0;
  std::from_chars(value.data(), value.data() + value.size(), kilobytes);
  return kilobytes * 1024;
}

// "max" or a number of bytes; 0 when there is no limit.
static uint64_t cgroup_bytes(const char* path) {
  const std::string value = trimmed(text_of(path));
  uint64_t bytes = 0;
  std::from_chars(value.data(), value.data() + value.size(), bytes);
  return bytes;
}

Hardware read_hardware(const fs::path& folder) {
  Hardware out;
  const std::string cpuinfo = text_of("/proc/cpuinfo"), meminfo = text_of("/proc/meminfo");
  out.cpu = cpuinfo_value(cpuinfo, "model name");
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) out.cores = CPU_COUNT(&set);
  std::istringstream flags(cpuinfo_value(cpuinfo, "flags"));
  std::vector<std::string> all;
  for (std::string flag; flags >> flag;) all.push_back(flag);
  for (const char* wanted : {"avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"})
    if (std::find(all.begin(), all.end(), wanted) != all.end()) out.vector.emplace_back(wanted);
  out.memory_bytes = meminfo_bytes(meminfo, "MemTotal");
  out.memory_available_bytes = meminfo_bytes(meminfo, "MemAvailable");
  const uint64_t limit = cgroup_bytes("/sys/fs/cgroup/memory.max"), used = cgroup_bytes("/sys/fs/cgroup/memory.current");
  if (limit && limit < out.memory_bytes) {
    out.memory_bytes = limit;
    out.memory_available_bytes = std::min(out.memory_available_bytes, limit > used ? limit - used : 0);
  }
  std::error_code error;
  fs::path place = fs::absolute(folder, error);
  while (!fs::exists(place, error) && place.has_parent_path() && place != place.parent_path()) place = place.parent_path();
  const fs::space_info space = fs::space(place, error);
  if (!error) out.disk_free_bytes = space.available;
  return out;
}

}  // namespace foil::io
