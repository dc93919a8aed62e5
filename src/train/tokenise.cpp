#include "train/tokenise.h"

#include "base/parallel.h"

namespace foil::train {

Tokens encode_completion(const Encoder& encoder, const std::string& text) {
  Tokens out = encoder.tokenizer->encode(text);
  out.push_back(encoder.end_token);
  return out;
}

Tokens completion_tokens(const Encoder& encoder, const Sample& sample) {
  if (!sample.token_ids.empty()) return sample.token_ids;
  Tokens out = encoder.tokenizer->encode(sample.text);
  if (sample.finish_reason == Finish::kStop) out.push_back(encoder.end_token);
  return out;
}

std::vector<Example> tokenise(const Encoder& encoder, std::span<const TextExample> examples) {
  std::vector<Example> out(examples.size());
  parallel_for(examples.size(), [&](size_t i) {
    const TextExample& x = examples[i];
    out[i] = {x.id, encoder.tokenizer->encode(x.prompt), encode_completion(encoder, x.completion), x.weight};
  }, 0, 64);
  return out;
}

std::vector<PreferenceExample> tokenise(const Encoder& encoder, std::span<const TextPair> pairs) {
  std::vector<PreferenceExample> out(pairs.size());
  parallel_for(pairs.size(), [&](size_t i) {
    const TextPair& x = pairs[i];
    PreferenceExample& y = out[i];
    y.id = x.id;
    y.prompt = encoder.tokenizer->encode(x.prompt);
    y.chosen = encode_completion(encoder, x.pair->chosen);
    y.rejected.push_back(encode_completion(encoder, x.pair->rejected));
    for (const auto& more : x.pair->more_rejected) y.rejected.push_back(encode_completion(encoder, more));
    y.margin = x.pair->margin.value_or(0);
    y.weight = x.pair->weight.value_or(1);
  }, 0, 64);
  return out;
}

}  // namespace foil::train
