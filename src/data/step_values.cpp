#include "data/step_values.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil {

void StepValueOptions::validate(const std::string& where) const {
  if (rollouts < 2) throw UsageError("rollouts must be at least 2", where, "one continuation says nothing about a prefix; 8 is usual");
  if (!(confidence > 0.5 && confidence < 1)) throw UsageError(fmt::format("confidence is {}, expected 0.5 to 1", confidence), where);
  if (max_steps < 1 || pairs_per_problem < 0) throw UsageError("max_steps must be at least 1, pairs_per_problem 0 or more", where);
}

// Quantile of the standard normal by bisection of erfc: exact enough, and no table.
static double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

double drop_bound(const ValueEstimate& before, const ValueEstimate& after, double confidence) {
  const auto shrunk = [](const ValueEstimate& e) { return e.rollouts > 0 ? double(e.right + 1) / double(e.rollouts + 2) : e.exact; };
  const auto variance = [&](const ValueEstimate& e) { return e.rollouts > 0 ? shrunk(e) * (1 - shrunk(e)) / double(e.rollouts + 2) : 0.0; };
  return shrunk(before) - shrunk(after) - normal_quantile(confidence) * std::sqrt(variance(before) + variance(after));
}

// The text before a step, and the step as it goes on from there. Spaces between them belong to the step, as tokenizers have it; a line
// break stays with what it ends.
static std::string without_spaces_behind(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}
static std::string prefix_of_step(const Sample& s, size_t step) { return step == 0 ? "" : without_spaces_behind(s.text.substr(0, size_t(s.steps[step].begin))); }

