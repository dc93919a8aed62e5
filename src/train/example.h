// Token ids the loops train on. Made from records by train/tokenise.h; nothing here knows about text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace foil::train {

using Tokens = std::vector<int32_t>;

// A prompt and what should follow it (end token included): supervised fine-tuning.
struct Example {
  std::string id;
  Tokens prompt, completion;
  double weight = 1;
};

// One preference with one or several rejected answers: preference losses and reward models.
struct PreferenceExample {
  std::string id;
  Tokens prompt, chosen;
  std::vector<Tokens> rejected;
  double margin = 0, weight = 1;
  std::optional<double> label;  // chance that chosen is truly better, in place of 1 − label_smoothing
  bool step = false;            // chosen and rejected are one step each, and the prompt ends with what both share: per-step DPO
  bool old_right = true;        // the reference policy solves this problem: focal distillation
  Tokens view = {};             // a right answer with the same reasoning and without chosen's surface cues: contrastive term; empty: none
  Tokens view_prompt = {};      // the problem that view answers; empty: the pair's own
  std::optional<double> plausibility;  // how right the rejected answer looks, the larger the more: curriculum
  double bias = 0;              // how surely a shallow classifier tells this pair apart, 0 … 1: weight in the contrastive term
};

// One answer judged alone: unpaired preference losses.
struct UnpairedExample {
  std::string id;
  Tokens prompt, completion;
  bool desirable = true;
  double weight = 1;
};

}  // namespace foil::train
