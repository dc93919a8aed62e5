// foil verify: verdicts for {gold, pred} lines, on all cores.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/core/commands.h"
#include "app/terminal.h"
#include "base/atomic_file.h"
#include "base/parallel.h"
#include "verify/verify.h"

namespace foil::app {

namespace {

using Json = nlohmann::json;

struct VerifyArguments {
  std::string input = "-", output = "-";
  std::string gold, answer;
  std::string gold_key = "gold", answer_key = "pred";
  bool explain = false, json = false;
  int threads = 0;
  verify::Options options;
};

Json verdict_json(const verify::Verdict& v) {
  Json j = {{"verdict", verify::to_string(v.outcome)}, {"rule", v.rule}, {"answer", v.answer_text}, {"gold_read", v.gold_read}, {"answer_read", v.answer_read}};
  if (!v.note.empty()) j["note"] = v.note;
  return j;
}

void print_explained(std::string_view gold, const verify::Verdict& v, std::FILE* out) {
  fmt::print(out, "{}  ({})\n  gold    {}  read as  {}\n  answer  {}  read as  {}\n", verify::to_string(v.outcome), v.rule, gold, v.gold_read,
             v.answer_text, v.answer_read);
  if (!v.note.empty()) fmt::print(out, "  note    {}\n", v.note);
}

std::string text_of(const Json& row, const std::string& key, const std::string& where) {
  const auto it = row.find(key);
  if (it == row.end()) {
    std::vector<std::string> keys;
    for (const auto& [k, _] : row.items()) keys.push_back(k);
    const std::string near = nearest(key, keys);
    throw Error(fmt::format("no field \"{}\"; the fields here are: {}", key, fmt::join(keys, ", ")), where,
                near.empty() ? "name the fields with --gold-key and --answer-key" : fmt::format("did you mean \"{}\"? (--gold-key, --answer-key)", near));
  }
  return it->is_string() ? it->get<std::string>() : it->dump();
}

void verify_lines(const VerifyArguments& a) {
  std::ifstream file;
  if (a.input != "-") {
    file.open(a.input);
    if (!file) throw Error("cannot open the file", a.input, "give a JSON Lines file, or - for standard input");
  }
  std::istream& in = a.input == "-" ? std::cin : file;
  std::FILE* out = stdout;
  std::string collected;
  size_t line_number = 0, correct = 0, wrong = 0, unreadable = 0;
  Progress progress("verify", 0, "answers");
  std::vector<std::pair<size_t, std::string>> lines;
  auto flush = [&] {
    std::vector<std::string> results(lines.size());
    std::vector<int> outcomes(lines.size());
    parallel_for(
        lines.size(),
        [&](size_t i) {
          const std::string where = fmt::format("{}:{}", a.input == "-" ? "standard input" : a.input, lines[i].first);
          Json row;
          try {
            row = Json::parse(lines[i].second);
          } catch (const Json::parse_error& e) {
            throw Error("not JSON: " + std::string(e.what()), where, "one JSON object a line: {\"gold\": …, \"pred\": …}");
          }
          if (!row.is_object()) throw Error("expected a JSON object", where);
          const std::string gold = text_of(row, a.gold_key, where), answer = text_of(row, a.answer_key, where);
          const auto verdict = verify::check(gold, answer, a.options);
          outcomes[i] = int(verdict.outcome);
          if (a.explain) {
            std::string text = fmt::format("{}:{} {}  ({})\n  gold    {}  read as  {}\n  answer  {}  read as  {}\n", a.input, lines[i].first,
                                           verify::to_string(verdict.outcome), verdict.rule, gold, verdict.gold_read, verdict.answer_text, verdict.answer_read);
            if (!verdict.note.empty()) text += fmt::format("  note    {}\n", verdict.note);
            results[i] = std::move(text);
          } else {
            row.update(verdict_json(verdict));
            results[i] = row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
          }
        },
        a.threads, 16);
    for (size_t i = 0; i < lines.size(); ++i) {
      (outcomes[i] == 0 ? correct : outcomes[i] == 1 ? wrong : unreadable) += 1;
      if (a.output == "-")
        std::fwrite(results[i].data(), 1, results[i].size(), out);
      else
        collected += results[i];
    }
    progress.add(lines.size());
    lines.clear();
    throw_if_interrupted();
  };
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    lines.emplace_back(line_number, std::move(line));
    if (lines.size() == 4096) flush();
  }
  flush();
  if (a.output != "-") write_file(a.output, collected);
  const size_t total = correct + wrong + unreadable;
  if (!total) throw Error("no lines to verify", a.input, "one JSON object a line: {\"gold\": …, \"pred\": …}");
  progress.note(fmt::format("{} correct ({:.1f} %) · {} wrong · {} unreadable", correct, 100.0 * double(correct) / double(total), wrong, unreadable));
}

}  // namespace

void declare_verify(CLI::App& app) {
  auto a = std::make_shared<VerifyArguments>();
  app.description(
      "Decides whether final answers are right: exactly where mathematics allows, with the rule that decided it.\n\n"
      "  foil verify answers.jsonl                         lines {\"gold\": \"1/2\", \"pred\": \"… \\\\boxed{0.5}\"} to verdicts\n"
      "  foil verify --gold '1/2' --answer '0.5' --explain one check, explained\n"
      "Rules and options: docs/verify.md");
  app.add_option("input", a->input, "JSON Lines file, - for standard input");
  app.add_option("-o,--output", a->output, "where the verdicts go, - for standard output");
  app.add_option("--gold", a->gold, "check one answer: the gold");
  app.add_option("--answer", a->answer, "check one answer: the model's text");
  app.add_option("--gold-key", a->gold_key, "field that holds the gold");
  app.add_option("--answer-key", a->answer_key, "field that holds the model's text");
  app.add_flag("--explain", a->explain, "print both readings and the deciding rule instead of JSON");
  app.add_flag("--json", a->json, "JSON output for --gold/--answer");
  app.add_option("--threads", a->threads, "0: all cores");
  app.add_option("--percent-is-fraction", a->options.percent_is_fraction, "50 % = 0.5");
  app.add_option("--units-optional", a->options.units_optional, "a missing unit is forgiven");
  app.add_option("--round-to-gold", a->options.round_to_gold, "an exact answer may round to a decimal gold");
  app.add_option("--ordered-tuples", a->options.ordered_tuples, "(1, 2) is not (2, 1)");
  app.add_option("--budget", a->options.budget, "operations allowed for one check");
  app.callback([a, &app] {
    const bool one = app.count("--gold") || app.count("--answer");
    if (!one) return verify_lines(*a);
    if (!app.count("--gold") || !app.count("--answer")) throw UsageError("--gold and --answer go together", "foil verify");
    const auto verdict = verify::check(a->gold, a->answer, a->options);
    if (a->json)
      std::printf("%s\n", verdict_json(verdict).dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    else if (a->explain)
      print_explained(a->gold, verdict, stdout);
    else
      std::printf("%s\n", verify::to_string(verdict.outcome));
  });
}

}  // namespace foil::app
