#include "eval/result.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"

namespace foil::eval {
namespace {

using Json = nlohmann::json;

struct Gathered {  // the samples of one problem, by sample_id
  const Problem* problem;
  std::vector<const Sample*> samples;
  std::vector<bool> right;
  std::vector<int> classes;
};

std::vector<Gathered> gather(const std::string& split, std::span<const Problem> problems, std::span<const Sample> samples, const EvalOptions& o) {
  std::vector<Gathered> out;
  std::unordered_map<std::string, size_t> place;
  for (const auto& p : problems) {
    if (!place.emplace(p.id, out.size()).second)
      throw Error(fmt::format("two problems have the id \"{}\"", p.id), split, "ids must be unique within a split: foil data check");
    out.push_back({&p, {}, {}, {}});
  }
  for (const auto& s : samples) {
    const auto it = place.find(s.problem_id);
    if (it == place.end())
      throw Error(fmt::format("a sample answers the problem \"{}\", which is not in this split", s.problem_id), split,
                  "the samples belong to other problems, or the split was remade: delete them and evaluate again");
    out[it->second].samples.push_back(&s);
  }
  for (auto& g : out) {
    if (g.samples.empty())
      throw Error(fmt::format("the problem \"{}\" has no sample", g.problem->id), split, "the evaluation was cut short: run it again, it resumes");
    std::stable_sort(g.samples.begin(), g.samples.end(), [](const Sample* a, const Sample* b) { return a->sample_id < b->sample_id; });
    std::vector<std::string> answers;
    std::vector<size_t> where;
    for (size_t i = 0; i < g.samples.size(); ++i) {
      g.right.push_back(g.samples[i]->correct.value_or(false));
      if (g.samples[i]->answer && !g.samples[i]->answer->empty()) answers.push_back(*g.samples[i]->answer), where.push_back(i);
    }
    g.classes.assign(g.samples.size(), -1);
    if (answers.size() == 1) {
      g.classes[where[0]] = 0;
    } else if (!answers.empty()) {
      const auto ids = verify::classes(answers, o.verify);
      for (size_t i = 0; i < where.size(); ++i) g.classes[where[i]] = ids[i];
    }
  }
  return out;
}

// Mean over the disjoint blocks of k consecutive samples.
double majority_at(const Gathered& g, int64_t k) {
  const int64_t blocks = int64_t(g.samples.size()) / k;
  double sum = 0;
  for (int64_t b = 0; b < blocks; ++b)
    sum += majority_right(std::span(g.classes).subspan(size_t(b * k), size_t(k)),
                          std::vector<bool>(g.right.begin() + b * k, g.right.begin() + (b + 1) * k));
  return blocks ? sum / double(blocks) : 0;
}

void count_shares(SplitResult& r, std::span<const Sample> samples) {
  double unreadable = 0, cut = 0, tokens = 0, counted = 0;
  for (const auto& s : samples) {
    unreadable += !s.correct.has_value();
    cut += s.finish_reason == Finish::kLength;
    if (!s.token_ids.empty()) tokens += double(s.token_ids.size()), ++counted;
  }
  const double n = double(std::max<size_t>(samples.size(), 1));
  r.unreadable_share = unreadable / n;
  r.cut_share = cut / n;
  r.mean_tokens = counted > 0 ? tokens / counted : 0;
}

// Accuracy of each run, and the problems whose outcome (majority of the run's samples) differs between runs.
void spread_over_runs(SplitResult& r, const std::vector<Gathered>& all, int64_t runs) {
  const int64_t per_run = r.samples_per_problem / runs;
  if (runs < 2 || per_run < 1) return;
  r.run_accuracy.assign(size_t(runs), 0);
  for (const auto& g : all) {
    std::set<double> outcomes;
    for (int64_t run = 0; run < runs; ++run) {
      const std::vector<bool> right(g.right.begin() + run * per_run, g.right.begin() + (run + 1) * per_run);
      r.run_accuracy[size_t(run)] += double(std::count(right.begin(), right.end(), true)) / double(per_run) / double(all.size());
      const auto classes = std::span(g.classes).subspan(size_t(run * per_run), size_t(per_run));
      outcomes.insert(per_run == 1 ? double(right[0]) : majority_right(classes, right));
    }
    if (outcomes.size() > 1) r.uncertain.push_back(g.problem->id);
  }
  r.run_deviation = standard_deviation(r.run_accuracy);
}

}  // namespace

double majority_right(std::span<const int> classes, const std::vector<bool>& right) {
  std::map<int, std::pair<int, int>> votes;  // class → votes, of them right
  int top = 0;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] < 0) continue;
    auto& [count, good] = votes[classes[i]];
    top = std::max(top, ++count);
    good += right[i];
  }
  double tied = 0, tied_right = 0;
  for (const auto& [id, vote] : votes)
    if (vote.first == top) ++tied, tied_right += 2 * vote.second > vote.first;
  return tied > 0 ? tied_right / tied : 0;
}

const SplitResult* EvalResult::find(const std::string& split) const {
  for (const auto& s : splits)
    if (s.split == split) return &s;
  return nullptr;
}

