#include "verify/rewrite.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <optional>

namespace foil::verify::rewriting {

namespace {

enum class Shape { kRational, kScalar, kTuple, kList, kSet, kInterval, kUnion, kEquation, kPlusMinus, kMatrix, kChoice, kText, kQuantity, kPercent, kMoney, kDegrees, kRatio, kOther };

struct Form {
  Shape shape = Shape::kOther;
  std::string text;            // kScalar, kOther, kText: as written; kMatrix: kind; kQuantity: unit; kEquation: left side
  int64_t p = 0, q = 1;        // kRational, kQuantity, …: the value
  int decimals = -1;           // kRational written as a decimal: digits behind the point
  std::vector<Form> parts;
  char open = '(', close = ')';
  int infinite = 0;            // kRational as an end of an interval: −1, 1
  int columns = 1;             // kMatrix
};

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
std::string str(int64_t n) { return std::to_string(n); }

std::string strip(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '$'; };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return std::string(s);
}

std::string replaced(std::string s, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = s.find(from, at)) != std::string::npos; at += to.size()) s.replace(at, from.size(), to);
  return s;
}

// Pieces between separators that stand outside all brackets.
std::vector<std::string> split(std::string_view s, std::string_view separator) {
  std::vector<std::string> out;
  int depth = 0;
  size_t from = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    if (depth == 0 && s.substr(i, separator.size()) == separator) {
      out.push_back(strip(s.substr(from, i - from)));
      i += separator.size() - 1;
      from = i + 1;
    } else if (s[i] == '(' || s[i] == '[' || s[i] == '{') {
      ++depth;
    } else if (s[i] == ')' || s[i] == ']' || s[i] == '}') {
      --depth;
    }
  }
  out.push_back(strip(s.substr(from)));
  return out;
}

bool integer(std::string_view s, int64_t& out) {
  bool negative = false;
  if (!s.empty() && s[0] == '-') {
    negative = true;
    s.remove_prefix(1);
  }
  if (s.empty() || s.size() > 9 || !std::all_of(s.begin(), s.end(), digit)) return false;
  out = std::stoll(std::string(s));
  if (negative) out = -out;
  return true;
}

Form rational(int64_t p, int64_t q) {
  Form f;
  f.shape = Shape::kRational;
  if (q < 0) p = -p, q = -q;
  const int64_t g = std::gcd(p, q);
  f.p = p / (g ? g : 1);
  f.q = q / (g ? g : 1);
  return f;
}

std::optional<Form> as_rational(std::string s) {
  int64_t p = 0, q = 1;
  if (integer(s, p)) return rational(p, 1);
  // 1,234 and 1{,}234 and 10,\!080
  std::string plain = replaced(replaced(replaced(s, "{,}", ","), ",\\!", ","), "\\!", "");
  const size_t sign = !plain.empty() && plain[0] == '-';
  if (const size_t comma = plain.find(','); comma != std::string::npos && comma > sign && comma - sign <= 3) {
    const std::vector<std::string> groups = split(plain.substr(sign), ",");
    bool grouped = true;
    for (size_t i = 0; i < groups.size(); ++i) grouped = grouped && (i == 0 || groups[i].size() == 3) && std::all_of(groups[i].begin(), groups[i].end(), digit);
    if (grouped && plain.find(' ') == std::string::npos && plain[sign] != '0' && integer(replaced(plain, ",", ""), p)) return rational(p, 1);
    return std::nullopt;
  }
  if (const size_t point = s.find('.'); point != std::string::npos && point + 1 < s.size()) {
    const std::string digits = s.substr(0, point) + s.substr(point + 1);
    const int k = static_cast<int>(s.size() - point - 1);
    if (k <= 6 && integer(digits, p)) {
      for (int i = 0; i < k; ++i) q *= 10;
      Form f = rational(p, q);
      f.decimals = k;
      return f;
    }
    return std::nullopt;
  }
  bool negative = false;
  if (!s.empty() && s[0] == '-') {
    negative = true;
    s = strip(s.substr(1));
  }
  for (const std::string_view name : {"\\frac", "\\dfrac", "\\tfrac"}) {
    if (s.compare(0, name.size(), name) != 0) continue;
    const std::string rest = s.substr(name.size());
    if (rest.size() == 2 && digit(rest[0]) && digit(rest[1]) && rest[1] != '0') return rational((negative ? -1 : 1) * (rest[0] - '0'), rest[1] - '0');
    const size_t middle = rest.find("}{");
    if (rest.empty() || rest.front() != '{' || rest.back() != '}' || middle == std::string::npos) continue;
    if (integer(rest.substr(1, middle - 1), p) && integer(rest.substr(middle + 2, rest.size() - middle - 3), q) && q != 0) return rational(negative ? -p : p, q);
  }
  if (const size_t slash = s.find('/'); slash != std::string::npos)
    if (integer(s.substr(0, slash), p) && integer(s.substr(slash + 1), q) && p >= 0 && q > 0) return rational(negative ? -p : p, q);
  return std::nullopt;
}

// An expression of digits, single letters, + − · ^, fractions, roots and π that may be put into brackets without a second thought.
bool scalar(std::string_view s) {
  if (s.empty() || s.size() > 120 || s == "0") return false;
  int depth = 0;
  bool value = false;
  for (size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '\\') {
      size_t j = i + 1;
      while (j < s.size() && letter(s[j])) ++j;
      const std::string_view name = s.substr(i + 1, j - i - 1);
      if (name != "frac" && name != "dfrac" && name != "tfrac" && name != "sqrt" && name != "cdot" && name != "pi") return false;
      value = value || name == "pi";
      i = j - 1;
    } else if (letter(c)) {
      if ((c == 'e' || c == 'E') && i > 0 && digit(s[i - 1])) return false;  // 1e-5
      if (i + 1 < s.size() && (letter(s[i + 1]) || s[i + 1] == '(')) return false;  // words; f(x)
      if (c == 'd' || c == 'O' || c == 'C' || c == 'P') return false;            // differentials, orders, binomial letters
      value = true;
    } else if (digit(c)) {
      value = true;
    } else if (c == '{' || c == '(') {
      ++depth;
    } else if (c == '}' || c == ')') {
      if (--depth < 0) return false;
    } else if (c == '_' || std::string_view("+-*^ /").find(c) == std::string_view::npos) {
      return false;
    }
  }
  const bool lone = s.size() == 1;
  return value && depth == 0 && !lone && std::string_view("+*^/").find(s.front()) == std::string_view::npos && std::string_view("+-*^/ ").find(s.back()) == std::string_view::npos;
}

