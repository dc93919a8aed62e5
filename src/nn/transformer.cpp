#include "nn/transformer.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "nn/attention.h"
#include "nn/decoder.h"

namespace foil::nn {

std::map<std::string, std::vector<int64_t>> parameter_shapes(const ModelConfig& c) {
  std::map<std::string, std::vector<int64_t>> shapes;
  shapes["model.embed_tokens.weight"] = {c.vocab_size, c.hidden_size};
  shapes["model.norm.weight"] = {c.hidden_size};
  if (!c.tie_word_embeddings) shapes["lm_head.weight"] = {c.vocab_size, c.hidden_size};
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const std::string at = fmt::format("model.layers.{}.", i);
    shapes[at + "input_layernorm.weight"] = {c.hidden_size};
    shapes[at + "post_attention_layernorm.weight"] = {c.hidden_size};
    shapes[at + "self_attn.q_proj.weight"] = {q, c.hidden_size};
    shapes[at + "self_attn.k_proj.weight"] = {kv, c.hidden_size};
    shapes[at + "self_attn.v_proj.weight"] = {kv, c.hidden_size};
    shapes[at + "self_attn.o_proj.weight"] = {c.hidden_size, q};
    if (c.attention_bias) {
      shapes[at + "self_attn.q_proj.bias"] = {q};
      shapes[at + "self_attn.k_proj.bias"] = {kv};
      shapes[at + "self_attn.v_proj.bias"] = {kv};
      if (c.model_type != "qwen2") shapes[at + "self_attn.o_proj.bias"] = {c.hidden_size};
    }
    if (c.qk_norm) {
      shapes[at + "self_attn.q_norm.weight"] = {c.head_dim};
      shapes[at + "self_attn.k_norm.weight"] = {c.head_dim};
    }
    shapes[at + "mlp.gate_proj.weight"] = {c.intermediate_size, c.hidden_size};
    shapes[at + "mlp.up_proj.weight"] = {c.intermediate_size, c.hidden_size};
    shapes[at + "mlp.down_proj.weight"] = {c.hidden_size, c.intermediate_size};
  }
  return shapes;
}

Decoder::Decoder(const ModelConfig& config, const std::map<std::string, at::Tensor>& parameters) {
  auto get = [&](const std::string& name) -> at::Tensor {
    const auto it = parameters.find(name);
    return it == parameters.end() ? at::Tensor() : it->second;
  };
  embedding = get("model.embed_tokens.weight");
  norm = get("model.norm.weight");
  output = config.tie_word_embeddings ? embedding : get("lm_head.weight");
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string at = fmt::format("model.layers.{}.", i), self = at + "self_attn.", mlp = at + "mlp.";
    layers.push_back({get(at + "input_layernorm.weight"), get(at + "post_attention_layernorm.weight"), get(self + "q_proj.weight"), get(self + "k_proj.weight"),
                      get(self + "v_proj.weight"), get(self + "o_proj.weight"), get(self + "q_proj.bias"), get(self + "k_proj.bias"), get(self + "v_proj.bias"),
                      get(self + "o_proj.bias"), get(self + "q_norm.weight"), get(self + "k_norm.weight"), get(mlp + "gate_proj.weight"),
                      get(mlp + "up_proj.weight"), get(mlp + "down_proj.weight")});
  }
}

static at::Tensor aten_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

QueryKeyValue project(const ModelConfig& c, const Layer& layer, const at::Tensor& x, const at::Tensor& positions, const RotaryTable& table,
                      LinearFunction linear) {
  if (!linear) linear = aten_linear;
  const at::Tensor normed = rms_norm(x, layer.input_norm, c.rms_norm_eps);
  const int64_t rows = x.size(0);
  at::Tensor q = linear(normed, layer.q, layer.q_bias).view({rows, c.num_attention_heads, c.head_dim});
  at::Tensor k = linear(normed, layer.k, layer.k_bias).view({rows, c.num_key_value_heads, c.head_dim});
  at::Tensor v = linear(normed, layer.v, layer.v_bias).view({rows, c.num_key_value_heads, c.head_dim});
  if (c.qk_norm) {
    q = rms_norm(q, layer.q_norm, c.rms_norm_eps);
    k = rms_norm(k, layer.k_norm, c.rms_norm_eps);
  }
  return {rotate(q, positions, table), rotate(k, positions, table), v};
}

at::Tensor finish_layer(const ModelConfig& c, const Layer& layer, const at::Tensor& x, const at::Tensor& attended, LinearFunction linear) {
  if (!linear) linear = aten_linear;
  const at::Tensor y = x + linear(attended.reshape({x.size(0), c.num_attention_heads * c.head_dim}), layer.o, layer.o_bias);
  const at::Tensor normed = rms_norm(y, layer.post_norm, c.rms_norm_eps);
  return y + linear(swiglu(linear(normed, layer.gate, {}), linear(normed, layer.up, {})), layer.down, {});
}

