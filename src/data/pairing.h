// From samples to preference pairs: which wrong answers may serve as negatives, and which right answer each stands against.
//
// Filters first (each drop is counted by reason), then pairs of the same problem with lengths matched as well as possible.
// Deterministic: no randomness but the order of the samples.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/record.h"
#include "data/verification.h"

namespace foil {

struct FilterOptions {
  double max_chosen_similarity = 0.98;   // edit similarity with a right answer of the problem; 1: off
  double max_negative_similarity = 0.95; // MinHash similarity between negatives of one problem; 1: off
  double min_judge = 0;                  // scores["judge"] below this is dropped
  std::optional<double> min_reward_model, max_reward_model;  // band of scores["reward_model"]
  std::optional<double> min_logprob;     // scores["policy_logprob"], per token: too far from the policy below this
  std::optional<double> min_margin, max_margin;  // band of the chosen's reward-model score less the negative's
  std::optional<double> max_shallow;     // scores["shallow"] (eval/separability.h): chance of being a negative, by its style
  bool drop_loops = true;                // a run of 8 words three times over
  template <class V>
  void visit(V& v) {
    v("max_chosen_similarity", max_chosen_similarity, "negatives that resemble a right answer more than this (edit similarity) are dropped");
    v("max_negative_similarity", max_negative_similarity, "negatives of a problem that resemble each other more than this (MinHash) are dropped");
    v("min_judge", min_judge, "negatives the judge scores below this are dropped");
    v("min_reward_model", min_reward_model, "negatives the reward model scores below this are dropped");
    v("max_reward_model", max_reward_model, "negatives the reward model scores above this are dropped");
    v("min_logprob", min_logprob, "negatives below this log-probability per token under the policy are dropped");
    v("min_margin", min_margin, "pairs whose reward-model scores differ by less (chosen less rejected) are not made");
    v("max_margin", max_margin, "pairs whose reward-model scores differ by more are not made: too easy");
    v("max_shallow", max_shallow, "separability ceiling: negatives that a shallow classifier of length, format and words recognises with more than this chance (it has not seen the problem; one half: it cannot tell) are dropped");
    v("drop_loops", drop_loops, "negatives that repeat a run of eight words three times are dropped");
  }
  void validate(const std::string& where) const;
};

struct PairOptions {
  int64_t pairs_per_problem = 1;
  int64_t negatives_per_pair = 1;        // K: beyond 1 they go to rejected_more
  double max_length_ratio = 0.3;         // |rejected/chosen − 1|; pairs outside are made only if the problem has none inside
  bool reference_solutions = false;      // problems never answered right: the reference solution is the chosen answer
  FilterOptions filter;
  template <class V>
  void visit(V& v) {
    v("pairs_per_problem", pairs_per_problem, "most pairs of one problem");
    v("negatives_per_pair", negatives_per_pair, "rejected answers per chosen one; beyond the first they stand in rejected_more");
    v("max_length_ratio", max_length_ratio, "rejected and chosen should differ in length by at most this share");
    v("reference_solutions", reference_solutions, "use the reference solution as chosen where no sample is right");
    v.group("filter", filter, "which wrong answers may serve");
  }
  void validate(const std::string& where) const;
};

struct PairingResult {
  std::vector<Pair> pairs;
  int64_t candidates = 0, kept = 0;           // negatives before and after the filters
  std::map<std::string, int64_t> dropped;     // reason → how many
  int64_t problems_without_chosen = 0, problems_without_negative = 0;
};

// `chosen` and `negatives` are verified samples (right ones of `negatives` and wrong ones of `chosen` are set aside). `format` (may be
// empty) tells whether a text keeps the recipe's form. prompt_of gives the rendered prompt of a problem.
// Negatives with a larger reward (else judge score, else reward-model score) come first. Throws Error where filter.max_shallow is set and a
// candidate that passed what comes before it has no such score.
PairingResult make_pairs(const ProblemIndex& problems, const std::vector<Sample>& chosen, const std::vector<Sample>& negatives, const PairOptions& options,
                         const std::function<std::string(const Problem&)>& prompt_of, const std::function<bool(const Sample&)>& format = {});

// Throws Error with the counts of why when there is no pair.
void require_pairs(const PairingResult& result, const std::string& source);

// Cuts both to the same number of pairs: as many pairs of each problem as both have first, then the rest, each in its own order.
void equalise(std::vector<Pair>& a, std::vector<Pair>& b);

}  // namespace foil
