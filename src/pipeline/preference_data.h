// Preference files as training takes them: pairs or single answers, steps cut out.
//
// A pair may carry beside the Hugging Face fields: "prefix" (what chosen and rejected share: both are then one step; per-step DPO),
// scores.label (chance that chosen is better), scores.old_right (1: the reference policy solves the problem; else a chosen answer that came
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

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs, const PreferenceDataOptions& options);

// A JSON Lines file of pairs, or of single answers. Throws Error when it mixes them.
train::PreferenceData read_preference_data(const text::Tokenizer& tokenizer, const std::filesystem::path& path, const PreferenceDataOptions& options);

// The pair as one step each behind a shared prefix (Pair::extra "prefix"), where the answers part; nullopt: they part in no step.
std::optional<Pair> first_parting_step(const Pair& pair);

}  // namespace foil::pipeline
