// A reward model behind the Scorer seam: the score head on the last token of prompt + completion + end token.
#pragma once
#include <memory>
#include <string>

#include "data/scorer.h"
#include "nn/transformer.h"
#include "text/tokenizer.h"

namespace foil::rollout {

class RewardModelScorer : public Scorer {
 public:
  // head: [1, hidden]. Equal prompts next to each other are computed once. Passes hold up to batch_tokens packed tokens.
  // `label` shows in a progress bar; empty: none.
  RewardModelScorer(std::shared_ptr<const nn::Transformer> model, at::Tensor head, std::shared_ptr<const text::Tokenizer> tokenizer, std::string label = "",
                    int64_t batch_tokens = 8192);
  std::vector<double> score(std::span<const Scored> items) override;
  std::string describe() const override;

 private:
  std::shared_ptr<const nn::Transformer> model_;
  at::Tensor head_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::string label_;
  int64_t batch_tokens_;
};

}  // namespace foil::rollout
