// Sampling a model on a problem set, part by part: what is finished is on disk, so a killed run goes on where it was.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/generator.h"
#include "data/record.h"
#include "data/verification.h"

namespace foil::pipeline {

// Samples of `request`, verified. Finished parts (a few hundred prompts each) are appended to `part_file` and read back on the next
// try; the file is removed when all is there. `verify` null: no verdicts.
std::vector<Sample> sample_in_parts(Generator& generator, const GenerateRequest& request, const ProblemIndex* verify, const std::filesystem::path& part_file,
                                    size_t prompts_per_part = 256);

}  // namespace foil::pipeline
