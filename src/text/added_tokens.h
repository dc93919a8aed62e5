// Tokens recognised in raw text before anything else happens to it: <|im_end|>, <tool_call>, … As in `tokenizers`: leftmost, longest.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace foil::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = true;       // a control token: decode may skip it
  bool lstrip = false, rstrip = false;  // takes the spaces before, behind it with it
  bool normalized = false;   // looked for in the normalised text
  bool single_word = false;  // not inside a word
};

class AddedTokenMatcher {
 public:
  // The tokens to look for, contents as they stand in the text that is searched.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens = {});
  struct Match {
    size_t begin, end;  // bytes of the text that the token stands for, stripped spaces included
    int32_t id;
  };
  // Appends the matches in valid UTF-8, in order, not overlapping. special: also tokens marked special.
  void find(std::string_view text, bool special, std::vector<Match>& out) const;
  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;                     // longest first
  std::array<std::vector<uint32_t>, 256> by_first_;    // first byte → places in tokens_, longest first
  std::string firsts_;                                 // the first bytes that occur
};

}  // namespace foil::text
