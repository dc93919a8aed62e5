#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "config/options.h"
#include "data/dataset.h"
#include "data/family.h"
#include "data/pairing.h"
#include "data/similarity.h"
#include "data/verification.h"
#include "eval/audit.h"
#include "eval/compare.h"
#include "eval/result.h"
#include "eval/separability.h"
#include "eval/verdict_reliability.h"
#include "io/jsonl.h"
#include "pipeline/endpoints.h"
#include "pipeline/judges.h"
#include "pipeline/rewards.h"
#include "pipeline/rounds.h"
#include "pipeline/run.h"
#include "pipeline/sampling.h"
#include "pipeline/self_training.h"
#include "pipeline/sources.h"
#include "pipeline/stage_work.h"
#include "pipeline/steps.h"
#include "pipeline/study.h"
#include "pipeline/views.h"
#include "report/page.h"
#include "report/run_files.h"
#include "rollout/engine.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

static void add_figures(Json& facts, const std::map<std::string, double>& figures, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto it = figures.find(name); it != figures.end() && std::isfinite(it->second)) facts[name] = it->second;
}

// One on-policy stage: the RL policy and the generator differ in nothing but start model and reward.
void on_policy_stage(StageRun& run, const std::string& from, const std::string& to, const train::OnPolicyOptions& options, std::shared_ptr<Composite> composite,
                     const std::string& order) {
  LoadedModel model = load_model(run.model(from), run.recipe.model);
  auto context = run.context();
  context.seed = mix64(run.recipe.seed, hash64(order.empty() ? run.stage : order));
  const auto result = train_policy(model, policy_problems(run.recipe.prompt, *model.tokenizer, run.training_problems()), std::move(composite), options, run.recipe.engine, context);
  run.once("the model written", [&] { save_model(run.path(report::model_folder(to)), model); });
  run.facts["steps"] = result.steps;
  for (const auto& [name, value] : result.last)
    if (std::isfinite(value) && (name.starts_with("reward") || name.find("zero") != std::string::npos)) run.facts[name] = value;
}

namespace {

void make_data(StageRun& run) {
  const DataSection& d = run.recipe.data;
  auto cut = [](std::vector<Problem> problems, int64_t limit) {
    if (limit > 0 && int64_t(problems.size()) > limit) problems.resize(size_t(limit));
    return problems;
  };
  const bool family = d.source == "family";
  const auto train = cut(family ? family_train(d.family, run.recipe.seed) : load_problems({.source = d.train, .strip_annotations = false}), d.train_limit);
  const ProblemIndex check(train);  // unique ids
  write_jsonl(run.path(report::problems_file("train")), train);
  run.facts["training_problems"] = train.size();
  const auto splits = run.splits();
  for (size_t i = 0; i < splits.size(); ++i) {
    const auto problems = cut(family ? family_eval(d.family, run.recipe.seed, splits[i]) : load_problems({.source = d.eval[i], .strip_annotations = false}), d.eval_limit);
    write_jsonl(run.path(report::problems_file(splits[i])), problems);
    run.facts["problems_" + splits[i]] = problems.size();
  }
}

void make_model(StageRun& run) {
  const LoadedModel model = random_model(run.recipe.model.random, run.recipe.seed, family_corpus(run.recipe.seed, 400));
  save_model(run.path(report::model_folder("start")), model);
  run.facts["parameters"] = model.model->config().parameters();
  run.facts["vocabulary"] = model.tokenizer->vocab_size();
}

void sft(StageRun& run) {
  const SftSection& s = run.recipe.sft;
  LoadedModel model = load_model(run.model("start"), run.recipe.model);
  auto problems = run.training_problems();
  if (s.problems > 0 && int64_t(problems.size()) > s.problems) problems.erase(problems.begin(), problems.end() - s.problems);  // samples come from the first
  const FlawCounts flaws = plant_flaws(problems, s.flaws, mix64(run.recipe.seed, hash64("flaws")));
  if (flaws.wrong + flaws.careless > 0) run.facts["solutions_wrong"] = flaws.wrong, run.facts["solutions_careless"] = flaws.careless;
  const auto result = train::train_sft(*model.model, sft_examples(run.recipe.prompt, *model.tokenizer, problems), s.train, run.context());
  run.once("the model written", [&] { save_model(run.path(report::model_folder("sft")), model); });
  run.facts["steps"] = result.steps, run.facts["records"] = result.records;
  add_figures(run.facts, result.last, {"loss"});
}

void rl(StageRun& run) {
  const RlSection& s = run.recipe.rl;
  on_policy_stage(run, "sft", "rl", s.train, std::make_shared<Composite>(s.reward, nullptr, ScoreScale{}, nullptr, s.train.max_completion_tokens));
}

void bcpg_steps(StageRun& run) {
  train::OnPolicyOptions options = run.recipe.steps.policy;
  options.replay = run.path(report::samples_file("steps")).string();
  on_policy_stage(run, "rl", "bcpg_steps", options, std::make_shared<Composite>(run.recipe.rl.reward, nullptr, ScoreScale{}, nullptr, options.max_completion_tokens));
}

void policy_samples(StageRun& run) {
  const auto& s = run.recipe.policy_samples;
  std::vector<Sample> samples;
  if (s.use.empty()) {
    samples = stage_samples(run, s, sampled_problems(run, s), run.model("rl"), "policy", "sampling the policy");
  } else {  // a copy: later stages add their scores to it
    samples = read_jsonl<Sample>(s.use);
    const auto problems = run.training_problems();
    const ProblemIndex index(problems);
    const size_t unknown = std::erase_if(samples, [&](const Sample& x) { return !index.find(x.problem_id); });
    if (samples.empty()) throw Error("no sample answers a training problem", s.use, "its problem_id must be those of data.train");
    if (unknown > 0) log_warning("{} samples of {} answer no training problem and are left out", unknown, s.use);
    verify_samples(index, samples);
  }
  size_t right = 0, unreadable = 0;
  for (const auto& s : samples) right += s.correct.value_or(false), unreadable += !s.correct;
  run.facts["samples"] = samples.size(), run.facts["right_share"] = double(right) / double(samples.size()), run.facts["unreadable"] = unreadable;
  run.once("samples written", [&] { write_jsonl(run.path(report::samples_file("policy")), samples); });
}

}  // namespace

