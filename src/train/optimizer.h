// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101), learning-rate schedules, clipping by global norm.
//
// Own kernel on the CPU: one pass over parameter, gradient and both moments, in blocks spread over ATen's threads; every number
// depends only on the values, never on the number of threads, so a step is the same on 1 thread and on n. Other devices: ATen's
// fused kernel. Weight decay on matrices only, not on norms, biases and other vectors.
// Parameters that are not f32 (bf16) get an f32 master copy and f32 gradients; the parameter is the rounded master.
// Several processes: each holds moments and masters of its share of the tensors only and updates those (ZeRO stage 1, arXiv
// 1910.02054); dist/ sums the gradients before step() and hands the new weights round after it (train/session.h).
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace foil::train {

enum class Schedule { kCosine, kLinear, kConstant };
inline constexpr std::pair<Schedule, const char*> kScheduleNames[] = {
    {Schedule::kCosine, "cosine"}, {Schedule::kLinear, "linear"}, {Schedule::kConstant, "constant"}};
inline auto& enum_names(Schedule) { return kScheduleNames; }

struct OptimizerOptions {
  double lr = 1e-5;             // at its highest
  Schedule schedule = Schedule::kCosine;
  double warmup_share = 0.03;   // of all steps
  int64_t warmup_steps = -1;    // −1: from warmup_share
  double min_lr_share = 0.0;    // the schedule's end, as a share of lr
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 1.0;       // 0: gradients are not clipped

  template <class V> void visit(V& v) {
    v("lr", lr, "highest learning rate");
    v("schedule", schedule, "shape of the learning rate after the warm-up");
    v("warmup_share", warmup_share, "share of all steps over which the learning rate rises from 0");
    v("warmup_steps", warmup_steps, "the same as a number of steps; -1: use warmup_share");
    v("min_lr_share", min_lr_share, "learning rate at the end of the schedule, as a share of lr");
    v("beta1", beta1, "decay of the first moment");
    v("beta2", beta2, "decay of the second moment");
    v("eps", eps, "added to the root of the second moment");
    v("weight_decay", weight_decay, "decoupled weight decay of matrices; vectors have none");
    v("clip_norm", clip_norm, "gradients are scaled down to this global norm; 0: never");
  }
  void validate(const std::string& where) const;
};

// Learning rate of update `step` (from 0) of `total`. Warm-up: the first update already moves (lr·1/warmup). Linear and cosine
// reach lr·min_lr_share at the last update's end.
double learning_rate(const OptimizerOptions& options, int64_t step, int64_t total);

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// Sum of squares of all tensors in f64, in a fixed order whatever the thread count. [any shape], f32.
double squared_norm(const std::vector<at::Tensor>& tensors);

// Which process this is, of how many that share the optimiser's state.
struct Shard {
  int rank = 0, size = 1;
};

class AdamW {
 public:
  // `parameters` are leaves that require grad; the optimiser keeps the handles and changes the values in place.
  AdamW(std::vector<NamedTensor> parameters, const OptimizerOptions& options, Shard shard = {});

  // Call after every backward(): takes over the parameters' gradients (f32; bf16 ones are widened, so that accumulation over
  // micro-batches is in f32).
  void collect_gradients();
  // The gradients collected so far, in parameter order; undefined where no gradient has come. For all-reduce across ranks.
  std::vector<at::Tensor>& gradients() { return gradients_; }
  const at::Tensor& parameter(size_t i) const { return slots_[i].parameter; }
  int owner(size_t i) const { return slots_[i].owner; }  // the process that updates it: shares of about the same size
  // Global norm of the collected gradients. NaN or infinite when any of them is.
  double gradient_norm() const;
  // The parameter whose gradient is not finite, "" when all are.
  std::string non_finite_parameter() const;
  // One update with the collected gradients × scale (clipping: min(1, clip_norm / norm)), then forgets them.
  // A parameter without gradient is left alone. The caller has checked that the norm is finite.
  void step(double lr, double scale);
  void discard_gradients();

  int64_t updates() const { return updates_; }
  // Moments (and masters) by name, "exp_avg/NAME", "exp_avg_sq/NAME", "master/NAME", of this process's share: shared storage, for
  // checkpoints.
  std::map<std::string, at::Tensor> state() const;
  // Everybody's state in one order.
  struct Part {
    std::string name;
    int owner;
    at::Tensor tensor;  // undefined where another process owns it
    std::vector<int64_t> sizes;
  };
  std::vector<Part> parts() const;
  // Throws Error naming the tensor when one is missing or has another shape.
  void load_state(const std::map<std::string, at::Tensor>& state, int64_t updates, const std::string& where);

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter, master, first, second;  // master: the parameter itself when f32; the last three only where this process owns it
    bool decays;
    int owner = 0;
  };
  bool mine(size_t i) const { return slots_[i].owner == shard_.rank; }
  void step_blocks(double lr, double scale);
  void step_fused(double lr, double scale);

  OptimizerOptions options_;
  Shard shard_;
  std::vector<Slot> slots_;
  std::vector<at::Tensor> gradients_;
  int64_t updates_ = 0;
};

}  // namespace foil::train
