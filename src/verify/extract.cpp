// extract(): where in a model's text the final answer stands.
//
// Strongest sign first: <answer> tags, boxes, "####", a sentence that announces the answer, the whole text when it is nothing but
// an answer, bold type, the last formula, the last "= …", a letter, the last number. Within one sign the last occurrence wins.
#include <algorithm>
#include <cstring>
#include <vector>

#include "verify/announced.h"
#include "verify/marked.h"
#include "verify/number.h"
#include "verify/passages.h"
#include "verify/stated.h"
#include "verify/verify.h"

namespace foil::verify {

namespace {

std::optional<Extracted> bold(std::string_view text) {
  size_t end = find_last(text, "**");
  while (end != std::string_view::npos && end >= 2) {
    const size_t begin = text.rfind("**", end - 1);
    if (begin == std::string_view::npos) return std::nullopt;
    if (begin + 2 <= end) {
      auto e = found(text, {begin + 2, end}, "bold");
      if (e && e->text.find('\n') == std::string::npos && e->text.size() <= 120 && e->text.back() != ':') {
        // bold headings ("**Step 1**") are words; an answer has a number or a formula, or is one word
        const bool value = e->text.find_first_of("0123456789\\$=") != std::string::npos || e->text.find(' ') == std::string::npos;
        const bool heading = e->text.size() > 4 && (std::strncmp(e->text.c_str(), "Step", 4) == 0 || std::strncmp(e->text.c_str(), "Case", 4) == 0 || std::strncmp(e->text.c_str(), "Part", 4) == 0);
        if (value && !heading) return e;
      }
    }
    if (begin < 2) return std::nullopt;
    end = text.rfind("**", begin - 1);
  }
  return std::nullopt;
}

// A lone letter that picks an option, in the last line: "So the answer must be (B)."
std::optional<Extracted> letter_choice(std::string_view text) {
  // "B is correct", "So B is the correct answer"
  for (const std::string_view claim : {" is correct", " is the correct", " is the right", " is the answer"})
    if (const size_t at = find_last(text, claim); at != std::string_view::npos && at > 0 && text[at - 1] >= 'A' && text[at - 1] <= 'J' && (at == 1 || (!is_latin(text[at - 2]) && text[at - 2] != '\''))) return found(text, {at - 1, at}, "choice");
  // "Option C is correct", "the right choice is (C) because (A) is too small"
  for (size_t i = text.size(); i-- > 0;) {
    if ((text[i] != 'p' && text[i] != 'h') || (text.substr(i, 6) != "ption " && text.substr(i, 6) != "hoice ")) continue;
    size_t j = i + 6;
    if (text.substr(j, 3) == "is ") j += 3;
    while (j < text.size() && (text[j] == '*' || text[j] == '(' || text[j] == '$')) ++j;
    if (j >= text.size() || text[j] < 'A' || text[j] > 'J' || (j + 1 < text.size() && (is_latin(text[j + 1]) || text[j + 1] == '\''))) continue;
    return found(text, {j, j + 1}, "choice");
  }
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'J') continue;
    const bool left = i > 0 && text[i - 1] == '(', right = i + 1 < text.size() && text[i + 1] == ')';
    if (left && right) {
      // "Both (B) and (C) are correct"
      const bool two = i >= 9 && text.substr(i - 6, 5) == " and " && text[i - 7] == ')' && text[i - 8] >= 'A' && text[i - 8] <= 'J' && text[i - 9] == '(';
      return found(text, {two ? i - 9 : i - 1, i + 2}, "choice");
    }
  }
  return std::nullopt;
}

