// foil pair: a preference file from samples: verified, filtered, matched in length, in the Hugging Face form.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/core/commands.h"
#include "app/option_flags.h"
#include "app/terminal.h"
#include "data/dataset.h"
#include "data/pairing.h"
#include "data/prompt.h"
#include "data/verification.h"
#include "eval/separability.h"
#include "io/jsonl.h"
#include "reward/format.h"

namespace foil::app {

namespace {

struct PairArguments {
  std::string problems, samples, negatives, output, equal_with, data_dir;
  bool plain = false, json = false, verify_again = false, any_format = false;
  PairOptions pairs;
  PromptForm prompt;
  FormatOptions format;
  OptionFlags pair_flags, prompt_flags, format_flags;
};

std::vector<Sample> read_samples(const std::string& file, const ProblemIndex& problems, bool again) {
  auto samples = read_jsonl<Sample>(file);
  // A sample without verdict and answer has not been looked at; one with an answer but no verdict was unreadable.
  std::vector<Sample> open;
  std::vector<size_t> at;
  for (size_t i = 0; i < samples.size(); ++i)
    if (again || (!samples[i].correct && !samples[i].answer)) open.push_back(samples[i]), at.push_back(i);
  verify_samples(problems, open);
  for (size_t k = 0; k < at.size(); ++k) samples[at[k]] = std::move(open[k]);
  return samples;
}

void make(const PairArguments& given) {
  PairArguments a = given;
  a.pair_flags.read(a.pairs), a.prompt_flags.read(a.prompt), a.format_flags.read(a.format);
  DatasetOptions source;
  source.source = a.problems, source.data_dir = a.data_dir;
  const auto problems = load_problems(source);
  const ProblemIndex index(problems);
  const auto chosen = read_samples(a.samples, index, a.verify_again);
  auto negatives = a.negatives.empty() ? chosen : read_samples(a.negatives, index, a.verify_again);
  if (a.pairs.filter.max_shallow) eval::score_shallow(chosen, negatives);
  const PromptMaker maker(a.prompt, a.data_dir);
  std::function<bool(const Sample&)> keeps_form;
  if (!a.any_format) keeps_form = [&](const Sample& s) { return format_defect(index.at(s.problem_id).problem, s, a.format).empty(); };
  auto result = make_pairs(index, chosen, negatives, a.pairs, [&](const Problem& p) { return maker.plain(p.problem); }, keeps_form);
  require_pairs(result, a.negatives.empty() ? a.samples : a.negatives);
  if (!a.equal_with.empty()) {
    auto other = read_jsonl<Pair>(a.equal_with);
    const size_t before = other.size();
    equalise(result.pairs, other);
    if (other.size() < before) throw Error(fmt::format("{} holds {} pairs, there are only {} here", a.equal_with, before, other.size()), a.output, "pair the smaller source first, then the other with --equal-with");
  }
  if (!a.plain)
    for (auto& p : result.pairs) p.prompt_messages = maker.messages(index.at(p.problem_id).problem);
  write_jsonl(a.output, result.pairs);
  if (a.json) {
    fmt::print("{}\n", Json{{"pairs", result.pairs.size()}, {"candidates", result.candidates}, {"kept", result.kept}, {"dropped", result.dropped},
                            {"problems_without_chosen", result.problems_without_chosen}, {"problems_without_negative", result.problems_without_negative}}.dump());
    return;
  }
  fmt::print("{} pairs in {}\n{} candidates, {} left after the filters\n", result.pairs.size(), a.output, result.candidates, result.kept);
  for (const auto& [reason, n] : result.dropped) fmt::print("  {:>7}  {}\n", n, reason);
  if (result.problems_without_chosen) fmt::print("{} problems without a right answer\n", result.problems_without_chosen);
  if (result.problems_without_negative) fmt::print("{} problems with right answers, but without a negative\n", result.problems_without_negative);
}

}  // namespace

void declare_pair(CLI::App& app) {
  auto a = std::make_shared<PairArguments>();
  app.description(
      "Makes preference pairs: a right answer against a wrong one that passed every filter, of the same problem and about the same length.\n"
      "The file has TRL's form: prompt, chosen, rejected as messages (or plain text), usable by any DPO trainer.\n\n"
      "  foil pair --problems train.jsonl --samples policy.jsonl -o pairs.jsonl                       the policy's own wrong answers\n"
      "  foil pair --problems train.jsonl --samples policy.jsonl --negatives generator.jsonl -o pairs.jsonl\n"
      "Samples without a verdict are verified first.");
  app.add_option("--problems", a->problems, "the problems: a JSON Lines file or a benchmark's name")->required();
  app.add_option("--samples", a->samples, "samples whose right ones are chosen")->required();
  app.add_option("--negatives", a->negatives, "samples whose wrong ones are rejected; without it those of --samples");
  app.add_option("-o,--output", a->output, "the preference file")->required();
  app.add_option("--equal-with", a->equal_with, "cut to as many pairs as this preference file holds, of the same problems where possible");
  app.add_option("--data-dir", a->data_dir, "folder of the benchmarks");
  app.add_flag("--plain", a->plain, "prompts and answers as plain text instead of messages");
  app.add_flag("--any-format", a->any_format, "do not ask that negatives keep the form of the answer");
  app.add_flag("--verify-again", a->verify_again, "verify samples that have a verdict, too");
  app.add_flag("--json", a->json, "the counts as JSON");
  a->pair_flags.add(app, a->pairs);
  a->prompt_flags.add(app, a->prompt);
  a->format_flags.add(app, a->format);
  app.callback([a] { make(*a); });
}

}  // namespace foil::app
