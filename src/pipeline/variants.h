// Variants of a recipe, compared by a study: from the RL policy on, each is the recipe with some options changed, as a run of its own in
// the seed's folder (variants/NAME). What the changed options do not touch — the policy's samples, the reward model, the generator, its
// samples — is the seed's own, made once.
#pragma once
#include <string>
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

// The method's parts switched off one by one, and what may be added to it. The first is the recipe as it is.
std::vector<Variant> usual_variants(const Recipe& recipe);

// Throws UsageError, naming the variant, for an option that is not there or that a variant may not change (what comes before the RL
// policy, problems, evaluation).
void check_variant(const Recipe& recipe, const Variant& variant);

// A variant's recipe, and what has to be made anew for it; the rest is taken over.
struct VariantWork {
  Recipe recipe;
  bool samples = false, reward_model = false, generator = false, negatives = false;
  bool from_generator = true;  // its negatives come from a generator trained here
};
VariantWork work_of(const Recipe& recipe, const Variant& variant);

// Stages "variant_NAME"; evaluations eval/variant_NAME.json.
void variant_stages(const Recipe& recipe, std::vector<Stage>& out, std::vector<std::string>& evaluated);

}  // namespace foil::pipeline
