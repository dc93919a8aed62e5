#include "text/jinja_lexer.h"

#include "base/error.h"
#include "text/unicode.h"

namespace foil::text::jinja {

namespace {

class Lexer {
 public:
  Lexer(std::string_view source, const std::string& where) : where_(where) {
    for (size_t i = 0; i < source.size(); ++i) {
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> tokens() {
    while (at_ < source_.size()) data();
    push(TokenKind::kEnd, "");
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(what, fmt::format("{}:{}", where_, line_)); }
  bool at(std::string_view s) const { return source_.compare(at_, s.size(), s) == 0; }
  static bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void push(TokenKind kind, std::string text) { out_.push_back({kind, std::move(text), line_}); }
  void advance(size_t n) {
    for (size_t end = at_ + n; at_ < end; ++at_) line_ += source_[at_] == '\n';
  }
  void skip_spaces() {
    while (at_ < source_.size() && space(source_[at_])) advance(1);
  }

  // Text up to the next tag, and the tag. The sign behind the tag's opening and the rules of lines decide what of the text stays.
  void data() {
    size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        tag = source_.size();
        break;
      }
      const char next = source_[tag + 1];
      if (next == '%' || next == '{' || next == '#') break;
    }
    std::string text = source_.substr(at_, tag - at_);
    if (tag == source_.size()) {
      push(TokenKind::kData, text);
      advance(text.size());
      return;
    }
    const char type = source_[tag + 1], sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const size_t text_size = text.size();
    strip(text, sign, type != '{');
    if (!text.empty()) push(TokenKind::kData, text);
    advance(text_size + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (type == '#') {
      comment();
    } else if (type == '%') {
      if (!raw()) inside(TokenKind::kBlockBegin, TokenKind::kBlockEnd, '%');
    } else {
      inside(TokenKind::kOutputBegin, TokenKind::kOutputEnd, '}');
    }
  }

  void strip(std::string& text, char sign, bool block) const {
    if (sign == '-') {
      while (!text.empty() && space(text.back())) text.pop_back();
    } else if (sign != '+' && block) {
      const size_t line = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
      const bool only_spaces = std::all_of(text.begin() + int64_t(line), text.end(), space);
      if ((line > 0 || line_starting_) && only_spaces) text.resize(line);
    }
  }

  // Behind "%}" or "#}": a minus took all space, nothing takes one line end, a plus takes none.
  void after_tag(char sign, bool trim) {
    const size_t begin = at_;
    if (sign == '-')
      skip_spaces();
    else if (sign != '+' && trim && at_ < source_.size() && source_[at_] == '\n')
      advance(1);
    line_starting_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  void comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail("a comment is not closed");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2 - at_);
    after_tag(sign, true);
  }

  // {% raw %} … {% endraw %}: text as it stands.
  bool raw() {
    const size_t start = at_;
    const int line = line_;
    skip_spaces();
    if (!at("raw")) return at_ = start, line_ = line, false;
    advance(3);
    skip_spaces();
    char sign = '\0';
    if (at("-%}")) sign = '-', advance(1);
    if (!at("%}")) return at_ = start, line_ = line, false;
    advance(2);
    if (sign == '-') skip_spaces();
    for (size_t tag = at_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) fail("{% raw %} is not closed");
      size_t p = tag + 2;
      const char open = p < source_.size() ? source_[p] : '\0';
      if (open == '-' || open == '+') ++p;
      while (p < source_.size() && space(source_[p])) ++p;
      if (source_.compare(p, 6, "endraw") != 0) continue;
      p += 6;
      while (p < source_.size() && space(source_[p])) ++p;
      const char close = p < source_.size() ? source_[p] : '\0';
      if (close == '-' || close == '+') ++p;
      if (source_.compare(p, 2, "%}") != 0) continue;
      std::string text = source_.substr(at_, tag - at_);
      line_starting_ = false;
      strip(text, open, true);
      if (!text.empty()) push(TokenKind::kData, text);
      advance(p + 2 - at_);
      after_tag(close, true);
      return true;
    }
  }