// No marker at all: the last sentence with a value in it.
std::optional<Extracted> concluded(std::string_view text, Span all) {
  // Sentences of the last part of the text, first to last.
  constexpr size_t kTail = 6000;
  std::vector<Span> sentences;
  size_t at = all.end - all.begin > kTail ? all.end - kTail : all.begin;
  while (at < all.end) {
    const size_t end = std::min(sentence_end(text, at), all.end);
    const Span s = trimmed(text, {at, end});
    if (s.begin < s.end) sentences.push_back(s);
    at = end + (end < all.end && text[end] == '\xE3' ? 3 : 1);  // behind a full stop or 。
  }
  // One short line of words or one formula is the answer itself.
  if (sentences.size() == 1 && all.end - all.begin <= 60 && !looks_prose(text.substr(all.begin, all.end - all.begin))) {
    const std::string_view line = text.substr(all.begin, all.end - all.begin);
    const bool formula_inside = !formulas(text, all).empty();
    const bool any_digit = std::any_of(line.begin(), line.end(), is_digit);
    bool latex = false;  // an escaped sign of money or per cent is none
    for (size_t i = 0; i < line.size(); ++i) latex = latex || line[i] == '^' || line[i] == '_' || line[i] == '{' || line[i] == '}' || (line[i] == '\\' && (i + 1 == line.size() || (line[i + 1] != '$' && line[i + 1] != '%')));
    if (!formula_inside && (!any_digit || (latex && line.find(" is ") == std::string_view::npos))) {
      if (auto e = letter_choice(line)) {
        e->begin += all.begin;
        e->end += all.begin;
        if (line.find(' ') != std::string_view::npos) return e;
      }
      return found(text, all, "whole");
    }
  }
  // A check of the answer behind it is not the answer.
  for (size_t i = 1; i < sentences.size(); ++i)
    for (const std::string_view opening : {"To check", "Check:", "Checking", "To verify", "Verification", "Let's check", "Let's verify", "Let us check", "Let us verify", "We can check", "We can verify", "Let me check", "Let me verify", "Note:", "**Note", "Substituting back", "**Check", "**Verification"})
      if (i < sentences.size() && text.compare(sentences[i].begin, opening.size(), opening) == 0 && text.substr(sentences[0].begin, sentences[i].begin - sentences[0].begin).find_first_of("0123456789\\") != std::string_view::npos) sentences.resize(i);
  for (size_t i = sentences.size(); i-- > 0;) {
    const Span s = sentences[i];
    const std::string_view sentence = text.substr(s.begin, s.end - s.begin);
    // **84**
    if (const size_t close = sentence.rfind("**"); close != std::string_view::npos && close >= 3) {
      const size_t open = sentence.rfind("**", close - 1);
      if (open != std::string_view::npos && open + 2 < close) {
        const Span inner = without_marks(text, {s.begin + open + 2, s.begin + close});
        const std::string_view said = text.substr(inner.begin, inner.end - inner.begin);
        bool heading = false;
        for (const std::string_view opening : {"Step", "Case", "Part", "Note", "Problem", "Figure"}) heading = heading || said.substr(0, opening.size()) == opening;
        if (!heading && inner.begin < inner.end && reads(text, inner)) return found(text, inner, "bold");
        if (!heading && inner.begin < inner.end && std::any_of(text.begin() + static_cast<std::ptrdiff_t>(inner.begin), text.begin() + static_cast<std::ptrdiff_t>(inner.end), is_digit)) return found(text, value_in(text, inner), "bold");
      }
    }
    // <<48/2=24>>24: GSM8K's calculator notes stand before their result
    if (const size_t note = sentence.rfind(">>"); note != std::string_view::npos && sentence.rfind("<<", note) != std::string_view::npos && note + 2 < sentence.size() && (is_digit(sentence[note + 2]) || sentence[note + 2] == '$' || sentence[note + 2] == '-' || sentence[note + 2] == '.')) {
      const size_t from = s.begin + note + 2;
      size_t to = from + 1;
      while (to < s.end && (is_digit(text[to]) || ((text[to] == ',' || text[to] == '.' || text[to] == '/') && to + 1 < s.end && is_digit(text[to + 1])))) ++to;
      return found(text, {from, to}, "last_equation");
    }
    const bool formula_inside = !formulas(text, s).empty();
    const bool any_digit = std::any_of(sentence.begin(), sentence.end(), is_digit);
    if (formula_inside || any_digit || sentence.find("\\frac") != std::string_view::npos || sentence.find("\\sqrt") != std::string_view::npos) {
      const Span v = value_in(text, s);
      const char* rule = formula_inside ? "last_formula" : sentence.find('=') != std::string_view::npos ? "last_equation" : "last_number";
      // a numbered line "3. Check the result" states no value
      const bool numbering = !formula_inside && v.begin == s.begin && v.end < s.end && s.end - v.end > 2 && is_digit(text[v.begin]) && (text[v.end] == '.' || text[v.end] == ')') && i > 0;
      if (!numbering) return found(text, v, rule);
    }
    if (auto e = letter_choice(sentence)) {
      e->begin += s.begin;
      e->end += s.begin;
      return e;
    }
  }
  if (auto e = letter_choice(text.substr(all.begin, all.end - all.begin))) {
    e->begin += all.begin;
    e->end += all.begin;
    return e;
  }
  // bold words anywhere, a number written out where no other is, the whole of a short text
  if (auto e = bold(text)) return e;
  if (std::none_of(text.begin(), text.end(), is_digit) && looks_prose(text.substr(all.begin, all.end - all.begin)))
    for (size_t i = sentences.size(); i-- > 0;)
      if (const Span s = written_number(text, sentences[i]); s.begin < s.end) return found(text, s, "last_number");
  if (all.end - all.begin <= 200 && sentences.size() == 1) return found(text, all, "whole");
  return std::nullopt;
}

}  // namespace

