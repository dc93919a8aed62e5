// Rounds in which the generator follows the policy. A further round is the recipe once more in a run folder of its own, rounds/N: the
// policy that the round before trained on plausible negatives stands in the place of the RL policy, and samples, reward model, generator,
// negatives and preference training are its own. The first round is the run itself.
//
//   rounds/N/              the round's run folder (report/run_files.h)
//   eval/round_N.json      its policy, evaluated by the run itself as the others, with the same random numbers
#pragma once
#include <string>
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

// The recipe of round `round` (2, 3, …), which starts from what `recipe` and the rounds before it left in their folders.
Recipe round_recipe(const Recipe& recipe, int64_t round);

// Folder, relative to the run's, of the policy that round `round` (1, 2, …) trained on plausible negatives.
std::string round_model(int64_t round);

// Stages of a further round, as far as a plan counts their cost.
const std::vector<std::string>& stages_of_round();

// One stage a further round; `evaluated` learns their names.
void round_stages(const Recipe& recipe, std::vector<Stage>& out, std::vector<std::string>& evaluated);

}  // namespace foil::pipeline
