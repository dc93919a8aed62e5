#include "pipeline/manifest.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string text_hash(std::string_view text) { return fmt::format("{:016x}{:016x}", hash64(text, 1), hash64(text, 2)); }

std::string file_hash(const fs::path& path) { return fs::is_regular_file(path) ? text_hash(read_file(path)) : ""; }

Manifest::Manifest(fs::path folder) : folder_(std::move(folder)) {
  const fs::path path = folder_ / report::kManifestFile;
  if (!fs::exists(path)) return;
  try {
    const Json j = Json::parse(read_file(path));
    header_ = j.at("run");
    for (const auto& s : j.at("stages")) {
      StageRecord record{s.at("status"), s.at("key"), s.at("seconds"), s.at("outputs"), s.value("facts", Json::object())};
      order_.push_back(s.at("name"));
      stages_[order_.back()] = std::move(record);
    }
  } catch (const Json::exception& e) {
    throw Error(fmt::format("this manifest cannot be read: {}", e.what()), path.string(),
                "choose another output folder, or delete this one to start afresh");
  }
}

const StageRecord* Manifest::find(const std::string& stage) const {
  const auto it = stages_.find(stage);
  return it == stages_.end() ? nullptr : &it->second;
}

bool Manifest::done(const std::string& stage, const std::string& key) const {
  const auto* record = find(stage);
  if (!record || record->status != "done" || record->key != key) return false;
  for (const auto& output : record->outputs)
    if (!fs::exists(folder_ / output)) return false;
  return true;
}

void Manifest::begin(const std::string& stage, const std::string& key) {
  if (!stages_.count(stage)) order_.push_back(stage);
  auto& record = stages_[stage];
  const double spent = record.key == key && record.status == "running" ? record.seconds : 0;
  record = {"running", key, spent, {}, Json::object()};
  save();
}

void Manifest::finish(const std::string& stage, double seconds, std::vector<std::string> outputs, Json facts) {
  auto& record = stages_.at(stage);
  record.status = "done";
  record.seconds += seconds;
  record.outputs = std::move(outputs);
  record.facts = std::move(facts);
  save();
}

void Manifest::forget(const std::string& stage) {
  stages_.erase(stage);
  std::erase(order_, stage);
}

void Manifest::pause(const std::string& stage, double seconds) {
  stages_.at(stage).seconds += seconds;
  save();
}

void Manifest::save() const {
  Json stages = Json::array();
  for (const auto& name : order_) {
    const auto& s = stages_.at(name);
    stages.push_back({{"name", name}, {"status", s.status}, {"key", s.key}, {"seconds", s.seconds}, {"outputs", s.outputs}, {"facts", s.facts}});
  }
  write_file(folder_ / report::kManifestFile, Json({{"run", header_}, {"stages", stages}}).dump(2) + "\n");
}

}  // namespace foil::pipeline
