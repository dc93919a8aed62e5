#include "nn/kept_activations.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "nn/decoder.h"
#include "nn/fused_layer.h"

namespace foil::nn {

void KeptActivations::open(const Transformer& policy, int64_t tokens) {
  close();
  const ModelConfig& c = policy.config();
  const Decoder decoder(c, policy.parameters());
  if (tokens <= 0 || !fused_layer_applies(decoder.layers.front(), decoder.embedding)) return;
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim, norms = c.qk_norm ? 1 : 0;
  int64_t next = 0;
  const auto take = [&](int64_t floats) { return std::exchange(next, next + floats); };
  places_.x = take(c.hidden_size), places_.qkv = take(q + 2 * kv), places_.raw = take(norms * (q + kv)), places_.attended = take(q), places_.middle = take(c.hidden_size);
  places_.gate_up = take(2 * c.intermediate_size), places_.lse = take(c.num_attention_heads), places_.input_rms = take(1);
  places_.head_rms = take(norms * (c.num_attention_heads + c.num_key_value_heads)), places_.middle_rms = take(1);
  places_.width = (next + 15) / 16 * 16;
  layers_ = c.num_hidden_layers, hidden_ = c.hidden_size;
  limit_ = tokens;
  policy_ = &policy;
}

void KeptActivations::close() {
  ++version_;
  policy_ = nullptr;
  limit_ = handed_ = 0;
  chunks_.clear(), bases_.clear(), softmax_.clear(), groups_.clear();
}

std::vector<int32_t> KeptActivations::add(std::span<const Text> texts) {
  FOIL_CHECK(policy_);
  std::vector<int32_t> out;
  for (const Text& text : texts) {
    auto& lines = groups_[*text.group];
    const bool again = text.sample == kPrompt && lines.contains(kPrompt);
    Line& line = lines[text.sample];
    const auto n = int64_t(text.tokens.size());
    if (again ? !std::ranges::equal(line.tokens, text.tokens) : handed_ + n > limit_) {
      close();
      return {};
    }
    if (again) {
      out.insert(out.end(), size_t(n), kNone);
      continue;
    }
    line.tokens.insert(line.tokens.end(), text.tokens.begin(), text.tokens.end());
    for (int64_t i = 0; i < n; ++i) line.rows.push_back(int32_t(handed_ + i)), out.push_back(int32_t(handed_ + i));
    softmax_.resize(softmax_.size() + size_t(n));
    for (handed_ += n; handed_ > int64_t(chunks_.size()) * kChunkRows;) {
      chunks_.push_back(at::empty({kChunkRows * (layers_ * places_.width + hidden_)}, at::kFloat));
      bases_.push_back(chunks_.back().mutable_data_ptr<float>());
    }
  }
  return out;
}

std::optional<std::vector<int32_t>> KeptActivations::find(const Text& text) const {
  if (text.tokens.empty()) return std::vector<int32_t>{};
  const auto group = groups_.find(*text.group);
  if (group == groups_.end()) return std::nullopt;
  const auto found = group->second.find(text.sample);
  if (found == group->second.end()) return std::nullopt;
  const Line& line = found->second;
  const auto n = ptrdiff_t(text.tokens.size());
  if (line.tokens.size() < text.tokens.size() || !std::equal(text.tokens.begin(), text.tokens.end(), line.tokens.begin())) return std::nullopt;
  return std::vector<int32_t>(line.rows.begin(), line.rows.begin() + n);
}

void KeptActivations::put_softmax(int32_t row, double temperature, float lse, float entropy) {
  if (row != kNone && row < handed_ && std::isfinite(lse) && std::isfinite(entropy)) softmax_[size_t(row)] = {temperature, lse, entropy};
}

std::optional<KnownSoftmax> KeptActivations::softmax(double temperature, std::span<const int32_t> rows, const at::Tensor& at) const {
  KnownSoftmax out{at::empty({at.size(0)}, at::kFloat), at::empty({at.size(0)}, at::kFloat)};
  const int64_t* index = at.const_data_ptr<int64_t>();
  float *lse = out.lse.mutable_data_ptr<float>(), *entropy = out.entropy.mutable_data_ptr<float>();
  for (int64_t i = 0; i < at.size(0); ++i) {
    const Softmax& s = softmax_[size_t(rows[size_t(index[i])])];
    if (s.temperature != temperature) return std::nullopt;
    lse[i] = s.lse, entropy[i] = s.entropy;
  }
  return out;
}

}  // namespace foil::nn
