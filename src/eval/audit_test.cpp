#include "eval/audit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace foil::eval {
namespace {

std::string words(Stream& s, int n) {
  static const std::vector<std::string> list = {"then", "the", "number", "of", "apples", "is", "so", "we", "add", "take", "away", "more"};
  std::string out;
  for (int i = 0; i < n; ++i) out += (i ? " " : "") + s.pick(list);
  return out;
}

std::vector<LabelledText> texts(const std::function<std::string(Stream&, bool)>& make, int problems = 120) {
  std::vector<LabelledText> out;
  Stream s(9, "texts");
  for (int i = 0; i < problems; ++i)
    for (const bool chosen : {true, false}) out.push_back({make(s, chosen), std::to_string(i), chosen});
  return out;
}

}  // namespace

TEST(Auc, ByHand) {
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{1, 2, 3, 4}, {false, false, true, true}), 1);
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{4, 3, 2, 1}, {false, false, true, true}), 0);
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{1, 2, 2, 3}, {false, true, false, true}), 0.875);  // one tie of four comparisons
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{5, 5, 5}, {true, false, true}), 0.5);
  EXPECT_DOUBLE_EQ(auc(std::vector<double>{1, 2}, {true, true}), 0.5);
}

TEST(Separability, SameDistributionCannotBeToldApart) {
  const auto r = separability(texts([](Stream& s, bool) { return words(s, 10 + int(s.below(10))); }));
  EXPECT_EQ(r.chosen, 120);
  EXPECT_NEAR(r.format.auc.value, 0.5, 0.1);
  EXPECT_NEAR(r.words.auc.value, 0.5, 0.1);
  EXPECT_LE(r.words.auc.interval.low, r.words.auc.value);
  EXPECT_GE(r.words.auc.interval.high, r.words.auc.value);
}

TEST(Separability, LengthIsSeenByTheFormatClassifier) {
  const auto r = separability(texts([](Stream& s, bool chosen) { return words(s, chosen ? 20 + int(s.below(8)) : 10 + int(s.below(8))); }));
  EXPECT_GT(r.format.auc.value, 0.97);
}

TEST(Separability, APhraseIsSeenByTheWordClassifierAndNamed) {
  const auto r = separability(texts([](Stream& s, bool chosen) {
    return words(s, 6) + (s.chance(0.9) == chosen ? " we check that" : " we guess that") + " " + words(s, 6);
  }));
  EXPECT_NEAR(r.format.auc.value, 0.5, 0.1);
  EXPECT_NEAR(r.words.auc.value, 0.9, 0.06);
  ASSERT_FALSE(r.words.for_chosen.empty());
  EXPECT_NE(r.words.for_chosen[0].feature.find("check"), std::string::npos) << r.words.for_chosen[0].feature;
  EXPECT_NE(r.words.for_rejected[0].feature.find("guess"), std::string::npos) << r.words.for_rejected[0].feature;
  EXPECT_GT(r.words.for_chosen[0].weight, 0);
  EXPECT_LT(r.words.for_rejected[0].weight, 0);
}

TEST(Separability, DeterministicAndTooFewTextsSayNothing) {
  const auto some = texts([](Stream& s, bool c) { return words(s, c ? 9 : 8); }, 30);
  EXPECT_EQ(nlohmann::json(separability(some)), nlohmann::json(separability(some)));
  const auto few = separability(texts([](Stream& s, bool c) { return words(s, c ? 9 : 3); }, 4));
  EXPECT_EQ(few.format.auc.value, 0.5);
  EXPECT_EQ(few.format.auc.interval.high, 1);
  EXPECT_TRUE(few.format.for_chosen.empty());
}

TEST(PairBias, SeesWhichPairsDifferOnTheSurface) {
  Stream s(4, "bias");
  std::vector<LabelledText> all;
  for (int i = 0; i < 120; ++i) {
    const std::string group = std::to_string(i);
    all.push_back({words(s, 20), group, true});
    all.push_back({i % 2 ? words(s, 20) : words(s, 20) + " therefore **obviously**", group, false});
  }
  const auto bias = pair_bias(all);
  ASSERT_EQ(bias.size(), 120u);
  double marked = 0, plain = 0;
  for (size_t i = 0; i < bias.size(); ++i) (i % 2 ? plain : marked) += bias[i] / 60;
  EXPECT_GT(marked, 0.9);
  EXPECT_LT(plain, 0.7);
  EXPECT_EQ(pair_bias(std::span(all).first(4)), (std::vector<double>{0.5, 0.5}));  // too few to say
}

