// The stage that prepares pairs for bias-aware training (MMBS): data/views.h, eval/separability.h.
//
//   pairs/views.jsonl   the pairs with extra "bias" (how surely a shallow classifier tells the two answers apart), "biased", and where one
//                       could be made "view": {"prompt", "completion", "changes"}, the positive without the spurious information
#pragma once
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

void view_stages(const Recipe& recipe, std::vector<Stage>& out);

}  // namespace foil::pipeline
