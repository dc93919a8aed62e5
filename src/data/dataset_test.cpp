#include "data/dataset.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/check.h"
#include "data/prompt.h"
#include "verify/verify.h"

namespace foil {
namespace fs = std::filesystem;

static fs::path file(const std::string& name, const std::string& contents) {
  const fs::path path = fs::path(testing::TempDir()) / name;
  write_file(path, contents);
  return path;
}

static std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what() + (e.hint().empty() ? "" : "|" + e.hint());
  }
  return "no error";
}

TEST(Dataset, ReadsTheFormsOfTheField) {
  auto row = [](const char* json) { return problem_from_row(Json::parse(json), "f/0"); };
  const Problem gsm = row(R"({"question":"How many?","answer":"She has 16 - 3 = <<16-3=13>>13.\n#### 13"})");
  EXPECT_EQ(gsm.id, "f/0");
  EXPECT_EQ(gsm.problem, "How many?");
  EXPECT_EQ(gsm.answer, "13");
  EXPECT_EQ(*gsm.solution, "She has 16 - 3 = 13.\n#### 13");
  const Problem math = row(R"({"problem":"p","solution":"so $x=\\boxed{\\frac12}$.","level":"Level 5","type":"Algebra","unique_id":"m/1","url":"u"})");
  EXPECT_EQ(math.answer, "\\frac12");
  EXPECT_EQ(*math.level, "5");
  EXPECT_EQ(*math.subject, "Algebra");
  EXPECT_EQ(math.id, "m/1");
  EXPECT_EQ(math.extra, Json::parse(R"({"url":"u"})"));
  EXPECT_EQ(row(R"({"problem":"p","final_answer":["4"]})").answer, "4");
  EXPECT_EQ(row(R"({"problem":"p","answer":27})").answer, "27");
  EXPECT_EQ(error_of([&] { row(R"({"quesion":"p","answer":"1"})"); }), "field \"problem\" is missing|question, query and prompt serve too");
  EXPECT_EQ(error_of([&] { row(R"({"problem":"p"})"); }), "field \"answer\" is missing|final_answer and expected_answer serve too");
  EXPECT_EQ(error_of([&] { row(R"({"problem":["a","b"],"answer":"1"})"); }), "field \"problem\": expected text, found [\"a\",\"b\"]");
}

TEST(Dataset, AnnotationsGoOutWhole) {
  EXPECT_EQ(strip_annotations("48/2 = <<48/2=24>>24 clips"), "48/2 = 24 clips");
  EXPECT_EQ(strip_annotations("a << b and c\nd >> e"), "a << b and c\nd >> e");
}

TEST(Dataset, SelectsDeterministically) {
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += fmt::format("{{\"id\":\"{}\",\"problem\":\"p{}\",\"answer\":\"{}\",\"level\":{}}}\n", i, i, i, i % 2);
  DatasetOptions o;
  o.source = file("select.jsonl", lines).string();
  EXPECT_EQ(load_problems(o).size(), 20u);
  o.levels = {"1"}, o.skip = 2, o.limit = 3;
  auto ids = [&] {
    std::string out;
    for (const auto& p : load_problems(o)) out += p.id + " ";
    return out;
  };
  EXPECT_EQ(ids(), "5 7 9 ");
  o.shuffle = 3;
  const std::string shuffled = ids();
  EXPECT_NE(shuffled, "5 7 9 ");
  EXPECT_EQ(ids(), shuffled);
  o.skip = 99;
  EXPECT_NE(error_of([&] { load_problems(o); }).find("none of its 20 problems is left"), std::string::npos);
  o.source = file("twice.jsonl", "{\"id\":1,\"problem\":\"a\",\"answer\":1}\n{\"id\":1,\"problem\":\"b\",\"answer\":1}\n").string();
  EXPECT_NE(error_of([&] { load_problems(o); }).find("twice.jsonl:2: the id \"1\" occurs twice"), std::string::npos);
}

TEST(Dataset, NamesTheNearestBenchmark) {
  EXPECT_EQ(error_of([] { resolve_problems("math50", "/nowhere"); }), "math50: there is no such file or benchmark|did you mean math500?");
  EXPECT_EQ(error_of([] { resolve_problems("gsm8k", "/nowhere"); }),
            "gsm8k: the data folder /nowhere does not hold benchmark gsm8k|set FOIL_DATA_DIR (or data_dir) to the folder with gsm8k_test.jsonl");
}

// Every row of every benchmark reads, and so does its answer.
TEST(Dataset, ReadsEveryBenchmark) {
  const fs::path folder = data_folder();
  if (!fs::exists(folder / "gsm8k_test.jsonl")) GTEST_SKIP() << "no benchmarks in " << folder << " (set FOIL_DATA_DIR)";
  const std::map<std::string, size_t> rows = {{"gsm8k", 1319}, {"math500", 500}, {"aime24", 30}, {"aime25", 30}, {"amc23", 40}, {"minerva_math", 272},
                                              {"olympiadbench", 675}, {"hmmt25", 30}, {"olymmath_en", 200}, {"gsm8k_train", 7473}, {"math_train", 11998}};
  for (const auto& b : benchmarks()) {
    DatasetOptions o;
    o.source = b.name;
    EXPECT_EQ(load_problems(o).size(), rows.at(b.name)) << b.name;
  }
}

TEST(Check, ListsEveryDefectWithItsPlace) {
  const std::string good = "{\"id\":\"a\",\"problem\":\"How many legs have two hens and a cow together in the yard?\",\"answer\":\"8\"}\n";
  const auto first = file("first.jsonl", good);
  const auto second = file("second.jsonl", good +                                                                        // 1 contamination
                                               "{\"id\":\"a\",\"problem\":\"q\",\"answer\":\"\"}\n" +                     // 2 duplicate id, empty answer
                                               "{\"id\":\"c\",\"problem\":}\n" +                                          // 3 malformed at 19
                                               "{\"id\":\"d\",\"problem\":\"caf\xe9\",\"answer\":\"1\"}\n" +              // 4 not UTF-8
                                               "{\"id\":\"e\",\"answer\":\"1\"}\n" +                                      // 5 missing problem
                                               "{\"id\":\"f\",\"problem\":\"r\",\"answer\":true}\n" +                     // 6 wrong type
                                               "{\"id\":\"g\",\"problem\":\"s\",\"answer\":\"3\",\"solution\":\"so #### 4\"}\n" +  // 7
                                               "{\"id\":\"h\",\"problem\":\"Q\",\"answer\":\"1\"}\n" +                    // 8 the same as 2
                                               "{\"id\":\"i\",\"problem\"");                                              // 9 cut off
  const auto defects = check_files({first, second});
  std::vector<std::string> got;
  for (const auto& d : defects) got.push_back(fmt::format("{}:{} {}", d.line, d.column, d.kind));
  EXPECT_EQ(got, (std::vector<std::string>{"1:11 contamination", "2:2 duplicate_id", "2:25 empty_answer", "3:21 malformed", "4:25 not_utf8", "5:0 missing_field",
                                           "6:25 wrong_type", "7:38 solution_disagrees", "8:11 duplicate_problem", "9:20 malformed"}));
  EXPECT_EQ(defects[0].to_string(), second.string() + ":1:11: warning: contamination: the same problem stands in " + first.string() + ":1");
  EXPECT_EQ(defects[6].what, "field \"answer\": expected text, found true");
  const auto empty = check_files({file("empty.jsonl", "\n")});
  ASSERT_EQ(empty.size(), 1u);
  EXPECT_EQ(empty[0].kind, "empty_file");
  EXPECT_TRUE(check_files({first}).empty());
}

TEST(Check, FindsNearlyTheSameProblem) {
  const std::string text = "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did Natalia sell altogether in April and May this year?";
  const auto a = file("a.jsonl", Json{{"id", "a"}, {"problem", text}, {"answer", "72"}}.dump() + "\n");
  const auto b = file("b.jsonl", Json{{"id", "b"}, {"problem", text + " Explain."}, {"answer", "72"}}.dump() + "\n" +
                                     Json{{"id", "c"}, {"problem", "A train leaves at noon and arrives three hours later; how far does it go at 60 miles an hour?"}, {"answer", "180"}}.dump() + "\n");
  const auto defects = check_files({a, b});
  ASSERT_EQ(defects.size(), 1u);
  EXPECT_EQ(defects[0].line, 1);
  EXPECT_EQ(defects[0].kind, "contamination");
}

TEST(Check, PairsAndSamples) {
  const auto pairs = file("pairs.jsonl", R"({"prompt":"p","chosen":"c","rejected":"c"})" "\n" R"({"prompt":"p","chosen":"c"})" "\n");
  auto defects = check_files({pairs});
  ASSERT_EQ(defects.size(), 2u);
  EXPECT_EQ(defects[0].kind, "same_texts");
  EXPECT_EQ(defects[1].kind, "missing_field");
  const auto samples = file("samples.jsonl", R"({"problem_id":"p","sample_id":0,"text":"t","token_ids":[1,2],"logprobs":[-1.0]})" "\n" R"({"problem_id":"p","sample_id":0,"text":"t"})" "\n");
  defects = check_files({samples});
  ASSERT_EQ(defects.size(), 2u);
  EXPECT_EQ(defects[0].what, "1 logprobs for 2 token_ids");
  EXPECT_EQ(defects[1].kind, "duplicate_id");
}

TEST(Describe, CountsWhatAFileHolds) {
  const auto path = file("d.jsonl", R"({"id":"a","problem":"one two three","answer":"1,200","subject":"x","level":3,"solution":"a b"})" "\n"
                                    R"({"id":"b","problem":"one","answer":"\\frac{1}{2}","subject":"x"})" "\n");
  const Description d = describe_file(path);
  EXPECT_EQ(d.kind, "problems");
  EXPECT_EQ(d.rows, 2);
  EXPECT_EQ(d.question_words.least, 1);
  EXPECT_EQ(d.question_words.most, 3);
  EXPECT_EQ(d.subjects.at("x"), 2);
  EXPECT_EQ(d.levels.at("3"), 1);
  EXPECT_EQ(d.answers, (std::map<std::string, int64_t>{{"formula", 1}, {"integer", 1}}));
  EXPECT_EQ(Json(d)["counts"]["with_solution"], 1);
}

TEST(Prompt, ExamplesAndWordings) {
  const auto path = file("shots.jsonl", R"({"id":"a","problem":"1+1?","answer":"2","solution":"#### 2"})" "\n" R"({"id":"b","problem":"2+2?","answer":"4","solution":"#### 4"})" "\n");
  PromptForm form;
  form.text = "question_answer", form.examples = path.string(), form.shots = 1, form.system = "Be brief.";
  const PromptMaker maker(form);
  const auto m = maker.messages("3+3?");
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(m[0].role + m[1].role + m[2].role + m[3].role, "systemuserassistantuser");
  EXPECT_EQ(m[1].content, "Question: 1+1?\nAnswer:");
  EXPECT_EQ(maker.messages("1+1?")[1].content, "Question: 2+2?\nAnswer:");  // never its own example
  EXPECT_EQ(maker.plain("3+3?"), "Be brief.\n\nQuestion: 1+1?\nAnswer:\n#### 2\n\nQuestion: 3+3?\nAnswer:");
  form.text = "boxd";
  EXPECT_EQ(error_of([&] { PromptMaker{form}; }), "prompt: prompt text \"boxd\" has no {problem}|did you mean boxed?");
  form.text = "boxed", form.shots = 5;
  EXPECT_NE(error_of([&] { PromptMaker{form}; }).find("5 worked examples are asked for, 2 problems have a solution"), std::string::npos);
}

}  // namespace foil