Form classify(std::string_view source);

std::optional<Form> as_entry(const std::string& s) {
  Form f = classify(s);
  if (f.shape == Shape::kRational || f.shape == Shape::kScalar) return f;
  return std::nullopt;
}

std::optional<Form> as_end(std::string s) {
  int sign = 1;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    if (s[0] == '-') sign = -1;
    if (strip(s.substr(1)) == "\\infty") s = "\\infty";
  }
  if (s == "\\infty") {
    Form f = rational(0, 1);
    f.infinite = sign;
    return f;
  }
  return as_rational(s);
}

std::optional<Form> as_interval(const std::string& s) {
  if (s.size() < 5 || (s.front() != '(' && s.front() != '[') || (s.back() != ')' && s.back() != ']')) return std::nullopt;
  const auto ends = split(s.substr(1, s.size() - 2), ",");
  if (ends.size() != 2) return std::nullopt;
  const auto low = as_end(ends[0]), high = as_end(ends[1]);
  if (!low || !high) return std::nullopt;
  if (low->infinite > 0 || high->infinite < 0 || (low->infinite < 0 && high->infinite > 0)) return std::nullopt;
  if (!low->infinite && !high->infinite && low->p * high->q >= high->p * low->q) return std::nullopt;
  Form f;
  f.shape = Shape::kInterval;
  f.open = s.front();
  f.close = s.back();
  f.parts = {*low, *high};
  return f;
}

Form classify(std::string_view source) {
  std::string s = strip(source);
  if (s.find('$') != std::string::npos && s.find("\\$") == std::string::npos) return {Shape::kOther, std::string(source)};  // formulas in a sentence
  for (const char* name : {"\\left", "\\right"})
    for (size_t at = 0; (at = s.find(name, at)) != std::string::npos;) {
      const size_t end = at + std::string_view(name).size();
      if (end < s.size() && !letter(s[end])) s.erase(at, end - at);
      else ++at;
    }
  Form f;
  f.text = s;
  if (auto r = as_rational(s)) return *r;
  const auto body = [&](std::string_view open, std::string_view close) -> std::optional<std::string> {
    if (s.size() <= open.size() + close.size() || s.compare(0, open.size(), open) != 0 || s.compare(s.size() - close.size(), close.size(), close) != 0) return std::nullopt;
    return strip(std::string_view(s).substr(open.size(), s.size() - open.size() - close.size()));
  };
  const auto number_with = [&](const std::string& number, Shape shape) {
    if (auto r = as_rational(number); r && r->p > 0 && r->p < 1'000'000 && r->q < 1000) {
      f = *r;
      f.shape = shape;
      return true;
    }
    return false;
  };
  if (s.size() > 2 && s.substr(s.size() - 2) == "\\%" && number_with(strip(s.substr(0, s.size() - 2)), Shape::kPercent)) return f;
  if (s.substr(0, 2) == "\\$" && number_with(strip(s.substr(2)), Shape::kMoney)) return f;
  for (const std::string_view degrees : {"^\\circ", "^{\\circ}"})
    if (s.size() > degrees.size() && s.substr(s.size() - degrees.size()) == degrees && number_with(strip(s.substr(0, s.size() - degrees.size())), Shape::kDegrees)) return f;
  for (const char* unit : {"cm", "m", "kg", "seconds", "inches"})
    for (const std::string& tail : {" \\text{ " + std::string(unit) + "}", "\\text{ " + std::string(unit) + "}"})
      if (s.size() > tail.size() && s.substr(s.size() - tail.size()) == tail && number_with(strip(s.substr(0, s.size() - tail.size())), Shape::kQuantity)) {
        f.text = unit;
        return f;
      }
  // \text{(C)}, (C)
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"\\text{(", ")}"}, {"\\textbf{(", ")}"}})
    if (const auto in = body(open, close); in && in->size() == 1 && (*in)[0] >= 'A' && (*in)[0] <= 'F') {
      f.shape = Shape::kChoice;
      f.p = (*in)[0] - 'A';
      return f;
    }
  if (const auto in = body("\\text{", "}"); in && in->size() > 3 && std::all_of(in->begin(), in->end(), letter)) {
    f.shape = Shape::kText;
    f.text = *in;
    return f;
  }
  for (const char* kind : {"pmatrix", "bmatrix"})
    if (const auto in = body("\\begin{" + std::string(kind) + "}", "\\end{" + std::string(kind) + "}")) {
      f.shape = Shape::kMatrix;
      f.text = kind;
      std::string inside = *in;
      if (inside.size() > 2 && inside.substr(inside.size() - 2) == "\\\\") inside = strip(inside.substr(0, inside.size() - 2));
      for (const std::string& row : split(inside, "\\\\")) {
        const auto cells = split(row, "&");
        f.columns = static_cast<int>(cells.size());
        for (const std::string& cell : cells) {
          const auto entry = as_entry(cell);
          if (!entry || (!f.parts.empty() && cells.size() != static_cast<size_t>(f.columns))) return {Shape::kOther, s};
          f.parts.push_back(*entry);
        }
      }
      if (f.parts.size() % static_cast<size_t>(f.columns) != 0) return {Shape::kOther, s};
      return f;
    }
  if (auto pieces = split(s, "\\cup"); pieces.size() > 1) {
    for (const std::string& piece : pieces) {
      const auto i = as_interval(piece);
      if (!i) return {Shape::kOther, s};
      f.parts.push_back(*i);
    }
    f.shape = Shape::kUnion;
    // in order and apart from each other, so that changing an end changes the set
    for (size_t i = 1; i < f.parts.size(); ++i) {
      const Form &x = f.parts[i - 1].parts[1], &y = f.parts[i].parts[0];
      if (x.infinite || y.infinite || x.p * y.q > y.p * x.q) return {Shape::kOther, s};
    }
    return f;
  }
  if (const auto i = as_interval(s); i && (i->open == '[' || i->close == ']' || i->parts[0].infinite || i->parts[1].infinite)) {
    if (i->open != '[' || i->close != ']') return *i;
  }
  const auto entries = [&](const std::string& inside, Shape shape) {
    const auto pieces = split(inside, ",");
    for (const std::string& piece : pieces) {
      const auto e = as_entry(piece);
      if (!e) return false;
      f.parts.push_back(*e);
    }
    f.shape = shape;
    return true;
  };
  if (const auto in = body("\\{", "\\}"); in && in->find('|') == std::string::npos && entries(*in, Shape::kSet)) return f;
  f.parts.clear();
  if (const auto in = body("(", ")"); in && split(*in, ",").size() > 1 && split(s, ",").size() == 1 && entries(*in, Shape::kTuple)) return f;
  f.parts.clear();
  if (s.find(", ") != std::string::npos && split(s, ",").size() > 1 && entries(s, Shape::kList)) return f;
  f.parts.clear();
  if (const auto sides = split(s, "="); sides.size() == 2) {
    const bool left = sides[0].size() == 1 && letter(sides[0][0]) && sides[0] != "e" && sides[0] != "i";
    if ((left || scalar(sides[0])) && sides[1].find(sides[0]) == std::string::npos)
      if (const auto right = as_entry(sides[1])) {
        const bool has_letter = std::any_of(sides[0].begin(), sides[0].end(), letter);
        if (has_letter && sides[0].find('\\') == std::string::npos && sides[0].find('f') == std::string::npos) {
          f.shape = Shape::kEquation;
          f.text = sides[0];
          f.parts = {*right};
          return f;
        }
      }
    return {Shape::kOther, s};
  }
  if (const auto sides = split(s, "\\pm"); sides.size() == 2 && scalar("1+" + sides[1]) && (sides[0].empty() || scalar("1+" + sides[0])) && sides[1].find_first_of("+-") == std::string::npos) {
    f.shape = Shape::kPlusMinus;
    f.parts = {Form{Shape::kOther, sides[0].empty() ? "0" : sides[0]}, Form{Shape::kOther, sides[1]}};
    return f;
  }
  if (const auto sides = split(s, ":"); sides.size() == 2) {
    int64_t a = 0, b = 0;
    if (integer(sides[0], a) && integer(sides[1], b) && a > 0 && b > 0 && a < 1000 && b < 1000) {
      f = rational(a, b);
      f.shape = Shape::kRatio;
      return f;
    }
  }
  if (scalar(s)) {
    f.shape = Shape::kScalar;
    return f;
  }
  return {Shape::kOther, s};
}

