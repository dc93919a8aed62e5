// How much a preference can be trusted, by an ensemble of reward models, and what follows from it (Secrets of RLHF II, Wang et al. 2024,
// arXiv 2401.06080 §2; thresholds unverified against the paper's own bands).
//
// M models are trained, each on its own random share of the pairs in its own order; the strength of a pair is the mean of
// s(chosen) − s(rejected) over the models that did not see it (all of them where every one did). Pairs with a negative strength
// are likely the wrong way round; those near 0 are ambiguous.
#pragma once
#include <string>
#include <vector>

#include "train/reward_model.h"

namespace foil::train {

struct StrengthOptions {
  int models = 0;                // M; 0: off
  double share = 0.5;            // of the pairs, seen by each model
  bool flip = true;
  double ambiguous_share = 0;    // of the pairs, those of the smallest |strength|
  bool drop_ambiguous = true;
  bool soft_labels = false;
  bool adaptive_margin = false;
  double margin_scale = 1;
  template <class V> void visit(V& v) {
    v("models", models, "reward models whose mean score difference is a pair's strength (the paper has 10); 0 = off");
    v("share", share, "share of the pairs each of them sees; the others are measured");
    v("flip", flip, "pairs of negative strength: chosen and rejected change places");
    v("ambiguous_share", ambiguous_share, "share of the pairs, those of the smallest strength, that count as ambiguous");
    v("drop_ambiguous", drop_ambiguous, "ambiguous pairs are removed; false: they stay with soft labels");
    v("soft_labels", soft_labels, "every pair's label is the logistic of its strength, not only the ambiguous ones'");
    v("adaptive_margin", adaptive_margin, "the strength becomes the margin of the loss");
    v("margin_scale", margin_scale, "margin per unit of strength");
  }
  void validate(const std::string& where) const;
};

// Strength of each pair, in order. Every model starts from copies of `model`; checkpoints go to context.folder/model-I. The loop's
// options are those of the reward model itself.
std::vector<double> preference_strength(const nn::RewardModel& model, const std::vector<PreferenceExample>& pairs, const StrengthOptions& options, const RewardModelOptions& training,
                                        const StageContext& context);

struct StrengthFigures {
  int64_t flipped = 0, dropped = 0, softened = 0;
};
// What the options say, done to the pairs. Only pairs with one rejected answer can be flipped. Checked: hand-worked.
std::vector<PreferenceExample> apply_strength(std::vector<PreferenceExample> pairs, const std::vector<double>& strength, const StrengthOptions& options, StrengthFigures& figures);

}  // namespace foil::train
