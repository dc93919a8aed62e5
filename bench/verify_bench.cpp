// Answer checks one by one on one thread: how long each takes, and its verdict.
//
// usage: verify_bench rows.jsonl [passes]   rows: {"gold": …, "text": …}; one JSON object on standard output:
// nanoseconds per check (median over the passes), verdicts, and the resident memory after the first and the last pass.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "verify/verify.h"

namespace {

long resident_kib() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::atol(line.c_str() + 6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: verify_bench rows.jsonl [passes]\n");
    return 2;
  }
  const int passes = argc > 2 ? std::max(1, std::atoi(argv[2])) : 21;
  std::vector<std::pair<std::string, std::string>> rows;
  std::ifstream in(argv[1]);
  for (std::string line; std::getline(in, line);) {
    const auto j = nlohmann::json::parse(line);
    rows.emplace_back(j["gold"], j["text"]);
  }
  if (rows.empty()) {
    std::fprintf(stderr, "%s: no rows\n", argv[1]);
    return 1;
  }
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<int64_t>> times(rows.size(), std::vector<int64_t>(static_cast<size_t>(passes)));
  std::vector<std::string> verdicts(rows.size()), rules(rows.size());
  long first_kib = 0;
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto begin = Clock::now();
      const auto verdict = foil::verify::check(rows[i].first, rows[i].second);
      times[i][static_cast<size_t>(pass)] = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
      if (pass == 0) {
        verdicts[i] = foil::verify::to_string(verdict.outcome);
        rules[i] = verdict.rule;
      }
    }
    if (pass == 0) first_kib = resident_kib();
  }
  std::vector<int64_t> typical;
  for (auto& t : times) {
    std::nth_element(t.begin(), t.begin() + passes / 2, t.end());
    typical.push_back(t[static_cast<size_t>(passes / 2)]);
  }
  const nlohmann::json out = {{"passes", passes}, {"nanoseconds", typical}, {"verdicts", verdicts}, {"rules", rules}, {"resident_kib_first_pass", first_kib}, {"resident_kib_last_pass", resident_kib()}};
  std::printf("%s\n", out.dump().c_str());
  return 0;
}
