// Numbers as written: grouped digits, decimal commas, repeating decimals, mixed numbers, literals.
#include <algorithm>
#include <charconv>

#include "verify/grammar.h"

namespace foil::verify {

namespace {
constexpr size_t kMaxDigits = 20'000;  // longer numbers are compared as digit strings
}  // namespace

const Expr* Parser::number() {
  std::string digits(cur().text);
  const size_t start = i_;
  next();
  glue_groups(digits);
  last_number_ = digits;
  // repeating decimals
  if (at(Token::kCommand) && !cur().space_before && (cur().text == "overline" || cur().text == "bar" || cur().text == "dot" || cur().text == "overset") && digits.find_first_of("eE") == std::string::npos) {
    const bool point = digits.find('.') != std::string::npos;
    const bool point_dropped = source_has_point(start);
    if (point || point_dropped) return repeating(point ? digits : digits + ".");
  }
  if (at_command("ldots") && digits.find('.') != std::string::npos) {
    if (const Expr* r = ellipsis(digits)) {
      next();
      return r;
    }
  }
  if (source_has_point(start) && at_op('(') && peek().type == Token::kNumber && all_digits(peek().text) && peek(2).type == Token::kPunct && peek(2).op == ')') {
    const std::string period(peek().text);
    next();
    next();
    next();
    return from_period(digits + ".", period);
  }
  const Expr* n = number_literal(arena_, digits);
  // mixed numbers: 1\frac{4}{5}, 1 4/5
  if (all_digits(digits)) {
    if (at(Token::kCommand) && (cur().text == "frac" || cur().text == "dfrac" || cur().text == "tfrac" || cur().text == "cfrac")) {
      const size_t save = i_;
      const Expr* f = fraction();
      if (const Expr* sum = mixed(n, f)) return sum;
      i_ = save;
    } else if (at(Token::kNumber) && cur().space_before && !cur().newline_before && all_digits(cur().text) && peek().type == Token::kPunct && peek().op == '/' && peek(2).type == Token::kNumber && all_digits(peek(2).text)) {
      const Rational p = value_of(*number_literal(arena_, cur().text)), q = value_of(*number_literal(arena_, peek(2).text));
      if (p < q) {
        next();
        next();
        next();
        return arena_.number(value_of(*n) + p / q);
      }
    }
  }
  return n;
}

bool Parser::source_has_point(size_t token) const {
  const Lexeme& t = t_[token];
  // one byte between this token and the next, so that it may be looked at
  return t.text.find('.') == std::string_view::npos && t_[token + 1].begin == t.begin + t.text.size() + 1 && t.text.data()[t.text.size()] == '.';
}

const Expr* Parser::mixed(const Expr* whole, const Expr* f) {
  // f is Mul(p, Pow(q, −1)) as fraction() makes it
  if (!f->is(Kind::kMul) || f->count != 2 || !(*f)[0].is(Kind::kNumber) || !(*f)[1].is(Kind::kPow) || !(*f)[1][0].is(Kind::kNumber)) return nullptr;
  const Rational p = value_of((*f)[0]), q = value_of((*f)[1][0]);
  if (!p.is_integer() || !q.is_integer() || p.sign() <= 0 || !(p < q) || whole->is(Kind::kLong)) return nullptr;
  return arena_.number(value_of(*whole) + p / q);
}

void Parser::glue_groups(std::string& digits) {
  const auto group_of_three = [&](const Lexeme& t) {
    if (t.type != Token::kNumber || t.text.size() < 3) return false;
    const size_t point = t.text.find_first_of(".eE");
    return (point == std::string_view::npos ? t.text.size() : point) == 3 && t.text.find_first_of("eE") == std::string_view::npos;
  };
  if (!all_digits(digits)) {
    // 1.234,56 and 1.234.567,8: points between thousands, a decimal comma
    const size_t point = digits.find('.');
    if (point != std::string::npos && point >= 1 && point <= 3 && digits.size() - point - 1 == 3 && digits[0] != '0') {
      std::string whole = digits.substr(0, point) + digits.substr(point + 1);
      size_t j = i_;
      const auto tok = [&](size_t k) -> const Lexeme& { return t_[std::min(k, t_.size() - 1)]; };
      bool groups = false;
      while (tok(j).type == Token::kNumber && tok(j).text.size() == 4 && tok(j).text[0] == '.' && !tok(j).space_before) {
        whole += tok(j).text.substr(1);
        groups = true;
        ++j;
      }
      const bool decimal = tok(j).type == Token::kPunct && tok(j).op == ',' && !tok(j).space_before && tok(j + 1).type == Token::kNumber && !tok(j + 1).space_before && all_digits(tok(j + 1).text) &&
                           (tok(j + 1).text.size() != 3 || groups);
      if (decimal && mode_.comma != Comma::kSeparator && group_depth_ == 0) {
        digits = whole + "." + std::string(tok(j + 1).text);
        i_ = j + 2;
      } else if (groups) {
        digits = whole;
        i_ = j;
      }
    }
    return;
  }
  const bool may_group = digits.size() <= 3 && digits[0] != '0';
  // "1,234", "1{,}234", "1,\!234"
  if (at_op(',') && may_group) {
    size_t j = i_;
    std::string joined = digits;
    bool tight = true;
    while (t_[j].type == Token::kPunct && t_[j].op == ',' && j + 1 < t_.size() && group_of_three(t_[j + 1])) {
      const bool this_tight = t_[j].tight;
      if (!this_tight) {
        tight = false;
        if (t_[j + 1].space_before || t_[j].space_before) break;
      }
      joined += t_[j + 1].text;
      j += 2;
      if (joined.find('.') != std::string::npos) break;
    }
    // A further group that is not three digits long shows an enumeration: 10,123,4
    const bool more = t_[j].type == Token::kPunct && t_[j].op == ',' && j + 1 < t_.size() && t_[j + 1].type == Token::kNumber && !t_[j + 1].space_before && !t_[j].tight;
    if (j > i_ && (tight || !more)) {
      if (!tight) {
        if (mode_.comma == Comma::kSeparator) return;
        comma_ambiguous_ = true;
      }
      digits = joined;
      i_ = j;
      return;
    }
    if (j > i_) return;
  }
  // "0,5", "1000,99": a decimal comma
  if (at_op(',') && peek().type == Token::kNumber && all_digits(peek().text) && !peek().space_before && !cur().space_before) {
    const bool last = !(peek(2).type == Token::kPunct && peek(2).op == ',');
    if (cur().tight || (last && group_depth_ == 0)) {
      if (!cur().tight) comma_ambiguous_ = true;
      if (mode_.comma == Comma::kDecimal || cur().tight) {
        digits += "." + std::string(peek().text);
        next();
        next();
      }
    }
    return;
  }
  // "1 234 567"
  if (may_group && at(Token::kNumber) && cur().space_before && !cur().newline_before && group_of_three(cur())) {
    size_t j = i_;
    std::string joined = digits;
    while (t_[j].type == Token::kNumber && t_[j].space_before && group_of_three(t_[j])) {
      joined += t_[j].text;
      ++j;
      if (joined.find('.') != std::string::npos) break;
    }
    const bool fraction_follows = t_[j].type == Token::kNumber && j + 2 < t_.size() && t_[j + 1].type == Token::kPunct && t_[j + 1].op == '/' && t_[j + 2].type == Token::kNumber;
    if (!(t_[j].type == Token::kPunct && t_[j].op == '/') && (t_[j].type != Token::kNumber || fraction_follows)) {
      digits = joined;
      i_ = j;
    }
  }
}

const Expr* Parser::repeating(std::string head) {
  const bool dots = at_command("dot");
  const auto one = [&]() -> std::string {
    next();
    std::string s;
    if (at(Token::kOpen)) {
      next();
      while (at(Token::kNumber)) {
        s += cur().text;
        next();
      }
      if (!at(Token::kClose)) fail("unexpected " + describe());
      next();
    } else if (at(Token::kNumber)) {
      s = cur().text;
      next();
    }
    if (!all_digits(s)) fail("a repeating part must be digits");
    return s;
  };
  std::string period = one();
  if (dots) {
    if (at(Token::kNumber) && peek().type == Token::kCommand && peek().text == "dot") {
      period += cur().text;
      next();
    }
    if (at_command("dot")) period += one();
  }
  return from_period(head, period);
}

const Expr* Parser::from_period(const std::string& head, const std::string& period) {
  if (head.size() + period.size() > 2000) fail("repeating decimal too long");
  const size_t point = head.find('.');
  const auto decimals = static_cast<int64_t>(head.size() - point - 1);
  const Rational whole = value_of(*number_literal(arena_, head.substr(0, head.size()) + (decimals ? "" : "0")));
  Rational nines = power_of_ten(static_cast<int64_t>(period.size())) - Rational(1);
  const Rational tail = value_of(*number_literal(arena_, period)) / nines / power_of_ten(decimals);
  return arena_.number(whole + tail);
}

const Expr* Parser::ellipsis(const std::string& digits) {
  const size_t point = digits.find('.');
  const std::string decimals = digits.substr(point + 1);
  for (size_t p = 1; p * 2 <= decimals.size() && p <= 12; ++p) {
    const size_t times = p == 1 ? 3 : 2;
    if (decimals.size() < p * times) continue;
    const std::string period = decimals.substr(decimals.size() - p);
    size_t n = 1;
    while ((n + 1) * p <= decimals.size() && decimals.compare(decimals.size() - (n + 1) * p, p, period) == 0) ++n;
    if (n >= times) return from_period(digits.substr(0, digits.size() - n * p), period);
  }
  return nullptr;
}

const Expr* number_literal(Arena& arena, std::string_view s) {
  Expr* e = arena.make(Kind::kNumber);
  // digits [. digits] [e exponent]
  const auto exponent_at = std::find_if(s.begin(), s.end(), [](char c) { return c == 'e' || c == 'E'; });
  const size_t mark = exponent_at == s.end() ? std::string_view::npos : static_cast<size_t>(exponent_at - s.begin());
  std::string_view mantissa = s.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view x = s.substr(mark + 1);
    if (!x.empty() && x[0] == '+') x.remove_prefix(1);
    const auto [end, error] = std::from_chars(x.data(), x.data() + x.size(), exponent);
    (void)end;
    if (error != std::errc() || exponent > 20'000 || exponent < -20'000) exponent = 1 << 30;
  }
  const size_t point = mantissa.find('.');
  const size_t decimals = point == std::string_view::npos ? 0 : mantissa.size() - point - 1;
  if (mantissa.size() > kMaxDigits || exponent == (1 << 30)) {
    std::string normal(s);
    const size_t first = normal.find_first_not_of('0');
    if (first == std::string::npos) normal = "0";
    else normal = normal.substr(first);
    if (point != std::string_view::npos && mark == std::string_view::npos) {
      while (normal.back() == '0') normal.pop_back();
      if (normal.back() == '.') normal.pop_back();
    }
    e->kind = Kind::kLong;
    e->name = arena.copy(normal);
    return e;
  }
  int64_t significant = 0;
  bool leading = true;
  uint64_t small = 0;
  for (const char c : mantissa) {
    if (c == '.') continue;
    if (c != '0') leading = false;
    if (!leading) ++significant;
    if (mantissa.size() <= 18) small = small * 10 + static_cast<uint64_t>(c - '0');
  }
  e->flag = point != std::string_view::npos || mark != std::string_view::npos;
  e->digits = static_cast<int16_t>(static_cast<int64_t>(decimals) - exponent);
  e->significant = static_cast<int16_t>(significant);
  if (mantissa.size() <= 18 && !e->flag) {
    fmpz_set_ui(&e->number.num, small);
    return e;
  }
  Rational value;
  if (mantissa.size() <= 18) {
    fmpz_set_ui(value.num(), small);
  } else {
    std::string digits;
    digits.reserve(mantissa.size());
    for (const char c : mantissa)
      if (c != '.') digits += c;
    fmpz_set_str(value.num(), digits.c_str(), 10);
  }
  if (const int64_t shift = exponent - static_cast<int64_t>(decimals); shift != 0) value = value * power_of_ten(shift);
  arena.set_number(e, value);
  return e;
}

}  // namespace foil::verify
