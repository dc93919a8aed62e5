#include "train/rollout_step.h"

#include <chrono>
#include <cmath>

#include "base/error.h"

namespace foil::train {

RolloutStep::RolloutStep(const std::vector<PolicyProblem>& problems, const PolicySampler& sampler, const RewardFunction& reward, const OnPolicyOptions& options, const StageContext& context)
    : problems_(problems), sampler_(sampler), reward_(reward), options_(options), context_(context), order_(int64_t(problems.size()), context.seed) {}

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

std::vector<Sample> RolloutStep::sample_mine(const std::vector<const PolicyProblem*>& problems, int64_t first_sample_id) {
  if (problems.empty()) return {};
  GenerateRequest request;
  for (const auto* p : problems) request.prompts.push_back(p->prompt);
  const auto group_size = size_t(options_.group_size);
  request.samples_per_prompt = options_.group_size;
  request.first_sample_id = first_sample_id;
  request.seed = context_.seed;
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
  if (!options_.inject.empty()) inject(problems, samples);
  return samples;
}

void RolloutStep::inject(const std::vector<const PolicyProblem*>& problems, std::vector<Sample>& samples) const {
  const auto group_size = size_t(options_.group_size);
  for (size_t g = 0; g < problems.size(); ++g) {
    const auto group = std::span(samples).subspan(g * group_size, group_size);
    size_t right = 0, judged = 0;
    for (const Sample& s : group) right += s.correct.value_or(false), judged += s.reward && s.finish_reason != Finish::kError;
    const auto found = sampler_.offline.find(problems[g]->problem.id);
    if (right > 0 || judged == 0 || found == sampler_.offline.end()) continue;
    std::vector<Sample> offline;
    std::vector<RewardItem> items;
    for (const Sample& s : found->second) {
      if (int(offline.size()) == options_.inject_per_group) break;
      if (!s.token_ids.empty() && int64_t(s.token_ids.size()) <= options_.max_completion_tokens) offline.push_back(s);
    }
    for (const Sample& s : offline) items.push_back({&problems[g]->problem, &problems[g]->prompt.text, &s});
    if (offline.empty()) continue;
    reward_(items, offline);
    for (size_t i = 0; i < offline.size(); ++i) {
      Sample& replaced = group[group_size - 1 - i];
      offline[i].sample_id = replaced.sample_id, offline[i].problem_id = replaced.problem_id, offline[i].source = kInjected;
      replaced = std::move(offline[i]);
    }
  }
}

std::vector<Group> RolloutStep::sample(const std::vector<const PolicyProblem*>& problems, int64_t first_sample_id, int64_t step) {
  const auto ranks = size_t(context_.size()), group_size = size_t(options_.group_size);
  std::vector<const PolicyProblem*> mine;
  for (size_t g = size_t(context_.rank()); g < problems.size(); g += ranks) mine.push_back(problems[g]);
  std::vector<std::vector<Sample>> all{sample_mine(mine, first_sample_id)};
  if (ranks > 1) {
    const auto texts = context_.ranks->gather(nlohmann::json(all[0]).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), fmt::format("{}: samples of step {}", context_.stage, step + 1));
    all.clear();
    for (const std::string& text : texts) all.push_back(nlohmann::json::parse(text).get<std::vector<Sample>>());
  }
  std::vector<Group> groups;
  for (size_t g = 0; g < problems.size(); ++g) {
    const auto begin = all[g % ranks].begin() + ptrdiff_t(g / ranks * group_size);
    groups.push_back({problems[g], {std::make_move_iterator(begin), std::make_move_iterator(begin + ptrdiff_t(group_size))}, {}, false});
  }
  return groups;
}

static void set_advantages(std::vector<Group>& groups, const AdvantageOptions& options) {
  std::vector<double> rewards;
  std::vector<bool> correct;
  std::vector<size_t> sizes;
  for (const Group& g : groups) {
    sizes.push_back(g.samples.size());
    for (const Sample& s : g.samples) rewards.push_back(s.finish_reason == Finish::kError ? NAN : s.reward.value_or(NAN)), correct.push_back(s.correct.value_or(false));
  }
  const auto all = advantages(rewards, correct, sizes, options);
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
    auto groups = sample(problems, (step * rounds + round) * options_.group_size, step);
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
    double answered = 0, right = 0, judged = 0, injected = 0, own = 0;
    for (const Sample& s : g.samples) {
      if (s.source == kInjected) {  // not the policy's
        ++injected;
        continue;
      }
      ++own;
      for (const float logprob : s.logprobs) values["policy_entropy"].push_back(-double(logprob));
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
    if (!options_.inject.empty()) values["groups/injected_share"].push_back(injected > 0 ? 1 : 0);
    if (judged > 0) {
      values["groups/all_right_share"].push_back(right == own ? 1 : 0);
      values["groups/all_wrong_share"].push_back(right == 0 ? 1 : 0);
    }
  }
  // policy_entropy: −log π of every sampled token, an unbiased estimate of the entropy over what the policy does, trained on or not.
  for (const auto& [name, x] : values) figures.mean(name, tensor(x));
  figures.maximum("response_tokens/max", tensor(values["response_tokens"]));
  if (!values["reward"].empty()) {
    figures.minimum("reward/min", tensor(values["reward"]));
    figures.maximum("reward/max", tensor(values["reward"]));
  }
}

}  // namespace foil::train
