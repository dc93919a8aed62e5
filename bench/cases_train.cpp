#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "bench/cases.h"
#include "bench/machine.h"
#include "bench/sizes.h"
#include "bench/workload.h"
#include "rollout/engine.h"
#include "train/onpolicy_loop.h"
#include "train/preference.h"
#include "train/reward_model.h"
#include "train/sft.h"

namespace foil::bench {

namespace {

using namespace train;
namespace fs = std::filesystem;

constexpr int64_t kSteps = kWarmSteps + kTimedSteps;

// Steps' end times; the folder of the run, removed at the end.
struct Run {
  fs::path folder = fs::temp_directory_path() / fmt::format("foil_bench_{}", getpid());
  std::vector<double> at;
  Run() { fs::remove_all(folder); }
  ~Run() { fs::remove_all(folder); }
  StageContext context() {
    StageContext c;
    c.stage = "bench", c.folder = folder;
    c.after_step = [this](int64_t) { at.push_back(seconds()); };
    return c;
  }
  double step_seconds() const {
    double best = 1e30;
    for (size_t i = kWarmSteps; i < at.size(); ++i) best = std::min(best, at[i] - at[i - 1]);
    return best;
  }
};

FileLoopOptions loop() {
  FileLoopOptions o;
  o.batch.batch_size = kRecords, o.batch.epochs = 0, o.batch.max_steps = kSteps;
  o.batch.micro_batch_tokens = kMicroBatchTokens;
  o.checkpoint.every_minutes = 0;
  return o;
}

Figure figure(const std::string& name, const Workload& w, double parameters, double tokens, const Run& run, const std::string& note) {
  const double time = run.step_seconds();
  return {name, "tokens/s", tokens / time, 6 * parameters * tokens / time, {{"seconds_per_step", time}, {"tokens_per_step", tokens}}, "f32, AdamW, " + w.data_name + ", " + note};
}

Figure sft() {
  Workload w = load_workload();
  Run run;
  train_sft(*w.model, w.examples(kRecords), {loop()}, run.context());
  return figure("train/sft", w, w.multiplying(), w.sft_tokens(), run, fmt::format("{} examples a step", kRecords));
}

Figure dpo() {
  Workload w = load_workload();
  const auto pairs = w.pairs(kRecords);
  PreferenceTrainOptions o;
  o.loop = loop();
  Run run;
  const double start = seconds();
  train_preference(*w.model, pairs, o, run.context());
  Figure f = figure("train/dpo", w, w.multiplying(), w.pair_tokens(), run, fmt::format("{} pairs a step, reference pass beforehand", kRecords));
  f.more["first_step_and_reference_s"] = run.at[0] - start;
  return f;
}

Figure reward() {
  Workload w = load_workload();
  const auto pairs = w.pairs(kRecords);
  nn::RewardModel model{*w.model, nn::random_score_head(w.model->config().hidden_size, 1)};
  RewardModelOptions o;
  o.loop = loop();
  Run run;
  train_reward_model(model, pairs, o, run.context());
  return figure("train/reward", w, w.multiplying() - w.output_parameters(), w.pair_tokens(), run, fmt::format("{} pairs a step", kRecords));
}

// Every completion as long as it may be, so that the work is the same for everyone.
class FullLength : public Generator {
 public:
  explicit FullLength(Generator& inner) : inner_(inner) {}
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample) override {
    GenerateRequest full = request;
    full.sampling.ignore_eos = true;
    return inner_.generate(full, on_sample);
  }
  std::string describe() const override { return inner_.describe(); }

