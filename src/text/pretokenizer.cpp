#include "text/pretokenizer.h"

#include <optional>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "text/scanner.h"

namespace foil::text {
using Json = nlohmann::json;

namespace {

const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* kQwen2Pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* kGpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void scan(Splitter splitter, std::string_view text, std::vector<std::string_view>& out) {
  const char *begin = text.data(), *end = begin + text.size();
  auto emit = [&](const char* a, const char* b) { out.emplace_back(a, size_t(b - a)); };
  switch (splitter) {
    case Splitter::kGpt2: return scanner::gpt2(begin, end, emit);
    case Splitter::kSmolLm: return scanner::smollm(begin, end, emit);
    case Splitter::kLlama3: return scanner::llama3<3>(begin, end, emit);
    case Splitter::kQwen2: return scanner::llama3<1>(begin, end, emit);
  }
}

// A compiled expression, and where it matches.
class Regex {
 public:
  Regex(const std::string& pattern, const std::string& where) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &offset, nullptr));
    if (!code_) {
      PCRE2_UCHAR message[200];
      pcre2_get_error_message(error, message, sizeof message);
      throw Error(fmt::format("the pre-tokenizer's expression cannot be compiled: {} at {} of {}", reinterpret_cast<char*>(message), offset, pattern), where);
    }
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
  }

  // [begin, end) of the first match at or after `at`.
  std::optional<std::pair<size_t, size_t>> find(std::string_view text, size_t at) const {
    thread_local const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
    const int n = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    if (n == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (n < 0) throw Error(fmt::format("the pre-tokenizer's expression failed on a text of {} bytes (PCRE2 error {})", text.size(), n));
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
    return std::pair{size_t(span[0]), size_t(span[1])};
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
};

}  // namespace

// One cut: a known splitter, digits, or an expression with what becomes of its matches.
struct PreTokenizer::Rule {
  enum class Kind { kScanner, kDigits, kRegex } kind = Kind::kScanner;
  Splitter splitter = Splitter::kGpt2;
  bool individual = false;  // digits one by one
  enum class Behaviour { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous } behaviour = Behaviour::kIsolated;
  bool invert = false;
  std::optional<Regex> regex;

  void split(std::string_view text, std::vector<std::string_view>& out) const {
    if (kind == Kind::kScanner) return scan(splitter, text, out);
    if (kind == Kind::kDigits) return digits(text, out);
    matches(text, out);
  }

  void digits(std::string_view text, std::vector<std::string_view>& out) const {
    const char *p = text.data(), *end = p + text.size();
    while (p < end) {
      const char* start = p;
      const bool digit = scanner::class_at(p) & kDigit;
      if (digit && individual)
        next_character(p);
      else
        p = scanner::run(p, end, kDigit, digit ? kDigit : 0);
      out.emplace_back(start, size_t(p - start));
    }
  }

  void matches(std::string_view text, std::vector<std::string_view>& out) const {
    const size_t first = out.size();
    bool open = false, last_matched = false;  // open: the next piece joins the last one (kMergedWithNext)
    auto emit = [&](size_t begin, size_t end, bool matched) {
      if (begin == end) return;
      const std::string_view piece = text.substr(begin, end - begin);
      const bool cut = matched != invert, some = out.size() > first;
      bool join = false;
      if (cut && behaviour == Behaviour::kRemoved) return;
      if (behaviour == Behaviour::kMergedWithPrevious) join = cut && some && !last_matched;
      if (behaviour == Behaviour::kMergedWithNext) join = !cut && open;
      if (behaviour == Behaviour::kContiguous) join = some && cut == last_matched;
      if (join)
        out.back() = {out.back().data(), out.back().size() + piece.size()};
      else
        out.push_back(piece);
      last_matched = open = cut;
    };
    size_t plain = 0;  // where text not yet emitted begins
    for (size_t at = 0; at < text.size();) {
      const auto found = regex->find(text, at);
      if (!found) break;
      if (found->first == found->second) {  // an empty match: step over one character
        at = found->second + 1;
        while (at < text.size() && (text[at] & 0xC0) == 0x80) ++at;
        continue;
      }
      emit(plain, found->first, false);
      emit(found->first, found->second, true);
      plain = at = found->second;
    }
    emit(plain, text.size(), false);
  }
};

const char* name_of(Splitter splitter) {
  switch (splitter) {
    case Splitter::kGpt2: return "GPT-2";
    case Splitter::kSmolLm: return "SmolLM";
    case Splitter::kLlama3: return "Llama 3";
    case Splitter::kQwen2: return "Qwen2";
  }
  return "?";
}

