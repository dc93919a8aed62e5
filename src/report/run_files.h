// What a run folder holds: file names and schemas. Written by pipeline/, read by report/. All paths are relative to the run folder.
//
//   manifest.json                     what ran (pipeline/manifest.h): {"run": {…}, "stages": [{name, status, seconds, outputs, facts}]}
//                                     of "run" the page shows, where present: name, description, recipe, version, seed, machine,
//                                     started, command; of a stage's facts every number and text
//   config.yaml                       the resolved recipe
//   metrics.jsonl                     run log: one Metric (data/record.h) a line, all stages append; tensorboard/ beside it
//   data/train.jsonl, data/eval/<split>.jsonl          Problem a line
//   models/<name>/                    Hugging Face folders: start, sft, rl, reward, generator, dpo_rejection, dpo_plausible
//   samples/<source>.jsonl            Sample a line, verified and scored: policy (RL policy on the training problems), generator
//   pairs/<name>.jsonl                Pair a line: rejection, plausible. scores: chosen_reward_model, rejected_reward_model, …
//   eval/<policy>.json                EvalResult (eval/result.h); eval/<policy>/<split>.jsonl every sample
//   rounds/<n>/                       run folders of further rounds; eval/round_<n>.json: their policies
//   audit.json                        AuditResult (eval/audit.h): score distributions, separability, diversity, filter counts
//   study/<kind>.json                 StudyTable (eval/study.h): negatives, objectives, variants; the same as <kind>.md; study/seed-N: run folders
//   report.html                       the page
//
// Stages of metrics.jsonl the page knows: sft, rl, reward_model, generator, dpo_rejection, dpo_plausible; others are listed as they come.
// Policies are named by stage, in this order: start, sft, rl, dpo_rejection, dpo_plausible; others follow as they come.
// Every file may be missing (a stage that has not run, or was replaced): the report leaves that part out and says so.
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
inline std::string study_file(const std::string& kind) { return "study/" + kind + ".json"; }
inline std::string problems_file(const std::string& split) { return split == "train" ? "data/train.jsonl" : "data/eval/" + split + ".jsonl"; }


inline constexpr const char* kPolicies[] = {"start", "sft", "rl", "dpo_rejection", "dpo_plausible"};
inline constexpr const char* kBaselinePolicy = "rl";  // what differences and negative flips are counted against

}  // namespace foil::report
