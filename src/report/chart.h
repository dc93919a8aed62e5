// Charts as inline SVG: lines over steps, histograms, intervals. They take their colours from the page's style (light and dark),
// need no script, and carry their numbers as tooltips and in the text.
//
// Colours are slots of the page's palette: kColour… below. Nothing here knows what is drawn.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/estimators.h"

namespace foil::report {

enum class Colour { kGrey, kSlate, kBlue, kOrange, kGreen, kPurple, kRed, kPink };
const char* css(Colour colour);  // "var(--green)"

struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  // by x; not finite: a gap
  Colour colour = Colour::kBlue;
};

struct LineOptions {
  std::string title;       // what is shown, as a heading
  std::string note;        // one line below the title: what to look for
  std::string x_label = "step";
  std::optional<double> low, high;  // fixed ends of the y axis
  bool as_percent = false;
  bool log_x = false;      // base 2
  bool markers = false;
  std::vector<double> marks;  // horizontal reference lines
};

// Long series are thinned to bucket means; where a series has more than 80 points its smoothed line is drawn over the raw one.
std::string line_chart(const std::vector<Series>& series, const LineOptions& options);

struct Bars {
  std::string name;
  Colour colour = Colour::kBlue;
  std::vector<double> heights;  // shares
  double mean = 0;              // drawn as a line, with its value
};
// Overlaid histograms over one axis.
std::string histogram_chart(double low, double width, const std::vector<Bars>& groups, const std::string& x_label);

struct IntervalRow {
  std::string label;
  Colour colour = Colour::kBlue;
  eval::Figure figure;
};
struct IntervalGroup {
  std::string title;
  std::vector<IntervalRow> rows;
};
// Dots with whiskers on one percent axis, in labelled groups; the rows' names are in the legend.
std::string interval_chart(const std::vector<IntervalGroup>& groups);

std::string legend(const std::vector<std::pair<std::string, Colour>>& entries);

// "Nice" axis ticks (1, 2, 2.5, 5 · 10ⁿ) covering [low, high], about `target` of them.
std::vector<double> ticks(double low, double high, int target = 5);

}  // namespace foil::report
