#include "pipeline/nested.h"

#include "base/log.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;

fs::path nested_run(StageRun& outer, const Recipe& recipe, const std::string& label) {
  const fs::path folder = pipeline::run(recipe, outer.path(report::kConfigFile), {.ranks = outer.ranks}, [&](size_t, size_t, const Stage& stage, const std::string& state, double) {
    if (state == "running") log_info("{}: {}", label, stage.summary);
  });
  const Manifest manifest(folder);
  for (const auto& [stage, names] : {std::pair<const char*, std::vector<const char*>>{"policy_samples", {"right_share"}}, {"negatives", {"pairs", "plausible_candidates", "plausible_kept", "generated_tokens"}}})
    if (const auto* record = manifest.find(stage); record && record->status == "done")
      for (const char* name : names)
        if (record->facts.contains(name)) outer.facts[name] = record->facts.at(name);
  return folder;
}

}  // namespace foil::pipeline
