#include "data/segmentation.h"

#include <algorithm>
#include <cctype>

namespace foil {

namespace {

bool blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// true where the byte stands inside a formula.
std::vector<bool> inside_formula(std::string_view text) {
  static const std::pair<std::string_view, std::string_view> kMarks[] = {{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}, {"\\begin{", "\\end{"}};
  std::vector<bool> out(text.size(), false);
  // Where each closing mark occurs last: an opening mark behind it is never closed, and looking for it would cost the whole rest.
  size_t last[std::size(kMarks)];
  for (size_t k = 0; k < std::size(kMarks); ++k) {
    const size_t at = text.rfind(kMarks[k].second);
    last[k] = at == std::string_view::npos ? 0 : at;
  }
  // Behind the brace that closes the one at a byte, in the same line; 0: never closed.
  std::vector<size_t> closed(text.size(), 0), open_braces;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') open_braces.clear();
    if (text[i] == '{') open_braces.push_back(i);
    if (text[i] == '}' && !open_braces.empty()) closed[open_braces.back()] = i + 1, open_braces.pop_back();
  }
  for (size_t i = 0; i < text.size();) {
    size_t end = 0;
    if (text[i] == '\\' && text.substr(i, 7) == "\\boxed{") {
      end = closed[i + 6];
    } else if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '$') {
      i += 2;  // a dollar sign of money
      continue;
    } else {
      for (size_t k = 0; k < std::size(kMarks) && !end; ++k) {
        const auto& [open, close] = kMarks[k];
        if (text.substr(i, open.size()) != open || last[k] < i + open.size()) continue;
        const size_t at = text.find(close, i + open.size());
        // One $ closes in its own paragraph, or it is money.
        if (at == std::string_view::npos || (open == "$" && text.substr(i, at - i).find("\n\n") != std::string_view::npos)) break;
        if (open == "$" && (blank(text[at - 1]) || blank(text[i + 1]))) break;
        end = at + close.size();
        break;
      }
    }
    if (!end) {
      ++i;
      continue;
    }
    std::fill(out.begin() + ptrdiff_t(i), out.begin() + ptrdiff_t(end), true);
    i = end;
  }
  return out;
}

// Length of "1." / "12)" / "Step 3" at `i`, 0 if there is none.
size_t step_mark(std::string_view text, size_t i) {
  const size_t begin = i;
  for (const std::string_view opening : {"**", "#", "Step ", "step ", "**Step "})
    if (text.substr(i, opening.size()) == opening && opening.find("tep") != std::string_view::npos) {
      i += opening.size();
      const size_t digits = i;
      while (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]))) ++i;
      return i > digits ? i - begin : 0;
    }
  const size_t digits = i;
  while (i < text.size() && i < digits + 3 && std::isdigit(static_cast<unsigned char>(text[i]))) ++i;
  const bool marked = i > digits && i + 1 < text.size() && (text[i] == '.' || text[i] == ')') && blank(text[i + 1]);
  return marked ? i + 1 - begin : 0;
}

}  // namespace

std::vector<Step> segment(std::string_view text, StepRule rule) {
  size_t begin = 0;
  while (begin < text.size() && blank(text[begin])) ++begin;
  if (begin == text.size()) return {};
  const auto formula = inside_formula(text);
  std::vector<size_t> starts = {begin};
  for (size_t i = begin + 1; i < text.size(); ++i) {
    if (blank(text[i]) || !blank(text[i - 1]) || formula[i]) continue;
    // What stands before this visible character, back to the last visible one.
    size_t before = i - 1;
    while (blank(text[before])) --before;
    const auto gap = text.substr(before + 1, i - before - 1);
    const size_t breaks = size_t(std::count(gap.begin(), gap.end(), '\n'));
    const char c = text[before];
    bool cut = false;
    switch (rule) {
      case StepRule::kSentence: {
        // "e.g. 5" and "1. First" go on: a single letter or a list number before the full stop ends nothing.
        size_t word = before;
        while (word > 0 && std::isalnum(static_cast<unsigned char>(text[word - 1]))) --word;
        const bool line_start = word == begin || text[word - 1] == '\n';
        const bool abbreviation = c == '.' && ((before - word == 1 && std::isalpha(static_cast<unsigned char>(text[word]))) ||
                                               (line_start && before > word && std::all_of(text.begin() + ptrdiff_t(word), text.begin() + ptrdiff_t(before), [](unsigned char d) { return std::isdigit(d); })));
        cut = breaks > 0 || ((c == '.' || c == '!' || c == '?') && !abbreviation && !formula[before]) || text.substr(i, 4) == "####";
        break;
      }
      case StepRule::kLine: cut = breaks > 0; break;
      case StepRule::kParagraph: cut = breaks > 1; break;
      case StepRule::kNumbered: cut = breaks > 0 && step_mark(text, i) > 0; break;
    }
    if (cut) starts.push_back(i);
  }
  std::vector<Step> out;
  for (size_t k = 0; k < starts.size(); ++k) {
    Step s;
    s.begin = int64_t(starts[k]), s.end = int64_t(k + 1 < starts.size() ? starts[k + 1] : text.size());
    out.push_back(s);
  }
  return out;
}

}  // namespace foil
