#include "train/reference.h"

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "nn/logprob.h"
#include "objective/packed.h"
#include "train/batching.h"
#include "train/session.h"
#include "train/tensor_file.h"

namespace foil::train {
namespace fs = std::filesystem;

namespace {

constexpr int64_t kChunk = 2048;

int64_t packed_tokens(const ScoredTokens& item) {
  auto n = int64_t(item.prompt->size());
  for (const Tokens* c : item.completions) n += int64_t(c->size());
  return n;
}

std::optional<at::Tensor> read_chunk(const fs::path& stem, int64_t expected) {
  const auto seal = nlohmann::json::parse(fs::exists(stem.string() + ".json") ? read_file(stem.string() + ".json") : "", nullptr, false);
  if (!seal.is_object()) return std::nullopt;
  try {
    const auto tensors = load_tensors(stem.string() + ".safetensors", {seal.at("bytes").get<uint64_t>(), seal.at("checksum").get<std::string>()});
    const at::Tensor found = tensors.at("logprob");
    if (found.numel() == expected) return found;
  } catch (const std::exception& e) {
    log_warning("{}; computing that part again", e.what());
  }
  return std::nullopt;
}

}  // namespace

at::Tensor summed_logprobs(const nn::Transformer& model, const std::vector<ScoredTokens>& items, int64_t micro_batch_tokens) {
  at::NoGradGuard guard;
  std::vector<int64_t> all(items.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = int64_t(i);
  std::vector<at::Tensor> out;
  for (const auto& micro : micro_batches(all, [&](int64_t i) { return packed_tokens(items[size_t(i)]); }, micro_batch_tokens)) {
    throw_if_interrupted();
    CompletionPacker packer(LastTokens::kLeftOut);
    for (const int64_t i : micro) {
      const int32_t prompt = packer.prompt(*items[size_t(i)].prompt);
      for (const Tokens* c : items[size_t(i)].completions) packer.completion(prompt, *c);
    }
    const CompletionBatch batch = packer.build(model.device());
    const auto hidden = model.hidden(batch.packed, batch.rows);
    const auto logprob = nn::token_logprobs(hidden, model.output_weight(), batch.targets).logprob;
    out.push_back(objective::sequence_sum(logprob, batch.sequence, batch.completions()).to(at::kFloat).cpu());
  }
  return out.empty() ? at::empty({0}) : at::cat(out);
}

at::Tensor cached_logprobs(const nn::Transformer& model, const std::vector<ScoredTokens>& items, int64_t micro_batch_tokens, const fs::path& folder, const std::string& data_hash,
                           const std::string& label, dist::Ranks* ranks) {
  Checksum key;
  const std::string parts = weights_hash(model.parameters()) + data_hash + "logprob sums 1";
  key.add(parts.data(), parts.size());
  const fs::path cache = folder / ("reference-" + key.finish());
  Progress progress(label, items.size(), "records");
  const auto chunk = [&](size_t begin) {
    const std::vector<ScoredTokens> part(items.begin() + ptrdiff_t(begin), items.begin() + ptrdiff_t(std::min(begin + kChunk, items.size())));
    int64_t expected = 0;
    for (const auto& item : part) expected += int64_t(item.completions.size());
    const fs::path stem = cache / fmt::format("{:05}", begin / kChunk);
    auto found = read_chunk(stem, expected);
    if (!found) {
      found = summed_logprobs(model, part, micro_batch_tokens);
      const FileSeal seal = save_tensors(stem.string() + ".safetensors", {{"logprob", *found}});
      write_file(stem.string() + ".json", nlohmann::json{{"bytes", seal.bytes}, {"checksum", seal.checksum}}.dump() + "\n");
    }
    progress.add(part.size());
    return *found;
  };
  if (ranks) {
    for (size_t begin = 0; begin < items.size(); begin += kChunk)
      if (int(begin / kChunk) % ranks->size() == ranks->rank()) chunk(begin);
    ranks->meet_patiently(label);
    progress.set(0);
  }
  std::vector<at::Tensor> out;
  for (size_t begin = 0; begin < items.size(); begin += kChunk) out.push_back(chunk(begin));
  return out.empty() ? at::empty({0}) : at::cat(out);
}

}  // namespace foil::train
