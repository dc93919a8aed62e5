// Training speed of nn: tokens a second of forward and backward, and the share of the measured matrix-multiply rate by 6N.
//
//   nn_bench [case …]    cases: matmul demo demo-shared medium medium-shared; default all. One JSON line each.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdio>
#include <ctime>
#include <set>
#include <string>

#include "nn/cpu_allocator.h"
#include "nn/logprob.h"
#include "nn/transformer.h"

using namespace foil::nn;

// With one thread (OMP_NUM_THREADS=1) processor time, which other work on the machine disturbs less.
static double seconds() {
  timespec t{};
  clock_gettime(at::get_num_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// Best of several rounds: other work on the machine only ever slows a round down.
template <class F>
static double best_time(F&& work, double budget_s) {
  work();
  double best = 1e30;
  const double start = seconds();
  for (int i = 0; i < 3 || seconds() - start < budget_s; ++i) {
    const double a = seconds();
    work();
    best = std::min(best, seconds() - a);
  }
  return best;
}

static double matmul_rate() {  // multiply-adds count as two
  const at::Tensor a = at::randn({1024, 1024}), b = at::randn({1024, 1024});
  at::Tensor c = at::empty({1024, 1024});
  return 2.0 * 1024 * 1024 * 1024 / best_time([&] { at::mm_out(c, a, b); }, 1.0);
}

static ModelConfig demo() {
  ModelConfig c;
  c.vocab_size = 256, c.hidden_size = 128, c.intermediate_size = 384, c.num_hidden_layers = 3;
  c.num_attention_heads = 4, c.num_key_value_heads = 2, c.head_dim = 32;
  return c;
}

static ModelConfig smollm2_135m() {
  ModelConfig c;
  c.vocab_size = 49152, c.hidden_size = 576, c.intermediate_size = 1536, c.num_hidden_layers = 30;
  c.num_attention_heads = 9, c.num_key_value_heads = 3, c.head_dim = 64, c.tie_word_embeddings = true;
  return c;
}

struct Load {
  const char* name;
  ModelConfig config;
  int groups, completions, prompt, completion;  // completions 0: one sequence of prompt + completion a group
  double budget_s;
};

static void measure(const Load& load, double rate) {
  auto model = Transformer::random(load.config, 1);
  model.requires_grad(true);
  BatchPacker packer;
  auto tokens = [&](int n) {
    std::vector<int32_t> out(n);
    for (int i = 0; i < n; ++i) out[i] = int32_t((i * 31 + packer.tokens() * 7) % load.config.vocab_size);
    return out;
  };
  for (int g = 0; g < load.groups; ++g) {
    if (load.completions == 0) {
      packer.add(tokens(load.prompt + load.completion));
    } else {
      const int32_t prompt = packer.add(tokens(load.prompt));
      for (int i = 0; i < load.completions; ++i) packer.add(tokens(load.completion), prompt);
    }
  }
  const PackedBatch batch = packer.build();
  const at::Tensor targets = batch.tokens.roll(-1);
  at::Tensor loss;
  auto forward = [&] { loss = -token_logprobs(model.hidden(batch), model.output_weight(), targets).logprob.mean(); };
  const double forward_s = best_time([&] { at::NoGradGuard off; forward(); }, load.budget_s / 3);
  const double step_s = best_time(
      [&] {
        forward();
        loss.backward();
        for (auto& [_, t] : model.parameters()) t.mutable_grad() = at::Tensor();
      },
      load.budget_s);
  const double n = double(load.config.multiplying_parameters()), t = double(packer.tokens());
  std::printf("{\"bench\": \"nn/%s\", \"tokens\": %.0f, \"forward_tokens_per_s\": %.0f, \"train_tokens_per_s\": %.0f, \"share_of_matmul_6n\": %.3f}\n", load.name,
              t, t / forward_s, t / step_s, 6 * n * t / step_s / rate);
  std::fflush(stdout);
}

int main(int argc, char** argv) {
  keep_cpu_buffers();
  const std::set<std::string> chosen(argv + 1, argv + argc);
  const double rate = matmul_rate();
  std::printf("{\"bench\": \"nn/matmul_1024_f32\", \"gflops\": %.1f, \"threads\": %d}\n", rate / 1e9, at::get_num_threads());
  const Load loads[] = {{"demo", demo(), 64, 0, 60, 140, 3},
                        {"demo-shared", demo(), 16, 8, 60, 140, 3},
                        {"medium", smollm2_135m(), 4, 0, 100, 200, 6},
                        {"medium-shared", smollm2_135m(), 2, 4, 120, 128, 6}};
  for (const Load& load : loads)
    if (chosen.empty() || chosen.contains(load.name)) measure(load, rate);
}
