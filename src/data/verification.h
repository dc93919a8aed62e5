// Verdicts for samples: fills Sample::answer and Sample::correct through verify/, the gold of a problem read once for all its samples.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"
#include "verify/verify.h"

namespace foil {

// Problems by id, for looking up; throws Error on a duplicate id.
class ProblemIndex {
 public:
  explicit ProblemIndex(std::span<const Problem> problems);
  const Problem& at(const std::string& id) const;  // throws Error naming the id
  const Problem* find(const std::string& id) const;

 private:
  std::map<std::string, const Problem*> by_id_;
};

// answer: as extracted (absent: none found). correct: true or false; absent when answer or gold cannot be read. On all cores.
void verify_samples(const ProblemIndex& problems, std::vector<Sample>& samples, const verify::Options& options = {});

}  // namespace foil
