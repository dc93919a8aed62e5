// Byte-level BPE tokenizers of the Hugging Face kind: tokenizer.json in and out, token-exact with the `tokenizers` package.
//
// Supported: BPE with the byte-level alphabet, the pre-tokenisers of GPT-2, SmolLM, Llama 3, Qwen2/3 (scanned by hand) and any other
// Split regex (PCRE2), NFC, added and special tokens. Not supported, and refused with a clear error: Unigram, WordPiece, byte fallback.
// Immutable after loading; any thread may encode and decode.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace foil::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = true;
  bool lstrip = false, rstrip = false, normalized = false, single_word = false;
};

class Tokenizer {
 public:
  // A folder with tokenizer.json (and tokenizer_config.json, generation_config.json where present).
  static Tokenizer load(const std::filesystem::path& folder);
  // From the JSON texts. `config` may be null.
  static Tokenizer from_json(const nlohmann::json& tokenizer, const nlohmann::json& config, const std::string& where);

  // Special tokens spelt out in the text are recognised; nothing is added around it unless add_special.
  std::vector<int32_t> encode(std::string_view text, bool add_special = false) const;
  std::string decode(const std::vector<int32_t>& ids, bool skip_special = true) const;
  // Raw bytes of one token (may be part of a character); "" for ids out of range.
  const std::string& bytes(int32_t id) const;

  int32_t vocab_size() const;                       // 1 + largest id
  std::optional<int32_t> id(std::string_view token_text) const;  // of an added token, or of a vocabulary entry given as raw bytes
  bool is_special(int32_t id) const;
  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::optional<int32_t> pad() const;
  const std::string& chat_template() const;         // Jinja source; "" when there is none
  const std::vector<AddedToken>& added() const;

  // Writes tokenizer.json and tokenizer_config.json (as loaded, or as built).
  void save(const std::filesystem::path& folder) const;
  // Stable hash of the vocabulary and rules, for caches and mismatch checks.
  uint64_t fingerprint() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace foil::text
