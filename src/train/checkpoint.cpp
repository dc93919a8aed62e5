#include "train/checkpoint.h"

#include <charconv>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "train/tensor_file.h"

namespace foil::train {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int kFormat = 1;
constexpr const char* kHint = "remove the folder of that checkpoint to go on from an older one, or all of them to start again";

json seal_json(const FileSeal& seal) { return {{"bytes", seal.bytes}, {"checksum", seal.checksum}}; }

}  // namespace

void CheckpointOptions::validate(const std::string& where) const {
  if (every_steps < 0) throw UsageError("every_steps must not be negative (0: by time only)", where);
  if (every_minutes < 0) throw UsageError("every_minutes must not be negative (0: by steps only)", where);
  if (keep_last < 1) throw UsageError("keep_last must be at least 1", where, "a resume needs one checkpoint");
}

// Whether a loss in `options` is one of those that a micro-batch is more than memory to: averaged over its tokens, contrasted with its other texts.
static bool counts_micro_batches(const json& options) {
  if (!options.is_structured()) return options == "bnpo" || options == "micro_batch_token_mean";
  for (const auto& [key, value] : options.items()) {
    const json& weight = value.is_object() ? value.value("coefficient", json()) : value;
    if (key == "contrastive" && weight.is_number() && weight != 0) return true;
    if (counts_micro_batches(value)) return true;
  }
  return false;
}

static void erase_passing(json& options, bool keep_micro_batches) {
  if (options.is_object()) {
    for (const char* key : {"checkpoint", "validate_every", "ratio_tolerance", "give_up_after"}) options.erase(key);
    if (!keep_micro_batches)
      for (const char* key : {"micro_batch_tokens", "recompute", "keep_sampled"}) options.erase(key);
  }
  if (options.is_structured())
    for (auto& part : options) erase_passing(part, keep_micro_batches);
}

json lasting_options(json options) {
  erase_passing(options, counts_micro_batches(options));
  return options;
}

CheckpointStore::CheckpointStore(fs::path folder, const CheckpointOptions& options, json fingerprint)
    : folder_(std::move(folder)), options_(options), fingerprint_(std::move(fingerprint)), last_(std::chrono::steady_clock::now()) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder_, ec))
    if (entry.path().extension() == ".part") fs::remove_all(entry.path(), ec);
}

std::vector<std::pair<int64_t, fs::path>> CheckpointStore::list() const {
  std::vector<std::pair<int64_t, fs::path>> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder_, ec)) {
    const std::string name = entry.path().filename().string();
    int64_t step = 0;
    if (!name.starts_with("step-")) continue;
    const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
    if (error == std::errc() && end == name.data() + name.size()) out.emplace_back(step, entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string CheckpointStore::latest() const {
  const auto all = list();
  return all.empty() ? "" : all.back().second.string();
}

void CheckpointStore::save(const TrainingState& state) {
  const fs::path target = folder_ / fmt::format("step-{:08}", state.step);
  last_ = std::chrono::steady_clock::now();
  if (fs::exists(target)) return;
  const fs::path part = target.string() + ".part";
  std::error_code ec;
  fs::remove_all(part, ec);
  json files = json::object();
  files["model.safetensors"] = seal_json(save_tensors(part / "model.safetensors", state.weights));
  files["optimizer.safetensors"] = seal_json(save_tensors(part / "optimizer.safetensors", state.optimizer));
  write_file(part / "config.json", state.model_config.dump(2) + "\n");
  const json all = {{"format", kFormat}, {"step", state.step}, {"fingerprint", fingerprint_}, {"counters", state.counters}, {"files", files}};
  write_file(part / "state.json", all.dump(1) + "\n");
  fs::rename(part, target, ec);
  if (ec) throw Error("cannot finish the checkpoint: " + ec.message(), target.string());
  const auto existing = list();
  for (size_t i = 0; i + size_t(options_.keep_last) < existing.size(); ++i) fs::remove_all(existing[i].second, ec);
}

bool CheckpointStore::due(int64_t step) const {
  const double minutes = std::chrono::duration<double>(std::chrono::steady_clock::now() - last_).count() / 60;
  return (options_.every_steps > 0 && step % options_.every_steps == 0) || (options_.every_minutes > 0 && minutes >= options_.every_minutes);
}

TrainingState CheckpointStore::load(const fs::path& folder) const {
  const fs::path path = folder / "state.json";
  const json all = json::parse(read_file(path), nullptr, false);
  if (!all.is_object()) throw Error("not readable as JSON", path.string(), kHint);
  try {
    if (all.at("format") != kFormat) throw Error(fmt::format("format {}: expected {}", all.at("format").dump(), kFormat), path.string(), "it was written by another version of foil");
    const json& theirs = all.at("fingerprint");
    for (const auto& [key, value] : fingerprint_.items())
      if (!theirs.contains(key) || theirs.at(key) != value)
        throw UsageError(fmt::format("this run folder was started with {} = {}, now it is {}", key, theirs.contains(key) ? theirs.at(key).dump() : "nothing", value.dump()),
                         folder.string(), "use the same settings and data to resume, or another run folder to start afresh");
    TrainingState out;
    out.step = all.at("step").get<int64_t>();
    out.counters = all.at("counters");
    const auto tensors = [&](const char* name) {
      const json& file = all.at("files").at(name);
      return load_tensors(folder / name, {file.at("bytes").get<uint64_t>(), file.at("checksum").get<std::string>()});
    };
    out.weights = tensors("model.safetensors");
    out.optimizer = tensors("optimizer.safetensors");
    return out;
  } catch (const json::exception& e) {
    throw Error(fmt::format("a field is missing or of the wrong type: {}", e.what()), path.string(), kHint);
  }
}

std::optional<TrainingState> CheckpointStore::load_latest() const {
  auto all = list();
  for (size_t i = all.size(); i-- > 0;) {
    try {
      return load(all[i].second);
    } catch (const UsageError&) {
      throw;
    } catch (const Error& e) {
      if (i == 0) throw;
      log_warning("{}: {}; going on from the checkpoint before it", e.where(), e.message());
    }
  }
  return std::nullopt;
}

void CheckpointStore::remove_all() {
  std::error_code ec;
  for (const auto& [step, path] : list()) fs::remove_all(path, ec);
}

}  // namespace foil::train
