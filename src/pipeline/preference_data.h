// Preference files as training takes them: pairs or single answers, steps cut out.
//
// A pair may carry beside the Hugging Face fields: "prefix" (what chosen and rejected share: both are then one step; per-step DPO; no end
// token behind them but where "chosen_ends" or "rejected_ends" says so),
// scores.label (chance that chosen is better; pipeline/stage_work.h measures it), scores.old_right (1: the reference policy solves the problem; else a chosen answer that came
// from the policy itself says so), view and bias (pipeline/views.h). A single answer is {"prompt", "completion", "label": true | false}, as in the field's KTO files.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "data/record.h"
#include "text/tokenizer.h"
#include "train/preference.h"

namespace foil::pipeline {

struct PreferenceDataOptions {
  bool split_steps = false;
  template <class V>
  void visit(V& v) {
    v("split_steps", split_steps, "cut each pair to the first step (sentence) where the answers part, with what they share as prompt: for step_dpo");
  }
};

// Pairs as token ids. Steps are cut out of the tokens of whole answers, as the policy writes them: encoded alone, a step would begin and end
// with others than there (" He" is one token, "He" behind a blank is another). Throws Error when split_steps leaves nothing.
std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs, const PreferenceDataOptions& options);

// A JSON Lines file of pairs, or of single answers. Throws Error when it mixes them.
train::PreferenceData read_preference_data(const text::Tokenizer& tokenizer, const std::filesystem::path& path, const PreferenceDataOptions& options);

// Throws Error where the number of negatives is to follow from how far labels can be trusted, and neither options nor pairs say how far.
void require_reliability(const train::PreferenceData& data, const train::PreferenceTrainOptions& options);

// The first step (sentence) of each answer that differs from the other's; what stands before it is the same in both. nullopt: they part
// in no step, or one answer only goes on where the other ends.
struct PartingSteps {
  Step chosen, rejected;
};
std::optional<PartingSteps> first_parting_step(const Pair& pair);

}  // namespace foil::pipeline
