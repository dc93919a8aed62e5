// Bradley–Terry reward model: a score head on the last token of prompt + answer, trained on pairs. The loss: objective/reward_model.h.
//
// Secrets of RLHF II (Wang et al. 2024, arXiv 2401.06080): a contrastive (SimCSE) term whose two views of a text are two token cutoffs of
// it, where the paper has two dropout passes (these models have no dropout); and a meta-learning step: the weights move for the length
// of one update to where the scores of unlabelled outside answers spread more, the loss's gradient is taken there (first order, the second
// derivative is left out), and the weights come back before it is applied. Preference strength: train/preference_strength.h.
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
  double meta_rate = 0;
  int64_t meta_answers = 16;
  FileLoopOptions loop{.optimizer = {.lr = 1e-5}};

  template <class V> void visit(V& v) {
    objective.visit(v);
    v("meta_rate", meta_rate, "meta-learning: length of the step towards more spread scores of outside answers, as a share of the weights' norm; 0 = off");
    v("meta_answers", meta_answers, "meta-learning: outside answers looked at in each update");
    loop.visit(v);
  }
  void validate(const std::string& where) const;
};

class RewardModelTask : public FileTask {
 public:
  // `head`: [1, hidden] score weight, the leaf that is trained.
  // `outside`: answers without labels, for meta_rate > 0.
  RewardModelTask(std::vector<PreferenceExample> examples, const RewardModelOptions& options, at::Tensor head, std::vector<Example> outside = {});
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  std::vector<NamedTensor> extra_parameters() override { return {{"score.weight", head_}}; }
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  std::string note(const std::map<std::string, double>& figures) const override;
  void prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) override;
  void begin_step(nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options, const StepPlace& place) override;
  void before_update(nn::Transformer& model) override;

 private:
  at::Tensor contrastive_value(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward) const;
  Tokens view(const Tokens& text, int64_t record, int which) const;

  std::vector<PreferenceExample> examples_;
  RewardModelOptions options_;
  at::Tensor head_;
  std::vector<Example> outside_;
  uint64_t seed_ = 0;
  int64_t step_ = 0;
  double outside_spread_ = 0;                 // variance of the outside scores before the step
  std::map<std::string, at::Tensor> moved_;   // where each weight was
};

FileLoopResult train_reward_model(nn::RewardModel& model, std::vector<PreferenceExample> examples, const RewardModelOptions& options, const StageContext& context,
                                  std::vector<Example> outside = {});

}  // namespace foil::train
