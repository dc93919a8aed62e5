// What both loops share: weights and optimiser of one training stage, its checkpoints, log lines, progress and interruption.
//
// A step is one turn of a loop (one log entry); it may hold several updates of the weights. State between two steps is what
// checkpoints hold, so a session resumed at step k goes on exactly as the uninterrupted one.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "dist/ranks.h"
#include "nn/transformer.h"
#include "objective/statistics.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/run_log.h"

namespace foil::train {

// Where a stage runs and who watches.
struct StageContext {
  std::string stage = "train";          // label of metrics and progress: "sft", "rl", "generator", "reward_model", "dpo"
  std::filesystem::path folder;         // the stage's own: checkpoints/ and caches
  RunLog* log = nullptr;                // not owned; null: no metrics
  uint64_t seed = 0;
  nlohmann::json fingerprint = nlohmann::json::object();  // whatever else a resume must find unchanged
  std::function<void(int64_t step)> after_step;           // after the step's metrics, before its checkpoint; may be empty
  // Processes that share each step's work (not owned; null: this one alone). All run the same loop on the same data with the same
  // folder; the first writes checkpoints and the log.
  dist::Ranks* ranks = nullptr;

  int rank() const { return ranks ? ranks->rank() : 0; }
  int size() const { return ranks ? ranks->size() : 1; }
};

// Figures of a step over all ranks: every rank gets the same. `what` names the step in errors.
objective::Statistics over_ranks(const objective::Statistics& mine, dist::Ranks* ranks, const std::string& what);

// 16 hexadecimal digits of names, shapes and values.
std::string weights_hash(const std::map<std::string, at::Tensor>& weights);

class Session {
 public:
  // Makes the weights (and `extra`, e.g. a value head) leaves that require grad, and remembers their hash as the start.
  // `options`: the stage's resolved options, part of the fingerprint.
  Session(const StageContext& context, nn::Transformer& model, std::vector<NamedTensor> extra, const OptimizerOptions& optimizer,
          const CheckpointOptions& checkpoint, nlohmann::json options, std::string data_hash);
  ~Session();  // weights no longer require grad

  // Tensors that are not trained and yet change (a refreshed reference): written into checkpoints, filled in place by resume().
  void keep(std::map<std::string, at::Tensor> tensors) { kept_ = std::move(tensors); }

  // Loads the newest checkpoint, if any, into weights and optimiser; opens the log there. Returns the loop's counters.
  nlohmann::json resume(int64_t total_steps, int64_t total_updates);

  int64_t step() const { return step_; }          // finished steps
  int64_t total_steps() const { return total_steps_; }
  int64_t updates() const { return optimizer_.updates(); }
  bool done() const { return step_ >= total_steps_; }
  bool weights_moved() const { return moved_; }   // since the last finished step

  // Sum over all ranks; the number itself when there is one.
  double over_ranks(double value);

  // After each micro-batch's loss: checks it, runs backward, takes the gradients, and polls for Ctrl-C.
  // Throws Error naming step, batch and the last good checkpoint when the loss is NaN or infinite.
  void backward(const at::Tensor& loss, const std::function<std::string()>& describe_batch);
  // One update with what backward() gathered. Adds grad_norm, grad_clipped and lr to `figures`.
  void update(const std::function<std::string()>& describe_batch, objective::Statistics& figures);
  // Saves at the last finished step and throws Interrupted when Ctrl-C was pressed and the weights have not moved since. With
  // several ranks only finish_step does so: they stop together.
  void poll();
  // Ends the step: log, progress, checkpoint if due, Ctrl-C.
  void finish_step(std::map<std::string, double> values, const nlohmann::json& counters, const std::string& note);
  // Writes the last checkpoint.
  void finish(const nlohmann::json& counters);
  std::string last_checkpoint() const { return store_.latest(); }

 private:
  void sum_gradients();
  void share_weights();
  void save();
  void save_and_stop();
  [[noreturn]] void fail_not_finite(const std::string& what, const std::string& batch);
  TrainingState state() const;
  std::map<std::string, at::Tensor> weights() const;

  StageContext context_;
  nn::Transformer& model_;
  std::vector<NamedTensor> extra_;
  OptimizerOptions optimizer_options_;
  AdamW optimizer_;
  std::map<std::string, at::Tensor> kept_;
  CheckpointStore store_;
  std::optional<Progress> progress_;
  nlohmann::json counters_ = nlohmann::json::object();
  int64_t step_ = 0, total_steps_ = 0, total_updates_ = 0;
  bool moved_ = false;
};

}  // namespace foil::train
