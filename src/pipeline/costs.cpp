#include "pipeline/costs.h"

#include <chrono>
#include <fstream>

#include <ATen/ATen.h>

#include "data/dataset.h"
#include "data/family.h"
#include "nn/kv_cache.h"
#include "nn/weight_files.h"
#include "pipeline/rounds.h"
#include "pipeline/variants.h"
#include "pipeline/workbench.h"

namespace foil::pipeline {

namespace {

// Shares of the rate of matrix products that training and sampling reach (docs/performance.md: 0.69 to 0.91, 0.65 to 0.86 from 8 sequences on).
constexpr double kTrainingShare = 0.75, kSamplingShare = 0.6;
constexpr double kShareWithPairs = 0.7;  // of the problems: those answered both right and wrong

// Multiply-adds in matrix products, measured for a moment: operations per second.
double measured_rate(at::Device device, at::ScalarType type) {
  at::NoGradGuard off;
  const int64_t n = device.is_cpu() ? 512 : 4096;
  const at::Tensor a = at::rand({n, n}).to(device, type), b = at::rand({n, n}).to(device, type);
  auto product = [&] { at::mm(a, b).flatten()[0].item<float>(); };
  product();
  const auto start = std::chrono::steady_clock::now();
  int times = 0;
  double seconds = 0;
  do product(), ++times, seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  while (seconds < 0.3);
  return 2.0 * double(n * n * n) * times / seconds;
}

// Problems of a file, without reading them as such: a plan counts lines.
double line_count(const std::filesystem::path& path, int64_t limit) {
  std::ifstream in(path);
  int64_t n = 0;
  for (std::string line; (limit <= 0 || n < limit) && std::getline(in, line);) n += line.find_first_not_of(" \t\r") != std::string::npos;
  return double(n);
}

// A plan needs no weights: of a folder, config.json is enough.
nn::ModelConfig shape_of(const std::filesystem::path& path) {
  const auto config = path / "config.json";
  return std::filesystem::is_regular_file(config) ? nn::parse_model_config(nlohmann::json::parse(read_file(config)), config.string()) : nn::open_model(path).config;
}

Work operator+(Work a, const Work& b) {
  a.generated += b.generated, a.trained += b.trained, a.forward += b.forward, a.bytes = std::max(a.bytes, b.bytes);
  return a;
}

}  // namespace

std::string time_text(double s) {
  if (s < 90) return fmt::format("{:.0f} s", s);
  if (s < 5400) return fmt::format("{:.0f} min", s / 60);
  return s < 172800 ? fmt::format("{:.1f} h", s / 3600) : fmt::format("{:.0f} days", s / 86400);
}

std::string memory_text(double bytes) { return bytes < 1e9 ? fmt::format("{:.0f} MB", bytes / 1e6) : fmt::format("{:.1f} GB", bytes / 1e9); }

Costs::Costs(const Recipe& recipe) : r_(recipe) {
  config = r_.model.path.empty() ? random_model(r_.model.random, r_.seed, family_corpus(r_.seed, 20)).model->config() : shape_of(r_.model.path);
  family_ = r_.data.source == "family";
  if (family_) {
    problems = double(r_.data.family.train_problems);
    if (r_.data.train_limit > 0) problems = std::min(problems, double(r_.data.train_limit));
    eval_problems = double(r_.data.family.eval_problems) * double(r_.data.eval.empty() ? family_splits().size() : r_.data.eval.size());
  } else {
    problems = line_count(resolve_problems(r_.data.train), r_.data.train_limit);
    for (const auto& e : r_.data.eval) eval_problems += line_count(resolve_problems(e), r_.data.eval_limit);
  }
  prompt_ = family_ ? 45 : 150;
  const bool half = r_.model.dtype == "bf16";
  bytes_each_ = half ? 2 : 4;
  weights_ = double(config.parameters()) * bytes_each_, state_ = double(config.parameters()) * (4 + (half ? 12.0 : 8.0) / r_.processes);  // gradients; moments, and masters of bf16
  cache_ = std::min(double(r_.engine.kv_memory_mb) * 1048576.0,
                    double(r_.engine.max_sequences) * (prompt_ + answer(r_.eval.max_tokens)) / double(r_.engine.block_tokens) *
                        double(nn::KvCache::bytes_per_block(config, r_.engine.block_tokens, half ? at::kBFloat16 : at::kFloat)));
  const bool here = r_.model.device == "cpu" || at::hasCUDA();
  const at::Device device = here ? device_of(r_.model.device) : at::Device(at::kCPU);
  const at::ScalarType type = device.is_cpu() ? at::kFloat : half ? at::kBFloat16 : at::kFloat;
  rate_ = measured_rate(device, type);
  device_ = fmt::format("{}{:.0f} GFLOP/s in {} matrix products on {}", r_.model.device.starts_with("cuda") && !here ? "no CUDA here, so times are this processor's: " : "", rate_ / 1e9,
                        type == at::kFloat ? "f32" : "bf16", device.is_cpu() ? "this processor" : device.str());
}

std::string Costs::machine() const {
  return fmt::format("{}, measured now; assumed: {:.0f} % of it in training, {:.0f} % in sampling", device_, 100 * kTrainingShare, 100 * kSamplingShare);
}

// The family's answers have a known length, others are guessed from the limit.
double Costs::answer(int64_t max_tokens) const { return family_ ? std::min(38.0, double(max_tokens)) : 0.5 * double(max_tokens); }

double Costs::activations(int64_t tokens, bool recompute) const {
  const double per_layer = double(config.hidden_size) * 8 + double(config.intermediate_size) * 3;
  return double(tokens) * bytes_each_ * (recompute ? double(config.num_hidden_layers * config.hidden_size) + per_layer : double(config.num_hidden_layers) * per_layer) + 64e6;
}

double Costs::sampled(int64_t first) const { return first > 0 ? std::min(problems, double(first)) : problems; }

Work Costs::sampling(const SamplingSection& s, double of_problems) const {
  if (s.from == Answers::kEndpoint || !s.use.empty()) return {};
  return {of_problems * double(s.samples_per_problem) * answer(s.max_tokens), 0, of_problems * prompt_, weights_ + cache_};
}

Work Costs::on_policy(const train::OnPolicyOptions& o) const {
  const double groups = double(o.steps * o.problems_per_step), n = groups * o.group_size * answer(o.max_completion_tokens);
  return {n, (n + groups * prompt_) * double(o.updates_per_batch), groups * prompt_, weights_ + state_ + cache_ + activations(o.micro_batch_tokens, o.recompute)};
}

Work Costs::from_file(const train::FileLoopOptions& o, double records, double tokens_each) const {
  double updates = records * o.batch.epochs / double(o.batch.batch_size);
  if (o.batch.max_steps > 0) updates = std::min(updates, double(o.batch.max_steps));
  return {0, updates * double(o.batch.batch_size) * tokens_each, 0, weights_ + state_ + activations(o.batch.micro_batch_tokens, o.recompute)};
}

Work Costs::evaluation(const EvalSection& e, double of_problems) const {
  return {of_problems * double(e.temperature == 0 ? 1 : e.samples_per_problem * e.runs) * answer(e.max_tokens), 0, of_problems * prompt_, weights_ + cache_};
}

// Pairs share their prompt; the reference's log-probabilities are one pass forward.
Work Costs::preference() const {
  const double served = std::min(sampled(r_.policy_samples.problems), sampled(r_.negatives.sampling.problems)) * kShareWithPairs;
  Work w = from_file(r_.preference.loop, served * double(r_.negatives.pairs.pairs_per_problem), prompt_ + 2 * answer(r_.policy_samples.max_tokens));
  w.forward = w.trained / std::max(1, int(r_.preference.loop.batch.epochs));
  return w;
}

Work Costs::sum(const std::string& stage) const {
  const Recipe& r = r_;
  auto is = [&](const char* prefix) { return stage.starts_with(prefix); };
  const double solution = family_ ? 38 : 200;
  if (stage == "sft") return from_file(r.sft.train.loop, r.sft.problems > 0 ? std::min(problems, double(r.sft.problems)) : problems, prompt_ + solution);
  if (stage == "rl") return on_policy(r.rl.train);
  if (is("train_policy_")) {
    auto o = r.rl.train;
    if (r.study.policy_steps > 0) o.steps = r.study.policy_steps;
    return on_policy(o);
  }
  if (stage == "policy_samples") return sampling(r.policy_samples, sampled(r.policy_samples.problems));
  const Work right_and_wrong = sampling(r.policy_samples, sampled(r.policy_samples.problems));
  if (stage == "reward_model") {
    Work w = from_file(r.reward_model.train.loop, sampled(r.policy_samples.problems) * kShareWithPairs * double(r.reward_model.pairs_per_problem), prompt_ + 2 * answer(r.policy_samples.max_tokens));
    w.forward = right_and_wrong.generated;
    return r.reward_model.use.empty() ? w : Work{0, 0, w.forward, weights_};
  }
  if (stage == "warm_start")
    return from_file(r.generator.warm_start.train.loop, sampled(r.policy_samples.problems) * kShareWithPairs * double(r.generator.warm_start.answers_per_problem), prompt_ + answer(r.policy_samples.max_tokens));
  if (stage == "generator") {
    Work w = on_policy(r.generator.train);
    if (r.reward_model.enabled) w.forward += w.generated, w.bytes += weights_;
    return w;
  }
  if (stage == "negatives_rejection" || stage == "negatives_perturbation") return {0, 0, right_and_wrong.generated, weights_};
  if (stage == "negatives" || is("negatives_")) {
    Work w = sampling(r.negatives.sampling, sampled(r.negatives.sampling.problems));
    w.forward += 2 * w.generated, w.bytes = std::max(w.bytes, weights_);  // scores, and how likely the policy finds them
    return w;
  }
  if (stage == "bcpg_steps") {  // replayed, not sampled
    Work w = on_policy(r.steps.policy);
    w.generated = 0;
    return w;
  }
  if (is("dpo_") || is("train_from_") || is("train_loss_")) return preference();
  if (is("round_")) {
    Work w;
    for (const auto& part : stages_of_round())
      if (part != "warm_start" || r.generator.warm_start.enabled) w = w + sum(part);
    return w;
  }
  if (is("variant_")) {
    for (const auto& v : r.study.variants)
      if (stage == "variant_" + v.name) {
        const VariantWork anew = work_of(r, v);
        Costs its = *this;
        its.r_ = anew.recipe;
        Work w = its.preference() + its.evaluation(anew.recipe.eval, eval_problems);
        if (anew.samples) w = w + its.sum("policy_samples");
        if (anew.reward_model) w = w + its.sum("reward_model");
        if (anew.generator) w = w + its.sum("generator");
        w = w + (anew.negatives ? its.sum("negatives") : Work{0, 0, 2 * right_and_wrong.generated, weights_});
        for (int64_t round = 2; round <= anew.recipe.rounds; ++round) w = w + its.sum("round_2");
        return w;
      }
  }
  if (is("eval_pass_")) {
    EvalSection e = r.eval;
    e.samples_per_problem = r.study.pass_samples, e.runs = 1, e.temperature = 1;
    const double splits = double(family_ && r.data.eval.empty() ? family_splits().size() : r.data.eval.size());
    return evaluation(e, r.study.pass_problems > 0 ? std::min(eval_problems, splits * double(r.study.pass_problems)) : eval_problems);
  }
  if (is("eval_")) return evaluation(r.eval, eval_problems);
  if (stage == "steps") {  // about four steps in an answer; a continuation is half an answer on average
    if (r.steps.sampling.from == Answers::kEndpoint) return {};
    const double of = sampled(r.policy_samples.problems) * double(r.steps.sampling.samples_per_problem) * kShareWithPairs;
    return {of * 4 * double(r.steps.values.rollouts) * 0.5 * answer(r.steps.sampling.max_tokens), 0, of * 4 * prompt_, weights_ + cache_};
  }
  if (stage == "process_reward_model")
    return from_file(r.steps.process_reward.train.loop, sampled(r.policy_samples.problems) * double(r.steps.sampling.samples_per_problem) * kShareWithPairs, prompt_ + answer(r.policy_samples.max_tokens));
  if (is("self") && stage != "self_training") {
    const SelfTrainingSection& s = r.self_training;
    const double held = problems * s.held_out, learned = problems - held;
    if (stage.ends_with("samples")) return sampling(s.sampling, s.sampling.problems > 0 ? std::min(learned, double(s.sampling.problems)) : learned);
    if (stage.ends_with("train")) return from_file(s.train.loop, learned * kShareWithPairs * double(std::min(s.per_problem, s.sampling.samples_per_problem)) / 2, prompt_ + answer(s.sampling.max_tokens));
    if (stage.ends_with("check")) return {held * double(s.held_out_samples) * answer(s.sampling.max_tokens), 0, held * prompt_, weights_ + cache_};
    const double wrong = learned * kShareWithPairs * double(s.reflect.samples_per_problem);
    if (s.reflect.from == Answers::kEndpoint) return {};
    return from_file(s.reflect.train.loop, wrong, prompt_ + 2 * answer(s.sampling.max_tokens)) + Work{wrong * double(s.reflect.attempts) * answer(s.sampling.max_tokens), 0, wrong * prompt_, weights_ + cache_};
  }
  return {};
}

Work Costs::of(const std::string& stage) const {
  Work w = sum(stage);
  w.seconds = 2.0 * double(config.multiplying_parameters()) * (w.generated / kSamplingShare + (3 * w.trained + w.forward) / kTrainingShare) / (rate_ * r_.processes);
  return w;
}

}  // namespace foil::pipeline
