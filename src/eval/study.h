// Comparing ways of training over several seeds: one row a way, the same problems in every row and seed. Pure and seeded.
//
// Two things vary between runs: which problems the splits happen to hold and what a seed does to sampling and training. Both are
// resampled: seeds first, then the problems within each split (the same problems for all seeds drawn). With few seeds such an
// interval is somewhat too narrow (the spread of n drawn seeds is (n − 1)/n of the true one); with one seed it speaks of problems only.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/estimators.h"
#include "eval/result.h"

namespace foil::eval {

// [seed][split][problem]; every seed has the same splits and problems.
using SeededValues = std::vector<std::vector<std::vector<double>>>;

// Mean over seeds, splits and problems of b − a (a empty: of b), with its interval and two-sided p.
PairedDifference seeded_bootstrap(const SeededValues& a, const SeededValues& b, const BootstrapOptions& options = {});

// One way of training, evaluated once a seed. figures: what was measured beside the evaluation (pairs, tokens, separability …).
struct StudyArm {
  std::string name, label;
  std::map<int64_t, EvalResult> evals;                       // seed → result
  std::map<int64_t, std::map<std::string, double>> figures;  // seed → name → value
};

struct StudyRow {
  std::string name, label;
  std::vector<int64_t> seeds;
  std::map<std::string, Figure> splits;               // accuracy
  Figure average;
  double seed_deviation = 0;                          // of the average, between seeds
  std::map<std::string, PairedDifference> against;    // row name → this row less that one, over the seeds both have
  std::map<std::string, std::map<std::string, PairedDifference>> split_against;  // the same in each split: row name → split
  std::optional<double> negative_flips;               // against the first baseline, mean over seeds
  std::map<int64_t, double> pass_at;                  // k → mean over seeds and splits
  std::map<std::string, double> figures;              // mean over seeds
};

struct StudyTable {
  std::string kind;                                   // "negatives", "objectives", "variants"
  std::string title, command;
  int64_t seeds_planned = 0;
  std::vector<std::string> splits, baselines;         // baselines: names of the rows others are compared with
  std::vector<StudyRow> rows;
  std::vector<std::string> notes;                     // what was left out, and why
};

// Rows in the order of `arms`; arms without any result are left out. Throws Error when two results hold different problems.
std::vector<StudyRow> study_rows(const std::vector<StudyArm>& arms, const std::vector<std::string>& baselines, const BootstrapOptions& options = {});

std::string study_markdown(const StudyTable& table);
void to_json(nlohmann::json& j, const StudyTable& x);
void from_json(const nlohmann::json& j, StudyTable& x);

}  // namespace foil::eval
