// A reward model behind the Scorer seam: the score head on the last token of prompt + completion + end token.
#pragma once
#include <memory>

#include "data/scorer.h"
#include "nn/transformer.h"
#include "text/tokenizer.h"

namespace foil::rollout {

class RewardModelScorer : public Scorer {
 public:
  // head: [1, hidden]. Equal prompts next to each other are computed once. Passes hold up to batch_tokens packed tokens.
  RewardModelScorer(std::shared_ptr<const nn::Transformer> model, at::Tensor head, std::shared_ptr<const text::Tokenizer> tokenizer, int64_t batch_tokens = 8192);
  std::vector<double> score(std::span<const Scored> items) override;
  std::string describe() const override;

 private:
  std::shared_ptr<const nn::Transformer> model_;
  at::Tensor head_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  int64_t batch_tokens_;
};

}  // namespace foil::rollout
