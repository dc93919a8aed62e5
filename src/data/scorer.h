// The seam scores come through: reward model, process reward model, remote judge, fake.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace foil {

struct Scored {                  // what is scored: one completion of one prompt
  std::string prompt;            // rendered prompt
  std::string completion;
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  // One number an item, in order; larger is better. NaN where the item could not be scored (the caller counts those).
  virtual std::vector<double> score(std::span<const Scored> items) = 0;
  virtual std::string describe() const = 0;
};

}  // namespace foil
