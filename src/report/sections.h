// The parts of the page. Each is a pure function of the run; "" when there is nothing to show.
#pragma once
#include <string>

#include "report/chart.h"
#include "report/headline.h"
#include "report/page.h"

namespace foil::report {

std::string verdict_section(const RunData& run, const Headline& table);     // the result in sentences and the headline table
std::string warning_section(const RunData& run);
std::string method_section(const RunData& run);     // what was done, step by step
std::string example_section(const RunData& run);    // problem, right answer, plausible and rejection-sampled wrong answer side by side
std::string audit_section(const RunData& run);      // scores, separability, diversity, filters
std::string evaluation_section(const RunData& run, const Headline& table);  // pass@k, flips, spread, per split
std::string study_section(const RunData& run);      // sources and objectives compared over seeds
std::string training_section(const RunData& run);   // curves
std::string cost_section(const RunData& run);
std::string setup_section(const RunData& run);      // configuration, files, what is missing

Colour policy_colour(const std::string& policy);
std::string stage_label(const std::string& stage);
const char* style_sheet();

}  // namespace foil::report
