#include "train/sft.h"

#include "config/options.h"
#include "nn/logprob.h"
#include "objective/likelihood.h"
#include "train/fit.h"

namespace foil::train {

SftTask::SftTask(std::vector<Example> examples, const BatchOptions& batch)
    : examples_(fit(std::move(examples), batch, "sft", [](Example& x) { return std::vector<Tokens*>{&x.completion}; })) {}

int64_t SftTask::tokens(int64_t record) const {
  const Example& x = examples_[size_t(record)];
  return int64_t(x.prompt.size() + x.completion.size());
}

std::string SftTask::data_hash() const {
  DataHash hash;
  for (const Example& x : examples_) {
    hash.add(x.prompt), hash.add(x.completion);
    hash.add(x.weight);
  }
  return hash.finish();
}

objective::StepCounts SftTask::counts(std::span<const int64_t> records) const {
  objective::StepCounts c;
  for (const int64_t r : records) ++c.sequences, c.tokens += int64_t(examples_[size_t(r)].completion.size());
  return c;
}

at::Tensor SftTask::loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                         objective::Statistics& figures) {
  CompletionPacker packer(LastTokens::kLeftOut);
  std::vector<float> weights;
  bool weighted = false;
  for (const int64_t r : records) {
    const Example& x = examples_[size_t(r)];
    packer.completion(packer.prompt(x.prompt), x.completion);
    weights.push_back(float(x.weight));
    weighted = weighted || x.weight != 1;
  }
  const CompletionBatch batch = packer.build(model.device());
  const at::Tensor hidden = model.hidden(batch.packed, batch.rows, forward);
  const auto logprob = nn::token_logprobs(hidden, model.output_weight(), batch.targets).logprob;
  auto result = objective::negative_log_likelihood(logprob, counts, weighted ? batch.sequence : at::Tensor(), weighted ? at::tensor(weights).to(model.device()) : at::Tensor());
  figures.merge(result.statistics);
  return result.loss;
}

FileLoopResult train_sft(nn::Transformer& model, std::vector<Example> examples, const SftOptions& options, const StageContext& context) {
  SftTask task(std::move(examples), options.loop.batch);
  return train_from_file(model, task, options.loop, context, nlohmann::json(config::to_json(options)));
}

}  // namespace foil::train
