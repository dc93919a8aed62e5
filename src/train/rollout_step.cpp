#include "train/rollout_step.h"

#include <chrono>
#include <cmath>

#include "base/error.h"

namespace foil::train {

RolloutStep::RolloutStep(const std::vector<PolicyProblem>& problems, const PolicySampler& sampler, const RewardFunction& reward, const OnPolicyOptions& options, uint64_t seed)
    : problems_(problems), sampler_(sampler), reward_(reward), options_(options), seed_(seed), order_(int64_t(problems.size()), seed) {}

// Distinct problems: the same one twice in a request would be sampled with the same randomness.
std::vector<const PolicyProblem*> RolloutStep::draw(int64_t count, int64_t& cursor) {
  std::vector<const PolicyProblem*> out;
  std::set<int64_t> used;
  count = std::min(count, int64_t(problems_.size()));
  while (int64_t(out.size()) < count) {
    const int64_t index = order_.at(cursor, cursor + 1)[0];
    ++cursor;
    if (used.insert(index).second) out.push_back(&problems_[size_t(index)]);
  }
  return out;
}

std::vector<Group> RolloutStep::sample(const std::vector<const PolicyProblem*>& problems, int64_t first_sample_id) {
  GenerateRequest request;
  for (const auto* p : problems) request.prompts.push_back(p->prompt);
  const auto group_size = size_t(options_.group_size);
  request.samples_per_prompt = options_.group_size;
  request.first_sample_id = first_sample_id;
  request.seed = seed_;
  request.source = "policy";
  request.sampling.temperature = options_.temperature, request.sampling.top_p = options_.top_p;
  request.sampling.top_k = options_.top_k, request.sampling.min_p = options_.min_p;
  request.sampling.max_tokens = options_.max_completion_tokens;
  request.sampling.stop = options_.stop;
  auto samples = sampler_.generator->generate(request);
  FOIL_CHECK(samples.size() == problems.size() * group_size, "the generator gave {} samples for {} prompts", samples.size(), problems.size());

  std::vector<RewardItem> items;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto& p = *problems[i / group_size];
    const Sample& s = samples[i];
    FOIL_CHECK(s.problem_id == p.prompt.problem_id);
    if (s.finish_reason != Finish::kError && (s.token_ids.empty() || s.logprobs.size() != s.token_ids.size()))
      throw Error(fmt::format("a sample of {} came with {} tokens and {} log-probabilities", s.problem_id, s.token_ids.size(), s.logprobs.size()), sampler_.generator->describe(),
                  "RL needs the token ids and log-probabilities of every sample: use the local engine, or an endpoint that returns both");
    items.push_back({&p.problem, &p.prompt.text, &s});
  }
  reward_(items, samples);

  if (options_.over_long == OverLong::kPenalty) {
    std::vector<float> lengths;
    for (const Sample& s : samples) lengths.push_back(float(s.token_ids.size()));
    const at::Tensor penalty = objective::overlong_penalty(at::tensor(lengths), options_.max_completion_tokens, options_.over_long_buffer);
    for (size_t i = 0; i < samples.size(); ++i)
      if (samples[i].reward) *samples[i].reward += penalty[int64_t(i)].item<double>();
  }
  std::vector<Group> groups;
  for (size_t g = 0; g < problems.size(); ++g)
    groups.push_back({problems[g], {std::make_move_iterator(samples.begin() + ptrdiff_t(g * group_size)), std::make_move_iterator(samples.begin() + ptrdiff_t((g + 1) * group_size))}, {}, false});
  return groups;
}

static void set_advantages(std::vector<Group>& groups, const AdvantageOptions& options) {
  std::vector<double> rewards;
  std::vector<size_t> sizes;
  for (const Group& g : groups) {
    sizes.push_back(g.samples.size());
    for (const Sample& s : g.samples) rewards.push_back(s.finish_reason == Finish::kError ? NAN : s.reward.value_or(NAN));
  }
  const auto all = advantages(rewards, sizes, options);
  const auto signal = has_signal(all, sizes);
  size_t begin = 0;
  for (size_t g = 0; g < groups.size(); begin += sizes[g++]) {
    groups[g].advantages.assign(all.begin() + ptrdiff_t(begin), all.begin() + ptrdiff_t(begin + sizes[g]));
    groups[g].signal = signal[g];
  }
}

std::vector<Group> RolloutStep::collect(int64_t step, int64_t& cursor, objective::Statistics& figures, RolloutFigures& rollout) {
  const auto start = std::chrono::steady_clock::now();
  const int rounds = options_.dynamic_sampling ? options_.max_sampling_rounds : 1;
  std::vector<Group> kept;
  for (int round = 0; round < rounds && int64_t(kept.size()) < options_.problems_per_step; ++round) {
    const auto problems = draw(options_.problems_per_step - int64_t(kept.size()), cursor);
    auto groups = sample(problems, (step * rounds + round) * options_.group_size);
    set_advantages(groups, options_.advantage);
    rollout.drawn_groups += int64_t(groups.size());
    log(groups, figures);
    for (Group& g : groups) {
      rollout.groups_with_signal += g.signal;
      if (g.signal || !options_.dynamic_sampling) kept.push_back(std::move(g));
    }
  }
  set_advantages(kept, options_.advantage);  // rules over the batch see the batch that is trained
  rollout.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return kept;
}

void RolloutStep::log(const std::vector<Group>& groups, objective::Statistics& figures) const {
  const auto tensor = [](const std::vector<double>& x) { return at::tensor(x, at::kDouble); };
  std::map<std::string, std::vector<double>> values;
  for (const Group& g : groups) {
    std::set<std::string> answers;
    double answered = 0, right = 0, judged = 0;
    for (const Sample& s : g.samples) {
      if (s.reward) values["reward"].push_back(*s.reward);
      values["unjudged_share"].push_back(s.reward ? 0 : 1);
      for (const auto& [term, score] : s.scores)
        if (std::isfinite(score)) values["reward/" + term].push_back(score);
      values["response_tokens"].push_back(double(s.token_ids.size()));
      values["cut_share"].push_back(s.finish_reason == Finish::kLength ? 1 : 0);
      if (s.answer) ++answered, answers.insert(*s.answer);
      if (s.correct) ++judged, right += *s.correct;
      values["correct_share"].push_back(s.correct.value_or(false) ? 1 : 0);
    }
    if (answered > 0) values["distinct_answer_share"].push_back(double(answers.size()) / answered);
    values["groups/without_signal_share"].push_back(g.signal ? 0 : 1);
    if (judged > 0) {
      values["groups/all_right_share"].push_back(right == double(g.samples.size()) ? 1 : 0);
      values["groups/all_wrong_share"].push_back(right == 0 ? 1 : 0);
    }
  }
  for (const auto& [name, x] : values) figures.mean(name, tensor(x));
  figures.maximum("response_tokens/max", tensor(values["response_tokens"]));
  if (!values["reward"].empty()) {
    figures.minimum("reward/min", tensor(values["reward"]));
    figures.maximum("reward/max", tensor(values["reward"]));
  }
}

}  // namespace foil::train
