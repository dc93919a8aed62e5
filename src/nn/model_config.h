// Hyper-parameters of a decoder in the Hugging Face config.json spelling (Llama 3 / SmolLM2, Qwen2.5, Qwen3).
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace foil::nn {

struct RopeScaling {  // Llama 3's frequency scaling (rope_type "llama3")
  double factor = 8, low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;
};

struct ModelConfig {
  std::string model_type = "llama";  // "llama", "qwen2", "qwen3"
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  int64_t num_hidden_layers = 0, num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6, rope_theta = 10000;
  std::optional<RopeScaling> rope_scaling;
  bool tie_word_embeddings = false;
  bool attention_bias = false;       // q/k/v biases (Qwen2)
  bool qk_norm = false;              // per-head RMSNorm of q and k (Qwen3)
  std::vector<int64_t> eos_token_ids;
  std::optional<int64_t> bos_token_id, pad_token_id;
  nlohmann::json raw = nlohmann::json::object();  // config.json as read; written back with the fields above

  // Parameters that multiply an activation (the N of 2N and 6N): the embedding look-up is not counted, the output matrix is.
  int64_t multiplying_parameters() const;
  int64_t parameters() const;
};

// `where` names the file in errors. Throws Error for an unsupported architecture or an impossible combination.
ModelConfig parse_model_config(const nlohmann::json& j, const std::string& where);
nlohmann::json model_config_json(const ModelConfig& config);  // loads in transformers

}  // namespace foil::nn
