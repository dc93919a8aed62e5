#include "verify/verify.h"

#include <algorithm>

#include "verify/compare.h"
#include "verify/number.h"
#include "verify/reading.h"

namespace foil::verify {

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCorrect: return "correct";
    case Outcome::kWrong: return "wrong";
    default: return "unreadable";
  }
}

bool reads_whole(std::string_view text, bool& is_words) {
  const Reading r = parse(text);
  if (!r.readable() || r.node->prose) return false;
  is_words = r.node->tree->is(Kind::kText) || r.node->tree->is(Kind::kList);
  if (r.node->tree->is(Kind::kList)) {
    is_words = false;
    for (uint32_t i = 0; i < r.node->tree->count; ++i) is_words = is_words || (*r.node->tree)[i].is(Kind::kText);
  }
  return true;
}

namespace {

// May this alternative reading stand against `other`?
bool usable(char use, const Expr& other) {
  switch (use) {
    case 'l': return other.is(Kind::kList) || other.is(Kind::kTuple) || other.is(Kind::kSet);
    case 'd': return is_scalar(other) || other.is(Kind::kRelation);
    case 'p': return !other.is(Kind::kText);
    case 'r': return !other.is(Kind::kTime);
    case 'u': return other.is(Kind::kQuantity);
    case 'c': return !other.is(Kind::kChoice);
    default: return true;
  }
}

}  // namespace

Verdict equal(const Reading& gold, const Reading& answer, const Options& options) {
  free_caches_with_thread();
  Verdict v;
  v.gold_read = gold.to_string();
  v.answer_read = answer.to_string();
  if (!gold.readable() || !answer.readable()) {
    if (gold.node && answer.node && !gold.node->plain.empty() && gold.node->plain == answer.node->plain) {
      v.outcome = Outcome::kCorrect;
      v.rule = "identical";
      return v;
    }
    v.rule = "unreadable";
    v.note = !gold.readable() ? "gold: " + gold.problem() : "answer: " + answer.problem();
    return v;
  }
  v.outcome = Outcome::kWrong;
  Budget budget(options.budget);
  try {
    Arena arena;
    const auto attempt = [&](const Expr& g, const Expr& a) {
      Comparison c{arena, budget, options, "", "", 0};
      const bool ok = equal_answers(g, a, c);
      v.operations = options.budget - budget.left();
      if (ok) v.outcome = Outcome::kCorrect;
      if (ok || v.rule.empty()) {
        v.rule = c.rule;
        v.note = ok ? "" : c.note;
      }
      return ok;
    };
    const Reading::Node &g = *gold.node, &a = *answer.node;
    if (attempt(*g.tree, *a.tree)) return v;
    for (const Alternative& x : g.others)
      if (usable(x.use, *a.tree) && attempt(*x.tree, *a.tree)) return v;
    for (const Alternative& y : a.others) {
      if (usable(y.use, *g.tree) && attempt(*g.tree, *y.tree)) return v;
      for (const Alternative& x : g.others)
        if (x.use == y.use && attempt(*x.tree, *y.tree)) return v;
    }
  } catch (const BudgetSpent&) {
    v.operations = options.budget - budget.left();
    v.rule = "budget";
    v.note = "not decided within " + std::to_string(options.budget) + " operations";
  }
  return v;
}

namespace {

bool constant(const Expr& e) {
  return is_scalar(e) && !any(e, [](const Expr& x) { return x.is(Kind::kSymbol) || x.is(Kind::kCall) || x.is(Kind::kOpaque); });
}

// "m + n = 25 + 81 = 106" answers 106: the value of an expression in two or more names, asked for as a number. One name is an
// equation to be solved ("2x = 6" does not state 3), but for the sign of an operation the problem made up: "5 \star 1 = 50 - 3 = 47".
Reading value_of_sum(const Reading& gold, Reading answer, std::string_view text) {
  if (!gold.readable() || !answer.readable() || !constant(*gold.node->tree)) return answer;
  const Expr& r = *answer.node->tree;
  if (!r.is(Kind::kRelation) || r.count < 2 || r.name.find_first_not_of('=') != std::string_view::npos || !constant(r[r.count - 1])) return answer;
  if (!r[0].is(Kind::kAdd) && !r[0].is(Kind::kMul)) return answer;
  std::vector<std::string_view> names;
  any(r[0], [&](const Expr& x) {
    if (x.is(Kind::kSymbol) && std::find(names.begin(), names.end(), x.name) == names.end()) names.push_back(x.name);
    return false;
  });
  static constexpr std::string_view kOperations[] = {"star", "bigstar", "ast", "oplus", "ominus", "otimes", "odot", "diamond", "Diamond", "clubsuit", "spadesuit", "heartsuit", "diamondsuit", "triangle", "bigtriangleup", "dagger", "bullet", "circledast"};
  const bool made_up = std::any_of(names.begin(), names.end(), [](std::string_view n) { return std::find(std::begin(kOperations), std::end(kOperations), n) != std::end(kOperations); });
  if (names.size() < (made_up ? 1 : 2)) return answer;
  for (uint32_t i = 1; i + 1 < r.count; ++i)
    if (!constant(r[i])) return answer;
  Reading value = parse(text.substr(text.rfind('=') + 1));
  return value.readable() && same(*value.node->tree, r[r.count - 1]) ? value : answer;
}

}  // namespace

Verdict check(const Reading& gold, std::string_view text, const Options& options) {
  const auto found = extract(text);
  if (!found) {
    Verdict v;
    v.gold_read = gold.to_string();
    v.rule = "no_answer";
    v.note = "answer: none found";
    return v;
  }
  Reading answer = parse(found->text, options);
  answer = value_of_sum(gold, std::move(answer), found->text);
  Verdict v = equal(gold, answer, options);
  v.answer_text = found->text;
  return v;
}

Verdict check(std::string_view gold, std::string_view text, const Options& options) { return check(parse_gold(gold, options), text, options); }

Reading parse_gold(std::string_view gold, const Options& options) {
  // A solution text: its box or its "####" line is the answer.
  const bool solution = gold.find("\\boxed") != std::string_view::npos || gold.find("\\fbox") != std::string_view::npos || gold.find("####") != std::string_view::npos || gold.find("<answer>") != std::string_view::npos;
  if (solution) {
    if (const auto e = extract(gold)) return parse(e->text, options);
  }
  Reading r = parse(gold, options);
  if (!r.readable() || (r.node->tree->is(Kind::kText) && gold.size() > 60)) {
    if (const auto e = extract(gold); e && e->rule != "whole" && e->rule != "last_number") {
      Reading inner = parse(e->text, options);
      if (inner.readable()) return inner;
    }
  }
  return r;
}

std::vector<int> classes(const std::vector<std::string>& answers, const Options& options) {
  std::vector<Reading> representatives;
  std::vector<int> out;
  out.reserve(answers.size());
  for (const std::string& answer : answers) {
    Reading r = parse(answer, options);
    if (!r.readable()) {
      out.push_back(-1);
      continue;
    }
    int which = -1;
    for (size_t i = 0; i < representatives.size() && which < 0; ++i)
      if (equal(representatives[i], r, options).correct()) which = static_cast<int>(i);
    if (which < 0) {
      which = static_cast<int>(representatives.size());
      representatives.push_back(std::move(r));
    }
    out.push_back(which);
  }
  return out;
}

}  // namespace foil::verify