std::vector<Sample> policy_sample_file(const StageRun& run) {
  return read_jsonl<Sample>(run.path(report::samples_file("policy")));
}

// Of the samples' problems, those that the run's own reward model learns from.
static std::set<std::string> problems_learnt_from(const StageRun& run, const std::vector<Sample>& samples) {
  const RewardModelSection& s = run.recipe.reward_model;
  if (!s.use.empty()) return {};  // a given model: nothing is known of what it has learnt from
  std::set<std::string> ids;
  std::vector<std::string> order;
  for (const auto& x : samples)
    if (ids.insert(x.problem_id).second) order.push_back(x.problem_id);
  if (s.problems == 0) return ids;
  if (int64_t(order.size()) <= s.problems)
    throw UsageError(fmt::format("reward_model.problems is {}, and the policy was sampled on {} problems: none is left that it has not learnt from", s.problems, order.size()), "reward_model.problems",
                     "raise policy_samples.problems, or lower it");
  return {order.end() - s.problems, order.end()};
}

ByRewardModel by_reward_model(const StageRun& run, std::vector<Sample> samples) {
  const auto ids = problems_learnt_from(run, samples);
  ByRewardModel out;
  for (auto& x : samples) (ids.contains(x.problem_id) ? out.learnt : out.fresh).push_back(std::move(x));
  return out;
}

// μ⁺ and τ⁺ of right answers that the reward model has not learnt from, where there are such.
static ScoreScale right_scale(const StageRun& run, std::vector<Sample> samples) {
  return fit_scale(by_reward_model(run, std::move(samples)).unseen());
}

static void score_samples(Scorer& scorer, const std::map<std::string, std::string>& prompts, std::vector<Sample>& samples) {
  std::vector<Scored> items;
  for (const auto& s : samples) items.push_back({prompts.at(s.problem_id), s.text});
  const auto scores = scorer.score(items);
  for (size_t i = 0; i < samples.size(); ++i)
    if (std::isfinite(scores[i])) samples[i].scores["reward_model"] = scores[i];
}

std::map<std::string, std::string> prompt_map(const StageRun& run, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems) {
  std::map<std::string, std::string> out;
  for (auto& p : Prompter(run.recipe.prompt, tokenizer)(problems)) out[p.problem_id] = std::move(p.text);
  return out;
}

static std::vector<Problem> all_known_problems(const StageRun& run) {
  auto out = run.training_problems();
  for (const auto& split : run.splits())
    for (auto& p : run.split(split)) out.push_back(std::move(p));
  return out;
}

