// Can a shallow classifier tell chosen from rejected? Held-out AUC of logistic regressions on (a) length and format counts only
// and (b) word 1–3-grams, with the features that weigh most. A high (a) means the negatives teach style, not reasoning.
//
// Cross-validated by problem: both answers of a problem are always in the same fold. Deterministic for a seed. Not a deep probe:
// what a linear model over surface counts cannot see, this does not report.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"
#include "eval/estimators.h"

namespace foil::eval {

struct LabelledText {
  std::string text;
  std::string group;    // problem id: never split between training and test
  bool chosen = false;  // true: the class to find
};

struct Weight {
  std::string feature;
  double weight = 0;  // of the standardised feature; > 0 speaks for chosen
};

struct ClassifierAudit {
  Figure auc;                       // held out; 0.5 = cannot tell
  std::vector<Weight> for_chosen;   // features that weigh most, on all data
  std::vector<Weight> for_rejected;
  std::vector<double> held_out;     // log-odds of "chosen" for each text, by the classifier that did not see its problem; not in the JSON
};

struct Separability {
  int64_t chosen = 0, rejected = 0;  // texts
  ClassifierAudit format;            // (a)
  ClassifierAudit words;             // (b)
};

struct SeparabilityOptions {
  int folds = 5;
  int top = 10;                 // features listed a side
  double l2 = 1.0;              // ridge on standardised features
  int64_t most_texts = 20'000;  // more are thinned by problem
  BootstrapOptions bootstrap{.resamples = 500};
};

// Fewer than 2·folds groups: AUC NaN is never returned; both AUCs are 0.5 with interval [0, 1] and no features.
Separability separability(std::span<const LabelledText> texts, const SeparabilityOptions& options = {});

// How surely a shallow classifier that has not seen the problem tells the two answers of a pair apart: the larger of the probabilities
// that the format and the word classifier give to the right order, in 0…1. Near 1: a biased pair, its answers differ on the surface; one
// half: the surface says nothing. texts: chosen and rejected of pair i at 2i and 2i+1. Too few problems (see above): one half for all.
std::vector<double> pair_bias(std::span<const LabelledText> texts, const SeparabilityOptions& options = {});

// scores["shallow"] of each readable wrong answer among `candidates`: the chance in 0…1 that it is one, by its style alone, as if right and
// wrong ones were equally frequent; the larger of the format and the word classifier's. They learn from the right answers of `right` against
// these wrong ones, and have not seen the problem; near one half the style gives nothing away. Cut answers count on neither side.
// Throws Error with fewer than 2·folds problems, or without a right or a wrong answer: then nothing can be said.
void score_shallow(std::span<const Sample> right, std::span<Sample> candidates, const SeparabilityOptions& options = {});

// Counts over a text, in the order of format_feature_names(): what classifier (a) sees.
const std::vector<std::string>& format_feature_names();
std::vector<double> format_features(const std::string& text);

// Area under the ROC curve; ties count one half; 0.5 when a class is empty.
double auc(std::span<const double> scores, const std::vector<bool>& positive);

void to_json(nlohmann::json& j, const Separability& x);
void from_json(const nlohmann::json& j, Separability& x);

}  // namespace foil::eval