namespace {

at::Tensor layer_forward(const ModelConfig& c, const Layer& layer, const at::Tensor& x, const PackedBatch& batch, const RotaryTable& table) {
  const auto qkv = project(c, layer, x, batch.positions, table);
  return finish_layer(c, layer, x, packed_attention(qkv.q, qkv.k, qkv.v, batch.segments));
}

// What a recomputed layer needs again in the backward pass; kept alive by the autograd node.
struct Recompute : torch::CustomClassHolder {
  ModelConfig config;
  PackedBatch batch;
  RotaryTable table;
};

// A layer that keeps only its input: the forward pass runs without recording, the backward pass runs it again.
class RecomputedLayer : public torch::autograd::Function<RecomputedLayer> {
 public:
  using T = const at::Tensor&;
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, T x, T w0, T w1, T w2, T w3, T w4, T w5, T w6, T w7, T w8, T w9, T w10, T w11, T w12,
                            T w13, T w14, const c10::intrusive_ptr<Recompute>& keep) {
    ctx->saved_data["keep"] = c10::IValue::make_capsule(keep);
    const std::vector<at::Tensor> weights = {w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14};
    torch::autograd::variable_list save = {x};
    save.insert(save.end(), weights.begin(), weights.end());
    ctx->save_for_backward(save);
    return layer_forward(keep->config, Layer::from(weights), x, keep->batch, keep->table);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto keep = c10::static_intrusive_pointer_cast<Recompute>(ctx->saved_data["keep"].toCapsule());
    auto saved = ctx->get_saved_variables();
    torch::autograd::variable_list leaves;
    torch::autograd::variable_list wanted;
    for (const auto& t : saved) {
      leaves.push_back(t.defined() ? t.detach().set_requires_grad(t.requires_grad() || leaves.empty()) : t);
      if (leaves.back().defined() && leaves.back().requires_grad()) wanted.push_back(leaves.back());
    }
    at::Tensor y;
    {
      at::AutoGradMode on(true);
      y = layer_forward(keep->config, Layer::from({leaves.begin() + 1, leaves.end()}), leaves[0], keep->batch, keep->table);
    }
    const auto found = torch::autograd::grad({y}, wanted, {grads[0]}, false, false, true);
    torch::autograd::variable_list out;
    size_t next = 0;
    for (const auto& leaf : leaves) out.push_back(leaf.defined() && leaf.requires_grad() ? found[next++] : at::Tensor());
    out.push_back(at::Tensor());  // keep
    return out;
  }
};

}  // namespace

Transformer Transformer::random(const ModelConfig& config, uint64_t seed, at::Device device, at::ScalarType type) {
  Transformer model;
  model.config_ = config;
  for (const auto& [name, shape] : parameter_shapes(config)) {
    at::Tensor t = at::empty(shape, at::kFloat);
    float* p = t.mutable_data_ptr<float>();
    if (shape.size() == 1) {
      t.fill_(name.ends_with("bias") ? 0.0 : 1.0);
    } else {
      const bool residual = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
      const double deviation = 0.02 / (residual ? std::sqrt(2.0 * double(config.num_hidden_layers)) : 1.0);
      Stream stream(seed, name);
      for (int64_t i = 0; i < t.numel(); ++i) p[i] = float(stream.normal() * deviation);
    }
    model.parameters_[name] = t.to(device, type);
  }
  return model;
}

void Transformer::requires_grad(bool on) {
  for (auto& [_, t] : parameters_) t.set_requires_grad(on);
}

Transformer Transformer::clone() const {
  Transformer copy;
  copy.config_ = config_;
  for (const auto& [name, t] : parameters_) copy.parameters_[name] = t.detach().clone();
  return copy;
}

void Transformer::copy_weights(const Transformer& from) {
  at::NoGradGuard off;
  for (auto& [name, t] : parameters_) t.copy_(from.parameters_.at(name));
}

at::Device Transformer::device() const { return parameters_.begin()->second.device(); }
at::ScalarType Transformer::type() const { return parameters_.begin()->second.scalar_type(); }

RotaryTable Transformer::rotary(int64_t length) const {
  std::lock_guard lock(rotary_->mutex);
  if (!rotary_->table.cosine.defined() || rotary_->table.cosine.size(0) < length || rotary_->table.cosine.device() != device()) {
    int64_t rows = 256;
    while (rows < length) rows *= 2;
    rotary_->table = rotary_table(config_, rows, device());
  }
  return rotary_->table;
}

at::Tensor Transformer::hidden(const PackedBatch& batch, const ForwardOptions& options) const {
  const Decoder decoder(config_, parameters_);
  int64_t longest = 1;
  for (const Segment& s : batch.segments) longest = std::max(longest, s.length() + (s.prefix < 0 ? 0 : batch.segments[s.prefix].length()));
  const RotaryTable table = rotary(longest);
  at::Tensor x = at::embedding(decoder.embedding, batch.tokens);
  c10::intrusive_ptr<Recompute> keep;
  if (options.recompute && at::GradMode::is_enabled()) {
    keep = c10::make_intrusive<Recompute>();
    keep->config = config_, keep->batch = batch, keep->table = table;
  }
  const at::Tensor absent = at::empty({0}, x.options());  // an autograd function takes no undefined tensors
  auto arg = [&](const at::Tensor& t) { return t.defined() ? t : absent; };
  for (const Layer& w : decoder.layers)
    x = keep ? RecomputedLayer::apply(x, w.input_norm, w.post_norm, w.q, w.k, w.v, w.o, arg(w.q_bias), arg(w.k_bias), arg(w.v_bias),
                                      arg(w.o_bias), arg(w.q_norm), arg(w.k_norm), w.gate,
                                      w.up, w.down, keep)
             : layer_forward(config_, w, x, batch, table);
  return rms_norm(x, decoder.norm, config_.rms_norm_eps);
}

const at::Tensor& Transformer::output_weight() const {
  return parameters_.at(config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
}

at::Tensor Transformer::logits(const at::Tensor& hidden) const { return at::linear(hidden, output_weight()).to(at::kFloat); }

}  // namespace foil::nn