static void reward_model(StageRun& run) {
  const RewardModelSection& s = run.recipe.reward_model;
  const auto problems = run.training_problems();
  const ProblemIndex index(problems);
  auto samples = policy_sample_file(run);
  if (s.use.empty()) {
    LoadedRewardModel rm{load_model(run.model("rl"), run.recipe.model), {}};
    rm.head = at::zeros({1, rm.base.model->config().hidden_size}, at::kFloat).to(rm.base.model->device());
    PairOptions pairing;
    pairing.pairs_per_problem = s.pairs_per_problem, pairing.max_length_ratio = 1e9, pairing.reference_solutions = s.reference_solutions;
    const Prompter prompter(run.recipe.prompt, *rm.base.tokenizer);
    auto learnt = by_reward_model(run, samples).learnt;
    for (auto& x : learnt) x.reward.reset(), x.scores.clear();  // a score of an earlier attempt, or of another run, does not choose the pairs
    const auto pairs = make_pairs(index, learnt, learnt, pairing, [&](const Problem& p) { return prompter(p.problem); });
    require_pairs(pairs, "reward_model");
    nn::RewardModel trained{*rm.base.model, rm.head};  // shares the weights
    auto examples = preference_examples(*rm.base.tokenizer, pairs.pairs);
    if (s.strength.models > 0) {
      const auto strength = train::preference_strength(trained, examples, s.strength, s.train, run.context());
      train::StrengthFigures figures;
      examples = train::apply_strength(std::move(examples), strength, s.strength, figures);
      run.facts["flipped"] = figures.flipped, run.facts["ambiguous_dropped"] = figures.dropped, run.facts["soft_labels"] = figures.softened;
    }
    std::vector<train::Example> outside;
    if (!s.outside.empty()) outside = outside_examples(run.recipe.prompt, *rm.base.tokenizer, s.outside, all_known_problems(run));
    const auto result = train::train_reward_model(trained, std::move(examples), s.train, run.context(), std::move(outside));
    run.once("the reward model written", [&] { save_reward_model(run.path(report::model_folder("reward")), rm); });
    run.facts["pairs"] = pairs.pairs.size(), run.facts["steps"] = result.steps;
    add_figures(run.facts, result.last, {"loss", "accuracy"});
    for (const auto& [name, value] : result.validation) run.facts[name] = value;
  }
  const LoadedRewardModel rm = load_reward_model(run.model("reward"), run.recipe.model);
  share_samples(run.ranks, samples, "scores", [&](std::vector<Sample>& mine) { score_samples(*reward_model_scorer(rm, "reward model on the policy's samples"), prompt_map(run, *rm.base.tokenizer, problems), mine); });
  run.once("samples written", [&] { write_jsonl(run.path(report::samples_file("policy")), samples); });
  const ScoreScale scale = right_scale(run, samples);
  run.facts["mean_score_right"] = scale.mean, run.facts["deviation_right"] = scale.deviation;
}

std::shared_ptr<Composite> plausible_reward(const StageRun& run, const std::string& label) {
  const GeneratorSection& s = run.recipe.generator;
  std::shared_ptr<Scorer> scorer;
  ScoreScale scale;
  if (s.reward.weight_model != 0) {
    scorer = reward_model_scorer(load_reward_model(run.model("reward"), run.recipe.model), label);
    scale = right_scale(run, policy_sample_file(run));
  }
  auto judge = s.reward.weight_judge != 0 ? make_judge(s.judge, run.model("start"), run.recipe.model, run.recipe.engine, run.path(run.own("checkpoints/" + run.stage + "/judge.part"))) : nullptr;
  return std::make_shared<Composite>(s.reward, scorer, scale, judge, s.train.max_completion_tokens);
}

void score_candidates(StageRun& run, const LoadedModel& policy, const std::vector<Problem>& problems, std::vector<Sample>& made) {
  const ProblemIndex index(problems);
  const auto prompt_of = prompt_map(run, *policy.tokenizer, problems);
  const auto reward = plausible_reward(run, "reward model on candidates");
  share_samples(run.ranks, made, "scores", [&](std::vector<Sample>& mine) {
    std::vector<const Problem*> at;
    std::vector<const std::string*> texts;
    for (const auto& s : mine) at.push_back(&index.at(s.problem_id)), texts.push_back(&prompt_of.at(s.problem_id));
    reward->apply(at, texts, mine);
    std::vector<Sample*> wrong;  // right ones serve as no negative
    for (auto& s : mine)
      if (!s.correct.value_or(false)) wrong.push_back(&s);
    score_logprobs(policy, prompt_of, wrong, "likelihood of candidates");
  });
  if (run.recipe.negatives.pairs.filter.max_shallow) eval::score_shallow(policy_sample_file(run), made);
}

