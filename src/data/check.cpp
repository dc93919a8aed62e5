#include "data/check.h"

#include <algorithm>
#include <fstream>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/random.h"
#include "data/dataset.h"
#include "data/similarity.h"
#include "io/jsonl.h"
#include "text/unicode.h"
#include "verify/verify.h"

namespace foil {
namespace fs = std::filesystem;

std::string Defect::to_string() const {
  std::string out = file;
  if (line) out += fmt::format(":{}", line);
  if (column) out += fmt::format(":{}", column);
  return fmt::format("{}: {}{}: {}", out, severity == Severity::kWarning ? "warning: " : "", kind, what);
}

void CheckOptions::validate(const std::string& where) const {
  if (!(contamination > 0) || contamination > 1) throw UsageError(fmt::format("contamination {} is outside 0…1", contamination), where);
  if (most_defects < 1) throw UsageError("most_defects must be at least 1", where);
}

namespace {

enum class Kind { kProblems, kSamples, kPairs };
constexpr const char* kKindNames[] = {"problems", "samples", "pairs"};

Kind kind_of(const Json& row) {
  if (row.contains("chosen") || row.contains("rejected")) return Kind::kPairs;
  if (row.contains("problem_id") && row.contains("text")) return Kind::kSamples;
  return Kind::kProblems;
}

// Letters and digits only, lower case: what makes two problems the same.
std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80)) out += char(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

struct Seen {
  std::string file;
  int64_t line;
};

class Checker {
 public:
  Checker(const CheckOptions& options, std::vector<Defect>& out) : options_(options), out_(out), near_(options.contamination) {}

  void file(const fs::path& path) {
    if (fs::is_directory(path)) throw Error("this is a folder, expected a JSON Lines file", path.string());
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("cannot open the file", path.string(), "check the path");
    file_ = path.string(), stem_ = path.stem().string(), listed_ = 0, kind_.reset();
    ids_.clear(), texts_.clear();
    int64_t rows = 0;
    line_ = 0;
    for (text_.clear(); std::getline(in, text_);) {
      ++line_;
      if (text_.find_first_not_of(" \t\r") == std::string::npos) continue;
      ++rows;
      row(in.eof());
    }
    line_ = 0;
    if (rows == 0) report("", "empty_file", "the file holds no lines");
    for (size_t i = 0; i < own_.size(); ++i) near_.add(own_[i].first), earlier_.push_back(own_[i].second);  // only files before are compared with
    for (auto& [key, seen] : texts_) equal_.emplace(key, seen);
    own_.clear();
  }

 private:
  void report(const std::string& field, const char* kind, std::string what, Severity severity = Severity::kError) {
    if (++listed_ > options_.most_defects) return;
    int64_t column = 0;
    if (!field.empty())
      if (const size_t at = text_.find("\"" + field + "\""); at != std::string::npos) column = int64_t(at) + 1;
    out_.push_back({file_, line_, column, severity, kind, std::move(what)});
  }

  void row(bool last_without_newline) {
    if (const size_t valid = text::valid_utf8_prefix(text_); valid < text_.size()) {
      report("", "not_utf8", fmt::format("byte 0x{:02x} is not UTF-8", static_cast<unsigned char>(text_[valid])));
      if (!out_.empty() && listed_ <= options_.most_defects) out_.back().column = int64_t(valid) + 1;
      return;
    }
    Json j;
    try {
      j = Json::parse(text_);
    } catch (const Json::parse_error& e) {
      std::string reason = e.what();
      if (const size_t at = reason.find("syntax error"); at != std::string::npos) reason = reason.substr(at);
      report("", "malformed", last_without_newline && e.byte >= text_.size() ? "the last line is cut off" : reason);
      if (listed_ <= options_.most_defects) out_.back().column = int64_t(e.byte);
      return;
    }
    if (!kind_ && j.is_object()) kind_ = kind_of(j);
    try {
      switch (kind_.value_or(Kind::kProblems)) {
        case Kind::kProblems: problem(j); break;
        case Kind::kSamples: sample(j.get<Sample>()); break;
        case Kind::kPairs: pair(j.get<Pair>()); break;
      }
    } catch (const Error& e) {
      const std::string& what = e.message();
      const size_t open = what.find('"'), close = open == std::string::npos ? open : what.find('"', open + 1);
      const bool missing = what.find("is missing") != std::string::npos;
      report(close == std::string::npos || missing ? "" : what.substr(open + 1, close - open - 1), missing ? "missing_field" : "wrong_type",
             e.hint().empty() ? what : what + " (" + e.hint() + ")");
    } catch (const Json::exception& e) {
      report("", "wrong_type", e.what());
    }
  }

  void problem(const Json& j) {
    const Problem p = problem_from_row(j, fmt::format("{}/{}", stem_, line_));
    if (const auto [it, fresh] = ids_.emplace(p.id, line_); !fresh) report("id", "duplicate_id", fmt::format("the id \"{}\" stands in line {} already", p.id, it->second));
    if (p.problem.empty()) report("problem", "empty_problem", "the problem is empty");
    if (p.answer.empty()) {
      report("answer", "empty_answer", "the answer is empty");
    } else if (options_.read_answers) {
      const auto gold = verify::parse_gold(p.answer);
      if (!gold.readable())
        report("answer", "unreadable_answer", fmt::format("the verifier cannot read \"{}\": {}", shortened(p.answer, 80), gold.problem()), Severity::kWarning);
      else if (p.solution) {
        const auto verdict = verify::check(gold, *p.solution);
        if (verdict.outcome == verify::Outcome::kWrong)
          report("solution", "solution_disagrees", fmt::format("the solution ends in \"{}\", the answer is \"{}\"", shortened(verdict.answer_text, 80), shortened(p.answer, 80)), Severity::kWarning);
      }
    }
    const std::string key = folded(p.problem);
    if (key.empty()) return;
    if (const auto it = equal_.find(key); it != equal_.end()) {
      report("problem", "contamination", fmt::format("the same problem stands in {}:{}", it->second.file, it->second.line), Severity::kWarning);
    } else {
      const MinHash hash = min_hash(p.problem);
      if (options_.contamination < 1)
        if (const auto match = near_.find(hash))
          report("problem", "contamination", fmt::format("nearly the same problem ({:.0f} % of word 3-grams) stands in {}:{}", 100 * match->similarity, earlier_[match->id].file, earlier_[match->id].line),
                 Severity::kWarning);
      own_.push_back({hash, {file_, line_}});
    }
    if (const auto [it, fresh] = texts_.emplace(key, Seen{file_, line_}); !fresh)
      report("problem", "duplicate_problem", fmt::format("the same problem stands in line {}", it->second.line), Severity::kWarning);
  }

  void sample(const Sample& s) {
    const std::string id = fmt::format("{}#{}#{}", s.problem_id, s.source, s.sample_id);
    if (const auto [it, fresh] = ids_.emplace(id, line_); !fresh)
      report("sample_id", "duplicate_id", fmt::format("sample {} of \"{}\" stands in line {} already", s.sample_id, s.problem_id, it->second));
    if (!s.token_ids.empty() && !s.logprobs.empty() && s.token_ids.size() != s.logprobs.size())
      report("logprobs", "wrong_type", fmt::format("{} logprobs for {} token_ids", s.logprobs.size(), s.token_ids.size()));
    for (const auto& step : s.steps)
      if (step.begin < 0 || step.end < step.begin || size_t(step.end) > s.text.size())
        report("steps", "wrong_type", fmt::format("step {}…{} lies outside the text of {} bytes", step.begin, step.end, s.text.size()));
  }

  void pair(const Pair& p) {
    if (p.prompt.empty() && p.prompt_messages.empty()) report("prompt", "empty_problem", "the prompt is empty");
    if (p.chosen == p.rejected) report("rejected", "same_texts", "chosen and rejected are the same text");
    for (const auto& more : p.more_rejected)
      if (more == p.chosen) report("rejected_more", "same_texts", "chosen and one of rejected_more are the same text");
  }

  const CheckOptions& options_;
  std::vector<Defect>& out_;
  std::string file_, stem_, text_;
  int64_t line_ = 0, listed_ = 0;
  std::optional<Kind> kind_;
  std::unordered_map<std::string, int64_t> ids_;
  std::unordered_map<std::string, Seen> texts_, equal_;  // of this file; of the files before
  NearDuplicates near_;                                  // of the files before
  std::vector<Seen> earlier_;
  std::vector<std::pair<MinHash, Seen>> own_;
};

int64_t count_words(std::string_view text) {
  int64_t n = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = std::isspace(static_cast<unsigned char>(c));
    n += !space && !inside;
    inside = !space;
  }
  return n;
}