// ---- respelling -----------------------------------------------------------------------------------

class Speller {
 public:
  Speller(const Below& below, std::vector<const char*>& rules) : below_(below), rules_(rules) {}

  int64_t roll(int64_t low, int64_t high) { return low + static_cast<int64_t>(below_(static_cast<uint64_t>(high - low + 1))); }
  bool coin() { return below_(2) == 1; }
  template <class T>
  void shuffle(std::vector<T>& v) {
    for (size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[below_(i)]);
  }
  const char* say(const char* rule) {
    rules_.push_back(rule);
    return rule;
  }

  // Written decimals of the last rational spelled on top level (−1: none): rounding compares at these digits.
  int written_decimals = -1;
  bool decimals_allowed = true;
  bool gold = false;
  bool unit_stays = false;  // the unit is what differs

  std::string spell(const Form& f, bool top) {
    switch (f.shape) {
      case Shape::kRational: return number(f, top);
      case Shape::kScalar: return expression(f.text, top);
      case Shape::kTuple: case Shape::kList: case Shape::kSet: return collection(f);
      case Shape::kInterval: return interval(f, top);
      case Shape::kUnion: return interval_union(f);
      case Shape::kEquation: return equation(f);
      case Shape::kPlusMinus: return plus_minus(f);
      case Shape::kMatrix: return matrix(f);
      case Shape::kChoice: return choice(f);
      case Shape::kText: return words(f);
      case Shape::kQuantity: return quantity(f);
      case Shape::kPercent: return percent(f);
      case Shape::kMoney: return money(f);
      case Shape::kDegrees: return degrees(f);
      case Shape::kRatio: {
        const int64_t k = roll(1, 7);
        say("ratio scaled");
        return str(k * f.p) + (coin() ? ":" : " : ") + str(k * f.q);
      }
      default: return f.text;
    }
  }

  // Exact decimal expansion, if it ends within `most` digits.
  std::optional<std::string> decimal(int64_t p, int64_t q, int most, int& digits) {
    int64_t scale = 1;
    for (digits = 0; digits <= most; ++digits, scale *= 10) {
      if (scale % q != 0) continue;
      std::string s = str(std::abs(p) * (scale / q));
      if (digits > 0) {
        while (s.size() <= static_cast<size_t>(digits)) s = "0" + s;
        s.insert(s.size() - static_cast<size_t>(digits), ".");
      }
      return p < 0 ? "-" + s : s;
    }
    return std::nullopt;
  }

  std::string fraction(int64_t p, int64_t q) {
    if (q == 1) return str(p);
    return p < 0 && coin() ? "\\frac{" + str(p) + "}{" + str(q) + "}" : std::string(p < 0 ? "-" : "") + "\\frac{" + str(std::abs(p)) + "}{" + str(q) + "}";
  }

