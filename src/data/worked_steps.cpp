#include "data/worked_steps.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

namespace foil {

namespace {

bool digit(std::string_view s, size_t i) { return i < s.size() && s[i] >= '0' && s[i] <= '9'; }
bool letter(std::string_view s, size_t i) { return i < s.size() && std::isalpha(static_cast<unsigned char>(s[i])); }
bool close(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)}); }

struct Sign {
  char sign = 0;  // 0: something else than one sign stands between
  size_t begin = 0, end = 0;
};

// The one sign between two numbers; blanks, $, and one word (a unit) before it do not count.
Sign sign_between(std::string_view text, size_t begin, size_t end) {
  static const std::pair<std::string_view, char> kSigns[] = {{"+", '+'}, {"-", '-'}, {"\xE2\x88\x92", '-'}, {"*", '*'}, {"\xC3\x97", '*'}, {"\\times", '*'}, {"\\cdot", '*'},
                                                            {"/", '/'}, {"\xC3\xB7", '/'}, {"\\div", '/'}, {"=", '='}};
  Sign out;
  bool word = false;
  for (size_t i = begin; i < end;) {
    if (text[i] == ' ' || text[i] == '$') {
      ++i;
      continue;
    }
    const auto rest = text.substr(i, end - i);
    const auto* hit = std::find_if(std::begin(kSigns), std::end(kSigns), [&](const auto& s) { return rest.starts_with(s.first); });
    if (hit != std::end(kSigns)) {
      if (out.sign) return {};
      out = {hit->second, i, i + hit->first.size()};
      i = out.end;
    } else if (rest[0] == 'x' && !letter(text, i + 1) && !out.sign) {
      out = {'*', i, i + 1};
      ++i;
    } else if (letter(text, i) && !word && !out.sign) {
      word = true;
      while (i < end && letter(text, i)) ++i;
    } else {
      return {};
    }
  }
  return out;
}

}  // namespace

std::vector<WrittenNumber> written_numbers(std::string_view text) {
  std::vector<WrittenNumber> out;
  for (size_t i = 0; i < text.size();) {
    const bool point_first = text[i] == '.' && digit(text, i + 1) && (i == 0 || text[i - 1] == ' ' || text[i - 1] == '$' || text[i - 1] == '*');  // .5
    if (!digit(text, i) && !point_first) {
      ++i;
      continue;
    }
    WrittenNumber n;
    n.begin = i;
    std::string digits;
    while (digit(text, i)) digits += text[i++];
    while (i < text.size() && text[i] == ',' && digit(text, i + 1) && digit(text, i + 2) && digit(text, i + 3) && !digit(text, i + 4) && (n.commas || digits.size() <= 3)) {
      n.commas = true;
      digits.append(text.data() + i + 1, 3);
      i += 4;
    }
    if (i < text.size() && text[i] == '.' && digit(text, i + 1)) {
      digits += '.';
      for (++i; digit(text, i); ++i) digits += text[i], ++n.decimals;
    }
    n.end = i;
    if (digits.size() > 15) continue;  // beyond exact doubles
    n.value = std::strtod(digits.c_str(), nullptr);
    out.push_back(n);
  }
  return out;
}

std::optional<double> evaluate(std::span<const double> operands, std::span<const char> operators) {
  double sum = 0, product = operands[0], sign = 1;
  for (size_t k = 0; k < operators.size(); ++k) {
    const double x = operands[k + 1];
    switch (operators[k]) {
      case '*': product *= x; break;
      case '/':
        if (x == 0) return std::nullopt;
        product /= x;
        break;
      default:
        sum += sign * product;
        sign = operators[k] == '+' ? 1 : -1;
        product = x;
    }
  }
  return sum + sign * product;
}

std::optional<std::string> write_number(double value, const WrittenNumber& like) {
  const double scale = std::pow(10.0, like.decimals);
  if (std::abs(value) > 1e14 || !close(std::round(value * scale), value * scale)) return std::nullopt;
  std::string out = fmt::format("{:.{}f}", std::round(value * scale) / scale, like.decimals);
  if (like.commas) {
    size_t point = std::min(out.find('.'), out.size());
    const size_t first = out[0] == '-' ? 1 : 0;
    for (size_t at = point; at > first + 3; at -= 3) out.insert(at - 3, 1, ',');
  }
  return out;
}

size_t WorkedSteps::sentence_of(size_t byte) const {
  const auto it = std::upper_bound(sentences.begin(), sentences.end(), byte, [](size_t at, const auto& s) { return at < s.second; });
  return size_t(std::min(it, sentences.end() - 1) - sentences.begin());
}

WorkedSteps read_steps(std::string_view text, std::span<const double> given) {
  WorkedSteps w;
  w.numbers = written_numbers(text);
  // Sentences end behind ". ", "! ", "? " or a line break; the marks of the final answer begin one.
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool stop = (text[i] == '.' || text[i] == '!' || text[i] == '?') && i + 1 < text.size() && text[i + 1] == ' ';
    if (!stop && text[i] != '\n') continue;
    size_t end = i + 1;
    while (end < text.size() && (text[end] == ' ' || text[end] == '\n')) ++end;
    w.sentences.push_back({begin, end});
    begin = end, i = end - 1;
  }
  if (begin < text.size()) w.sentences.push_back({begin, text.size()});

  for (size_t i = 0; i + 1 < w.numbers.size();) {
    Equation e;
    e.operands = {i};
    size_t k = i;
    Sign s;
    for (; k + 1 < w.numbers.size(); ++k) {
      s = sign_between(text, w.numbers[k].end, w.numbers[k + 1].begin);
      if (!s.sign || s.sign == '=') break;
      e.operators.push_back(s.sign), e.operator_at.push_back({s.begin, s.end}), e.operands.push_back(k + 1);
    }
    if (e.operators.empty() || s.sign != '=' || k + 1 >= w.numbers.size()) {
      i = k + 1;
      continue;
    }
    std::vector<double> values;
    for (const size_t o : e.operands) values.push_back(w.numbers[o].value);
    const auto result = evaluate(values, e.operators);
    e.result = k + 1;
    if (result && close(*result, w.numbers[e.result].value)) {
      e.sentence = w.sentence_of(w.numbers[i].begin);
      for (size_t n = i; n <= e.result; ++n) w.numbers[n].equation = int(w.equations.size());
      w.equations.push_back(std::move(e));
    }
    i = k + 2;
  }

  // Links, in one pass: the last equation with each result so far, and the last equation at all.
  auto key = [](double v) { return std::llround(v * 1e6); };
  std::unordered_set<long long> is_given;
  for (const double g : given) is_given.insert(key(g));
  std::unordered_map<long long, int> made;
  int latest = -1;
  for (size_t n = 0; n < w.numbers.size(); ++n) {
    WrittenNumber& x = w.numbers[n];
    if (std::abs(x.value) > 1e12) continue;
    if (x.equation >= 0 && w.equations[size_t(x.equation)].result == n) {
      made[key(x.value)] = latest = x.equation;
      continue;
    }
    const auto it = made.find(key(x.value));
    if (it != made.end() && (it->second == latest || !is_given.count(key(x.value)))) x.repeats = it->second;
  }
  return w;
}

}  // namespace foil
