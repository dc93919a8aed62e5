#include "eval/verdict_reliability.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace foil::eval {

namespace {

struct Mean {
  double sum = 0, squares = 0;
  int64_t n = 0;
  void add(double x) { sum += x, squares += x * x, ++n; }
  double value() const { return n ? sum / double(n) : 0; }
  double error() const { return n > 1 ? std::sqrt(std::max(squares / double(n) - value() * value(), 0.0) / double(n - 1)) : INFINITY; }
  bool above_chance() const { return value() > 2 * error(); }
};

double sign(double x) { return double(x > 0) - double(x < 0); }

}  // namespace

VerdictReliability verdict_reliability(std::span<const Sample> samples, const std::function<bool(const std::string& problem_id)>& measured) {
  struct Answers {
    std::vector<const Sample*> right, wrong;
  };
  std::map<std::string, Answers> problems;
  for (const Sample& s : samples) {
    if (!s.correct || s.finish_reason != Finish::kStop || !s.scores.count("judge") || !s.scores.count("reward_model") || !measured(s.problem_id)) continue;
    auto& answers = problems[s.problem_id];
    (*s.correct ? answers.right : answers.wrong).push_back(&s);
  }
  Mean verifier_judge, verifier_model, judge_model;
  for (const auto& [id, answers] : problems) {
    double judge = 0, model = 0, both = 0;
    for (const Sample* r : answers.right)
      for (const Sample* w : answers.wrong) {
        const double j = sign(r->scores.at("judge") - w->scores.at("judge")), m = sign(r->scores.at("reward_model") - w->scores.at("reward_model"));
        judge += j, model += m, both += j * m;
      }
    const auto pairs = double(answers.right.size() * answers.wrong.size());
    if (pairs > 0) verifier_judge.add(judge / pairs), verifier_model.add(model / pairs), judge_model.add(both / pairs);
  }
  VerdictReliability out{{}, verifier_judge.n, verifier_judge.value(), verifier_model.value(), judge_model.value()};
  if (verifier_judge.above_chance() && verifier_model.above_chance() && judge_model.above_chance())
    out.order = (1 + std::min(1.0, std::sqrt(out.verifier_judge * out.verifier_model / out.judge_model))) / 2;
  return out;
}

}  // namespace foil::eval
