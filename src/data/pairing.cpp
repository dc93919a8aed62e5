#include "data/pairing.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "data/similarity.h"

namespace foil {

void FilterOptions::validate(const std::string& where) const {
  if (min_reward_model && max_reward_model && *min_reward_model > *max_reward_model)
    throw UsageError(fmt::format("min_reward_model {} is above max_reward_model {}", *min_reward_model, *max_reward_model), where);
  if (min_margin && max_margin && *min_margin > *max_margin) throw UsageError(fmt::format("min_margin {} is above max_margin {}", *min_margin, *max_margin), where);
  if (max_shallow && !(*max_shallow > 0.5 && *max_shallow < 1)) throw UsageError(fmt::format("max_shallow is {}, expected a chance above 0.5 and below 1", *max_shallow), where, "at one half the style gives nothing away");
  for (const double x : {max_chosen_similarity, max_negative_similarity})
    if (x < 0 || x > 1) throw UsageError(fmt::format("a similarity of {} is outside 0…1", x), where);
}

void PairOptions::validate(const std::string& where) const {
  if (pairs_per_problem < 1 || negatives_per_pair < 1) throw UsageError("pairs_per_problem and negatives_per_pair must be at least 1", where);
  if (max_length_ratio < 0) throw UsageError(fmt::format("max_length_ratio {} is negative", max_length_ratio), where);
}

namespace {

double score_or(const Sample& s, const char* name, double otherwise) {
  const auto it = s.scores.find(name);
  return it == s.scores.end() ? otherwise : it->second;
}

double plausibility(const Sample& s) { return s.reward ? *s.reward : score_or(s, "judge", score_or(s, "reward_model", 0)); }

// Why a sample cannot be a negative by itself; "" if it can.
std::string defect(const Sample& s, const FilterOptions& f, const std::function<bool(const Sample&)>& format) {
  if (s.correct.value_or(false)) return "right answer";
  if (!s.correct) return "no readable answer";
  if (s.finish_reason != Finish::kStop) return "not finished";
  if (format && !format(s)) return "format";
  if (score_or(s, "judge", INFINITY) < f.min_judge) return "judge score";
  if (f.min_reward_model && score_or(s, "reward_model", INFINITY) < *f.min_reward_model) return "reward-model score";
  if (f.max_reward_model && score_or(s, "reward_model", -INFINITY) > *f.max_reward_model) return "reward-model score";
  if (f.min_logprob && score_or(s, "policy_logprob", INFINITY) < *f.min_logprob) return "far from the policy";
  if (f.max_shallow) {
    const auto style = s.scores.find("shallow");
    if (style == s.scores.end()) throw Error(fmt::format("sample {} of problem {} has no score \"shallow\"", s.sample_id, s.problem_id), "filter.max_shallow", "score the candidates first, or leave max_shallow out");
    if (style->second > *f.max_shallow) return "known by its style";
  }
  if (f.drop_loops && has_loop(s.text)) return "loop";
  return "";
}

std::string reference(const Sample& s) { return fmt::format("{}#{}", s.source, s.sample_id); }

double length_gap(const std::string& chosen, const std::string& rejected) { return std::abs(double(rejected.size()) / std::max<double>(1, double(chosen.size())) - 1); }

}  // namespace

PairingResult make_pairs(const ProblemIndex& problems, const std::vector<Sample>& chosen, const std::vector<Sample>& negatives, const PairOptions& options,
                         const std::function<std::string(const Problem&)>& prompt_of, const std::function<bool(const Sample&)>& format) {
  PairingResult result;
  std::map<std::string, std::vector<const Sample*>> right, wrong;
  std::vector<std::string> order;
  std::set<std::string> seen;
  auto note = [&](const std::string& id) {
    if (seen.insert(id).second) order.push_back(id);
  };
  for (const auto& s : chosen) {
    note(s.problem_id);
    if (s.correct.value_or(false) && s.finish_reason == Finish::kStop) right[s.problem_id].push_back(&s);
  }
  for (const auto& s : negatives) {
    note(s.problem_id);
    ++result.candidates;
    const std::string why = defect(s, options.filter, format);
    if (why.empty())
      wrong[s.problem_id].push_back(&s);
    else
      ++result.dropped[why];
  }
  for (const auto& id : order) {
    const Problem& problem = problems.at(id);
    auto& candidates = wrong[id];
    auto& answers = right[id];
    Sample solution;
    if (answers.empty() && options.reference_solutions && problem.solution) {
      solution.text = *problem.solution, solution.source = "reference", solution.problem_id = id;
      answers.push_back(&solution);
    }
    // Near copies: of a right answer, then of a better negative.
    std::stable_sort(candidates.begin(), candidates.end(), [](const Sample* a, const Sample* b) { return plausibility(*a) > plausibility(*b); });
    std::vector<const Sample*> kept;
    std::vector<MinHash> hashes;
    for (const Sample* s : candidates) {
      const double bound = options.filter.max_chosen_similarity;
      if (bound < 1 && std::any_of(answers.begin(), answers.end(), [&](const Sample* a) { return edit_similarity(a->text, s->text, bound) >= bound; })) {
        ++result.dropped["copy of a right answer"];
        continue;
      }
      const MinHash hash = min_hash(s->text);
      const double alike = options.filter.max_negative_similarity;
      if (alike < 1 && std::any_of(hashes.begin(), hashes.end(), [&](const MinHash& h) { return jaccard(h, hash) > alike; })) {
        ++result.dropped["near duplicate"];
        continue;
      }
      kept.push_back(s);
      hashes.push_back(hash);
    }
    result.kept += int64_t(kept.size());
    if (answers.empty()) {
      ++result.problems_without_chosen;
      continue;
    }
    if (kept.empty()) {
      ++result.problems_without_negative;
      continue;
    }
    // Each negative takes the unused right answer nearest in length; matched pairs go first, better negatives first among them.
    std::vector<const Sample*> unused = answers;
    std::vector<std::pair<const Sample*, const Sample*>> matched, unmatched;
    auto in_band = [&](const Sample& c, const Sample& r) {
      const double margin = score_or(c, "reward_model", NAN) - score_or(r, "reward_model", NAN);  // NaN: not scored, passes
      return !(options.filter.min_margin && margin < *options.filter.min_margin) && !(options.filter.max_margin && margin > *options.filter.max_margin);
    };
    for (const Sample* s : kept) {
      if (std::none_of(answers.begin(), answers.end(), [&](const Sample* a) { return in_band(*a, *s); })) {
        ++result.dropped["margin"];
        --result.kept;
        continue;
      }
      auto fits = [&](const Sample* a) { return in_band(*a, *s); };
      if (std::none_of(unused.begin(), unused.end(), fits)) unused = answers;
      const auto best = std::min_element(unused.begin(), unused.end(), [&](const Sample* a, const Sample* b) {
        return fits(a) != fits(b) ? fits(a) : length_gap(a->text, s->text) < length_gap(b->text, s->text);
      });
      (length_gap((*best)->text, s->text) <= options.max_length_ratio ? matched : unmatched).push_back({*best, s});
      unused.erase(best);
    }
    auto& from = matched.empty() ? unmatched : matched;
    if (from.empty()) ++result.problems_without_negative;
    const auto k = size_t(options.negatives_per_pair);
    for (size_t i = 0, made = 0; i < from.size() && made < size_t(options.pairs_per_problem); i += k, ++made) {
      const auto& [c, r] = from[i];
      Pair pair;
      pair.prompt = prompt_of(problem), pair.chosen = c->text, pair.rejected = r->text, pair.problem_id = id;
      pair.provenance = {{"chosen", reference(*c)}, {"rejected", reference(*r)}};
      for (const auto& [name, value] : c->scores) pair.scores["chosen_" + name] = value;
      for (const auto& [name, value] : r->scores) pair.scores["rejected_" + name] = value;
      for (size_t j = i + 1; j < std::min(from.size(), i + k); ++j) pair.more_rejected.push_back(from[j].second->text);
      result.pairs.push_back(std::move(pair));
    }
  }
  return result;
}

void require_pairs(const PairingResult& result, const std::string& source) {
  if (!result.pairs.empty()) return;
  std::string why;
  for (const auto& [reason, n] : result.dropped) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", n, reason);
  throw Error(fmt::format("no pairs: {} candidates, {} left after the filters{}; {} problems without a right answer, {} without a negative", result.candidates, result.kept,
                          why.empty() ? "" : " (" + why + ")", result.problems_without_chosen, result.problems_without_negative),
              source, result.kept == 0 ? "sample more answers per problem, or loosen the filter that drops most" : "sample more answers per problem, or set reference_solutions");
}

void equalise(std::vector<Pair>& a, std::vector<Pair>& b) {
  const size_t n = std::min(a.size(), b.size());
  std::map<std::string, int64_t> in_a, in_b;
  for (const auto& p : a) ++in_a[p.problem_id];
  for (const auto& p : b) ++in_b[p.problem_id];
  auto cut = [&](std::vector<Pair>& pairs, const std::map<std::string, int64_t>& other) {
    std::map<std::string, int64_t> taken;
    std::vector<char> shared;
    for (const auto& p : pairs) {
      const auto it = other.find(p.problem_id);
      shared.push_back(it != other.end() && taken[p.problem_id]++ < it->second);
    }
    std::vector<Pair> out;
    for (const bool first : {true, false})
      for (size_t i = 0; i < pairs.size() && out.size() < n; ++i)
        if (bool(shared[i]) == first) out.push_back(std::move(pairs[i]));
    pairs = std::move(out);
  };
  cut(a, in_b);
  cut(b, in_a);
}

}  // namespace foil
