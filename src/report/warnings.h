// What a reader of a run should be warned of: the known hazards of training on plausible negatives (docs/methods.md), looked for
// in the run's own figures. Pure function; thresholds are named constants in warnings.cpp and stated in each text.
#pragma once
#include <string>
#include <vector>

#include "report/page.h"

namespace foil::report {

struct Warning {
  enum class Level { kSerious, kNote };
  Level level = Level::kNote;
  std::string title;  // one line
  std::string text;   // the figures, what they mean, what to do
};

std::vector<Warning> warnings(const RunData& run);

// A metric of a stage over its steps, in the order of the log.
std::vector<std::pair<double, double>> metric_series(const RunData& run, const std::string& stage, const std::string& name);

}  // namespace foil::report
