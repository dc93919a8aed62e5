// The vocabulary as GGUF metadata holds it (keys tokenizer.*). Tokenizer::from_gguf makes sense of it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace foil::io {
class GgufFile;
}

namespace foil::text {

enum class GgufTokenType : int32_t { kUndefined = 0, kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct GgufVocab {
  std::string model;                 // tokenizer.ggml.model: "gpt2" is byte-level BPE, the only kind read here
  std::string pre;                   // tokenizer.ggml.pre: "smollm", "qwen2", "llama-bpe", "gpt-2", …
  std::vector<std::string> tokens;   // tokenizer.ggml.tokens
  std::vector<int32_t> token_types;  // tokenizer.ggml.token_type; empty: all normal
  std::vector<std::string> merges;   // tokenizer.ggml.merges, "left right"
  int64_t bos = -1, eos = -1, eot = -1, unknown = -1, padding = -1;  // tokenizer.ggml.{bos,eos,eot,unknown,padding}_token_id; −1: absent
  bool add_bos = false, add_eos = false;  // tokenizer.ggml.add_{bos,eos}_token; absent: false
  std::string chat_template;         // tokenizer.chat_template; may be empty
};

// Throws Error when a key is missing or of the wrong type; `where` names the file.
GgufVocab read_gguf_vocab(const io::GgufFile& file, const std::string& where);

}  // namespace foil::text
