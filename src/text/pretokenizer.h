// Cuts a text into the pieces BPE works on: the pre_tokenizer of tokenizer.json.
//
// The splitters of GPT-2, SmolLM, Llama 3 and Qwen are scanned by hand; any other Split pattern runs through PCRE2 (JIT), which may differ
// from the reference's Oniguruma on characters newer than Unicode 14.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace foil::text {

// The published splitters. In words:
//   kGpt2    contractions, " letters", " digits", " other", spaces
//   kSmolLm  every digit alone, the rest as GPT-2
//   kLlama3  contractions in either case, "?letters", up to three digits, " other" with its line ends, lines of spaces, spaces
//   kQwen2   Llama 3 with every digit alone (Qwen2, 2.5, 3)
enum class Splitter { kGpt2, kSmolLm, kLlama3, kQwen2 };

const char* name_of(Splitter splitter);
// The pre_tokenizer object of tokenizer.json.
nlohmann::json to_json(Splitter splitter);

class PreTokenizer {
 public:
  PreTokenizer() = default;  // the whole text is one piece
  explicit PreTokenizer(Splitter splitter);
  // `j`: the pre_tokenizer object. Throws Error for a kind that is not supported, naming it.
  static PreTokenizer from_json(const nlohmann::json& j, const std::string& where);
  // Pieces of valid UTF-8 text, in order; replaces the contents of `pieces`. add_prefix_space is the caller's (see prefix_space()).
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;
  bool prefix_space() const { return prefix_space_; }
  bool byte_level() const { return byte_level_; }  // one of its parts maps bytes to the byte-level alphabet
  std::string describe() const;                    // "SmolLM pre-tokeniser"

 private:
  struct Rule;
  std::vector<std::shared_ptr<const Rule>> rules_;
  bool prefix_space_ = false, byte_level_ = false;
};

}  // namespace foil::text
