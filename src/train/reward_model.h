// Bradley–Terry reward model: a score head on the last token of prompt + answer, trained on pairs. The loss: objective/reward_model.h.
//
// Model and head are trained together. Logged: scores of chosen and rejected apart, their margin, accuracy, extremes.
#pragma once
#include "nn/value_head.h"
#include "objective/reward_model.h"
#include "train/example.h"
#include "train/file_loop.h"

namespace foil::train {

struct RewardModelOptions {
  objective::RewardLossOptions objective;
  FileLoopOptions loop{.optimizer = {.lr = 1e-5}};

  template <class V> void visit(V& v) {
    objective.visit(v);
    loop.visit(v);
  }
  void validate(const std::string& where) const;
};

class RewardModelTask : public FileTask {
 public:
  // `head`: [1, hidden] score weight, the leaf that is trained.
  RewardModelTask(std::vector<PreferenceExample> examples, const RewardModelOptions& options, at::Tensor head);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  std::vector<NamedTensor> extra_parameters() override { return {{"score.weight", head_}}; }
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  std::string note(const std::map<std::string, double>& figures) const override;

 private:
  std::vector<PreferenceExample> examples_;
  RewardModelOptions options_;
  at::Tensor head_;
};

FileLoopResult train_reward_model(nn::RewardModel& model, std::vector<PreferenceExample> examples, const RewardModelOptions& options, const StageContext& context);

}  // namespace foil::train
