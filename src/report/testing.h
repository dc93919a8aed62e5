// A run folder with made-up but realistic contents, for the tests of this room: the demo's problems, policies that get better,
// a generator that learns to be wrong. Every file of report/run_files.h.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/random.h"
#include "data/family.h"
#include "eval/audit.h"
#include "report/run_files.h"

namespace foil::report {

struct FixtureOptions {
  double skill[5] = {0.02, 0.44, 0.56, 0.575, 0.60};  // kPolicies
  double reward_offset = 0.1;                         // plausible negatives' score above correct answers'
  double chosen_fall = 1.5;                           // how far the chosen answers' log-probability falls in DPO
  bool one_trick = false;
  int runs = 4;
};

class Fixture {
 public:
  // Made once a process for the default options, then copied.
  explicit Fixture(const std::filesystem::path& folder) {
    static const auto made = [] {
      const auto path = std::filesystem::temp_directory_path() / fmt::format("foil_report_{}_made", ::getpid());
      Fixture(path, FixtureOptions{});
      std::atexit([] { std::filesystem::remove_all(std::filesystem::temp_directory_path() / fmt::format("foil_report_{}_made", ::getpid())); });
      return path;
    }();
    std::filesystem::copy(made, folder, std::filesystem::copy_options::recursive);
  }
  Fixture(const std::filesystem::path& folder, const FixtureOptions& options) : folder_(folder), o_(options) {
    std::filesystem::create_directories(folder_);
    problems();
    evaluations();
    metrics();
    pairs_and_audit();
    manifest();
  }

 private:
  void lines(const std::string& name, const std::vector<Json>& items) {
    std::string text;
    for (const auto& j : items) text += j.dump() + "\n";
    write_file(folder_ / name, text);
  }

  void problems() {
    Stream s(1, "train");
    for (int i = 0; i < 400; ++i) {
      const std::string split = i % 3 ? "steps2" : "steps3";
      train_.push_back(render(make_program(split, s), fmt::format("train-{}", i)));
    }
    std::vector<Json> items(train_.begin(), train_.end());
    lines(problems_file("train"), items);
  }

  void evaluations() {
    for (size_t p = 0; p < std::size(kPolicies); ++p) {
      eval::EvalResult result{.policy = kPolicies[p], .model = model_folder(kPolicies[p])};
      result.sampling = {{"temperature", 1.0}, {"max_tokens", 96}};
      result.seconds = 9.5 + double(p);
      double hardness = 0.12;
      for (const auto& split : family_splits()) {
        hardness -= 0.06;
        std::vector<Problem> items;
        std::vector<Sample> samples;
        Stream difficulty(7, split), draw(8, fmt::format("{} {}", split, kPolicies[p]));
        for (int i = 0; i < 100; ++i) {
          Problem problem{fmt::format("{}-{}", split, i), "?", "1", {}, {}, {}};
          const double logit = std::log(o_.skill[p] / (1 - o_.skill[p])) + 8 * hardness + 1.6 * difficulty.normal();
          for (int k = 0; k < o_.runs; ++k) {
            Sample x;
            x.problem_id = problem.id;
            x.sample_id = k;
            x.token_ids.assign(size_t(draw.between(30, 50)), 1);
            if (draw.chance(p == 0 ? 0.7 : 0.03)) x.finish_reason = Finish::kLength;
            else {
              x.correct = draw.chance(1 / (1 + std::exp(-logit)));
              x.answer = *x.correct ? "1" : std::to_string(10 + draw.below(4));
            }
            samples.push_back(x);
          }
          items.push_back(problem);
        }
        eval::EvalOptions options;
        options.runs = o_.runs;
        options.bootstrap.resamples = 1000;
        result.splits.push_back(eval::evaluate(split, items, samples, options));
      }
      eval::finish(result, {.resamples = 1000});
      write_file(folder_ / eval_file(kPolicies[p]), Json(result).dump());
    }
  }

