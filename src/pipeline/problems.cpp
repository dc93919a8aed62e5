#include "pipeline/problems.h"

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "io/jsonl.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

std::string problem_file(const std::string& name_or_path) {
  if (fs::exists(name_or_path)) return name_or_path;
  const char* variable = std::getenv("FOIL_DATA_DIR");
  const fs::path folder = variable ? variable : "../shared/data";
  const fs::path file = folder / (name_or_path + ".jsonl");
  if (fs::exists(file)) return file.string();
  std::vector<std::string> names;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  const std::string near = nearest(name_or_path, names);
  throw Error("there is no such problem file or benchmark", name_or_path,
              !near.empty()   ? fmt::format("did you mean {}?", near)
              : names.empty() ? fmt::format("set FOIL_DATA_DIR to the folder with the benchmarks' .jsonl files ({} has none)", folder.string())
                              : fmt::format("benchmarks in {}: {}", folder.string(), fmt::join(names, ", ")));
}

std::vector<Problem> load_problems(const std::string& name_or_path, int64_t limit) {
  auto problems = read_jsonl<Problem>(problem_file(name_or_path));
  if (limit > 0 && int64_t(problems.size()) > limit) problems.resize(size_t(limit));
  return problems;
}

}  // namespace foil::pipeline
