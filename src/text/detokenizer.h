// Ids → text, one token at a time, for streaming and for stop strings: never splits a character.
//
// Bytes that may yet become a character are held back, so text() is valid UTF-8 and only ever grows; what cannot become a character turns
// into U+FFFD as in Tokenizer::decode. After finish(), text() equals decode(ids, skip_special).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace foil::text {

class Detokenizer {
 public:
  explicit Detokenizer(Tokenizer tokenizer, bool skip_special = true) : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}
  // Adds a token; returns the new end of text() (may be empty), valid until the next call.
  std::string_view add(int32_t id);
  // No more tokens: a character that was begun becomes U+FFFD. Returns the new end of text().
  std::string_view finish();
  const std::string& text() const { return text_; }
  bool holds_back() const { return !held_.empty(); }
  void clear();

 private:
  Tokenizer tokenizer_;
  bool skip_special_;
  std::string text_;  // whole characters
  std::string held_;  // the beginning of one, at most 3 bytes
};

}  // namespace foil::text
