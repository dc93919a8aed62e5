#include "train/run_log.h"

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/tfevents.h"

namespace foil::train {
using nlohmann::json;

struct RunLog::Events {
  io::EventWriter writer;
};

static double seconds_now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

RunLog::RunLog(std::filesystem::path metrics_jsonl, std::string stage) : path_(std::move(metrics_jsonl)), stage_(std::move(stage)) {}
RunLog::~RunLog() = default;

void RunLog::resume_at(int64_t step) {
  lines_.reset();
  events_.reset(new Events{io::EventWriter(path_.parent_path() / "tensorboard" / stage_, seconds_now())});
  if (std::filesystem::exists(path_)) {
    const std::string all = read_file(path_);
    std::string kept;
    bool dropped = false;
    for (size_t begin = 0; begin < all.size();) {
      const size_t end = std::min(all.find('\n', begin), all.size());
      const std::string line = all.substr(begin, end - begin);
      const json j = json::parse(line, nullptr, false);
      const bool torn = end == all.size();  // a line without its end was cut by a kill
      const bool beyond = j.is_object() && j.value("stage", "") == stage_ && j.value("step", int64_t{0}) > step;
      if (torn || beyond) dropped = true;
      else kept += line + "\n";
      if (!torn && !beyond && j.is_object() && j.value("stage", "") == stage_ && j.contains("value") && j.at("value").is_number())
        events_->writer.scalar(j.value("time", 0.0), j.value("step", int64_t{0}), stage_ + "/" + j.value("name", ""), j.at("value").get<double>());
      begin = end + 1;
    }
    if (dropped) write_file(path_, kept);
  }
  events_->writer.flush();
  lines_ = std::make_unique<LineAppender>(path_);
}

void RunLog::write(int64_t step, const std::map<std::string, double>& values) {
  if (!lines_) resume_at(step - 1);
  const double now = seconds_now();
  for (const auto& [name, value] : values) {
    if (!std::isfinite(value)) continue;
    lines_->append(json{{"time", now}, {"stage", stage_}, {"step", step}, {"name", name}, {"value", value}}.dump());
    events_->writer.scalar(now, step, stage_ + "/" + name, value);
  }
  lines_->flush();
  events_->writer.flush();
}

}  // namespace foil::train
