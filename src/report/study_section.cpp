// Studies: one table each, rows the sources or objectives compared.
#include <algorithm>
#include <set>

#include "report/html.h"
#include "report/sections.h"

namespace foil::report {
namespace {

std::string interval_text(const eval::Interval& x) { return fmt::format("{:.1f} to {:.1f}", 100 * x.low, 100 * x.high); }

std::string figure_table(const eval::StudyTable& t) {
  std::vector<std::string> names;
  for (const auto& row : t.rows)
    for (const auto& [name, value] : row.figures)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  if (names.empty()) return "";
  std::string html = "<div class='scroll'><table><tr><th></th>";
  for (const auto& name : names) html += "<th>" + escape(name) + "</th>";
  html += "</tr>";
  for (const auto& row : t.rows) {
    if (row.figures.empty()) continue;
    html += "<tr><td>" + escape(row.label) + "</td>";
    for (const auto& name : names) html += "<td>" + (row.figures.count(name) ? number(row.figures.at(name)) : std::string("–")) + "</td>";
    html += "</tr>";
  }
  return html + "</table></div>";
}

// pass@k of rows that have it up to many k: curves, and the figures below them.
std::string passes(const eval::StudyTable& t) {
  static constexpr Colour kLines[] = {Colour::kGrey, Colour::kBlue, Colour::kOrange, Colour::kGreen, Colour::kPurple, Colour::kRed, Colour::kPink, Colour::kSlate};
  std::vector<Series> curves;
  for (const auto& row : t.rows) {
    if (row.pass_at.empty() || row.pass_at.rbegin()->first <= 8 || curves.size() == std::size(kLines)) continue;
    Series curve{row.label, {}, kLines[curves.size()]};
    for (const auto& [k, value] : row.pass_at) curve.points.emplace_back(double(k), value);
    curves.push_back(std::move(curve));
  }
  std::set<int64_t> ks;
  for (const auto& row : t.rows)
    if (!row.pass_at.empty() && row.pass_at.rbegin()->first > 8)
      for (const auto& [k, value] : row.pass_at) ks.insert(k);
  if (ks.empty()) return "";
  std::string html = "<div class='charts'>" +
                     line_chart(curves, {.title = "pass@k: at least one of k answers right", .note = "mean over splits and seeds, unbiased estimate; a curve that flattens early means less exploration",
                                         .x_label = "k (doubling)", .as_percent = true, .log_x = true, .markers = true}) +
                     "</div><div class='scroll'><table><tr><th>pass@</th>";
  for (const auto k : ks) html += fmt::format("<th>{}</th>", k);
  html += "</tr>";
  for (const auto& row : t.rows) {
    if (row.pass_at.empty() || row.pass_at.rbegin()->first <= 8) continue;
    html += "<tr><td>" + escape(row.label) + "</td>";
    for (const auto k : ks) html += "<td>" + (row.pass_at.count(k) ? percent(row.pass_at.at(k)) : std::string("–")) + "</td>";
    html += "</tr>";
  }
  return html + "</table></div>";
}

// Differences against each baseline, split by split.
std::string split_differences(const eval::StudyTable& t, std::map<std::string, std::string>& labels) {
  std::string html;
  for (const auto& b : t.baselines) {
    if (std::none_of(t.rows.begin(), t.rows.end(), [&](const eval::StudyRow& row) { return row.split_against.count(b); })) continue;
    html += "<p>Points against " + escape(labels.count(b) ? labels[b] : b) + ", by split, with the 95 % interval and p; of twenty such p one is below .05 by chance.</p><div class='scroll'><table><tr><th></th>";
    for (const auto& split : t.splits) html += "<th>" + escape(split_label(split)) + "</th>";
    html += "</tr>";
    for (const auto& row : t.rows) {
      const auto it = row.split_against.find(b);
      if (it == row.split_against.end()) continue;
      html += "<tr><td>" + escape(row.label) + "</td>";
      for (const auto& split : t.splits) {
        const auto d = it->second.find(split);
        html += d == it->second.end() ? "<td>–</td>" : fmt::format("<td>{} ({} to {}; {})</td>", points(d->second.difference), points(d->second.interval.low), points(d->second.interval.high), p_value(d->second.p));
      }
      html += "</tr>";
    }
    html += "</table></div>";
  }
  return html;
}

}  // namespace

std::string study_section(const RunData& run) {
  std::string html;
  for (const auto& t : run.studies) {
    if (t.rows.empty()) continue;
    size_t fewest = SIZE_MAX;
    std::map<std::string, std::string> labels;
    for (const auto& row : t.rows) fewest = std::min(fewest, row.seeds.size()), labels[row.name] = row.label;
    html += "<h3>" + escape(t.title) + "</h3><p><code>" + escape(t.command) + "</code></p>";
    if (int64_t(fewest) < t.seeds_planned) html += fmt::format("<p>Partial: {} of {} seeds are complete.</p>", fewest, t.seeds_planned);
    html += "<p>Percent right, mean over seeds; intervals and p from a bootstrap over seeds and problems.</p><div class='scroll'><table><tr><th></th>";
    for (const auto& split : t.splits) html += "<th>" + escape(split_label(split)) + "</th>";
    html += "<th>average</th><th>95 %</th>";
    for (const auto& b : t.baselines) html += "<th>against " + escape(labels.count(b) ? labels[b] : b) + "</th><th>p</th>";
    html += "<th>negative flips</th></tr>";
    for (const auto& row : t.rows) {
      html += "<tr><td>" + escape(row.label) + "</td>";
      for (const auto& split : t.splits) html += "<td>" + (row.splits.count(split) ? percent(row.splits.at(split).value) : std::string("–")) + "</td>";
      html += "<td>" + percent(row.average.value) + "</td><td>" + interval_text(row.average.interval) + "</td>";
      for (const auto& b : t.baselines) {
        const auto it = row.against.find(b);
        html += it == row.against.end() ? "<td>–</td><td>–</td>"
                                        : fmt::format("<td>{} ({} to {})</td><td>{}</td>", points(it->second.difference), points(it->second.interval.low), points(it->second.interval.high), p_value(it->second.p));
      }
      html += "<td>" + (row.negative_flips ? percent(*row.negative_flips) : std::string("–")) + "</td></tr>";
    }
    html += "</table></div>" + split_differences(t, labels) + figure_table(t) + passes(t);
    for (const auto& note : t.notes) html += "<p>" + escape(note) + "</p>";
  }
  return html;
}

}  // namespace foil::report
