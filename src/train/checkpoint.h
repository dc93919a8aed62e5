// Training state on disk, from which a killed run goes on to the same bytes as if it had never been killed (f32, same machine).
//
//   FOLDER/step-00000120/              complete or absent: written as step-00000120.part and renamed last
//     model.safetensors                weights in the Hugging Face spelling (a value head's too), in the training type
//     config.json                      so that the folder loads in transformers
//     optimizer.safetensors            exp_avg/NAME, exp_avg_sq/NAME, and master/NAME where the weights are not f32
//     state.json                       step, updates, the loop's own counters, the fingerprint, size and checksum of every file
//
// Randomness needs no state: every stream is keyed by (seed, what it is for, step), see base/random.h.
// Not here: what the loops count (their Json), models for use (nn/transformer.h saves those).
#pragma once
#include <ATen/ATen.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace foil::train {

struct CheckpointOptions {
  int64_t every_steps = 0;     // 0: by time only
  double every_minutes = 10;   // 0: by steps only
  int keep_last = 2;

  template <class V> void visit(V& v) {
    v("every_steps", every_steps, "write a checkpoint every so many steps; 0: by time only");
    v("every_minutes", every_minutes, "write a checkpoint when the last one is older than this; 0: by steps only");
    v("keep_last", keep_last, "checkpoints kept; older ones are removed");
  }
  void validate(const std::string& where) const;
};

// `options` without what a run may change between two attempts, its results the same but for rounding: checkpoint, micro_batch_tokens,
// recompute, keep_sampled, validate_every, ratio_tolerance, give_up_after, wherever they stand in it. For fingerprints and the keys of stages.
// Where a loss averages or contrasts within a micro-batch (bnpo, the contrastive terms of pairs and of reward models), micro_batch_tokens and
// what else decides how a step is cut, recompute and keep_sampled, stay.
nlohmann::json lasting_options(nlohmann::json options);

struct TrainingState {
  int64_t step = 0;                                // finished steps
  std::map<std::string, at::Tensor> weights;
  std::map<std::string, at::Tensor> optimizer;
  nlohmann::json model_config = nlohmann::json::object();
  nlohmann::json counters = nlohmann::json::object();  // of the loop
};

class CheckpointStore {
 public:
  // `fingerprint`: flat object of what must be the same for a resume to make sense (options, hashes of data and start weights).
  // Removes what a killed writer left (*.part).
  CheckpointStore(std::filesystem::path folder, const CheckpointOptions& options, nlohmann::json fingerprint);

  // Writes step-N and removes checkpoints beyond keep_last. Nothing to do when step-N exists.
  void save(const TrainingState& state);
  // Whether `every_steps` or `every_minutes` asks for a checkpoint now.
  bool due(int64_t step) const;

  // The newest checkpoint that is whole; damaged ones are skipped with a warning. nullopt: none was ever written.
  // Throws Error when the fingerprint differs (naming the field, both values), or when all checkpoints are damaged.
  std::optional<TrainingState> load_latest() const;
  // Path of the newest checkpoint, "" if none: for error messages.
  std::string latest() const;
  void remove_all();

 private:
  TrainingState load(const std::filesystem::path& folder) const;
  std::vector<std::pair<int64_t, std::filesystem::path>> list() const;  // by step, oldest first

  std::filesystem::path folder_;
  CheckpointOptions options_;
  nlohmann::json fingerprint_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace foil::train