  void inside(TokenKind begin, TokenKind end, char close) {
    push(begin, "");
    std::string open;  // brackets
    for (;;) {
      skip_spaces();
      if (at_ >= source_.size()) fail("a tag is not closed");
      if (open.empty()) {
        const bool signed_close = (source_[at_] == '-' || (source_[at_] == '+' && close == '%')) && at_ + 2 < source_.size() && source_[at_ + 1] == close && source_[at_ + 2] == '}';
        if (signed_close || (source_[at_] == close && at_ + 1 < source_.size() && source_[at_ + 1] == '}')) {
          const char sign = signed_close ? source_[at_] : '\0';
          push(end, "");
          advance(signed_close ? 3 : 2);
          after_tag(sign, close == '%');
          return;
        }
      }
      token(open);
    }
  }

  void token(std::string& open) {
    const char c = source_[at_];
    if (c == '"' || c == '\'') return string(c);
    if (c >= '0' && c <= '9') return number();
    if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80)) {
      size_t end = at_;
      while (end < source_.size() && (source_[end] == '_' || (source_[end] & 0x80) || std::isalnum(static_cast<unsigned char>(source_[end])))) ++end;
      push(TokenKind::kName, source_.substr(at_, end - at_));
      return advance(end - at_);
    }
    for (const char* two : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (at(two)) {
        push(TokenKind::kOperator, two);
        return advance(2);
      }
    }
    if (std::string_view("+-*/%~<>=.,:;|()[]{}").find(c) == std::string_view::npos) fail(fmt::format("unexpected character '{}'", c));
    if (c == '(' || c == '[' || c == '{') open += c;
    if (c == ')' || c == ']' || c == '}') {
      const char expected = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (open.empty() || open.back() != expected) fail(fmt::format("unexpected '{}'", c));
      open.pop_back();
    }
    push(TokenKind::kOperator, std::string(1, c));
    advance(1);
  }

  void number() {
    const size_t begin = at_;
    size_t p = at_;
    auto digits = [&] {
      while (p < source_.size() && (std::isdigit(static_cast<unsigned char>(source_[p])) || source_[p] == '_')) ++p;
    };
    digits();
    bool real = false;
    if (p + 1 < source_.size() && source_[p] == '.' && std::isdigit(static_cast<unsigned char>(source_[p + 1]))) real = true, ++p, digits();
    if (p < source_.size() && (source_[p] == 'e' || source_[p] == 'E')) {
      size_t q = p + 1;
      if (q < source_.size() && (source_[q] == '+' || source_[q] == '-')) ++q;
      if (q < source_.size() && std::isdigit(static_cast<unsigned char>(source_[q]))) real = true, p = q, digits();
    }
    std::string text = source_.substr(begin, p - begin);
    std::erase(text, '_');
    push(real ? TokenKind::kFloat : TokenKind::kInteger, text);
    advance(p - begin);
  }

  void string(char quote) {
    const int line = line_;
    std::string text;
    size_t p = at_ + 1;
    auto hex = [&](int digits) {
      uint32_t value = 0;
      for (int i = 0; i < digits; ++i) {
        const char c = p < source_.size() ? source_[p++] : '\0';
        if (!std::isxdigit(static_cast<unsigned char>(c))) fail("a \\ escape in a string lacks hexadecimal digits");
        value = value * 16 + uint32_t(std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 32) - 'a' + 10);
      }
      if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail("a \\ escape in a string is no character");
      append_utf8(value, text);
    };
    for (;;) {
      if (p >= source_.size()) fail("a string is not closed");
      const char c = source_[p++];
      if (c == quote) break;
      if (c != '\\') {
        text += c;
        continue;
      }
      if (p >= source_.size()) fail("a string is not closed");
      const char e = source_[p++];
      static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
      if (const size_t known = kNames.find(e); known != std::string_view::npos) {
        text += kValues[known];
      } else if (e >= '0' && e <= '7') {
        uint32_t value = uint32_t(e - '0');
        for (int i = 0; i < 2 && p < source_.size() && source_[p] >= '0' && source_[p] <= '7'; ++i) value = value * 8 + uint32_t(source_[p++] - '0');
        append_utf8(value, text);
      } else if (e == 'x' || e == 'u' || e == 'U') {
        hex(e == 'x' ? 2 : e == 'u' ? 4 : 8);
      } else if (e != '\n') {
        text += '\\';
        text += e;
      }
    }
    out_.push_back({TokenKind::kString, std::move(text), line});
    advance(p - at_);
  }

  std::string where_, source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> out_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view source, const std::string& where) { return Lexer(source, where).tokens(); }

}  // namespace foil::text::jinja