TEST(ScoreShallow, KnowsWrongAnswersByTheirStyleAndNothingElse) {
  Stream s(5, "shallow");
  std::vector<Sample> right, wrong;
  const auto add = [&](std::vector<Sample>& to, int problem, const std::string& text, bool correct) {
    Sample x;
    x.problem_id = std::to_string(problem), x.sample_id = int64_t(to.size()), x.text = text, x.correct = correct;
    to.push_back(x);
  };
  for (int i = 0; i < 120; ++i) {
    add(right, i, words(s, 20), true);
    for (int k = 0; k < 4; ++k) add(wrong, i, k ? words(s, 20) : words(s, 20) + " therefore **obviously**", false);  // many more wrong ones: says nothing
    add(wrong, i, words(s, 20), true);  // no candidate
  }
  wrong[1].finish_reason = Finish::kLength;
  score_shallow(right, wrong);
  double marked = 0, plain = 0;
  for (size_t i = 0; i < wrong.size(); ++i) {
    if (i % 5 == 4 || i == 1) EXPECT_EQ(wrong[i].scores.count("shallow"), 0u);
    else (i % 5 == 0 ? marked : plain) += wrong[i].scores.at("shallow") / (i % 5 == 0 ? 120 : 359);
  }
  EXPECT_GT(marked, 0.9);
  EXPECT_LT(plain, 0.65);
  EXPECT_GT(plain, 0.35);
  // A mark that one problem alone has is nothing the classifier of the other problems knows.
  std::vector<Sample> alone = wrong;
  for (auto& x : alone)
    if (const size_t at = x.text.find(" therefore"); at != std::string::npos && x.problem_id != "7") x.text.resize(at);
  score_shallow(right, alone);
  EXPECT_LT(alone[7 * 5].scores.at("shallow"), 0.8);
  try {
    score_shallow(std::span(right).first(3), std::span(wrong).first(10));
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "3 right and 7 wrong answers are too few for a classifier of style");
  }
}

TEST(FormatFeatures, ByHand) {
  const auto f = format_features("Add 12 + 3 = 15.\n\n\\boxed{15}");
  const auto get = [&](const std::string& name) {
    const auto& names = format_feature_names();
    EXPECT_EQ(names.size(), f.size());
    for (size_t i = 0; i < names.size(); ++i)
      if (names[i] == name) return f[i];
    ADD_FAILURE() << name;
    return std::nan("");
  };
  EXPECT_EQ(get("words"), 7);
  EXPECT_EQ(get("lines"), 3);
  EXPECT_EQ(get("blank lines"), 1);
  EXPECT_EQ(get("digits"), 7);
  EXPECT_EQ(get("numbers"), 4);
  EXPECT_EQ(get("equals signs"), 1);
  EXPECT_EQ(get("operators"), 1);
  EXPECT_EQ(get("boxed answers"), 1);
  EXPECT_EQ(get("LaTeX commands"), 1);
  EXPECT_EQ(get("sentences"), 1);
  EXPECT_EQ(get("capital letters"), 1);
  EXPECT_EQ(get("longest word"), 10);
}

TEST(Histogram, SharedBinsLastOneClosed) {
  const auto h = histogram({{0, 1, 2, 10}, {5, NAN, 9.99}}, 10);
  EXPECT_EQ(h.low, 0);
  EXPECT_EQ(h.width, 1);
  EXPECT_EQ(h.counts[0], (std::vector<int64_t>{1, 1, 1, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(h.counts[1], (std::vector<int64_t>{0, 0, 0, 0, 0, 1, 0, 0, 0, 1}));
  const auto one = histogram({{3, 3}}, 4);
  EXPECT_EQ(one.counts[0][2], 2);
  EXPECT_EQ(histogram({{}}, 2).counts[0], (std::vector<int64_t>{0, 0}));
}

TEST(Diversity, ByHand) {
  const std::vector<Problem> problems = {{"a", "?", "10"}, {"b", "?", "1,000"}};
  const auto sample = [](const std::string& id, const std::string& text, const std::string& answer, bool correct) {
    Sample s;
    s.problem_id = id;
    s.text = text;
    if (!answer.empty()) s.answer = answer, s.correct = correct;
    return s;
  };
  const std::vector<Sample> samples = {sample("a", "one two three four five", "11", false), sample("a", "one two three four six", "11", false),
                                       sample("a", "x", "12", false), sample("b", "a b c d", "1001", false), sample("b", "a b c d", "", false)};
  const auto d = diversity(problems, samples);
  EXPECT_EQ(d.problems, 2);
  EXPECT_EQ(d.samples, 5);
  EXPECT_NEAR(d.distinct_answer_share, (2.0 / 3 + 1) / 2, 1e-15);
  EXPECT_NEAR(d.distinct_4gram_share, (3.0 / 4 + 1.0 / 2) / 2, 1e-15);
  EXPECT_EQ(d.top_answer, "11");
  EXPECT_EQ(d.top_answer_share, 0.5);
  EXPECT_EQ(d.top_offset, "+1");
  EXPECT_EQ(d.top_offset_share, 0.75);
}

TEST(Audit, JsonKeepsEverything) {
  AuditResult a;
  a.scores.push_back(distribution("reward_model", {"correct", "plausible"}, {{1, 2, 3}, {2, 2.5}}, 5));
  a.separability["plausible"] = separability(texts([](Stream& s, bool c) { return words(s, c ? 9 : 8); }, 30));
  a.diversity["generator"] = {2, 5, 0.5, 0.25, 0.1, "7", 0.75, "+1"};
  a.filters["plausible"] = {10, 4, {{"near_duplicate", 6}}};
  const nlohmann::json j = a;
  EXPECT_EQ(nlohmann::json(j.get<AuditResult>()), j);
  EXPECT_EQ(a.find("reward_model")->find("correct")->mean, 2);
  EXPECT_EQ(a.find("reward_model")->find("correct")->deviation, 1);
  EXPECT_EQ(a.find("judge"), nullptr);
  const auto empty = nlohmann::json::object().get<AuditResult>();
  EXPECT_TRUE(empty.scores.empty());
}

}  // namespace foil::eval
