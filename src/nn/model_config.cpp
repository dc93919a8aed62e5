#include "nn/model_config.h"

#include "base/error.h"

namespace foil::nn {
using Json = nlohmann::json;

int64_t ModelConfig::multiplying_parameters() const {
  const int64_t attention = hidden_size * head_dim * (2 * num_attention_heads + 2 * num_key_value_heads);
  const int64_t mlp = 3 * hidden_size * intermediate_size;
  return num_hidden_layers * (attention + mlp) + vocab_size * hidden_size;
}

int64_t ModelConfig::parameters() const {
  int64_t per_layer = 2 * hidden_size;
  if (attention_bias) per_layer += head_dim * (num_attention_heads + 2 * num_key_value_heads);
  if (qk_norm) per_layer += 2 * head_dim;
  return multiplying_parameters() + num_hidden_layers * per_layer + hidden_size + (tie_word_embeddings ? 0 : vocab_size * hidden_size);
}

namespace {

// One field of config.json with its type checked.
template <class T>
T field(const Json& j, const char* name, const std::string& where) {
  const auto it = j.find(name);
  if (it == j.end() || it->is_null()) throw Error(fmt::format("\"{}\" is missing", name), where, "is this a Hugging Face config.json of a decoder?");
  try {
    return it->get<T>();
  } catch (const Json::exception&) {
    throw Error(fmt::format("\"{}\" has the wrong type: {}", name, it->dump()), where);
  }
}

template <class T>
T field_or(const Json& j, const char* name, T fallback, const std::string& where) {
  const auto it = j.find(name);
  return it == j.end() || it->is_null() ? fallback : field<T>(j, name, where);
}

}  // namespace

ModelConfig parse_model_config(const Json& j, const std::string& where) {
  if (!j.is_object()) throw Error("expected a JSON object", where);
  ModelConfig c;
  c.raw = j;
  c.model_type = field<std::string>(j, "model_type", where);
  if (c.model_type != "llama" && c.model_type != "qwen2" && c.model_type != "qwen3")
    throw Error(fmt::format("model_type \"{}\" is not supported", c.model_type), where,
                "supported decoders: llama (Llama 3, SmolLM2), qwen2 (Qwen2.5), qwen3");
  c.vocab_size = field<int64_t>(j, "vocab_size", where);
  c.hidden_size = field<int64_t>(j, "hidden_size", where);
  c.intermediate_size = field<int64_t>(j, "intermediate_size", where);
  c.num_hidden_layers = field<int64_t>(j, "num_hidden_layers", where);
  c.num_attention_heads = field<int64_t>(j, "num_attention_heads", where);
  c.num_key_value_heads = field_or<int64_t>(j, "num_key_value_heads", c.num_attention_heads, where);
  for (const auto& [value, name] : {std::pair{c.vocab_size, "vocab_size"}, {c.hidden_size, "hidden_size"}, {c.intermediate_size, "intermediate_size"},
                                    {c.num_hidden_layers, "num_hidden_layers"}, {c.num_attention_heads, "num_attention_heads"},
                                    {c.num_key_value_heads, "num_key_value_heads"}})
    if (value <= 0 || value > (int64_t{1} << 31)) throw Error(fmt::format("\"{}\" is {}: expected a positive number", name, value), where);
  c.head_dim = field_or<int64_t>(j, "head_dim", c.hidden_size / c.num_attention_heads, where);
  c.max_position_embeddings = field_or<int64_t>(j, "max_position_embeddings", 2048, where);
  c.rms_norm_eps = field_or<double>(j, "rms_norm_eps", 1e-6, where);
  c.tie_word_embeddings = field_or<bool>(j, "tie_word_embeddings", false, where);
  c.attention_bias = c.model_type == "qwen2" || field_or<bool>(j, "attention_bias", false, where);
  c.qk_norm = c.model_type == "qwen3";

  // transformers 5 keeps both under "rope_parameters"; older files have "rope_theta" and "rope_scaling".
  Json rope = j.value("rope_parameters", Json());
  if (!rope.is_object()) rope = j.value("rope_scaling", Json());
  c.rope_theta = field_or<double>(j, "rope_theta", 10000.0, where);
  if (rope.is_object()) {
    c.rope_theta = field_or<double>(rope, "rope_theta", c.rope_theta, where);
    const auto type = field_or<std::string>(rope, "rope_type", field_or<std::string>(rope, "type", "default", where), where);
    if (type == "llama3") {
      c.rope_scaling = RopeScaling{field<double>(rope, "factor", where), field<double>(rope, "low_freq_factor", where),
                                   field<double>(rope, "high_freq_factor", where), field<int64_t>(rope, "original_max_position_embeddings", where)};
    } else if (type != "default") {
      throw Error(fmt::format("rope_type \"{}\" is not supported", type), where, "supported: default, llama3");
    }
  }
  if (c.num_attention_heads % c.num_key_value_heads)
    throw Error(fmt::format("num_attention_heads {} is no multiple of num_key_value_heads {}", c.num_attention_heads, c.num_key_value_heads), where);
  if (c.head_dim % 2) throw Error(fmt::format("head_dim {} is odd; rotary positions need an even one", c.head_dim), where);
  if (field_or<std::string>(j, "hidden_act", "silu", where) != "silu") throw Error("hidden_act must be silu, found " + j["hidden_act"].dump(), where);
  if (field_or<bool>(j, "use_sliding_window", false, where)) throw Error("sliding-window attention is not supported", where);
  if (field_or<bool>(j, "mlp_bias", false, where)) throw Error("mlp_bias is not supported", where);

  auto token = [&](const char* name) -> std::optional<int64_t> {
    const auto it = j.find(name);
    if (it == j.end() || !it->is_number_integer()) return std::nullopt;
    return it->get<int64_t>();
  };
  c.bos_token_id = token("bos_token_id");
  c.pad_token_id = token("pad_token_id");
  if (const auto eos = j.find("eos_token_id"); eos != j.end() && !eos->is_null())
    c.eos_token_ids = eos->is_array() ? eos->get<std::vector<int64_t>>() : std::vector<int64_t>{eos->get<int64_t>()};
  return c;
}

Json model_config_json(const ModelConfig& c) {
  Json j = c.raw;
  const bool llama = c.model_type == "llama";
  if (!j.contains("architectures"))
    j["architectures"] = {llama ? "LlamaForCausalLM" : c.model_type == "qwen2" ? "Qwen2ForCausalLM" : "Qwen3ForCausalLM"};
  j["model_type"] = c.model_type;
  j["vocab_size"] = c.vocab_size;
  j["hidden_size"] = c.hidden_size;
  j["intermediate_size"] = c.intermediate_size;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_key_value_heads"] = c.num_key_value_heads;
  j["head_dim"] = c.head_dim;
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["hidden_act"] = "silu";
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  if (c.model_type != "qwen2") j["attention_bias"] = c.attention_bias;
  j.erase("rope_parameters");
  j["rope_theta"] = c.rope_theta;
  if (c.rope_scaling)
    j["rope_scaling"] = {{"rope_type", "llama3"},
                         {"factor", c.rope_scaling->factor},
                         {"low_freq_factor", c.rope_scaling->low_freq_factor},
                         {"high_freq_factor", c.rope_scaling->high_freq_factor},
                         {"original_max_position_embeddings", c.rope_scaling->original_max_position_embeddings}};
  else
    j.erase("rope_scaling");
  if (c.eos_token_ids.size() == 1)
    j["eos_token_id"] = c.eos_token_ids[0];
  else if (!c.eos_token_ids.empty())
    j["eos_token_id"] = c.eos_token_ids;
  if (c.bos_token_id) j["bos_token_id"] = *c.bos_token_id;
  if (c.pad_token_id) j["pad_token_id"] = *c.pad_token_id;
  return j;
}

}  // namespace foil::nn
