#include "pipeline/sampling.h"

#include "base/atomic_file.h"
#include "base/log.h"
#include "io/jsonl.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

std::vector<Sample> sample_in_parts(Generator& generator, const GenerateRequest& request, const ProblemIndex* verify, const fs::path& part_file, size_t prompts_per_part) {
  std::vector<Sample> out;
  const auto n = size_t(request.samples_per_prompt);
  if (fs::exists(part_file) && fs::file_size(part_file) > 0) {
    LineAppender(part_file).flush();  // heals a torn last line
    if (fs::file_size(part_file) > 0) out = read_jsonl<Sample>(part_file);
    out.resize(out.size() / (n * prompts_per_part) * (n * prompts_per_part));
  }
  std::string kept;
  for (const auto& s : out) kept += jsonl_line(s) + "\n";
  write_file(part_file, kept);
  LineAppender lines(part_file);
  for (size_t begin = out.size() / n; begin < request.prompts.size(); begin += prompts_per_part) {
    GenerateRequest part = request;
    const size_t end = std::min(request.prompts.size(), begin + prompts_per_part);
    part.prompts.assign(request.prompts.begin() + long(begin), request.prompts.begin() + long(end));
    auto samples = generator.generate(part);
    if (verify) verify_samples(*verify, samples);
    for (auto& s : samples) {
      lines.append(jsonl_line(s));
      out.push_back(std::move(s));
    }
    lines.flush();
  }
  fs::remove(part_file);
  return out;
}

}  // namespace foil::pipeline
