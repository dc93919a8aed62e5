// GGUF: metadata to ModelConfig, tensor names to Hugging Face's, rotary layout undone.
#include <ATen/Parallel.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "io/gguf.h"
#include "nn/layers.h"
#include "nn/weight_files.h"

namespace foil::nn {

namespace {

// "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; "" for tensors that are no weights.
std::string hugging_face_name(const std::string& name) {
  static const std::map<std::string, std::string> top = {
      {"token_embd.weight", "model.embed_tokens.weight"}, {"output_norm.weight", "model.norm.weight"}, {"output.weight", "lm_head.weight"}};
  static const std::map<std::string, std::string> parts = {
      {"attn_norm", "input_layernorm"},      {"ffn_norm", "post_attention_layernorm"}, {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},        {"attn_v", "self_attn.v_proj"},           {"attn_output", "self_attn.o_proj"},
      {"attn_q_norm", "self_attn.q_norm"},   {"attn_k_norm", "self_attn.k_norm"},      {"ffn_gate", "mlp.gate_proj"},
      {"ffn_up", "mlp.up_proj"},             {"ffn_down", "mlp.down_proj"}};
  if (const auto it = top.find(name); it != top.end()) return it->second;
  if (name == "rope_freqs.weight") return "";
  if (name.starts_with("blk.")) {
    const size_t second = name.find('.', 4), third = name.find('.', second + 1);
    if (second != std::string::npos && third != std::string::npos)
      if (const auto it = parts.find(name.substr(second + 1, third - second - 1)); it != parts.end())
        return "model.layers." + name.substr(4, second - 4) + "." + it->second + name.substr(third);
  }
  return name;  // reported as unexpected
}

// Row r of a q or k projection in the half-split order, as a row of llama.cpp's interleaved order.
int64_t interleaved_row(int64_t r, int64_t d) {
  const int64_t head = r / d, within = r % d, half = d / 2;
  return head * d + 2 * (within % half) + within / half;
}

// `permute`: rows to be put back in the half-split order, 0 for none; head size d.
void read_rows(const io::GgufTensor& t, int64_t d, bool permute, at::Tensor& into) {
  const int64_t rows = t.shape.size() == 1 ? 1 : t.shape[0], columns = t.shape.back();
  const int64_t per_block = io::block_elements(t.type), blocks = columns / per_block;
  const size_t row_bytes = size_t(blocks) * io::block_bytes(t.type);
  at::Tensor wide = at::empty(t.shape, at::kFloat);
  float* out = wide.mutable_data_ptr<float>();
  at::parallel_for(0, rows, std::max<int64_t>(1, (1 << 16) / columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      io::dequantise(t.type, t.data.data() + size_t(permute ? interleaved_row(r, d) : r) * row_bytes, blocks, out + r * columns);
  });
  if (permute && t.shape.size() == 1) {  // a bias: its entries are the rows
    const at::Tensor copy = wide.clone();
    const float* from = copy.const_data_ptr<float>();
    for (int64_t r = 0; r < columns; ++r) out[r] = from[interleaved_row(r, d)];
  }
  into.copy_(wide);
}

// llama.cpp stores Llama 3's frequency scaling as the divisor of each frequency; find the parameters that give them.
RopeScaling scaling_from_factors(const ModelConfig& config, const std::vector<float>& found, const std::string& where) {
  for (const double factor : {8.0, 32.0, 16.0, 4.0}) {
    ModelConfig plain = config, scaled = config;
    plain.rope_scaling.reset();
    scaled.rope_scaling = RopeScaling{factor, 1, 4, 8192};
    const at::Tensor a = rotary_frequencies(plain), b = rotary_frequencies(scaled);
    bool same = int64_t(found.size()) == a.numel();
    for (size_t i = 0; same && i < found.size(); ++i)
      same = std::abs(a[int64_t(i)].item<double>() / b[int64_t(i)].item<double>() - found[i]) < 1e-3 * found[i];
    if (same) return *scaled.rope_scaling;
  }
  throw Error("unknown rotary frequency factors", where, "use the model's Hugging Face folder instead of the GGUF file");
}

}  // namespace

StoredModel open_gguf_model(const std::filesystem::path& path) {
  const auto file = std::make_shared<io::GgufFile>(path);
  const std::string where = path.string();
  const auto type = file->string("general.architecture");
  if (!type) throw Error("general.architecture is missing", where);
  StoredModel model;
  model.where = where;
  ModelConfig c;
  c.model_type = *type;
  if (c.model_type != "llama" && c.model_type != "qwen2" && c.model_type != "qwen3")
    throw Error(fmt::format("architecture \"{}\" is not supported", *type), where, "supported: llama (Llama 3, SmolLM2), qwen2 (Qwen2.5), qwen3");
  auto whole = [&](const std::string& key, std::optional<int64_t> fallback = std::nullopt) {
    const auto v = file->integer(*type + "." + key);
    if (!v && !fallback) throw Error(*type + "." + key + " is missing", where);
    const int64_t n = v ? *v : *fallback;
    if (n <= 0 || n > (int64_t{1} << 31)) throw Error(fmt::format("{}.{} is {}: expected a positive number", *type, key, n), where);
    return n;
  };
  c.num_hidden_layers = whole("block_count");
  c.hidden_size = whole("embedding_length");
  c.intermediate_size = whole("feed_forward_length");
  c.num_attention_heads = whole("attention.head_count");
  c.num_key_value_heads = whole("attention.head_count_kv", c.num_attention_heads);
  c.head_dim = whole("attention.key_length", c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = whole("context_length");
  c.rms_norm_eps = file->number(*type + ".attention.layer_norm_rms_epsilon").value_or(1e-5);
  // Stored as f32: 9.99999974e-06 for 1e-5. Written back as the decimal that was meant.
  c.rms_norm_eps = std::stod(fmt::format("{:.6g}", c.rms_norm_eps));
  c.rope_theta = file->number(*type + ".rope.freq_base").value_or(10000.0);
  if (c.num_attention_heads % c.num_key_value_heads || c.head_dim % 2)
    throw Error(fmt::format("impossible heads: {} query, {} key, size {}", c.num_attention_heads, c.num_key_value_heads, c.head_dim), where);
  if (const auto scaling = file->string(*type + ".rope.scaling.type"); scaling && *scaling != "none")
    throw Error(fmt::format("rope scaling \"{}\" is not supported", *scaling), where, "supported: none, llama3");
  const auto embedding = file->tensors().find("token_embd.weight");
  if (embedding == file->tensors().end() || embedding->second.shape.size() != 2) throw Error("token_embd.weight is missing", where);
  c.vocab_size = embedding->second.shape[0];
  c.tie_word_embeddings = !file->tensors().contains("output.weight");
  c.attention_bias = c.model_type == "qwen2" || file->tensors().contains("blk.0.attn_q.bias");
  c.qk_norm = c.model_type == "qwen3";
  c.bos_token_id = file->integer("tokenizer.ggml.bos_token_id");
  c.pad_token_id = file->integer("tokenizer.ggml.padding_token_id");
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (const auto id = file->integer(key); id && std::find(c.eos_token_ids.begin(), c.eos_token_ids.end(), *id) == c.eos_token_ids.end())
      c.eos_token_ids.push_back(*id);
  if (const auto factors = file->tensors().find("rope_freqs.weight"); factors != file->tensors().end()) {
    std::vector<float> values(size_t(factors->second.elements()));
    io::dequantise(factors->second.type, factors->second.data.data(), factors->second.elements() / io::block_elements(factors->second.type), values.data());
    c.rope_scaling = scaling_from_factors(c, values, where + ": rope_freqs.weight");
  }
  model.config = c;
  for (const auto& [name, tensor] : file->tensors()) {
    const std::string ours = hugging_face_name(name);
    if (ours.empty()) continue;
    const bool permute = c.model_type == "llama" && (ours.find(".q_proj.") != std::string::npos || ours.find(".k_proj.") != std::string::npos);
    model.tensors[ours] = {tensor.shape, where, [file, &tensor = tensor, permute, d = c.head_dim](at::Tensor& into) { read_rows(tensor, d, permute, into); }};
  }
  return model;
}

}  // namespace foil::nn
