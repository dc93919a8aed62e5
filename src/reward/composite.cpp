#include "reward/composite.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "base/error.h"
#include "base/random.h"

namespace foil {

void RewardOptions::validate(const std::string& where) const {
  if (kind == RewardKind::kPlausible && weight_wrong <= 0 && require_wrong)
    throw UsageError("kind plausible needs weight_wrong above 0", where, "without it a wrong answer is worth nothing");
  if (relative_length < 0) throw UsageError("relative_length must not be negative", where, "a positive scale favours short answers");
  if (relative_length > 0 && kind == RewardKind::kPlausible) throw UsageError("relative_length belongs to kind accuracy", where, "use weight_length");
  const RewardOptions standard;
  if (kind == RewardKind::kAccuracy && (weight_wrong != standard.weight_wrong || weight_model != standard.weight_model || weight_judge != standard.weight_judge || judge_floor != standard.judge_floor ||
                                        diversity_bonus != 0 || !gate_format || !require_wrong))
    throw UsageError("weight_wrong, weight_model, weight_judge, judge_floor, diversity_bonus, gate_format and require_wrong do nothing in kind accuracy", where,
                     "leave them out; or use kind: plausible, which rewards wrong answers");
  if (kind == RewardKind::kPlausible && format_penalty != 0) throw UsageError("format_penalty belongs to kind accuracy", where, "kind plausible has gate_format: a broken form is -1");
  if (judge_floor < 0 || judge_floor > 1) throw UsageError(fmt::format("judge_floor {} is outside 0…1", judge_floor), where);
}

ScoreScale fit_scale(const std::vector<Sample>& samples, const std::string& score) {
  double sum = 0, squares = 0;
  int64_t n = 0;
  for (const auto& s : samples) {
    const auto it = s.scores.find(score);
    if (!s.correct.value_or(false) || it == s.scores.end() || !std::isfinite(it->second)) continue;
    sum += it->second, squares += it->second * it->second, ++n;
  }
  if (n < 2) return {};
  const double mean = sum / double(n);
  return {mean, std::max(1e-3, std::sqrt(std::max(0.0, squares / double(n) - mean * mean)))};
}

Composite::Composite(RewardOptions options, std::shared_ptr<Scorer> reward_model, ScoreScale scale, std::shared_ptr<JudgeBackend> judge, int64_t max_tokens)
    : options_(std::move(options)), reward_model_(std::move(reward_model)), scale_(scale), judge_(std::move(judge)), max_tokens_(max_tokens) {
  if (options_.kind == RewardKind::kPlausible) {
    if (options_.weight_model != 0 && !reward_model_) throw UsageError("weight_model needs a reward model", "reward", "train one, name one, or set weight_model to 0");
    if (options_.weight_judge != 0 && !judge_) throw UsageError("weight_judge needs a judge", "reward", "choose a judge, or set weight_judge to 0");
  }
}

static double repetition(const std::string& text) {
  std::vector<uint64_t> words;
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    const size_t begin = i;
    while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    if (i > begin) words.push_back(hash64(std::string_view(text).substr(begin, i - begin)));
  }
  if (words.size() < 4) return 0;
  std::unordered_set<uint64_t> distinct;
  for (size_t i = 0; i + 4 <= words.size(); ++i) distinct.insert(mix64(mix64(words[i], words[i + 1]), mix64(words[i + 2], words[i + 3])));
  return 1 - double(distinct.size()) / double(words.size() - 3);
}

void Composite::apply(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples) {
  FOIL_CHECK(problems.size() == samples.size() && prompts.size() == samples.size());
  if (options_.kind == RewardKind::kAccuracy)
    apply_accuracy(problems, samples);
  else
    apply_plausible(problems, prompts, samples);
  apply_terms(problems, prompts, samples);
  for (Sample& s : samples) {
    if (options_.weight_length != 0) {
      s.scores["length"] = max_tokens_ > 0 ? double(s.token_ids.size()) / double(max_tokens_) : 0;
      *s.reward += options_.weight_length * s.scores["length"];
    }
    if (options_.weight_repetition != 0) {
      s.scores["repetition"] = repetition(s.text);
      *s.reward += options_.weight_repetition * s.scores["repetition"];
    }
  }
}

void Composite::apply_accuracy(const std::vector<const Problem*>& problems, std::span<Sample> samples) const {
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& s = samples[i];
    const bool right = s.correct.value_or(false), form = format_defect(problems[i]->problem, s, options_.format).empty();
    s.scores["accuracy"] = right;
    s.scores["format"] = form;
    s.reward = double(right) - (form ? 0 : options_.format_penalty);
  }
  if (options_.relative_length != 0) apply_relative_length(samples);
}

void Composite::add(std::shared_ptr<RewardTerm> term, double weight) {
  FOIL_CHECK(term);
  terms_.push_back({std::move(term), weight});
}

