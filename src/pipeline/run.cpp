#include "pipeline/run.h"

#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <thread>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "config/options.h"
#include "data/family.h"
#include "io/jsonl.h"
#include "pipeline/offline.h"
#include "pipeline/sources.h"
#include "report/run_files.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<Problem> StageRun::training_problems() const { return read_jsonl<Problem>(path(report::problems_file("train"))); }

std::vector<std::string> StageRun::splits() const {
  if (recipe.data.source == "family") return recipe.data.eval.empty() ? family_splits() : recipe.data.eval;
  std::vector<std::string> out;
  for (const auto& source : recipe.data.eval) out.push_back(split_name(source));
  return out;
}

std::vector<Problem> StageRun::split(const std::string& name) const { return read_jsonl<Problem>(path(report::problems_file(name))); }

fs::path StageRun::model(const std::string& name) const {
  if (name == "start") return recipe.model.path.empty() ? path(report::model_folder("start")) : fs::path(recipe.model.path);
  if (name == "sft") {
    if (!recipe.sft.use.empty()) return recipe.sft.use;
    if (!recipe.sft.enabled) return model("start");
  }
  if (name == "rl") {
    if (!recipe.rl.use.empty()) return recipe.rl.use;
    if (!recipe.rl.enabled) return model("sft");
  }
  if (name == "reward" && !recipe.reward_model.use.empty()) return recipe.reward_model.use;
  if (name == "generator" && !recipe.generator.use.empty()) return recipe.generator.use;
  return path(report::model_folder(name));
}

train::StageContext StageRun::context() {
  if (first() && !log) log = std::make_shared<train::RunLog>(path(report::kMetricsFile), stage);
  train::StageContext context;
  context.stage = stage;
  context.folder = path("checkpoints/" + stage);
  context.log = log.get();
  context.ranks = ranks;
  context.seed = mix64(recipe.seed, hash64(stage));
  return context;
}

namespace {

// One process a run folder: a second would mix its lines into the log.
class FolderLock {
 public:
  FolderLock(const fs::path& folder, bool wait) {
    fs::create_directories(folder);
    file_ = std::fopen((folder / ".lock").c_str(), "w");
    if (!file_) throw Error("cannot write into the run folder", folder.string(), "check its permissions");
    if (wait && flock(fileno(file_), LOCK_EX | LOCK_NB) != 0) log_info("waiting for another foil that works in {}", folder.string());
    while (flock(fileno(file_), LOCK_EX | LOCK_NB) != 0) {
      if (wait && !interrupt_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        continue;
      }
      std::fclose(file_);
      throw_if_interrupted();
      throw Error("another foil run is working in this folder", folder.string(), "wait for it, or choose another folder: --set output=…");
    }
  }
  ~FolderLock() { std::fclose(file_); }

 private:
  std::FILE* file_;
};

[[noreturn]] void missing_input(const fs::path& path) { throw Error("there is no such file or folder", path.string(), "the recipe names it; check the path"); }

std::string input_mark(const fs::path& path) {
  if (fs::is_regular_file(path)) return fmt::format("{}:{}", path.string(), fs::file_size(path) < (uintmax_t{64} << 20) ? file_hash(path) : std::to_string(fs::file_size(path)));
  if (fs::is_directory(path)) {
    std::string out = path.string();
    for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"})
      if (fs::exists(path / name)) out += fmt::format(":{}:{}", fs::file_size(path / name), fs::last_write_time(path / name).time_since_epoch().count());
    return out;
  }
  missing_input(path);
}

}  // namespace

std::string stage_key(const Recipe& recipe, const Stage& stage, const std::map<std::string, std::string>& keys) {
  Json key = {{"stage", stage.name}, {"options", stage.key}, {"skip", stage.skip}, {"seed", recipe.seed}};
  for (const auto& need : stage.needs) key["needs"][need] = keys.at(need);
  for (const auto& input : stage.inputs) key["inputs"].push_back(input_mark(input));
  return text_hash(key.dump());
}

namespace {

double seconds_since(std::chrono::steady_clock::time_point t) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count(); }

std::string now_text() {
  char text[32];
  const std::time_t t = std::time(nullptr);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  return text;
}

}  // namespace

