// The result in sentences, the headline table, warnings, and the evaluation in detail.
#include <algorithm>
#include <set>

#include "report/headline.h"
#include "report/html.h"
#include "report/run_files.h"
#include "report/sections.h"
#include "report/warnings.h"

namespace foil::report {
namespace {

std::string key(const std::string& policy) { return fmt::format("<span class='key' style='background:{}'></span>", css(policy_colour(policy))); }

const HeadlineRow* find(const Headline& t, const std::string& policy) {
  for (const auto& r : t.rows)
    if (r.policy == policy) return &r;
  return nullptr;
}

const eval::EvalResult* find(const RunData& run, const std::string& policy) {
  for (const auto& r : run.evals)
    if (r.policy == policy) return &r;
  return nullptr;
}

std::string difference_sentence(const std::string& what, const eval::PairedDifference& d) {
  const bool clear = d.interval.low > 0 || d.interval.high < 0;
  return fmt::format("{}: <b>{} points</b> (95 % interval {} to {}, p {}) – {}.", what, points(d.difference), points(d.interval.low), points(d.interval.high), escape(d.p < 0.001 ? p_value(d.p) : "= " + p_value(d.p)),
                     clear ? (d.difference > 0 ? "a gain beyond chance" : "a loss beyond chance") : "too small to tell from chance on this many problems");
}

std::string verdict(const RunData& run, const Headline& t) {
  if (t.rows.empty()) return "<p>No policy has been evaluated yet, so there is no result to report.</p>";
  const auto *last = find(t, "dpo_plausible"), *other = find(t, "dpo_rejection"), *base = find(t, t.baseline);
  if (!last) last = &t.rows.back();
  const bool one = t.splits.size() == 1;
  std::string html = fmt::format("<p><b>{}</b> answers <b>{}</b> of the problems right{}", escape(last->label), percent(last->average.value),
                                 one ? fmt::format(" on {}", escape(split_label(t.splits[0]))) : fmt::format(", on average over {} sets of problems", t.splits.size()));
  if (base && base != last) html += fmt::format("; {} answers {}", escape(base->label), percent(base->average.value));
  if (const auto* sft = find(t, "sft"); sft && sft != last && sft != base) html += fmt::format(", and {} {}", escape(sft->label), percent(sft->average.value));
  html += ".</p>";
  if (last->against) html += "<p>" + difference_sentence("Against " + escape(policy_label(t.baseline)), last->against->average) + "</p>";
  if (last->policy == "dpo_plausible" && other) {
    const auto c = eval::compare(*find(run, "dpo_rejection"), *find(run, "dpo_plausible"));
    html += "<p>" + difference_sentence("Against the same training on rejection-sampled negatives", c.average) + "</p>";
  }
  return html;
}

std::string figure_cell(const eval::Figure& f, bool best) {
  return fmt::format("<td{}>{:.1f}<small>{:.1f} – {:.1f}</small></td>", best ? " class='best'" : "", 100 * f.value, 100 * f.interval.low, 100 * f.interval.high);
}

std::string headline_table(const Headline& t) {
  std::vector<double> best(t.splits.size() + 1, -1);
  for (const auto& r : t.rows) {
    best[0] = std::max(best[0], r.average.value);
    for (size_t i = 0; i < t.splits.size(); ++i)
      if (r.splits[i]) best[i + 1] = std::max(best[i + 1], r.splits[i]->value);
  }
  const bool mark = t.rows.size() > 1;
  std::string html = "<div class='scroll'><table><tr><th>" + escape(t.metric) + ", %</th><th>average</th>";
  for (const auto& s : t.splits) html += "<th>" + escape(split_label(s)) + "</th>";
  html += "</tr>";
  for (const auto& r : t.rows) {
    html += "<tr><td>" + key(r.policy) + escape(r.label) + "</td>" + figure_cell(r.average, mark && r.average.value == best[0]);
    for (size_t i = 0; i < t.splits.size(); ++i)
      html += r.splits[i] ? figure_cell(*r.splits[i], mark && r.splits[i]->value == best[i + 1] && best[i + 1] > 0) : "<td>–</td>";
    html += "</tr>";
  }
  html += "</table></div><p><small>Small figures: 95 % interval, bootstrap over problems. Green: highest of the column, which need not be a clear difference.</small></p>";
  std::string lines;
  const auto compared = [&](const HeadlineRow& r, const eval::Comparison& c) {
    double positive = 0, noise = 0;
    for (const auto& s : c.splits) positive += s.flips.positive / double(c.splits.size()), noise += s.flips.noise / double(c.splits.size());
    const auto& d = c.average;
    lines += fmt::format("<tr><td>{}{}</td><td class='text'>{}</td><td>{}</td><td>{} … {}</td><td>{}</td><td>{}{}</td><td>{}</td></tr>", key(r.policy), escape(r.label), escape(policy_label(c.old_policy)),
                         points(d.difference), points(d.interval.low), points(d.interval.high), escape(p_value(d.p)), percent(c.negative_flips),
                         noise > 0 ? fmt::format("<small>{} by sampling alone</small>", percent(noise)) : "", percent(positive));
  };
  for (const auto& r : t.rows)
    if (r.against) compared(r, *r.against);
  for (const auto& r : t.rows)
    if (r.before) compared(r, *r.before);
  if (lines.empty()) return html;
  html += "<h3>Against an earlier policy, problem by problem</h3><div class='scroll'><table><tr><th></th><th class='text'>against</th><th>difference, points</th><th>95 % interval</th><th>p</th>"
          "<th>lost: right before, wrong now</th><th>won: wrong before, right now</th></tr>" + lines;
  return html + "</table></div><p><small>Paired bootstrap over the same problems. “Lost” are <i>negative flips</i>: what users of the old policy would notice as having become worse.</small></p>";
}

std::string interval_figure(const Headline& t) {
  std::vector<IntervalGroup> groups(1);
  groups[0].title = "average";
  for (const auto& r : t.rows) groups[0].rows.push_back({r.label, policy_colour(r.policy), r.average});
  for (size_t i = 0; i < t.splits.size() && t.splits.size() > 1; ++i) {
    auto& g = groups.emplace_back();
    g.title = split_label(t.splits[i]);
    for (const auto& r : t.rows)
      if (r.splits[i]) g.rows.push_back({r.label, policy_colour(r.policy), *r.splits[i]});
  }
  std::vector<std::pair<std::string, Colour>> names;
  for (const auto& r : t.rows) names.emplace_back(r.label, policy_colour(r.policy));
  return "<figure class='wide'>" + legend(names) + interval_chart(groups) + "</figure>";
}

std::string pass_at_k(const RunData& run, const Headline& t) {
  std::string html;
  for (const bool majority : {false, true}) {
    std::vector<Series> series;
    double most = 1;
    for (const auto& row : t.rows) {
      const auto* r = find(run, row.policy);
      std::map<int64_t, std::pair<double, int>> sums;
      for (const auto& s : r->splits)
        for (const auto& [k, f] : majority ? s.majority_at : s.pass_at) sums[k].first += f.value, sums[k].second += 1;
      Series line{row.label, {}, policy_colour(row.policy)};
      for (const auto& [k, sum] : sums)
        if (sum.second == int(r->splits.size())) line.points.emplace_back(double(k), sum.first / sum.second), most = std::max(most, double(k));
      series.push_back(std::move(line));
    }
    if (most < 2) continue;
    html += line_chart(series, {.title = majority ? "maj@k: right by majority of k answers" : "pass@k: at least one of k answers right",
                                .note = majority ? "mean over the splits; answers counted as equal when they are mathematically equal" : "mean over the splits, unbiased estimate; a curve that flattens early means less exploration",
                                .x_label = "k (doubling)", .as_percent = true, .log_x = true, .markers = true});
  }
  return html.empty() ? "" : "<div class='charts'>" + html + "</div>";
}

std::string split_details(const RunData& run, const Headline& t) {
  bool runs = false;
  for (const auto& r : run.evals)
    for (const auto& s : r.splits) runs = runs || s.run_accuracy.size() > 1;
  std::string html = "<div class='scroll'><table><tr><th>split</th><th class='text'>policy</th><th>problems</th><th>answers each</th><th>right, %</th>";
  if (runs) html += "<th>spread over runs</th><th>uncertain problems</th>";
  html += "<th>no readable answer</th><th>cut at the limit</th><th>tokens</th></tr>";
  for (const auto& split : t.splits)
    for (const auto& row : t.rows) {
      const auto* s = find(run, row.policy)->find(split);
      if (!s) continue;
      html += fmt::format("<tr><td>{}</td><td class='text'>{}{}</td><td>{}</td><td>{}</td><td>{:.1f}</td>", escape(split_label(split)), key(row.policy), escape(row.label), s->problems,
                          s->greedy ? "greedy" : std::to_string(s->samples_per_problem), 100 * s->accuracy.value);
      if (runs)
        html += s->run_accuracy.size() > 1 ? fmt::format("<td>±{:.1f}</td><td>{}</td>", 100 * s->run_deviation, percent(double(s->uncertain.size()) / double(std::max<int64_t>(s->problems, 1)), 0)) : "<td>–</td><td>–</td>";
      html += fmt::format("<td>{}</td><td>{}</td><td>{}</td></tr>", percent(s->unreadable_share), percent(s->cut_share), s->mean_tokens > 0 ? number(s->mean_tokens) : "–");
    }
  html += "</table></div>";
  if (runs) html += "<p><small>Spread: standard deviation of the accuracy over the evaluation runs. Uncertain problems: solved in some runs and not in others.</small></p>";
  return html;
}

std::string listed(const std::vector<std::string>& problems) {
  const size_t shown = std::min<size_t>(problems.size(), 40);
  std::string out;
  for (size_t i = 0; i < shown; ++i) out += (i ? ", " : "") + escape(problems[i]);
  return shown < problems.size() ? out + fmt::format(" and {} more", problems.size() - shown) : out;
}

std::string levels(const RunData& run, const Headline& t) {
  std::string html;
  for (const auto& split : t.splits) {
    std::set<std::string> names;
    for (const auto& row : t.rows)
      if (const auto* s = find(run, row.policy)->find(split))
        for (const auto& [level, f] : s->by_level) names.insert(level);
    if (names.size() < 2) continue;
    html += "<h3>" + escape(split_label(split)) + " by level</h3><div class='scroll'><table><tr><th></th>";
    for (const auto& n : names) html += "<th>" + escape(n) + "</th>";
    html += "</tr>";
    for (const auto& row : t.rows) {
      const auto* s = find(run, row.policy)->find(split);
      if (!s) continue;
      html += "<tr><td>" + key(row.policy) + escape(row.label) + "</td>";
      for (const auto& n : names) html += s->by_level.count(n) ? figure_cell(s->by_level.at(n), false) : "<td>–</td>";
      html += "</tr>";
    }
    html += "</table></div>";
  }
  return html.empty() ? "" : "<details><summary>By level or subject</summary>" + html + "</details>";
}

}  // namespace

Colour policy_colour(const std::string& policy) {
  if (policy == "start") return Colour::kGrey;
  if (policy == "sft") return Colour::kSlate;
  if (policy == "rl") return Colour::kBlue;
  if (policy == "dpo_rejection" || policy == "rejection") return Colour::kOrange;
  if (policy == "dpo_plausible" || policy == "plausible" || policy == "generator") return Colour::kGreen;
  return policy == "reward_model" ? Colour::kRed : Colour::kPurple;
}

std::string verdict_section(const RunData& run, const Headline& t) {
  const auto* last = t.rows.empty() ? nullptr : &t.rows.back();
  const bool worse = last && last->against && last->against->average.interval.high < 0;
  std::string html = std::string("<div class='verdict") + (worse ? " worse" : "") + "'>" + verdict(run, t) + "</div>";
  if (t.rows.empty()) return html;
  return html + headline_table(t) + interval_figure(t);
}

std::string warning_section(const RunData& run) {
  const auto list = warnings(run);
  std::string html = "<h3>What to watch</h3>";
  if (list.empty()) return html + "<div class='fine'>None of the known hazards was found in this run's figures (generator collapse, reward exploitation, negatives far from the policy, falling chosen answers, silent groups).</div>";
  for (const auto& w : list)
    html += fmt::format("<div class='warning{}'><b>{}</b><p>{}</p></div>", w.level == Warning::Level::kSerious ? " serious" : "", escape(w.title), escape(w.text));
  return html;
}

std::string evaluation_section(const RunData& run, const Headline& t) {
  if (t.rows.empty()) return "";
  std::string html = pass_at_k(run, t) + "<details><summary>Every split and policy: spread over runs, unreadable and cut answers, length</summary>" + split_details(run, t) + "</details>" + levels(run, t);
  std::string flipped;
  for (const auto& r : t.rows) {
    if (!r.against) continue;
    for (const auto& s : r.against->splits) {
      if (s.flips.flipped.empty()) continue;
      flipped += "<p><b>" + escape(r.label) + "</b>, " + escape(split_label(s.split)) + ": " + listed(s.flips.flipped) + "</p>";
    }
  }
  if (!flipped.empty()) html += "<details><summary>Which problems were lost (negative flips)</summary>" + flipped + "</details>";
  std::string uncertain;
  for (const auto& row : t.rows)
    for (const auto& s : find(run, row.policy)->splits) {
      if (s.run_accuracy.size() < 2) continue;
      uncertain += "<p><b>" + escape(row.label) + "</b>, " + escape(split_label(s.split)) + ", runs ";
      for (size_t i = 0; i < s.run_accuracy.size(); ++i) uncertain += (i ? ", " : "") + percent(s.run_accuracy[i]);
      uncertain += ": " + (s.uncertain.empty() ? std::string("none") : listed(s.uncertain)) + "</p>";
    }
  if (!uncertain.empty()) html += "<details><summary>Uncertain problems (solved in some runs and not in others), and the accuracy of each run</summary>" + uncertain + "</details>";
  return html;
}

}  // namespace foil::report
