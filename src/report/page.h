// The page of a run: report.html, one file without outside references, for a reader who knows nothing of the program.
//
// A pure function of the run folder's files (report/run_files.h); a missing file leaves its part out and is named at the end.
// Charts are SVG drawn here (report/chart.h): they print, scale, work without JavaScript and from a file:// address.
// Chart.js was considered: 200 kB a page, blank when printed from the command line, and no error bars.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/record.h"
#include "eval/audit.h"
#include "eval/result.h"
#include "eval/study.h"

namespace foil::report {

// What the page is made of; every part may be empty.
struct RunData {
  std::string name;
  nlohmann::json manifest = nlohmann::json::object();
  std::string config_yaml;
  std::vector<Metric> metrics;
  std::vector<eval::EvalResult> evals;
  std::optional<eval::AuditResult> audit;
  std::vector<eval::StudyTable> studies;
  std::map<std::string, Problem> problems;          // by id: the training problems the pairs below are about
  std::map<std::string, std::vector<Pair>> pairs;   // "plausible", "rejection": the first 5,000 of each
  std::map<std::string, int64_t> pair_counts;       // how many there are
  int64_t train_problems = 0;
  std::vector<std::string> missing;                 // files that were not there, or were unreadable (with the reason)
};

// Reads what is there. Throws Error only when the folder itself does not exist or holds nothing of a run.
RunData read_run(const std::filesystem::path& folder);
// Its evaluation results alone.
std::vector<eval::EvalResult> read_evals(const std::filesystem::path& folder);

// The whole HTML document.
std::string page(const RunData& run);

// read_run + page, written to <folder>/report.html; returns that path.
std::filesystem::path write_report(const std::filesystem::path& folder);

}  // namespace foil::report
