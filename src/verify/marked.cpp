#include "verify/marked.h"

#include <algorithm>
#include <string>
#include <vector>

#include "verify/passages.h"
#include "verify/stated.h"

namespace foil::verify {

namespace {

// Does the second of two boxes only say the first again, rounded?
bool approximates(std::string_view text, const Box& exact, const Box& other) {
  const auto opens = [](std::string_view s) {
    while (!s.empty() && (is_space(s.front()) || s.front() == '$')) s.remove_prefix(1);
    for (const std::string_view sign : {"\\approx", "≈", "\\simeq"})
      if (s.substr(0, sign.size()) == sign) return sign.size();
    return size_t{0};
  };
  if (opens(text.substr(other.inner_begin, other.inner_end - other.inner_begin))) return true;
  const std::string_view gap = text.substr(exact.end, other.begin - exact.end);
  const size_t sign = gap.size() <= 40 ? opens(gap) : 0;
  return sign && gap.substr(gap.find_first_not_of(" \n\t$") + sign).find_first_not_of(" \n\t$") == std::string_view::npos;
}

// "The answer is not \boxed{12}", "\boxed{12} is not the answer": a box that says what the answer is not.
bool negated(std::string_view text, const Box& box) {
  const auto mark = [](char c) { return is_space(c) || c == '$' || c == '*' || c == '(' || c == '\\'; };
  size_t end = box.begin, begin = box.end;
  while (end > 0 && mark(text[end - 1])) --end;
  for (const std::string_view word : {" not", "n't", " cannot be", "n't be", " never"})
    if (end >= word.size() && text.substr(end - word.size(), word.size()) == word) return true;
  while (begin < text.size() && (mark(text[begin]) || text[begin] == ')')) ++begin;
  for (const std::string_view words : {"is wrong", "is incorrect"})
    if (text.substr(begin, words.size()) == words) return true;
  for (const std::string_view verb : {"is not ", "isn't ", "cannot be ", "can't be "})
    if (text.substr(begin, verb.size()) == verb)
      for (const std::string_view rest : {"the answer", "the correct", "the right", "the solution", "the final", "my answer", "our answer", "correct", "right", "valid", "a solution", "a valid", "it."})
        if (text.substr(begin + verb.size(), rest.size()) == rest) return true;
  return false;
}

// "boxed{70}", "\boxed{70}" with its "\b" read as a backspace: a box that lost its backslash.
std::optional<Box> bare_box(std::string_view text) {
  for (size_t at = find_last(text, "xed{"); at != std::string_view::npos && at >= 2; at = find_last(text.substr(0, at), "xed{")) {
    if (text[at - 1] != 'o' || (text[at - 2] != '\b' && (text[at - 2] != 'b' || (at >= 3 && is_latin(text[at - 3]))))) continue;
    const size_t close = closing_brace(text, at + 3);
    if (close == std::string_view::npos) return std::nullopt;
    return Box{at - 2, close + 1, at + 4, close, true};
  }
  return std::nullopt;
}

// \text{The answer is 460}: what the sentence in the box states.
std::optional<Extracted> stated_in_box(std::string_view text, const Extracted& e) {
  constexpr std::string_view kText = "\\text{";
  const std::string_view s = std::string_view(text).substr(e.begin, e.end - e.begin);
  if (s.substr(0, kText.size()) != kText || closing_brace(s, kText.size() - 1) != s.size() - 1) return std::nullopt;
  for (const std::string_view verb : {" is ", " are ", " equals ", " = "}) {
    const size_t at = s.rfind(verb);
    if (at == std::string_view::npos) continue;
    const Span value = trimmed(text, {e.begin + at + verb.size(), e.end - 1});
    if (reads(text, value)) return found(text, value, "boxed");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Extracted> boxed(std::string_view text) {
  std::vector<Box> all = boxes(text);
  if (all.empty()) {
    if (const auto bare = bare_box(text)) return found(text, {bare->inner_begin, bare->inner_end}, "boxed");
    return std::nullopt;
  }
  while (!all.empty() && all.back().closed && negated(text, all.back())) all.pop_back();
  if (all.empty()) return std::nullopt;
  // "\boxed{\sqrt{2}} \approx \boxed{1.41}", "\boxed{\approx 1.41}" behind an exact one: what follows ≈ is dropped
  while (all.size() > 1 && all.back().closed && all[all.size() - 2].closed && all[all.size() - 2].end <= all.back().begin && approximates(text, all[all.size() - 2], all.back())) all.pop_back();
  size_t first = all.size() - 1;
  const Box& last = all.back();
  if (!last.closed) return found(text, {last.begin, last.end}, "boxed");
  while (first > 0 && all[first - 1].closed && all[first - 1].end <= all[first].begin && joins(text.substr(all[first - 1].end, all[first].begin - all[first - 1].end))) --first;
  if (first + 1 == all.size()) {
    // "x \in \boxed{…}" and "\boxed{20} percent" keep what stands inside; the words around a box are not the answer
    auto e = found(text, {last.inner_begin, last.inner_end}, "boxed");
    if (e) {
      if (auto stated = stated_in_box(text, *e)) return stated;
      // a unit or % directly behind the box belongs to it
      std::string_view tail = text.substr(last.end, 24);
      size_t i = 0;
      while (i < tail.size() && (tail[i] == ' ' || tail[i] == '$' || tail[i] == '~')) ++i;
      if (tail.substr(i, 1) == "%" || tail.substr(i, 2) == "\\%" || tail.substr(i, 7) == "percent" || tail.substr(i, 3) == "pct") e->text += "\\%";
    }
    return e;
  }
  // several boxes: one enumeration; equal ones count once
  std::vector<std::string> parts;
  for (size_t i = first; i < all.size(); ++i) {
    const Span s = trimmed(text, {all[i].inner_begin, all[i].inner_end});
    std::string part(text.substr(s.begin, s.end - s.begin));
    // one value in two spellings is one answer
    bool again = false;
    for (const std::string& other : parts) again = again || other == part || (parts.size() < 8 && equal(parse(other), parse(part)).correct());
    if (!again) parts.push_back(std::move(part));
  }
  Extracted e;
  for (const std::string& p : parts) {
    if (!e.text.empty()) e.text += parts.size() > 1 ? " ; " : "";
    e.text += p;
  }
  if (e.text.empty()) return std::nullopt;
  e.begin = all[first].inner_begin;
  e.end = last.inner_end;
  e.rule = "boxed";
  return e;
}

std::optional<Extracted> tagged(std::string_view text) {
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<answer>", "</answer>"}, {"<ANSWER>", "</ANSWER>"}, {"<final_answer>", "</final_answer>"}}) {
    const size_t begin = find_last(text, open);
    if (begin == std::string_view::npos) continue;
    const size_t inner = begin + open.size();
    const size_t end = std::min(text.find(close, inner), text.size());
    auto e = found(text, {inner, end}, "tag");
    if (!e) continue;
    // the tag may itself hold a box or a sentence
    if (auto b = boxed(e->text)) {
      e->begin = inner + b->begin;
      e->end = inner + b->end;
      e->text = b->text;
    } else if (!reads(text, {e->begin, e->end}) && e->text.find_first_of("0123456789\\") != std::string::npos) {
      e = found(text, value_in(text, {e->begin, e->end}), "tag");
    }
    return e;
  }
  return std::nullopt;
}

std::optional<Extracted> hashed(std::string_view text) {
  size_t at = find_last(text, "####");
  for (int tries = 0; tries < 6 && at != std::string_view::npos; ++tries) {
    size_t begin = at + 4;
    while (begin < text.size() && text[begin] == '#') ++begin;
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (auto e = found(text, {begin, end}, "hash")) {
      // a Markdown heading "#### Final answer" is not an answer; "#### ab + c" is
      const bool words = e->text.find(' ') != std::string::npos && e->text.find_first_of("0123456789\\$=+*/^<>") == std::string::npos && has_word(e->text);
      bool heading = is_latin(e->text[0]) && words;
      // "#### Step 2: the total", "#### 2. The total" with text below it
      for (const std::string_view opening : {"Step ", "Case ", "Part ", "Problem ", "Question ", "Method ", "Example "}) heading = heading || e->text.compare(0, opening.size(), opening) == 0;
      const size_t digits = e->text.find_first_not_of("0123456789");
      if (digits > 0 && digits != std::string::npos && digits + 2 < e->text.size() && (e->text[digits] == '.' || e->text[digits] == ')') && e->text[digits + 1] == ' ' && has_word(e->text) && trimmed(text, {end, text.size()}).begin < text.size()) heading = true;
      // "#### 72, and that is it", "#### Final answer: 72"
      if (!heading && !reads(text, {e->begin, e->end}) && has_word(e->text) && e->text.find_first_of("0123456789") != std::string::npos) return found(text, value_in(text, {e->begin, e->end}), "hash");
      if (!heading) return e;
    }
    while (at > 0 && text[at - 1] == '#') --at;
    if (at < 4) break;
    at = text.rfind("####", at - 1);
  }
  return std::nullopt;
}

}  // namespace foil::verify
