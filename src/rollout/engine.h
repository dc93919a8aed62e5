// The local engine: continuous batching of a Transformer under sched/, behind the Generator seam.
//
// A group's prompt is prefilled once and its cache blocks are shared. Randomness is keyed by (seed, problem id, sample id, position), so
// a sample does not depend on order or batch; on the CPU not even through rounding (nn/packed_decoder.h). The weights are the
// trainer's own, packed afresh by each call, so an update shows in the next one. One generate() at a time.
#pragma once
#include <ATen/ATen.h>

#include <memory>

#include "data/generator.h"
#include "nn/kept_activations.h"
#include "nn/transformer.h"
#include "text/tokenizer.h"

namespace foil::rollout {

struct EngineOptions {
  int64_t max_sequences = 256;      // decoding at once
  int64_t kv_memory_mb = 1024;
  int64_t block_tokens = 32;
  int64_t prefill_tokens = 4096;    // prompt tokens of one step
  template <class V>
  void visit(V& v) {
    v("max_sequences", max_sequences, "sequences that decode at once");
    v("kv_memory_mb", kv_memory_mb, "memory for keys and values, MB");
    v("block_tokens", block_tokens, "tokens of one cache block");
    v("prefill_tokens", prefill_tokens, "prompt tokens of one step");
  }
  void validate(const std::string& where) const;
};

struct EngineStatistics {  // of the last generate()
  int64_t prompt_tokens = 0, completion_tokens = 0, steps = 0;
  double seconds = 0;
};

class LocalEngine : public Generator {
 public:
  // `label` shows in progress bars; empty: none. Throws Error when the tokenizer does not fit the model.
  LocalEngine(std::shared_ptr<nn::Transformer> model, std::shared_ptr<const text::Tokenizer> tokenizer, const EngineOptions& options, std::string label = "rollout");
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample = {}) override;
  std::string describe() const override;
  const EngineStatistics& statistics() const { return statistics_; }
  // From now on generate() leaves its activations there while it is open for this engine's model. Needs request's samples to be told apart by
  // problem and sample id. Null: no more.
  void keep_activations(std::shared_ptr<nn::KeptActivations> kept) { kept_ = std::move(kept); }

  // log softmax of the next token after each prompt, at `candidates` only: [prompts][candidates]. For judges that read a score.
  std::vector<std::vector<float>> next_token_logprobs(const std::vector<std::string>& prompts, const std::vector<int32_t>& candidates);

 private:
  struct Run;
  std::shared_ptr<nn::Transformer> model_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  EngineOptions options_;
  std::string label_;
  EngineStatistics statistics_;
  std::shared_ptr<nn::KeptActivations> kept_;
};

}  // namespace foil::rollout
