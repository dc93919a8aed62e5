// Training speed of the loops at the demo's size: tokens a second of whole steps, and what a step costs besides forward and backward.
//
//   train_bench [case …]    cases: sft dpo reward grpo optimizer; default all. One JSON line each.
#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <unistd.h>

#include "base/random.h"
#include "rollout/engine.h"
#include "text/word_tokenizer.h"
#include "train/onpolicy_loop.h"
#include "train/preference.h"
#include "train/reward_model.h"
#include "train/sft.h"

using namespace foil;
using namespace foil::train;

namespace {

const text::Tokenizer& words() {
  static const text::Tokenizer t = [] {
    std::string corpus;
    for (int i = 0; i < 300; ++i) corpus += fmt::format("w{} ", i);
    return text::word_tokenizer({corpus}, {});
  }();
  return t;
}

nn::Transformer demo_model() {
  nn::ModelConfig c;
  c.vocab_size = words().vocab_size(), c.hidden_size = 128, c.intermediate_size = 384, c.num_hidden_layers = 3;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 32, c.max_position_embeddings = 512, c.tie_word_embeddings = true;
  c.eos_token_ids = {*words().eos()};
  return nn::Transformer::random(c, 1);
}

Tokens tokens(Stream& s, int n) {
  Tokens out;
  for (int i = 0; i < n; ++i) out.push_back(int32_t(s.between(256, 550)));
  return out;
}

FileLoopOptions loop(int64_t batch) {
  FileLoopOptions o;
  o.batch.batch_size = batch, o.batch.epochs = 0, o.batch.max_steps = 12, o.checkpoint.every_minutes = 0;
  return o;
}

struct Timer {
  std::vector<double> at;
  StageContext context(const std::filesystem::path& folder) {
    std::filesystem::remove_all(folder);
    StageContext c;
    c.stage = "bench", c.folder = folder;
    c.after_step = [this](int64_t) { at.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count()); };
    return c;
  }
  double best_step() const {
    double best = 1e30;
    for (size_t i = 2; i < at.size(); ++i) best = std::min(best, at[i] - at[i - 1]);
    return best;
  }
};

void print(const char* name, double tokens_per_step, const Timer& timer) {
  std::printf("%s\n", fmt::format(R"({{"bench":"train/{}","tokens_per_s":{:.0f},"step_ms":{:.2f},"threads":{}}})", name, tokens_per_step / timer.best_step(), 1e3 * timer.best_step(), at::get_num_threads()).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::set<std::string> wanted(argv + 1, argv + argc);
  const auto want = [&](const char* name) { return wanted.empty() || wanted.contains(name); };
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("foil_train_bench_{}", getpid());
  Stream stream(1, "bench");
  std::vector<Example> examples;
  std::vector<PreferenceExample> pairs;
  for (int i = 0; i < 256; ++i) {
    examples.push_back({std::to_string(i), tokens(stream, 40), tokens(stream, 50), 1});
    pairs.push_back({std::to_string(i), tokens(stream, 40), tokens(stream, 50), {tokens(stream, 50)}, 0, 1, {}});
  }
  if (want("sft")) {
    Timer timer;
    auto model = demo_model();
    train_sft(model, examples, {loop(64)}, timer.context(folder));
    print("sft", 64 * 90, timer);
  }
  if (want("dpo")) {
    Timer timer;
    auto model = demo_model();
    PreferenceTrainOptions o;
    o.loop = loop(32);
    train_preference(model, pairs, o, timer.context(folder));
    print("dpo", 32 * 140, timer);
  }
  if (want("reward")) {
    Timer timer;
    nn::RewardModel model{demo_model(), nn::random_score_head(128, 1)};
    RewardModelOptions o;
    o.loop = loop(32);
    train_reward_model(model, pairs, o, timer.context(folder));
    print("reward", 32 * 140, timer);
  }
  if (want("grpo")) {
    Timer timer;
    auto policy = std::make_shared<nn::Transformer>(demo_model());
    rollout::LocalEngine engine(policy, std::make_shared<text::Tokenizer>(words()), {});
    OnPolicyOptions o;
    o.steps = 8, o.problems_per_step = 16, o.group_size = 8, o.max_completion_tokens = 50, o.checkpoint.every_minutes = 0;
    std::vector<PolicyProblem> problems;
    for (int i = 0; i < 64; ++i) {
      PolicyProblem p;
      p.problem.id = p.prompt.problem_id = std::to_string(i);
      for (int t = 0; t < 40; ++t) p.prompt.text += fmt::format(" w{}", stream.between(0, 299));
      p.prompt_tokens = words().encode(p.prompt.text);
      problems.push_back(std::move(p));
    }
    const auto result = train_on_policy(*policy, problems, {&engine, {}}, [](auto, auto samples) {
      for (auto& s : samples) s.reward = double(s.token_ids.size() % 2);
    }, o, timer.context(folder));
    print("grpo", result.last.at("train_tokens"), timer);
    std::printf("%s\n", fmt::format(R"({{"bench":"train/grpo_parts","rollout_ms":{:.1f},"train_ms":{:.1f}}})", 1e3 * result.last.at("rollout_s"), 1e3 * result.last.at("train_s")).c_str());
  }
  if (want("optimizer")) {
    const at::Tensor p = at::randn({4096, 4096}).set_requires_grad(true), g = at::randn({4096, 4096});
    AdamW adam({{"p", p}}, {});
    double best = 1e30, norm_best = 1e30;
    for (int i = 0; i < 8; ++i) {
      adam.gradients()[0] = g;
      const auto a = std::chrono::steady_clock::now();
      adam.gradient_norm();
      const auto b = std::chrono::steady_clock::now();
      adam.step(1e-3, 1);
      const auto c = std::chrono::steady_clock::now();
      norm_best = std::min(norm_best, std::chrono::duration<double>(b - a).count());
      best = std::min(best, std::chrono::duration<double>(c - b).count());
    }
    // 28 bytes a parameter: p, m, v read and written, g read
    std::printf("%s\n", fmt::format(R"({{"bench":"train/adamw","ns_per_parameter":{:.3f},"gb_per_s":{:.1f},"norm_gb_per_s":{:.1f}}})", best / 16777216 * 1e9, 28.0 * 16777216 / best * 1e-9, 4.0 * 16777216 / norm_best * 1e-9).c_str());
  }
  std::filesystem::remove_all(folder);
}
