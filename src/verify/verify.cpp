#include "verify/verify.h"

#include <algorithm>

#include "verify/compare.h"
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
  try {
    Arena arena;
    Budget budget(options.budget);
    const auto attempt = [&](const Expr& g, const Expr& a) {
      Comparison c{arena, budget, options, "", "", 0};
      const bool ok = equal_answers(g, a, c);
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
    v.rule = "budget";
    v.note = "not decided within " + std::to_string(options.budget) + " operations";
  }
  return v;
}

Verdict check(const Reading& gold, std::string_view text, const Options& options) {
  const auto found = extract(text);
  if (!found) {
    Verdict v;
    v.gold_read = gold.to_string();
    v.rule = "no_answer";
    v.note = "answer: none found";
    return v;
  }
  Verdict v = equal(gold, parse(found->text, options), options);
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
