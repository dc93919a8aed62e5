#include <chrono>
#include <fstream>

#include <ATen/ATen.h>

#include "data/dataset.h"
#include "data/family.h"
#include "io/jsonl.h"
#include "nn/kv_cache.h"
#include "nn/weight_files.h"
#include "pipeline/run.h"

namespace foil::pipeline {

namespace {

// f32 multiply-adds of this machine, measured for a moment: operations per second.
double measured_rate() {
  at::NoGradGuard off;
  const at::Tensor a = at::rand({512, 512}), b = at::rand({512, 512});
  at::mm(a, b);
  const auto start = std::chrono::steady_clock::now();
  int n = 0;
  double seconds = 0;
  do at::mm(a, b), ++n, seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  while (seconds < 0.3);
  return 2.0 * 512 * 512 * 512 * n / seconds;
}

std::string time_text(double s) {
  if (s < 90) return fmt::format("{:.0f} s", s);
  if (s < 5400) return fmt::format("{:.0f} min", s / 60);
  return fmt::format("{:.1f} h", s / 3600);
}

std::string memory_text(double bytes) { return bytes < 1e9 ? fmt::format("{:.0f} MB", bytes / 1e6) : fmt::format("{:.1f} GB", bytes / 1e9); }

// Problems of a file, without reading them as such: a plan counts lines.
int64_t line_count(const std::filesystem::path& path) {
  std::ifstream in(path);
  int64_t n = 0;
  for (std::string line; std::getline(in, line);) n += line.find_first_not_of(" \t\r") != std::string::npos;
  return n;
}

struct Work {
  double generated = 0, trained = 0, forward = 0;  // tokens
  double bytes = 0;
};

// A plan needs no weights: of a folder, config.json is enough.
nn::ModelConfig shape_of(const std::filesystem::path& path) {
  const auto config = path / "config.json";
  return std::filesystem::is_regular_file(config) ? nn::parse_model_config(nlohmann::json::parse(read_file(config)), config.string()) : nn::open_model(path).config;
}

}  // namespace

std::string plan_text(const Recipe& r) {
  nn::ModelConfig config;
  if (r.model.path.empty()) {
    config = random_model(r.model.random, r.seed, family_corpus(r.seed, 20)).model->config();
  } else {
    config = shape_of(r.model.path);
  }
  const bool family = r.data.source == "family";
  double problems = double(family ? r.data.family.train_problems : line_count(resolve_problems(r.data.train)));
  if (r.data.train_limit > 0) problems = std::min(problems, double(r.data.train_limit));
  double eval_problems = 0;
  if (family)
    eval_problems = double(r.data.family.eval_problems) * double(r.data.eval.empty() ? family_splits().size() : r.data.eval.size());
  else
    for (const auto& e : r.data.eval) {
      const auto n = double(line_count(resolve_problems(e)));
      eval_problems += r.data.eval_limit > 0 ? std::min(n, double(r.data.eval_limit)) : n;
    }
  // Tokens of a typical prompt and answer: the family's are known, others are guessed from the limit.
  const double prompt = family ? 50 : 150;
  auto answer = [&](int max_tokens) { return family ? std::min(60.0, double(max_tokens)) : 0.5 * max_tokens; };
  const double bytes_each = r.model.dtype == "bf16" ? 2 : 4;
  const double weights = double(config.parameters()) * bytes_each, state = double(config.parameters()) * (r.model.dtype == "bf16" ? 4 + 12 : 12);
  auto activations = [&](int64_t tokens, bool recompute) {
    const double per_layer = double(config.hidden_size) * 8 + double(config.intermediate_size) * 3;
    return double(tokens) * bytes_each * (recompute ? double(config.num_hidden_layers * config.hidden_size) + per_layer : double(config.num_hidden_layers) * per_layer) + 64e6;
  };
  const double kv = std::min(double(r.engine.kv_memory_mb) * 1048576.0,
                             double(r.engine.max_sequences) * (prompt + answer(r.eval.max_tokens)) / double(r.engine.block_tokens) *
                                 double(nn::KvCache::bytes_per_block(config, r.engine.block_tokens, r.model.dtype == "bf16" ? at::kBFloat16 : at::kFloat)));
  std::map<std::string, Work> work;
  const double sft_problems = r.sft.problems > 0 ? std::min(problems, double(r.sft.problems)) : problems;
  auto updates = [](const train::BatchOptions& b, double records) {
    const double n = records * b.epochs / double(b.batch_size);
    return (b.max_steps > 0 ? std::min(n, double(b.max_steps)) : n) * double(b.batch_size);
  };
  work["sft"] = {0, updates(r.sft.train.loop.batch, sft_problems) * (prompt + (family ? 60 : 250)), 0, weights + state + activations(r.sft.train.loop.batch.micro_batch_tokens, r.sft.train.loop.recompute)};
  auto on_policy = [&](const train::OnPolicyOptions& o) {
    const double samples = double(o.steps * o.problems_per_step) * o.group_size, n = answer(o.max_completion_tokens);
    return Work{samples * n, samples * n * double(o.updates_per_batch), double(o.steps * o.problems_per_step) * prompt, weights + state + kv + activations(o.micro_batch_tokens, o.recompute)};
  };
  work["rl"] = on_policy(r.rl.train);
  work["generator"] = on_policy(r.generator.train);
  if (r.reward_model.enabled) work["generator"].forward += work["generator"].generated, work["generator"].bytes += weights;
  auto sampling = [&](const SamplingSection& s) {
    const double n = (s.problems > 0 ? std::min(problems, double(s.problems)) : problems);
    return Work{n * double(s.samples_per_problem) * answer(s.max_tokens), 0, n * prompt, weights + kv};
  };
  work["policy_samples"] = sampling(r.policy_samples);
  work["negatives"] = sampling(r.negatives.sampling);
  const double per_pair = prompt + 2 * answer(r.policy_samples.max_tokens);
  work["reward_model"] = {0, updates(r.reward_model.train.loop.batch, problems * double(r.reward_model.pairs_per_problem) * 0.7) * per_pair, work["policy_samples"].generated,
                          weights + state + activations(r.reward_model.train.loop.batch.micro_batch_tokens, r.reward_model.train.loop.recompute)};
  for (const char* name : {"dpo_rejection", "dpo_plausible"}) {
    const double trained = updates(r.preference.loop.batch, problems * double(r.negatives.pairs.pairs_per_problem) * 0.7) * per_pair;
    work[name] = {0, trained, trained, weights + state + activations(r.preference.loop.batch.micro_batch_tokens, r.preference.loop.recompute)};
  }
  for (const char* policy : {"start", "sft", "rl", "dpo_rejection", "dpo_plausible"})
    work[std::string("eval_") + policy] = {eval_problems * double(r.eval.temperature == 0 ? 1 : r.eval.samples_per_problem * r.eval.runs) * answer(r.eval.max_tokens), 0, eval_problems * prompt, weights + kv};

  const double rate = measured_rate(), operations = 2.0 * double(config.multiplying_parameters());
  const Manifest manifest(r.output);
  std::string out = fmt::format("{}: {} {:.3g} M parameters, {:.0f} training problems, {:.0f} evaluation problems, output {}\n", r.name, config.model_type,
                                double(config.parameters()) / 1e6, problems, eval_problems, r.output);
  out += fmt::format("this machine: {:.0f} GFLOP/s in f32 matrix products, measured now; the times assume half of it in training and a quarter in sampling\n\n", rate / 1e9);
  out += fmt::format("{:<16} {:<10} {:>10} {:>10} {:>9} {:>9}  {}\n", "stage", "state", "generated", "trained", "time", "memory", "");
  double total = 0, peak = 0;
  auto tokens = [](double n) { return n <= 0 ? std::string("-") : n < 1e6 ? fmt::format("{:.0f} k", n / 1e3) : fmt::format("{:.1f} M", n / 1e6); };
  for (const auto& stage : stages(r)) {
    const Work w = work.count(stage.name) ? work[stage.name] : Work{};
    const double seconds = operations * (w.generated / 0.25 + 3 * w.trained / 0.5 + w.forward / 0.5) / rate;
    const auto* record = manifest.find(stage.name);
    const std::string state_text = !stage.skip.empty() ? "skipped" : record ? record->status : "to do";
    if (stage.skip.empty() && state_text != "done") total += seconds, peak = std::max(peak, w.bytes);
    const bool idle = !stage.skip.empty();
    out += fmt::format("{:<16} {:<10} {:>10} {:>10} {:>9} {:>9}  {}\n", stage.name, state_text, idle ? "-" : tokens(w.generated), idle ? "-" : tokens(w.trained),
                       idle || seconds == 0 ? "-" : time_text(seconds), idle || w.bytes == 0 ? "-" : memory_text(w.bytes), idle ? stage.skip : stage.summary);
  }
  out += fmt::format("\nto do: about {}, {} at the most; small models take longer than this, their cost is not the matrix products\n", time_text(total), memory_text(peak));
  return out;
}

}  // namespace foil::pipeline
