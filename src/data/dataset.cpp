#include "data/dataset.h"

#include <algorithm>
#include <cstdlib>
#include <unordered_set>

#include "base/error.h"
#include "base/random.h"
#include "io/jsonl.h"
#include "verify/verify.h"

namespace foil {
namespace fs = std::filesystem;

void DatasetOptions::validate(const std::string& where) const {
  if (limit < 0 || skip < 0) throw UsageError("limit and skip must not be negative", where);
}

const std::vector<Benchmark>& benchmarks() {
  static const std::vector<Benchmark> all = {
      {"gsm8k", {"gsm8k_test", "gsm8k"}, false, "grade-school word problems, test split"},
      {"math500", {"math500", "math_500"}, false, "500 competition problems of MATH"},
      {"aime24", {"aime24", "aime2024"}, false, "AIME 2024"},
      {"aime25", {"aime25", "aime2025"}, false, "AIME 2025"},
      {"amc23", {"amc23"}, false, "AMC 2023"},
      {"minerva_math", {"minerva_math", "minerva"}, false, "undergraduate science problems of MIT OpenCourseWare"},
      {"olympiadbench", {"olympiadbench", "olympiad_bench"}, false, "olympiad problems, English, open-ended, text only"},
      {"hmmt25", {"hmmt25", "hmmt_feb_2025"}, false, "HMMT February 2025"},
      {"olymmath_en", {"olymmath_en"}, false, "OlymMATH, English, easy and hard"},
      {"gsm8k_train", {"gsm8k_train"}, true, "grade-school word problems, training split"},
      {"math_train", {"math_train"}, true, "MATH without MATH-500"}};
  return all;
}

const Benchmark* find_benchmark(const std::string& name) {
  for (const auto& b : benchmarks())
    if (b.name == name || std::find(b.files.begin(), b.files.end(), name) != b.files.end()) return &b;
  return nullptr;
}

fs::path data_folder(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("FOIL_DATA_DIR");
  return variable && *variable ? variable : "../shared/data";
}

fs::path resolve_problems(const std::string& source, const std::string& data_dir) {
  if (source.empty()) throw UsageError("no problems are named", "source", "name a JSON Lines file or a benchmark");
  if (fs::is_regular_file(source)) return source;
  if (fs::is_directory(source)) throw Error("this is a folder, expected a JSON Lines file of problems", source);
  const fs::path folder = data_folder(data_dir);
  std::vector<std::string> names = {source};
  if (const Benchmark* b = find_benchmark(source)) names.insert(names.end(), b->files.begin(), b->files.end());
  for (const auto& name : names)
    if (const fs::path file = folder / (name + ".jsonl"); fs::is_regular_file(file)) return file;
  if (find_benchmark(source))
    throw Error(fmt::format("the data folder {} does not hold benchmark {}", folder.string(), source), source,
                fmt::format("set FOIL_DATA_DIR (or data_dir) to the folder with {}.jsonl", names[1]));
  std::vector<std::string> known;
  for (const auto& b : benchmarks()) known.push_back(b.name);
  const std::string near = nearest(source, known);
  throw Error("there is no such file or benchmark", source,
              near.empty() ? fmt::format("benchmarks: {}", fmt::join(known, ", ")) : fmt::format("did you mean {}?", near));
}

std::string strip_annotations(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 2, "<<") == 0)
      if (const size_t end = text.find(">>", i); end != std::string::npos && text.find('\n', i) > end) {
        i = end + 2;
        continue;
      }
    out += text[i++];
  }
  return out;
}

namespace {

const Json* first_of(const Json& row, std::initializer_list<const char*> names, std::string* found = nullptr) {
  for (const char* name : names)
    if (const auto it = row.find(name); it != row.end() && !it->is_null()) {
      if (found) *found = name;
      return &*it;
    }
  return nullptr;
}

std::string text_of(const Json& v, const std::string& field) {
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number()) return v.dump();
  if (v.is_array() && v.size() == 1) return text_of(v[0], field);  // ["18"], as some sets hold single answers
  throw Error(fmt::format("field \"{}\": expected text, found {}", field, shortened(v.dump(-1, ' ', false, Json::error_handler_t::replace), 80)));
}

