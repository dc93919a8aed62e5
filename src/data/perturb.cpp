#include "data/perturb.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/parallel.h"
#include "data/dataset.h"
#include "data/family.h"
#include "data/family_scenes.h"
#include "data/worked_steps.h"
#include "verify/verify.h"

namespace foil {

const char* to_string(Perturbation kind) {
  for (const auto& [k, name] : kPerturbationNames)
    if (k == kind) return name;
  return "";
}

void PerturbOptions::validate(const std::string& where) const {
  if (kinds.empty()) throw UsageError("kinds names no error to make", where, "number, result, operator, unit, order, drop");
  if (per_problem < 1) throw UsageError("per_problem must be at least 1", where);
}

namespace {

bool same(double a, double b) { return std::abs(a - b) < 1e-9; }

// One planted error: what is replaced, before everything behind it is computed anew.
struct Slip {
  std::map<size_t, double> number;                   // number index → value
  std::map<size_t, double> result;                   // equation → result, whatever its left side
  std::map<std::pair<size_t, size_t>, char> sign;    // (equation, operator) → sign
  std::optional<size_t> dropped;                     // equation whose sentence goes
  std::optional<size_t> swapped;                     // equation that changes places with the next
};

class Planter {
 public:
  Planter(const Problem& problem, std::string solution) : problem_(problem), text_(std::move(solution)), gold_(verify::parse_gold(problem.answer)) {
    for (const auto& n : written_numbers(problem.problem)) given_.push_back(n.value);
    steps_ = read_steps(text_, given_);
    for (const auto& n : steps_.numbers) negative_ = negative_ || n.value < 0;
  }

