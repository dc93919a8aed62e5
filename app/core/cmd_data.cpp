// foil data: make the generated family, list what files and the data folder hold, check files line by line.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "app/core/commands.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "base/progress.h"
#include "data/check.h"
#include "data/dataset.h"
#include "data/family.h"
#include "io/jsonl.h"

namespace foil::app {
namespace fs = std::filesystem;

namespace {

struct MakeArguments {
  std::string folder;
  uint64_t seed = 1;
  bool json = false;
  FamilyOptions family;
  OptionFlags flags;
};

void make(const MakeArguments& a) {
  FamilyOptions family = a.family;
  a.flags.read(family);
  family.validate("foil data make");
  Json written = Json::array();
  auto put = [&](const fs::path& path, const std::vector<Problem>& problems) {
    write_jsonl(path, problems);
    written.push_back({{"file", path.string()}, {"problems", problems.size()}});
    if (!a.json) fmt::print("{:6}  {}\n", problems.size(), path.string());
    throw_if_interrupted();
  };
  put(fs::path(a.folder) / "train.jsonl", family_train(family, a.seed));
  for (const auto& split : family_splits()) put(fs::path(a.folder) / "eval" / (split + ".jsonl"), family_eval(family, a.seed, split));
  if (a.json) fmt::print("{}\n", written.dump());
}

std::string quantiles_text(const Quantiles& q) { return fmt::format("{} … {} (median {}, 95 % below {})", q.least, q.most, q.median, q.p95); }

std::string counts_text(const std::map<std::string, int64_t>& counts) {
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& x, const auto& y) { return x.second > y.second; });
  std::vector<std::string> out;
  for (size_t i = 0; i < sorted.size() && i < 12; ++i) out.push_back(fmt::format("{} {}", sorted[i].first, sorted[i].second));
  if (sorted.size() > out.size()) out.push_back(fmt::format("{} more", sorted.size() - out.size()));
  return fmt::format("{}", fmt::join(out, " · "));
}

void list_benchmarks(const std::string& data_dir, bool json) {
  const fs::path folder = data_folder(data_dir);
  Json rows = Json::array();
  for (const auto& b : benchmarks()) {
    fs::path found;
    for (const auto& name : b.files)
      if (found.empty() && fs::is_regular_file(folder / (name + ".jsonl"))) found = folder / (name + ".jsonl");
    const int64_t problems = found.empty() ? 0 : describe_file(found).rows;
    rows.push_back({{"name", b.name}, {"about", b.about}, {"training", b.training}, {"file", found.string()}, {"problems", problems}});
    if (!json) fmt::print("{:14} {:>6}  {}\n", b.name, found.empty() ? "absent" : std::to_string(problems), b.about);
  }
  if (json)
    fmt::print("{}\n", rows.dump());
  else
    fmt::print("\nin {}  (FOIL_DATA_DIR or --data-dir)\n", folder.string());
}

void list(const std::vector<std::string>& sources, const std::string& data_dir, bool json) {
  if (sources.empty()) return list_benchmarks(data_dir, json);
  Json all = Json::array();
  for (const auto& source : sources) {
    const Description d = describe_file(resolve_problems(source, data_dir));
    if (json) {
      all.push_back(d);
      continue;
    }
    fmt::print("{}\n  {} {}\n", d.file, d.rows, d.kind);
    if (d.kind != "samples") fmt::print("  words of a {}   {}\n", d.kind == "pairs" ? "prompt" : "problem", quantiles_text(d.question_words));
    if (d.text_words.most > 0) fmt::print("  words of a {}   {}\n", d.kind == "problems" ? "solution" : d.kind == "pairs" ? "chosen answer" : "sample", quantiles_text(d.text_words));
    if (!d.answers.empty()) fmt::print("  answers    {}\n", counts_text(d.answers));
    if (!d.subjects.empty()) fmt::print("  subjects   {}\n", counts_text(d.subjects));
    if (!d.levels.empty()) fmt::print("  levels     {}\n", counts_text(d.levels));
    if (!d.counts.empty()) fmt::print("  of them    {}\n", counts_text(d.counts));
  }
  if (json) fmt::print("{}\n", all.dump());
}

void check(const std::vector<std::string>& sources, const std::string& data_dir, const CheckOptions& options, bool json) {
  std::vector<fs::path> files;
  for (const auto& source : sources) files.push_back(resolve_problems(source, data_dir));
  const auto defects = check_files(files, options);
  int64_t errors = 0, warnings = 0;
  Json all = Json::array();
  for (const auto& d : defects) {
    ++(d.severity == Severity::kError ? errors : warnings);
    if (json)
      all.push_back({{"file", d.file}, {"line", d.line}, {"column", d.column}, {"severity", d.severity == Severity::kError ? "error" : "warning"}, {"kind", d.kind}, {"what", d.what}});
    else
      fmt::print("{}\n", d.to_string());
  }
  if (json) fmt::print("{}\n", all.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!json && errors == 0) fmt::print("{}{} in {} file{}\n", warnings ? fmt::format("{} warnings, ", warnings) : "", "no errors", files.size(), files.size() == 1 ? "" : "s");
  if (errors) throw Error(fmt::format("{} errors and {} warnings in {} file{}", errors, warnings, files.size(), files.size() == 1 ? "" : "s"), "foil data check");
}

}  // namespace

void declare_data(CLI::App& app) {
  app.description(
      "Problem files: make the generated family of word problems, see what a file holds, find what is wrong with it.\n\n"
      "  foil data make problems            train.jsonl and eval/<split>.jsonl for seven splits\n"
      "  foil data list                     the benchmarks and whether the data folder holds them\n"
      "  foil data list gsm8k my.jsonl      counts, lengths, subjects, kinds of answers\n"
      "  foil data check train.jsonl test.jsonl    every defect by line and column; overlap between the files");
  app.require_subcommand(1);

  auto m = std::make_shared<MakeArguments>();
  CLI::App* making = app.add_subcommand("make", "write the generated family: a training set and seven evaluation splits");
  making->add_option("folder", m->folder, "where the files go")->required();
  making->add_option("--seed", m->seed, "another seed, another set; training and evaluation never overlap, whatever the seeds")->capture_default_str();
  making->add_flag("--json", m->json, "what was written as JSON");
  m->flags.add(*making, m->family);
  making->callback([m] { make(*m); });

  struct Files {
    std::vector<std::string> sources;
    std::string data_dir;
    bool json = false;
    CheckOptions check;
    OptionFlags flags;
  };
  auto l = std::make_shared<Files>();
  CLI::App* listing = app.add_subcommand("list", "what files hold; without a file, the benchmarks");
  listing->add_option("files", l->sources, "JSON Lines files (problems, samples, pairs) or benchmarks' names");
  listing->add_option("--data-dir", l->data_dir, "folder of the benchmarks");
  listing->add_flag("--json", l->json, "as JSON");
  listing->callback([l] { list(l->sources, l->data_dir, l->json); });

  auto c = std::make_shared<Files>();
  CLI::App* checking = app.add_subcommand("check", "what is wrong with files, by line and column; exit code 1 when a file cannot be used");
  checking->add_option("files", c->sources, "JSON Lines files or benchmarks' names; each is compared with those before it")->required();
  checking->add_option("--data-dir", c->data_dir, "folder of the benchmarks");
  checking->add_flag("--json", c->json, "as JSON");
  c->flags.add(*checking, c->check);
  checking->callback([c] {
    CheckOptions options;
    c->flags.read(options);
    check(c->sources, c->data_dir, options, c->json);
  });
}

}  // namespace foil::app
