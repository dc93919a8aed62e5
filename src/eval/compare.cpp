#include "eval/compare.h"

#include <unordered_map>

#include "base/error.h"

namespace foil::eval {
namespace {

std::vector<const ProblemOutcome*> matched(const SplitResult& a, const SplitResult& b, const std::string& old_policy, const std::string& new_policy) {
  std::unordered_map<std::string, const ProblemOutcome*> by_id;
  for (const auto& p : b.outcomes) by_id[p.id] = &p;
  std::vector<const ProblemOutcome*> out;
  for (const auto& p : a.outcomes) {
    const auto it = by_id.find(p.id);
    if (it != by_id.end()) out.push_back(it->second);
  }
  if (out.size() != a.outcomes.size() || out.size() != b.outcomes.size())
    throw Error(fmt::format("{} was evaluated on {} problems, {} on {}, {} of them the same", old_policy, a.outcomes.size(), new_policy,
                            b.outcomes.size(), out.size()),
                a.split, "evaluate both policies on the same file of problems");
  return out;
}

FlipRates flips(const SplitResult& a, const std::vector<const ProblemOutcome*>& b) {
  FlipRates f;
  const double n = double(std::max<size_t>(a.outcomes.size(), 1));
  for (size_t i = 0; i < a.outcomes.size(); ++i) {
    const auto &old_one = a.outcomes[i], &new_one = *b[i];
    const bool was = old_one.majority > 0.5, is = new_one.majority > 0.5;
    if (was && !is) f.negative += 1 / n, f.flipped.push_back(old_one.id);
    if (!was && is) f.positive += 1 / n;
    f.expected_negative += old_one.share() * (1 - new_one.share()) / n;
    f.noise += old_one.share() * (1 - old_one.share()) / n;
  }
  return f;
}

}  // namespace

Comparison compare(const EvalResult& old_result, const EvalResult& new_result, const BootstrapOptions& o) {
  Comparison c;
  c.old_policy = old_result.policy;
  c.new_policy = new_result.policy;
  std::vector<std::vector<double>> before, after;
  for (const auto& a : old_result.splits) {
    const SplitResult* b = new_result.find(a.split);
    if (!b || a.outcomes.empty()) continue;
    const auto other = matched(a, *b, c.old_policy, c.new_policy);
    auto& x = before.emplace_back();
    auto& y = after.emplace_back();
    for (size_t i = 0; i < other.size(); ++i) x.push_back(a.outcomes[i].share()), y.push_back(other[i]->share());
    c.splits.push_back({a.split, a.problems, paired_bootstrap(x, y, o), flips(a, other)});
  }
  c.average = paired_bootstrap(before, after, o);
  for (const auto& s : c.splits) c.negative_flips += s.flips.negative / double(c.splits.size());
  return c;
}

bool within_flip_limit(const Comparison& comparison, double limit) { return comparison.negative_flips <= limit; }

void to_json(nlohmann::json& j, const Comparison& x) {
  nlohmann::json splits = nlohmann::json::array();
  for (const auto& s : x.splits)
    splits.push_back({{"split", s.split}, {"problems", s.problems}, {"accuracy", s.accuracy},
                      {"negative_flips", s.flips.negative}, {"positive_flips", s.flips.positive},
                      {"expected_negative_flips", s.flips.expected_negative}, {"flip_noise", s.flips.noise}, {"flipped", s.flips.flipped}});
  j = {{"old", x.old_policy}, {"new", x.new_policy}, {"average", x.average}, {"negative_flips", x.negative_flips}, {"splits", splits}};
}

}  // namespace foil::eval
