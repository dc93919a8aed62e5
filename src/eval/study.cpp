#include "eval/study.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "eval/compare.h"

namespace foil::eval {
namespace {

// Accuracy of every problem; throws when the problems are not those of `like`.
std::vector<std::vector<double>> shares(const EvalResult& result, const EvalResult& like) {
  std::vector<std::vector<double>> out;
  for (const auto& split : like.splits) {
    const SplitResult* found = result.find(split.split);
    const bool same = found && found->outcomes.size() == split.outcomes.size() &&
                      std::equal(split.outcomes.begin(), split.outcomes.end(), found->outcomes.begin(), [](const auto& a, const auto& b) { return a.id == b.id; });
    if (!same) throw Error("two evaluations of a study hold different problems", fmt::format("{} and {}, split {}", like.policy, result.policy, split.split), "delete the study's folder and start it again");
    auto& row = out.emplace_back();
    for (const auto& o : found->outcomes) row.push_back(o.share());
  }
  return out;
}

SeededValues one_split(const SeededValues& values, size_t split) {
  SeededValues out;
  for (const auto& seed : values) out.push_back({seed[split]});
  return out;
}

SeededValues one_seed(const SeededValues& values, size_t seed) { return {values[seed]}; }

std::string signed_points(double x) { return fmt::format("{}{:.1f}", x < 0 ? "−" : "+", std::abs(100 * x)); }
std::string p_text(double p) { return p < 0.001 ? "< .001" : fmt::format("{:.3f}", p).substr(p < 1 ? 1 : 0); }
std::string difference_cell(const PairedDifference& d) {
  return fmt::format("{} ({} to {}; {})", signed_points(d.difference), signed_points(d.interval.low), signed_points(d.interval.high), p_text(d.p));
}

}  // namespace

PairedDifference seeded_bootstrap(const SeededValues& a, const SeededValues& b, const BootstrapOptions& o) {
  FOIL_CHECK(a.empty() || a.size() == b.size(), "{} and {} seeds", a.size(), b.size());
  PairedDifference out;
  if (b.empty() || b.front().empty()) return out;
  SeededValues d = b;
  const size_t seeds = d.size(), splits = d.front().size();
  bool same = true;
  for (size_t s = 0; s < seeds; ++s) {
    FOIL_CHECK(d[s].size() == splits && (a.empty() || a[s].size() == splits), "seeds with different splits");
    for (size_t k = 0; k < splits; ++k) {
      FOIL_CHECK(d[s][k].size() == d.front()[k].size() && (a.empty() || a[s][k].size() == d[s][k].size()), "seeds with different problems");
      for (size_t i = 0; i < d[s][k].size(); ++i) {
        if (!a.empty()) d[s][k][i] -= a[s][k][i];
        same = same && d[s][k][i] == d.front()[0][0];
      }
      out.difference += mean(d[s][k]) / double(seeds * splits);
    }
  }
  std::vector<double> draws;
  std::vector<int32_t> times(seeds);
  for (int r = 0; r < o.resamples; ++r) {
    Stream stream(o.seed, mix64(hash64("study bootstrap"), uint64_t(r)));
    std::fill(times.begin(), times.end(), 0);
    for (size_t s = 0; s < seeds; ++s) ++times[stream.below(seeds)];
    double value = 0;
    for (size_t k = 0; k < splits; ++k) {
      const size_t n = d.front()[k].size();
      double sum = 0;
      for (size_t i = 0; i < n; ++i) {
        const size_t at = stream.below(n);
        for (size_t s = 0; s < seeds; ++s)
          if (times[s]) sum += d[s][k][at] * times[s];
      }
      if (n) value += sum / double(n * seeds * splits);
    }
    draws.push_back(value);
  }
  const double tail = (1 - o.level) / 2;
  out.interval = {quantile(draws, tail), quantile(draws, 1 - tail)};
  const auto n = double(draws.size());
  const auto below = double(std::count_if(draws.begin(), draws.end(), [](double x) { return x <= 0; }));
  const auto above = double(std::count_if(draws.begin(), draws.end(), [](double x) { return x >= 0; }));
  out.p = same && out.difference == 0 ? 1 : std::min(1.0, 2 * (1 + std::min(below, above)) / (n + 1));
  return out;
}

std::vector<StudyRow> study_rows(const std::vector<StudyArm>& arms, const std::vector<std::string>& baselines, const BootstrapOptions& options) {
  std::vector<StudyRow> out;
  auto find = [&](const std::string& name) -> const StudyArm* {
    for (const auto& arm : arms)
      if (arm.name == name) return &arm;
    return nullptr;
  };
  for (const auto& arm : arms) {
    if (arm.evals.empty()) continue;
    const EvalResult& like = arm.evals.begin()->second;
    StudyRow row{arm.name, arm.label};
    SeededValues values;
    std::vector<double> averages;
    for (const auto& [seed, result] : arm.evals) {
      row.seeds.push_back(seed);
      values.push_back(shares(result, like));
      averages.push_back(seeded_bootstrap({}, one_seed(values, values.size() - 1), {.resamples = 0}).difference);
      for (const auto& split : result.splits)
        for (const auto& [k, figure] : split.pass_at) row.pass_at[k] += figure.value / double(result.splits.size() * arm.evals.size());
    }
    for (size_t k = 0; k < like.splits.size(); ++k) {
      const auto figure = seeded_bootstrap({}, one_split(values, k), options);
      row.splits[like.splits[k].split] = {figure.difference, figure.interval};
    }
    const auto average = seeded_bootstrap({}, values, options);
    row.average = {average.difference, average.interval};
    row.seed_deviation = standard_deviation(averages);
    for (size_t b = 0; b < baselines.size(); ++b) {
      const StudyArm* base = find(baselines[b]);
      if (!base || base->name == arm.name) continue;
      SeededValues mine, theirs;
      double flips = 0;
      for (const auto& [seed, result] : arm.evals) {
        const auto other = base->evals.find(seed);
        if (other == base->evals.end()) continue;
        mine.push_back(shares(result, like)), theirs.push_back(shares(other->second, like));
        if (b == 0) flips += compare(other->second, result, {.resamples = 1}).negative_flips;
      }
      if (mine.empty()) continue;
      row.against[base->name] = seeded_bootstrap(theirs, mine, options);
      for (size_t k = 0; k < like.splits.size(); ++k)
        row.split_against[base->name][like.splits[k].split] = seeded_bootstrap(one_split(theirs, k), one_split(mine, k), options);
      if (b == 0) row.negative_flips = flips / double(mine.size());
    }
    std::map<std::string, int> counts;
    for (const auto& [seed, figures] : arm.figures)
      if (arm.evals.count(seed))
        for (const auto& [name, value] : figures) row.figures[name] += value, ++counts[name];
    for (auto& [name, value] : row.figures) value /= counts[name];
    out.push_back(std::move(row));
  }
  return out;
}

std::string study_markdown(const StudyTable& t) {
  std::map<std::string, std::string> labels;
  size_t fewest = SIZE_MAX, most = 0;
  for (const auto& row : t.rows) {
    labels[row.name] = row.label;
    fewest = std::min(fewest, row.seeds.size()), most = std::max(most, row.seeds.size());
  }
  std::string out = fmt::format("## {}\n\n", t.title);
  if (t.rows.empty()) return out + "No result yet.\n";
  out += fmt::format("`{}` · {} of {} seeds{}. Percent right, mean over seeds, with the 95 % interval of a bootstrap over seeds and problems; differences in points.\n\n", t.command,
                     fewest == most ? std::to_string(most) : fmt::format("{} to {}", fewest, most), t.seeds_planned, int64_t(fewest) < t.seeds_planned ? ": partial" : "");
  out += "| |";
  for (const auto& split : t.splits) out += fmt::format(" {} |", split);
  out += " average | between seeds |";
  for (const auto& b : t.baselines) out += fmt::format(" against {} (p) |", labels.count(b) ? labels[b] : b);
  out += " negative flips |\n|---|";
  for (size_t i = 0; i < t.splits.size() + 3 + t.baselines.size(); ++i) out += "---|";
  out += "\n";
  auto cell = [](const Figure& f) { return fmt::format("{:.1f} ({:.1f}–{:.1f})", 100 * f.value, 100 * f.interval.low, 100 * f.interval.high); };
  for (const auto& row : t.rows) {
    out += fmt::format("| {} |", row.label);
    for (const auto& split : t.splits) out += row.splits.count(split) ? fmt::format(" {} |", cell(row.splits.at(split))) : " – |";
    out += fmt::format(" {} | ±{:.1f} |", cell(row.average), 100 * row.seed_deviation);
    for (const auto& b : t.baselines) {
      const auto it = row.against.find(b);
      out += it == row.against.end() ? " – |" : fmt::format(" {} |", difference_cell(it->second));
    }
    out += row.negative_flips ? fmt::format(" {:.1f} % |\n", 100 * *row.negative_flips) : " – |\n";
  }
  for (const auto& b : t.baselines) {
    if (std::none_of(t.rows.begin(), t.rows.end(), [&](const StudyRow& row) { return row.split_against.count(b); })) continue;
    out += fmt::format("\nAgainst {}, by split:\n\n| |", labels.count(b) ? labels[b] : b);
    for (const auto& split : t.splits) out += fmt::format(" {} |", split);
    out += "\n|---|";
    for (size_t i = 0; i < t.splits.size(); ++i) out += "---|";
    out += "\n";
    for (const auto& row : t.rows) {
      const auto it = row.split_against.find(b);
      if (it == row.split_against.end()) continue;
      out += fmt::format("| {} |", row.label);
      for (const auto& split : t.splits) out += it->second.count(split) ? fmt::format(" {} |", difference_cell(it->second.at(split))) : " – |";
      out += "\n";
    }
  }
  std::vector<std::string> names;
  bool passes = false;
  for (const auto& row : t.rows) {
    passes = passes || (!row.pass_at.empty() && row.pass_at.rbegin()->first > 8);
    for (const auto& [name, value] : row.figures)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (!names.empty()) {
    out += "\n| |";
    for (const auto& name : names) out += fmt::format(" {} |", name);
    out += "\n|---|";
    for (size_t i = 0; i < names.size(); ++i) out += "---|";
    out += "\n";
    for (const auto& row : t.rows) {
      if (row.figures.empty()) continue;
      out += fmt::format("| {} |", row.label);
      for (const auto& name : names) {
        const auto it = row.figures.find(name);
        out += it == row.figures.end() ? " – |" : std::abs(it->second) >= 1000 ? fmt::format(" {:.0f} |", it->second) : fmt::format(" {:.3g} |", it->second);
      }
      out += "\n";
    }
  }
  if (passes) {
    std::vector<int64_t> ks;
    for (const auto& row : t.rows)
      for (const auto& [k, value] : row.pass_at)
        if (std::find(ks.begin(), ks.end(), k) == ks.end()) ks.push_back(k);
    std::sort(ks.begin(), ks.end());
    out += "\npass@k, percent, mean over splits and seeds:\n\n| |";
    for (const auto k : ks) out += fmt::format(" {} |", k);
    out += "\n|---|";
    for (size_t i = 0; i < ks.size(); ++i) out += "---|";
    out += "\n";
    for (const auto& row : t.rows) {
      out += fmt::format("| {} |", row.label);
      for (const auto k : ks) out += row.pass_at.count(k) ? fmt::format(" {:.1f} |", 100 * row.pass_at.at(k)) : " – |";
      out += "\n";
    }
  }
  for (const auto& note : t.notes) out += "\n" + note + "\n";
  return out;
}

void to_json(nlohmann::json& j, const StudyTable& x) {
  auto rows = nlohmann::json::array();
  for (const auto& r : x.rows) {
    nlohmann::json row = {{"name", r.name}, {"label", r.label}, {"seeds", r.seeds}, {"average", r.average}, {"seed_deviation", r.seed_deviation}, {"figures", r.figures}};
    row["splits"] = nlohmann::json::object(), row["against"] = nlohmann::json::object(), row["split_against"] = nlohmann::json::object(), row["pass_at"] = nlohmann::json::object();
    for (const auto& [name, figure] : r.splits) row["splits"][name] = figure;
    for (const auto& [name, d] : r.against) row["against"][name] = d;
    for (const auto& [name, splits] : r.split_against)
      for (const auto& [split, d] : splits) row["split_against"][name][split] = d;
    for (const auto& [k, value] : r.pass_at) row["pass_at"][std::to_string(k)] = value;
    if (r.negative_flips) row["negative_flips"] = *r.negative_flips;
    rows.push_back(std::move(row));
  }
  j = {{"kind", x.kind}, {"title", x.title}, {"command", x.command}, {"seeds_planned", x.seeds_planned}, {"splits", x.splits}, {"baselines", x.baselines}, {"rows", rows}, {"notes", x.notes}};
}

void from_json(const nlohmann::json& j, StudyTable& x) {
  x = {j.at("kind"), j.at("title"), j.at("command"), j.at("seeds_planned"), j.at("splits"), j.at("baselines"), {}, j.at("notes")};
  for (const auto& row : j.at("rows")) {
    StudyRow r{row.at("name"), row.at("label"), row.at("seeds")};
    for (const auto& [name, figure] : row.at("splits").items()) r.splits[name] = figure.get<Figure>();
    r.average = row.at("average").get<Figure>(), r.seed_deviation = row.at("seed_deviation");
    for (const auto& [name, d] : row.at("against").items()) r.against[name] = d.get<PairedDifference>();
    if (row.contains("split_against"))  // absent in tables of older versions
      for (const auto& [name, splits] : row.at("split_against").items())
        for (const auto& [split, d] : splits.items()) r.split_against[name][split] = d.get<PairedDifference>();
    if (row.contains("negative_flips")) r.negative_flips = row.at("negative_flips").get<double>();
    for (const auto& [k, value] : row.at("pass_at").items()) r.pass_at[std::stoll(k)] = value.get<double>();
    r.figures = row.at("figures").get<std::map<std::string, double>>();
    x.rows.push_back(std::move(r));
  }
}

}  // namespace foil::eval
