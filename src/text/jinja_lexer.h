// Jinja source → tokens. Follows jinja2's lexer: whitespace control, trim_blocks and lstrip_blocks are decided here.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace foil::text::jinja {

enum class TokenKind { kData, kOutputBegin, kOutputEnd, kBlockBegin, kBlockEnd, kName, kString, kInteger, kFloat, kOperator, kEnd };

struct Token {
  TokenKind kind;
  std::string text;
  int line;
};

// `source`: valid UTF-8. Throws Error with the line; `where` names the template.
std::vector<Token> tokens_of(std::string_view source, const std::string& where);

}  // namespace foil::text::jinja
