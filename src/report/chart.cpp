#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "report/html.h"

namespace foil::report {
namespace {

constexpr double kWidth = 340, kHeight = 196, kLeft = 46, kRight = 10, kTop = 8, kBottom = 36;
constexpr size_t kMostPoints = 240, kSmoothFrom = 80;

std::string tick_text(double v, double step, bool as_percent) {
  if (v == 0) v = 0;  // never −0
  if (as_percent) return tick_text(100 * v, 100 * step, false) + "%";
  if (v != 0 && (std::abs(v) >= 1e5 || step < 1e-4)) return fmt::format("{:.1e}", v);
  int digits = 0;
  for (double s = step; digits < 6 && std::abs(s - std::round(s)) > 1e-9; s *= 10) ++digits;
  std::string text = fmt::format("{:.{}f}", v, digits);
  if (text[0] == '-') text = text.find_first_of("123456789") == std::string::npos ? text.substr(1) : "−" + text.substr(1);
  return text;
}

struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  bool log2 = false;
  double operator()(double v) const {
    const double a = log2 ? std::log2(low) : low, b = log2 ? std::log2(high) : high;
    return from + ((log2 ? std::log2(v) : v) - a) / (b - a) * (to - from);
  }
};

std::vector<std::pair<double, double>> finite(const std::vector<std::pair<double, double>>& points) {
  std::vector<std::pair<double, double>> out;
  for (const auto& p : points)
    if (std::isfinite(p.first) && std::isfinite(p.second)) out.push_back(p);
  return out;
}

std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
  if (points.size() <= kMostPoints) return points;
  std::vector<std::pair<double, double>> out;
  for (size_t b = 0; b < kMostPoints; ++b) {
    const size_t begin = b * points.size() / kMostPoints, end = (b + 1) * points.size() / kMostPoints;
    double x = 0, y = 0;
    for (size_t i = begin; i < end; ++i) x += points[i].first, y += points[i].second;
    out.emplace_back(x / double(end - begin), y / double(end - begin));
  }
  return out;
}

// Centred moving mean, a fifteenth of the series wide.
std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& points) {
  const int64_t half = std::max<int64_t>(1, int64_t(points.size()) / 30), n = int64_t(points.size());
  std::vector<std::pair<double, double>> out;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t from = std::max<int64_t>(0, i - half), to = std::min(n - 1, i + half);
    double sum = 0;
    for (int64_t k = from; k <= to; ++k) sum += points[size_t(k)].second;
    out.emplace_back(points[size_t(i)].first, sum / double(to - from + 1));
  }
  return out;
}

std::string path(const std::vector<std::pair<double, double>>& points, const Axis& x, const Axis& y) {
  std::string d;
  for (const auto& [a, b] : points) d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L", x(a), std::clamp(y(b), y.to - 2, y.from + 2));
  return d;
}

std::string frame(const Axis& x, const Axis& y, const std::vector<double>& xt, const std::vector<double>& yt, const std::string& x_label, bool as_percent) {
  std::string svg;
  const double step = yt.size() > 1 ? yt[1] - yt[0] : 1, x_step = xt.size() > 1 ? xt[1] - xt[0] : 1;
  for (const double v : yt)
    svg += fmt::format("<line class='grid' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/><text class='tick' text-anchor='end' x='{:.1f}' y='{:.1f}'>{}</text>",
                       x.from, x.to, y(v), y(v), x.from - 6, y(v) + 4, tick_text(v, step, as_percent));
  for (const double v : xt)
    svg += fmt::format("<text class='tick' text-anchor='middle' x='{:.1f}' y='{:.1f}'>{}</text>", x(v), y.from + 16, tick_text(v, x_step, false));
  return svg + fmt::format("<text class='axis' text-anchor='middle' x='{:.1f}' y='{:.1f}'>{}</text>", (x.from + x.to) / 2, y.from + 33, escape(x_label));
}

std::string svg_open(double width, double height, const std::string& description) {
  return fmt::format("<svg viewBox='0 0 {:.0f} {:.0f}' role='img' aria-label='{}'>", width, height, escape(description));
}

}  // namespace

const char* css(Colour colour) {
  switch (colour) {
    case Colour::kGrey: return "var(--c-grey)";
    case Colour::kSlate: return "var(--c-slate)";
    case Colour::kBlue: return "var(--c-blue)";
    case Colour::kOrange: return "var(--c-orange)";
    case Colour::kGreen: return "var(--c-green)";
    case Colour::kPurple: return "var(--c-purple)";
    case Colour::kPink: return "var(--c-pink)";
    case Colour::kRed: return "var(--c-red)";
  }
  return "currentColor";
}

std::vector<double> ticks(double low, double high, int target) {
  if (!(high > low)) high = low + 1;
  const double rough = (high - low) / std::max(target, 1), scale = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * scale;
  for (const double nice : {1.0, 2.0, 2.5, 5.0})
    if (nice * scale >= rough * 0.999) {
      step = nice * scale;
      break;
    }
  std::vector<double> out;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) out.push_back(k * step);
  return out;
}

