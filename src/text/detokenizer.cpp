#include "text/detokenizer.h"

#include "text/unicode.h"

namespace foil::text {

std::string_view Detokenizer::add(int32_t id) {
  const size_t before = text_.size();
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  const std::string& bytes = tokenizer_.bytes(id);
  if (held_.empty() && valid_utf8_prefix(bytes) == bytes.size()) {
    text_ += bytes;
  } else {
    held_ += bytes;
    const size_t whole = held_.size() - unfinished_tail(held_);
    text_ += repair_utf8(std::string_view(held_).substr(0, whole));
    held_.erase(0, whole);
  }
  return std::string_view(text_).substr(before);
}

std::string_view Detokenizer::finish() {
  const size_t before = text_.size();
  text_ += repair_utf8(held_);
  held_.clear();
  return std::string_view(text_).substr(before);
}

void Detokenizer::clear() {
  text_.clear();
  held_.clear();
}

}  // namespace foil::text
