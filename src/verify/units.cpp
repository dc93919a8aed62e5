#include "verify/units.h"

#include <cstdlib>
#include <map>
#include <unordered_map>
#include <vector>

namespace foil::verify {

namespace {

struct Entry {
  const char* dimension;  // base unit; "+" joins, e.g. "kg m s^-2"
  int64_t num, den;
};

// Base units: m kg s A K mol cd, deg (angles), dollar euro yen …, bit. Prefixed and named units as exact factors.
const std::unordered_map<std::string_view, Entry>& table() {
  static const std::unordered_map<std::string_view, Entry> map = {
      // length
      {"m", {"m", 1, 1}}, {"meter", {"m", 1, 1}}, {"metre", {"m", 1, 1}}, {"km", {"m", 1000, 1}}, {"kilometer", {"m", 1000, 1}}, {"kilometre", {"m", 1000, 1}}, {"cm", {"m", 1, 100}}, {"centimeter", {"m", 1, 100}},
      {"centimetre", {"m", 1, 100}}, {"mm", {"m", 1, 1000}}, {"millimeter", {"m", 1, 1000}}, {"millimetre", {"m", 1, 1000}}, {"dm", {"m", 1, 10}}, {"decimeter", {"m", 1, 10}}, {"nm", {"m", 1, 1000000000}},
      {"nanometer", {"m", 1, 1000000000}}, {"micrometer", {"m", 1, 1000000}}, {"micron", {"m", 1, 1000000}}, {"um", {"m", 1, 1000000}}, {"inch", {"m", 254, 10000}}, {"inche", {"m", 254, 10000}}, {"in", {"m", 254, 10000}},
      {"ft", {"m", 3048, 10000}}, {"foot", {"m", 3048, 10000}}, {"feet", {"m", 3048, 10000}}, {"yd", {"m", 9144, 10000}}, {"yard", {"m", 9144, 10000}}, {"mi", {"m", 1609344, 1000}}, {"mile", {"m", 1609344, 1000}},
      // mass
      {"kg", {"kg", 1, 1}}, {"kilogram", {"kg", 1, 1}}, {"kilo", {"kg", 1, 1}}, {"g", {"kg", 1, 1000}}, {"gram", {"kg", 1, 1000}}, {"gm", {"kg", 1, 1000}}, {"mg", {"kg", 1, 1000000}}, {"milligram", {"kg", 1, 1000000}},
      {"lb", {"kg", 45359237, 100000000}}, {"lbs", {"kg", 45359237, 100000000}}, {"pound", {"kg", 45359237, 100000000}}, {"oz", {"kg", 28349523125, 1000000000000}}, {"ounce", {"kg", 28349523125, 1000000000000}},
      {"ton", {"ton", 1, 1}}, {"tonne", {"kg", 1000, 1}},
      // time
      {"s", {"s", 1, 1}}, {"sec", {"s", 1, 1}}, {"second", {"s", 1, 1}}, {"ms", {"s", 1, 1000}}, {"millisecond", {"s", 1, 1000}}, {"min", {"s", 60, 1}}, {"minute", {"s", 60, 1}}, {"h", {"s", 3600, 1}}, {"hr", {"s", 3600, 1}},
      {"hour", {"s", 3600, 1}}, {"day", {"s", 86400, 1}}, {"week", {"s", 604800, 1}}, {"month", {"month", 1, 1}}, {"year", {"month", 12, 1}}, {"yr", {"month", 12, 1}}, {"decade", {"month", 120, 1}}, {"century", {"month", 1200, 1}},
      {"centurie", {"month", 1200, 1}},
      // electricity, temperature, and the like
      {"A", {"A", 1, 1}}, {"ampere", {"A", 1, 1}}, {"amp", {"A", 1, 1}}, {"mA", {"A", 1, 1000}}, {"K", {"K", 1, 1}}, {"kelvin", {"K", 1, 1}}, {"mol", {"mol", 1, 1}}, {"mole", {"mol", 1, 1}}, {"celsius", {"celsius", 1, 1}}, {"fahrenheit", {"fahrenheit", 1, 1}},
      {"N", {"kg m s^-2", 1, 1}}, {"newton", {"kg m s^-2", 1, 1}}, {"J", {"kg m^2 s^-2", 1, 1}}, {"joule", {"kg m^2 s^-2", 1, 1}}, {"kJ", {"kg m^2 s^-2", 1000, 1}}, {"W", {"kg m^2 s^-3", 1, 1}}, {"watt", {"kg m^2 s^-3", 1, 1}},
      {"kW", {"kg m^2 s^-3", 1000, 1}}, {"kilowatt", {"kg m^2 s^-3", 1000, 1}}, {"Pa", {"kg m^-1 s^-2", 1, 1}}, {"pascal", {"kg m^-1 s^-2", 1, 1}}, {"kPa", {"kg m^-1 s^-2", 1000, 1}}, {"Hz", {"s^-1", 1, 1}}, {"hertz", {"s^-1", 1, 1}},
      {"kHz", {"s^-1", 1000, 1}}, {"MHz", {"s^-1", 1000000, 1}}, {"GHz", {"s^-1", 1000000000, 1}}, {"V", {"kg m^2 s^-3 A^-1", 1, 1}}, {"volt", {"kg m^2 s^-3 A^-1", 1, 1}}, {"ohm", {"kg m^2 s^-3 A^-2", 1, 1}}, {"C", {"A s", 1, 1}}, {"coulomb", {"A s", 1, 1}},
      {"eV", {"eV", 1, 1}}, {"keV", {"eV", 1000, 1}}, {"MeV", {"eV", 1000000, 1}}, {"cal", {"cal", 1, 1}}, {"calorie", {"cal", 1, 1}}, {"kcal", {"cal", 1000, 1}}, {"erg", {"kg m^2 s^-2", 1, 10000000}}, {"dyne", {"kg m s^-2", 1, 100000}},
      // area, volume, speed
      {"L", {"m^3", 1, 1000}}, {"l", {"m^3", 1, 1000}}, {"liter", {"m^3", 1, 1000}}, {"litre", {"m^3", 1, 1000}}, {"mL", {"m^3", 1, 1000000}}, {"ml", {"m^3", 1, 1000000}}, {"milliliter", {"m^3", 1, 1000000}}, {"millilitre", {"m^3", 1, 1000000}},
      {"acre", {"m^2", 40468564224, 10000000}}, {"hectare", {"m^2", 10000, 1}}, {"ha", {"m^2", 10000, 1}}, {"gallon", {"m^3", 3785411784, 1000000000000}}, {"gal", {"m^3", 3785411784, 1000000000000}}, {"quart", {"m^3", 3785411784, 4000000000000}},
      {"pint", {"m^3", 3785411784, 8000000000000}}, {"cup", {"m^3", 3785411784, 16000000000000}}, {"mph", {"m s^-1", 1609344, 3600000}}, {"kmh", {"m s^-1", 1000, 3600}}, {"kph", {"m s^-1", 1000, 3600}}, {"knot", {"m s^-1", 1852, 3600}}, {"cc", {"m^3", 1, 1000000}},
      // length of a figure whose unit is not named: its square and cube only
      {"unit", {"unit", 1, 1}}, {"AU", {"m", 149597870700, 1}},
      // angle
      {"degree", {"deg", 1, 1}}, {"deg", {"deg", 1, 1}}, {"radian", {"rad", 1, 1}}, {"rad", {"rad", 1, 1}},
      // information
      {"bit", {"bit", 1, 1}}, {"byte", {"bit", 8, 1}}, {"kB", {"bit", 8000, 1}}, {"MB", {"bit", 8000000, 1}}, {"GB", {"bit", 8000000000, 1}},
      // money
      {"dollar", {"dollar", 1, 1}}, {"usd", {"dollar", 1, 1}}, {"USD", {"dollar", 1, 1}}, {"buck", {"dollar", 1, 1}}, {"cent", {"dollar", 1, 100}}, {"penny", {"dollar", 1, 100}}, {"pennie", {"dollar", 1, 100}}, {"euro", {"euro", 1, 1}}, {"EUR", {"euro", 1, 1}},
      {"poundsterling", {"pound", 1, 1}}, {"GBP", {"pound", 1, 1}}, {"yen", {"yen", 1, 1}}, {"JPY", {"yen", 1, 1}}, {"yuan", {"yuan", 1, 1}}, {"RMB", {"yuan", 1, 1}}, {"CNY", {"yuan", 1, 1}}, {"rupee", {"rupee", 1, 1}}, {"Rs", {"rupee", 1, 1}}, {"INR", {"rupee", 1, 1}},
      {"percent", {"percent", 1, 1}}, {"percentage", {"percent", 1, 1}}, {"pct", {"percent", 1, 1}}};
  return map;
}

bool is_currency(std::string_view dimension) {
  return dimension == "dollar" || dimension == "euro" || dimension == "pound" || dimension == "yen" || dimension == "yuan" || dimension == "rupee";
}

const Entry* find(std::string_view word) {
  const auto& map = table();
  if (const auto it = map.find(word); it != map.end()) return &it->second;
  std::string w(word);
  while (!w.empty() && w.back() == '.') w.pop_back();
  if (const auto it = map.find(w); it != map.end()) return &it->second;
  if (w.size() >= 3) {
    for (char& c : w)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (const auto it = map.find(w); it != map.end()) return &it->second;
    if (w.back() == 's') {
      w.pop_back();
      if (w.size() >= 2)
        if (const auto it = map.find(w); it != map.end()) return &it->second;
      if (w.size() > 3 && w.back() == 'e') {
        w.pop_back();
        if (const auto it = map.find(w); it != map.end()) return &it->second;
      }
    }
  }
  return nullptr;
}

using Dimension = std::map<std::string, int>;

void multiply(Dimension& d, std::string_view product, int power) {
  size_t i = 0;
  while (i < product.size()) {
    size_t j = product.find(' ', i);
    if (j == std::string_view::npos) j = product.size();
    const std::string_view part = product.substr(i, j - i);
    const size_t caret = part.find('^');
    const int own = caret == std::string_view::npos ? 1 : std::atoi(std::string(part.substr(caret + 1)).c_str());
    int& slot = d[std::string(part.substr(0, caret))];
    slot += own * power;
    i = j + 1;
  }
}

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

const char* currency_of(std::string_view c) {
  if (c == "dollar") return "dollar";
  if (c == "euro") return "euro";
  if (c == "pound" || c == "pounds") return "poundsterling";
  if (c == "yen") return "yen";
  if (c == "rupee") return "rupee";
  if (c == "cent") return "cent";
  return nullptr;
}

bool is_unit_word(std::string_view w) { return find(w) != nullptr || w == "sq" || w == "square" || w == "cubic" || w == "cu"; }

Unit parse_unit(std::string_view text) {
  Unit unit;
  struct Piece {
    std::string word;
    int power;
  };
  std::vector<Piece> pieces;
  int direction = 1, next_power = 1;
  bool in_denominator_word = false;
  size_t i = 0;
  bool a = false;
  while (i < text.size()) {
    const char c = text[i];
    if (c == '/') {
      direction = -1;
      ++i;
    } else if (c == '^') {
      ++i;
      if (i < text.size() && text[i] == '{') ++i;
      bool negative = false;
      if (i < text.size() && text[i] == '-') {
        negative = true;
        ++i;
      }
      int n = 0;
      while (i < text.size() && text[i] >= '0' && text[i] <= '9' && n < 100) n = n * 10 + (text[i++] - '0');
      if (i < text.size() && text[i] == '}') ++i;
      if (pieces.empty() || n == 0) return unit;
      pieces.back().power *= negative ? -n : n;
    } else if (letter(c)) {
      const size_t begin = i;
      while (i < text.size() && (letter(text[i]) || (text[i] == '.' && i + 1 < text.size() && letter(text[i + 1])))) ++i;
      std::string w(text.substr(begin, i - begin));
      std::string lower = w;
      for (char& l : lower)
        if (l >= 'A' && l <= 'Z') l = static_cast<char>(l + 32);
      if (lower == "a.m" || lower == "p.m" || lower == "am" || lower == "pm") {
        unit.time_of_day = true;
        return unit;
      }
      if (lower == "per") {
        direction = -1;
        in_denominator_word = true;
      } else if (lower == "square" || lower == "sq" || lower == "squared") {
        if (lower == "squared" && !pieces.empty()) pieces.back().power *= 2;
        else next_power = 2;
      } else if (lower == "cubic" || lower == "cu" || lower == "cubed") {
        if (lower == "cubed" && !pieces.empty()) pieces.back().power *= 3;
        else next_power = 3;
      } else if (lower == "of" || lower == "the" || lower == "an" || lower == "us") {
        if (lower == "of" && !pieces.empty()) break;  // "pounds of flour"
      } else if (lower == "a" && i < text.size()) {
        a = true;
      } else if (find(w)) {
        pieces.push_back({w, direction * next_power});
        next_power = 1;
        if (in_denominator_word) {
          direction = 1;
          in_denominator_word = false;
        }
      } else {
        if (!pieces.empty() && direction == 1 && !in_denominator_word) break;  // "miles away"
        return Unit{};
      }
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      // superscript two and three
      if (text.compare(i, 2, "²") == 0 && !pieces.empty()) pieces.back().power *= 2;
      else if (text.compare(i, 2, "³") == 0 && !pieces.empty()) pieces.back().power *= 3;
      else if (text.compare(i, 2, "°") == 0) pieces.push_back({"degree", 1});
      else return Unit{};
      i += 2;
    } else if (c == '\\') {
      // \, and the like; a command means it is not a plain unit
      if (i + 1 < text.size() && letter(text[i + 1])) return Unit{};
      i += 2;
    } else if (c >= '0' && c <= '9') {
      if (pieces.empty()) return Unit{};
      pieces.back().power *= c - '0';  // cm2
      ++i;
    } else {
      ++i;
    }
  }
  (void)a;
  if (pieces.empty()) return unit;
  Dimension dimension;
  Rational factor(1);
  for (const Piece& p : pieces) {
    const Entry* e = find(p.word);
    if (std::abs(p.power) > 12) return Unit{};
    multiply(dimension, e->dimension, p.power);
    factor = factor * power(Rational(e->num, e->den), p.power, 4096).value_or(Rational(1));
  }
  for (const auto& [base, exponent] : dimension) {
    if (exponent == 0) continue;
    if (!unit.name.empty()) unit.name += ' ';
    unit.name += base;
    if (exponent != 1) unit.name += "^" + std::to_string(exponent);
    if (is_currency(base)) unit.currency = true;
  }
  // "20 units", "5 units per hour": a word that counts, like "boxes"
  if (dimension.count("unit") && unit.name != "unit^2" && unit.name != "unit^3") return Unit{};
  unit.factor = factor;
  return unit;
}

}  // namespace foil::verify
