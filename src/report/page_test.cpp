#include "report/page.h"

#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "base/error.h"
#include "report/headline.h"
#include "report/sections.h"
#include "report/testing.h"
#include "report/warnings.h"

namespace foil::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

struct Folder {
  fs::path path;
  Folder() : path(fs::temp_directory_path() / fmt::format("foil_report_{}_{}", ::getpid(), ::testing::UnitTest::GetInstance()->current_test_info()->name())) { fs::remove_all(path); }
  ~Folder() { if (!std::getenv("FOIL_KEEP")) fs::remove_all(path); }
};

// Every opened element is closed in order: enough to catch a broken page.
void expect_well_formed(const std::string& html) {
  static const std::set<std::string> kVoid = {"meta", "br", "!doctype"};
  std::vector<std::string> open;
  for (size_t i = html.find('<'); i != std::string::npos; i = html.find('<', i + 1)) {
    const size_t end = html.find('>', i);
    ASSERT_NE(end, std::string::npos);
    std::string name;
    for (size_t k = i + 1; k < end && !std::isspace(static_cast<unsigned char>(html[k])); ++k) name += html[k];
    if (name == "style") {
      i = html.find("</style>", i) + 1;
      continue;
    }
    if (name[0] == '/') {
      ASSERT_FALSE(open.empty()) << name;
      ASSERT_EQ(open.back(), name.substr(1)) << html.substr(i > 200 ? i - 200 : 0, 260);
      open.pop_back();
    } else if (!kVoid.count(name) && html[end - 1] != '/') {
      open.push_back(name);
    }
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

std::vector<std::string> titles(const RunData& run) {
  std::vector<std::string> out;
  for (const auto& w : warnings(run)) out.push_back(w.title);
  return out;
}

}  // namespace

TEST(Page, AWholeRunIsSelfContainedAndWellFormed) {
  Folder folder;
  const Fixture fixture(folder.path);
  const fs::path path = write_report(folder.path);
  EXPECT_EQ(path, folder.path / "report.html");
  const std::string html = read_file(path);
  expect_well_formed(html);
  EXPECT_LT(html.size(), 1'500'000u);
  EXPECT_THAT(html, Not(HasSubstr("http")));       // nothing is loaded from outside
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("Not in this run")));
  for (const char* part : {"RL + plausible-negative DPO", "RL + rejection-sampled DPO", "pass@k", "negative flips", "How the answers score", "shallow classifier", "Is it one trick?",
                           "From candidates to pairs", "Entropy", "Δ chosen", "Reward by term", "Resolved configuration", "group_size: 8", "2 × AVX2 cores", "distractor", "Bradley–Terry; 0.69 is guessing", "Evaluating RL", "Right · the policy’s own", "Wrong · plausible (generator)"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST(Page, SaysTheSameEachTime) {
  Folder folder;
  const Fixture fixture(folder.path);
  EXPECT_EQ(page(read_run(folder.path)), page(read_run(folder.path)));
}

TEST(Page, EveryFileMayBeMissing) {
  Folder folder;
  const Fixture fixture(folder.path);
  for (const std::string name : {"manifest.json", "config.yaml", "metrics.jsonl", "audit.json", "pairs/plausible.jsonl", "pairs/rejection.jsonl", "data/train.jsonl"}) {
    fs::rename(folder.path / name, folder.path / "away");
    const std::string html = page(read_run(folder.path));
    expect_well_formed(html);
    EXPECT_THAT(html, HasSubstr(name + ": not there"));
    fs::rename(folder.path / "away", folder.path / name);
  }
  fs::remove_all(folder.path / "eval");
  const std::string html = page(read_run(folder.path));
  expect_well_formed(html);
  EXPECT_THAT(html, HasSubstr("No policy has been evaluated yet"));
  EXPECT_THAT(html, HasSubstr("eval/: no evaluation results"));
}

TEST(Page, OnlyAnEvaluationStillMakesAPage) {
  Folder folder, other;
  const Fixture fixture(folder.path);
  fs::create_directories(folder.path / "small/eval");
  fs::copy_file(folder.path / "eval/sft.json", folder.path / "small/eval/sft.json");
  const std::string html = page(read_run(folder.path / "small"));
  expect_well_formed(html);
  EXPECT_THAT(html, HasSubstr("SFT"));
}

TEST(Page, TornAndForeignLinesAreNamedNotFatal) {
  Folder folder;
  const Fixture fixture(folder.path);
  write_file(folder.path / "metrics.jsonl", read_file(folder.path / "metrics.jsonl") + "{\"time\": 1, \"sta\n");
  write_file(folder.path / "audit.json", "{\"scores\": [");
  const RunData run = read_run(folder.path);
  ASSERT_EQ(run.missing.size(), 2u);
  EXPECT_THAT(run.missing[0], HasSubstr("metrics.jsonl: 1 of "));
  EXPECT_THAT(run.missing[1], HasSubstr("audit.json: cannot be read"));
  expect_well_formed(page(run));
}

TEST(Page, ModelTextCannotBreakThePage) {
  Folder folder;
  const Fixture fixture(folder.path);
  RunData run = read_run(folder.path);
  for (auto& [name, pairs] : run.pairs)
    for (auto& p : pairs) p.rejected = "<script>alert(1)</script> \xff\xfe & 'x' </pre></div>", p.chosen += std::string("\0\x01", 2);
  run.config_yaml = "</pre><b>";
  const std::string html = page(run);
  expect_well_formed(html);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;"));
  EXPECT_EQ(html.find('\xff'), std::string::npos);
}

TEST(ReadRun, SaysWhatIsWrongWithTheFolder) {
  Folder folder;
  EXPECT_THROW(read_run(folder.path), Error);
  fs::create_directories(folder.path);
  try {
    read_run(folder.path);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "this folder holds nothing of a run");
    EXPECT_EQ(e.where(), folder.path.string());
  }
}

TEST(Warnings, AHealthyRunHasNone) {
  Folder folder;
  const Fixture fixture(folder.path);
  EXPECT_THAT(titles(read_run(folder.path)), ::testing::IsEmpty());
}

TEST(Warnings, EachHazardIsSeen) {
  Folder folder;
  const Fixture fixture(folder.path, {.reward_offset = 3, .chosen_fall = 9, .one_trick = true});
  const auto found = titles(read_run(folder.path));
  EXPECT_THAT(found, ::testing::Contains("The generator plays one trick"));
  EXPECT_THAT(found, ::testing::Contains("Plausible negatives score far above correct answers"));
  EXPECT_THAT(found, ::testing::Contains("Chosen answers become less likely in RL + plausible-negative DPO"));
  EXPECT_EQ(warnings(read_run(folder.path))[0].level, Warning::Level::kSerious);

  const Fixture worse(folder.path / "worse", {.skill = {0.02, 0.56, 0.3, 0.3, 0.3}});
  EXPECT_THAT(titles(read_run(folder.path / "worse")), ::testing::Contains("RL made the policy worse"));

  RunData run;
  for (int i = 1; i <= 20; ++i) {
    run.metrics.push_back({0, "reward_model", i, "accuracy", 0.51});
    run.metrics.push_back({0, "rl", i, "entropy", i < 5 ? 1.0 : 0.02});
    run.metrics.push_back({0, "rl", i, "groups/without_signal_share", 0.9});
  }
  run.pair_counts["plausible"] = 12;
  run.audit.emplace();
  run.audit->scores.push_back(eval::distribution("reward_model", {"correct", "plausible", "rejection"}, {{1, 1.2, 0.8}, {-3, -3.1}, {0.99, 1.01}}));
  run.audit->scores.push_back(eval::distribution("policy_logprob", {"correct", "plausible"}, {{-0.1, -0.2}, {-1.5, -1.4}}));
  run.audit->separability["plausible"].format.auc = {0.9, {0.85, 0.94}};
  eval::EvalResult e{.policy = "rl"};
  e.splits.push_back({.split = "s", .problems = 1, .unreadable_share = 0.4});
  run.evals.push_back(e);
  EXPECT_THAT(titles(run), ::testing::UnorderedElementsAre("The reward model cannot tell right from wrong", "The reward model is guessing", "Entropy has collapsed in RL", "Most groups carry no signal in RL", "Only 12 plausible pairs",
                                                           "The negatives are not plausible to the reward model", "Negatives lie far from what the policy would write",
                                                           "Style gives the negatives away", "RL: many answers cannot be read"));
}

TEST(Page, UncertainProblemsAreListedWithTheRuns) {
  RunData run;
  eval::EvalResult e{.policy = "rl"};
  e.splits.push_back({.split = "s", .problems = 2, .run_accuracy = {0.5, 1.0}, .uncertain = {"p7"}});
  run.evals.push_back(e);
  const std::string html = evaluation_section(run, headline(run.evals));
  EXPECT_THAT(html, HasSubstr("runs 50.0 %, 100.0 %: p7</p>"));
}

TEST(Headline, RowsDifferencesAndTextByHand) {
  const auto result = [](const std::string& policy, std::vector<int> right_a, std::vector<int> right_b) {
    eval::EvalResult e{.policy = policy};
    for (const auto& [name, right] : {std::pair{"a_b", right_a}, std::pair{"c", right_b}}) {
      eval::SplitResult s{.split = name, .problems = int64_t(right.size()), .samples_per_problem = 1, .greedy = true};
      std::vector<double> values;
      for (size_t i = 0; i < right.size(); ++i) {
        s.outcomes.push_back({std::to_string(i), 1, right[i], double(right[i])});
        values.push_back(right[i]);
      }
      s.accuracy = {eval::mean(values), {0.1, 0.9}};
      e.splits.push_back(s);
    }
    eval::finish(e);
    return e;
  };
  const auto t = headline({result("dpo_plausible", {1, 1, 0, 1}, {1, 1}), result("sft", {0, 0, 0, 1}, {0, 1}), result("rl", {0, 1, 1, 0}, {1, 0})});
  EXPECT_EQ(t.metric, "accuracy, greedy");
  EXPECT_EQ(t.baseline, "rl");
  ASSERT_EQ(t.rows.size(), 3u);
  EXPECT_EQ(t.rows[0].policy, "sft");
  EXPECT_EQ(t.rows[1].policy, "rl");
  EXPECT_FALSE(t.rows[0].against.has_value());
  EXPECT_FALSE(t.rows[1].against.has_value());
  ASSERT_TRUE(t.rows[2].against.has_value());
  EXPECT_NEAR(t.rows[2].against->average.difference, ((0.75 - 0.5) + (1 - 0.5)) / 2, 1e-12);
  EXPECT_NEAR(t.rows[2].against->negative_flips, (0.25 + 0) / 2, 1e-12);

  ASSERT_TRUE(t.rows[1].before.has_value());
  EXPECT_EQ(t.rows[1].before->old_policy, "sft");
  EXPECT_NEAR(t.rows[1].before->negative_flips, (0.25 + 0.5) / 2, 1e-12);
  EXPECT_FALSE(t.rows[2].before.has_value());  // that is the baseline
  const auto rounds = headline({result("round_3", {1}, {1}), result("rl", {1}, {0}), result("round_2", {0}, {1}), result("dpo_plausible", {1}, {1}), result("round_x", {1}, {1})});
  std::map<std::string, std::string> after;
  for (const auto& r : rounds.rows)
    if (r.before) after[r.policy] = r.before->old_policy;
  EXPECT_EQ(after, (std::map<std::string, std::string>{{"round_2", "dpo_plausible"}, {"round_3", "round_2"}}));

  const std::string text = headline_text(t, 120);
  EXPECT_THAT(text, HasSubstr("after SFT"));
  EXPECT_THAT(text, HasSubstr("accuracy, greedy, %"));
  EXPECT_THAT(text, HasSubstr("a b"));
  EXPECT_THAT(text, HasSubstr("75.0 ±40.0"));
  EXPECT_THAT(text, HasSubstr("+37.5"));
  EXPECT_THAT(text, HasSubstr("12.5 %"));
  for (int width : {50, 80, 120}) {
    std::istringstream lines(headline_text(t, width));
    for (std::string line; std::getline(lines, line);) {
      size_t n = 0;
      for (char c : line) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      if (line.rfind("±", 0) != 0 && line.find("…") == std::string::npos && line.rfind("against", 0) != 0) { EXPECT_LE(n, size_t(width)) << line; }
    }
  }
  EXPECT_EQ(headline_json(t).at("rows")[2].at("against_rl").at("new"), "dpo_plausible");
  EXPECT_EQ(headline_json(t).at("rows")[1].at("against_before").at("old"), "sft");
  EXPECT_EQ(headline({}).rows.size(), 0u);
  EXPECT_EQ(headline_text(headline({})), "no evaluation results\n");
}

}  // namespace foil::report
