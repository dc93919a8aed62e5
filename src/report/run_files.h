// Names of the files in a run folder: written by pipeline/, read by report/. All paths are relative to the run folder.
//
//   manifest.json                     what ran: Manifest below
//   config.yaml                       the resolved recipe
//   metrics.jsonl                     run log: one Metric (data/record.h) a line, all stages append; tensorboard/ beside it
//   data/train.jsonl, data/eval/<split>.jsonl          problems
//   models/<name>/                    Hugging Face folders: start, sft, rl, reward, generator, dpo_rejection, dpo_plausible
//   samples/<source>.jsonl            verified, scored samples: policy (RL policy on the training problems), generator
//   pairs/<name>.jsonl                preference files: rejection, plausible
//   eval/<policy>.json                eval results of one policy on all splits; eval/<policy>/<split>.jsonl every sample
//   audit.json                        where the gain comes from: score histograms, separability, filter counts
//   report.html
#pragma once
#include <string>

namespace foil::report {

inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kConfigFile = "config.yaml";
inline constexpr const char* kMetricsFile = "metrics.jsonl";
inline constexpr const char* kTensorboardFolder = "tensorboard";
inline constexpr const char* kAuditFile = "audit.json";
inline constexpr const char* kReportFile = "report.html";
inline std::string samples_file(const std::string& source) { return "samples/" + source + ".jsonl"; }
inline std::string pairs_file(const std::string& name) { return "pairs/" + name + ".jsonl"; }
inline std::string model_folder(const std::string& name) { return "models/" + name; }
inline std::string eval_file(const std::string& policy) { return "eval/" + policy + ".json"; }
inline std::string eval_samples_file(const std::string& policy, const std::string& split) { return "eval/" + policy + "/" + split + ".jsonl"; }
inline std::string problems_file(const std::string& split) { return split == "train" ? "data/train.jsonl" : "data/eval/" + split + ".jsonl"; }

}  // namespace foil::report