void Composite::apply_terms(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples) {
  std::vector<RewardItem> items;
  std::vector<size_t> at;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto wrong = samples[i].scores.find("wrong");
    const bool gated = options_.kind == RewardKind::kPlausible &&
                       (wrong == samples[i].scores.end() || (options_.require_wrong && samples[i].correct.value_or(false)));
    if (!gated) items.push_back({problems[i], prompts[i], &samples[i]}), at.push_back(i);
  }
  for (const auto& [term, weight] : terms_) {
    const auto values = items.empty() ? std::vector<std::optional<double>>{} : term->values(items);
    FOIL_CHECK(values.size() == items.size(), "term {} gave {} values for {} samples", term->name(), values.size(), items.size());
    for (size_t k = 0; k < values.size(); ++k) {
      Sample& s = samples[at[k]];
      if (!values[k] || !std::isfinite(*values[k])) {
        ++unjudged_;
        continue;
      }
      s.scores[term->name()] = *values[k];
      *s.reward += weight * *values[k];
    }
  }
}

void Composite::apply_relative_length(std::span<Sample> samples) const {
  auto length = [](const Sample& s) { return s.token_ids.empty() ? double(s.text.size()) : double(s.token_ids.size()); };
  for (size_t begin = 0, end; begin < samples.size(); begin = end) {
    double sum = 0;
    bool all_right = true;
    for (end = begin; end < samples.size() && samples[end].problem_id == samples[begin].problem_id; ++end) {
      sum += length(samples[end]);
      all_right = all_right && samples[end].correct.value_or(false);
    }
    const double mean = sum / double(end - begin);
    if (!all_right || end - begin < 2 || mean == 0) continue;
    for (size_t i = begin; i < end; ++i) {
      const double term = std::clamp(options_.relative_length * (mean - length(samples[i])) / mean, -0.5, 0.5);
      samples[i].scores["relative_length"] = term;
      *samples[i].reward += term;
    }
  }
}

void Composite::apply_plausible(const std::vector<const Problem*>& problems, const std::vector<const std::string*>& prompts, std::span<Sample> samples) {
  std::vector<size_t> open;  // readable, in form: the other terms are computed for these
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& s = samples[i];
    const bool form = s.correct.has_value() && format_defect(problems[i]->problem, s, options_.format).empty();
    s.scores["format"] = form;
    s.scores["accuracy"] = s.correct.value_or(false);
    if (options_.gate_format && !form) {
      s.reward = -1;
      continue;
    }
    s.scores["wrong"] = s.correct.has_value() && !*s.correct;
    if (options_.require_wrong && s.correct.value_or(false)) {
      s.reward = 0;
      continue;
    }
    s.reward = options_.weight_wrong * s.scores["wrong"];
    open.push_back(i);
  }
  if (options_.weight_model != 0 && !open.empty()) {
    std::vector<Scored> items;
    for (const size_t i : open) items.push_back({*prompts[i], samples[i].text});
    const auto scores = reward_model_->score(items);
    for (size_t k = 0; k < open.size(); ++k) {
      Sample& s = samples[open[k]];
      if (!std::isfinite(scores[k])) {  // worth the term's least
        ++unjudged_;
        continue;
      }
      s.scores["reward_model"] = scores[k];
      s.scores["reward_model_term"] = 1 / (1 + std::exp(-(scores[k] - scale_.mean) / scale_.deviation));
      *s.reward += options_.weight_model * s.scores["reward_model_term"];
    }
  }
  if (options_.weight_judge != 0 && !open.empty()) {
    std::vector<JudgeItem> items;
    for (const size_t i : open) items.push_back({problems[i]->problem, samples[i].text});
    const auto verdicts = judge_->judge(items);
    for (size_t k = 0; k < open.size(); ++k) {
      Sample& s = samples[open[k]];
      unjudged_ += !verdicts[k];
      const double j = verdicts[k] ? verdicts[k]->normalised() : 0;
      s.scores["judge"] = j;
      for (int d = 0; verdicts[k] && d < 4; ++d) s.scores[std::string("judge_") + kRubricDimensions[d]] = verdicts[k]->dimension[size_t(d)];
      *s.reward += options_.weight_judge * j;
      if (j < options_.judge_floor) *s.reward = std::min(*s.reward, 0.0);
    }
  }
  if (options_.diversity_bonus != 0)
    for (const size_t i : open) {
      int same = 0;
      for (size_t k = 0; k < samples.size(); ++k) same += samples[k].problem_id == samples[i].problem_id && samples[k].answer == samples[i].answer;
      samples[i].scores["diversity"] = same == 1;
      if (same == 1 && *samples[i].reward > 0) *samples[i].reward += options_.diversity_bonus;
    }
}

}  // namespace foil
