// Learning from preferences: DPO and its kin on pairs, KTO and its kin on single answers. The losses: objective/preference.h.
//
// The prompt of a pair is computed once for chosen and rejected (nn/packed_batch.h). Reference log-probabilities come from the
// start weights (or another model), once, and are cached on disk (train/reference.h).
// Logged: rewards of chosen and rejected apart, their margin and accuracy, and how far the log-probability of each has moved from
// the reference; one warning when the chosen answers themselves become unlikely.
#pragma once
#include "objective/preference.h"
#include "train/example.h"
#include "train/file_loop.h"
#include "train/reference.h"

namespace foil::train {

struct PreferenceTrainOptions {
  objective::PreferenceOptions objective;
  FileLoopOptions loop{.optimizer = {.lr = 1e-6}};
  double warn_chosen_fall = 0.5;  // nats per token

  template <class V> void visit(V& v) {
    objective.visit(v);
    v("warn_chosen_fall", warn_chosen_fall, "warn when the chosen answers lose more than this per token against the reference; 0: never");
    loop.visit(v);
  }
  void validate(const std::string& where) const;
};

class PreferenceTask : public FileTask {
 public:
  // `reference` (not owned) null: the start weights. Throws UsageError when the loss does not take pairs or these numbers of
  // rejected answers.
  PreferenceTask(std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference = nullptr);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  void prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) override;
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  void end_step(const std::map<std::string, double>& figures) override;
  std::string note(const std::map<std::string, double>& figures) const override;

 private:
  std::vector<PreferenceExample> examples_;
  PreferenceTrainOptions options_;
  const nn::Transformer* reference_;
  std::vector<float> reference_sums_;   // chosen, then its rejected, example by example
  std::vector<size_t> first_sum_;       // of each example
  double mean_chosen_tokens_ = 1;
  bool warned_ = false;
};

class UnpairedTask : public FileTask {
 public:
  UnpairedTask(std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference = nullptr);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  void prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) override;
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  void begin_step(const nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options) override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  nlohmann::json state() const override;
  void load_state(const nlohmann::json& state) override;

 private:
  // kto measures how far the policy has moved on answers that do not belong to the prompt: record i's prompt with the answer of
  // the record after it in the file.
  ScoredTokens mismatched(int64_t record) const;

  std::vector<UnpairedExample> examples_;
  PreferenceTrainOptions options_;
  const nn::Transformer* reference_;
  at::Tensor reference_sums_, mismatched_sums_;  // [N]
  at::Tensor shift_;
  objective::BcoShift bco_;
};

FileLoopResult train_preference(nn::Transformer& model, std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                                const nn::Transformer* reference = nullptr);
FileLoopResult train_unpaired(nn::Transformer& model, std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                              const nn::Transformer* reference = nullptr);

}  // namespace foil::train