Json to_json(Splitter splitter) {
  const bool whole = splitter == Splitter::kGpt2 || splitter == Splitter::kSmolLm;
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", whole}, {"use_regex", whole}};
  auto sequence = [](Json first, Json second) { return Json{{"type", "Sequence"}, {"pretokenizers", Json::array({std::move(first), std::move(second)})}}; };
  auto split = [](const char* pattern) { return Json{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}}; };
  switch (splitter) {
    case Splitter::kGpt2: return byte_level;
    case Splitter::kSmolLm: return sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level);
    case Splitter::kLlama3: return sequence(split(kLlama3Pattern), byte_level);
    case Splitter::kQwen2: return sequence(split(kQwen2Pattern), byte_level);
  }
  FOIL_CHECK(false, "splitter {}", int(splitter));
}

PreTokenizer::PreTokenizer(Splitter splitter) : byte_level_(true) {
  auto rule = std::make_shared<Rule>();
  rule->splitter = splitter;
  rules_.push_back(rule);
}

PreTokenizer PreTokenizer::from_json(const Json& j, const std::string& where) {
  PreTokenizer out;
  if (j.is_null()) return out;
  const std::string type = j.value("type", "");
  auto rule = std::make_shared<Rule>();
  if (type == "Sequence") {
    for (const auto& part : j.at("pretokenizers")) {
      const PreTokenizer inner = from_json(part, where);
      if (inner.prefix_space_ && !out.rules_.empty())
        throw Error("a ByteLevel pre-tokenizer with add_prefix_space behind another one is not supported", where);
      for (const auto& r : inner.rules_) {
        const bool digits_then_gpt2 = r->kind == Rule::Kind::kScanner && r->splitter == Splitter::kGpt2 && !out.rules_.empty() &&
                                      out.rules_.back()->kind == Rule::Kind::kDigits && out.rules_.back()->individual;
        if (digits_then_gpt2) {
          rule->splitter = Splitter::kSmolLm;
          out.rules_.back() = rule;
        } else {
          out.rules_.push_back(r);
        }
      }
      out.prefix_space_ |= inner.prefix_space_;
      out.byte_level_ |= inner.byte_level_;
    }
    return out;
  }
  if (type == "ByteLevel") {
    out.prefix_space_ = j.value("add_prefix_space", false);
    out.byte_level_ = true;
    if (!j.value("use_regex", true)) return out;
  } else if (type == "Digits") {
    rule->kind = Rule::Kind::kDigits;
    rule->individual = j.value("individual_digits", false);
  } else if (type == "Split") {
    static const std::pair<const char*, Rule::Behaviour> kBehaviours[] = {{"Isolated", Rule::Behaviour::kIsolated},
                                                                         {"Removed", Rule::Behaviour::kRemoved},
                                                                         {"MergedWithPrevious", Rule::Behaviour::kMergedWithPrevious},
                                                                         {"MergedWithNext", Rule::Behaviour::kMergedWithNext},
                                                                         {"Contiguous", Rule::Behaviour::kContiguous}};
    const std::string behaviour = j.value("behavior", "Isolated");
    bool known = false;
    for (const auto& [name, value] : kBehaviours)
      if (behaviour == name) rule->behaviour = value, known = true;
    if (!known) throw Error(fmt::format("pre-tokenizer behaviour \"{}\" is not supported", behaviour), where, "the file may be of a newer version of tokenizers");
    rule->invert = j.value("invert", false);
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
    // The scanners cover the text: matches isolated, or contents inverted and removed, are the same to them.
    const bool plain = (rule->behaviour == Rule::Behaviour::kIsolated) || (rule->behaviour == Rule::Behaviour::kRemoved && rule->invert);
    if (plain && regex == kLlama3Pattern) {
      rule->splitter = Splitter::kLlama3;
    } else if (plain && regex == kQwen2Pattern) {
      rule->splitter = Splitter::kQwen2;
    } else if (plain && regex == kGpt2Pattern) {
      rule->splitter = Splitter::kGpt2;
    } else {
      rule->kind = Rule::Kind::kRegex;
      rule->regex.emplace(regex, where);
    }
  } else {
    throw Error(fmt::format("pre-tokenizer \"{}\" is not supported", type), where, "supported: ByteLevel, Digits, Split and Sequence of these (GPT-2, SmolLM, Llama 3, Qwen)");
  }
  out.rules_.push_back(rule);
  return out;
}

void PreTokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  pieces.clear();
  if (text.empty()) return;
  if (rules_.size() == 1) return rules_[0]->split(text, pieces);
  pieces.push_back(text);
  thread_local std::vector<std::string_view> next;
  for (const auto& rule : rules_) {
    next.clear();
    for (const auto piece : pieces) rule->split(piece, next);
    pieces.swap(next);
  }
}

std::string PreTokenizer::describe() const {
  if (rules_.size() == 1 && rules_[0]->kind == Rule::Kind::kScanner) return fmt::format("{} pre-tokeniser", name_of(rules_[0]->splitter));
  return rules_.empty() ? "no pre-tokeniser" : fmt::format("pre-tokeniser of {} rule{}", rules_.size(), rules_.size() > 1 ? "s" : "");
}

}  // namespace foil::text
