// Supervised fine-tuning: negative log-likelihood of the completion's tokens; the prompt is read, never trained.
#pragma once
#include "train/example.h"
#include "train/file_loop.h"

namespace foil::train {

struct SftOptions {
  FileLoopOptions loop{.optimizer = {.lr = 2e-5}};
  template <class V> void visit(V& v) { loop.visit(v); }
  void validate(const std::string& where) const { loop.validate(where); }
};

class SftTask : public FileTask {
 public:
  // Examples beyond max_tokens are dropped, cut at the end, or refused, as batch.too_long says (one log line).
  SftTask(std::vector<Example> examples, const BatchOptions& batch);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;

 private:
  std::vector<Example> examples_;
};

FileLoopResult train_sft(nn::Transformer& model, std::vector<Example> examples, const SftOptions& options, const StageContext& context);

}  // namespace foil::train
