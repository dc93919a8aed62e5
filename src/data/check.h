// What is wrong with data files, line by line, and what they hold: the work behind `foil data check` and `foil data list`.
//
// Kinds of file are told apart by their first row: pairs (chosen, rejected), samples (problem_id, text), problems (anything else).
// Checking never throws on contents; a file that cannot be opened does.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/record.h"

namespace foil {

enum class Severity { kError, kWarning };  // error: the file cannot be used as it is

struct Defect {
  std::string file;
  int64_t line = 0, column = 0;  // from 1, bytes; 0: the whole file or line
  Severity severity = Severity::kError;
  std::string kind;              // not_utf8, malformed, missing_field, wrong_type, duplicate_id, duplicate_problem, empty_problem,
                                 // empty_answer, unreadable_answer, solution_disagrees, unknown_problem, same_texts, contamination, empty_file
  std::string what;
  std::string to_string() const; // "train.jsonl:12:7: malformed: …"
};

struct CheckOptions {
  bool read_answers = true;         // every gold answer through the verifier, and against the solution's own
  double contamination = 0.8;       // share of common word 3-grams at which problems of two files are called the same; 1: only equal ones
  int64_t most_defects = 1000;      // stop listing beyond
  template <class V>
  void visit(V& v) {
    v("read_answers", read_answers, "read every answer with the verifier, and compare it with the solution's");
    v("contamination", contamination, "problems of two files that share this much of their word 3-grams are reported");
    v("most_defects", most_defects, "list at most so many defects a file");
  }
  void validate(const std::string& where) const;
};

// In the order of the files and lines. Problems of each file are compared with those of the files before it.
std::vector<Defect> check_files(const std::vector<std::filesystem::path>& files, const CheckOptions& options = {});

struct Quantiles {
  int64_t least = 0, median = 0, p95 = 0, most = 0;
};

struct Description {
  std::string file, kind;                       // "problems", "samples", "pairs"
  int64_t rows = 0;
  Quantiles question_words, text_words;         // problem or prompt; solution, sample text or chosen
  std::map<std::string, int64_t> subjects, levels;  // problems
  std::map<std::string, int64_t> answers;       // problems: integer, decimal, fraction, formula, text, unreadable
  std::map<std::string, int64_t> counts;        // samples: correct, wrong, unreadable, by source; pairs: with margin, conversational, …
};
// Throws Error at the first row that cannot be read.
Description describe_file(const std::filesystem::path& file);
void to_json(Json& j, const Description& x);

}  // namespace foil
