// The headline table: policies × splits, with intervals, differences against the RL policy and negative flips.
//
// One table for the terminal (`foil run`, `foil eval`, `foil report`), for JSON and for the page. Pure functions of eval results.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/compare.h"
#include "eval/result.h"

namespace foil::report {

struct HeadlineRow {
  std::string policy;                       // "rl"
  std::string label;                        // "RL"
  std::vector<std::optional<eval::Figure>> splits;  // accuracy, in the order of Headline::splits; absent: not evaluated
  eval::Figure average;
  std::optional<eval::Comparison> against;  // against Headline::baseline; absent for the baseline itself and what came before it
  std::optional<eval::Comparison> before;   // against the policy it was trained from, where that is another one and was evaluated: RL after SFT, a round after the round before
};

struct Headline {
  std::vector<std::string> splits;
  std::string metric;                       // "accuracy, greedy" or "avg@8"
  std::string baseline;                     // policy the differences are against; "" when there is none
  std::vector<HeadlineRow> rows;
};

// Rows in the order of kPolicies, others after them. `baseline`: "" takes "rl" when it is there, else the first row.
Headline headline(const std::vector<eval::EvalResult>& results, const std::string& baseline = "",
                  const eval::BootstrapOptions& options = {});

// Fixed-width text, at most `width` columns: splits that do not fit are folded into further blocks below. Percent, with the half
// width of the interval; then differences in points, p, and negative flips, against the baseline and against the policy before. `colour`: ANSI bold and dim.
std::string headline_text(const Headline& table, int width = 120, bool colour = false);
nlohmann::json headline_json(const Headline& table);

std::string policy_label(const std::string& policy);  // "dpo_plausible" → "RL + plausible-negative DPO"
std::string split_label(const std::string& split);    // "longer_chains" → "longer chains"

}  // namespace foil::report
