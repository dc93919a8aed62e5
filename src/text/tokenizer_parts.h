// What a tokenizer consists of, as the readers (tokenizer.json, vocab.json, GGUF) and the trainers hand it over. Not needed to use one.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace foil::text {

enum class EntryKind : uint8_t {
  kGap,       // no token has this id
  kAlphabet,  // in the BPE vocabulary, spelt in the byte-level alphabet
  kLiteral,   // in the BPE vocabulary, with characters outside the alphabet: stands for itself, BPE never gives it
  kAdded,     // an added token only
};

struct TokenizerParts {
  std::vector<std::string> bytes;  // id → bytes in a text
  std::vector<EntryKind> kinds;    // the same length
  ByteMap vocabulary;              // bytes → id of the kAlphabet entries
  std::vector<Merge> merges;
  bool ignore_merges = false;      // a piece in the vocabulary is that token, whatever the merges say
  int32_t unknown = -1;            // BPE's unk_token
  NormalForm form = NormalForm::kNone;
  nlohmann::json pretokenizer_json;
  PreTokenizer pretokenizer;
  std::vector<AddedToken> added;
  std::vector<int32_t> before, after;  // what add_special puts around a text

  std::map<std::string, std::string> special_tokens;  // "eos_token" → content
  std::optional<int32_t> bos, eos, pad, unk;
  std::vector<int32_t> end_tokens;     // beyond eos
  std::string chat_template;
  int64_t model_max_length = 0;
  std::map<std::string, std::string> files;  // name → bytes as read; empty for a tokenizer that was not read from files

  // A vocabulary entry as tokenizer.json spells it.
  void set_entry(int64_t id, std::string_view entry, const std::string& where);
  // Merges "left" and "right", spelt the same way; they and their sum must be in the vocabulary.
  void add_merge(std::string_view left, std::string_view right, const std::string& where);
  void add_merge(std::string_view both, const std::string& where);  // "left right"
  void add_token(AddedToken token, const std::string& where);
  std::optional<int32_t> find(std::string_view token_text) const;   // of an added token, or of an entry given as raw bytes

 private:
  void reserve(int64_t id, const std::string& where);
};

TokenizerParts parts_from_json(const std::string& tokenizer_json, const nlohmann::json& config, const std::string& where);
TokenizerParts parts_from_folder(const std::filesystem::path& path);
TokenizerParts parts_from_gguf(const GgufVocab& vocab, const std::string& where);
// bos_token … model_max_length, chat_template out of tokenizer_config.json (or special_tokens_map.json).
void read_config(TokenizerParts& parts, const nlohmann::json& config, const std::string& where);

// File name → contents, generated from the parts.
std::map<std::string, std::string> generate_files(const TokenizerParts& parts);

}  // namespace foil::text