SplitResult evaluate(const std::string& split, std::span<const Problem> problems, std::span<const Sample> samples, const EvalOptions& o) {
  const auto all = gather(split, problems, samples, o);
  SplitResult r;
  r.split = split;
  r.problems = int64_t(all.size());
  r.runs = std::max<int64_t>(o.runs, 1);
  r.greedy = o.greedy;
  if (all.empty()) return r;
  size_t n = SIZE_MAX;
  for (const auto& g : all) n = std::min(n, g.samples.size());
  r.samples_per_problem = int64_t(n);

  std::vector<std::vector<double>> columns(1);
  std::map<std::string, std::vector<double>> levels;
  for (const auto& g : all) {
    const auto classes = std::span(g.classes);
    ProblemOutcome outcome{g.problem->id, int64_t(g.samples.size()), std::count(g.right.begin(), g.right.end(), true),
                           g.samples.size() == 1 ? double(g.right[0]) : majority_right(classes, g.right)};
    columns[0].push_back(outcome.share());
    const auto& level = g.problem->level ? g.problem->level : g.problem->subject;
    if (level) levels[*level].push_back(outcome.share());
    r.outcomes.push_back(std::move(outcome));
  }
  std::vector<int64_t> ks;
  for (const int64_t k : o.ks)
    if (k >= 1 && k <= r.samples_per_problem) ks.push_back(k);
  for (const int64_t k : ks) {
    auto& pass = columns.emplace_back();
    for (const auto& outcome : r.outcomes) pass.push_back(pass_at_k(outcome.samples, outcome.right, k));
  }
  for (const int64_t k : ks) {
    auto& majority = columns.emplace_back();
    for (const auto& g : all) majority.push_back(k == 1 ? columns[0][majority.size()] : majority_at(g, k));
  }
  const auto figures = bootstrap_means(columns, o.bootstrap);
  r.accuracy = figures[0];
  for (size_t i = 0; i < ks.size(); ++i) {
    r.pass_at[ks[i]] = figures[1 + i];
    r.majority_at[ks[i]] = figures[1 + ks.size() + i];
  }
  for (const auto& [level, values] : levels) r.by_level[level] = bootstrap_mean(values, o.bootstrap);
  spread_over_runs(r, all, r.runs);
  count_shares(r, samples);
  return r;
}

void finish(EvalResult& result, const BootstrapOptions& o) {
  std::vector<std::vector<double>> groups;
  for (const auto& s : result.splits) {
    auto& g = groups.emplace_back();
    for (const auto& p : s.outcomes) g.push_back(p.share());
  }
  result.average = bootstrap_grouped_mean(groups, o);
}

void to_json(Json& j, const ProblemOutcome& x) { j = {{"id", x.id}, {"samples", x.samples}, {"right", x.right}, {"majority", x.majority}}; }
void from_json(const Json& j, ProblemOutcome& x) {
  x = {j.at("id").get<std::string>(), j.at("samples").get<int64_t>(), j.at("right").get<int64_t>(), j.at("majority").get<double>()};
}

namespace {

Json by_k_json(const std::map<int64_t, Figure>& figures) {
  Json j = Json::object();
  for (const auto& [k, figure] : figures) j[std::to_string(k)] = figure;
  return j;
}

std::map<int64_t, Figure> by_k(const Json& j) {
  std::map<int64_t, Figure> out;
  for (const auto& [k, figure] : j.items()) out[std::stoll(k)] = figure.get<Figure>();
  return out;
}

}  // namespace

void to_json(Json& j, const SplitResult& x) {
  j = {{"split", x.split}, {"problems", x.problems}, {"samples_per_problem", x.samples_per_problem}, {"runs", x.runs}, {"greedy", x.greedy},
       {"accuracy", x.accuracy}, {"pass_at", by_k_json(x.pass_at)}, {"majority_at", by_k_json(x.majority_at)},
       {"run_accuracy", x.run_accuracy}, {"run_deviation", x.run_deviation}, {"uncertain", x.uncertain}, {"by_level", x.by_level},
       {"unreadable_share", x.unreadable_share}, {"cut_share", x.cut_share}, {"mean_tokens", x.mean_tokens}, {"outcomes", x.outcomes}};
}

void from_json(const Json& j, SplitResult& x) {
  x.split = j.at("split");
  x.problems = j.at("problems");
  x.samples_per_problem = j.at("samples_per_problem");
  x.runs = j.value("runs", int64_t{1});
  x.greedy = j.value("greedy", false);
  x.accuracy = j.at("accuracy");
  x.pass_at = by_k(j.value("pass_at", Json::object()));
  x.majority_at = by_k(j.value("majority_at", Json::object()));
  x.run_accuracy = j.value("run_accuracy", std::vector<double>{});
  x.run_deviation = j.value("run_deviation", 0.0);
  x.uncertain = j.value("uncertain", std::vector<std::string>{});
  x.by_level = j.value("by_level", std::map<std::string, Figure>{});
  x.unreadable_share = j.value("unreadable_share", 0.0);
  x.cut_share = j.value("cut_share", 0.0);
  x.mean_tokens = j.value("mean_tokens", 0.0);
  x.outcomes = j.at("outcomes").get<std::vector<ProblemOutcome>>();
}

void to_json(Json& j, const EvalResult& x) {
  j = {{"policy", x.policy}, {"model", x.model}, {"sampling", x.sampling}, {"seconds", x.seconds}, {"average", x.average}, {"splits", x.splits}};
}

void from_json(const Json& j, EvalResult& x) {
  x.policy = j.at("policy");
  x.model = j.value("model", "");
  x.sampling = j.value("sampling", Json::object());
  x.seconds = j.value("seconds", 0.0);
  x.average = j.at("average");
  x.splits = j.at("splits").get<std::vector<SplitResult>>();
}

}  // namespace foil::eval
