// What a stage is likely to cost, before it runs: tokens, memory and time, from the recipe and the model's shape alone.
// Estimates: prompts and answers are taken to be of typical length, and products of matrices to be all the work.
#pragma once
#include <string>

#include "nn/model_config.h"
#include "pipeline/recipe.h"

namespace foil::pipeline {

struct Work {
  double generated = 0, trained = 0, forward = 0;  // tokens sampled; passed forward and backward; forward only
  double bytes = 0;                                // peak memory of model, optimiser, cache and activations
  double seconds = 0;                              // on the recipe's device
};

class Costs {
 public:
  // Measures the device for a moment. Throws UsageError for a model or a problem file that cannot be read.
  explicit Costs(const Recipe& recipe);
  Work of(const std::string& stage) const;  // all zero for stages that cost next to nothing
  std::string machine() const;              // what was measured, and what the times assume: one line

  nn::ModelConfig config;
  double problems = 0, eval_problems = 0;

 private:
  Work sum(const std::string& stage) const;
  Work sampling(const SamplingSection& s, double of_problems) const;
  Work on_policy(const train::OnPolicyOptions& o) const;
  Work from_file(const train::FileLoopOptions& o, double records, double tokens_each) const;
  Work evaluation(const EvalSection& e, double of_problems) const;
  Work preference() const;
  double answer(int64_t max_tokens) const;
  double activations(int64_t tokens, bool recompute) const;
  double sampled(int64_t first) const;

  Recipe r_;
  bool family_ = false;
  std::string device_;
  double prompt_ = 0, weights_ = 0, state_ = 0, cache_ = 0, rate_ = 0, bytes_each_ = 4;
};

std::string time_text(double seconds);   // "40 s", "12 min", "3.5 h"
std::string memory_text(double bytes);   // "503 MB", "1.2 GB"

}  // namespace foil::pipeline
