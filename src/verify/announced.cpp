#include "verify/announced.h"

#include <algorithm>
#include <array>

#include "verify/passages.h"
#include "verify/stated.h"

namespace foil::verify {

namespace {

bool starts_with_answer_words(std::string_view text, size_t at, std::string_view phrase) {
  if (at + phrase.size() > text.size()) return false;
  for (size_t i = 0; i < phrase.size(); ++i)
    if (lower(text[at + i]) != phrase[i]) return false;
  return at == 0 || !is_latin(text[at - 1]);
}

// "**B**: 27" behind "the answer is": the letter of an option in bold, with what it stands for.
std::optional<Extracted> bold_option(std::string_view text, size_t begin) {
  while (begin < text.size() && (text[begin] == ' ' || text[begin] == '*' || text[begin] == '(')) ++begin;
  if (begin == 0 || begin + 3 >= text.size() || text[begin] < 'A' || text[begin] > 'J' || (text[begin - 1] != '*' && text[begin - 1] != '(')) return std::nullopt;
  const std::string_view rest = text.substr(begin + 1, 5);
  if (rest.substr(0, 2) != "**" && rest.substr(0, 3) != ")**") return std::nullopt;
  return found(text, {begin, begin + 1}, "answer_is");
}

}  // namespace

std::optional<Extracted> announced(std::string_view text, size_t& position) {
  static constexpr std::array<std::string_view, 3> kStrong = {"final answer", "correct answer", "answer"};
  // Where the phrases stand, last first; at most a few are looked at.
  constexpr int kMostTries = 6;
  int tries = 0;
  const auto value_from = [&](size_t begin) -> std::optional<Span> {
    while (begin < text.size() && (is_space(text[begin]) || text[begin] == '*' || text[begin] == ':' || text[begin] == '_')) ++begin;
    if (begin >= text.size()) return std::nullopt;
    const Span s = without_marks(text, {begin, sentence_end(text, begin)});
    if (s.begin >= s.end) return std::nullopt;
    return s;
  };
  for (size_t i = text.size(); i-- > 0 && tries < kMostTries;) {
    if (lower(text[i]) != 'a' && lower(text[i]) != 'f' && lower(text[i]) != 'c') continue;
    for (const std::string_view phrase : kStrong) {
      if (!starts_with_answer_words(text, i, phrase)) continue;
      if (phrase == "answer" && i >= 6 && (starts_with_answer_words(text, i - 6, "final ") || (i >= 8 && starts_with_answer_words(text, i - 8, "correct ")))) break;
      const size_t j = i + phrase.size();
      if (j < text.size() && is_latin(text[j])) break;
      ++tries;
      std::optional<Span> span;
      // "answer is", "answer:", "answer =", "answer to … is"
      size_t k = j;
      while (k < text.size() && (text[k] == ' ' || text[k] == '*' || text[k] == '\t')) ++k;
      size_t verb = 0;
      for (const std::string_view v : {"is", "should be", "will be", "would be", "must be", "are"})
        if (!verb && starts_with_answer_words(text, k, v) && (k + v.size() >= text.size() || !is_latin(text[k + v.size()]))) verb = v.size();
      if (k + 1 < text.size() && (text[k] == '"' || text[k] == '\'') && i > 0 && (text[i - 1] == text[k] || text[i - 1] == '_')) {
        // {"answer": "18", …}
        size_t from = k + 1;
        while (from < text.size() && (is_space(text[from]) || text[from] == ':')) ++from;
        if (from > k + 1 && from < text.size()) {
          const bool quoted = text[from] == '"' || text[from] == '\'';
          const size_t to = quoted ? text.find(text[from], from + 1) : text.find_first_of(text[from] == '[' ? "]\n" : ",}\n", from);
          if (to != std::string_view::npos) {
            position = i;
            return found(text, quoted ? Span{from + 1, to} : Span{from, to + (text[to] == ']')}, "answer_is");
          }
        }
      }
      if (k < text.size() && (text[k] == ':' || text[k] == '=')) {
        span = value_from(k + 1);
      } else if (verb) {
        span = value_from(k + verb);
      } else {
        const size_t stop = sentence_end(text, j);
        size_t is = std::string_view::npos;
        for (size_t m = j; m + 4 <= stop && m < j + 160; ++m)
          if (is_space(text[m]) && starts_with_answer_words(text, m + 1, "is") && m + 3 < text.size() && (is_space(text[m + 3]) || text[m + 3] == ':')) is = m + 3;
        if (is != std::string_view::npos) span = value_from(is);
        else if (phrase == "final answer" && k < text.size() && text[k] == '\n') span = value_from(k + 1);
      }
      if (span) {
        position = i;
        if (text.substr(span->begin, 4) == "not ") {  // "not 13 but 12", "not 13. It is 12"
          const std::string_view rest = text.substr(span->begin, 160);
          for (const std::string_view turn : {" but ", "it is ", "It is ", "it's ", "It's "})
            if (const size_t at = rest.find(turn); at != std::string_view::npos)
              if (const auto other = value_from(span->begin + at + turn.size())) return found(text, value_in(text, *other), "answer_is");
          return found(text, *span, "answer_is");  // says what it is not
        }
        if (auto option = bold_option(text, span->begin)) return option;
        // "18, and the gcd is 3": what follows is said of something else
        const std::string_view said = text.substr(span->begin, span->end - span->begin);
        for (const std::string_view turn : {", and the ", ", and its ", ", while the "})
          if (const size_t at = said.find(turn); at != std::string_view::npos && said.find("nswer", at) == std::string_view::npos && said.find("total", at) == std::string_view::npos && reads(text, {span->begin, span->begin + at})) return found(text, {span->begin, span->begin + at}, "answer_is");
        return found(text, value_in(text, *span), "answer_is");
      }
      break;
    }
  }
  // Other languages: the word for "answer", then a mark or a verb; "故选 B" names an option.
  std::optional<Span> last;
  const auto take = [&](size_t at, size_t begin, bool option) {
    if (last && at < position) return;
    const auto span = value_from(begin);
    if (!span) return;
    const bool letter = text[span->begin] >= 'A' && text[span->begin] <= 'J' && (span->begin + 1 == text.size() || !is_latin(text[span->begin + 1]));
    if (option && !letter) return;
    position = at;
    last = letter && (option || static_cast<unsigned char>(text[std::min(span->begin + 1, text.size() - 1)]) >= 0x80) ? Span{span->begin, span->begin + 1} : value_in(text, *span);
  };
  for (const std::string_view phrase : {"Respuesta:", "Réponse :", "Réponse:", "Antwort:", "Risposta:", "Resposta:", "Jawaban:", "réponse est", "Antwort ist", "respuesta es", "respuesta correcta es", "risposta è", "resposta é"})
    if (const size_t at = find_last(text, phrase); at != std::string_view::npos) take(at, at + phrase.size(), false);
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xD0; })) {
    for (const std::string_view phrase : {"答案", "故选", "应选", "选项", "选", "正解", "回答", "答え", "答", "정답", "답변", "답", "Ответ", "ответ", "उत्तर", "উত্তর", "الإجابة", "คำตอบ"}) {
      const size_t at = find_last(text, phrase);
      if (at == std::string_view::npos) continue;
      size_t begin = at + phrase.size();
      while (begin < text.size() && (text[begin] == ' ' || text[begin] == '*')) ++begin;
      bool marked = false;
      for (const std::string_view mark : {":", "：", "是", "为", "選", "选", "為", "は", "은", "는"})
        if (!marked && text.substr(begin, mark.size()) == mark) {
          begin += mark.size();
          marked = true;
        }
      const bool option = phrase == "故选" || phrase == "应选" || phrase == "选项" || phrase == "选";
      if (marked || option) take(at, begin, option);
    }
  }
  if (last) return found(text, *last, "answer_is");
  return std::nullopt;
}

}  // namespace foil::verify
