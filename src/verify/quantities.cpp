#include "verify/quantities.h"

#include <string>
#include <string_view>
#include <utility>

#include "verify/algebra.h"

namespace foil::verify {

std::optional<bool> compare_quantities(const Expr& g, const Expr& a, Comparison& c) {
  const bool gq = g.is(Kind::kQuantity), aq = a.is(Kind::kQuantity), gp = g.is(Kind::kPercent), ap = a.is(Kind::kPercent);
  if (!gq && !aq && !gp && !ap) return std::nullopt;
  if (gp && ap) return equal_answers(g[0], a[0], c);
  if ((gp && aq) || (gq && ap)) {
    c.rule = "unit";
    c.note = "a percentage against another unit";
    return false;
  }
  if (gp || ap) {
    const Expr& percent = gp ? g : a;
    const Expr& other = gp ? a : g;
    if (!is_scalar(other)) return std::nullopt;
    if (c.options.percent_is_fraction) {
      const Expr* fraction = c.arena.div(&percent[0], c.arena.number(100));
      // keep a decimal a decimal: 33.3 % is 0.333
      if (percent[0].is(Kind::kNumber) && percent[0].flag) {
        Expr* n = c.arena.make(Kind::kNumber);
        c.arena.set_number(n, value_of(percent[0]) / Rational(100));
        n->flag = true;
        n->digits = static_cast<int16_t>(percent[0].digits + 2);
        n->significant = percent[0].significant;
        fraction = n;
      }
      if (gp ? equal_scalars(*fraction, other, c) : equal_scalars(other, *fraction, c)) {
        c.rule = "percent";
        return true;
      }
    }
    if (c.options.units_optional || c.options.percent_is_fraction) {
      const bool equal = gp ? equal_scalars(percent[0], other, c) : equal_scalars(other, percent[0], c);
      c.rule = "percent";
      return equal;
    }
    c.rule = "percent";
    return false;
  }
  if (gq && aq) {
    const bool temperature = (g.name == "deg" && (a.name == "celsius" || a.name == "fahrenheit")) || (a.name == "deg" && (g.name == "celsius" || g.name == "fahrenheit"));
    if (g.name == a.name || temperature) {
      bool equal;
      if (value_of(g) == value_of(a)) {
        equal = equal_answers(g[0], a[0], c);
      } else {
        equal = equal_exactly(*c.arena.mul(&g[0], c.arena.number(value_of(g))), *c.arena.mul(&a[0], c.arena.number(value_of(a))), c);
      }
      c.rule = "unit";
      return equal;
    }
    if ((g.name == "deg" && a.name == "rad") || (g.name == "rad" && a.name == "deg")) {
      const bool equal = equal_exactly(g.name == "deg" ? g : g[0], a.name == "deg" ? a : a[0], c);
      c.rule = "unit";
      return equal;
    }
    // square units are those of the other side, if it is an area
    for (const auto& [unnamed, length] : {std::pair<std::string_view, std::string_view>{"unit^2", "m^2"}, {"unit^3", "m^3"}})
      if ((g.name == unnamed && a.name == length) || (a.name == unnamed && g.name == length)) return equal_answers(g[0], a[0], c);
    c.rule = "unit";
    c.note = "different units: " + std::string(g.name) + ", " + std::string(a.name);
    return false;
  }
  const Expr& q = gq ? g : a;
  const Expr& other = gq ? a : g;
  if (!is_scalar(other) && !is_scalar(q[0])) return equal_answers(gq ? q[0] : g, gq ? a : q[0], c);
  if (!is_scalar(other)) return std::nullopt;
  if (q.name == "deg" && equal_exactly(g, a, c)) {
    c.rule = "unit";
    return true;
  }
  if (!c.options.units_optional && q.name != "rad") {
    c.rule = "unit";
    c.note = "the unit is missing";
    return false;
  }
  return gq ? equal_answers(q[0], a, c) : equal_answers(g, q[0], c);
}

bool equal_times(const Expr& g, const Expr& a) {
  const Rational day(86400), half(43200);
  const Rational x = value_of(g), y = value_of(a);
  if (g.index && a.index) return x == y;
  const auto twelve = [&](const Rational& t) { return t < half ? t : t - half; };
  return twelve(x) == twelve(y);
}

bool equal_ratios(const Expr& g, const Expr& a, Comparison& c) {
  c.rule = "ratio";
  if (g.count != a.count) return false;
  for (uint32_t i = 0; i < g.count; ++i) {
    if (!is_scalar(g[i]) || !is_scalar(a[i])) return false;
    const auto zero = [&](const Expr& e) {
      const auto r = exact_rational(e, c.budget);
      return r && r->is_zero();
    };
    if (zero(g[i]) != zero(a[i])) return false;
  }
  for (uint32_t i = 1; i < g.count; ++i)
    if (!equal_exactly(*c.arena.mul(&g[i], &a[0]), *c.arena.mul(&a[i], &g[0]), c)) {
      c.rule = "ratio";
      return false;
    }
  c.rule = "ratio";
  return true;
}

}  // namespace foil::verify
