// Where a gain comes from: what the negatives look like beside correct answers. The contents of audit.json.
//
// Scores of correct, plausible-negative and rejection-sampled answers under the reward model (the paper's signature: plausible
// negatives score like correct ones, rejection-sampled ones do not), separability, diversity, filter counts.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"
#include "eval/estimators.h"
#include "eval/separability.h"

namespace foil::eval {

// Several groups over one set of bins.
struct Histogram {
  double low = 0, width = 1;                 // bin i is [low + i·width, low + (i+1)·width); the last includes its upper end
  std::vector<std::vector<int64_t>> counts;  // [group][bin]
};
Histogram histogram(const std::vector<std::vector<double>>& groups, int bins = 30);  // non-finite values are left out

struct ScoreGroup {
  std::string name;        // "correct", "plausible", "rejection"
  int64_t count = 0;
  double mean = 0, deviation = 0;
  Interval interval;       // of the mean, 95 %, normal approximation
  std::vector<int64_t> bins;
};

struct ScoreDistribution {
  std::string score;       // "reward_model", "judge", "policy_logprob" (per token)
  double low = 0, width = 1;
  std::vector<ScoreGroup> groups;
  const ScoreGroup* find(const std::string& name) const;
};
ScoreDistribution distribution(const std::string& score, const std::vector<std::string>& names,
                               const std::vector<std::vector<double>>& groups, int bins = 30);

// Does a generator play one trick? Over the samples of all problems, readable answers only.
struct Diversity {
  int64_t problems = 0, samples = 0;
  double distinct_answer_share = 0;  // mean over problems: distinct answers / answers
  double distinct_4gram_share = 0;   // mean over problems: distinct word 4-grams / 4-grams over its samples
  double top_answer_share = 0;       // share of all samples that give the most frequent answer
  std::string top_answer;
  double top_offset_share = 0;       // share of numeric wrong answers with the most frequent answer − gold
  std::string top_offset;            // "+1"
};
Diversity diversity(std::span<const Problem> problems, std::span<const Sample> samples);

struct FilterCounts {
  int64_t candidates = 0, kept = 0;
  std::map<std::string, int64_t> dropped;  // reason → how many
};

struct AuditResult {
  std::vector<ScoreDistribution> scores;
  std::map<std::string, Separability> separability;  // pair file name ("rejection", "plausible") → audit
  std::map<std::string, Diversity> diversity;        // sample source
  std::map<std::string, FilterCounts> filters;       // pair file name
  const ScoreDistribution* find(const std::string& score) const;
};

void to_json(nlohmann::json& j, const AuditResult& x);
void from_json(const nlohmann::json& j, AuditResult& x);

}  // namespace foil::eval
