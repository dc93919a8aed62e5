#include "nn/transformer.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "nn/attention.h"
#include "nn/decoder.h"
#include "nn/fused_layer.h"
#include "nn/kept_activations.h"
#include "nn/weight_files.h"

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

std::map<std::string, at::Tensor> empty_parameters(const ModelConfig& c, at::Device device, at::ScalarType type) {
  const auto shapes = parameter_shapes(c);
  std::map<std::string, at::Tensor> out;
  auto together = [&](const std::vector<std::string>& names) {
    int64_t rows = 0;
    for (const std::string& name : names) rows += shapes.at(name)[0];
    std::vector<int64_t> shape = shapes.at(names[0]);
    shape[0] = rows;
    const at::Tensor whole = at::empty(shape, at::TensorOptions(device).dtype(type));
    int64_t offset = 0;
    for (const std::string& name : names) {  // set_, not narrow: each has a version counter of its own
      const at::Tensor part = whole.narrow(0, 0, shapes.at(name)[0]);
      out[name] = at::empty({0}, whole.options()).set_(whole.storage(), offset, part.sizes(), part.strides());
      offset += part.numel();
    }
  };
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const std::string at = fmt::format("model.layers.{}.", i), self = at + "self_attn.", mlp = at + "mlp.";
    together({self + "q_proj.weight", self + "k_proj.weight", self + "v_proj.weight"});
    if (c.attention_bias) together({self + "q_proj.bias", self + "k_proj.bias", self + "v_proj.bias"});
    together({mlp + "gate_proj.weight", mlp + "up_proj.weight"});
  }
  for (const auto& [name, shape] : shapes)
    if (!out.contains(name)) out[name] = at::empty(shape, at::TensorOptions(device).dtype(type));
  return out;
}

// Matrices (or vectors) below each other as one: a view where they already are, else a copy.
static at::Tensor stacked(const std::vector<at::Tensor>& parts) {
  at::NoGradGuard off;
  int64_t rows = 0, next = parts[0].storage_offset();
  bool adjacent = true;
  for (const at::Tensor& t : parts) {
    adjacent = adjacent && t.is_contiguous() && t.storage().is_alias_of(parts[0].storage()) && t.storage_offset() == next;
    next += t.numel();
    rows += t.size(0);
  }
  if (!adjacent) return at::cat(parts);
  std::vector<int64_t> shape = parts[0].sizes().vec();
  shape[0] = rows;
  return at::empty({0}, parts[0].options().requires_grad(false)).set_(parts[0].storage(), parts[0].storage_offset(), shape, parts[0].strides());
}

void Layer::fuse() {
  qkv = stacked({q, k, v});
  if (q_bias.defined()) qkv_bias = stacked({q_bias, k_bias, v_bias});
  gate_up = stacked({gate, up});
}

std::vector<at::Tensor> Layer::defined_fields() const {
  std::vector<at::Tensor> out;
  for (const at::Tensor& t : {input_norm, post_norm, q, k, v, o, q_bias, k_bias, v_bias, o_bias, q_norm, k_norm, gate, up, down})
    if (t.defined()) out.push_back(t);
  return out;
}

Layer Layer::from(const ModelConfig& c, const std::vector<at::Tensor>& fields) {
  Layer l;
  size_t next = 0;
  for (at::Tensor* t : {&l.input_norm, &l.post_norm, &l.q, &l.k, &l.v, &l.o}) *t = fields[next++];
  if (c.attention_bias)
    for (at::Tensor* t : {&l.q_bias, &l.k_bias, &l.v_bias}) *t = fields[next++];
  if (c.attention_bias && c.model_type != "qwen2") l.o_bias = fields[next++];
  if (c.qk_norm)
    for (at::Tensor* t : {&l.q_norm, &l.k_norm}) *t = fields[next++];
  for (at::Tensor* t : {&l.gate, &l.up, &l.down}) *t = fields[next++];
  return l;
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
    layers.back().fuse();
  }
}

static at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

QueryKeyValue project(const ModelConfig& c, const Layer& layer, const at::Tensor& x, const at::Tensor& positions, const RotaryTable& table) {
  const at::Tensor normed = rms_norm(x, layer.input_norm, c.rms_norm_eps);
  const int64_t rows = x.size(0);
  at::Tensor q = affine(normed, layer.q, layer.q_bias).view({rows, c.num_attention_heads, c.head_dim});
  at::Tensor k = affine(normed, layer.k, layer.k_bias).view({rows, c.num_key_value_heads, c.head_dim});
  at::Tensor v = affine(normed, layer.v, layer.v_bias).view({rows, c.num_key_value_heads, c.head_dim});
  if (c.qk_norm) {
    q = rms_norm(q, layer.q_norm, c.rms_norm_eps);
    k = rms_norm(k, layer.k_norm, c.rms_norm_eps);
  }
  return {rotate(q, positions, table), rotate(k, positions, table), v};
}

at::Tensor finish_layer(const ModelConfig& c, const Layer& layer, const at::Tensor& x, const at::Tensor& attended) {
  const at::Tensor y = x + affine(attended.reshape({x.size(0), c.num_attention_heads * c.head_dim}), layer.o, layer.o_bias);
  const at::Tensor normed = rms_norm(y, layer.post_norm, c.rms_norm_eps);
  return y + affine(swiglu(affine(normed, layer.gate, {}), affine(normed, layer.up, {})), layer.down, {});
}

