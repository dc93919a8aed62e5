// The seam rewards are built from: one named number per sample. Composition, gates and weights: reward/composite.h.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"

namespace foil {

struct RewardItem {
  const Problem* problem;   // gold answer inside: terms that must not see it (the judge) do not look
  const std::string* prompt;  // rendered prompt
  const Sample* sample;
};

class RewardTerm {
 public:
  virtual ~RewardTerm() = default;
  virtual std::string name() const = 0;  // metric and report label
  // One value an item, in order; nullopt: could not be computed (counted, and treated as the term's worst value).
  virtual std::vector<std::optional<double>> values(std::span<const RewardItem> items) = 0;
};

}  // namespace foil