  void metrics() {
    std::vector<Json> out;
    Stream s(3, "metrics");
    double time = 1'790'000'000;
    const auto write = [&](const char* stage, int step, const std::string& name, double value) { out.push_back(Json(Metric{time, stage, step, name, value})); };
    const auto noisy = [&](double v, double scale) { return v + scale * s.normal(); };
    for (int i = 1; i <= 500; ++i, time += 0.2) {
      const double t = i / 500.0;
      write("sft", i, "loss", noisy(0.25 + 2.4 * std::exp(-7 * t), 0.03));
      write("sft", i, "grad_norm", std::abs(noisy(0.6 + 2 * std::exp(-9 * t), 0.1)));
      write("sft", i, "lr", 3e-3 * std::min(1.0, i / 30.0) * (1 - t));
      write("sft", i, "train_tokens_per_s", noisy(21000, 500));
    }
    for (const bool generator : {false, true}) {
      const char* stage = generator ? "generator" : "rl";
      for (int i = 1; i <= 120; ++i, time += 0.6) {
        const double t = i / 120.0, right = generator ? 0.55 * std::exp(-4 * t) + 0.06 : 0.44 + 0.13 * (1 - std::exp(-3 * t));
        write(stage, i, "reward", noisy(generator ? 0.25 + 0.5 * (1 - std::exp(-3 * t)) : right, 0.03));
        if (generator) {
          write(stage, i, "reward/accuracy_inversion", noisy(1 - right, 0.03));
          write(stage, i, "reward/reward_model", noisy(0.35 + 0.15 * t, 0.03));
          write(stage, i, "reward/judge", noisy(0.72 + 0.1 * t, 0.02));
        } else {
          write(stage, i, "reward/accuracy", noisy(right, 0.03));
          write(stage, i, "reward/format", noisy(0.97, 0.01));
        }
        write(stage, i, "reward/min", 0);
        write(stage, i, "reward/max", 1);
        write(stage, i, "correct_share", std::clamp(noisy(right, 0.03), 0.0, 1.0));
        write(stage, i, "response_tokens", noisy(38 + 2 * t, 0.8));
        write(stage, i, "entropy", noisy(0.34 - 0.12 * t, 0.008));
        write(stage, i, "kl", std::abs(noisy(0.03 * t, 0.002)));
        write(stage, i, "groups/without_signal_share", std::clamp(noisy(0.28 + 0.1 * t, 0.04), 0.0, 1.0));
        write(stage, i, "groups/all_right_share", std::clamp(noisy(generator ? 0.1 : 0.22, 0.03), 0.0, 1.0));
        write(stage, i, "groups/all_wrong_share", std::clamp(noisy(0.12, 0.03), 0.0, 1.0));
        write(stage, i, "grad_norm", std::abs(noisy(0.4, 0.08)));
        write(stage, i, "clip/high_share", std::abs(noisy(0.01, 0.003)));
        write(stage, i, "clip/low_share", std::abs(noisy(0.006, 0.003)));
        write(stage, i, "distinct_answer_share", std::clamp(noisy(generator ? 0.55 : 0.5, 0.03), 0.0, 1.0));
        write(stage, i, "cut_share", std::abs(noisy(0.02, 0.006)));
        write(stage, i, "rollout_tokens_per_s", noisy(5200, 300));
      }
      if (generator) continue;
      for (int k = 1; k <= 60; ++k, time += 0.3) {
        const double u = k / 60.0;
        write("reward_model", k, "loss", std::abs(noisy(0.69 - 0.3 * u, 0.03)));
        write("reward_model", k, "accuracy", std::clamp(noisy(0.5 + 0.32 * u, 0.03), 0.0, 1.0));
        write("reward_model", k, "score/chosen", noisy(1.3 * u, 0.1));
        write("reward_model", k, "score/rejected", noisy(-1.1 * u, 0.1));
        write("reward_model", k, "grad_norm", std::abs(noisy(1, 0.2)));
      }
    }
    for (const char* stage : {"dpo_rejection", "dpo_plausible"})
      for (int i = 1; i <= 50; ++i, time += 0.5) {
        const double t = i / 50.0, f = o_.chosen_fall;
        write(stage, i, "loss", noisy(0.693 - 0.25 * t, 0.02));
        write(stage, i, "rewards/accuracy", std::clamp(noisy(0.5 + 0.3 * t, 0.03), 0.0, 1.0));
        write(stage, i, "rewards/margin", noisy(0.6 * t, 0.04));
        write(stage, i, "delta/chosen", noisy(-f * t, 0.1));
        write(stage, i, "delta/rejected", noisy(-(f + 5.5) * t, 0.2));
        write(stage, i, "nll", noisy(0.12 + 0.02 * t, 0.005));
        write(stage, i, "grad_norm", std::abs(noisy(2, 0.3)));
      }
    lines(kMetricsFile, out);
  }