  std::optional<Perturbed> plant(Perturbation kind, Stream& stream) const {
    std::vector<size_t> order(steps_.equations.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    stream.shuffle(order);
    for (const size_t e : order) {
      auto errors = choices(kind, e);
      stream.shuffle(errors);
      for (const auto& error : errors)
        if (auto out = finish(apply(error), kind, e)) return out;
    }
    return std::nullopt;
  }

  // Reads the final answer of a text; nothing unless it is readable and wrong.
  std::optional<Perturbed> finish(std::optional<std::string> text, Perturbation kind, size_t step) const {
    if (!text || *text == text_) return std::nullopt;
    const auto verdict = verify::check(gold_, *text);
    if (verdict.outcome != verify::Outcome::kWrong) return std::nullopt;
    return Perturbed{std::move(*text), kind, int64_t(step), verdict.answer_text};
  }

 private:
  double value(size_t n) const { return steps_.numbers[n].value; }
  bool given(double x) const {
    return std::any_of(given_.begin(), given_.end(), [&](double g) { return same(g, x); });
  }

  static double reversed(double x) {  // 36 → 63; 0 where that says nothing
    if (x < 10 || x > 999 || x != std::floor(x)) return 0;
    std::string s = std::to_string(int(x));
    std::reverse(s.begin(), s.end());
    return s[0] == '0' ? 0 : std::stod(s);
  }

  std::vector<Slip> choices(Perturbation kind, size_t e) const {
    switch (kind) {
      case Perturbation::kNumber: return misread(e);
      case Perturbation::kResult: return slips(e);
      case Perturbation::kOperator: return signs(e);
      case Perturbation::kUnit: return factors(e);
      case Perturbation::kOrder: return orders(e);
      case Perturbation::kDrop: return drops(e);
    }
    return {};
  }

  // The operand and every mention of it that is no part of another equation, up to the end of the equation's sentence.
  Slip everywhere(size_t e, size_t number, double to) const {
    Slip out;
    out.number[number] = to;
    const bool first_use = std::none_of(steps_.equations.begin(), steps_.equations.begin() + ptrdiff_t(e), [&](const Equation& before) {
      return std::any_of(before.operands.begin(), before.operands.end(), [&](size_t o) { return same(value(o), value(number)); });
    });
    const auto [begin, end] = steps_.sentences[steps_.equations[e].sentence];
    for (size_t n = 0; n < steps_.numbers.size(); ++n) {
      const auto& x = steps_.numbers[n];
      if (x.equation < 0 && x.repeats < 0 && same(x.value, value(number)) && x.begin < end && (x.begin >= begin || first_use)) out.number[n] = to;
    }
    return out;
  }

  std::vector<Slip> misread(size_t e) const {
    std::vector<Slip> out;
    for (const size_t o : steps_.equations[e].operands) {
      const double x = value(o);
      if (steps_.numbers[o].repeats >= 0 || x <= 0) continue;
      std::set<double> to = {x + 1, x - 1, reversed(x)};
      for (const double g : given_)
        if (g <= 5 * x && x <= 5 * g) to.insert(g);
      for (const double t : to)
        if (t > 0 && !same(t, x)) out.push_back(everywhere(e, o, t));
    }
    return out;
  }

  std::vector<Slip> slips(size_t e) const {
    const Equation& q = steps_.equations[e];
    const double r = value(q.result), unit = std::pow(10.0, -steps_.numbers[q.result].decimals);
    std::set<double> to = {r + unit, r - unit, r + 2 * unit, r - 2 * unit, r + 10 * unit, r - 10 * unit, reversed(r)};
    if (q.operators.size() == 1 && q.operators[0] == '*') to.insert({r + value(q.operands[0]), r - value(q.operands[0]), r + value(q.operands[1]), r - value(q.operands[1])});
    std::vector<Slip> out;
    for (const double t : to)
      if (t > 0 && !same(t, r) && std::abs(t - r) <= std::max(2 * unit, r)) out.emplace_back().result[e] = t;
    return out;
  }

  std::vector<Slip> signs(size_t e) const {
    const Equation& q = steps_.equations[e];
    std::vector<Slip> out;
    for (size_t k = 0; k < q.operators.size(); ++k)
      for (const char s : q.operators[k] == '+' ? std::string("-*") : q.operators[k] == '-' ? std::string("+") : q.operators[k] == '*' ? std::string("/+") : std::string("*-"))
        out.emplace_back().sign[{e, k}] = s;
    return out;
  }

  std::vector<Slip> factors(size_t e) const {
    static const std::map<double, std::vector<double>> kConfused = {{60, {100, 10}}, {24, {12, 20}}, {7, {5, 10}}, {12, {10, 24}}, {100, {10, 1000}}, {1000, {100}}, {52, {50, 12}},
                                                                    {365, {360}}, {30, {31, 28}}, {3600, {60}}, {16, {12, 10}}, {36, {12}}, {4, {5}}};
    std::vector<Slip> out;
    const Equation& q = steps_.equations[e];
    for (size_t k = 0; k < q.operands.size(); ++k) {
      const size_t o = q.operands[k];
      const bool factor = (k > 0 && (q.operators[k - 1] == '*' || q.operators[k - 1] == '/')) || (k < q.operators.size() && q.operators[k] == '*');
      const auto it = kConfused.find(value(o));
      if (!factor || it == kConfused.end() || given(value(o)) || steps_.numbers[o].repeats >= 0) continue;
      for (const double t : it->second) out.push_back(everywhere(e, o, t));
    }
    return out;
  }

  size_t equations_in(size_t sentence) const {
    return size_t(std::count_if(steps_.equations.begin(), steps_.equations.end(), [&](const Equation& q) { return q.sentence == sentence; }));
  }

  std::vector<Slip> drops(size_t e) const {
    const Equation& q = steps_.equations[e];
    const bool used = std::any_of(steps_.numbers.begin(), steps_.numbers.end(), [&](const WrittenNumber& n) { return n.repeats == int(e); });
    if (!used || equations_in(q.sentence) != 1 || steps_.equations.size() < 2 || q.sentence + 1 == steps_.sentences.size()) return {};
    std::vector<Slip> out(1);
    out[0].dropped = e;
    return out;
  }

  std::vector<Slip> orders(size_t e) const {
    if (e + 1 >= steps_.equations.size()) return {};
    const Equation &a = steps_.equations[e], &b = steps_.equations[e + 1];
    auto plain = [&](const Equation& q) { return q.operators.size() == 1 && equations_in(q.sentence) == 1 && steps_.numbers[q.operands[1]].repeats < 0; };
    auto factor = [](char s) { return s == '*' || s == '/'; };
    const bool matters = factor(a.operators.at(0)) != factor(b.operators.at(0));
    if (!plain(a) || !plain(b) || b.sentence != a.sentence + 1 || !matters || steps_.numbers[b.operands[0]].repeats != int(e)) return {};
    std::vector<Slip> out(1);
    out[0].swapped = e;
    return out;
  }

  // The text with the error and all its consequences; nothing where a value cannot be written as its place asks, or turns negative.
  std::optional<std::string> apply(const Slip& error) const {
    const size_t n_numbers = steps_.numbers.size();
    std::vector<double> now(n_numbers), results(steps_.equations.size());
    std::vector<std::vector<char>> sign(steps_.equations.size());
    for (size_t e = 0; e < steps_.equations.size(); ++e) {
      sign[e] = steps_.equations[e].operators;
      results[e] = value(steps_.equations[e].result);
    }
    for (const auto& [at, s] : error.sign) sign[at.first][at.second] = s;
    auto operand = [&](size_t n) { return error.number.count(n) ? error.number.at(n) : steps_.numbers[n].repeats >= 0 ? results[size_t(steps_.numbers[n].repeats)] : value(n); };
    auto compute = [&](size_t e) -> bool {
      const Equation& q = steps_.equations[e];
      std::vector<double> values;
      for (const size_t o : q.operands) values.push_back(now[o] = operand(o));
      const auto r = evaluate(values, sign[e]);
      if (!r) return false;
      results[e] = error.result.count(e) ? error.result.at(e) : *r;
      now[q.result] = results[e];
      return negative_ || results[e] > 0 || same(results[e], value(q.result));
    };
    for (size_t e = 0; e < steps_.equations.size(); ++e) {
      if (error.swapped == e) {
        // b first, on what a started from; then a on b's result; whoever repeated b's result now repeats a's.
        const Equation &a = steps_.equations[e], &b = steps_.equations[e + 1];
        now[a.operands[1]] = operand(a.operands[1]), now[b.operands[1]] = operand(b.operands[1]);
        now[b.operands[0]] = operand(a.operands[0]);
        const auto first = evaluate(std::vector<double>{now[b.operands[0]], now[b.operands[1]]}, sign[e + 1]);
        if (!first) return std::nullopt;
        now[b.result] = now[a.operands[0]] = *first;
        const auto second = evaluate(std::vector<double>{*first, now[a.operands[1]]}, sign[e]);
        if (!second || (!negative_ && (*first <= 0 || *second <= 0))) return std::nullopt;
        now[a.result] = *second;
        results[e] = results[e + 1] = *second;
        ++e;
        continue;
      }
      if (!compute(e)) return std::nullopt;
      if (error.dropped == e) {  // its input stands in for its result
        const auto& operands = steps_.equations[e].operands;
        const auto linked = std::find_if(operands.begin(), operands.end(), [&](size_t o) { return steps_.numbers[o].repeats >= 0; });
        results[e] = now[linked == operands.end() ? operands[0] : *linked];
      }
    }
    for (size_t n = 0; n < n_numbers; ++n)
      if (steps_.numbers[n].equation < 0) now[n] = operand(n);
    return write(error, now);
  }

  std::optional<std::string> write(const Slip& error, const std::vector<double>& now) const {
    std::vector<std::string> sentences(steps_.sentences.size());
    size_t s = 0, at = 0;
    auto copy = [&](size_t to) {
      while (at < to) {
        while (at >= steps_.sentences[s].second) ++s;
        const size_t end = std::min(to, steps_.sentences[s].second);
        sentences[s] += text_.substr(at, end - at);
        at = end;
      }
    };
    struct Edit {
      size_t begin, end;
      std::string text;
    };
    std::vector<Edit> edits;
    for (size_t n = 0; n < now.size(); ++n) {
      if (same(now[n], value(n))) continue;
      const auto& x = steps_.numbers[n];
      if (error.dropped && x.equation == int(*error.dropped)) continue;
      const auto written = write_number(now[n], x);
      if (!written) return std::nullopt;
      edits.push_back({x.begin, x.end, *written});
    }
    for (const auto& [place, c] : error.sign) {
      const auto& [begin, end] = steps_.equations[place.first].operator_at[place.second];
      edits.push_back({begin, end, std::string(1, c)});
    }
    std::sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
    for (const auto& edit : edits) {
      copy(edit.begin);
      while (s + 1 < sentences.size() && at >= steps_.sentences[s].second) ++s;
      sentences[s] += edit.text;
      at = edit.end;
    }
    copy(text_.size());
    if (error.dropped) sentences[steps_.equations[*error.dropped].sentence].clear();
    if (error.swapped) {
      auto &a = sentences[steps_.equations[*error.swapped].sentence], &b = sentences[steps_.equations[*error.swapped].sentence + 1];
      std::swap(a, b);
    }
    std::string out;
    for (const auto& sentence : sentences) out += sentence;
    return out;
  }

  const Problem& problem_;
  std::string text_;
  verify::Reading gold_;
  std::vector<double> given_;
  WorkedSteps steps_;
  bool negative_ = false;
};

// In the generated family the words of a step say its operation: another operation is told in other words.
std::optional<Perturbed> family_operator(const Problem& problem, const Planter& planter, Stream& stream) {
  const Program p = program_of(problem);
  std::vector<std::pair<size_t, int>> order;
  for (size_t i = 0; i < p.steps.size(); ++i)
    for (int op = 0; op < 4; ++op)
      if (op != int(p.steps[i].operation)) order.push_back({i, op});
  stream.shuffle(order);
  for (const auto& [i, op] : order) {
    const auto& list = p.paraphrase ? paraphrased_wordings(op) : family_scenes()[size_t(p.scene)].told[op];
    std::vector<int> wordings;
    for (int w = 0; w < int(list.size()); ++w)
      if (!list[size_t(w)].question) wordings.push_back(w);
    auto steps = p.steps;
    steps[i].operation = Operation(op), steps[i].wording = stream.pick(wordings);
    if (auto out = planter.finish(render_solution(p, steps), Perturbation::kOperator, i)) return out;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Perturbed> perturb(const Problem& problem, const std::string& solution, Perturbation kind, Stream& stream) {
  const Planter planter(problem, strip_annotations(solution));
  if (kind == Perturbation::kOperator && problem.extra.contains("family") && problem.solution == solution) return family_operator(problem, planter, stream);
  return planter.plant(kind, stream);
}

PerturbResult perturb_all(std::span<const Problem> problems, std::span<const Sample> right, const PerturbOptions& options, uint64_t seed) {
  options.validate("");
  std::map<std::string, std::vector<const Sample*>> by_problem;
  for (const auto& s : right)
    if (s.correct.value_or(false) && s.finish_reason == Finish::kStop) by_problem[s.problem_id].push_back(&s);
  std::vector<std::vector<Sample>> made(problems.size());
  std::vector<char> has_text(problems.size());
  parallel_for(
      problems.size(),
      [&](size_t i) {
        const Problem& p = problems[i];
        std::vector<std::string> texts;
        if (const auto it = by_problem.find(p.id); it != by_problem.end())
          for (const Sample* s : it->second)
            if (std::find(texts.begin(), texts.end(), s->text) == texts.end()) texts.push_back(s->text);
        if (texts.empty() && p.solution) texts.push_back(*p.solution);
        has_text[i] = !texts.empty();
        Stream stream(mix64(seed, hash64(p.id)), "perturb");
        auto kinds = options.kinds;
        stream.shuffle(kinds);
        std::set<std::string> seen;
        const int64_t attempts = options.per_problem * 4 + int64_t(kinds.size());
        for (int64_t a = 0; a < attempts && !texts.empty() && int64_t(made[i].size()) < options.per_problem; ++a) {
          const auto out = perturb(p, texts[size_t(a) % texts.size()], kinds[size_t(a) % kinds.size()], stream);
          if (!out || !seen.insert(out->text).second) continue;
          Sample s;
          s.problem_id = p.id, s.sample_id = int64_t(made[i].size()), s.source = "perturbation", s.text = out->text, s.answer = out->answer, s.correct = false;
          s.extra["perturbation"] = to_string(out->kind), s.extra["step"] = out->step;
          made[i].push_back(std::move(s));
        }
      },
      0, 16);
  PerturbResult result;
  for (size_t i = 0; i < problems.size(); ++i) {
    result.problems_without_solution += !has_text[i];
    result.problems_without_error += has_text[i] && made[i].empty();
    for (auto& s : made[i]) {
      ++result.made[s.extra.at("perturbation").get<std::string>()];
      result.samples.push_back(std::move(s));
    }
  }
  return result;
}

void FlawOptions::validate(const std::string& where) const {
  if (wrong < 0 || careless < 0 || wrong + careless > 1)
    throw UsageError(fmt::format("wrong {} and careless {} are no shares of one whole", wrong, careless), where, "each at least 0, together at most 1");
}

namespace {

// The text breaks off, nothing but a final answer is left, or the final answer is not what the working gives.
std::optional<std::string> careless(const Problem& problem, const std::string& solution, Stream& stream) {
  const auto found = verify::extract(solution);
  if (!found) return std::nullopt;
  const auto wrong = [&](std::string text) -> std::optional<std::string> {
    if (text.empty() || verify::check(problem.answer, text).correct()) return std::nullopt;
    return text;
  };
  const auto way = stream.below(3);
  if (way == 0) {
    size_t at = size_t(double(found->begin) * (0.4 + 0.5 * stream.uniform()));
    while (at > 0 && solution[at] != ' ' && solution[at] != '\n') --at;
    return wrong(solution.substr(0, at));
  }
  const auto written = written_numbers(found->text);
  if (written.size() != 1) return std::nullopt;
  std::vector<double> others;
  for (const auto& n : written_numbers(problem.problem)) others.push_back(n.value);
  for (const double d : {-10., -3., -2., -1., 1., 2., 3., 10.})
    if (written[0].value + d > 0) others.push_back(written[0].value + d);
  const auto guess = write_number(stream.pick(others), written[0]);
  if (!guess) return std::nullopt;
  const size_t number = solution.find(found->text, found->begin);
  if (number == std::string::npos) return std::nullopt;
  std::string text = solution;
  text.replace(number + written[0].begin, written[0].end - written[0].begin, *guess);
  if (way == 1) return wrong(text);
  size_t begin = text.rfind("####", found->begin);
  if (begin == std::string::npos)
    for (const char* end : {"\n", ". "})
      if (const size_t at = text.rfind(end, found->begin); at != std::string::npos) begin = std::max(begin == std::string::npos ? 0 : begin, at + (*end == '.' ? 2 : 1));
  return begin == std::string::npos || begin == 0 ? std::nullopt : wrong(text.substr(begin));
}

}  // namespace

FlawCounts plant_flaws(std::vector<Problem>& problems, const FlawOptions& options, uint64_t seed) {
  options.validate("");
  std::vector<char> done(problems.size(), 0);
  parallel_for(
      problems.size(),
      [&](size_t i) {
        Problem& p = problems[i];
        if (!p.solution) return;
        Stream stream(mix64(seed, hash64(p.id)), "flaws");
        const double u = stream.uniform();
        if (u < options.wrong) {
          std::vector<Perturbation> kinds = PerturbOptions{}.kinds;
          stream.shuffle(kinds);
          for (const auto kind : kinds)
            if (auto out = perturb(p, *p.solution, kind, stream)) {
              p.solution = std::move(out->text), done[i] = 1;
              break;
            }
        } else if (u < options.wrong + options.careless) {
          for (int attempt = 0; attempt < 8 && !done[i]; ++attempt)
            if (auto out = careless(p, *p.solution, stream)) p.solution = std::move(*out), done[i] = 2;
        }
      },
      0, 16);
  FlawCounts counts;
  for (const char d : done) counts.wrong += d == 1, counts.careless += d == 2;
  return counts;
}

}  // namespace foil
