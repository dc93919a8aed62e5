// Problem sets by name or path.
#pragma once
#include <string>
#include <vector>

#include "data/record.h"

namespace foil::pipeline {

// A JSON Lines file, or a benchmark's name looked up in the data folder: FOIL_DATA_DIR, else ../shared/data beside the checkout.
// limit > 0: the first so many.
std::vector<Problem> load_problems(const std::string& name_or_path, int64_t limit = 0);
std::string problem_file(const std::string& name_or_path);  // the file it is read from; throws Error when there is none

}  // namespace foil::pipeline