std::vector<Sample> scored_policy_samples(StageRun& run, const LoadedModel& policy, const std::vector<Problem>& problems) {
  auto own = policy_sample_file(run);
  if (!own.empty() && own.front().scores.count("policy_logprob")) return own;
  const ProblemIndex index(problems);
  const auto prompt_of = prompt_map(run, *policy.tokenizer, problems);
  const SamplingSection& sampling = run.recipe.policy_samples;
  const bool as_scored = sampling.use.empty() && sampling.from == Answers::kModel && sampling.temperature == 1 && sampling.top_p == 1;  // the sampler's log-probabilities are those asked for
  share_samples(run.ranks, own, "likelihoods", [&](std::vector<Sample>& mine) {
    std::vector<Sample*> unknown;
    for (auto& s : mine) {
      if (as_scored && s.logprobs.size() == s.token_ids.size() && completion_tokens(*policy.tokenizer, s.text) == s.token_ids)  // else cut, or encoded otherwise than sampled
        s.scores["policy_logprob"] = std::accumulate(s.logprobs.begin(), s.logprobs.end(), 0.0) / double(s.logprobs.size());
      else
        unknown.push_back(&s);
    }
    score_logprobs(policy, prompt_of, unknown, "likelihood of the policy's samples");
    RuleJudge rules;
    std::vector<JudgeItem> items;
    for (const auto& s : mine) items.push_back({index.at(s.problem_id).problem, s.text});
    const auto judged = rules.judge(items);
    for (size_t i = 0; i < mine.size(); ++i)
      if (judged[i]) mine[i].scores["judge"] = judged[i]->normalised();
  });
  run.once("samples written", [&] { write_jsonl(run.path(report::samples_file("policy")), own); });
  return own;
}

// How far the labels of pairs can be trusted, into scores["label"] of each; nothing where that cannot be measured.
static void label_pairs(StageRun& run, const std::vector<Sample>& own, std::vector<Pair>& pairs) {
  const auto learnt = problems_learnt_from(run, own);
  const auto held_out = [&](const std::string& id) { return train::held_out(id, run.recipe.reward_model.train.loop.validation_share, mix64(run.recipe.seed, hash64("reward_model"))); };
  const auto measured = eval::verdict_reliability(own, [&](const std::string& id) { return !learnt.contains(id) || held_out(id); });
  run.facts["label_problems"] = measured.problems;
  if (!measured.order) return;
  run.facts["label"] = *measured.order;
  for (auto& p : pairs) p.scores["label"] = *measured.order;
}

PairingResult pair_candidates(StageRun& run, const text::Tokenizer& tokenizer, const std::vector<Problem>& problems, const std::vector<Sample>& own, const std::vector<Sample>& made,
                              bool filtered) {
  const ProblemIndex index(problems);
  const auto prompt_of = prompt_map(run, tokenizer, problems);
  const auto prompt = [&](const Problem& p) { return prompt_of.at(p.id); };
  const auto format = [&](const Sample& s) { return format_defect(index.at(s.problem_id).problem, s, run.recipe.generator.reward.format).empty(); };
  if (filtered) {
    PairingResult result = make_pairs(index, own, made, run.recipe.negatives.pairs, prompt, format);
    label_pairs(run, own, result.pairs);
    return result;
  }
  PairOptions plain = run.recipe.negatives.pairs;
  plain.filter = FilterOptions{};
  auto wrong = made;
  for (auto& s : wrong) s.reward.reset(), s.scores.erase("judge"), s.scores.erase("reward_model");
  PairingResult result = make_pairs(index, own, wrong, plain, prompt);
  std::map<std::string, const Sample*> by_reference;
  for (const auto& s : made) by_reference[fmt::format("{}#{}/{}", s.source, s.sample_id, s.problem_id)] = &s;
  for (auto& p : result.pairs)  // scores were hidden from the choice, not from the report
    if (const auto it = by_reference.find(p.provenance["rejected"] + "/" + p.problem_id); it != by_reference.end())
      for (const auto& [name, value] : it->second->scores) p.scores["rejected_" + name] = value;
  label_pairs(run, own, result.pairs);
  return result;
}

