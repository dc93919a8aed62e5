#include "verify/lexer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace foil::verify {

char32_t decode_utf8(std::string_view s, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = byte(at++);
  if (c < 0x80) return c;
  int more = c >= 0xF0 && c < 0xF5 ? 3 : c >= 0xE0 ? 2 : c >= 0xC2 ? 1 : 0;
  if (c >= 0xF5 || more == 0) return 0xFFFD;
  char32_t r = c & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= s.size() || (byte(at) & 0xC0) != 0x80) return 0xFFFD;
    r = (r << 6) | (byte(at++) & 0x3F);
  }
  const bool overlong = (more == 2 && r < 0x800) || (more == 3 && (r < 0x10000 || r > 0x10FFFF));
  return overlong || (r >= 0xD800 && r < 0xE000) ? 0xFFFD : r;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

using Names = std::unordered_set<std::string_view>;

const Names& skipped_commands() {
  static const Names names = {
      "left", "right", "mleft", "mright", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr", "bigm",
      "displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits", "boxed", "fbox", "mathbf", "mathit",
      "mathcal", "boldsymbol", "bm", "bf", "it", "sf", "tt", "rm", "mathsf", "mathfrak", "mathtt", "pmb", "boldmath", "underline", "mathop", "ensuremath",
      "operatornamewithlimits", "mathopen", "mathclose", "mathord", "mathbin", "mathrel", "mathstrut", "strut", "centering", "large", "Large", "small",
      "huge", "Huge", "LARGE", "tiny", "scriptsize", "footnotesize", "checkmark", "blacksquare", "qedsymbol", "qed", "normalsize", "noindent", "cancel", "relax", "nobreak", "allowbreak", "protect"};
  return names;
}
const Names& space_commands() {
  static const Names names = {"quad", "qquad", "space", "thinspace", "enspace", "medspace", "thickspace", "negthinspace", "hfill", "newline", "nonumber", "hfil", "enskip"};
  return names;
}
const Names& text_commands() {
  static const Names names = {"text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "textsc", "mbox", "hbox", "emph", "textup", "textmd", "mathnormal"};
  return names;
}
// Commands whose one group argument says nothing about the value.
const Names& argument_dropped() {
  static const Names names = {"phantom", "hphantom", "vphantom", "hspace", "vspace", "label", "tag", "color", "mspace", "kern", "textcolor", "colorbox", "hskip", "mkern"};
  return names;
}

const std::unordered_map<std::string_view, char>& relation_commands() {
  static const std::unordered_map<std::string_view, char> map = {
      {"le", 'l'}, {"leq", 'l'}, {"leqslant", 'l'}, {"leqq", 'l'}, {"ge", 'g'}, {"geq", 'g'}, {"geqslant", 'g'}, {"geqq", 'g'}, {"lt", '<'}, {"gt", '>'},
      {"ne", 'n'}, {"neq", 'n'}, {"approx", '~'}, {"sim", '~'}, {"simeq", '~'}, {"doteq", '~'}, {"approxeq", '~'}, {"thickapprox", '~'}, {"in", 'e'}, {"isin", 'e'}, {"notin", 'N'},
      {"subset", 'c'}, {"subseteq", 'c'}, {"equiv", '='}, {"coloneqq", '='}, {"triangleq", '='}, {"cong", '='}, {"less", '<'}, {"greater", '>'}};
  return map;
}

// Unicode characters that stand for a LaTeX command or an ASCII character ("=c": that character).
std::string_view unicode_name(char32_t c) {
  static const std::unordered_map<char32_t, std::string_view> map = {
      {0x3B1, "alpha"}, {0x3B2, "beta"}, {0x3B3, "gamma"}, {0x3B4, "delta"}, {0x3B5, "epsilon"}, {0x3B6, "zeta"}, {0x3B7, "eta"}, {0x3B8, "theta"},
      {0x3B9, "iota"}, {0x3BA, "kappa"}, {0x3BB, "lambda"}, {0x3BC, "mu"}, {0xB5, "mu"}, {0x3BD, "nu"}, {0x3BE, "xi"}, {0x3C0, "pi"}, {0x3C1, "rho"},
      {0x3C3, "sigma"}, {0x3C4, "tau"}, {0x3C5, "upsilon"}, {0x3C6, "phi"}, {0x3D5, "phi"}, {0x3C7, "chi"}, {0x3C8, "psi"}, {0x3C9, "omega"},
      {0x393, "Gamma"}, {0x394, "Delta"}, {0x2206, "Delta"}, {0x398, "Theta"}, {0x39B, "Lambda"}, {0x39E, "Xi"}, {0x3A0, "Pi"}, {0x3A3, "Sigma"},
      {0x3A6, "Phi"}, {0x3A8, "Psi"}, {0x3A9, "Omega"}, {0x2126, "Omega"}, {0x210F, "hbar"}, {0x2113, "ell"}, {0x1D70B, "pi"}, {0x1D6D1, "pi"}, {0x1D745, "pi"},
      {0x221A, "sqrt"}, {0x221B, "cbrt"}, {0x221C, "fourthroot"}, {0x221E, "infty"}, {0x222A, "cup"}, {0x22C3, "cup"}, {0x2229, "cap"}, {0x2205, "emptyset"}, {0x2216, "setminus"},
      {0xD7, "times"}, {0xB7, "cdot"}, {0x22C5, "cdot"}, {0x2219, "cdot"}, {0x2022, "cdot"}, {0x2217, "ast"}, {0x2A2F, "times"}, {0x2715, "times"}, {0x2062, "cdot"}, {0xF7, "div"}, {0x2215, "=/"}, {0x2044, "=/"},
      {0x2212, "=-"}, {0x2010, "=-"}, {0x2011, "=-"}, {0x2012, "=-"}, {0x2013, "=-"}, {0x2014, "=-"}, {0x2015, "=-"}, {0xFE63, "=-"}, {0xB1, "pm"}, {0x2213, "mp"}, {0xB0, "degree"}, {0xBA, "degree"}, {0x2218, "circ"},
      {0x2032, "='"}, {0x2019, "='"}, {0x2018, "='"}, {0x2264, "le"}, {0x2A7D, "le"}, {0x2266, "le"}, {0x2265, "ge"}, {0x2A7E, "ge"}, {0x2267, "ge"}, {0x2260, "ne"}, {0x2248, "approx"}, {0x2243, "approx"},
      {0x2245, "approx"}, {0x2208, "in"}, {0x2209, "notin"}, {0x2282, "subset"}, {0x2286, "subset"}, {0x2261, "equiv"}, {0x27E8, "langle"}, {0x27E9, "rangle"}, {0x2329, "langle"},
      {0x232A, "rangle"}, {0x230A, "lfloor"}, {0x230B, "rfloor"}, {0x2308, "lceil"}, {0x2309, "rceil"}, {0x211D, "R"}, {0x2124, "Z"}, {0x211A, "Q"}, {0x2102, "C"}, {0x2115, "N"},
      {0x20AC, "euro"}, {0xA3, "pound"}, {0xA5, "yen"}, {0x20B9, "rupee"}, {0xA2, "cent"}, {0x2220, "angle"}, {0x25B3, "triangle"}, {0x2192, "to"}, {0x21D2, "Rightarrow"}, {0x2026, "ldots"}, {0x22EF, "ldots"},
      {0x2227, "wedge"}, {0x2228, "vee"}, {0x2236, "=:"}, {0x2223, "=|"}, {0x2225, "Vert"}, {0x2016, "Vert"}, {0x2103, "celsius"}, {0x2109, "fahrenheit"}, {0x3001, "=,"}, {0x3002, "=."}, {0x2211, "sum"}, {0x222B, "int"}, {0x2202, "partial"},
      {0x2030, "permille"}, {0x2295, "oplus"}, {0x2234, "therefore"}, {0x66A, "=%"}, {0x2E31, "cdot"}, {0x5E9E, "="}};
  const auto it = map.find(c);
  return it == map.end() ? std::string_view() : it->second;
}

bool unicode_space(char32_t c) {
  return c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000 || c == 0x2028 || c == 0x2029 || c == 0x85;
}
bool unicode_ignored(char32_t c) {
  return (c >= 0x200B && c <= 0x200F) || c == 0xFEFF || (c >= 0x2060 && c <= 0x2064 && c != 0x2062) || c == 0xAD || c == 0x201C || c == 0x201D || c == 0xAB || c == 0xBB || (c >= 0xFE00 && c <= 0xFE0F) ||
         (c >= 0x202A && c <= 0x202E) || c == 0x2713 || c == 0x2705 || c == 0x2714 || (c >= 0x1F300 && c <= 0x1FAFF);
}
int superscript(char32_t c) {  // the ASCII character, or 0
  switch (c) {
    case 0x2070: return '0';
    case 0xB9: return '1';
    case 0xB2: return '2';
    case 0xB3: return '3';
    case 0x207A: return '+';
    case 0x207B: return '-';
    case 0x207D: return '(';
    case 0x207E: return ')';
    case 0x207F: return 'n';
    case 0x2071: return 'i';
    case 0x2E3: case 0x1D61: return 'x';
    case 0x1D49: return 'e';
    case 0x1D57: return 't';
    case 0x1D4F: return 'k';
    case 0x1D50: return 'm';
    default: return c >= 0x2074 && c <= 0x2079 ? static_cast<int>('4' + (c - 0x2074)) : 0;
  }
}
int subscript(char32_t c) { return c >= 0x2080 && c <= 0x2089 ? static_cast<int>('0' + (c - 0x2080)) : 0; }

struct Fraction {
  char32_t c;
  const char *num, *den;
};
constexpr Fraction kFractions[] = {{0xBD, "1", "2"},   {0xBC, "1", "4"},   {0xBE, "3", "4"},   {0x2153, "1", "3"}, {0x2154, "2", "3"}, {0x2155, "1", "5"}, {0x2156, "2", "5"},
                                   {0x2157, "3", "5"}, {0x2158, "4", "5"}, {0x2159, "1", "6"}, {0x215A, "5", "6"}, {0x215B, "1", "8"}, {0x215C, "3", "8"}, {0x215D, "5", "8"},
                                   {0x215E, "7", "8"}, {0x2150, "1", "7"}, {0x2151, "1", "9"}, {0x2152, "1", "10"}};

bool known_operator(std::string_view name) {
  static const Names names = {"gcd", "lcm", "lg", "ln", "log", "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min", "det", "sgn", "arg", "cis", "mod", "bmod", "Re", "Im", "exp", "binom", "arccot", "sqrt"};
  return names.count(name) > 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view s) : s_(s) { out_.tokens.reserve(32); }

  Lexed run() {
    size_t dollars = 0;
    for (size_t i = 0; i < s_.size(); ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '$') {
        ++dollars;
      }
    }
    odd_dollars_ = dollars % 2 == 1;
    while (at_ < s_.size() && !bad_) {
      if (out_.tokens.size() >= kMaxTokens) {
        fail("too long");
        break;
      }
      next();
    }
    if (!bad_) push(Token::kEnd, s_.size());
    return std::move(out_);
  }

 private:
  Lexeme& push(Token type, size_t begin, std::string_view text = {}, char op = 0) {
    Lexeme& t = out_.tokens.emplace_back();
    t.type = type;
    t.op = op;
    t.begin = static_cast<uint32_t>(begin);
    t.text = text;
    t.space_before = space_;
    t.newline_before = newline_;
    t.tight = thin_;
    space_ = thin_ = newline_ = false;
    return t;
  }
  std::string_view own(std::string s) { return out_.owned.emplace_back(std::move(s)); }
  void fail(std::string why) {
    push(Token::kBad, at_, own(std::move(why)));
    bad_ = true;
  }
  void punct(size_t begin, char op) { push(Token::kPunct, begin, {}, op); }
  void relation(size_t begin, char op) { push(Token::kRelation, begin, {}, op); }
  void command(size_t begin, std::string_view name) { push(Token::kCommand, begin, name); }

  void skip_spaces() {
    while (at_ < s_.size() && is_space(s_[at_])) {
      newline_ = newline_ || s_[at_] == '\n';
      ++at_;
      space_ = true;
    }
  }

  // The content of a {…} group at at_ (which moves behind it); nullopt when it does not close.
  bool group(std::string_view& content) {
    size_t i = at_;
    while (i < s_.size() && is_space(s_[i])) ++i;
    if (i >= s_.size() || s_[i] != '{') return false;
    int depth = 0;
    const size_t begin = i + 1;
    for (; i < s_.size(); ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '{') {
        ++depth;
      } else if (s_[i] == '}' && --depth == 0) {
        content = s_.substr(begin, i - begin);
        at_ = i + 1;
        return true;
      }
    }
    return false;
  }

  void next() {
    const char c = s_[at_];
    const size_t begin = at_;
    if (is_space(c)) return skip_spaces();
    if (is_digit(c) || (c == '.' && at_ + 1 < s_.size() && is_digit(s_[at_ + 1]))) return number();
    if (is_letter(c)) {
      while (at_ < s_.size() && is_letter(s_[at_])) ++at_;
      push(Token::kWord, begin, s_.substr(begin, at_ - begin));
      return;
    }
    if (c == '\\') return backslash();
    if (static_cast<unsigned char>(c) >= 0x80) return unicode();
    ++at_;
    const char d = at_ < s_.size() ? s_[at_] : 0;
    switch (c) {
      case '{': {
        // {,} and {.} are a separator inside a number.
        size_t i = at_;
        while (i < s_.size() && s_[i] == ' ') ++i;
        if (i < s_.size() && (s_[i] == ',' || s_[i] == '.' || s_[i] == ':')) {
          const char mark = s_[i++];
          while (i < s_.size() && s_[i] == ' ') ++i;
          if (i < s_.size() && s_[i] == '}') {
            at_ = i + 1;
            Lexeme& t = push(Token::kPunct, begin, {}, mark);
            t.tight = true;
            return;
          }
        }
        push(Token::kOpen, begin);
        return;
      }
      case '}': push(Token::kClose, begin); return;
      case '$':
        if (odd_dollars_) {
          odd_dollars_ = false;
          command(begin, "dollar");
        } else {
          space_ = true;
        }
        return;
      case '*':
        if (d == '*') {
          ++at_;
          if (at_ >= s_.size() || out_.tokens.empty()) return;  // Markdown bold
          punct(begin, '^');
        } else {
          punct(begin, '*');
        }
        return;
      case '<':
        if (d == '<') {  // GSM8K's calculator notes: <<48/2=24>>
          const size_t close = s_.find(">>", at_);
          if (close != std::string_view::npos && close - at_ < 200) {
            at_ = close + 2;
            return;
          }
        }
        if (d == '=') {
          ++at_;
          return relation(begin, 'l');
        }
        if (d == '>') {
          ++at_;
          return relation(begin, 'n');
        }
        return relation(begin, '<');
      case '>':
        if (d == '=') {
          ++at_;
          return relation(begin, 'g');
        }
        return relation(begin, '>');
      case '=':
        if (d == '=') ++at_;
        if (d == '<') {
          ++at_;
          return relation(begin, 'l');
        }
        if (d == '>') {
          ++at_;
          return command(begin, "Rightarrow");
        }
        return relation(begin, '=');
      case '!':
        if (d == '=' && !(at_ + 1 < s_.size() && s_[at_ + 1] == '=')) {
          ++at_;
          return relation(begin, 'n');
        }
        return punct(begin, '!');
      case ',': {
        size_t i = at_;
        bool tight = false;
        while (i < s_.size()) {
          size_t j = i;
          while (j < s_.size() && s_[j] == ' ') ++j;
          if (s_.compare(j, 2, "\\!") != 0) break;
          tight = true;
          i = j + 2;
        }
        at_ = i;
        Lexeme& t = push(Token::kPunct, begin, {}, ',');
        t.tight = t.tight || tight;
        return;
      }
      case '.':
        if (d == '.') {
          while (at_ < s_.size() && s_[at_] == '.') ++at_;
          return command(begin, "ldots");
        }
        return punct(begin, '.');
      case '~': space_ = true; return;
      case '"': case '`': return;
      case ':':
        if (d == '=') {
          ++at_;
          return relation(begin, '=');
        }
        return punct(begin, ':');
      case '+':
        if (d == '/' && at_ + 1 < s_.size() && s_[at_ + 1] == '-') {  // +/-
          at_ += 2;
          return command(begin, "pm");
        }
        return punct(begin, '+');
      case '-': case '/': case '^': case '_': case '(': case ')': case '[': case ']': case ';': case '|': case '%': case '&': case '\'':
        return punct(begin, c);
      case 0: at_ = begin; return fail("null byte");
      default: at_ = begin; return fail(std::string("unexpected character '") + c + "'");
    }
  }

  void number() {
    const size_t begin = at_;
    while (at_ < s_.size() && is_digit(s_[at_])) ++at_;
    if (at_ < s_.size() && s_[at_] == '.') {
      const char after = at_ + 1 < s_.size() ? s_[at_ + 1] : 0;
      if (is_digit(after)) {
        ++at_;
        while (at_ < s_.size() && is_digit(s_[at_])) ++at_;
      } else if (at_ > begin && after != '.' && after != 0 && !is_space(after) && after != '$' && after != '}') {
        // "1./3": the point belongs to the number.
        push(Token::kNumber, begin, s_.substr(begin, at_ - begin));
        ++at_;
        return;
      }
    }
    // 3e-7, 4.5E33: an exponent only when digits follow at once.
    if (at_ < s_.size() && (s_[at_] == 'e' || s_[at_] == 'E')) {
      size_t i = at_ + 1;
      if (i < s_.size() && (s_[i] == '+' || s_[i] == '-')) ++i;
      // a typographic minus sign
      const bool minus = s_.compare(i, 3, "\u2212") == 0 || s_.compare(i, 3, "\u2013") == 0;
      if (minus) i += 3;
      const size_t digits = i;
      while (i < s_.size() && is_digit(s_[i])) ++i;
      const bool letter_follows = i < s_.size() && is_letter(s_[i]);
      if (i > digits && !letter_follows) {
        at_ = i;
        if (minus) {
          out_.owned.push_back(std::string(s_.substr(begin, digits - 3 - begin)) + "-" + std::string(s_.substr(digits, i - digits)));
          push(Token::kNumber, begin, out_.owned.back());
          return;
        }
      }
    }
    push(Token::kNumber, begin, s_.substr(begin, at_ - begin));
  }

  void backslash() {
    const size_t begin = at_++;
    if (at_ >= s_.size()) return;  // a cut-off command at the end
    const char c = s_[at_];
    if (!is_letter(c)) {
      if (static_cast<unsigned char>(c) >= 0x80) return;
      ++at_;
      switch (c) {
        case '\\':
          // optional [2pt] of a row end
          push(Token::kRow, begin);
          return;
        case '{': push(Token::kSetOpen, begin); return;
        case '}': push(Token::kSetClose, begin); return;
        case '!': return;
        case ',': thin_ = true; space_ = true; return;
        case ';': case ':': case ' ': case '>': case '/': case '\n': case '\t': case '\r': space_ = true; return;
        case '(': case ')': case '[': case ']': space_ = true; return;  // math delimiters
        case '$': return command(begin, "dollar");
        case '%': return punct(begin, '%');
        case '|': return command(begin, "Vert");
        case '&': return command(begin, "and");
        case '_': return punct(begin, '_');
        case '#': return;
        case '\'': case '"': case '^': case '.': case '`': case '=': return fail("accent");
        default: return;
      }
    }
    while (at_ < s_.size() && is_letter(s_[at_])) ++at_;
    std::string_view name = s_.substr(begin + 1, at_ - begin - 1);
    out_.latex = out_.latex || !(text_commands().count(name) || name == "boxed" || name == "pounds" || name == "euro");
    if ((name == "mathbf" || name == "boldsymbol" || name == "bm" || name == "pmb") && at_ < s_.size() && s_[at_] == '{') {
      // \mathbf{2 6 6}: digits set apart for looks are one number
      const size_t close = s_.find('}', at_);
      const std::string_view inside = close == std::string_view::npos ? std::string_view() : s_.substr(at_ + 1, close - at_ - 1);
      if (inside.find(' ') != std::string_view::npos && inside.find_first_not_of("0123456789 .,-") == std::string_view::npos && inside.find_first_of("0123456789") != std::string_view::npos) {
        std::string compact;
        for (const char ch : inside)
          if (ch != ' ') compact += ch;
        while (!compact.empty() && (compact.back() == '.' || compact.back() == ',')) compact.pop_back();
        at_ = close + 1;
        return inject(compact, begin);
      }
    }
    if (skipped_commands().count(name)) {
      // \left. and \right. are empty delimiters
      if ((name == "left" || name == "right" || name == "mleft" || name == "mright") && at_ < s_.size()) {
        size_t i = at_;
        while (i < s_.size() && is_space(s_[i])) ++i;
        if (i < s_.size() && s_[i] == '.') at_ = i + 1;
      }
      return;
    }
    if (space_commands().count(name)) {
      space_ = true;
      newline_ = newline_ || name == "quad" || name == "qquad" || name == "newline";  // sets apart as a line break does
      return;
    }
    if (text_commands().count(name) || name == "mathrm" || name == "operatorname" || name == "mathbb" || name == "mathds") {
      if (at_ < s_.size() && s_[at_] == '*') ++at_;
      std::string_view content;
      if (!group(content)) {
        size_t i = at_;
        while (i < s_.size() && is_space(s_[i])) ++i;
        if (i < s_.size() && s_[i] == '{') return fail("unbalanced braces");
        return;  // \mathrm e
      }
      while (!content.empty() && (is_space(content.front()) || content.front() == '~')) content.remove_prefix(1);
      while (!content.empty() && (is_space(content.back()) || content.back() == '~')) content.remove_suffix(1);
      const bool word = !content.empty() && std::all_of(content.begin(), content.end(), is_letter);
      if (name == "mathbb" || name == "mathds") return command(begin, content);
      if (name == "operatorname" && word && (content.size() < 2 || known_operator(content) || out_.tokens.empty() || out_.tokens.back().type != Token::kNumber)) return command(begin, content);  // 5 \operatorname{ways}
      // an upright letter behind a number is a unit: 3\,\mathrm{m}
      const bool after_value = !out_.tokens.empty() && (out_.tokens.back().type == Token::kNumber || out_.tokens.back().type == Token::kClose);
      if (name == "mathrm" && content.size() == 1 && word && !(after_value && std::string_view("mgshLJWV").find(content[0]) != std::string_view::npos)) {
        push(Token::kWord, begin, content);
        return;
      }
      push(Token::kText, begin, content);
      return;
    }
    if (argument_dropped().count(name)) {
      std::string_view content;
      if (!group(content)) {
        if (name == "phantom") {
          while (at_ < s_.size() && is_space(s_[at_])) ++at_;
          if (at_ < s_.size() && s_[at_] != '\\') ++at_;
        }
      }
      space_ = true;
      return;
    }
    if (name == "begin" || name == "end") {
      std::string_view content;
      if (!group(content)) return fail("unbalanced braces");
      if (!content.empty() && content.back() == '*') content.remove_suffix(1);
      if (name == "begin" && (content == "array" || content == "tabular")) {
        std::string_view columns;
        group(columns);
      }
      push(name == "begin" ? Token::kBegin : Token::kEndEnv, begin, content);
      return;
    }
    if (name == "cr") {
      push(Token::kRow, begin);
      return;
    }
    if (name == "not") {
      size_t i = at_;
      while (i < s_.size() && is_space(s_[i])) ++i;
      if (s_.compare(i, 1, "=") == 0) {
        at_ = i + 1;
        return relation(begin, 'n');
      }
      if (s_.compare(i, 3, "\\in") == 0) {
        at_ = i + 3;
        return relation(begin, 'N');
      }
      return fail("\\not");
    }
    if (const auto it = relation_commands().find(name); it != relation_commands().end()) return relation(begin, it->second);
    if (name == "lbrace") {
      push(Token::kSetOpen, begin);
      return;
    }
    if (name == "rbrace") {
      push(Token::kSetClose, begin);
      return;
    }
    if (name == "lbrack") return punct(begin, '[');
    if (name == "rbrack") return punct(begin, ']');
    if (name == "lparen" || name == "lgroup") return punct(begin, '(');
    if (name == "rparen" || name == "rgroup") return punct(begin, ')');
    for (const auto& [corner, edge] : {std::pair<std::string_view, std::string_view>{"llcorner", "lfloor"}, {"lrcorner", "rfloor"}, {"ulcorner", "lceil"}, {"urcorner", "rceil"}})
      if (name == corner) name = edge;
    if (name == "colon") return punct(begin, ':');
    if (name == "prime") return punct(begin, '\'');
    if (name == "vert" || name == "mid" || name == "lvert" || name == "rvert") return punct(begin, '|');
    if (name == "percent") return punct(begin, '%');
    if (name == "textpi") name = "pi";
    if (name == "dots" || name == "cdots" || name == "dotsc" || name == "dotsb" || name == "dotsm" || name == "hdots" || name == "vdots") name = "ldots";
    command(begin, name);
  }

  void unicode() {
    const size_t begin = at_;
    const char32_t c = decode_utf8(s_, at_);
    if (c == 0xFFFD) {
      at_ = begin;
      return fail("invalid UTF-8");
    }
    if (unicode_space(c)) {
      space_ = true;
      return;
    }
    if (unicode_ignored(c)) return;
    for (const bool super : {true, false}) {
      const auto map = super ? superscript : subscript;
      if (!map(c)) continue;
      std::string inner;
      size_t i = begin;
      while (i < s_.size()) {
        size_t j = i;
        const int ch = static_cast<unsigned char>(s_[i]) >= 0x80 ? map(decode_utf8(s_, j)) : 0;
        if (!ch) break;
        inner += static_cast<char>(ch);
        i = j;
      }
      at_ = i;
      punct(begin, super ? '^' : '_');
      out_.tokens.back().tight = true;
      push(Token::kOpen, begin);
      inject(inner, begin);
      push(Token::kClose, begin);
      return;
    }
    for (const Fraction& f : kFractions)
      if (f.c == c) {
        command(begin, "frac");
        for (const char* part : {f.num, f.den}) {
          push(Token::kOpen, begin);
          push(Token::kNumber, begin, part);
          push(Token::kClose, begin);
        }
        return;
      }
    if (c >= 0xFF01 && c <= 0xFF5E) {
      // Full-width forms: read the ASCII twin; digit runs stay one number.
      std::string ascii;
      size_t i = begin;
      while (i < s_.size() && static_cast<unsigned char>(s_[i]) >= 0x80) {
        size_t j = i;
        const char32_t w = decode_utf8(s_, j);
        if (w < 0xFF01 || w > 0xFF5E) break;
        ascii += static_cast<char>(w - 0xFEE0);
        i = j;
      }
      at_ = i;
      inject(ascii, begin);
      return;
    }
    if (c >= 0x1D400 && c <= 0x1D7FF) {
      std::string ascii;
      if (c >= 0x1D7CE) {
        ascii = static_cast<char>('0' + (c - 0x1D7CE) % 10);
      } else if (c < 0x1D6A4) {
        const auto k = (c - 0x1D400) % 52;
        ascii = static_cast<char>(k < 26 ? 'A' + k : 'a' + (k - 26));
      } else if (const std::string_view name = unicode_name(c); !name.empty()) {
        return command(begin, name);
      } else {
        return fail("unknown symbol");
      }
      inject(ascii, begin);
      return;
    }
    const std::string_view name = unicode_name(c);
    if (!name.empty()) {
      if (name[0] == '=' && name.size() == 2) return inject(std::string(name.substr(1)), begin);
      if (const auto it = relation_commands().find(name); it != relation_commands().end()) return relation(begin, it->second);
      return command(begin, name);
    }
    // Any other letter: part of a word.
    while (at_ < s_.size()) {
      if (is_letter(s_[at_])) {
        ++at_;
        continue;
      }
      if (static_cast<unsigned char>(s_[at_]) < 0x80) break;
      size_t j = at_;
      const char32_t w = decode_utf8(s_, j);
      if (w == 0xFFFD || unicode_space(w) || unicode_ignored(w) || !unicode_name(w).empty() || superscript(w) || subscript(w) || (w >= 0xFF00 && w <= 0xFF5E)) break;
      at_ = j;
    }
    push(Token::kWord, begin, s_.substr(begin, at_ - begin));
  }

  // Tokens of another short text in place of characters at `begin`.
  void inject(const std::string& text, size_t begin) {
    const std::string_view source = own(text);
    Lexer inner(source);
    Lexed lexed = inner.run();
    for (Lexeme& t : lexed.tokens) {
      if (t.type == Token::kEnd) break;
      if (t.type == Token::kBad) {
        fail(std::string(t.text));
        return;
      }
      Lexeme& added = push(t.type, begin, t.text, t.op);
      added.space_before = added.space_before || t.space_before;
    }
  }

  std::string_view s_;
  size_t at_ = 0;
  bool space_ = false, thin_ = false, newline_ = false, bad_ = false, odd_dollars_ = false;
  Lexed out_;
};

}  // namespace

Lexed lex(std::string_view source) { return Lexer(source).run(); }

}  // namespace foil::verify
