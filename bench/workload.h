// What is run: a model of SmolLM2-135M's shape, GSM8K problems and their solutions. The same for foil and for its peers.
//
// Model: FOIL_MODELS_DIR/smollm2/*.gguf when there, else random weights of that shape. Problems: GSM8K of FOIL_DATA_DIR when there,
// else generated ones (data/family.h). Rejected answers are the solutions of other problems: timing does not depend on what they say.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/record.h"
#include "nn/transformer.h"
#include "text/tokenizer.h"
#include "train/example.h"

namespace foil::bench {

struct Workload {
  std::shared_ptr<nn::Transformer> model;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::vector<Problem> problems;
  std::string model_name, data_name;

  double multiplying() const { return double(model->config().multiplying_parameters()); }
  double output_parameters() const;                                    // those of the output matrix
  double sft_tokens() const, pair_tokens() const, grpo_tokens() const; // of one training step, each prompt counted once
  std::string prompt(size_t i) const;                                  // of problem i
  std::string completion(size_t i) const;                              // its solution
  std::vector<int32_t> tokens(size_t count, size_t from = 0) const;    // of problem texts end to end
  std::vector<train::Example> examples(size_t n) const;
  std::vector<train::PreferenceExample> pairs(size_t n) const;
};

std::filesystem::path model_file();   // empty: none
std::vector<Problem> load_workload_problems(std::string& name);
// published: weights rounded to bf16, as checkpoints are; else as they are in training, f32 to the last bit.
Workload load_workload(bool published = true);
std::shared_ptr<const text::Tokenizer> load_workload_tokenizer();  // its tokenizer alone

// The model as a Hugging Face folder (f32) and workload.json beside it: token ids and texts that peers run on.
void export_workload(const std::filesystem::path& folder);

}  // namespace foil::bench