StepValueResult step_values(Generator& generator, const ProblemIndex& problems, const std::vector<Sample>& samples, const PrefixPrompt& prompt, const StepValueOptions& options,
                            const SamplingParams& sampling, uint64_t seed) {
  StepValueResult out;
  // Every prefix once: (problem, text) → place in the request.
  std::map<std::pair<std::string, std::string>, size_t> place;
  GenerateRequest request;
  std::vector<std::string> problem_of, prefix_of;
  for (const auto& s : samples) {
    auto steps = segment(s.text, options.rule);
    if (!s.correct || steps.empty() || int64_t(steps.size()) > options.max_steps) {
      ++out.left_out;
      continue;
    }
    Sample kept = s;
    kept.steps = std::move(steps);
    for (size_t k = 0; k < kept.steps.size(); ++k) {
      const std::string prefix = prefix_of_step(kept, k);
      if (!place.emplace(std::pair(s.problem_id, prefix), request.prompts.size()).second) continue;
      Prompt p = prompt(problems.at(s.problem_id), prefix);
      p.problem_id = fmt::format("{}/prefix/{:016x}", s.problem_id, hash64(prefix));
      request.prompts.push_back(std::move(p));
      problem_of.push_back(s.problem_id), prefix_of.push_back(prefix);
    }
    out.samples.push_back(std::move(kept));
  }
  if (out.samples.empty()) return out;
  request.samples_per_prompt = int(options.rollouts);
  request.sampling = sampling, request.sampling.logprobs = false;
  request.seed = seed, request.source = "rollout";
  auto rollouts = generator.generate(request);
  FOIL_CHECK(rollouts.size() == request.prompts.size() * size_t(options.rollouts));
  std::vector<std::string> continuation(rollouts.size());
  for (size_t i = 0; i < rollouts.size(); ++i) {
    const size_t p = i / size_t(options.rollouts);
    continuation[i] = rollouts[i].text;
    rollouts[i].text = prefix_of[p] + rollouts[i].text, rollouts[i].problem_id = problem_of[p];
  }
  verify_samples(problems, rollouts);
  std::vector<ValueEstimate> estimates(request.prompts.size());
  for (size_t i = 0; i < rollouts.size(); ++i) {
    auto& e = estimates[i / size_t(options.rollouts)];
    ++e.rollouts, e.right += rollouts[i].correct.value_or(false);
    out.right_rollouts += rollouts[i].correct.value_or(false);
  }
  out.prefixes = int64_t(estimates.size()), out.rollouts = int64_t(rollouts.size());

  std::map<std::string, int64_t> pairs_of;
  std::map<std::pair<size_t, std::string>, bool> paired;  // the same bad step behind the same prefix once
  for (auto& s : out.samples) {
    std::vector<ValueEstimate> q;
    std::vector<size_t> at;
    for (size_t k = 0; k < s.steps.size(); ++k) {
      at.push_back(place.at({s.problem_id, prefix_of_step(s, k)}));
      q.push_back(estimates[at.back()]);
    }
    q.push_back({0, 0, *s.correct ? 1.0 : 0.0});
    Json values = Json::array(), spurious = Json::array();
    for (const auto& e : q) values.push_back(e.value());
    s.extra["step_values"] = values;
    std::optional<size_t> first_bad;
    for (size_t i = 0; i < s.steps.size(); ++i) {
      s.steps[i].score = q[i + 1].value() - q[i].value();
      const bool bad = drop_bound(q[i], q[i + 1], options.confidence) > 0;
      s.steps[i].correct = !bad;
      if (!bad) continue;
      ++out.bad_steps;
      if (*s.correct) spurious.push_back(i), ++out.spurious_steps;
      if (!first_bad) first_bad = i;
    }
    if (!spurious.empty()) s.extra["spurious_steps"] = spurious;
    if (!first_bad) continue;
    s.extra["first_bad_step"] = *first_bad;
    if (*s.correct || pairs_of[s.problem_id] >= options.pairs_per_problem) continue;
    const Step& step = s.steps[*first_bad];
    const std::string prefix = prefix_of_step(s, *first_bad);
    const std::string bad = without_spaces_behind(s.text.substr(prefix.size(), size_t(step.end) - prefix.size()));
    if (!paired.emplace(std::pair(at[*first_bad], bad), true).second) continue;

    // The step that most of the successful continuations take next; the first of them on a tie.
    std::map<std::string, std::pair<int64_t, size_t>> votes;  // step → count, first place
    for (int64_t r = 0; r < options.rollouts; ++r) {
      const size_t i = at[*first_bad] * size_t(options.rollouts) + size_t(r);
      if (!rollouts[i].correct.value_or(false)) continue;
      const auto next = segment(continuation[i], options.rule);
      if (next.empty()) continue;
      const std::string good = without_spaces_behind(continuation[i].substr(0, size_t(next[0].end)));
      if (good != bad) ++votes.emplace(good, std::pair(0, i)).first->second.first;
    }
    const std::string* best = nullptr;
    std::pair<int64_t, size_t> best_votes{0, 0};
    for (const auto& [text, vote] : votes)
      if (vote.first > best_votes.first || (vote.first == best_votes.first && vote.second < best_votes.second)) best = &text, best_votes = vote;
    if (!best) {
      ++out.no_good_step;
      continue;
    }
    Pair pair;
    pair.prompt = request.prompts[at[*first_bad]].text;
    pair.chosen = *best, pair.rejected = bad;
    pair.problem_id = s.problem_id;
    pair.provenance = {{"chosen", fmt::format("rollout#{}", rollouts[best_votes.second].sample_id)}, {"rejected", fmt::format("{}#{}", s.source, s.sample_id)}};
    pair.scores = {{"value_before", q[*first_bad].value()}, {"value_after", q[*first_bad + 1].value()}};
    pair.extra = {{"step", *first_bad}, {"prefix_bytes", prefix.size()}, {"chosen_ends", *best == without_spaces_behind(continuation[best_votes.second])}, {"rejected_ends", *first_bad + 1 == s.steps.size()}};
    out.pairs.push_back(std::move(pair));
    ++pairs_of[s.problem_id];
  }
  return out;
}

}  // namespace foil
