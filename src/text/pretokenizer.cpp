#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace foil::text {
using Json = nlohmann::json;

namespace {
const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
}

// A regular expression whose matches become pieces of their own ("Isolated"), or digits one by one.
struct PreTokenizer::Rule {
  enum class Behaviour { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous } behaviour = Behaviour::kIsolated;
  bool invert = false;
  pcre2_code* code = nullptr;

  Rule(const std::string& pattern, const std::string& where) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &offset, nullptr);
    if (!code) {
      PCRE2_UCHAR message[200];
      pcre2_get_error_message(error, message, sizeof message);
      throw Error(fmt::format("the pre-tokenizer's expression cannot be compiled: {} at {} of {}", reinterpret_cast<char*>(message), offset, pattern), where);
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  }
  Rule(const Rule&) = delete;
  ~Rule() { pcre2_code_free(code); }

  void split(std::string_view text, std::vector<std::string_view>& out) const {
    struct Match {
      pcre2_match_data* data = nullptr;
      ~Match() { pcre2_match_data_free(data); }
    };
    thread_local Match match;
    if (!match.data) match.data = pcre2_match_data_create(8, nullptr);
    size_t at = 0, plain = 0;  // plain: where text not yet emitted begins
    auto emit = [&](size_t begin, size_t end, bool matched) {
      if (begin == end) return;
      const std::string_view piece = text.substr(begin, end - begin);
      if (matched != invert) {
        if (behaviour == Behaviour::kRemoved) return;
        if (behaviour == Behaviour::kMergedWithPrevious && !out.empty() && out.back().data() + out.back().size() == piece.data()) {
          out.back() = {out.back().data(), out.back().size() + piece.size()};
          return;
        }
      }
      out.push_back(piece);
    };
    while (at < text.size()) {
      const int n = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, PCRE2_NO_UTF_CHECK, match.data, nullptr);
      if (n < 0) break;
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.data);
      if (span[1] == span[0]) {  // an empty match: step over one character
        at = span[1] + 1;
        while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
        continue;
      }
      emit(plain, span[0], false);
      emit(span[0], span[1], true);
      plain = at = span[1];
    }
    emit(plain, text.size(), false);
  }
};

PreTokenizer PreTokenizer::from_json(const Json& j, const std::string& where) {
  PreTokenizer out;
  if (j.is_null()) return out;
  const std::string type = j.value("type", "");
  auto add = [&](const std::string& pattern) {
    auto rule = std::make_shared<Rule>(pattern, where);
    out.rules_.push_back(rule);
    return rule;
  };
  if (type == "Sequence") {
    for (const auto& part : j.at("pretokenizers")) {
      PreTokenizer inner = from_json(part, where);
      out.rules_.insert(out.rules_.end(), inner.rules_.begin(), inner.rules_.end());
      out.prefix_space_ |= inner.prefix_space_;
    }
  } else if (type == "ByteLevel") {
    out.prefix_space_ = j.value("add_prefix_space", false);
    if (j.value("use_regex", true)) add(kGpt2);
  } else if (type == "Digits") {
    add(j.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
  } else if (type == "Split") {
    const Json& pattern = j.at("pattern");
    std::string regex;
    if (pattern.contains("Regex")) {
      regex = pattern["Regex"].get<std::string>();
    } else {
      for (const char c : pattern.at("String").get<std::string>()) {
        if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) regex += '\\';
        regex += c;
      }
    }
    auto rule = add(regex);
    const std::string behaviour = j.value("behavior", "Isolated");
    auto& edit = const_cast<Rule&>(*rule);
    edit.invert = j.value("invert", false);
    if (behaviour == "Isolated")
      edit.behaviour = Rule::Behaviour::kIsolated;
    else if (behaviour == "Removed")
      edit.behaviour = Rule::Behaviour::kRemoved;
    else if (behaviour == "MergedWithPrevious")
      edit.behaviour = Rule::Behaviour::kMergedWithPrevious;
    else
      throw Error(fmt::format("pre-tokenizer behaviour \"{}\" is not supported", behaviour), where, "supported: Isolated, Removed, MergedWithPrevious");
  } else {
    throw Error(fmt::format("pre-tokenizer \"{}\" is not supported", type), where, "supported: ByteLevel, Digits, Split and Sequence of these (GPT-2, SmolLM, Llama 3, Qwen)");
  }
  return out;
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  pieces.clear();
  if (text.empty()) return;
  pieces.push_back(text);
  thread_local std::vector<std::string_view> next;
  for (const auto& rule : rules_) {
    next.clear();
    for (const auto piece : pieces) rule->split(piece, next);
    pieces.swap(next);
  }
}

}  // namespace foil::text