 private:
  Generator& inner_;
};

Figure grpo() {
  Workload w = load_workload();
  rollout::LocalEngine engine(w.model, w.tokenizer, {}, "");
  FullLength generator(engine);
  const auto kept = std::make_shared<nn::KeptActivations>();
  engine.keep_activations(kept);
  OnPolicyOptions o;
  o.steps = kSteps, o.problems_per_step = kGrpoGroups, o.group_size = kSamples, o.max_completion_tokens = kNewTokens, o.micro_batch_tokens = kGrpoMicroBatchTokens, o.checkpoint.every_minutes = 0;
  std::vector<PolicyProblem> problems;
  for (size_t i = 0; i < kGrpoGroups; ++i) {
    PolicyProblem p;
    p.problem = w.problems[i], p.prompt.problem_id = p.problem.id;
    p.prompt.text = w.prompt(i), p.prompt_tokens = w.tokenizer->encode(p.prompt.text);
    problems.push_back(std::move(p));
  }
  Run run;
  const double start = seconds();
  const auto result = train_on_policy(*w.model, problems, {&generator, {}, kept}, [](auto, auto samples) {
    for (size_t i = 0; i < samples.size(); ++i) samples[i].reward = double(i % 2);
  }, o, run.context());
  const auto get = [&](const char* name) { return result.last.at(name); };
  const double tokens = get("train_tokens"), sampled = double(kGrpoGroups * kSamples * kNewTokens);
  Figure f = figure("train/grpo", w, w.multiplying(), tokens, run, fmt::format("{} problems x {} samples x {} tokens, sampling and training", kGrpoGroups, kSamples, kNewTokens));
  f.operations_per_s = (6 * tokens + 2 * sampled) * w.multiplying() / run.step_seconds();
  f.more["first_step_s"] = run.at[0] - start;
  f.more["rollout_s"] = get("rollout_s"), f.more["train_s"] = get("train_s");
  f.more["rollout_tokens_per_s"] = get("rollout_tokens_per_s"), f.more["train_tokens_per_s"] = get("train_tokens_per_s");
  return f;
}

// Tokens a second of four times the work as a share of the plain work's, in one process; and the peak memory before and after.
// The operations of attention grow with the square of the length: `operations` is the share by 6N (2N) and attention together.
struct Grown {
  double rate = 0, peak_mb = 0;
};

Figure growth(const std::string& name, const std::function<double(bool)>& rate, double operations_ratio, const std::string& note) {
  const auto measure = [&](bool big) { return Grown{rate(big), double(peak_memory_bytes()) / 1048576}; };
  const Grown plain = measure(false), big = measure(true);
  return {name, "of plain", big.rate / plain.rate, 0, {{"tokens_per_s", big.rate}, {"plain_tokens_per_s", plain.rate}, {"plain_peak_mb", plain.peak_mb}, {"operations", big.rate / plain.rate * operations_ratio}}, note};
}

// Multiply-adds a token and layer-width: parameters, and attention to half of `length` tokens, with `shared` more seen in full.
double token_work(const nn::ModelConfig& c, double length, double shared = 0) {
  return double(c.multiplying_parameters()) + 2 * double(c.num_hidden_layers * c.num_attention_heads * c.head_dim) * (length / 2 + shared);
}

double sft_rate(size_t records, size_t batch, size_t length) {
  Workload w = load_workload();
  std::vector<Example> examples;
  for (size_t i = 0; i < records; ++i) {
    auto tokens = w.tokens(length, 40 * i);
    examples.push_back({std::to_string(i), {tokens.begin(), tokens.begin() + ptrdiff_t(length / 4)}, {tokens.begin() + ptrdiff_t(length / 4), tokens.end()}, 1});
  }
  FileLoopOptions o = loop();
  o.batch.batch_size = int64_t(batch);
  Run run;
  train_sft(*w.model, examples, {o}, run.context());
  return double(batch * length) / run.step_seconds();
}

double rollout_rate(size_t problems, size_t new_tokens) {
  const Workload w = load_workload();
  rollout::LocalEngine engine(w.model, w.tokenizer, {}, "");
  GenerateRequest request;
  for (size_t i = 0; i < problems; ++i) request.prompts.push_back({w.problems[i].id, w.prompt(i), {}});
  request.samples_per_prompt = int(kSamples), request.sampling.max_tokens = int(new_tokens), request.sampling.ignore_eos = true;
  const double from = seconds();
  engine.generate(request);
  return double(engine.statistics().completion_tokens) / (seconds() - from);
}

std::vector<Case> growth_cases() {
  const auto c = [] { return load_workload().model->config(); };
  return {{"growth/sft_batch", [] { return std::vector{growth("growth/sft_batch", [](bool big) { return sft_rate(big ? 32 : 8, big ? 32 : 8, 120); }, 1, "32 x 120 tokens a step against 8 x 120")}; }},
          {"growth/sft_length", [c] { return std::vector{growth("growth/sft_length", [](bool big) { return sft_rate(8, 8, big ? 480 : 120); }, token_work(c(), 480) / token_work(c(), 120), "8 x 480 tokens a step against 8 x 120")}; }},
          {"growth/sft_records", [] { return std::vector{growth("growth/sft_records", [](bool big) { return sft_rate(big ? 32 : 8, 8, 120); }, 1, "32 records of 120 tokens in steps of 8 against 8 records")}; }},
          {"growth/rollout_problems", [] { return std::vector{growth("growth/rollout_problems", [](bool big) { return rollout_rate(big ? 32 : 8, 64); }, 1, "32 problems x 8 samples x 64 tokens against 8 problems")}; }},
          {"growth/rollout_length", [c] { return std::vector{growth("growth/rollout_length", [](bool big) { return rollout_rate(8, big ? 256 : 64); }, token_work(c(), 256, 100) / token_work(c(), 64, 100), "8 problems x 8 samples x 256 tokens against 64")}; }}};
}

}  // namespace

std::vector<Case> train_cases() {
  std::vector<Case> out = {{"train/sft", [] { return std::vector{sft()}; }}, {"train/dpo", [] { return std::vector{dpo()}; }},
                           {"train/reward", [] { return std::vector{reward()}; }}, {"train/grpo", [] { return std::vector{grpo()}; }}};
  for (auto& one : growth_cases()) out.push_back(std::move(one));
  return out;
}

}  // namespace foil::bench
