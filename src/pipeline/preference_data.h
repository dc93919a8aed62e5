// Preference files as training takes them: pairs or single answers, steps cut out, views without surface cues, and how biased a pair is.
//
// A pair may carry beside the Hugging Face fields: "prefix" (what chosen and rejected share: both are then one step; per-step DPO),
// scores.label (chance that chosen is better), scores.old_right (1: the reference policy solves the problem; else a chosen answer that came
// from the policy itself says so). A single answer is {"prompt", "completion", "label": true | false}, as in the field's KTO files.
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
  bool views = false;
  template <class V>
  void visit(V& v) {
    v("split_steps", split_steps, "cut each pair to the first step (sentence) where the answers part, with what they share as prompt: for step_dpo");
    v("views", views, "give each chosen answer a view without surface cues, and each pair its bias: for the contrastive term");
  }
};

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& pairs, const PreferenceDataOptions& options, uint64_t seed);

// A JSON Lines file of pairs, or of single answers. Throws Error when it mixes them.
train::PreferenceData read_preference_data(const text::Tokenizer& tokenizer, const std::filesystem::path& path, const PreferenceDataOptions& options, uint64_t seed);

// The pair as one step each behind a shared prefix (Pair::extra "prefix"), where the answers part; nullopt: they part in no step.
std::optional<Pair> first_parting_step(const Pair& pair);

// The text with every number renamed (the same number the same way, of as many digits) and surface marks gone (data/views.h, which has
// better views where the problem is known): what a shallow classifier goes by is no longer the same, what the words say still is.
// Deterministic for a seed.
std::string without_surface_cues(const std::string& text, uint64_t seed);

}  // namespace foil::pipeline
