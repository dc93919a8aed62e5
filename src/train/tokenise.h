// From text to what the loops train on: prompts as rendered by a chat template, completions ended by the end token.
//
// Prompt and completion are encoded apart, as the rollout engine does it, so that a trained boundary is the one met when sampling.
// Rendering (text/chat_template.h) is the caller's. Encoding runs on all cores; order is kept.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/record.h"
#include "text/tokenizer.h"
#include "train/example.h"

namespace foil::train {

struct Encoder {
  const text::Tokenizer* tokenizer = nullptr;  // not owned
  int32_t end_token = 0;                       // appended to every completion: the model's end of turn
};

struct TextExample {
  std::string id, prompt, completion;  // prompt: rendered, special tokens spelt out
  double weight = 1;
};
struct TextPair {
  const Pair* pair;    // chosen, rejected, more_rejected, margin and weight are read; not owned
  std::string prompt;  // rendered
  std::string id;
};

Tokens encode_completion(const Encoder& encoder, const std::string& text);
// Tokens of a sample: those it was sampled with where it has them (a cut one is not ended), else its text encoded.
Tokens completion_tokens(const Encoder& encoder, const Sample& sample);

std::vector<Example> tokenise(const Encoder& encoder, std::span<const TextExample> examples);
std::vector<PreferenceExample> tokenise(const Encoder& encoder, std::span<const TextPair> pairs);

}  // namespace foil::train
