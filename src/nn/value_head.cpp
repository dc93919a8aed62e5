#include "nn/value_head.h"

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "io/safetensors.h"
#include "nn/decoder.h"
#include "nn/weight_files.h"

namespace foil::nn {

at::Tensor random_score_head(int64_t hidden, uint64_t seed, at::Device device) {
  at::Tensor head = at::empty({1, hidden}, at::kFloat);
  Stream stream(seed, "score.weight");
  float* p = head.mutable_data_ptr<float>();
  for (int64_t i = 0; i < hidden; ++i) p[i] = float(stream.normal() / std::sqrt(double(hidden) + 1));
  return head.to(device);
}

at::Tensor score_tokens(const at::Tensor& hidden, const at::Tensor& head) {
  FOIL_CHECK(hidden.dim() == 2 && head.dim() == 2 && head.size(0) == 1 && head.size(1) == hidden.size(1));
  return at::matmul(hidden.to(head.scalar_type()), head.squeeze(0)).to(at::kFloat);
}

at::Tensor last_rows(const PackedBatch& batch) {
  at::Tensor rows = at::empty({int64_t(batch.segments.size())}, at::kLong);
  for (size_t i = 0; i < batch.segments.size(); ++i) rows.mutable_data_ptr<int64_t>()[i] = batch.segments[i].end - 1;
  return rows.to(batch.tokens.device());
}

RewardModel RewardModel::load(const std::filesystem::path& folder, at::Device device, at::ScalarType type) {
  StoredModel stored = open_model(folder);
  const auto head = stored.tensors.find("score.weight");
  if (head == stored.tensors.end())
    throw Error("score.weight is missing", stored.where, "a reward model is a sequence-classification folder with one label; this looks like a language model");
  const std::vector<int64_t> expected = {1, stored.config.hidden_size};
  if (head->second.shape != expected)
    throw Error(fmt::format("score.weight: expected {}, found {}", io::shape_text(expected), io::shape_text(head->second.shape)), stored.where,
                "reward models have one label");
  stored.config.tie_word_embeddings = true;  // there is no output matrix to look for
  RewardModel model{Transformer(stored.config, device, type), at::empty(expected, at::TensorOptions(device).dtype(at::kFloat))};
  read_parameters(stored, model.backbone.parameters(), {"score.weight", "lm_head.weight"});
  head->second.read(model.head);
  return model;
}

void RewardModel::save(const std::filesystem::path& folder, at::ScalarType type, int64_t max_shard_bytes) const {
  std::map<std::string, at::Tensor> tensors = backbone.parameters();
  tensors.erase("lm_head.weight");
  tensors["score.weight"] = head;
  write_parameters(folder, tensors, type, max_shard_bytes);
  nlohmann::json more = {{"id2label", {{"0", "LABEL_0"}}}, {"label2id", {{"LABEL_0", 0}}}};
  // transformers finds a padded row's last token by this id.
  const ModelConfig& c = backbone.config();
  if (!c.pad_token_id && !c.eos_token_ids.empty()) more["pad_token_id"] = c.eos_token_ids[0];
  write_config(folder, c, architecture_name(c, "ForSequenceClassification"), type, more);
}

at::Tensor RewardModel::score(const PackedBatch& batch, const ForwardOptions& options) const {
  return score_tokens(backbone.hidden(batch, last_rows(batch), options), head);
}

}  // namespace foil::nn
