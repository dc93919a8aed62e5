#include "reward/format.h"

#include "data/similarity.h"

namespace foil {

namespace {

struct Found {
  size_t begin = std::string::npos, end = 0;  // of the answer with its marks
  int count = 0;
};

Found find_hash(const std::string& text) {
  Found f;
  for (size_t at = 0; (at = text.find("####", at)) != std::string::npos; at += 4) {
    f.begin = at, ++f.count;
    f.end = std::min(text.find('\n', at), text.size());
  }
  if (f.count && text.find_first_not_of(" \t", f.begin + 4) >= f.end) f.count = 0;  // nothing behind the marks
  return f;
}

Found find_boxed(const std::string& text) {
  Found f;
  for (size_t at = 0; (at = text.find("\\boxed{", at)) != std::string::npos;) {
    size_t i = at + 7;
    for (int depth = 1; i < text.size() && depth > 0; ++i) depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (text[i - 1] == '}' && i > at + 8) f.begin = at, f.end = i, ++f.count;
    at = i;
  }
  return f;
}

Found find_tag(const std::string& text) {
  Found f;
  for (size_t at = 0; (at = text.find("<answer>", at)) != std::string::npos; at += 8) {
    const size_t close = text.find("</answer>", at);
    if (close == std::string::npos) break;
    f.begin = at, f.end = close + 9, ++f.count;
  }
  return f;
}

// Share of letters outside ASCII: a rough script of the text.
double foreign_share(const std::string& text) {
  size_t letters = 0, foreign = 0;
  for (const unsigned char c : text) {
    if (std::isalpha(c)) ++letters;
    if (c >= 0xC3 && c != 0xE2) ++letters, ++foreign;  // lead bytes of other scripts; E2 leads signs such as − and √
  }
  return letters ? double(foreign) / double(letters) : 0;
}

}  // namespace

std::string format_defect(const std::string& question, const Sample& sample, const FormatOptions& options) {
  const std::string& text = sample.text;
  if (sample.finish_reason != Finish::kStop) return "not finished";
  Found f;
  switch (options.answer) {
    case AnswerForm::kHash: f = find_hash(text); break;
    case AnswerForm::kBoxed: f = find_boxed(text); break;
    case AnswerForm::kTag: f = find_tag(text); break;
    case AnswerForm::kAny: f = {text.size(), text.size(), 1}; break;
  }
  if (f.count == 0) return "no answer in the form";
  if (f.count > 1) return "several answers";
  if (text.find_first_not_of(" \t\r\n.$*)", f.end) != std::string::npos) return "text after the answer";
  size_t reasoning = 0;
  for (size_t i = 0; i < f.begin; ++i) reasoning += !std::isspace(static_cast<unsigned char>(text[i]));
  if (int64_t(reasoning) < options.min_reasoning_characters) return "no reasoning";
  if (has_loop(text)) return "a loop";
  if (std::abs(foreign_share(text) - foreign_share(question)) > 0.5) return "another script than the question's";
  return "";
}

}  // namespace foil
