// The stage that values or labels the steps of the policy's samples: data/step_values.h, reward/step_labels.h.
//
//   samples/steps.jsonl   Sample with steps: labels values → score = advantage, correct = no bad step; labels consensus → score = process
//                         score, correct = judge and process model agree that it is right
//   pairs/steps.jsonl     where rollouts were made: pairs for per-step DPO
#pragma once
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

void step_stages(const Recipe& recipe, std::vector<Stage>& out);

}  // namespace foil::pipeline
