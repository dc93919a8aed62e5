// The judge a recipe asks for.
#pragma once
#include <memory>

#include "pipeline/recipe.h"
#include "reward/judge.h"
#include "rollout/engine.h"

namespace foil::pipeline {

// `start`: the run's start model, which judges when kind is model and none is named. `replies`: where an endpoint's replies are kept as
// they come, so that none is asked for twice; empty: nowhere.
std::shared_ptr<JudgeBackend> make_judge(const JudgeSection& options, const std::filesystem::path& start, const ModelSection& model, const rollout::EngineOptions& engine,
                                         const std::filesystem::path& replies = {});

}  // namespace foil::pipeline