std::string trimmed(std::string text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

}  // namespace

Problem problem_from_row(const Json& row, const std::string& default_id, bool strip) {
  if (!row.is_object()) throw Error(fmt::format("expected a JSON object, found {}", row.type_name()));
  Problem p;
  std::string text_field, answer_field, id_field, subject_field, solution_field;
  const Json* text = first_of(row, {"problem", "question", "query", "prompt"}, &text_field);
  if (!text) {
    std::vector<std::string> keys;
    for (const auto& [k, _] : row.items()) keys.push_back(k);
    const std::string near = nearest("problem", keys);
    throw Error("field \"problem\" is missing", "", near.empty() ? "question, query and prompt serve too" : fmt::format("did you mean to name \"{}\" \"problem\"?", near));
  }
  p.problem = trimmed(text_of(*text, text_field));
  const Json* id = first_of(row, {"id", "unique_id", "problem_id"}, &id_field);
  p.id = id ? text_of(*id, id_field) : default_id;
  if (const Json* v = first_of(row, {"solution", "reference_solution"}, &solution_field)) p.solution = text_of(*v, solution_field);
  if (const Json* v = first_of(row, {"answer", "final_answer", "expected_answer"}, &answer_field)) {
    p.answer = trimmed(text_of(*v, answer_field));
    if (const size_t at = p.answer.rfind("####"); at != std::string::npos) {
      if (!p.solution) p.solution = p.answer;
      p.answer = trimmed(p.answer.substr(at + 4));
    }
  } else if (p.solution) {
    const auto found = verify::extract(*p.solution);
    if (!found) throw Error("field \"answer\" is missing, and the solution ends in no answer");
    p.answer = found->text;
  } else {
    throw Error("field \"answer\" is missing", "", "final_answer and expected_answer serve too");
  }
  if (p.solution && strip) p.solution = strip_annotations(*p.solution);
  if (const Json* v = first_of(row, {"subject", "type"}, &subject_field)) p.subject = text_of(*v, subject_field);
  if (const auto it = row.find("level"); it != row.end() && !it->is_null()) {
    std::string level = text_of(*it, "level");
    p.level = level.starts_with("Level ") ? level.substr(6) : level;
  }
  p.extra = row;
  for (const auto& used : {text_field, answer_field, id_field, subject_field, solution_field, std::string("level")})
    if (!used.empty()) p.extra.erase(used);
  return p;
}

std::vector<Problem> load_problems(const DatasetOptions& options) {
  options.validate("");
  const fs::path path = resolve_problems(options.source, options.data_dir);
  std::vector<Problem> all;
  std::unordered_set<std::string> ids;
  for_each_jsonl(path, [&](const Json& row) {
    Problem p = problem_from_row(row, fmt::format("{}/{}", path.stem().string(), all.size()), options.strip_annotations);
    if (!ids.insert(p.id).second) throw Error(fmt::format("the id \"{}\" occurs twice", p.id), "", "ids must be unique: samples are matched to problems by them");
    all.push_back(std::move(p));
  });
  const size_t rows = all.size();
  auto listed = [](const std::vector<std::string>& wanted, const std::optional<std::string>& value) {
    return wanted.empty() || (value && std::find(wanted.begin(), wanted.end(), *value) != wanted.end());
  };
  std::erase_if(all, [&](const Problem& p) { return !listed(options.subjects, p.subject) || !listed(options.levels, p.level); });
  if (options.shuffle) {
    Stream stream(*options.shuffle, "dataset/shuffle");
    stream.shuffle(all);
  }
  all.erase(all.begin(), all.begin() + std::min<ptrdiff_t>(ptrdiff_t(options.skip), ptrdiff_t(all.size())));
  if (options.limit > 0 && int64_t(all.size()) > options.limit) all.resize(size_t(options.limit));
  if (all.empty()) throw Error(fmt::format("none of its {} problems is left by subjects, levels and skip", rows), path.string());
  return all;
}

}  // namespace foil