  std::string number(const Form& f, bool top) {
    const int64_t p = f.p, q = f.q, small = 1'000'000;
    const bool integral = q == 1, tame = std::abs(p) < small && q < small;
    const std::string v = fraction(p, q);
    const std::string bracketed = p < 0 ? "\\left(" + v + "\\right)" : v;
    if (top) written_decimals = -1;
    int digits = 0;
    for (int tries = 0; tries < 8; ++tries) {
      switch (roll(0, 30)) {
        case 0: if (!tame) break; { const int64_t k = roll(2, 12); say("fraction expanded"); return std::string(coin() ? "\\frac{" : "\\dfrac{") + str(k * p) + "}{" + str(k * q) + "}"; }
        case 1: if (!tame) break; { const int64_t k = roll(1, 9); if (k * q == 1) break; say("slash"); return str(k * p) + "/" + str(k * q); }
        case 2: case 3:
          if (!decimals_allowed) break;
          if (auto d = decimal(p, q, 8, digits)) {
            if (digits == 0) break;
            int zeros = coin() ? static_cast<int>(roll(0, 3)) : 0;
            say(zeros ? "decimal with trailing zeros" : "decimal");
            if (top) written_decimals = digits + zeros;
            return *d + std::string(static_cast<size_t>(zeros), '0');
          }
          break;
        case 4: if (integral || std::abs(p) < q || !tame) break; say("mixed number"); return std::string(p < 0 ? "-" : "") + str(std::abs(p) / q) + "\\frac{" + str(std::abs(p) % q) + "}{" + str(q) + "}";
        case 5:
          if (integral || q > 60 || !tame) break;
          {
            // remainders met before: the block that repeats
            std::string out = (p < 0 ? "-" : "") + str(std::abs(p) / q) + ".";
            std::vector<int64_t> seen;
            int64_t r = std::abs(p) % q;
            std::string d;
            while (r != 0 && std::find(seen.begin(), seen.end(), r) == seen.end() && seen.size() < 70) {
              seen.push_back(r);
              d += static_cast<char>('0' + r * 10 / q);
              r = r * 10 % q;
            }
            if (r == 0) break;
            const size_t start = static_cast<size_t>(std::find(seen.begin(), seen.end(), r) - seen.begin());
            say("repeating decimal");
            return out + d.substr(0, start) + "\\overline{" + d.substr(start) + "}";
          }
        case 6: if (!tame) break; { const int64_t a = roll(1, 40); say("sum"); return fraction(p - a * q, q) + "+" + str(a); }
        case 7: if (!tame) break; { const int64_t a = roll(1, 40); say("difference"); return fraction(p + a * q, q) + " - " + str(a); }
        case 8: if (!tame) break; { const int64_t k = roll(2, 9); say("product"); return str(k) + " \\cdot " + (p < 0 ? "\\left(" + fraction(p, k * q) + "\\right)" : fraction(p, k * q)); }
        case 9: if (p == 0 || !tame) break; say("reciprocal power"); return "\\left(" + fraction(p < 0 ? -q : q, std::abs(p)) + "\\right)^{-1}";
        case 10: if (!tame) break; say("root of a square"); return std::string(p < 0 ? "-" : "") + "\\sqrt{" + (integral ? str(p * p) : "\\frac{" + str(p * p) + "}{" + str(q * q) + "}") + "}";
        case 11: if (!integral || p < -60 || p > 60) break; say("logarithm of a power"); return "\\log_{2} 2^{" + str(p) + "}";
        case 12:
          if (!top || gold || !decimals_allowed || !tame) break;
          if (auto d = decimal(100 * p, q, 4, digits)) {
            say("percent");
            return *d + "\\%";
          }
          break;
        case 13:
          if (p == 0 || gold || !decimals_allowed || !tame) break;
          if (auto d = decimal(p, q, 6, digits)) {
            const int64_t e = roll(1, 6);
            // value = (value / 10^e) · 10^e
            int more = 0;
            int64_t scale = 1;
            for (int64_t i = 0; i < e; ++i) scale *= 10;
            if (auto m = decimal(p, q * scale, 14, more)) {
              say("scientific notation");
              return *m + (coin() ? " \\times 10^{" : " \\cdot 10^{") + str(e) + "}";
            }
          }
          break;
        case 14: case 15:
          if (!integral || std::abs(p) < 1000 || !top) break;
          {
            static constexpr std::array<const char*, 4> kCommas = {",", "{,}", ",\\!", "\\,"};
            std::string s = str(std::abs(p));
            const char* comma = kCommas[below_(4)];
            for (size_t at = s.size(); at > 3;) s.insert(at -= 3, comma);
            say("thousands");
            return (p < 0 ? "-" : "") + s;
          }
        case 16: if (p < 0) break; say("absolute value"); return "\\left|" + fraction(-p, q) + "\\right|";
        case 17: if (!integral || !tame) break; say("floor"); return "\\left\\lfloor " + fraction(2 * p + 1, 2) + " \\right\\rfloor";
        case 18:
          if (!integral || p < 2 || gold || !top || !tame) break;
          {
            const int64_t b = roll(2, 9);
            std::string s;
            for (int64_t n = p; n > 0; n /= b) s.insert(s.begin(), static_cast<char>('0' + n % b));
            say("base");
            return s + "_{" + str(b) + "}";
          }
        case 19: if (!tame) break; { static constexpr std::array<int, 4> kRoots = {2, 3, 5, 7}; const std::string r = "\\sqrt{" + std::to_string(kRoots[below_(4)]) + "}"; say("root expanded"); return "\\frac{" + str(p) + r + "}{" + (integral ? "" : str(q)) + r + "}"; }
        case 20: if (p <= 0 || !tame) break; say("exponential of a logarithm"); return "e^{\\ln(" + v + ")}";
        case 21: if (!integral || p < 1 || p > 100000) break; say("binomial"); return "\\binom{" + str(p) + "}{1}";
        case 22: if (!tame) break; say("sine and cosine"); return bracketed + "\\left(\\sin^2 1+\\cos^2 1\\right)";
        case 23: if (!integral || p < 2 || p > 150) break; say("factorials"); return "\\frac{" + str(p) + "!}{" + str(p - 1) + "!}";
        case 24: if (!tame) break; say("double minus"); return p > 0 ? "-\\left(-" + v + "\\right)" : "-" + fraction(-p, q);
        case 25: if (!tame) break; say("nested radicals"); return v + "+\\sqrt{3+2\\sqrt{2}}-1-\\sqrt{2}";
        case 26: if (!tame) break; say("pi added and taken away"); return "\\pi + " + bracketed + " - \\pi";
        case 27: if (!integral || p < 0 || p > 12 || !top) break; { static constexpr std::array<const char*, 13> kWords = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}; say("number word"); return "\\text{" + std::string(kWords[static_cast<size_t>(p)]) + "}"; }
        case 28: if (!tame || p == 0) break; say("cosine of 60 degrees"); return "2 \\cdot " + bracketed + "\\cos 60^\\circ";
        case 29: if (!tame || !integral) break; { const int64_t k = roll(2, 12); if (p % k != 0) break; say("factors"); return (p < 0 ? "(" + str(p / k) + ")" : str(p / k)) + " \\times " + str(k); }
        default:
          if (f.decimals >= 0 && decimals_allowed) {
            if (auto d = decimal(p, q, f.decimals, digits)) {
              if (top) written_decimals = digits;
              return *d;
            }
          }
          say("lowest terms");
          return v;
      }
    }
    return v;
  }

  std::string expression(const std::string& x, bool top) {
    const bool letters = std::any_of(x.begin(), x.end(), [](char c) { return letter(c); });
    const bool summed = x.find_first_of("+-") != std::string::npos;
    const std::string b = "\\left(" + x + "\\right)";
    switch (roll(0, 13)) {
      case 0: { const int64_t k = roll(1, 30); say("constant added and taken away"); return x + "+" + str(k) + "-" + str(k); }
      case 1: { const int64_t k = roll(2, 12); say("multiplied and divided"); return "\\frac{" + str(k) + b + "}{" + str(k) + "}"; }
      case 2: say("double minus"); return "-\\left(-" + b + "\\right)";
      case 3: say("times one"); return "1 \\cdot " + b;
      case 4: say("first power"); return b + "^{1}";
      case 5: say("root expanded"); return "\\frac{\\sqrt{3}" + b + "}{\\sqrt{3}}";
      case 6: say("pi added and taken away"); return "\\pi + " + x + " - \\pi";
      case 7: say("brackets"); return b;
      case 8: say("zero added"); return "0+" + (x[0] == '-' ? b : x);
      case 9: say("square over itself"); return "\\frac{" + b + "^2}{" + x + "}";
      case 10: say("halves"); return "\\frac{1}{2}" + b + "+\\frac{" + x + "}{2}";
      case 11: if (!letters) { say("sine and cosine"); return b + "(\\sin^2 2+\\cos^2 2)"; } return x;
      case 12: if (top && !gold && x.find('w') == std::string::npos) { say("named"); return "w = " + x; } return x;
      default: if (!summed) { say("sum with itself"); return "3" + b + " - 2" + b; } return x;
    }
  }

  std::string collection(const Form& f) {
    Form g = f;
    if (f.shape != Shape::kTuple) {
      say("order");
      shuffle(g.parts);
      if (f.shape == Shape::kSet && coin()) {
        say("repeat in a set");
        g.parts.push_back(g.parts[below_(g.parts.size())]);
      }
    } else {
      say("entries");
    }
    const bool words = f.shape == Shape::kList && coin();
    std::string out;
    for (size_t i = 0; i < g.parts.size(); ++i) {
      if (i) out += words && i + 1 == g.parts.size() ? " \\text{ and } " : below_(3) == 0 ? ",\\ " : ", ";
      out += spell(g.parts[i], false);
    }
    if (f.shape == Shape::kSet) return (coin() ? "\\{" : "\\left\\{") == std::string("\\{") ? "\\{" + out + "\\}" : "\\left\\{ " + out + " \\right\\}";
    if (f.shape == Shape::kTuple) return coin() ? "(" + out + ")" : "\\left( " + out + " \\right)";
    return out;
  }

  std::string end_of(const Form& f) { return f.infinite ? (f.infinite < 0 ? "-\\infty" : "\\infty") : number(f, false); }

  std::string interval(const Form& f, bool top) {
    const Form &a = f.parts[0], &b = f.parts[1];
    const char* low = f.open == '[' ? " \\le " : " < ";
    const char* high = f.close == ']' ? " \\le " : " < ";
    const char* low_back = f.open == '[' ? " \\geq " : " > ";
    const char* high_back = f.close == ']' ? " \\geq " : " > ";
    std::string relation, back;
    if (a.infinite) relation = "x" + std::string(high) + end_of(b), back = end_of(b) + high_back + "x";
    else if (b.infinite) relation = end_of(a) + low + "x", back = "x" + std::string(low_back) + end_of(a);
    else relation = end_of(a) + low + "x" + high + end_of(b), back = end_of(b) + high_back + "x" + low_back + end_of(a);
    switch (top ? roll(0, 6) : 0) {
      case 1: say("interval as inequality"); return relation;
      case 2: say("inequality read backwards"); return back;
      case 3: say("set builder"); return "\\{x : " + relation + "\\}";
      case 4: say("element of an interval"); return "x \\in " + bracket(f);
      case 5:
        if (!a.infinite && !b.infinite) {
          const Form middle = rational(a.p * b.q + b.p * a.q, 2 * a.q * b.q);
          say("interval cut in two");
          return std::string(1, f.open) + end_of(a) + ", " + number(middle, false) + "] \\cup (" + number(middle, false) + ", " + end_of(b) + f.close;
        }
        return bracket(f);
      default: return bracket(f);
    }
  }
  std::string bracket(const Form& f) {
    say("interval");
    const std::string inside = end_of(f.parts[0]) + ", " + end_of(f.parts[1]);
    return coin() ? f.open + inside + f.close : "\\left" + std::string(1, f.open) + inside + "\\right" + f.close;
  }
  std::string interval_union(const Form& f) {
    Form g = f;
    say("union in another order");
    shuffle(g.parts);
    std::string out;
    for (size_t i = 0; i < g.parts.size(); ++i) out += (i ? " \\cup " : "") + bracket(g.parts[i]);
    return out;
  }

  std::string equation(const Form& f) {
    const bool literal = f.parts[0].shape == Shape::kRational;
    const std::string right = literal ? fraction(f.parts[0].p, f.parts[0].q) : f.parts[0].text;
    const std::string& left = f.text;
    switch (roll(0, 4)) {
      case 0: say("sides swapped"); return right + " = " + left;
      case 1: say("equation scaled"); return "3\\left(" + left + "\\right) = 3\\left(" + right + "\\right)";
      case 2: say("all on one side"); return left + " - \\left(" + right + "\\right) = 0";
      case 3: say("added on both sides"); return left + " + 7 = " + right + " + 7";
      default: return left + " = " + right;
    }
  }

  std::string plus_minus(const Form& f) {
    const std::string a = f.parts[0].text, b = f.parts[1].text;
    if (coin()) return (a == "0" ? "" : a) + " \\pm " + b;
    say("both signs written out");
    std::string plus = (a == "0" ? "" : a + " + ") + b, minus = (a == "0" ? "-" : a + " - ") + b;
    if (coin()) std::swap(plus, minus);
    return plus + (coin() ? ", " : " \\text{ and } ") + minus;
  }

  std::string matrix(const Form& f) {
    say("matrix entries");
    const std::string kind = coin() ? "pmatrix" : "bmatrix";
    std::string out = "\\begin{" + kind + "} ";
    for (size_t i = 0; i < f.parts.size(); ++i) {
      if (i) out += i % static_cast<size_t>(f.columns) ? " & " : " \\\\ ";
      out += spell(f.parts[i], false);
    }
    return out + " \\end{" + kind + "}";
  }

  std::string choice(const Form& f) {
    const std::string c(1, static_cast<char>('A' + f.p));
    say("choice");
    switch (roll(0, 4)) {
      case 0: return "(" + c + ")";
      case 1: return "\\text{" + c + "}";
      case 2: return "\\textbf{(" + c + ")}";
      case 3: return c;
      default: return "\\text{(" + c + ")}";
    }
  }

  std::string words(const Form& f) {
    std::string s = f.text;
    say("case and article");
    switch (roll(0, 4)) {
      case 0: for (char& c : s) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c))); break;
      case 1: s[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(s[0]))); break;
      case 2: for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c))); break;
      case 3: return "\\text{the " + s + "}";
      default: break;
    }
    return coin() ? "\\text{" + s + "}" : "\\mbox{" + s + ".}";
  }

  std::string quantity(const Form& f) {
    const bool plain = gold;
    struct Other { const char* unit; const char* other; int64_t up, down; };
    static constexpr std::array<Other, 9> kOthers = {{{"cm", "mm", 10, 1}, {"cm", "m", 1, 100}, {"m", "cm", 100, 1}, {"m", "km", 1, 1000}, {"kg", "g", 1000, 1}, {"seconds", "minutes", 1, 60}, {"seconds", "hours", 1, 3600}, {"inches", "feet", 1, 12}, {"m", "meters", 1, 1}}};
    if (!plain && coin()) {
      const Other& o = kOthers[below_(kOthers.size())];
      if (o.unit == f.text) {
        const Form g = rational(f.p * o.up, f.q * o.down);
        say("unit converted");
        return fraction(g.p, g.q) + " \\text{ " + o.other + "}";
      }
    }
    const std::string v = number_form(f);
    if (!plain && !unit_stays && below_(4) == 0) {
      say("unit left out");
      return v;
    }
    say("unit");
    switch (roll(0, 3)) {
      case 0: return v + "\\text{ " + f.text + "}";
      case 1: return v + "\\," + "\\mathrm{" + f.text + "}";
      case 2: return v + "~\\mbox{" + f.text + "}";
      default: return v + " " + f.text;
    }
  }
  std::string number_form(const Form& f) { return fraction(f.p, f.q); }

  std::string percent(const Form& f) {
    const std::string v = number_form(f);
    switch (gold ? 0 : roll(0, 3)) {
      case 1: say("percent as fraction"); return fraction_of(f, 100);
      case 2: say("percent left out"); return v;
      case 3: say("percent as a word"); return v + " \\text{ percent}";
      default: say("percent"); return v + "\\%";
    }
  }
  std::string fraction_of(const Form& f, int64_t d) {
    const Form g = rational(f.p, f.q * d);
    return fraction(g.p, g.q);
  }

  std::string money(const Form& f) {
    const std::string v = number_form(f);
    switch (gold ? 0 : roll(0, 3)) {
      case 1: say("dollars as a word"); return v + " \\text{ dollars}";
      case 2: say("dollars left out"); return v;
      case 3: say("cents"); return fraction(rational(100 * f.p, f.q).p, rational(100 * f.p, f.q).q) + " \\text{ cents}";
      default: say("dollars"); return "\\$" + v;
    }
  }

  std::string degrees(const Form& f) {
    const std::string v = number_form(f);
    switch (gold ? 0 : roll(0, 4)) {
      case 1: say("degrees as a word"); return v + " \\text{ degrees}";
      case 2: say("degrees left out"); return v;
      case 3: say("degrees in radians"); return fraction_of(f, 180) + "\\pi";
      case 4: say("degrees"); return v + "°";
      default: say("degrees"); return v + "^{\\circ}";
    }
  }

  // ---- another value ------------------------------------------------------------------------------

  Form alter_rational(const Form& f) {
    Form g = f;
    for (int tries = 0; tries < 6; ++tries) {
      const bool tame = std::abs(f.p) < 1'000'000 && f.q < 1'000'000;
      switch (tame ? roll(0, 8) : 0) {
        case 0: g = rational(f.p + f.q, f.q); say("≠ one more"); break;
        case 1: g = rational(f.p - f.q, f.q); say("≠ one less"); break;
        case 2: g = rational(-f.p, f.q); say("≠ sign"); break;
        case 3: g = rational(2 * f.p, f.q); say("≠ doubled"); break;
        case 4: g = rational(f.p + 1, f.q); say("≠ numerator"); break;
        case 5: g = rational(f.p, f.q + 1); say("≠ denominator"); break;
        case 6: g = f.p ? rational(f.q, f.p) : f; say("≠ upside down"); break;
        case 7: g = rational(10 * f.p, f.q); say("≠ point moved"); break;
        default: {
          // two neighbouring digits exchanged
          std::string s = str(std::abs(f.p));
          if (s.size() > 1) {
            const size_t i = below_(s.size() - 1);
            std::swap(s[i], s[i + 1]);
            g = rational((f.p < 0 ? -1 : 1) * std::stoll(s), f.q);
            say("≠ digits exchanged");
          }
        }
      }
      // a percentage left out or put in is the same by policy, so a factor of 100 is no difference
      if ((g.p != f.p || g.q != f.q) && g.p * f.q != 100 * f.p * g.q && 100 * g.p * f.q != f.p * g.q) return g;
    }
    say("≠ one more");
    return rational(f.p + f.q, f.q);
  }

  std::optional<Form> alter(const Form& f) {
    Form g = f;
    switch (f.shape) {
      case Shape::kRational: return alter_rational(f);
      case Shape::kScalar: {
        const bool exact = f.text.find('.') == std::string::npos;
        const std::string b = "\\left(" + f.text + "\\right)";
        switch (roll(0, 6)) {
          case 0: g.text = "-" + b; say("≠ sign"); return g;
          case 1: g.text = "2" + b; say("≠ doubled"); return g;
          case 2: g.text = f.text + "+1"; say("≠ one more"); return g;
          case 3: g.text = b + "\\sqrt{2}"; say("≠ times a root"); return g;
          case 4: if (!exact) return std::nullopt; g.text = f.text + "-\\frac{1}{1000}"; say("≠ a little less"); return g;
          case 5: if (!exact) return std::nullopt; g.text = f.text + "+10^{-30}"; say("≠ very little more"); return g;
          default: g.text = "\\frac{101" + b + "}{100}"; say("≠ one per cent more"); return exact ? std::optional<Form>(g) : std::nullopt;
        }
      }
      case Shape::kTuple: case Shape::kList: case Shape::kSet: case Shape::kMatrix: {
        const auto number = [](const Form& x) { return x.shape == Shape::kRational; };
        bool distinct = std::all_of(f.parts.begin(), f.parts.end(), number);
        for (size_t i = 0; i < f.parts.size() && distinct; ++i)
          for (size_t j = 0; j < i; ++j) distinct = distinct && (f.parts[i].p != f.parts[j].p || f.parts[i].q != f.parts[j].q);
        const size_t i = below_(f.parts.size());
        const auto what = roll(0, 3);
        if (what == 0 && distinct && f.parts.size() > 1 && (f.shape == Shape::kTuple || f.shape == Shape::kMatrix)) {
          std::swap(g.parts[i], g.parts[(i + 1) % g.parts.size()]);
          say("≠ entries exchanged");
          return g;
        }
        if (what == 1 && distinct && f.shape != Shape::kMatrix && f.parts.size() > 2) {
          g.parts.erase(g.parts.begin() + static_cast<std::ptrdiff_t>(i));
          say("≠ an entry left out");
          return g;
        }
        if (what == 2 && distinct && f.shape != Shape::kMatrix && f.shape != Shape::kTuple) {
          int64_t more = 1;
          for (const Form& x : f.parts) more = std::max(more, std::abs(x.p) + 1);
          g.parts.push_back(rational(more, 1));
          say("≠ an entry too many");
          return g;
        }
        if (!distinct && f.shape == Shape::kSet) return std::nullopt;
        auto x = alter(f.parts[i]);
        if (!x) return std::nullopt;
        g.parts[i] = *x;
        return g;
      }
      case Shape::kInterval: {
        const bool low = f.parts[1].infinite || (!f.parts[0].infinite && coin());
        if (coin()) {
          char& c = low ? g.open : g.close;
          c = c == '[' ? '(' : c == '(' ? '[' : c == ']' ? ')' : ']';
          say("≠ end open or closed");
          if (g.open == '(' && g.close == ')' && !g.parts[0].infinite && !g.parts[1].infinite) return std::nullopt;  // could be a point
          return g;
        }
        Form& end = g.parts[low ? 0 : 1];
        end = rational(end.p + (low ? -end.q : end.q), end.q);  // outwards, so that it stays an interval
        say("≠ end moved");
        return g;
      }
      case Shape::kUnion: {
        const size_t i = below_(f.parts.size());
        Form& part = g.parts[i];
        const bool low = part.parts[1].infinite || (!part.parts[0].infinite && coin());
        char& c = low ? part.open : part.close;
        c = c == '[' ? '(' : c == '(' ? '[' : c == ']' ? ')' : ']';
        say("≠ end open or closed");
        return g;
      }
      case Shape::kEquation: {
        const std::string right = f.parts[0].shape == Shape::kRational ? fraction(f.parts[0].p, f.parts[0].q) : f.parts[0].text;
        g.parts[0] = Form{Shape::kScalar, right + "+1"};
        say("≠ one more on one side");
        return g;
      }
      case Shape::kPlusMinus:
        g.parts[1].text += "+1";
        g = Form{Shape::kList, ""};
        g.parts = {Form{Shape::kOther, (f.parts[0].text == "0" ? "" : f.parts[0].text + " + ") + f.parts[1].text}, Form{Shape::kOther, (f.parts[0].text == "0" ? "3" : f.parts[0].text + " - 3") + "\\cdot " + f.parts[1].text}};
        say("≠ second sign");
        return g;
      case Shape::kChoice: g.p = (f.p + roll(1, 4)) % 5; say("≠ another letter"); return g.p == f.p ? std::nullopt : std::optional<Form>(g);
      case Shape::kText: g.text = "non" + f.text; say("≠ another word"); return g;
      case Shape::kQuantity:
        if (coin()) {
          static const std::map<std::string, const char*> kWrong = {{"cm", "m"}, {"m", "cm"}, {"kg", "m"}, {"seconds", "minutes"}, {"inches", "cm"}};
          g.text = kWrong.at(f.text);
          unit_stays = true;
          say("≠ unit");
          return g;
        }
        [[fallthrough]];
      case Shape::kMoney: case Shape::kPercent: case Shape::kDegrees: {
        const Form h = rational(f.p + f.q, f.q);
        g.p = h.p;
        g.q = h.q;
        say("≠ one more");
        return g;
      }
      case Shape::kRatio: g = rational(f.p + 1, f.q); if (g.q == 1 && g.p == f.p) return std::nullopt; g.shape = Shape::kRatio; say("≠ ratio"); return g;
      default: return std::nullopt;
    }
  }

  // ---- the surface --------------------------------------------------------------------------------

  std::string surface(std::string s) {
    const bool words = s.find("\\text") != std::string::npos || s.find("\\mbox") != std::string::npos || s.find("\\mathrm") != std::string::npos;
    const auto swap_command = [&](std::string_view from, std::string_view to, const char* rule) {
      if (s.find(from) == std::string::npos) return;
      for (size_t at = 0; (at = s.find(from, at)) != std::string::npos; at += to.size()) {
        const size_t end = at + from.size();
        if (letter(from.back()) && end < s.size() && letter(s[end])) continue;  // \le in \left
        s.replace(at, from.size(), to);
      }
      say(rule);
    };
    for (int i = 0; i < 3; ++i) switch (roll(0, 17)) {
        case 0: swap_command("\\frac", "\\dfrac", "\\dfrac"); break;
        case 1: swap_command("\\frac", "\\tfrac", "\\tfrac"); break;
        case 2: swap_command("\\cdot", "\\times", "\\times"); break;
        case 3: swap_command("\\cdot", "*", "*"); break;
        case 4: swap_command("\\pi", "π", "π"); break;
        case 5: swap_command("\\infty", "∞", "∞"); break;
        case 6: swap_command("\\cup", "∪", "∪"); break;
        case 7: swap_command("\\le", "≤", "≤"); swap_command("\\geq", "≥", "≥"); break;
        case 8: swap_command("\\le", "\\leqslant ", "\\leqslant"); break;
        case 9: if (!words) swap_command("-", "−", "unicode minus"); break;
        case 10: swap_command("\\left(", "(", "plain brackets"); swap_command("\\right)", ")", "plain brackets"); break;
        case 11: swap_command("\\left(", "\\bigl(", "\\bigl"); swap_command("\\right)", "\\bigr)", "\\bigl"); break;
        case 12: if (!words && s.find("\\!") == std::string::npos && s.find("\\phantom") == std::string::npos) swap_command(" ", " \\, ", "thin spaces"); break;
        case 13: if (!words) swap_command("+", " + ", "spaces"); break;
        case 14: swap_command("^2", "^{2}", "braced exponent"); break;
        case 15: if (!words && s.find("\\sqrt{2}") != std::string::npos) swap_command("\\sqrt{2}", "\\sqrt 2 ", "unbraced root"); break;
        case 16: swap_command("\\sqrt{2}", "√2", "√"); break;
        default: if (!words) swap_command("}{", "} {", "spaces"); break;
      }
    return s;
  }

  std::string envelope(const std::string& s) {
    switch (roll(0, 15)) {
      case 0: case 1: case 2: say("box"); return "After simplifying we get $\\boxed{" + s + "}$.";
      case 3: say("####"); return "Adding up gives 17 + 4 = 21 at first.\n#### " + s;
      case 4: say("the answer is"); return "Let me compute. 3 * 4 = 12. Therefore the answer is $" + s + "$.";
      case 5: say("<answer>"); return "<think>Maybe \\boxed{1}? No.</think>\n<answer>" + s + "</answer>";
      case 6: say("Final answer"); return "**Step 1.** Expand.\n\n**Final Answer:** $" + s + "$";
      case 7: say("\\( \\)"); return "So the answer is \\(" + s + "\\).";
      case 8: say("\\[ \\]"); return "The final answer is:\n\\[\n\\boxed{" + s + "}\n\\]";
      case 9: say("dollars"); return "$" + s + "$";
      case 10: say("double dollars"); return "$$" + s + "$$";
      case 11: say("thinking"); return "<think>\nThe answer is 5.\nWait, \\boxed{6}?\n</think>\n\nThe final answer is $\\boxed{" + s + "}$";
      case 12: say("fbox"); return "Hence \\fbox{" + s + "}.";
      case 13: say("Answer:"); return "Some steps.\nAnswer: $" + s + "$";
      case 14: say("Minerva"); return "We find it.\nFinal Answer: The final answer is $" + s + "$. I hope it is correct.";
      default: return s;
    }
  }

 private:
  const Below& below_;
  std::vector<const char*>& rules_;
};

}  // namespace

