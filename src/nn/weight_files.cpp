#include "nn/weight_files.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "io/safetensors.h"

namespace foil::nn {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

Json read_json(const fs::path& path) {
  Json j = Json::parse(read_file(path), nullptr, false);
  if (j.is_discarded()) throw Error("not valid JSON", path.string(), "the download may be incomplete");
  return j;
}

at::ScalarType scalar_type(io::TensorType type, const std::string& where) {
  switch (type) {
    case io::TensorType::kF64: return at::kDouble;
    case io::TensorType::kF32: return at::kFloat;
    case io::TensorType::kF16: return at::kHalf;
    case io::TensorType::kBF16: return at::kBFloat16;
    default: throw Error(fmt::format("weights of type {} are not supported", io::name_of(type)), where, "quantised checkpoints must be converted to bf16 first");
  }
}

io::TensorType stored_type(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return io::TensorType::kF64;
    case at::kFloat: return io::TensorType::kF32;
    case at::kHalf: return io::TensorType::kF16;
    case at::kBFloat16: return io::TensorType::kBF16;
    default: throw Error("weights are written as f32, bf16 or f16");
  }
}

void add_file(StoredModel& model, const fs::path& path, const std::set<std::string>* wanted) {
  const auto file = std::make_shared<io::SafetensorsFile>(path);
  for (const auto& [name, view] : file->tensors()) {
    if (wanted && !wanted->contains(name)) continue;
    const std::string where = path.string() + ": " + name;
    const auto type = scalar_type(view.type, where);
    model.tensors[name] = {view.shape, path.string(), [file, data = view.data, shape = view.shape, type](at::Tensor& into) {
                             auto* p = const_cast<std::byte*>(data.data());
                             at::Tensor source;
                             if (reinterpret_cast<uintptr_t>(p) % at::elementSize(type) == 0) {
                               source = at::from_blob(p, shape, at::TensorOptions().dtype(type));
                             } else {
                               source = at::empty(shape, at::TensorOptions().dtype(type));
                               std::memcpy(source.mutable_data_ptr(), p, data.size());
                             }
                             into.copy_(source);
                           }};
  }
}

// Names as a list for an error, the first few.
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 4); ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > 4) out += fmt::format(" and {} more", names.size() - 4);
  return out;
}

}  // namespace

StoredModel open_model(const fs::path& path) {
  if (fs::is_regular_file(path)) {
    if (path.extension() == ".gguf") return open_gguf_model(path);
    throw Error("expected a Hugging Face folder or a .gguf file", path.string());
  }
  if (!fs::is_directory(path)) throw Error("no such model", path.string(), "a folder with config.json and *.safetensors, or a .gguf file");
  const fs::path config_path = path / "config.json";
  if (!fs::exists(config_path)) throw Error("config.json is missing", path.string(), "is this a Hugging Face model folder?");
  StoredModel model;
  model.where = path.string();
  model.config = parse_model_config(read_json(config_path), config_path.string());
  if (const fs::path generation = path / "generation_config.json"; fs::exists(generation)) {  // where chat models list all their end tokens
    const Json j = read_json(generation);
    if (const auto eos = j.find("eos_token_id"); eos != j.end() && !eos->is_null()) {
      try {
        model.config.eos_token_ids = eos->is_array() ? eos->get<std::vector<int64_t>>() : std::vector<int64_t>{eos->get<int64_t>()};
      } catch (const Json::exception&) {
        throw Error("\"eos_token_id\" has the wrong type: " + eos->dump(), generation.string());
      }
    }
  }
  const fs::path single = path / "model.safetensors", index = path / "model.safetensors.index.json";
  if (fs::exists(single)) {
    add_file(model, single, nullptr);
  } else if (fs::exists(index)) {
    const Json j = read_json(index);
    if (!j.contains("weight_map") || !j["weight_map"].is_object()) throw Error("\"weight_map\" is missing", index.string());
    std::map<std::string, std::set<std::string>> shards;
    for (const auto& [name, file] : j["weight_map"].items()) {
      if (!file.is_string()) throw Error("\"weight_map\" must map names to files", index.string());
      shards[file.get<std::string>()].insert(name);
    }
    for (const auto& [file, names] : shards) {
      if (fs::path(file).has_parent_path()) throw Error("a shard outside the folder: " + file, index.string());
      if (!fs::exists(path / file)) throw Error("the shard " + file + " is missing", path.string(), "the download may be incomplete");
      add_file(model, path / file, &names);
    }
  } else {
    throw Error("no model.safetensors and no model.safetensors.index.json", path.string(),
                fs::exists(path / "pytorch_model.bin") ? "pytorch_model.bin holds pickled code and is not read: save the model as safetensors" : "");
  }
  return model;
}

