// Text ⇄ token ids, exactly as the Hugging Face `tokenizers` package does it, for byte-level BPE vocabularies
// (GPT-2, SmolLM, Llama 3, Qwen2/2.5/3 and what shares their parts).
//
// Read from a model folder (tokenizer.json, or vocab.json with merges.txt, and the small files around them) or from GGUF metadata; written
// back as a folder that `transformers` loads. Supported: BPE over the byte-level alphabet, the pre-tokenisers of those families (scanned by
// hand) and any other Split regex (PCRE2), NFC, added and special tokens. Refused with an Error that names the part: Unigram, WordPiece,
// byte_fallback.
// A Tokenizer is a cheap handle on immutable data: copy it freely, use it from any number of threads.
// Text is UTF-8; invalid bytes are read as U+FFFD.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/gguf_vocab.h"

namespace foil::text {

struct TokenizerParts;  // text/tokenizer_parts.h: what the readers and makers of tokenizers fill in

class Tokenizer {
 public:
  // A model folder, the path of a tokenizer.json (the folder around it then gives the other facts), or a .gguf file.
  static Tokenizer load(const std::filesystem::path& path);
  // From the JSON of tokenizer.json and tokenizer_config.json; `config` may be null. `where` names them in errors.
  static Tokenizer from_json(const nlohmann::json& tokenizer, const nlohmann::json& config, const std::string& where);
  static Tokenizer from_gguf(const GgufVocab& vocab, const std::string& where = "GGUF");
  static Tokenizer from_parts(TokenizerParts parts, const std::string& where);

  // ---- text → ids. Special and added tokens spelt out in the text become their ids.
  // add_special: with what the model's post-processor puts around a text (Llama 3: <|begin_of_text|>). Leave it off for prompts
  // rendered by a chat template, which spells those tokens out itself.
  std::vector<int32_t> encode(std::string_view text, bool add_special = false) const;
  void encode(std::string_view text, bool add_special, std::vector<int32_t>& out) const;  // appends
  // The same with special tokens read as ordinary text: for foreign text that must not forge a turn.
  std::vector<int32_t> encode_as_text(std::string_view text) const;

  // ---- ids → text. Invalid UTF-8 becomes U+FFFD; ids outside the vocabulary give nothing.
  // For text as it is being generated use text/detokenizer.h.
  std::string decode(std::span<const int32_t> ids, bool skip_special = true) const;
  // Raw bytes of one token (may be part of a character); "" for ids out of range.
  const std::string& bytes(int32_t id) const;

  // ---- the vocabulary
  int32_t vocab_size() const;                                    // 1 + largest id; a model may have more rows (padding)
  std::optional<int32_t> id(std::string_view token_text) const;  // of an added token, or of a vocabulary entry given as raw bytes
  std::string token(int32_t id) const;                           // as tokenizer.json spells it ("Ġthe"); "" for ids out of range
  bool is_special(int32_t id) const;                             // control tokens: what decode skips
  const std::vector<AddedToken>& added() const;

  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  std::optional<int32_t> pad() const;
  std::optional<int32_t> unk() const;
  // Tokens that end a completion: eos and what generation_config.json or the GGUF file adds (<|endoftext|>, <|eot_id|>). Ascending.
  const std::vector<int32_t>& end_tokens() const;
  // bos_token, eos_token, pad_token, unk_token → its text, where the model has one: what chat templates may name.
  const std::map<std::string, std::string>& special_tokens() const;
  const std::string& chat_template() const;                      // Jinja source; "" when there is none
  int64_t model_max_length() const;                              // tokens, from tokenizer_config.json; 0: unknown

  // Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json, and chat_template.jinja, generation_config.json where the source
  // has them. Read from a folder: the same bytes. From GGUF or made here: generated, and `tokenizers` gives identical ids.
  void save(const std::filesystem::path& folder) const;
  // Stable hash of vocabulary and rules, for caches and mismatch checks: equal for tokenizers that give every text the same ids.
  uint64_t fingerprint() const;
  std::string describe() const;                                  // "byte-level BPE, 49152 tokens, 48900 merges, SmolLM pre-tokeniser"

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace foil::text
