// Where negatives come from: one seam, one row a source. Every source gets the same problems and the same number of samples a problem,
// and gives verified samples; scoring, filtering and pairing are the same for all (pipeline/stage_work.h).
//
//   generator     the policy trained by reverse RL, sampled
//   rejection     the policy's own wrong answers as they come: nothing is generated
//   selected      the same, but filtered and ranked by the generator's reward as all other sources are
//   temperature   the policy sampled at a ladder of higher temperatures
//   weaker        a weaker model: the SFT model, or one that is named
//   perturbation  one error planted by rule in a right answer and carried through (data/perturb.h): no model
//   corruption    a model (or an endpoint) is shown a right answer and told to spoil it; needs one that follows instructions
#pragma once
#include <string>
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

struct MadeNegatives {
  std::vector<Sample> samples;  // verified; right ones are still among them
  int64_t tokens = 0;           // generated for them, the training of a generator not counted
};

struct NegativeSourceInfo {
  NegativeSource source;
  const char* name;
  const char* summary;              // one line, for the plan
  std::vector<std::string> needs;   // stages besides policy_samples and reward_model
  MadeNegatives (*make)(StageRun& run, const std::vector<Sample>& own);
};

const std::vector<NegativeSourceInfo>& negative_sources();
const NegativeSourceInfo& info(NegativeSource source);

// Negatives of `source` for the problems of recipe.negatives.sampling. `own`: the policy's samples, right ones among them.
MadeNegatives make_negatives(StageRun& run, NegativeSource source, const std::vector<Sample>& own);

// Files and model folders outside the run that it reads.
std::vector<std::filesystem::path> source_inputs(const Recipe& recipe, NegativeSource source);

// Why the recipe's models cannot serve this source, "" when they can. Reads no weights.
std::string source_obstacle(const Recipe& recipe, NegativeSource source);

}  // namespace foil::pipeline
