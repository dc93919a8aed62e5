// The judge a recipe asks for.
#pragma once
#include <memory>

#include "pipeline/recipe.h"
#include "reward/judge.h"
#include "rollout/engine.h"

namespace foil::pipeline {

// `start`: the run's start model, which judges when kind is model and none is named.
std::shared_ptr<JudgeBackend> make_judge(const JudgeSection& options, const std::filesystem::path& start, const ModelSection& model, const rollout::EngineOptions& engine);

}  // namespace foil::pipeline