Pair make_pair(std::string_view answer, bool want_same, const Below& below) {
  Pair out;
  Speller speller(below, out.rules);
  const Form form = classify(answer);
  Form other = form;
  if (!want_same) {
    if (const auto altered = speller.alter(form)) {
      other = *altered;
      out.same = false;
    }
  }
  // The gold: as it stands, or respelled too.
  speller.gold = true;
  if (form.shape == Shape::kOther || speller.coin()) {
    out.gold = std::string(answer);
    if (!out.same && form.shape == Shape::kRational && form.decimals >= 0) {
      // rounding to the gold's digits is no difference
      const __int128 gap = static_cast<__int128>(other.p) * form.q - static_cast<__int128>(form.p) * other.q;
      __int128 scaled = gap < 0 ? -gap : gap;
      for (int i = 0; i < form.decimals; ++i) scaled *= 10;
      if (scaled < static_cast<__int128>(form.q) * other.q) out.gold = speller.fraction(form.p, form.q);
    }
  } else {
    speller.decimals_allowed = out.same;
    out.gold = speller.surface(speller.spell(form, true));
    speller.decimals_allowed = true;
  }
  speller.gold = false;
  // A decimal answer must say all its digits; \% and units may differ by policy only in form.
  std::string text = speller.spell(other, true);
  text = speller.surface(text);
  out.text = text.find('$') != std::string::npos && text.find("\\$") == std::string::npos ? text : speller.envelope(text);
  return out;
}