std::string legend(const std::vector<std::pair<std::string, Colour>>& entries) {
  std::string html = "<div class='legend'>";
  for (const auto& [name, colour] : entries) html += fmt::format("<span><i style='background:{}'></i>{}</span>", css(colour), escape(name));
  return html + "</div>";
}

std::string line_chart(const std::vector<Series>& series, const LineOptions& o) {
  std::vector<std::vector<std::pair<double, double>>> data;
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (const auto& s : series) {
    data.push_back(thinned(finite(s.points)));
    for (const auto& [x, y] : data.back()) x0 = std::min(x0, x), x1 = std::max(x1, x), y0 = std::min(y0, y), y1 = std::max(y1, y);
  }
  if (!(x0 <= x1)) return "";
  for (const double m : o.marks) y0 = std::min(y0, m), y1 = std::max(y1, m);
  if (x0 == x1) x1 = x0 + 1;
  if (y0 == y1) {
    const double room = y0 == 0 ? 1 : std::abs(y0) * 0.1;
    y0 -= y0 >= 0 && y0 - room < 0 ? 0 : room, y1 += room;
  }
  if (y0 > 0 && y0 < 0.35 * y1) y0 = 0;  // an axis that nearly reaches zero should reach it
  y0 = o.low.value_or(y0), y1 = o.high.value_or(y1 + 0.04 * (y1 - y0));
  const auto yt = ticks(y0, y1, 4);
  const Axis y{std::min(y0, yt.empty() ? y0 : yt.front()), y1, kHeight - kBottom, kTop, false};
  const Axis x{x0, x1, kLeft, kWidth - kRight, o.log_x};
  std::vector<double> xt;
  if (o.log_x) {
    for (double v = x0; v <= x1 * 1.001; v *= 2) xt.push_back(v);
  } else {
    for (const double v : ticks(x0, x1, 5))
      if (v == std::floor(v)) xt.push_back(v);
  }

  std::string html = "<figure class='chart'><figcaption><b>" + escape(o.title) + "</b>" + (o.note.empty() ? "" : "<small>" + escape(o.note) + "</small>") + "</figcaption>";
  std::vector<std::pair<std::string, Colour>> names;
  for (const auto& s : series) names.emplace_back(s.name, s.colour);
  if (series.size() > 1) html += legend(names);
  html += svg_open(kWidth, kHeight, o.title) + frame(x, y, xt, yt, o.x_label, o.as_percent);
  for (const double m : o.marks) html += fmt::format("<line class='mark' x1='{:.1f}' x2='{:.1f}' y1='{:.1f}' y2='{:.1f}'/>", x.from, x.to, y(m), y(m));
  const auto shown = [&](double v) { return o.as_percent ? percent(v) : number(v); };
  for (size_t i = 0; i < series.size(); ++i) {
    const auto& points = data[i];
    if (points.empty()) continue;
    const char* colour = css(series[i].colour);
    const bool smooth = points.size() > kSmoothFrom;
    html += fmt::format("<path class='line{}' style='stroke:{}' d='{}'/>", smooth ? " raw" : "", colour, path(points, x, y));
    if (smooth) html += fmt::format("<path class='line' style='stroke:{}' d='{}'/>", colour, path(smoothed(points), x, y));
    const bool dots = o.markers || points.size() == 1;
    const double radius = dots ? 3.5 : 7;  // invisible targets for the tooltip where no dots are drawn, at most 40 of them
    const size_t stride = dots ? 1 : points.size() / 40 + 1;
    for (size_t k = points.size() - 1;; k -= stride) {
      const auto& [a, b] = points[k];
      html += fmt::format("<circle class='{}' style='fill:{}' cx='{:.1f}' cy='{:.1f}' r='{}'><title>{}{} {}: {}</title></circle>", dots ? "dot" : "touch",
                            colour, x(a), y(b), radius, series.size() > 1 ? escape(series[i].name) + ", " : "", escape(o.x_label), number(a, 6), shown(b));
      if (k < stride) break;
    }
  }
  html += "</svg>";
  if (series.size() == 1 && data[0].size() > 1 && !o.markers) {
    const auto line = data[0].size() > kSmoothFrom ? smoothed(data[0]) : data[0];
    html += fmt::format("<div class='ends'>{} → <b>{}</b></div>", shown(line.front().second), shown(line.back().second));
  }
  return html + "</figure>";
}

