// What a sampler leaves for the trainer: of every token it has run, the values that a layer's backward pass reads (nn/fused_layer.h), and the
// softmax over the vocabulary that it drew the next one by.
//
// Between sampling and the first update no weight has moved, so the forward pass of that update would make the same values again, a
// quarter of its operations. f32 on the CPU; nn/packed_decoder.h writes, Transformer::hidden reads (ForwardOptions::sampled).
// A token has a row in every layer. Tokens are found again by their text: `sample` of `group`, whose prompt is sample kPrompt. All or
// nothing: when more tokens come than there is room for, none is kept, so that this never needs more memory than the activations of one
// micro-batch. One writer; not thread-safe.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nn/logprob.h"
#include "nn/transformer.h"

namespace foil::nn {

class KeptActivations {
 public:
  static constexpr int64_t kPrompt = -1;
  static constexpr int32_t kNone = -1;

  // Where the values lie in a layer's row, in floats. x: the layer's input; qkv: rotated; raw: q and k before their norm, where there is
  // one; attended: by the heads; middle: x + attention; lse [heads], the rms inverse: [1], [heads + kv_heads], [1].
  struct Places {
    int64_t x, qkv, raw, attended, middle, gate_up, lse, input_rms, head_rms, middle_rms, width;
  };

  // Forgets everything and keeps what follows of `policy` (not owned), up to `tokens`; nothing where its layers are not ours to keep.
  void open(const Transformer& policy, int64_t tokens);
  // Forgets everything: the weights move.
  void close();
  bool keeps(const Transformer& model) const { return policy_ == &model; }
  int64_t tokens() const { return handed_; }

  // Tokens that a step of the sampler brings: the next ones of their texts.
  struct Text {
    const std::string* group;
    int64_t sample;
    std::span<const int32_t> tokens;
  };
  // A row for each token, text after text; kNone for a prompt that is already there. Empty, and closed, when they do not fit or a group's
  // prompt is another one now.
  std::vector<int32_t> add(std::span<const Text> texts);
  // The rows of a text that was kept from its first token on and begins with these tokens.
  std::optional<std::vector<int32_t>> find(const Text& text) const;

  // What the sampler knows of the logits of a row's state, divided by its temperature; nothing for a row that has been forgotten.
  void put_softmax(int32_t row, double temperature, float lse, float entropy);
  // The same of rows[i] for each i of `at` [R] i64; nothing unless all are known, at this temperature.
  std::optional<KnownSoftmax> softmax(double temperature, std::span<const int32_t> rows, const at::Tensor& at) const;

  const Places& places() const { return places_; }
  // [width] of a layer; behind the last layer the stream before the final norm, [hidden].
  float* row(int64_t layer, int32_t index) const {
    return bases_[size_t(index / kChunkRows)] + layer * kChunkRows * places_.width + index % kChunkRows * (layer == layers_ ? hidden_ : places_.width);
  }
  // Changes with every open() and close(): a pass that is older may not be read.
  uint64_t version() const { return version_; }

 private:
  static constexpr int64_t kChunkRows = 128;
  struct Line {
    std::vector<int32_t> tokens, rows;
  };
  const Transformer* policy_ = nullptr;
  int64_t layers_ = 0, hidden_ = 0;
  Places places_{};
  uint64_t version_ = 0;
  int64_t limit_ = 0, handed_ = 0;  // rows
  std::vector<at::Tensor> chunks_;  // kChunkRows rows of every layer, then as many of the stream behind the last
  std::vector<float*> bases_;       // theirs
  struct Softmax {
    double temperature = 0;  // 0: not known
    float lse = 0, entropy = 0;
  };
  std::vector<Softmax> softmax_;  // of each row
  std::map<std::string, std::map<int64_t, Line>> groups_;
};

// A packed batch's tokens in such a memory.
struct SampledRows {
  std::shared_ptr<const KeptActivations> kept;
  std::vector<int32_t> rows;  // [T]
};

}  // namespace foil::nn
