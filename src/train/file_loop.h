// The loop that learns from records on disk: supervised fine-tuning, reward models, every preference loss.
//
// A method is a FileTask: how a record's tokens are packed and what their loss is. Order, micro-batches, gradient accumulation,
// clipping, schedules, checkpoints, validation and the log are here, once. Tasks: train/sft.h, train/reward_model.h,
// train/preference.h. Text never comes here: examples are token ids (train/tokenise.h makes them).
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "nn/transformer.h"
#include "objective/packed.h"
#include "objective/statistics.h"
#include "train/batching.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/session.h"

namespace foil::train {

struct FileLoopOptions {
  OptimizerOptions optimizer;
  BatchOptions batch;
  CheckpointOptions checkpoint;
  double validation_share = 0;   // of the records, held out by a hash of their id
  int64_t validate_every = 0;    // steps; 0: at the end only
  bool recompute = false;        // keep layer inputs only, recompute inside backward

  template <class V> void visit(V& v) {
    v.group("optimizer", optimizer, "how the weights move");
    v.group("batch", batch, "what forms an update");
    v.group("checkpoint", checkpoint, "when training state is written");
    v("validation_share", validation_share, "share of the records held out and never trained on");
    v("validate_every", validate_every, "measure the held-out records every so many steps; 0: at the end only");
    v("recompute", recompute, "save memory: keep only layer inputs and compute the rest again in the backward pass");
  }
  void validate(const std::string& where) const;
};

// Where an update stands in the whole of them.
struct StepPlace {
  int64_t step = 0, steps = 1;  // finished updates, all updates
  bool training = true;         // false: a measurement of held-out records
  double share() const { return steps > 1 ? double(step) / double(steps - 1) : 0; }
};

class FileTask {
 public:
  virtual ~FileTask() = default;
  virtual int64_t size() const = 0;                              // records
  virtual int64_t tokens(int64_t record) const = 0;              // packed rows it needs
  virtual std::string id(int64_t record) const = 0;              // for error messages and the held-out split
  virtual std::string data_hash() const = 0;
  // Records of a smaller rank come first within an epoch, equal ones shuffled.
  virtual double rank(int64_t /*record*/) const { return 0; }
  virtual std::vector<NamedTensor> extra_parameters() { return {}; }
  // Once, before training starts or resumes, with the start weights: e.g. reference log-probabilities.
  virtual void prepare(const nn::Transformer& /*model*/, const StageContext& /*context*/, const FileLoopOptions& /*options*/) {}
  // What the loss of an update over these records is divided by (micro_batches is filled in by the loop).
  virtual objective::StepCounts counts(std::span<const int64_t> records) const = 0;
  // Before an update's micro-batches (all its records, on every rank), without gradients. May move the weights if before_update() puts them back.
  virtual void begin_step(nn::Transformer& /*model*/, std::span<const int64_t> /*records*/, const FileLoopOptions& /*options*/, const StepPlace& /*place*/) {}
  // After the update's last micro-batch, before its gradients are applied; without gradients.
  virtual void before_update(nn::Transformer& /*model*/) {}
  // Tensors that a resume needs besides the weights and changes in place.
  virtual std::map<std::string, at::Tensor> kept_tensors() { return {}; }
  // Loss of a micro-batch; the losses of an update's micro-batches add up to the update's.
  virtual at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                          objective::Statistics& figures) = 0;
  // After an update: warnings about its figures.
  virtual void end_step(const std::map<std::string, double>& /*figures*/) {}
  virtual std::string note(const std::map<std::string, double>& figures) const;  // for the progress line
  // false: its running state is not shared, so that several ranks would drift apart.
  virtual bool shares_work() const { return true; }
  // What a resume needs besides the weights.
  virtual nlohmann::json state() const { return nlohmann::json::object(); }
  virtual void load_state(const nlohmann::json& /*state*/) {}
};

// Whether a record is held out: by a hash of its id and the stage's seed (StageContext::seed), so that the split stays when records are added.
bool held_out(const std::string& id, double validation_share, uint64_t seed);

struct FileLoopResult {
  int64_t steps = 0;
  int64_t records = 0, held_out = 0;                 // trained on, validated on
  std::map<std::string, double> last;                // figures of the last step
  std::map<std::string, double> validation;          // "validation/…" of the last measurement
};

// Trains `model` in place. Resumes by itself when context.folder holds checkpoints of the same options, data and start weights.
// `options_json`: the stage's resolved options, for the fingerprint. Throws Error when there is no record, on a NaN loss, on
// Ctrl-C (Interrupted, after a checkpoint).
FileLoopResult train_from_file(nn::Transformer& model, FileTask& task, const FileLoopOptions& options, const StageContext& context, nlohmann::json options_json);

}  // namespace foil::train