std::string histogram_chart(double low, double width, const std::vector<Bars>& groups, const std::string& x_label) {
  size_t bins = 0;
  double top = 0;
  for (const auto& g : groups) {
    bins = std::max(bins, g.heights.size());
    for (const double h : g.heights) top = std::max(top, h);
  }
  if (bins == 0 || top <= 0) return "";
  constexpr double kWide = 760, kTall = 300;
  const Axis x{low, low + width * double(bins), 52, kWide - 14, false};
  const Axis y{0, top * 1.16, kTall - kBottom, kTop, false};
  std::string svg = svg_open(kWide, kTall, "Histogram of " + x_label) + frame(x, y, ticks(x.low, x.high, 9), ticks(0, top * 1.1, 4), x_label, true);
  for (const auto& g : groups) {
    for (size_t b = 0; b < g.heights.size(); ++b) {
      if (g.heights[b] <= 0) continue;
      const double from = low + double(b) * width;
      svg += fmt::format("<rect class='bar' style='fill:{0};stroke:{0}' x='{1:.1f}' width='{2:.1f}' y='{3:.1f}' height='{4:.1f}'><title>{5}: {6} of the answers score {7} to {8}</title></rect>",
                         css(g.colour), x(from) + 0.5, std::max(0.5, x(from + width) - x(from) - 1), y(g.heights[b]), y(0) - y(g.heights[b]), escape(g.name),
                         percent(g.heights[b]), number(from), number(from + width));
    }
  }
  std::vector<const Bars*> by_mean;
  for (const auto& g : groups) by_mean.push_back(&g);
  std::sort(by_mean.begin(), by_mean.end(), [](const Bars* a, const Bars* b) { return a->mean < b->mean; });
  const auto place = [&](const Bars* g) { return x(std::clamp(g->mean, x.low, x.high)); };
  struct Label {
    double from, to;
    int level;
  };
  constexpr double kLabel = 44;  // room of one label
  std::vector<Label> taken;
  for (const auto* g : by_mean) {  // right or left of its line, where no other label is and no other line crosses it; else lower
    const double at = place(g);
    std::optional<Label> label;
    for (int level = 0; !label; ++level)
      for (const double from : {at + 4, at - 4 - kLabel}) {
        const Label here{from, from + kLabel, level};
        const auto overlaps = [&](const Label& other) { return other.level == level && other.from < here.to && here.from < other.to; };
        const auto crosses = [&](const Bars* other) { return other != g && place(other) > here.from && place(other) < here.to; };
        if (here.from < x.from || here.to > kWide || std::any_of(taken.begin(), taken.end(), overlaps) || (level < int(by_mean.size()) && std::any_of(by_mean.begin(), by_mean.end(), crosses))) continue;
        label = here;
        break;
      }
    taken.push_back(*label);
    const bool left = label->from < at;
    svg += fmt::format("<line class='mean' style='stroke:{0}' x1='{1:.1f}' x2='{1:.1f}' y1='{2:.1f}' y2='{3:.1f}'/><text class='value' style='fill:{0}' text-anchor='{4}' x='{5:.1f}' y='{6:.1f}'>{7}</text>",
                       css(g->colour), at, y.to, y.from, left ? "end" : "start", at + (left ? -4 : 4), y.to + 10 + 15 * label->level, signed_number(g->mean));
  }
  return svg + "</svg>";
}

std::string interval_chart(const std::vector<IntervalGroup>& groups) {
  double low = 1, high = 0;
  size_t rows = 0;
  for (const auto& g : groups)
    for (const auto& r : g.rows) low = std::min(low, r.figure.interval.low), high = std::max(high, r.figure.interval.high), ++rows;
  if (rows == 0) return "";
  constexpr double kRow = 13, kGap = 11, kWide = 760, kName = 130;
  const auto xt = ticks(std::max(0.0, low - 0.02), std::min(1.0, high + 0.02), 8);
  const Axis x{std::min(low, xt.front()), std::max(high, xt.back()), kName, kWide - 60, false};
  const double bottom = 14 + double(rows) * kRow + double(groups.size()) * kGap;
  std::string svg = svg_open(kWide, bottom + 24, "Accuracy with 95 % intervals");
  const double step = xt.size() > 1 ? xt[1] - xt[0] : 0.1;
  for (const double v : xt)
    svg += fmt::format("<line class='grid' x1='{0:.1f}' x2='{0:.1f}' y1='6' y2='{1:.1f}'/><text class='tick' text-anchor='middle' x='{0:.1f}' y='{2:.1f}'>{3}</text>",
                       x(v), bottom, bottom + 16, tick_text(v, step, true));
  double y = 14;
  for (const auto& g : groups) {
    svg += fmt::format("<text class='group' text-anchor='end' x='{:.1f}' y='{:.1f}'>{}</text>", kName - 14, y + (double(g.rows.size()) * kRow) / 2 + 4, escape(g.title));
    for (const auto& r : g.rows) {
      const double at = y + kRow / 2;
      svg += fmt::format("<g><title>{0}: {1}, 95 % interval {2} to {3}</title><line class='whisker' style='stroke:{4}' x1='{5:.1f}' x2='{6:.1f}' y1='{7:.1f}' y2='{7:.1f}'/>"
                         "<circle class='dot' style='fill:{4}' cx='{8:.1f}' cy='{7:.1f}' r='4'/><text class='value' style='fill:{4}' x='{9:.1f}' y='{10:.1f}'>{11}</text></g>",
                         escape(r.label), percent(r.figure.value), percent(r.figure.interval.low), percent(r.figure.interval.high), css(r.colour),
                         x(r.figure.interval.low), x(r.figure.interval.high), at, x(r.figure.value), x(r.figure.interval.high) + 6, at + 4, fmt::format("{:.1f}", 100 * r.figure.value));
      y += kRow;
    }
    y += kGap;
  }
  return svg + "</svg>";
}

}  // namespace foil::report
