// What the on-policy loop learns from besides its own samples: right answers to inject, files to replay, and marks on right steps.
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/generator.h"
#include "pipeline/workbench.h"
#include "train/onpolicy_loop.h"

namespace foil::pipeline {

// Right answers by problem: the reference solutions ("solutions"), or the right samples of a file, tokenised where they have no tokens.
std::map<std::string, std::vector<Sample>> right_answers(const std::string& source, const std::vector<train::PolicyProblem>& problems, const text::Tokenizer& tokenizer);

// The samples of a file that can be replayed (those with token ids and log-probabilities), by problem. Throws Error where there is none,
// UsageError where one was sampled at another temperature than the loss takes its log-probabilities at.
std::map<std::string, std::vector<Sample>> replay_samples(const std::filesystem::path& file, double temperature);

// Serves the samples of a file in place of a model: those of each problem in turn, over again when they are fewer than asked for.
class FileGenerator : public Generator {
 public:
  FileGenerator(const std::filesystem::path& file, double temperature) : file_(file), samples_(replay_samples(file, temperature)) {}
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample = {}) override;
  std::string describe() const override { return file_.string(); }
  bool has(const std::string& problem_id) const { return samples_.count(problem_id) > 0; }

 private:
  std::filesystem::path file_;
  std::map<std::string, std::vector<Sample>> samples_;
};

// Cuts a wrong answer into sentences and marks as right those that two rules agree on: every equation in it holds, and every result is one
// of the reference solution's. Steps that came with the sample are left as they are. A stand-in for judge and process reward model where
// the arithmetic can be read.
void mark_right_steps(const Problem& problem, Sample& sample);

// Problems the model solves when it decodes greedily.
std::set<std::string> solved(Generator& generator, const std::vector<train::PolicyProblem>& problems, int max_tokens, const std::vector<std::string>& stop);

}  // namespace foil::pipeline