  // The reference solution with one operand changed, so that it goes wrong from that step on.
  static std::string slip(const Problem& problem, Stream& s, int by) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      Program p = program_of(problem);
      p.steps[s.below(p.steps.size())].operand += s.chance(0.5) ? by : -by;
      try {
        return *render(p, "x").solution;
      } catch (const std::logic_error&) {  // a value outside the family: another operand
        by = 1 + int(s.below(3));
      }
    }
    return *problem.solution + "0";
  }

  void pairs_and_audit() {
    Stream s(5, "pairs");
    std::vector<Json> plausible, rejection;
    std::vector<double> right_scores, plausible_scores, rejection_scores, right_logprob, plausible_logprob, rejection_logprob;
    std::vector<eval::LabelledText> plausible_texts, rejection_texts;
    std::vector<Sample> samples;
    for (const auto& problem : train_) {
      const double base = 2.2 + 0.9 * s.normal();
      const auto pair = [&](const std::string& rejected, double score, double judge, double logprob, std::vector<Json>& out) {
        Pair p;
        p.prompt = problem.problem;
        p.chosen = *problem.solution;
        p.rejected = rejected;
        p.problem_id = problem.id;
        p.provenance = {{"chosen", "policy#0"}, {"rejected", &out == &plausible ? "generator#2" : "policy#5"}};
        p.scores = {{"chosen_reward_model", base}, {"rejected_reward_model", score}, {"chosen_judge", 0.93}, {"rejected_judge", judge}, {"rejected_policy_logprob", logprob}};
        out.push_back(Json(p));
      };
      right_scores.push_back(base);
      right_logprob.push_back(-0.12 + 0.03 * s.normal());
      const std::string good = slip(problem, s, int(s.between(1, 3)));
      plausible_scores.push_back(base + o_.reward_offset + 0.6 * s.normal());
      plausible_logprob.push_back(-0.2 + 0.05 * s.normal());
      pair(good, plausible_scores.back(), 0.9, plausible_logprob.back(), plausible);
      std::string bad = slip(problem, s, int(s.between(4, 9)));
      if (s.chance(0.4)) bad = bad.substr(0, bad.size() / 2) + bad;
      rejection_scores.push_back(base - 4 + 1.2 * s.normal());
      rejection_logprob.push_back(-0.35 + 0.1 * s.normal());
      if (s.chance(0.8)) pair(bad, rejection_scores.back(), 0.55, rejection_logprob.back(), rejection);
      for (auto* texts : {&plausible_texts, &rejection_texts}) {
        texts->push_back({*problem.solution, problem.id, true});
        texts->push_back({texts == &plausible_texts ? good : bad, problem.id, false});
      }
      for (int k = 0; k < 4; ++k) {
        Sample x;
        x.problem_id = problem.id;
        x.text = good + std::to_string(k % 3);
        x.correct = false;
        x.answer = std::to_string(std::stoi(problem.answer) + (o_.one_trick ? 1 : int(s.between(1, 9)) * (s.chance(0.5) ? 1 : -1)));
        samples.push_back(x);
      }
    }
    lines(pairs_file("plausible"), plausible);
    lines(pairs_file("rejection"), rejection);
    eval::AuditResult audit;
    const std::vector<std::string> names = {"correct", "plausible", "rejection"};
    audit.scores.push_back(eval::distribution("reward_model", names, {right_scores, plausible_scores, rejection_scores}, 40));
    audit.scores.push_back(eval::distribution("policy_logprob", names, {right_logprob, plausible_logprob, rejection_logprob}, 40));
    eval::SeparabilityOptions options;
    options.bootstrap.resamples = 100;
    audit.separability["plausible"] = eval::separability(plausible_texts, options);
    audit.separability["rejection"] = eval::separability(rejection_texts, options);
    audit.diversity["generator"] = eval::diversity(train_, samples);
    audit.filters["plausible"] = {1600, int64_t(plausible.size()), {{"correct", 240}, {"unreadable", 61}, {"length_mismatch", 402}, {"near_duplicate", 497}}};
    audit.filters["rejection"] = {1600, int64_t(rejection.size()), {{"correct", 903}, {"unreadable", 40}, {"length_mismatch", 120}}};
    write_file(folder_ / kAuditFile, Json(audit).dump());
  }

  void manifest() {
    Json stages = Json::array();
    const auto stage = [&](const char* name, double seconds, Json facts) { stages.push_back({{"name", name}, {"status", "done"}, {"key", "0"}, {"seconds", seconds}, {"outputs", Json::array()}, {"facts", facts}}); };
    stage("data", 0.4, {{"train_problems", 400}, {"eval_problems", 700}});
    stage("sft", 96, {{"steps", 500}, {"tokens", 2'113'000}});
    stage("rl", 143, {{"steps", 120}, {"samples", 30720}, {"tokens", 1'190'000}});
    stage("reward_model", 18, {{"pairs", 1200}});
    stage("generator", 121, {{"steps", 120}, {"samples", 30720}});
    stage("dpo_rejection", 24, {{"pairs", 320}});
    stage("dpo_plausible", 24, {{"pairs", 320}});
    stage("negatives", 31, {{"samples", 14000}});
    stage("eval_rl", 52, {{"accuracy", 0.376}});
    write_file(folder_ / kManifestFile, Json({{"run", {{"name", "demo"}, {"recipe", "recipes/demo.yaml"}, {"seed", 1}, {"version", "0.1.0"}, {"machine", "2 × AVX2 cores, 8 GB"}}}, {"stages", stages}}).dump(2));
    write_file(folder_ / kConfigFile, "name: demo\nseed: 1\nrl:\n  group_size: 8\n  loss: grpo\ndpo:\n  loss: sigmoid\n  beta: 0.1\n");
  }

  std::filesystem::path folder_;
  FixtureOptions o_;
  std::vector<Problem> train_;
};

}  // namespace foil::report
