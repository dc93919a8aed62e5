// Process reward model: a score head on the last token of each step of an answer (Lightman et al. 2023, arXiv 2305.20050), trained with the
// binary cross-entropy of objective/reward_model.h. Labels from rollouts are soft, the share of continuations that end right (Math-Shepherd,
// Wang et al. 2023, arXiv 2312.08935, "soft estimation"); others are 1 or 0.
//
// One pass over an answer scores all of its steps: a step is seen with what stands before it and nothing behind. The folder that is saved
// is that of an outcome reward model (nn/value_head.h); what differs is which tokens are scored.
#pragma once
#include "nn/value_head.h"
#include "train/file_loop.h"
#include "train/tokenise.h"

namespace foil::train {

struct ProcessRewardOptions {
  FileLoopOptions loop{.optimizer = {.lr = 1e-5}};
  template <class V> void visit(V& v) { loop.visit(v); }
  void validate(const std::string& where) const { loop.validate(where); }
};

// An answer with the places of its steps. `ends`: index into `completion` of the token that holds each step's last visible byte, ascending;
// `labels`: chance in 0…1 that the step is right, NaN: unknown, not trained. One of each for every step.
struct ProcessExample {
  std::string id;
  Tokens prompt, completion;
  std::vector<int64_t> ends;
  std::vector<double> labels;
};

// `sample` has steps; its tokens are those it was sampled with, where it has them. A step's label is the value of the prefix it ends
// (extra "step_values", data/step_values.h), else its verdict `correct`.
ProcessExample process_example(const Encoder& encoder, Tokens prompt, const Sample& sample);

class ProcessRewardTask : public FileTask {
 public:
  // `head`: [1, hidden] score weight, the leaf that is trained. Answers without a labelled step are left out.
  ProcessRewardTask(std::vector<ProcessExample> examples, const BatchOptions& batch, at::Tensor head);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  std::vector<NamedTensor> extra_parameters() override { return {{"score.weight", head_}}; }
  objective::StepCounts counts(std::span<const int64_t> records) const override;  // sequences: labelled steps
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  std::string note(const std::map<std::string, double>& figures) const override;

 private:
  std::vector<ProcessExample> examples_;
  at::Tensor head_;
};

// Trains model and head in place. Logged: loss, accuracy (score and label on the same side of one half), score/mean.
FileLoopResult train_process_reward(nn::RewardModel& model, std::vector<ProcessExample> examples, const ProcessRewardOptions& options, const StageContext& context);

// Score of every step in 0…1 (a sigmoid of the head), in order; labels are not read. NaN for the steps of an answer beyond the model's positions.
std::vector<std::vector<double>> process_scores(const nn::RewardModel& model, const std::vector<ProcessExample>& examples, int64_t micro_batch_tokens = 8192);

}  // namespace foil::train
