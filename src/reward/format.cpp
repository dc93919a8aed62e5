#include "reward/format.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "base/error.h"
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

// Writing systems, as far as mixing them up tells one language from another. Greek is mathematics.
enum Script { kNone, kLatin, kCyrillic, kHebrew, kArabic, kIndic, kThai, kHangul, kHanKana, kScripts };

Script script_of(uint32_t c) {
  if (c < 0x80) return std::isalpha(int(c)) ? kLatin : kNone;
  if (c >= 0xC0 && c < 0x250 && c != 0xD7 && c != 0xF7) return kLatin;
  if (c >= 0x400 && c < 0x530) return kCyrillic;
  if (c >= 0x590 && c < 0x600) return kHebrew;
  if (c >= 0x600 && c < 0x780) return kArabic;
  if (c >= 0x900 && c < 0xE00) return kIndic;
  if (c >= 0xE00 && c < 0xE80) return kThai;
  if ((c >= 0x1100 && c < 0x1200) || (c >= 0xAC00 && c < 0xD7B0)) return kHangul;
  if ((c >= 0x3040 && c < 0x3100) || (c >= 0x3400 && c < 0xA000) || (c >= 0xF900 && c < 0xFB00) || (c >= 0x20000 && c < 0x32000)) return kHanKana;
  return kNone;
}

// Letters by script; LaTeX commands are not letters. Broken UTF-8 counts nowhere.
std::array<size_t, kScripts> scripts_in(std::string_view text) {
  std::array<size_t, kScripts> out{};
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead == '\\') {
      for (++i; i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]));) ++i;
      continue;
    }
    const size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    uint32_t c = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (size_t k = 1; k < length && i + k < text.size(); ++k) c = c << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    if (lead < 0x80 || lead >= 0xC0) ++out[script_of(c)];
    i += length;
  }
  out[kNone] = 0;
  return out;
}

bool other_script(const std::string& question, const std::string& text) {
  const auto asked = scripts_in(question), answered = scripts_in(text);
  const auto main = size_t(std::max_element(asked.begin(), asked.end()) - asked.begin());
  size_t letters = 0;
  for (const size_t n : answered) letters += n;
  return asked[main] > 0 && letters >= 8 && answered[main] * 2 < letters;
}

// Compiled once a thread and pattern. Throws UsageError with the place in the pattern.
const pcre2_code* compiled(const std::string& pattern) {
  using Code = std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)>;
  thread_local std::map<std::string, Code> cache;
  if (const auto it = cache.find(pattern); it != cache.end()) return it->second.get();
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF, &error, &at, nullptr), &pcre2_code_free);
  if (!code) {
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof message);
    throw UsageError(fmt::format("pattern \"{}\": {} at character {}", pattern, reinterpret_cast<const char*>(message), at + 1), "format");
  }
  return cache.emplace(pattern, std::move(code)).first->second.get();
}

Found find_regex(const std::string& text, const std::string& pattern) {
  Found f;
  const pcre2_code* code = compiled(pattern);
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(pcre2_match_data_create_from_pattern(code, nullptr), &pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), 1'000'000);  // a pattern that backtracks without end finds nothing
  for (size_t at = 0; at <= text.size();) {
    if (pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0, data.get(), context.get()) < 0) break;
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
    f.begin = span[0], f.end = span[1], ++f.count;
    at = std::max<size_t>(span[1], span[0] + 1);
  }
  return f;
}

}  // namespace

void FormatOptions::validate(const std::string& where) const {
  if ((answer == AnswerForm::kRegex) != !pattern.empty())
    throw UsageError(answer == AnswerForm::kRegex ? "answer: regex needs a pattern" : "a pattern is given, but answer is not regex", where, "set answer: regex together with pattern");
  if (!pattern.empty()) compiled(pattern);
}

std::string format_defect(const std::string& question, const Sample& sample, const FormatOptions& options) {
  const std::string& text = sample.text;
  if (sample.finish_reason != Finish::kStop) return "not finished";
  Found f;
  switch (options.answer) {
    case AnswerForm::kHash: f = find_hash(text); break;
    case AnswerForm::kBoxed: f = find_boxed(text); break;
    case AnswerForm::kTag: f = find_tag(text); break;
    case AnswerForm::kRegex: f = find_regex(text, options.pattern); break;
    case AnswerForm::kAny: f = {text.size(), text.size(), 1}; break;
  }
  if (f.count == 0) return "no answer in the form";
  if (f.count > 1) return "several answers";
  if (text.find_first_not_of(" \t\r\n.$*)", f.end) != std::string::npos) return "text after the answer";
  size_t reasoning = 0;
  for (size_t i = 0; i < f.begin; ++i) reasoning += !std::isspace(static_cast<unsigned char>(text[i]));
  if (int64_t(reasoning) < options.min_reasoning_characters) return "no reasoning";
  if (has_loop(text)) return "a loop";
  if (other_script(question, text)) return "another script than the question's";
  return "";
}

}  // namespace foil