namespace {

void warm_start(StageRun& run) {
  const WarmStartSection& s = run.recipe.generator.warm_start;
  LoadedModel model = load_model(run.model("rl"), run.recipe.model);
  const auto all = run.training_problems();
  const ProblemIndex index(all);
  std::map<std::string, int64_t> taken;
  std::vector<Problem> wrong;
  for (const auto& x : policy_sample_file(run)) {
    if (x.correct.value_or(true) || x.finish_reason != Finish::kStop || ++taken[x.problem_id] > s.answers_per_problem) continue;
    Problem p = index.at(x.problem_id);
    p.id += fmt::format("#{}", x.sample_id), p.solution = x.text;
    wrong.push_back(std::move(p));
  }
  if (wrong.empty()) throw Error("the policy has no readable wrong answer to start from", "generator.warm_start", "sample more answers, or set generator.warm_start.enabled: false");
  const auto result = train::train_sft(*model.model, sft_examples(run.recipe.prompt, *model.tokenizer, wrong), s.train, run.context());
  run.once("the model written", [&] { save_model(run.path(report::model_folder("warm_start")), model); });
  run.facts["steps"] = result.steps, run.facts["records"] = result.records;
}

void generator(StageRun& run) {
  on_policy_stage(run, run.recipe.generator.warm_start.enabled ? "warm_start" : "rl", "generator", run.recipe.generator.train, plausible_reward(run));
}

// Positive-congruent training's gate: models/accepted is the policy trained on plausible negatives — with several rounds that of the last
// one — that does not lose more of what the RL policy solved than the recipe allows; the RL policy where there is none.
void gate(StageRun& run) {
  const auto read = [&](const std::string& policy) { return Json::parse(read_file(run.path(report::eval_file(policy)))).get<eval::EvalResult>(); };
  const double limit = *run.recipe.eval.max_negative_flips;
  const auto old = read("rl");
  const auto passes = [&](const std::string& policy) {
    const auto comparison = eval::compare(old, read(policy));
    const bool accepted = eval::within_flip_limit(comparison, limit);
    const std::string verdict = fmt::format("{}: {:.1f} % negative flips, the limit is {:.1f} %", accepted ? "accepted" : "refused", 100 * comparison.negative_flips, 100 * limit);
    run.facts[policy] = verdict;
    if (!accepted) log_warning("{} is {}", policy, verdict);
    return accepted;
  };
  passes("dpo_rejection");  // for comparison
  std::string accepted = "rl";
  fs::path model = run.model("rl");
  for (int64_t round = 1; round <= run.recipe.rounds; ++round) {
    const std::string policy = round == 1 ? "dpo_plausible" : fmt::format("round_{}", round);
    if (passes(policy)) accepted = policy, model = run.path(round_model(round));
  }
  run.facts["accepted"] = accepted;
  save_model(run.path(report::model_folder("accepted")), load_model(model, run.recipe.model));
}

Json counts_json(const PairingResult& r) {
  return {{"candidates", r.candidates}, {"kept", r.kept}, {"dropped", r.dropped}, {"problems_without_chosen", r.problems_without_chosen},
          {"problems_without_negative", r.problems_without_negative}};
}

void negatives(StageRun& run) {
  const NegativesSection& s = run.recipe.negatives;
  const auto problems = run.training_problems();
  const LoadedModel policy = load_model(run.model("rl"), run.recipe.model);
  const auto own = scored_policy_samples(run, policy, problems);
  std::vector<Sample> made;
  if (s.sampling.use.empty()) {
    MadeNegatives out = make_negatives(run, s.source, own);
    made = std::move(out.samples);
    run.facts["generated_tokens"] = out.tokens;
  } else {
    made = read_jsonl<Sample>(s.sampling.use);
    verify_samples(ProblemIndex(problems), made);
  }
  score_candidates(run, policy, problems, made);
  run.once("samples written", [&] { write_jsonl(run.path(report::samples_file("generator")), made); });
  auto plausible = pair_candidates(run, *policy.tokenizer, problems, own, made, s.source != NegativeSource::kRejection);
  require_pairs(plausible, "plausible negatives");
  auto rejection = pair_candidates(run, *policy.tokenizer, problems, own, own, false);
  require_pairs(rejection, "rejection-sampled negatives");
  run.facts["plausible_candidates"] = plausible.candidates, run.facts["plausible_kept"] = plausible.kept;
  run.facts["plausible_pairs"] = plausible.pairs.size(), run.facts["rejection_pairs"] = rejection.pairs.size();
  run.facts["filters"] = {{"plausible", counts_json(plausible)}, {"rejection", counts_json(rejection)}};
  equalise(plausible.pairs, rejection.pairs);
  run.facts["pairs"] = plausible.pairs.size();
  run.once("pairs written", [&] {
    write_jsonl(run.path(report::pairs_file("plausible")), plausible.pairs);
    write_jsonl(run.path(report::pairs_file("rejection")), rejection.pairs);
  });
}

}  // namespace

void preference_stage(StageRun& run, const std::string& pairs_file, const std::string& to, const train::PreferenceTrainOptions& options, const std::string& order) {
  LoadedModel model = load_model(run.model("rl"), run.recipe.model);
  auto pairs = read_jsonl<Pair>(run.path(pairs_file));
  if (options.contrastive.coefficient != 0) {
    const auto counts = add_views(pairs, run.training_problems(), run.recipe, *model.tokenizer);
    run.facts["biased"] = counts.biased, run.facts["views"] = counts.views;
  }
  auto context = run.context();
  context.seed = mix64(run.recipe.seed, hash64(order.empty() ? run.stage : order));
  train::PreferenceData data{preference_examples(*model.tokenizer, pairs, run.recipe.preference_data), {}};
  require_reliability(data, options);
  const auto result = train::train_preference(*model.model, std::move(data), options, context);
  run.once("the model written", [&] { save_model(run.path(report::model_folder(to)), model); });
  run.facts["steps"] = result.steps, run.facts["pairs"] = pairs.size();
  add_figures(run.facts, result.last, {"loss", "rewards/accuracy", "rewards/margin", "delta/chosen", "delta/rejected"});
}

