// Problem files: reading them in the forms the field uses, benchmarks by name, choosing a part of them.
//
// A row is a Problem (data/record.h) or has the field's other column names: question, query or prompt for the text, final_answer or
// expected_answer for the answer, type for the subject. GSM8K's "worked steps #### 18" in the answer column becomes solution and answer;
// where there is no answer column, the answer is the last boxed one of the solution. Not read: parquet, CSV (convert them first).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/record.h"

namespace foil {

struct DatasetOptions {
  std::string source;                // a file, or a benchmark's name
  std::string data_dir;              // where benchmarks lie; empty: FOIL_DATA_DIR, else ../shared/data
  int64_t limit = 0;                 // 0: all
  int64_t skip = 0;
  std::optional<uint64_t> shuffle;   // seed; applied before skip and limit
  std::vector<std::string> subjects, levels;  // only these; empty: all
  bool strip_annotations = true;
  template <class V>
  void visit(V& v) {
    v("source", source, "a JSON Lines file of problems, or a benchmark's name (gsm8k, math500, aime24, …)");
    v("data_dir", data_dir, "folder of the benchmarks' files; empty: the environment's FOIL_DATA_DIR, else ../shared/data");
    v("limit", limit, "at most so many problems; 0: all");
    v("skip", skip, "leave out the first so many");
    v("shuffle", shuffle, "order them by this seed before skip and limit; absent: as in the file");
    v("subjects", subjects, "only problems of these subjects");
    v("levels", levels, "only problems of these levels");
    v("strip_annotations", strip_annotations, "take GSM8K's <<48/2=24>> out of the solutions");
  }
  void validate(const std::string& where) const;
};

struct Benchmark {
  std::string name;                 // as recipes and tables spell it
  std::vector<std::string> files;   // names it may have in the data folder, without .jsonl
  bool training;                    // made for training; the others are for evaluation only
  std::string about;
};
const std::vector<Benchmark>& benchmarks();
const Benchmark* find_benchmark(const std::string& name);

// Folder of the benchmarks: `option` if not empty, else FOIL_DATA_DIR, else ../shared/data.
std::filesystem::path data_folder(const std::string& option = "");
// The file behind a path or a benchmark's name. Throws Error naming the nearest benchmark and what the folder holds.
std::filesystem::path resolve_problems(const std::string& source, const std::string& data_dir = "");

// Throws Error with file, line and column for what cannot be read; for a selection that leaves nothing.
std::vector<Problem> load_problems(const DatasetOptions& options);

// One row in any of the accepted forms. `default_id` serves where the row has none. Throws Error naming the missing or mistyped field.
Problem problem_from_row(const Json& row, const std::string& default_id, bool strip_annotations = true);

// "Natalia sold 48/2 = <<48/2=24>>24 clips" → "Natalia sold 48/2 = 24 clips".
std::string strip_annotations(const std::string& text);

}  // namespace foil
