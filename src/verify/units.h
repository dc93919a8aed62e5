// Units of measurement: a table of names with dimension and factor, and products, quotients and powers of them.
#pragma once
#include <string>
#include <string_view>

#include "verify/number.h"

namespace foil::verify {

struct Unit {
  std::string name;     // normal form of the dimension: "m^2", "m s^-1", "dollar"; "" when the words are no unit
  Rational factor = 1;  // to the base units in `name`
  bool currency = false;
  bool time_of_day = false;  // a.m., p.m.
};

// "square inches", "cm^2", "miles per hour", "m/s", "dollars", "degrees", "percent". Unknown words give an empty name.
Unit parse_unit(std::string_view text);
// Is this single word a unit (any spelling, plural allowed)?
bool is_unit_word(std::string_view word);
// The currency a LaTeX command or Unicode sign stands for ("dollar"), null otherwise.
const char* currency_of(std::string_view command);

}  // namespace foil::verify
