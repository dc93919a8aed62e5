#include "report/headline.h"

#include <algorithm>

#include "report/html.h"
#include "report/run_files.h"

namespace foil::report {
namespace {

size_t rank(const std::string& policy) {
  size_t i = 0;
  for (const char* name : kPolicies) {
    if (policy == name) return i;
    ++i;
  }
  return i;
}

// The policy that `policy` was trained from, of those that are evaluated; "" where the name does not say.
std::string trained_from(const std::string& policy) {
  if (policy == "sft") return "start";
  if (policy == "rl") return "sft";
  if (policy.starts_with("dpo_") || policy.starts_with("bcpg_")) return "rl";
  for (int64_t round = 2; round < 100; ++round)
    if (policy == fmt::format("round_{}", round)) return round == 2 ? "dpo_plausible" : fmt::format("round_{}", round - 1);
  return "";
}

std::string metric_of(const std::vector<eval::EvalResult>& results) {
  bool greedy = true;
  int64_t n = INT64_MAX;
  for (const auto& r : results)
    for (const auto& s : r.splits) greedy = greedy && s.greedy, n = std::min(n, s.samples_per_problem);
  if (n == INT64_MAX) return "accuracy";
  return greedy ? "accuracy, greedy" : n == 1 ? "accuracy, one sample" : fmt::format("avg@{}", n);
}

std::string cell(const eval::Figure& f) {
  return fmt::format("{:.1f} ±{:.1f}", 100 * f.value, 50 * (f.interval.high - f.interval.low));
}

}  // namespace

std::string policy_label(const std::string& policy) {
  if (policy == "start") return "Start";
  if (policy == "sft") return "SFT";
  if (policy == "rl") return "RL";
  if (policy == "dpo_rejection") return "RL + rejection-sampled DPO";
  if (policy == "dpo_plausible") return "RL + plausible-negative DPO";
  if (policy.starts_with("round_")) return "RL + plausible-negative DPO, round " + policy.substr(6);
  return split_label(policy);
}

std::string split_label(const std::string& split) {
  std::string out = split;
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

Headline headline(const std::vector<eval::EvalResult>& results, const std::string& baseline, const eval::BootstrapOptions& options) {
  Headline t;
  t.metric = metric_of(results);
  std::vector<const eval::EvalResult*> ordered;
  for (const auto& r : results) ordered.push_back(&r);
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return rank(a->policy) < rank(b->policy); });
  for (const auto* r : ordered)
    for (const auto& s : r->splits)
      if (std::find(t.splits.begin(), t.splits.end(), s.split) == t.splits.end()) t.splits.push_back(s.split);

  const eval::EvalResult* base = nullptr;
  for (const auto* r : ordered)
    if (r->policy == (baseline.empty() ? kBaselinePolicy : baseline)) base = r;
  if (!base && baseline.empty() && !ordered.empty()) base = ordered.front();
  if (base) t.baseline = base->policy;

  bool after_base = false;
  for (const auto* r : ordered) {
    HeadlineRow row{r->policy, policy_label(r->policy), {}, r->average, {}};
    for (const auto& name : t.splits) {
      const auto* s = r->find(name);
      row.splits.push_back(s ? std::optional(s->accuracy) : std::nullopt);
    }
    if (base && after_base) row.against = eval::compare(*base, *r, options);
    for (const auto* earlier : ordered)
      if (earlier->policy == trained_from(r->policy) && !(row.against && earlier == base)) row.before = eval::compare(*earlier, *r, options);
    after_base = after_base || r == base;
    t.rows.push_back(std::move(row));
  }
  return t;
}

std::string headline_text(const Headline& t, int width, bool colour) {
  if (t.rows.empty()) return "no evaluation results\n";
  const std::string bold = colour ? "\033[1m" : "", dim = colour ? "\033[2m" : "", plain = colour ? "\033[0m" : "";
  size_t label = display_width(t.metric) + 3;
  for (const auto& r : t.rows) label = std::max(label, display_width(r.label));
  std::vector<std::string> names = {"average"};
  for (const auto& s : t.splits) names.push_back(split_label(s));
  size_t column = 11;
  for (const auto& n : names) column = std::max(column, display_width(n) + 1);
  const size_t fit = std::max<size_t>(1, (size_t(std::max(width, 40)) - label) / (column + 1));

  std::string out;
  for (size_t first = 0; first < names.size(); first += fit) {
    const size_t last = std::min(first + fit, names.size());
    out += (out.empty() ? "" : "\n") + bold + pad_right(t.metric + ", %", label);
    for (size_t c = first; c < last; ++c) out += " " + pad_left(names[c], column);
    out += plain + "\n";
    for (const auto& r : t.rows) {
      out += pad_right(r.label, label);
      for (size_t c = first; c < last; ++c) {
        const auto figure = c == 0 ? std::optional(r.average) : r.splits[c - 1];
        out += " " + pad_left(figure ? cell(*figure) : "–", column);
      }
      out += "\n";
    }
  }
  bool any = false;
  const auto block = [&](const std::string& title, std::optional<eval::Comparison> HeadlineRow::*which, bool name_old) {
    std::string lines;
    for (const auto& r : t.rows) {
      if (!(r.*which)) continue;
      const auto& c = *(r.*which);
      const auto& d = c.average;
      lines += pad_right(r.label, label) + " " + pad_left(points(d.difference), 7) + "  " + pad_right(points(d.interval.low) + " … " + points(d.interval.high), 17) + pad_left(p_value(d.p), 8) +
               pad_left(percent(c.negative_flips), 17) + (name_old ? "  after " + policy_label(c.old_policy) : "") + "\n";
    }
    if (lines.empty()) return;
    any = true;
    out += "\n" + bold + pad_right(title, label) + " " + pad_left("points", 7) + "  " + pad_right("95 % interval", 17) + pad_left("p", 8) + pad_left("negative flips", 17) + plain + "\n" + lines;
  };
  block("against " + policy_label(t.baseline), &HeadlineRow::against, false);
  block("against the policy before", &HeadlineRow::before, true);
  if (any) out += dim + "±: half the 95 % interval (bootstrap over problems). Negative flips: problems the earlier policy solves and this one does not.\n" + plain;
  return out;
}

nlohmann::json headline_json(const Headline& t) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& r : t.rows) {
    nlohmann::json splits = nlohmann::json::object();
    for (size_t i = 0; i < t.splits.size(); ++i)
      if (r.splits[i]) splits[t.splits[i]] = *r.splits[i];
    nlohmann::json row = {{"policy", r.policy}, {"label", r.label}, {"average", r.average}, {"splits", splits}};
    if (r.against) row["against_" + t.baseline] = *r.against;
    if (r.before) row["against_before"] = *r.before;
    rows.push_back(std::move(row));
  }
  return {{"metric", t.metric}, {"baseline", t.baseline}, {"rows", rows}};
}

}  // namespace foil::report