void read_parameters(const StoredModel& stored, std::map<std::string, at::Tensor>& parameters, const std::vector<std::string>& also) {
  std::vector<std::string> missing, unexpected, mismatched;
  for (const auto& [name, t] : parameters) {
    const auto it = stored.tensors.find(name);
    if (it == stored.tensors.end())
      missing.push_back(fmt::format("{} {}", name, io::shape_text(t.sizes().vec())));
    else if (it->second.shape != t.sizes().vec())
      mismatched.push_back(fmt::format("{} (expected {}, found {})", name, io::shape_text(t.sizes().vec()), io::shape_text(it->second.shape)));
  }
  for (const auto& [name, t] : stored.tensors) {
    const bool harmless = name.ends_with("rotary_emb.inv_freq") || (name == "lm_head.weight" && stored.config.tie_word_embeddings) ||
                          std::find(also.begin(), also.end(), name) != also.end();
    if (!parameters.contains(name) && !harmless) unexpected.push_back(fmt::format("{} {}", name, io::shape_text(t.shape)));
  }
  std::string what;
  auto say = [&](const char* kind, const std::vector<std::string>& names) {
    if (!names.empty()) what += fmt::format("{}{}: {}", what.empty() ? "" : "; ", kind, listed(names));
  };
  say("mismatched", mismatched);
  say("missing", missing);
  say("unexpected", unexpected);
  if (!what.empty())
    throw Error(what, stored.where, fmt::format("config.json describes a {} of {} layers, hidden size {}: do the weights belong to it?", stored.config.model_type,
                                                stored.config.num_hidden_layers, stored.config.hidden_size));
  at::NoGradGuard off;
  for (auto& [name, t] : parameters) stored.tensors.at(name).read(t);
}

void write_parameters(const fs::path& folder, const std::map<std::string, at::Tensor>& tensors, at::ScalarType type, int64_t max_shard_bytes) {
  const io::TensorType stored = stored_type(type);
  std::vector<std::vector<io::TensorSource>> shards(1);
  const auto held = std::make_shared<at::Tensor>();  // the tensor being written
  int64_t in_shard = 0, total = 0;
  for (const auto& [name, t] : tensors) {
    const int64_t bytes = t.numel() * int64_t(io::bytes_of(stored));
    if (in_shard > 0 && in_shard + bytes > max_shard_bytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    in_shard += bytes;
    total += bytes;
    shards.back().push_back({name, stored, t.sizes().vec(), [held, t = t.detach(), type] {
                               *held = t.to(at::kCPU, type).contiguous();
                               return std::span(static_cast<const std::byte*>(held->const_data_ptr()), held->nbytes());
                             }});
  }
  std::set<std::string> written;
  if (shards.size() == 1) {
    io::write_safetensors(folder / "model.safetensors", shards[0]);
    written = {"model.safetensors"};
  } else {
    Json map = Json::object();
    for (size_t i = 0; i < shards.size(); ++i) {
      const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      io::write_safetensors(folder / name, shards[i]);
      written.insert(name);
      for (const auto& t : shards[i]) map[t.name] = name;
    }
    const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
    write_file(folder / "model.safetensors.index.json", index.dump(2) + "\n");
    written.insert("model.safetensors.index.json");
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool weights = name == "model.safetensors" || name == "model.safetensors.index.json" || (name.starts_with("model-") && name.ends_with(".safetensors"));
    if (weights && !written.contains(name)) fs::remove(entry.path());
  }
}

std::string architecture_name(const ModelConfig& config, const std::string& head) {
  return (config.model_type == "llama" ? "Llama" : config.model_type == "qwen2" ? "Qwen2" : "Qwen3") + head;
}

void write_config(const fs::path& folder, const ModelConfig& config, const std::string& architecture, at::ScalarType type, const Json& more) {
  Json j = model_config_json(config);
  j["architectures"] = {architecture};
  const char* name = type == at::kDouble ? "float64" : type == at::kFloat ? "float32" : type == at::kHalf ? "float16" : "bfloat16";
  j.erase("torch_dtype");
  j["dtype"] = name;
  j.update(more);
  Json generation = Json::object();
  generation["_from_model_config"] = true;
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (j.contains(key)) generation[key] = j[key];
  write_file(folder / "generation_config.json", generation.dump(2) + "\n");
  write_file(folder / "config.json", j.dump(2) + "\n");
}

}  // namespace foil::nn
