// The list both executables share: names, summaries, and which of the two runs a command.
#pragma once
#include <string>
#include <vector>

namespace foil::app {

struct Summary {
  const char* name;
  const char* summary;
  const char* group;
  bool engine;  // runs in foil-engine
};

inline const std::vector<Summary>& summaries() {
  static const std::vector<Summary> list = {
      {"run", "the whole method from a recipe: problems in, better reasoner and report out", "The whole road", true},
      {"negatives", "plausible wrong answers for your model and problems, as a preference file", "The whole road", true},
      {"study", "sources of negatives, objectives or variants of a recipe, compared over seeds", "The whole road", true},
      {"train", "one training stage: sft, rl, reward, process-reward or preference", "Stages", true},
      {"generate", "sample answers from a model", "Stages", true},
      {"score", "rewards and verdicts for samples", "Stages", true},
      {"pair", "preference pairs from scored samples", "Stages", false},
      {"eval", "benchmarks: pass@k, avg@k, maj@k with intervals, negative flips", "Stages", true},
      {"report", "the HTML page of a run folder", "Stages", false},
      {"verify", "is this final answer right? verdicts for gold/answer lines", "Tools", false},
      {"data", "make, list and check problem files", "Tools", false},
      {"convert", "GGUF to a Hugging Face folder, or between precisions", "Tools", true},
      {"info", "facts about a model, its tokenizer and template, and this machine", "Tools", true},
      {"completion", "shell completion for bash, zsh or fish", "Tools", true},
  };
  return list;
}

}  // namespace foil::app
