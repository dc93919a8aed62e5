// The processes that a launcher (torchrun, srun, mpirun) started for one command. Only the first speaks and writes.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "base/progress.h"
#include "dist/ranks.h"

namespace foil::app {

class Processes {
 public:
  // Waits for the others, if there are any; all but the first fall silent.
  Processes() {
    const dist::Place place = dist::place_from_environment();
    if (place.size < 2) return;
    ranks_ = std::make_unique<dist::Ranks>(place, dist::RankOptions{});
    if (!first()) set_progress_sink(nullptr);
  }
  dist::Ranks* ranks() const { return ranks_.get(); }
  bool first() const { return !ranks_ || ranks_->first(); }
  // A file name of this process's own.
  std::string own(const std::string& file) const { return ranks_ ? file + fmt::format(".rank{}", ranks_->rank()) : file; }

 private:
  std::unique_ptr<dist::Ranks> ranks_;
};

// For commands that are one process.
inline void refuse_processes(const std::string& command, const std::string& hint) {
  if (const auto place = dist::place_from_environment(); place.size > 1) throw UsageError(fmt::format("{} is one process, and {} started {}", command, place.launcher, place.size), "", hint);
}

}  // namespace foil::app
