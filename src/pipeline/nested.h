// A run inside a stage: the recipe once more with some things changed, in a run folder of its own, resumed like any run.
#pragma once
#include <filesystem>
#include <string>

#include "pipeline/run.h"

namespace foil::pipeline {

// Runs `recipe` up to its goals, announced as `label`. Returns its run folder. Facts: the inner run's share of right samples, pairs,
// candidates and sampled tokens, where it made them.
std::filesystem::path nested_run(StageRun& outer, const Recipe& recipe, const std::string& label);

}  // namespace foil::pipeline
