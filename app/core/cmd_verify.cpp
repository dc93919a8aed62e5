// foil verify: verdicts for {gold, pred} lines, on all cores.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
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
  Json j = {{"verdict", verify::to_string(v.outcome)}, {"rule", v.rule}, {"answer_text", v.answer_text}, {"gold_read", v.gold_read}, {"answer_read", v.answer_read}};
  if (!v.note.empty()) j["note"] = v.note;
  return j;
}

void print_explained(std::string_view gold, const verify::Verdict& v, std::FILE* out) {
  fmt::print(out, "{}  ({})\n  gold    {}  read as  {}\n  answer  {}  read as  {}\n", verify::to_string(v.outcome), v.rule, gold, v.gold_read,
             v.answer_text, v.answer_read);
  if (!v.note.empty()) fmt::print(out, "  note    {}\n", v.note);
}

// A line that cannot be checked: what is wrong with it, and where ("answers.jsonl:3", with ":12" for a column).
struct BadLine {
  std::string what, where, hint;
  size_t column = 0;
};

// Brackets open at once, outside strings: what a reader or writer of JSON that calls itself could not stand.
bool nested_too_deeply(std::string_view line) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > 256) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Json row_of(const std::string& line, const std::string& where) {
  static const std::string shape = "one JSON object a line: {\"gold\": …, \"pred\": …}";
  if (nested_too_deeply(line)) throw BadLine{"JSON nested deeper than 256 levels", where, shape};
  Json row;
  try {
    row = Json::parse(line);
  } catch (const Json::parse_error& e) {
    std::string_view what = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 8: what is wrong"
    if (const size_t colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
    const size_t column = std::min(e.byte, line.size() + 1);
    throw BadLine{"not JSON: " + std::string(what), fmt::format("{}:{}", where, column), shape, column};
  }
  if (!row.is_object()) throw BadLine{fmt::format("expected a JSON object, found {}", row.type_name()), where, shape};
  return row;
}

// A field as text. Null is no answer, and no gold at all.
std::string text_of(const Json& row, const std::string& key, bool may_be_null, const std::string& where) {
  const auto it = row.find(key);
  if (it == row.end()) {
    std::vector<std::string> keys;
    for (const auto& [k, _] : row.items()) keys.push_back(k);
    const std::string near = nearest(key, keys);
    throw BadLine{fmt::format("no field \"{}\"; the fields here are: {}", key, fmt::join(keys, ", ")), where,
                  near.empty() ? "name the fields with --gold-key and --answer-key" : fmt::format("did you mean \"{}\"? (--gold-key, --answer-key)", near)};
  }
  if (it->is_string()) return it->get<std::string>();
  if (it->is_null() && may_be_null) return "";
  if (it->is_structured() || it->is_null()) throw BadLine{fmt::format("field \"{}\" is {}", key, it->is_null() ? "null" : it->is_array() ? "an array" : "an object"), where, "an answer is text or a number"};
  return it->dump();
}

size_t lines_in(const std::string& path) {
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec)) return 0;
  std::ifstream in(path, std::ios::binary);
  size_t lines = 0;
  std::vector<char> block(1 << 18);
  while (in.read(block.data(), std::streamsize(block.size())), in.gcount() > 0) lines += size_t(std::count(block.data(), block.data() + in.gcount(), '\n'));
  return lines;
}

struct Checked {
  std::string text;  // what is written
  int outcome = -1;  // −1: a bad line
  BadLine bad;
};

Checked check_line(const VerifyArguments& a, const std::string& line, size_t number) {
  const std::string where = fmt::format("{}:{}", a.input == "-" ? "standard input" : a.input, number);
  try {
    Json row = row_of(line, where);
    const std::string gold = text_of(row, a.gold_key, false, where), answer = text_of(row, a.answer_key, true, where);
    const auto verdict = verify::check(gold, answer, a.options);
    Checked done;
    done.outcome = int(verdict.outcome);
    if (a.explain) {
      done.text = fmt::format("{} {}  ({})\n  gold    {}  read as  {}\n  answer  {}  read as  {}\n", where, verify::to_string(verdict.outcome), verdict.rule, gold,
                              verdict.gold_read, verdict.answer_text, verdict.answer_read);
      if (!verdict.note.empty()) done.text += fmt::format("  note    {}\n", verdict.note);
    } else {
      row.update(verdict_json(verdict));
      done.text = row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    return done;
  } catch (BadLine& bad) {
    if (a.explain) return {fmt::format("{} error\n  {}\n", bad.where, bad.what), -1, std::move(bad)};
    Json record = {{"verdict", "error"}, {"line", number}, {"error", bad.what}};
    if (bad.column) record["column"] = bad.column;
    return {record.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", -1, std::move(bad)};
  }
}

// Checks in blocks, each written before the next is read: memory does not grow with the input. A line that cannot be checked
// gets a record that says so, and the run goes on; it ends with an error. A file whose whole first block is like that is the wrong file.
void verify_lines(const VerifyArguments& a) {
  std::ifstream file;
  if (a.input != "-") {
    file.open(a.input);
    if (!file || std::filesystem::is_directory(a.input)) throw Error("cannot open the file", a.input, "give a JSON Lines file, or - for standard input");
  }
  std::istream& in = a.input == "-" ? std::cin : file;
  constexpr size_t kBlock = 4096;
  size_t counts[3] = {}, bad = 0;
  BadLine first_bad;
  Progress progress("verify", a.input == "-" ? 0 : lines_in(a.input), "answers");
  const auto run = [&](std::FILE* out) {
    std::vector<std::pair<size_t, std::string>> lines;
    const auto flush = [&] {
      std::vector<Checked> results(lines.size());
      parallel_for(lines.size(), [&](size_t i) { results[i] = check_line(a, lines[i].second, lines[i].first); }, a.threads, 16);
      for (Checked& r : results) {
        if (r.outcome >= 0) ++counts[r.outcome];
        else if (bad++ == 0) first_bad = r.bad;
      }
      if (bad && bad == results.size() && !(counts[0] + counts[1] + counts[2])) throw Error(first_bad.what, first_bad.where, first_bad.hint);
      for (const Checked& r : results)
        if (std::fwrite(r.text.data(), 1, r.text.size(), out) != r.text.size()) throw Error(fmt::format("cannot write: {}", std::strerror(errno)), a.output == "-" ? "standard output" : a.output);
      progress.add(lines.size());
      lines.clear();
      throw_if_interrupted();
    };
    size_t number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      lines.emplace_back(number, std::move(line));
      if (lines.size() == kBlock) flush();
    }
    if (!lines.empty()) flush();
    if (in.bad()) throw Error("cannot read to the end", a.input);
    if (!(counts[0] + counts[1] + counts[2])) throw Error("no lines to verify", a.input, "one JSON object a line: {\"gold\": …, \"pred\": …}");
    if (std::fflush(out) != 0) throw Error(fmt::format("cannot write: {}", std::strerror(errno)), a.output == "-" ? "standard output" : a.output);
  };
  if (a.output == "-") run(stdout);
  else write_file(a.output, run);
  const size_t total = counts[0] + counts[1] + counts[2];
  progress.note(fmt::format("{} correct ({:.1f} %) · {} wrong · {} unreadable", counts[0], 100.0 * double(counts[0]) / double(total), counts[1], counts[2]));
  if (bad)
    throw Error(fmt::format("{} of {} lines could not be checked; the first: {}", bad, total + bad, first_bad.what), first_bad.where,
                fmt::format("every other line has its verdict; theirs says \"error\". {}", first_bad.hint));
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
