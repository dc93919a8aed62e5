#include "reward/judge.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/parallel.h"
#include "data/similarity.h"

namespace foil {

namespace {

const char* kRubric =
    "You grade the presentation of a worked solution. Do not solve the problem and do not judge whether the final answer is right.\n"
    "Give each of four dimensions a whole number from 0 (poor) to 3 (excellent):\n"
    "- relevance: the solution is about this question and answers what is asked\n"
    "- coherence: every step follows from the ones before it\n"
    "- facts: the given facts are used, and the answer has the required form\n"
    "- writing: clear, complete sentences without repetition\n\n"
    "Problem:\n{problem}\n\nSolution:\n{solution}\n\n"
    "Reply with one JSON object: {\"relevance\": n, \"coherence\": n, \"facts\": n, \"writing\": n}\n";

struct Number {
  std::string text;
  size_t begin, end;
};

std::vector<Number> numbers_in(const std::string& text) {
  std::vector<Number> out;
  for (size_t i = 0; i < text.size();) {
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < text.size() && (std::isdigit(static_cast<unsigned char>(text[i])) ||
                               ((text[i] == '.' || text[i] == ',') && i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1])))))
      ++i;
    out.push_back({text.substr(begin, i - begin), begin, i});
  }
  return out;
}

std::set<std::string> content_words(const std::string& text) {
  std::set<std::string> out;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) {
      word += char(std::tolower(static_cast<unsigned char>(text[i])));
    } else {
      if (word.size() > 3) out.insert(word);
      word.clear();
    }
  }
  return out;
}

// "a op b = c" as written in a solution.
struct Equation {
  std::string left, right, result;
  bool holds;
};

double value_of(std::string digits) {
  std::erase(digits, ',');
  return std::strtod(digits.c_str(), nullptr);
}

// c to the decimals it is written with; sums and products of digits shorter than 2^53 are exact.
bool equation_holds(const std::string& left, char op, const std::string& right, const std::string& result) {
  const double a = value_of(left), b = value_of(right), c = value_of(result);
  const double exact = op == '+' ? a + b : op == '-' ? a - b : op == '/' ? a / b : a * b;
  const size_t point = result.find('.');
  const double half_unit = point == std::string::npos ? 0 : 0.5 * std::pow(10.0, -double(result.size() - point - 1));
  return std::abs(exact - c) <= half_unit * (1 + 1e-9) + 1e-9 * std::abs(exact);
}

std::vector<Equation> equations_in(const std::string& text, const std::vector<Number>& numbers) {
  std::vector<Equation> out;
  auto between = [&](size_t i) {  // the only sign between number i and the next, or 0
    char sign = 0;
    for (size_t k = numbers[i].end; k < numbers[i + 1].begin; ++k) {
      const char c = text[k];
      if (c == ' ' || c == '$' || c == '(' || c == ')') continue;
      if (sign || std::string_view("+-*/=x").find(c) == std::string_view::npos) return '\0';
      sign = c;
    }
    return sign;
  };
  for (size_t i = 0; i + 2 < numbers.size(); ++i) {
    const char op = between(i), equals = between(i + 1);
    if (op && op != '=' && equals == '=') out.push_back({numbers[i].text, numbers[i + 1].text, numbers[i + 2].text, equation_holds(numbers[i].text, op, numbers[i + 1].text, numbers[i + 2].text)});
  }
  return out;
}

double scale(double share) { return 3 * std::clamp(share, 0.0, 1.0); }

