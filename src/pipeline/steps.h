// The stage that values or labels the steps of the policy's samples: data/step_values.h, reward/step_labels.h.
//
//   samples/steps.jsonl   Sample with steps: labels values → score = advantage, correct = no bad step; labels consensus → score = process
//                         score, correct = judge and process model agree that it is right; tokens and log-probabilities are the policy's, so that it can be replayed
//   pairs/steps.jsonl     where rollouts were made: pairs for per-step DPO
//
// and the process reward model that learns from the values (train/process_reward.h): models/process_reward.
#pragma once
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

void step_stages(const Recipe& recipe, std::vector<Stage>& out);

}  // namespace foil::pipeline