std::optional<Extracted> extract(std::string_view original) {
  free_caches_with_thread();
  constexpr size_t kMost = 160'000;
  std::string_view text = original;
  size_t shift = 0;
  // One number of any length is its own answer.
  {
    const Span all = trimmed(text, {0, text.size()});
    size_t i = all.begin, points = 0;
    if (i < all.end && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t first = i;
    while (i < all.end && (is_digit(text[i]) || (text[i] == '.' && ++points == 1))) ++i;
    if (i == all.end && i > first && is_digit(text[i - 1])) return found(text, all, "whole");
  }
  // The answer stands at the end: of a very long text only the end is searched.
  if (text.size() > kMost) {
    shift = text.size() - kMost;
    text.remove_prefix(shift);
  }
  for (const std::string_view close : {"</think>", "</thinking>", "<|end_of_thought|>", "</thought>"}) {
    const size_t at = find_last(text, close);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + close.size());
    const bool empty = std::all_of(rest.begin(), rest.end(), is_space);
    if (!empty) {
      shift += at + close.size();
      text = rest;
    }
    break;
  }
  // A base model goes on to questions of its own: what follows is not about this one.
  for (const std::string_view mark : {"\nQuestion:", "\nQ:", "\nHuman:", "\nUser:", "\nProblem:"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || (text.substr(0, at).find_first_of("0123456789\\") == std::string_view::npos && text.substr(0, at).find("nswer is") == std::string_view::npos)) continue;
    text = text.substr(0, at);
  }
  // A paragraph that checks the answer above it.
  for (const std::string_view mark : {"\n\nCheck", "\nCheck:", "\n\nVerification", "\n\nTo check", "\n\nTo verify", "\n\n**Check", "\n\n**Verification"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || text.substr(0, at).find_first_of("0123456789\\") == std::string_view::npos) continue;
    const std::string_view tail = text.substr(at);
    if (tail.find("boxed") == std::string_view::npos && tail.find("####") == std::string_view::npos && tail.find("nswer") == std::string_view::npos && tail.find("\nSo") == std::string_view::npos && tail.find("Therefore") == std::string_view::npos && tail.find("Thus") == std::string_view::npos && tail.find("<") == std::string_view::npos) text = text.substr(0, at);
  }
  // Another turn behind an answer.
  for (const std::string_view mark : {"[INST]", "<|user|>", "<start_of_turn>", "\n### Instruction:", "\nExercise ", "\nProblem "}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos || at == 0) continue;
    const std::string_view head = text.substr(0, at);
    if (head.find("\\boxed{") != std::string_view::npos || head.find("nswer is") != std::string_view::npos || head.find("nswer:") != std::string_view::npos || head.find("#### ") != std::string_view::npos) text = head;
  }
  // A figure behind the last sentence.
  const size_t tail = trimmed(text, {0, text.size()}).end;
  if (const size_t figure = tail > 12 && text.substr(tail - 6, 6) == "[/asy]" ? find_last(text, "[asy]") : std::string_view::npos; figure != std::string_view::npos && text.substr(0, figure).find_first_of("0123456789") != std::string_view::npos) text = text.substr(0, figure);
  // What a chat template leaves behind the answer.
  for (const std::string_view mark : {"<|im_end|>", "<|im_start|>", "<|eot_id|>", "<|endoftext|>", "<|end|>", "</s>", "<end_of_turn>", "<|assistant|>"}) {
    const size_t at = text.find(mark);
    if (at == std::string_view::npos) continue;
    const Span head = trimmed(text, {0, at});
    if (head.begin < head.end) text = text.substr(0, at);
  }
  std::optional<Extracted> e = tagged(text);
  if (!e) {
    e = boxed(text);
    if (e) {
      // "Final answer: …" said after the last box is later and more explicit
      size_t position = 0;
      const std::string_view rest = text.substr(e->end);
      if (rest.size() > 14) {
        if (auto later = announced(rest, position); later && (lower(rest[position]) == 'f') && reads(rest, {later->begin, later->end})) {
          later->begin += e->end;
          later->end += e->end;
          e = later;
        }
      }
    }
  }
  if (!e) e = hashed(text);
  if (!e) {
    const Span all = trimmed(text, {0, text.size()});
    if (all.begin < all.end) {
      size_t position = 0;
      // "My answer: 12" and "(C) is wrong, so the answer is (D)" could be read as they stand
      const bool says_answer = all.end - all.begin <= 400 && text.find("nswer") != std::string_view::npos;
      if (says_answer) e = announced(text, position);
      if (!e && reads(text, all)) e = found(text, all, "whole");
      if (!e && !says_answer) e = announced(text, position);
      if (!e) e = concluded(text, all);
    }
  }
  if (e) {
    e->begin += shift;
    e->end += shift;
  }
  return e;
}

}  // namespace foil::verify
