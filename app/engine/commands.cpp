// The commands of `foil-engine`, the executable with LibTorch.
#include "app/engine/commands.h"

#include "app/command.h"
#include "nn/cpu_allocator.h"

namespace foil::app {

std::vector<Command> commands() {
  nn::keep_cpu_buffers();  // before the first tensor
  return {
      {"run", "the whole method from a recipe", "", declare_run},
      {"negatives", "plausible wrong answers for your model and problems", "", declare_negatives},
      {"study", "sources of negatives, objectives or variants of a recipe, compared over seeds", "", declare_study},
      {"train", "one training stage", "", declare_train},
      {"generate", "sample answers", "", declare_generate},
      {"score", "rewards and verdicts for samples", "", declare_score},
      {"eval", "benchmarks", "", declare_eval},
      {"convert", "between model formats", "", declare_convert},
      {"info", "facts about models and this machine", "", declare_info},
      {"completion", "shell completion", "", declare_completion},
  };
}

}  // namespace foil::app
