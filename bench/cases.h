// Every hot path as a case: what it did in how many seconds. One process a case (foil_bench.cpp), so that its peak memory is its own.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace foil::bench {

struct Figure {
  std::string name;                       // "decode/64"
  std::string unit;                       // of `value`: "tokens/s"
  double value = 0;
  double operations_per_s = 0;            // by 2N or 6N; 0: no share is given
  std::map<std::string, double> more;     // further numbers
  std::string note;
};

struct Case {
  std::string name;
  std::function<std::vector<Figure>()> run;
};

std::vector<Case> rollout_cases();
std::vector<Case> train_cases();
std::vector<Case> core_cases();

}  // namespace foil::bench
