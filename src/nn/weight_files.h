// Weights on disk under their Hugging Face names: safetensors (one file or shards) or GGUF, mapped, converted when read.
#pragma once
#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "nn/model_config.h"

namespace foil::nn {

struct StoredTensor {
  std::vector<int64_t> shape;
  std::string file;                            // for errors
  std::function<void(at::Tensor& into)> read;  // into: same shape, any device and floating type
};

struct StoredModel {
  ModelConfig config;
  std::map<std::string, StoredTensor> tensors;  // Hugging Face names; the maps below them live as long as this object
  std::string where;                            // folder or file
};

// `path`: a Hugging Face folder or a .gguf file (its names mapped, its q and k rows put back into the half-split rotary order where
// llama.cpp interleaves them). Throws Error: no weights, missing shard, unsupported architecture, malformed files.
StoredModel open_model(const std::filesystem::path& path);

// Fills every parameter. Throws one Error naming all missing, unexpected and mismatched tensors (the first few of each).
// `also` names tensors of the file that are wanted elsewhere.
void read_parameters(const StoredModel& stored, std::map<std::string, at::Tensor>& parameters, const std::vector<std::string>& also = {});

// Writes tensors as model.safetensors, or shards with an index above max_shard_bytes; then what an earlier save left there is removed.
void write_parameters(const std::filesystem::path& folder, const std::map<std::string, at::Tensor>& tensors, at::ScalarType type, int64_t max_shard_bytes);

// config.json (with the architecture's name and type added) and generation_config.json.
void write_config(const std::filesystem::path& folder, const ModelConfig& config, const std::string& architecture, at::ScalarType type,
                  const nlohmann::json& more = nlohmann::json::object());

// "LlamaForCausalLM" from "ForCausalLM".
std::string architecture_name(const ModelConfig& config, const std::string& head);

StoredModel open_gguf_model(const std::filesystem::path& path);

}  // namespace foil::nn