static void dpo(StageRun& run, const std::string& negatives) { preference_stage(run, report::pairs_file(negatives), "dpo_" + negatives, run.recipe.preference); }

std::string evaluation_file(const std::string& policy, int64_t most_problems) { return most_problems > 0 ? "study/" + policy + ".json" : report::eval_file(policy); }

void evaluate_stage(StageRun& run, const std::string& policy, const fs::path& path, const EvalSection& e, int64_t most_problems) {
  const LoadedModel model = load_model(path, run.recipe.model);
  eval::EvalResult result;
  result.policy = policy, result.model = path.string();
  result.sampling = {{"temperature", e.temperature}, {"top_p", e.top_p}, {"max_tokens", e.max_tokens}, {"prompt", run.recipe.prompt.text}};
  if (run.recipe.prompt.shots > 0) result.sampling["shots"] = run.recipe.prompt.shots;
  eval::EvalOptions options;
  options.runs = e.runs, options.greedy = e.temperature == 0, options.bootstrap.seed = run.recipe.seed;
  const auto start = std::chrono::steady_clock::now();
  for (const auto& split : run.splits()) {
    auto problems = run.split(split);
    if (most_problems > 0 && int64_t(problems.size()) > most_problems) problems.resize(size_t(most_problems));
    const ProblemIndex index(problems);
    rollout::LocalEngine engine(model.model, model.tokenizer, run.recipe.engine, fmt::format("{} on {}", policy, split));
    GenerateRequest r;
    r.prompts = Prompter(run.recipe.prompt, *model.tokenizer)(problems);
    r.samples_per_prompt = int(options.greedy ? 1 : e.samples_per_problem * e.runs);
    r.sampling.temperature = e.temperature, r.sampling.top_p = e.top_p, r.sampling.max_tokens = e.max_tokens, r.sampling.stop = e.stop;
    r.seed = mix64(run.recipe.seed, hash64("eval"));  // the same random numbers for every policy: paired
    r.source = policy;
    auto samples = sample_in_parts(engine, r, &index, run.path(fmt::format("checkpoints/{}/{}.part", run.stage, split)), "", run.ranks);
    for (auto& s : samples) s.logprobs.clear();
    run.once("samples written", [&] { write_jsonl(run.path(report::eval_samples_file(policy, split)), samples); });
    result.splits.push_back(eval::evaluate(split, problems, samples, options));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  eval::finish(result, options.bootstrap);
  run.once("the evaluation written", [&] { write_file(run.path(evaluation_file(policy, most_problems)), Json(result).dump(1) + "\n"); });
  run.facts["accuracy"] = result.average.value;
}

namespace {

void audit(StageRun& run) {
  const auto policy = policy_sample_file(run), made = read_jsonl<Sample>(run.path(report::samples_file("generator")));
  const auto parts = by_reward_model(run, policy);
  const auto problems = run.training_problems();
  eval::AuditResult result;
  std::map<std::string, std::vector<Pair>> pairs;
  for (const char* name : {"plausible", "rejection"}) pairs[name] = read_jsonl<Pair>(run.path(report::pairs_file(name)));
  for (const char* score : {"reward_model", "judge", "policy_logprob"}) {
    std::vector<std::vector<double>> groups(3);
    for (const auto& s : parts.unseen())
      if (s.correct.value_or(false) && s.scores.count(score)) groups[0].push_back(s.scores.at(score));
    const std::string key = std::string("rejected_") + score;
    for (const auto& p : pairs["plausible"])
      if (p.scores.count(key)) groups[1].push_back(p.scores.at(key));
    for (const auto& p : pairs["rejection"])
      if (p.scores.count(key)) groups[2].push_back(p.scores.at(key));
    if (!groups[0].empty() && !groups[1].empty() && !groups[2].empty())
      result.scores.push_back(eval::distribution(score, {"correct", "plausible", "rejection"}, groups, 30));
  }
  for (const auto& [name, list] : pairs) {
    std::vector<eval::LabelledText> texts;
    for (const auto& p : list) texts.push_back({p.chosen, p.problem_id, true}), texts.push_back({p.rejected, p.problem_id, false});
    result.separability[name] = eval::separability(texts);
  }
  result.diversity["policy"] = eval::diversity(problems, policy);
  result.diversity["generator"] = eval::diversity(problems, made);
  if (const auto* record = run.manifest.find("negatives"); record && record->facts.contains("filters"))
    for (const auto& [name, f] : record->facts["filters"].items())
      result.filters[name] = {f.at("candidates"), f.at("kept"), f.at("dropped").get<std::map<std::string, int64_t>>()};
  write_file(run.path(report::kAuditFile), Json(result).dump(1) + "\n");
  if (const auto* rm = result.find("reward_model"))
    for (const auto& g : rm->groups) run.facts["mean_score_" + g.name] = g.mean;
}

// With goals, only they and what they need are left to do; the report shows whatever there is.
void keep_goals(const std::vector<std::string>& goals, std::vector<Stage>& list) {
  if (goals.empty()) return;
  std::vector<std::string> names;
  std::set<std::string> wanted = {"report", "data"};  // every stage reads problems
  for (const auto& s : list) names.push_back(s.name);
  for (const auto& goal : goals) {
    if (std::find(names.begin(), names.end(), goal) == names.end()) {
      const std::string near = nearest(goal, names);
      throw UsageError(fmt::format("there is no stage \"{}\" in this recipe", goal), "goals", near.empty() ? fmt::format("its stages: {}", fmt::join(names, ", ")) : "did you mean " + near + "?");
    }
    wanted.insert(goal);
  }
  for (size_t i = list.size(); i-- > 0;) {
    Stage& s = list[i];
    if (s.name == "report") {
      std::erase_if(s.needs, [&](const std::string& need) { return std::find(goals.begin(), goals.end(), need) == goals.end(); });
      continue;
    }
    if (!wanted.contains(s.name)) {
      if (s.skip.empty()) s.skip = "not needed for the goals";
    } else if (s.skip.empty()) {
      wanted.insert(s.needs.begin(), s.needs.end());
    }
  }
}

}  // namespace

std::vector<Stage> stages(const Recipe& r) {
  using report::model_folder;
  std::vector<Stage> out;
  const Json prompt = options_json(r.prompt), model = options_json(r.model);
  auto used = [](const std::string& use) { return use.empty() ? std::vector<fs::path>{} : std::vector<fs::path>{use}; };
  auto joined = [](std::vector<fs::path> a, const std::vector<fs::path>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  auto replaced = [](const std::string& use) { return use.empty() ? std::string() : "replaced by " + use; };

  Stage data{"data", "problems", {}, {report::problems_file("train")}, "", options_json(r.data), {}, make_data};
  if (r.data.source == "files") {
    data.inputs.push_back(resolve_problems(r.data.train));
    for (const auto& e : r.data.eval) data.inputs.push_back(resolve_problems(e));
  }
  out.push_back(data);

  out.push_back({"model", "the start model", {}, {model_folder("start")}, replaced(r.model.path), model, used(r.model.path), make_model});
  out.push_back({"sft", "supervised start on worked solutions", {"data", "model"}, {model_folder("sft")},
                 !r.sft.enabled ? "disabled" : replaced(r.sft.use), {options_json(r.sft), prompt, model}, used(r.sft.use), sft});
  out.push_back({"rl", "RL with verifiable rewards: the policy", {"sft"}, {model_folder("rl")}, !r.rl.enabled ? "disabled" : replaced(r.rl.use),
                 {options_json(r.rl), prompt, model}, joined(used(r.rl.use), joined(used(r.rl.train.replay), used(r.rl.train.inject == "solutions" ? "" : r.rl.train.inject))), rl});
  out.push_back({"policy_samples", r.policy_samples.use.empty() ? "the policy's right and wrong answers" : "the right and wrong answers of " + r.policy_samples.use, {"rl", "data"}, {report::samples_file("policy")}, "",
                 {options_json(r.policy_samples), prompt}, used(r.policy_samples.use), policy_samples});
  const bool rm_made = r.reward_model.enabled && r.reward_model.use.empty();
  out.push_back({"reward_model", rm_made ? "reward model on right and wrong answers" : "scores of the given reward model", {"policy_samples"},
                 rm_made ? std::vector<std::string>{model_folder("reward"), report::samples_file("policy")} : std::vector<std::string>{report::samples_file("policy")},
                 r.reward_model.enabled ? "" : "disabled", {options_json(r.reward_model), prompt, model}, joined(used(r.reward_model.use), used(r.reward_model.outside)), reward_model});
  const bool warm = r.generator.warm_start.enabled;
  std::string no_generator;
  if (!r.negatives.sampling.use.empty())
    no_generator = "not needed: negatives are given";
  else if (!study_needs_generator(r) && r.negatives.source != NegativeSource::kGenerator)
    no_generator = "not needed: the negatives have another source";
  else if (r.negatives.sampling.from == Answers::kEndpoint)
    no_generator = "not needed: an endpoint writes the negatives";
  if (warm)
    out.push_back({"warm_start", "supervised start of the generator on wrong answers", {"rl", "policy_samples"}, {model_folder("warm_start")},
                   !no_generator.empty() ? no_generator : replaced(r.generator.use), {options_json(r.generator.warm_start), prompt, model}, {}, warm_start});
  out.push_back({"generator", "reverse RL: a generator of plausible wrong answers", warm ? std::vector<std::string>{"rl", "reward_model", "warm_start"} : std::vector<std::string>{"rl", "reward_model"}, {model_folder("generator")},
                 !no_generator.empty() ? no_generator : replaced(r.generator.use), {options_json(r.generator), prompt, model},
                 used(r.generator.use), generator});
  out.push_back({"negatives", "sampling, filtering and pairing negatives", {"generator", "policy_samples", "reward_model"},
                 {report::samples_file("generator"), report::pairs_file("plausible"), report::pairs_file("rejection")}, "", {options_json(r.negatives), prompt},
                 r.negatives.sampling.use.empty() ? source_inputs(r, r.negatives.source) : used(r.negatives.sampling.use), negatives});
  if (r.generator.judge.kind == JudgeKind::kModel && r.generator.judge.model.empty())
    for (auto& stage : out)
      if (stage.name == "generator" || stage.name == "negatives") stage.needs.push_back("model");  // it judges
  for (const char* name : {"rejection", "plausible"})
    out.push_back({std::string("dpo_") + name, fmt::format("preference training on {} negatives", name == std::string("rejection") ? "rejection-sampled" : "plausible"),
                   {"negatives"}, {model_folder(std::string("dpo_") + name)}, "", {preference_json(r, r.preference), model}, {}, [name](StageRun& run) { dpo(run, name); }});
  std::vector<std::string> evaluated;
  auto evaluate = [&](const std::string& policy, const std::string& need) {
    out.push_back({"eval_" + policy, "evaluating " + policy, {need, "data"}, {report::eval_file(policy)}, "", {options_json(r.eval), prompt}, {},
                   [policy](StageRun& run) { evaluate_stage(run, policy, run.model(policy), run.recipe.eval); }});
    evaluated.push_back("eval_" + policy);
  };
  if (r.eval.start_model || !r.sft.enabled) evaluate("start", "model");
  if (r.sft.enabled) evaluate("sft", "sft");
  if (r.rl.enabled) evaluate("rl", "rl");
  step_stages(r, out);
  if (r.steps.trains_samples()) {
    out.push_back({"bcpg_steps", "behaviour-constrained policy gradient on the labelled samples, their right steps spared", {"steps", "rl"}, {model_folder("bcpg_steps")}, "",
                   {options_json(r.steps.policy), options_json(r.rl.reward), prompt, model}, {}, bcpg_steps});
    evaluate("bcpg_steps", "bcpg_steps");
  }
  if (r.steps.trains_pairs()) {
    out.push_back({"dpo_steps", "per-step preference training on first bad steps", {"steps", "rl"}, {model_folder("dpo_steps")}, "", {preference_json(r, r.preference), model}, {},
                   [](StageRun& run) { dpo(run, "steps"); }});
    evaluate("dpo_steps", "dpo_steps");
  }
  view_stages(r, out);
  self_training_stages(r, out);
  if (r.self_training.enabled) evaluate("self", "self_training");
  evaluate("dpo_rejection", "dpo_rejection");
  evaluate("dpo_plausible", "dpo_plausible");
  round_stages(r, out, evaluated);
  if (r.eval.max_negative_flips && r.rl.enabled) {
    Stage last{"gate", "refusing a policy with too many negative flips", {"eval_rl", "eval_dpo_rejection", "eval_dpo_plausible"}, {model_folder("accepted")}, "", *r.eval.max_negative_flips, {}, gate};
    for (int64_t round = 2; round <= r.rounds; ++round) last.needs.push_back(fmt::format("round_{}", round));
    out.push_back(last);
    evaluated.push_back("gate");
  }
  study_stages(r, out, evaluated);
  out.push_back({"audit", "what the negatives look like beside right answers", {"negatives"}, {report::kAuditFile}, "", {}, {}, audit});
  Stage page{"report", "the report page", evaluated, {report::kReportFile}, "", {}, {}, [](StageRun& run) { report::write_report(run.folder); }};
  page.needs.push_back("audit");
  out.push_back(page);
  for (Stage& stage : out) {
    const std::string& n = stage.name;
    const auto is = [&](const char* prefix) { return n.starts_with(prefix); };
    stage.shared = n == "sft" || n == "rl" || n == "policy_samples" || n == "reward_model" || n == "process_reward_model" || n == "warm_start" || n == "generator" || is("negatives") || is("dpo_") || is("bcpg_") || is("eval_") ||
                   is("round_") || is("variant_") || is("train_");
  }
  keep_goals(r.goals, out);
  return out;
}

}  // namespace foil::pipeline
