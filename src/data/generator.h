// The seam text comes through: the local engine, a remote endpoint, or a fake in tests.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/record.h"

namespace foil {

struct SamplingParams {
  double temperature = 1.0;        // 0: greedy
  double top_p = 1.0;              // 1: off
  int top_k = 0;                   // 0: off
  double min_p = 0.0;              // 0: off
  int max_tokens = 512;            // completion tokens
  std::vector<std::string> stop;   // stop strings, not included in the text
  std::vector<int32_t> stop_tokens;  // beyond the model's own end tokens
  bool ignore_eos = false;         // go on past the model's end tokens: completions of one length, for measurements
  bool logprobs = true;            // keep token_ids and logprobs in the samples
};

// One prompt, already rendered by the chat template (text), or as messages for an endpoint that renders itself.
struct Prompt {
  std::string problem_id;
  std::string text;                // the rendered prompt, special tokens spelt out
  std::vector<Message> messages;   // the same as messages; used by chat endpoints, may be empty
};

struct GenerateRequest {
  std::vector<Prompt> prompts;
  int samples_per_prompt = 1;
  int64_t first_sample_id = 0;     // sample ids are first_sample_id … + samples_per_prompt − 1; they key the randomness
  SamplingParams sampling;
  uint64_t seed = 0;
  std::string source;              // copied into Sample::source
};

class Generator {
 public:
  virtual ~Generator() = default;
  // Samples in prompt-major order, samples_per_prompt each, complete. `on_sample` (may be empty) sees each one as it
  // finishes, in any order, from one thread at a time. A sample depends only on (model, prompt, seed, problem_id, sample_id).
  // Throws Error when a prompt does not fit the context or the endpoint stays down.
  virtual std::vector<Sample> generate(const GenerateRequest& request,
                                       const std::function<void(const Sample&)>& on_sample = {}) = 0;
  virtual std::string describe() const = 0;  // for logs: "local Qwen2 0.5B f32" or the endpoint's URL and model
};

}  // namespace foil
