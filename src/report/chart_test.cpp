#include "report/chart.h"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <regex>

#include "report/html.h"

namespace foil::report {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Ticks, AreNiceAndInside) {
  EXPECT_THAT(ticks(0, 1, 5), ElementsAre(0, 0.2, ::testing::DoubleNear(0.4, 1e-12), ::testing::DoubleNear(0.6, 1e-12), 0.8, 1));
  EXPECT_THAT(ticks(-3, 7, 5), ElementsAre(-2, 0, 2, 4, 6));
  EXPECT_THAT(ticks(5, 5, 5).size(), ::testing::Gt(1u));
  for (double scale : {1e-9, 1e-3, 1.0, 7.3, 1e8}) {
    const auto t = ticks(-scale, scale, 6);
    EXPECT_GE(t.size(), 3u);
    EXPECT_LE(t.size(), 13u);
    EXPECT_GE(t.front(), -scale * 1.0001);
    EXPECT_LE(t.back(), scale * 1.0001);
  }
}

TEST(LineChart, NumbersAreReachableAndGapsDoNotBreakIt) {
  const Series s{"loss", {{1, 2.5}, {2, NAN}, {3, INFINITY}, {4, 1.25}}, Colour::kBlue};
  const std::string svg = line_chart({s}, {.title = "Loss <x>"});
  EXPECT_THAT(svg, HasSubstr("Loss &lt;x&gt;"));
  EXPECT_THAT(svg, HasSubstr("step 4: 1.25"));
  EXPECT_THAT(svg, HasSubstr("2.50 → <b>1.25</b>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_EQ(line_chart({{"x", {{1, NAN}}, Colour::kBlue}}, {}), "");
}

TEST(LineChart, AMillionPointsStaySmall) {
  Series s{"x", {}, Colour::kBlue};
  for (int i = 0; i < 1'000'000; ++i) s.points.emplace_back(i, std::sin(i * 1e-5));
  EXPECT_LT(line_chart({s}, {.title = "t"}).size(), 20'000u);
}

TEST(LineChart, OnePointAndConstantsAreDrawn) {
  for (double v : {0.0, 1.0, -3.0}) EXPECT_THAT(line_chart({{"x", {{1, v}}, Colour::kBlue}}, {.title = "t"}), HasSubstr("<circle"));
}

TEST(HistogramChart, MeansAndShares) {
  const std::string svg = histogram_chart(-1, 0.5, {{"right", Colour::kBlue, {0.25, 0, 0.75}, 0.4}, {"wrong", Colour::kOrange, {1, 0, 0}, -0.8}}, "score");
  EXPECT_THAT(svg, HasSubstr("+0.40"));
  EXPECT_THAT(svg, HasSubstr("−0.80"));
  EXPECT_THAT(svg, HasSubstr("right: 75.0 % of the answers score 0 to 0.500"));
  EXPECT_EQ(histogram_chart(0, 1, {}, "score"), "");
}

// Where each mean's label lies: [x from, x to, y], taken from the SVG.
std::vector<std::array<double, 3>> labels_of(const std::string& svg) {
  static const std::regex kLabel("<text class='value'[^>]*text-anchor='(start|end)' x='([0-9.]+)' y='([0-9.]+)'");
  std::vector<std::array<double, 3>> out;
  for (std::sregex_iterator m(svg.begin(), svg.end(), kLabel), end; m != end; ++m) {
    const double x = std::stod((*m)[2]), y = std::stod((*m)[3]);
    out.push_back((*m)[1] == "start" ? std::array{x, x + 40, y} : std::array{x - 40, x, y});
  }
  return out;
}

TEST(HistogramChart, LabelsOfMeansNeverOverlap) {
  for (const std::vector<double>& means : {std::vector{-0.22, 0.22, 0.26}, {0.0, 0.0, 0.0, 0.0}, {-2.0, -1.99, 2.0, 1.99}, {0.1, 0.3, 0.5, 0.7}}) {
    std::vector<Bars> groups;
    for (const double mean : means) groups.push_back({"g", Colour::kBlue, std::vector<double>(20, 0.05), mean});
    const auto labels = labels_of(histogram_chart(-2, 0.2, groups, "score"));
    ASSERT_EQ(labels.size(), means.size());
    for (size_t i = 0; i < labels.size(); ++i)
      for (size_t k = 0; k < i; ++k) EXPECT_TRUE(labels[i][2] != labels[k][2] || labels[i][1] <= labels[k][0] || labels[k][1] <= labels[i][0]) << i << " over " << k;
  }
}

TEST(HistogramChart, SharesOnTheAxisAreWritten) {  // not rounded: 2.5%, not 2%
  const std::string svg = histogram_chart(-1, 0.5, {{"right", Colour::kBlue, {0.08, 0.04}, 0.4}}, "score");
  EXPECT_THAT(svg, HasSubstr(">2.5%<"));
  EXPECT_THAT(svg, HasSubstr(">5.0%<"));
}

TEST(Html, EscapesAndRepairs) {
  EXPECT_EQ(escape("a<b> & \"c\" 'd'"), "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(escape("é√😀"), "é√😀");
  EXPECT_EQ(escape("a\xff" "b\x01"), "a\xEF\xBF\xBD" "b\xEF\xBF\xBD");
  EXPECT_EQ(escape("\xc0\xaf"), "\xEF\xBF\xBD\xEF\xBF\xBD");        // overlong
  EXPECT_EQ(escape("\xed\xa0\x80").size(), 9u);                     // a surrogate is no character
}

TEST(Html, Numbers) {
  EXPECT_EQ(percent(0.4132), "41.3 %");
  EXPECT_EQ(points(0.021), "+2.1");
  EXPECT_EQ(points(-0.0044), "−0.4");
  EXPECT_EQ(points(-0.0001), "±0.0");
  EXPECT_EQ(number(0.031249), "0.0312");
  EXPECT_EQ(number(-2.5), "−2.50");
  EXPECT_EQ(number(1234567), "1,234,567");
  EXPECT_EQ(number(1.2e-7), "1.20e-07");
  EXPECT_EQ(number(12), "12");
  EXPECT_EQ(count(1234567), "1,234,567");
  EXPECT_EQ(count(-999), "−999");
  EXPECT_EQ(duration(3723), "1 h 02 min");
  EXPECT_EQ(duration(200), "3 min 20 s");
  EXPECT_EQ(duration(0.44), "0.4 s");
  EXPECT_EQ(p_value(0.0001), "< 0.001");
  EXPECT_EQ(p_value(0.0312), "0.031");
  EXPECT_EQ(pad_left("é", 3), "  é");
}

}  // namespace foil::report
