#include "verify/verify.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace foil::verify {
namespace {

struct Case {
  const char *gold, *text, *verdict, *rule;
};

void expect_all(std::initializer_list<Case> cases, const Options& options = {}) {
  for (const Case& c : cases) {
    const Verdict v = check(c.gold, c.text, options);
    EXPECT_STREQ(to_string(v.outcome), c.verdict) << c.gold << " | " << c.text << "\n  " << v.gold_read << " | " << v.answer_read << " | " << v.note;
    EXPECT_EQ(v.rule, c.rule) << c.gold << " | " << c.text;
  }
}

TEST(Verify, SmallDifferencesAreDifferences) {
  expect_all({{"3e-7", "4e-7", "wrong", "rational"},
              {"\\frac{1}{1009!}", "\\frac{1}{1011!}", "wrong", "rational"},
              {"2^{-90}", "2^{-89}", "wrong", "rational"},
              {"3-1/e", "3+1/e", "wrong", "numeric"},
              {"\\sqrt{2}+10^{-300}", "\\sqrt{2}", "wrong", "algebraic"},
              {"e^{\\pi\\sqrt{163}}", "262537412640768744", "wrong", "numeric"},
              {"x^{100}", "x^{100}+10^{-50}", "wrong", "polynomial"},
              {"\\sin x", "\\sin x+10^{-40}", "wrong", "numeric"}});
}

TEST(Verify, VerdictShowsBothReadings) {
  const Verdict v = check("\\frac{3}{4}", "So the answer is \\boxed{\\frac{3}{5}}.");
  EXPECT_EQ(v.outcome, Outcome::kWrong);
  EXPECT_EQ(v.rule, "rational");
  EXPECT_EQ(v.gold_read, "3/4");
  EXPECT_EQ(v.answer_read, "3/5");
  EXPECT_EQ(v.answer_text, "\\frac{3}{5}");
}

TEST(Verify, UnreadableSaysWhichSideAndWhere) {
  const Verdict answer = check("2", "\\boxed{2 + \\frac{3}}");
  EXPECT_EQ(answer.outcome, Outcome::kUnreadable);
  EXPECT_EQ(answer.note, "answer: something is missing at the end at byte 12");
  const Verdict gold = equal(parse("(1, 2"), parse("3"));
  EXPECT_EQ(gold.outcome, Outcome::kUnreadable);
  EXPECT_EQ(gold.note, "gold: unbalanced brackets at byte 0");
  const Verdict none = check("2", "   ");
  EXPECT_EQ(none.outcome, Outcome::kUnreadable);
  EXPECT_EQ(none.rule, "no_answer");
  // the same characters are the same answer even when they cannot be read
  EXPECT_EQ(check("\\weird{x}{", "\\weird{x}{").outcome, Outcome::kCorrect);
}

TEST(Verify, NeverANumberOutOfAnUnreadableFormula) {
  expect_all({{"2", "The answer is $2 \\frac{3}$.", "unreadable", "unreadable"},
              {"3", "$\\unknown{x}{3}$", "unreadable", "unreadable"},
              {"12", "\\boxed{12", "unreadable", "unreadable"},
              {"11", "11 6/6", "unreadable", "unreadable"},
              {"1", "The answer is 11 6/6.", "unreadable", "unreadable"},
              {"2", "\\boxed{2 - \\sqrt{3}", "unreadable", "unreadable"}});
}

TEST(Verify, RemaindersAndCommonDivisors) {
  expect_all({{"25 \\pmod{26}", "-1 \\pmod{26}", "correct", "rational"},
              {"x \\equiv 25 \\pmod{26}", "x \\equiv -1 \\pmod{26}", "correct", "rational"},
              {"1", "2+4 \\pmod 5", "correct", "rational"},
              {"-5", "2 - 7 \\bmod 9", "correct", "rational"},
              {"-204", "9 \\bmod -213", "correct", "rational"},
              {"3", "-14/2 \\mod 5", "correct", "rational"},
              {"\\frac{1}{123}", "431 \\bmod (2/123)", "correct", "rational"},
              {"987-314\\pi", "987 \\bmod \\pi", "correct", "numeric"},
              {"986-314\\pi", "987 \\bmod \\pi", "wrong", "numeric"},
              {"\\frac{1}{12}", "\\gcd(1/4, 1/3)", "correct", "rational"},
              {"1", "\\operatorname{lcm}(1/4, 1/3)", "correct", "rational"},
              {"0", "\\operatorname{lcm}(0, 7)", "correct", "rational"},
              {"18", "\\gcd(144,2988, 37116,18, 72)", "correct", "rational"},
              {"1", "||2-5|-4|", "correct", "rational"},
              {"5", "||3-8||", "correct", "rational"},
              {"e", "\\exponentialE", "correct", "identical"}});
}

TEST(Verify, OptionsSettleWhatMathematicsDoesNot) {
  Options o;
  o.units_optional = false;
  expect_all({{"15 cm", "15", "wrong", "unit"}, {"15 cm", "15 cm", "correct", "identical"}, {"90^\\circ", "\\pi/2", "correct", "unit"}}, o);
  o = {};
  o.percent_is_fraction = false;
  expect_all({{"50\\%", "0.5", "wrong", "percent"}, {"50\\%", "50", "correct", "percent"}}, o);
  o = {};
  o.round_to_gold = false;
  expect_all({{"3.14", "\\pi", "wrong", "numeric"}}, o);
  o = {};
  o.ordered_tuples = false;
  expect_all({{"(1,2)", "(2,1)", "correct", "tuple"}, {"[1,2)", "[1,2)", "correct", "identical"}}, o);
}

TEST(Verify, BudgetIsCountedNotTimed) {
  Options small;
  small.budget = 50;
  const Verdict v = check("(a+b+c)^6", "(c+a+b)^6", small);
  EXPECT_EQ(v.outcome, Outcome::kWrong);
  EXPECT_EQ(v.rule, "budget");
  EXPECT_EQ(v.note, "not decided within 50 operations");
  EXPECT_TRUE(check("(a+b+c)^6", "(c+a+b)^6").correct());
}

TEST(Verify, GoldIsParsedOnceAndSharedByThreads) {
  const Reading gold = parse_gold("The sum is \\boxed{\\frac{1+\\sqrt{5}}{2}}.");
  std::vector<std::thread> threads;
  std::vector<int> right(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) right[t] += check(gold, i % 2 ? "\\boxed{2\\cos 36^\\circ}" : "\\boxed{1.618}").correct();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(right, (std::vector<int>{100, 100, 100, 100}));
}

TEST(Verify, Classes) {
  EXPECT_EQ(classes({"1/2", "0.5", "2", "\\frac{2}{4}", "((", "2.0", "x"}), (std::vector<int>{0, 0, 1, 0, -1, 1, 2}));
}

// Each comes back with a verdict, the same every time, within the budget of operations (how long that takes: make bench-verify).
TEST(Verify, HostileInputComesBack) {
  std::ifstream in("tests/golden/verify/hostile.json");
  const nlohmann::json inputs = nlohmann::json::parse(in);
  ASSERT_GE(inputs.size(), 40u);
  for (const nlohmann::json& pieces : inputs) {
    std::string s;
    for (const nlohmann::json& piece : pieces) {
      std::string part = piece[0];
      if (piece.size() == 3) {  // bytes in hexadecimal
        std::string bytes;
        for (size_t i = 0; i + 1 < part.size(); i += 2) bytes += static_cast<char>(std::stoi(part.substr(i, 2), nullptr, 16));
        part = bytes;
      }
      for (int i = 0; i < piece[1].get<int>(); ++i) s += part;
    }
    for (const std::string& gold : {std::string("1"), s}) {
      const Options options;
      const Verdict v = check(gold, s, options), again = check(gold, s, options);
      EXPECT_LE(v.operations, 2 * options.budget) << s.substr(0, 40);
      EXPECT_EQ(v.operations, again.operations) << s.substr(0, 40);
      EXPECT_EQ(v.outcome, again.outcome) << s.substr(0, 40);
      EXPECT_FALSE(v.rule.empty()) << s.substr(0, 40);
    }
  }
}

TEST(Verify, SymmetricButForTheDocumentedGoldRules) {
  const std::vector<std::string> answers = {"1/2", "0.5", "50\\%", "\\frac{1}{2}", "1:2", "x", "x=1", "1", "[1,2)", "1 \\le x < 2", "\\{1,2\\}", "1,2", "2,1", "(1,2)", "\\pm 1", "-1,1", "15 cm", "15", "90^\\circ", "\\pi/2", "\\text{Friday}", "A", "(A)",
                                            "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "y=2x", "2x", "2x=y", "4:30", "4:30 PM", "\\emptyset", "no solution", "\\mathbb{R}", "(-\\infty,\\infty)", "1,234", "1234", "i", "e^{i\\pi/2}"};
  for (const std::string& a : answers)
    for (const std::string& b : answers) {
      const Verdict v = equal(parse(a), parse(b)), w = equal(parse(b), parse(a));
      if (v.rule == "rounded" || w.rule == "rounded") continue;
      EXPECT_EQ(v.outcome, w.outcome) << a << " | " << b << ": " << v.rule << ", " << w.rule;
    }
}

}  // namespace
}  // namespace foil::verify