RubricScores judge_one(const JudgeItem& item) {
  RubricScores out;
  const auto asked = numbers_in(item.problem), used = numbers_in(item.solution);
  const auto equations = equations_in(item.solution, used);
  std::set<std::string> given, written;
  for (const auto& n : asked) given.insert(n.text);
  for (const auto& n : used) written.insert(n.text);

  // relevance: the question's numbers and words appear.
  size_t named = 0, shared = 0;
  for (const auto& n : given) named += written.count(n);
  const auto question_words = content_words(item.problem), solution_words = content_words(item.solution);
  for (const auto& w : solution_words) shared += question_words.count(w);
  const double numbers = given.empty() ? 1 : double(named) / double(given.size());
  const double words = solution_words.empty() ? 0 : std::min(1.0, 4.0 * double(shared) / double(solution_words.size()));
  out.dimension[0] = scale(0.7 * numbers + 0.3 * words);

  // coherence: each equation holds and takes up a given number or an earlier result on both sides; each result but the last is taken up again;
  // the last number of the text is the last result.
  std::set<std::string> known = given;
  double sides = 0, linked = 0, chain = 0, chained = 0, holding = 0;
  for (size_t i = 0; i < equations.size(); ++i) {
    holding += equations[i].holds;
    sides += 2, linked += double(known.count(equations[i].left) + known.count(equations[i].right));
    known.insert(equations[i].result);
    if (i + 1 < equations.size()) ++chain, chained += equations[i + 1].left == equations[i].result || equations[i + 1].right == equations[i].result;
  }
  if (!equations.empty()) {
    const bool closes = used.back().text == equations.back().result;
    const double share = holding / double(equations.size());  // one that does not hold, and the rest is worth little
    out.dimension[1] = scale((0.4 * linked / sides + 0.3 * (chain > 0 ? chained / chain : 1) + 0.3 * closes) * (share < 1 ? 0.4 * share : 1));
  }

  // facts: the numbers that enter equations are given ones or results; about as many steps as facts.
  size_t facts_used = 0;
  for (const auto& n : given)
    facts_used += std::any_of(equations.begin(), equations.end(), [&](const Equation& e) { return e.left == n || e.right == n; });
  const double coverage = given.empty() ? 1 : double(facts_used) / double(given.size());
  out.dimension[2] = scale(0.5 * coverage + 0.5 * (sides > 0 ? linked / sides : 0));

  // writing: sentences that end, begin with a capital or a number, do not repeat; some length.
  size_t sentences = 0, good = 0;
  std::set<std::string> distinct;
  for (size_t i = 0; i < item.solution.size();) {
    size_t end = item.solution.find_first_of(".\n", i);
    while (end != std::string::npos && end + 1 < item.solution.size() && item.solution[end] == '.' && std::isdigit(static_cast<unsigned char>(item.solution[end + 1])))
      end = item.solution.find_first_of(".\n", end + 1);
    if (end == std::string::npos) end = item.solution.size();
    const size_t first = item.solution.find_first_not_of(" \t\r\n", i);
    if (first < end) {
      ++sentences;
      const auto c = static_cast<unsigned char>(item.solution[first]);
      good += (std::isupper(c) || !std::isalpha(c)) && end - first >= 3;
      distinct.insert(item.solution.substr(first, end - first));
    }
    i = end + 1;
  }
  if (sentences > 0) {
    const double fresh = double(distinct.size()) / double(sentences);
    out.dimension[3] = has_loop(item.solution) ? 0 : scale((double(good) / double(sentences)) * fresh * std::min(1.0, double(sentences) / 2));
  }
  return out;
}

}  // namespace

std::vector<std::optional<RubricScores>> RuleJudge::judge(std::span<const JudgeItem> items) {
  std::vector<std::optional<RubricScores>> out(items.size());
  parallel_for(items.size(), [&](size_t i) { out[i] = judge_one(items[i]); }, 0, 32);
  return out;
}

std::string load_rubric(const std::string& path) {
  const std::string text = path.empty() ? kRubric : read_file(path);
  for (const char* placeholder : {"{problem}", "{solution}"})
    if (text.find(placeholder) == std::string::npos)
      throw Error(fmt::format("the rubric has no {}", placeholder), path, "the judge's prompt is this text with {problem} and {solution} filled in");
  return text;
}

std::string judge_prompt(const JudgeItem& item, const std::string& rubric) {
  std::string out = rubric;
  const size_t solution = out.find("{solution}");  // replaced from the back, so that a placeholder inside a text stays text
  const size_t problem = out.find("{problem}");
  FOIL_CHECK(solution != std::string::npos && problem != std::string::npos);
  if (solution > problem) {
    out.replace(solution, 10, item.solution);
    out.replace(problem, 9, item.problem);
  } else {
    out.replace(problem, 9, item.problem);
    out.replace(solution, 10, item.solution);
  }
  return out;
}

}  // namespace foil
