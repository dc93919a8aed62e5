// A run inside a stage: the recipe once more with some things changed, in a run folder of its own, resumed like any run.
#pragma once
#include <string>

#include "pipeline/run.h"

namespace foil::pipeline {

// Runs `recipe` up to its goals, announced as `label`, and takes the evaluation of its policy `from` as that of `policy` in the outer
// run. Facts: accuracy; the inner run's share of right samples, pairs, candidates and sampled tokens, where it made them.
void nested_run(StageRun& outer, const Recipe& recipe, const std::string& label, const std::string& from, const std::string& policy);

}  // namespace foil::pipeline
