// Sampling a model on a problem set so that what is finished is on disk, and a run that was cut goes on where it was.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "data/verification.h"
#include "pipeline/run.h"

namespace foil::pipeline {

// Sample::extra: the temperature a sample was drawn at, where it is not 1.
inline constexpr const char* kTemperature = "temperature";

// Samples of `request`, verified. Each is kept in `part_file` as it finishes (data/recorded_generator.h) and found there on the next
// try; `identity` says which model answers, where the file may outlive it. The caller removes the file once the result is written.
// `verify` null: no verdicts. Several ranks: each asks for its share of the prompts (part file PART.rankN), and all get all samples.
std::vector<Sample> sample_in_parts(Generator& generator, const GenerateRequest& request, const ProblemIndex* verify, const std::filesystem::path& part_file,
                                    const std::string& identity = "", dist::Ranks* ranks = nullptr);

// `work` on each rank's share of the samples; then all have all, as they were left.
void share_samples(dist::Ranks* ranks, std::vector<Sample>& samples, const std::string& what, const std::function<void(std::vector<Sample>&)>& work);

// What a stage asks for: the section's parameters, the stage's own seed.
GenerateRequest stage_request(const StageRun& run, std::vector<Prompt> prompts, const SamplingSection& options, const std::string& source);

// The training problems a section samples.
std::vector<Problem> sampled_problems(const StageRun& run, const SamplingSection& options);

// Verified samples of a stage from the model at `model`, or from the section's endpoint (asked by options.ask where that is not empty).
std::vector<Sample> stage_samples(StageRun& run, const SamplingSection& options, const std::vector<Problem>& problems, const std::filesystem::path& model, const std::string& source,
                                  const std::string& label);

}  // namespace foil::pipeline
