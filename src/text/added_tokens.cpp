#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode.h"

namespace foil::text {

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& t) { return t.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    auto& list = by_first_[static_cast<unsigned char>(tokens_[i].content[0])];
    if (list.empty()) firsts_ += tokens_[i].content[0];
    list.push_back(i);
  }
}

void AddedTokenMatcher::find(std::string_view text, bool special, std::vector<Match>& out) const {
  if (tokens_.empty()) return;
  size_t taken = 0;  // end of the last match
  for (size_t i = 0; i < text.size();) {
    if (firsts_.size() == 1) {
      const void* next = std::memchr(text.data() + i, firsts_[0], text.size() - i);
      if (!next) return;
      i = size_t(static_cast<const char*>(next) - text.data());
    }
    const AddedToken* found = nullptr;
    for (const uint32_t at : by_first_[static_cast<unsigned char>(text[i])]) {
      if (text.compare(i, tokens_[at].content.size(), tokens_[at].content) == 0) {
        found = &tokens_[at];
        break;
      }
    }
    if (!found) {
      ++i;
      continue;
    }
    // A match that its flags refuse is stepped over whole, as the reference does.
    size_t begin = i, end = i + found->content.size();
    i = end;
    if (found->special && !special) continue;
    const char *base = text.data(), *stop = base + text.size();
    if (found->single_word) {
      const char *left = base + begin, *right = base + end;
      if ((begin > 0 && is_word(previous_character(left))) || (right < stop && is_word(next_character(right)))) continue;
    }
    if (found->lstrip)
      for (const char* p = base + begin; begin > taken && is_space(previous_character(p));) begin = size_t(p - base);
    if (found->rstrip)
      for (const char* p = base + end; p < stop && is_space(next_character(p));) end = size_t(p - base);
    out.push_back({begin, end, found->id});
    taken = i = end;
  }
}

}  // namespace foil::text
