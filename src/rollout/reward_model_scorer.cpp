#include "rollout/reward_model_scorer.h"

#include <limits>
#include <optional>

#include "base/error.h"
#include "base/progress.h"

namespace foil::rollout {

RewardModelScorer::RewardModelScorer(std::shared_ptr<const nn::Transformer> model, at::Tensor head, std::shared_ptr<const text::Tokenizer> tokenizer, std::string label,
                                     int64_t batch_tokens)
    : model_(std::move(model)), head_(std::move(head)), tokenizer_(std::move(tokenizer)), label_(std::move(label)), batch_tokens_(batch_tokens) {
  FOIL_CHECK(head_.dim() == 2 && head_.size(0) == 1 && head_.size(1) == model_->config().hidden_size);
}

std::string RewardModelScorer::describe() const { return fmt::format("reward model {} {:.3g} M", model_->config().model_type, double(model_->config().parameters()) / 1e6); }

std::vector<double> RewardModelScorer::score(std::span<const Scored> items) {
  at::NoGradGuard off;
  std::vector<double> out;
  out.reserve(items.size());
  const int64_t limit = model_->config().max_position_embeddings;
  std::optional<Progress> progress;
  if (!label_.empty() && !items.empty()) progress.emplace(label_, items.size(), "samples");
  for (size_t i = 0; i < items.size();) {
    throw_if_interrupted();
    if (progress) progress->set(i);
    nn::BatchPacker packer;
    std::vector<int64_t> last;      // row of each scored item
    std::vector<size_t> where;      // its place in `out`
    const std::string* prompt = nullptr;
    int32_t segment = -1;
    int64_t prompt_tokens = 0;
    for (; i < items.size() && (last.empty() || packer.tokens() < batch_tokens_); ++i) {
      auto completion = tokenizer_->encode(items[i].completion);
      if (const auto eos = tokenizer_->eos()) completion.push_back(*eos);
      if (!prompt || *prompt != items[i].prompt) {
        const auto tokens = tokenizer_->encode(items[i].prompt);
        FOIL_CHECK(!tokens.empty(), "an empty prompt");
        prompt = &items[i].prompt;
        prompt_tokens = int64_t(tokens.size());
        segment = packer.add(tokens);
      }
      out.push_back(std::numeric_limits<double>::quiet_NaN());
      if (completion.empty() || prompt_tokens + int64_t(completion.size()) > limit) continue;  // cannot be scored: stays NaN
      packer.add(completion, segment);
      last.push_back(packer.tokens() - 1);
      where.push_back(out.size() - 1);
    }
    if (last.empty()) continue;
    const at::Tensor hidden = model_->hidden(packer.build(model_->device()), at::tensor(last, at::kLong).to(model_->device()));
    const at::Tensor scores = at::linear(hidden, head_.to(hidden.options())).flatten().to(at::kFloat).to(at::kCPU).contiguous();
    for (size_t k = 0; k < where.size(); ++k) out[where[k]] = scores.const_data_ptr<float>()[k];
  }
  if (progress) progress->set(items.size());
  return out;
}

}  // namespace foil::rollout
