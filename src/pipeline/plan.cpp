#include <map>

#include "pipeline/costs.h"
#include "pipeline/run.h"

namespace foil::pipeline {

std::string plan_text(const Recipe& r) {
  const Costs costs(r);
  const Manifest manifest(r.output);
  std::string out = fmt::format("{}: {} {:.3g} M parameters, {:.0f} training problems, {:.0f} evaluation problems, output {}\n", r.name, costs.config.model_type,
                                double(costs.config.parameters()) / 1e6, costs.problems, costs.eval_problems, r.output);
  out += costs.machine() + (r.processes > 1 ? fmt::format("; {} such processes, memory is that of each", r.processes) : "") + "\n\n";
  const auto all = stages(r);
  check_given(r, all);
  size_t width = 16;
  for (const auto& stage : all) width = std::max(width, stage.name.size());
  out += fmt::format("{:<{}} {:<10} {:>10} {:>10} {:>9} {:>9}\n", "stage", width, "state", "generated", "trained", "time", "memory");
  double total = 0, peak = 0;
  auto tokens = [](double n) { return n <= 0 ? std::string("-") : n < 1e6 ? fmt::format("{:.0f} k", n / 1e3) : fmt::format("{:.1f} M", n / 1e6); };
  std::map<std::string, std::string> keys;
  for (const auto& stage : all) {
    const auto* record = manifest.find(stage.name);
    keys[stage.name] = stage_key(r, stage, keys);
    const std::string state = !stage.skip.empty() ? "skipped" : !record ? "to do" : record->key != keys[stage.name] ? "changed" : record->status == "running" ? "begun" : manifest.done(stage.name, keys[stage.name]) ? "done" : "to do";
    const Work w = stage.skip.empty() ? costs.of(stage.name) : Work{};
    if (stage.skip.empty() && state != "done") total += w.seconds, peak = std::max(peak, w.bytes);
    out += fmt::format("{:<{}} {:<10} {:>10} {:>10} {:>9} {:>9}  {}\n", stage.name, width, state, tokens(w.generated), tokens(w.trained), w.seconds == 0 ? "-" : time_text(w.seconds),
                       w.bytes == 0 ? "-" : memory_text(w.bytes), stage.skip.empty() ? stage.summary : stage.skip);
  }
  if (total == 0) return out + "\nnothing to do\n";
  return out + fmt::format("\nto do: about {}, {} at the most; models of a few million parameters take up to twice as long\n", time_text(total), memory_text(peak));
}

}  // namespace foil::pipeline
