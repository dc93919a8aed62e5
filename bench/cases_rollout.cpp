#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <chrono>

#include "base/random.h"
#include "bench/cases.h"
#include "bench/machine.h"
#include "bench/sizes.h"
#include "bench/workload.h"
#include "nn/kv_cache.h"
#include "nn/packed_decoder.h"
#include "rollout/engine.h"
#include "rollout/sampler.h"

namespace foil::bench {

namespace {

constexpr int64_t kBlock = 32;

// Sequences that decode behind one shared context.
class Decoding {
 public:
  Decoding(const Workload& w, int64_t sequences, int64_t context, int64_t steps)
      : workload_(w), decoder_(*w.model), sequences_(sequences), context_(context),
        own_((steps + kBlock) / kBlock), shared_(context / kBlock),
        cache_(w.model->config(), shared_ + sequences * own_, kBlock, at::kCPU, nn::PackedDecoder::type_for(*w.model)) {
    nn::StepBatch batch;
    const auto ids = w.tokens(size_t(context));
    batch.tokens = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong);
    batch.positions = at::arange(context, at::kLong);
    batch.sequences.push_back({0, context, 0, blocks(-1)});
    decoder_.step(batch, cache_);
  }
  // All sequences one token on; returns the logits.
  at::Tensor step(const std::vector<int64_t>& tokens) {
    nn::StepBatch batch;
    for (int64_t i = 0; i < sequences_; ++i) batch.sequences.push_back({i, i + 1, context_, blocks(i)});
    batch.tokens = at::tensor(tokens, at::kLong);
    batch.positions = at::full({sequences_}, context_, at::kLong);
    ++context_;
    return decoder_.logits(decoder_.step(batch, cache_));
  }
  void rewind(int64_t context) { context_ = context; }

 private:
  std::vector<int32_t> blocks(int64_t sequence) const {
    std::vector<int32_t> out;
    for (int64_t i = 0; i < shared_; ++i) out.push_back(int32_t(i));
    if (sequence >= 0)
      for (int64_t i = 0; i < own_; ++i) out.push_back(int32_t(shared_ + sequence * own_ + i));
    return out;
  }
  const Workload& workload_;
  nn::PackedDecoder decoder_;
  int64_t sequences_, context_, own_, shared_;
  nn::KvCache cache_;
};

Figure decode(int64_t sequences, bool sample, bool published) {
  const Workload w = load_workload(published);
  const int64_t steps = sequences >= 32 ? 16 : 48;
  Decoding decoding(w, sequences, kContext, steps);
  const int64_t vocab = w.model->config().vocab_size;
  std::vector<int64_t> tokens(size_t(sequences), 11);
  auto run = [&] {
    decoding.rewind(kContext);
    for (int64_t s = 0; s < steps; ++s) {
      const at::Tensor logits = decoding.step(tokens);
      const float* p = logits.const_data_ptr<float>();
      at::parallel_for(0, sequences, 1, [&](int64_t a, int64_t b) {
        for (int64_t i = a; i < b; ++i)
          tokens[size_t(i)] = sample ? rollout::sample_row(p + i * vocab, vocab, {}, token_uniform(1, 2, uint64_t(i), uint64_t(s))).token : (tokens[size_t(i)] * 31 + i + s) % 40000;
      });
    }
  };
  const double time = best_time(run, 2.0);
  const double rate = double(sequences * steps) / time;
  return {fmt::format("{}/{}", sample ? "decode_and_sample" : published ? "decode" : "decode_in_training", sequences), "tokens/s", rate, 2 * w.multiplying() * rate,
          {{"ms_per_step", 1e3 * time / double(steps)}}, fmt::format("f32, {}{}, behind {} shared tokens", w.model_name, published ? " rounded to bf16" : "", kContext)};
}

Figure prefill() {
  const Workload w = load_workload();
  const nn::PackedDecoder decoder(*w.model);
  nn::KvCache cache(w.model->config(), kPrefill / kBlock, kBlock, at::kCPU, nn::PackedDecoder::type_for(*w.model));
  nn::StepBatch batch;
  const auto ids = w.tokens(kPrefill);
  batch.tokens = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong);
  batch.positions = at::arange(int64_t(kPrefill), at::kLong);
  std::vector<int32_t> blocks;
  for (size_t i = 0; i < kPrefill / kBlock; ++i) blocks.push_back(int32_t(i));
  batch.sequences.push_back({0, int64_t(kPrefill), 0, blocks});
  const double time = best_time([&] { decoder.logits(decoder.step(batch, cache)); }, 2.0);
  const auto& c = w.model->config();
  // The output matrix works on the last token only.
  const double output = double(c.vocab_size * c.hidden_size), operations = 2 * ((w.multiplying() - output) * double(kPrefill) + output);
  return {fmt::format("prefill/{}", kPrefill), "tokens/s", double(kPrefill) / time, operations / time, {}, "f32, logits of the last token"};
}

Figure grouped() {
  const Workload w = load_workload();
  rollout::LocalEngine engine(w.model, w.tokenizer, {}, "");
  GenerateRequest request;
  for (size_t i = 0; i < kGroups; ++i) request.prompts.push_back({w.problems[i].id, w.prompt(i), {}});
  request.samples_per_prompt = int(kSamples);
  request.sampling.max_tokens = int(kNewTokens);
  request.sampling.ignore_eos = true;
  const double a = seconds();
  engine.generate(request);
  const double time = seconds() - a;
  const auto& s = engine.statistics();
  return {"rollout/grouped", "tokens/s", double(s.completion_tokens) / time, 2 * w.multiplying() * double(s.completion_tokens + s.prompt_tokens) / time,
          {{"seconds", time}, {"prompt_tokens", double(s.prompt_tokens)}, {"completion_tokens", double(s.completion_tokens)}},
          fmt::format("{} problems x {} samples x {} tokens, temperature 1, f32, weights packed and prompts encoded inside the time", kGroups, kSamples, kNewTokens)};
}

}  // namespace

std::vector<Case> rollout_cases() {
  std::vector<Case> out;
  out.push_back({"rollout/grouped", [] { return std::vector{grouped()}; }});
  for (const int64_t n : {64, 32, 8, 1}) out.push_back({fmt::format("decode/{}", n), [n] { return std::vector{decode(n, false, true)}; }});
  for (const int64_t n : {64, 32, 8, 1}) out.push_back({fmt::format("decode_in_training/{}", n), [n] { return std::vector{decode(n, false, false)}; }});
  out.push_back({"decode_and_sample/64", [] { return std::vector{decode(64, true, true)}; }});
  out.push_back({fmt::format("prefill/{}", kPrefill), [] { return std::vector{prefill()}; }});
  return out;
}

}  // namespace foil::bench
