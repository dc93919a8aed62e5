// What a run folder has finished: one entry a stage, with a key of everything the stage's result depends on.
//
// A stage whose key is unchanged and whose outputs exist is not run again. A changed key (edited recipe, changed input file,
// an upstream stage that was redone) makes the stage and all that depend on it stale.
#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace foil::pipeline {

struct StageRecord {
  std::string status;                // "done", "running" (cut short: resumes)
  std::string key;                   // hex hash
  double seconds = 0;                // wall time, summed over resumed attempts
  std::vector<std::string> outputs;  // relative to the run folder
  nlohmann::json facts = nlohmann::json::object();  // counts a report shows: tokens, samples, pairs …
};

class Manifest {
 public:
  // Reads manifest.json in `folder` if there is one. Throws Error when it is not ours.
  explicit Manifest(std::filesystem::path folder);
  const std::filesystem::path& folder() const { return folder_; }
  bool empty() const { return stages_.empty(); }
  const StageRecord* find(const std::string& stage) const;
  bool done(const std::string& stage, const std::string& key) const;  // same key, status done, outputs there
  void begin(const std::string& stage, const std::string& key);
  void finish(const std::string& stage, double seconds, std::vector<std::string> outputs, nlohmann::json facts);
  void forget(const std::string& stage);                 // as if it had never run
  void pause(const std::string& stage, double seconds);  // cut short: keep the time spent
  nlohmann::json& header() { return header_; }           // recipe path, version, seed, machine
  void save() const;

 private:
  std::filesystem::path folder_;
  nlohmann::json header_ = nlohmann::json::object();
  std::vector<std::string> order_;
  std::map<std::string, StageRecord> stages_;
};

// Hash of a file's bytes, as hex; "" when absent.
std::string file_hash(const std::filesystem::path& path);
std::string text_hash(std::string_view text);

}  // namespace foil::pipeline