namespace {

at::Tensor layer_forward(const Layer& layer, const at::Tensor& x, const LayerPass& pass) {
  const auto qkv = project(pass.config, layer, x, pass.batch.positions, pass.table);
  const at::Tensor attended = packed_attention(qkv.q, qkv.k, qkv.v, pass.batch.segments);
  if (!pass.rows.defined()) return finish_layer(pass.config, layer, x, attended);
  return finish_layer(pass.config, layer, x.index_select(0, pass.rows), attended.index_select(0, pass.rows));
}

// A composed layer that keeps only its input: the forward pass runs without recording, the backward pass runs it again.
class RecomputedLayer : public torch::autograd::Function<RecomputedLayer> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::TensorList& weights,
                            const c10::intrusive_ptr<LayerPass>& pass) {
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    torch::autograd::variable_list save = {x};
    save.insert(save.end(), weights.begin(), weights.end());
    ctx->save_for_backward(save);
    return layer_forward(Layer::from(pass->config, weights.vec()), x, *pass);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto pass = c10::static_intrusive_pointer_cast<LayerPass>(ctx->saved_data["pass"].toCapsule());
    torch::autograd::variable_list leaves, wanted;
    for (const at::Tensor& t : ctx->get_saved_variables()) {
      leaves.push_back(t.detach().set_requires_grad(t.requires_grad()));
      if (t.requires_grad()) wanted.push_back(leaves.back());
    }
    at::Tensor y;
    {
      at::AutoGradMode on(true);
      y = layer_forward(Layer::from(pass->config, {leaves.begin() + 1, leaves.end()}), leaves[0], *pass);
    }
    const auto found = torch::autograd::grad({y}, wanted, {grads[0]}, false, false, true);
    torch::autograd::variable_list out;
    size_t next = 0;
    for (const at::Tensor& leaf : leaves) out.push_back(leaf.requires_grad() ? found[next++] : at::Tensor());
    out.push_back(at::Tensor());  // pass
    return out;
  }
};

}  // namespace

Transformer::Transformer(const ModelConfig& config, at::Device device, at::ScalarType type)
    : config_(config), parameters_(empty_parameters(config, device, type)) {}

Transformer Transformer::random(const ModelConfig& config, uint64_t seed, at::Device device, at::ScalarType type) {
  Transformer model(config, device, type);
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
    model.parameters_.at(name).copy_(t);
  }
  return model;
}

Transformer Transformer::load(const std::filesystem::path& path, at::Device device, at::ScalarType type) {
  const StoredModel stored = open_model(path);
  Transformer model(stored.config, device, type);
  read_parameters(stored, model.parameters_);
  return model;
}

void Transformer::save(const std::filesystem::path& folder, at::ScalarType type, int64_t max_shard_bytes) const {
  write_parameters(folder, parameters_, type, max_shard_bytes);
  write_config(folder, config_, architecture_name(config_, "ForCausalLM"), type);
}

void Transformer::requires_grad(bool on) {
  for (auto& [_, t] : parameters_) t.set_requires_grad(on);
}

Transformer Transformer::clone() const {
  Transformer copy(config_, device(), type());
  copy.copy_weights(*this);
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

at::Tensor Transformer::hidden(const PackedBatch& batch, const at::Tensor& rows, const ForwardOptions& options) const {
  const Decoder decoder(config_, parameters_);
  int64_t longest = 1;
  for (const Segment& s : batch.segments) longest = std::max(longest, s.length() + (s.prefix < 0 ? 0 : batch.segments[s.prefix].length()));
  at::Tensor x = at::embedding(decoder.embedding, batch.tokens);
  const auto inner = c10::make_intrusive<LayerPass>();
  inner->config = config_, inner->batch = batch, inner->table = rotary(longest), inner->recompute = options.recompute;
  if (options.sampled) {
    FOIL_CHECK(options.sampled->kept->keeps(*this) && int64_t(options.sampled->rows.size()) == batch.tokens.size(0));
    inner->sampled = *options.sampled, inner->version = options.sampled->kept->version();
  }
  const auto last = c10::make_intrusive<LayerPass>(*inner);
  last->rows = rows;
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    const Layer& layer = decoder.layers[i];
    const auto& pass = i + 1 == decoder.layers.size() ? last : inner;
    if (fused_layer_applies(layer, x))
      x = fused_layer(x, layer, int64_t(i), pass);
    else if (options.recompute && at::GradMode::is_enabled())
      x = RecomputedLayer::apply(x, at::TensorList(layer.defined_fields()), pass);
    else
      x = layer_forward(layer, x, *pass);
  }
  return rms_norm(x, decoder.norm, config_.rms_norm_eps);
}

const at::Tensor& Transformer::output_weight() const {
  return parameters_.at(config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
}

at::Tensor Transformer::logits(const at::Tensor& hidden) const { return at::linear(hidden, output_weight()).to(at::kFloat); }

}  // namespace foil::nn