void check_given(const Recipe& r, const std::vector<Stage>& list, const std::string& until) {
  for (const Stage& stage : list) {
    for (const auto& input : stage.inputs)
      if (!fs::exists(input)) missing_input(input);
    if (stage.name == "negatives" && stage.skip.empty() && r.negatives.sampling.use.empty())
      if (const std::string why = source_obstacle(r, r.negatives.source); !why.empty())
        throw UsageError(fmt::format("the source {} cannot be had: {}", info(r.negatives.source).name, why), "negatives.source");
    if (stage.name == until) break;
  }
  const auto& replay = r.rl.train.replay;
  if (r.rl.enabled && r.rl.use.empty() && !replay.empty()) replay_samples(replay, r.rl.train.temperature);
}

fs::path run(const Recipe& recipe, const fs::path& recipe_path, const RunOptions& options,
             const std::function<void(size_t, size_t, const Stage&, const std::string&, double)>& announce) {
  const fs::path folder = recipe.output;
  const bool first = !options.ranks || options.ranks->first();
  auto list = stages(recipe);
  std::vector<std::string> names;
  for (const auto& s : list) names.push_back(s.name);
  for (const auto& name : {options.from, options.until})
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end())
      throw UsageError(fmt::format("there is no stage \"{}\"", name), "", fmt::format("the stages: {}", fmt::join(names, ", ")));
  check_given(recipe, list, options.until);
  std::optional<FolderLock> lock;
  if (first) lock.emplace(folder, options.wait);

  std::optional<Manifest> manifest;
  if (first) {
    manifest.emplace(folder);
    Json& header = manifest->header();
    header["name"] = recipe.name, header["description"] = recipe.description, header["recipe"] = recipe_path.string(), header["seed"] = recipe.seed;
    header["command"] = options.command;
    if (!header.contains("started")) header["started"] = now_text();
    bool again = false;
    for (const auto& stage : list) {
      again |= stage.name == options.from;
      if (again) {
        manifest->forget(stage.name);
        if (!stage.nested.empty()) fs::remove(folder / stage.nested / report::kManifestFile);
      }
      if (stage.name == options.until) break;
    }
    write_file(folder / report::kConfigFile, config::to_yaml(recipe));
    manifest->save();
  }

  std::map<std::string, std::string> keys;
  for (size_t i = 0; i < list.size(); ++i) {
    const Stage& stage = list[i];
    throw_if_interrupted();
    std::string decision;  // the first rank's
    if (first) {
      keys[stage.name] = stage_key(recipe, stage, keys);
      decision = !stage.skip.empty() ? "skipped" : manifest->done(stage.name, keys[stage.name]) ? "done" : "running";
      if (decision == "running") {
        const auto* before = manifest->find(stage.name);
        const bool resume = before && before->status == "running" && before->key == keys[stage.name];
        if (!resume) fs::remove_all(folder / ("checkpoints/" + stage.name));
        manifest->begin(stage.name, keys[stage.name]);
      }
      announce(i, list.size(), stage, decision, decision == "done" ? manifest->find(stage.name)->seconds : 0);
    }
    if (options.ranks) {
      options.ranks->meet_patiently("before the stage " + stage.name);
      decision = options.ranks->gather(decision, "what is to be done about the stage " + stage.name)[0];
    }
    if (decision == "running" && (first || stage.shared)) {
      const auto start = std::chrono::steady_clock::now();
      std::optional<Manifest> seen;  // the other ranks': as it stands now
      if (!first) seen.emplace(folder);
      StageRun work{recipe, first ? *manifest : *seen, folder, stage.name};
      if (stage.shared) work.ranks = options.ranks;
      try {
        stage.run(work);
      } catch (...) {
        if (first) manifest->pause(stage.name, seconds_since(start));
        throw;
      }
      if (first) {
        manifest->finish(stage.name, seconds_since(start), stage.outputs, work.facts);
        fs::remove_all(folder / ("checkpoints/" + stage.name));
        announce(i, list.size(), stage, "finished", manifest->find(stage.name)->seconds);
      }
    }
    if (stage.name == options.until) break;
  }
  if (options.ranks) options.ranks->meet_patiently("the end of the run");
  return folder;
}

}  // namespace foil::pipeline