const std::vector<std::string>& seed_answers() {
  static const std::vector<std::string> kSeeds = {
      "0", "1", "-1", "2", "7", "12", "18", "-35", "100", "540", "1234", "10,080", "70000", "5,600,000", "123456789", "\\frac{1}{2}", "\\frac{3}{4}", "-\\frac{7}{3}", "\\frac{22}{7}", "\\frac{1}{3}", "\\frac{5}{6}", "\\frac{17}{99}", "\\frac{355}{113}", "\\dfrac{9}{4}", "\\frac34", "11/2",
      "0.5", "3.14", "-2.75", "0.125", "18.90", "0.001", "99.5", "\\sqrt{2}", "3\\sqrt{5}", "\\frac{\\sqrt{3}}{2}", "2+\\sqrt{3}", "1-\\sqrt{2}", "\\frac{1+\\sqrt{5}}{2}", "4\\pi", "\\frac{\\pi}{6}", "16\\pi-8", "2^{10}", "5^{7}", "\\sqrt{2}+\\sqrt{3}", "6\\sqrt{3}+2\\pi",
      "x+1", "x^2-2x+1", "2n+1", "\\frac{n(n+1)}{2}", "(a+5)(b+2)", "3x^3+2x", "\\frac{x}{y}", "ab+c", "-3y^2", "\\frac{a+b}{a-b}", "x^{10}-1", "5a^2b", "3+4i", "-2i+1",
      "(1,2)", "(3, -4)", "(0, 0, 1)", "\\left( \\frac{1}{2}, 3 \\right)", "(\\sqrt{2}, 1, 5)", "1, 2", "1, -2, 3", "\\frac{1}{2}, 5", "\\sqrt{2}, 7", "\\{1, 2, 3\\}", "\\{-1, \\frac{1}{2}\\}", "[2, \\infty)", "(-\\infty, 5]", "[0, 9)", "(-\\infty, -3)", "(\\frac{1}{2}, 4]", "(-\\infty,2)\\cup(3,\\infty)", "[-2, 0) \\cup (1, 5]",
      "x=3", "y = 2x+3", "x+2y=7", "y=x^2", "1 \\pm \\sqrt{19}", "\\pm 3", "3 \\pm 2\\sqrt{2}", "\\begin{pmatrix} 1 \\\\ 2 \\\\ 3 \\end{pmatrix}", "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "\\begin{bmatrix} 0 & -1 \\\\ \\frac{1}{2} & 5 \\end{bmatrix}",
      "\\text{(A)}", "\\text{(C)}", "\\text{Friday}", "\\text{ellipse}", "\\text{even}", "15 \\text{ cm}", "3\\text{ m}", "12 \\text{ inches}", "90\\text{ seconds}", "5 \\text{ kg}", "50\\%", "12.5\\%", "\\$18", "\\$7.50", "90^\\circ", "45^{\\circ}", "1:2", "5:3",
      "x \\le 3", "x > -2", "-1 < x \\le 4", "\\mathbb{R}", "\\emptyset", "212_3", "\\sin x", "\\ln 2", "e^2", "\\log_2 3", "10!", "\\binom{10}{3}", "4:30 \\text{ p.m.}", "\\text{Yes}", "|x|", "2^{2019}-2020", "(1,2), (3,4)"};
  return kSeeds;
}

}  // namespace foil::verify::rewriting
