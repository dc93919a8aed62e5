#include <algorithm>
#include <fstream>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "report/page.h"
#include "report/run_files.h"

namespace foil::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
constexpr int64_t kMostPairs = 5000;

class Reader {
 public:
  Reader(const fs::path& folder, RunData& run) : folder_(folder), run_(run) {}

  // Calls use(text) when the file is there; what goes wrong is noted and the rest of the report goes on.
  template <class Use>
  bool file(const std::string& name, const Use& use) {
    if (!fs::is_regular_file(folder_ / name)) return note(name, "not there");
    try {
      use(read_file(folder_ / name));
      ++found_;
      return true;
    } catch (const std::exception& e) {
      return note(name, fmt::format("cannot be read: {}", e.what()));
    }
  }

  // Calls use(json) for each line.
  template <class Use>
  void lines(const std::string& name, const Use& use) {
    std::ifstream in(folder_ / name);
    if (!in) return void(note(name, "not there"));
    ++found_;
    int64_t number = 0, bad = 0, first_bad = 0;
    std::string reason;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      try {
        use(Json::parse(line));
      } catch (const std::exception& e) {
        if (bad++ == 0) first_bad = number, reason = e.what();
      }
    }
    if (bad) note(name, fmt::format("{} of {} lines cannot be read, the first is line {}: {}", bad, number, first_bad, reason));
  }

  int found() const { return found_; }

 private:
  bool note(const std::string& name, const std::string& reason) {
    run_.missing.push_back(name + ": " + reason);
    return false;
  }
  const fs::path& folder_;
  RunData& run_;
  int found_ = 0;
};

}  // namespace

static void read_evals(const fs::path& folder, Reader& reader, RunData& run) {
  std::vector<std::string> evals;
  if (fs::is_directory(folder / "eval"))
    for (const auto& entry : fs::directory_iterator(folder / "eval"))
      if (entry.path().extension() == ".json") evals.push_back(entry.path().stem().string());
  std::sort(evals.begin(), evals.end());
  if (evals.empty()) run.missing.push_back("eval/: no evaluation results");
  for (const auto& policy : evals)
    reader.file(eval_file(policy), [&](const std::string& text) { run.evals.push_back(Json::parse(text).get<eval::EvalResult>()); });
}

std::vector<eval::EvalResult> read_evals(const fs::path& folder) {
  RunData run;
  Reader reader(folder, run);
  read_evals(folder, reader, run);
  return std::move(run.evals);
}

RunData read_run(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error("there is no such folder", folder.string(), "give the folder a run was written to, the one with manifest.json in it");
  RunData run;
  run.name = fs::absolute(folder).lexically_normal().filename().string();
  if (run.name.empty()) run.name = fs::absolute(folder).lexically_normal().parent_path().filename().string();
  Reader reader(folder, run);
  reader.file(kManifestFile, [&](const std::string& text) { run.manifest = Json::parse(text); });
  reader.file(kConfigFile, [&](const std::string& text) { run.config_yaml = text; });
  reader.lines(kMetricsFile, [&](const Json& j) { run.metrics.push_back(j.get<Metric>()); });
  read_evals(folder, reader, run);
  reader.file(kAuditFile, [&](const std::string& text) { run.audit = Json::parse(text).get<eval::AuditResult>(); });

  for (const char* kind : {"negatives", "objectives", "variants"})
    if (fs::is_regular_file(folder / study_file(kind)))
      reader.file(study_file(kind), [&](const std::string& text) { run.studies.push_back(Json::parse(text).get<eval::StudyTable>()); });

  std::set<std::string> wanted;
  for (const char* name : {"plausible", "rejection"}) {
    reader.lines(pairs_file(name), [&](const Json& j) {
      if (run.pair_counts[name]++ >= kMostPairs) return;
      run.pairs[name].push_back(j.get<Pair>());
      wanted.insert(run.pairs[name].back().problem_id);
    });
  }
  reader.lines(problems_file("train"), [&](const Json& j) {
    ++run.train_problems;
    Problem p = j.get<Problem>();
    if (wanted.count(p.id)) run.problems.emplace(p.id, std::move(p));
  });
  if (reader.found() == 0)
    throw Error("this folder holds nothing of a run", folder.string(), "expected manifest.json, metrics.jsonl or eval/*.json: give the folder that foil run wrote to");
  return run;
}

fs::path write_report(const fs::path& folder) {
  const fs::path path = folder / kReportFile;
  write_file(path, page(read_run(folder)));
  return path;
}

}  // namespace foil::report
