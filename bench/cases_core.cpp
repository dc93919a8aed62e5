#include <fmt/format.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "bench/cases.h"
#include "bench/machine.h"
#include "bench/workload.h"
#include "nn/kv_cache.h"
#include "nn/packed_decoder.h"
#include "verify/verify.h"

namespace foil::bench {

namespace {

namespace fs = std::filesystem;

Figure tokenizer() {
  Workload w;
  w.problems = load_workload_problems(w.data_name);
  w.tokenizer = load_workload_tokenizer();
  std::vector<std::string> texts;
  size_t bytes = 0;
  for (size_t i = 0; i < 2000; ++i) texts.push_back(w.prompt(i) + w.completion(i)), bytes += texts.back().size();
  size_t tokens = 0;
  const double time = best_time([&] {
    tokens = 0;
    std::vector<int32_t> ids;
    for (const auto& t : texts) {
      ids.clear();
      w.tokenizer->encode(t, false, ids);
      tokens += ids.size();
    }
  }, 1.0);
  return {"tokenizer/encode", "MB/s", double(bytes) / time * 1e-6, 0, {{"tokens_per_s", double(tokens) / time}}, fmt::format("one thread, {} texts of {}", texts.size(), w.data_name)};
}

Figure verifier() {
  std::string name;
  const auto problems = load_workload_problems(name);
  const size_t n = std::min<size_t>(problems.size(), 2000);
  size_t right = 0;
  const double time = best_time([&] {
    right = 0;
    for (size_t i = 0; i < n; ++i) right += verify::check(problems[i].answer, problems[i].solution.value_or("")).correct();
  }, 1.0);
  FOIL_CHECK(right == n, "the verifier found {} of {} solutions right", right, n);
  return {"verifier/check", "checks/s", double(n) / time, 0, {}, fmt::format("one thread, gold and solution of {} read each time", name)};
}

// Weights as a bf16 folder (270 MB for the 135 M model) → tensors, packed, a cache, the first token.
std::vector<Figure> load() {
  const fs::path folder = fs::temp_directory_path() / fmt::format("foil_bench_model_{}", getpid());
  {
    const Workload w = load_workload();
    w.model->save(folder, at::kBFloat16);
    w.tokenizer->save(folder);
  }
  double ready = 1e30, files = 0, packed = 0;
  for (int round = 0; round < 4; ++round) {  // the first one warms the page cache
    const double a = seconds();
    const nn::Transformer model = nn::Transformer::load(folder);
    const text::Tokenizer tokenizer = text::Tokenizer::load(folder);
    const double b = seconds();
    const nn::PackedDecoder decoder(model);
    nn::KvCache cache(model.config(), 64, 32, at::kCPU, nn::PackedDecoder::type_for(model));
    nn::StepBatch batch;
    batch.tokens = at::ones({1}, at::kLong), batch.positions = at::zeros({1}, at::kLong);
    batch.sequences.push_back({0, 1, 0, {0}});
    decoder.logits(decoder.step(batch, cache));
    const double c = seconds();
    if (round > 0 && c - a < ready) ready = c - a, files = b - a, packed = c - b;
  }
  fs::remove_all(folder);
  return {{"startup/model", "s", ready, 0, {{"read_s", files}, {"pack_and_first_token_s", packed}}, "bf16 folder to first decoded token, files in the page cache"}};
}

std::vector<Figure> help() {
  const fs::path self = fs::read_symlink("/proc/self/exe");
  const fs::path foil = self.parent_path().parent_path() / "foil";
  if (!fs::exists(foil)) return {};
  const std::string command = foil.string() + " --help >/dev/null";
  const double time = best_time([&] { FOIL_CHECK(std::system(command.c_str()) == 0); }, 0.5, 10);
  return {{"startup/help", "ms", 1e3 * time, 0, {}, "foil --help, with the shell that starts it"}};
}

}  // namespace

std::vector<Case> core_cases() {
  return {{"tokenizer/encode", [] { return std::vector{tokenizer()}; }}, {"verifier/check", [] { return std::vector{verifier()}; }},
          {"startup/model", load}, {"startup/help", help}};
}

}  // namespace foil::bench
