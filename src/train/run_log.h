// The run log: one JSON line (Metric) a figure in metrics.jsonl, and the same figures as TensorBoard events.
//
// All stages of a run append to one metrics.jsonl. Opening a stage at step k drops its lines beyond k (a killed run logged steps
// that will be done again), so every step stands once. Values that are not finite are left out.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/atomic_file.h"

namespace foil::train {

class RunLog {
 public:
  // `stage` labels the lines; TensorBoard events of the stage go to <folder of the file>/tensorboard/<stage>/.
  RunLog(std::filesystem::path metrics_jsonl, std::string stage);
  ~RunLog();

  // Drops the stage's lines of steps beyond `step` and rebuilds its TensorBoard file. Call once before the first write.
  void resume_at(int64_t step);
  // Writes and hands the lines to the operating system: a kill −9 after this loses nothing.
  void write(int64_t step, const std::map<std::string, double>& values);

 private:
  std::filesystem::path path_;
  std::string stage_;
  std::unique_ptr<LineAppender> lines_;
  struct Events;
  std::unique_ptr<Events> events_;
};

}  // namespace foil::train
