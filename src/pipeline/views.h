// The stage that prepares pairs for bias-aware training (MMBS): data/views.h, eval/separability.h.
//
//   pairs/views.jsonl   the pairs with extra "bias" (how surely a shallow classifier tells the two answers apart), "biased", and where one
//                       could be made "view": {"prompt", "completion", "changes"}, the positive without the spurious information
#pragma once
#include <vector>

#include "pipeline/run.h"
#include "text/tokenizer.h"

namespace foil::pipeline {

struct ViewCounts {
  size_t views = 0, biased = 0, biased_with_view = 0;
};

// Gives pairs the fields above. Throws Error where no pair gets a view.
ViewCounts add_views(std::vector<Pair>& pairs, const std::vector<Problem>& problems, const Recipe& recipe, const text::Tokenizer& tokenizer);

// What preference training depends on: its options, and where it makes views, theirs.
nlohmann::json preference_json(const Recipe& recipe, const train::PreferenceTrainOptions& options);

void view_stages(const Recipe& recipe, std::vector<Stage>& out);

}  // namespace foil::pipeline
