// Views of a right answer with the spurious information removed (MMBS, arXiv 2210.04563, carried over from visual question answering):
// the same reasoning with other names and numbers, without surface marks, as long as the wrong answer beside it.
//
//   renamed   a problem of the generated family: other names, objects and numbers, rendered anew (data/family.h)
//             another problem whose solution is worked arithmetic: one given number changed in problem and solution, everything behind it
//             computed anew (data/perturb.h), accepted only where the change is unambiguous
//   masked    emphasis, headings, list marks, "Step 3:", opening phrases and runs of blanks taken out
// The paper's positives mask words and images; which cues to take out of worked solutions is our choice.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "data/record.h"

namespace foil {

struct View {
  std::string problem, solution;
  std::vector<std::string> changes;  // "renamed", "renumbered", "masked"
};

struct ViewOptions {
  bool rename = true, mask = true;
  int64_t tries = 8;                 // renamed views to choose from: the one nearest in length to the wrong answer is taken
  double max_length_ratio = 0.5;     // |length of the view / length of the wrong answer − 1| beyond this: no view
  template <class V>
  void visit(V& v) {
    v("rename", rename, "change names and numbers, with the answer recomputed");
    v("mask", mask, "take surface marks out");
    v("tries", tries, "renamed views to choose from; the one nearest in length to the wrong answer is taken");
    v("max_length_ratio", max_length_ratio, "a view further from the wrong answer's length than this is not used");
  }
  void validate(const std::string& where) const;
};

// A view of `solution`, a right worked answer of `problem`, matched in length to `wrong`; nullopt: nothing could be changed, or nothing fits
// in length. Deterministic by stream.
std::optional<View> positive_view(const Problem& problem, const std::string& solution, const std::string& wrong, const ViewOptions& options, Stream& stream);

std::string mask_surface(std::string_view text);

}  // namespace foil