Quantiles quantiles(std::vector<int64_t> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  auto at = [&](double q) { return values[std::min(values.size() - 1, size_t(q * double(values.size())))]; };
  return {values.front(), at(0.5), at(0.95), values.back()};
}

const char* answer_kind(const std::string& answer) {
  std::string digits;
  for (const char c : answer)
    if (c != ',' && c != ' ' && c != '$') digits += c;
  const size_t sign = !digits.empty() && digits[0] == '-';
  if (digits.size() > sign && digits.find_first_not_of("0123456789", sign) == std::string::npos) return "integer";
  if (digits.size() > sign && digits.find_first_not_of("0123456789.", sign) == std::string::npos) return "decimal";
  if (digits.size() > sign && digits.find_first_not_of("0123456789/", sign) == std::string::npos) return "fraction";
  if (!verify::parse_gold(answer).readable()) return "unreadable";
  return answer.find_first_of("\\^_=+*/0123456789") == std::string::npos ? "text" : "formula";
}

}  // namespace

std::vector<Defect> check_files(const std::vector<fs::path>& files, const CheckOptions& options) {
  options.validate("");
  std::vector<Defect> out;
  Checker checker(options, out);
  for (const auto& file : files) checker.file(file);
  return out;
}

Description describe_file(const fs::path& file) {
  Description d;
  d.file = file.string();
  std::optional<Kind> kind;
  std::vector<int64_t> question, text;
  for_each_jsonl(file, [&](const Json& row) {
    if (!kind) kind = row.is_object() ? kind_of(row) : Kind::kProblems;
    ++d.rows;
    if (*kind == Kind::kProblems) {
      const Problem p = problem_from_row(row, fmt::format("{}", d.rows));
      question.push_back(count_words(p.problem));
      if (p.solution) text.push_back(count_words(*p.solution)), ++d.counts["with_solution"];
      if (p.subject) ++d.subjects[*p.subject];
      if (p.level) ++d.levels[*p.level];
      ++d.answers[answer_kind(p.answer)];
    } else if (*kind == Kind::kSamples) {
      const auto s = row.get<Sample>();
      text.push_back(count_words(s.text));
      ++d.counts[!s.correct ? "not_verified_or_unreadable" : *s.correct ? "correct" : "wrong"];
      if (s.finish_reason == Finish::kLength) ++d.counts["cut_at_the_limit"];
      if (!s.source.empty()) ++d.counts["source " + s.source];
    } else {
      const auto p = row.get<Pair>();
      std::string prompt = p.prompt;
      for (const auto& m : p.prompt_messages) prompt += " " + m.content;
      question.push_back(count_words(prompt)), text.push_back(count_words(p.chosen));
      if (!p.prompt_messages.empty()) ++d.counts["conversational"];
      if (!p.more_rejected.empty()) ++d.counts["with_more_rejected"];
      if (p.margin) ++d.counts["with_margin"];
    }
  });
  d.kind = kKindNames[int(*kind)];
  d.question_words = quantiles(std::move(question)), d.text_words = quantiles(std::move(text));
  return d;
}

void to_json(Json& j, const Description& x) {
  auto words = [](const Quantiles& q) { return Json{{"least", q.least}, {"median", q.median}, {"p95", q.p95}, {"most", q.most}}; };
  j = {{"file", x.file}, {"kind", x.kind}, {"rows", x.rows}, {"question_words", words(x.question_words)}, {"text_words", words(x.text_words)}};
  if (!x.subjects.empty()) j["subjects"] = x.subjects;
  if (!x.levels.empty()) j["levels"] = x.levels;
  if (!x.answers.empty()) j["answers"] = x.answers;
  if (!x.counts.empty()) j["counts"] = x.counts;
}

}  // namespace foil
