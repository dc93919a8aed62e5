// Byte-pair encoding trained on a corpus: small byte-level tokenizers that save as a folder `tokenizers` and `transformers` load with
// identical results. For a vocabulary of whole words without merges see text/word_tokenizer.h.
//
// Every byte is a token, so every text encodes. Deterministic: the same corpus and options give the same vocabulary on every machine, and
// the same as BpeTrainer of `tokenizers` with the byte-level alphabet as its initial one.
// Ids: special tokens first, then the 256 bytes in the order of their printed characters, then what was merged.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "text/pretokenizer.h"
#include "text/tokenizer.h"

namespace foil::text {

struct BpeTrainOptions {
  Splitter splitter = Splitter::kGpt2;
  int64_t vocab_size = 4096;       // in all; fewer when the corpus gives no more
  int64_t min_frequency = 2;       // a pair seen less often is not merged
  std::vector<std::string> words;  // pieces that must be one token each (" 47", " apples"), beyond vocab_size if need be
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  std::string eos_token = "<|endoftext|>", bos_token, pad_token;  // among special_tokens, or "" for none
  std::string chat_template;       // Jinja; "" for none
};

// Merges the most frequent pair until vocab_size is reached (Sennrich et al. 2016); ties go to the smaller ids. Special tokens spelt out in
// the corpus are not told apart from text. Throws Error for a word that the splitter cuts in two: it could never be met.
Tokenizer train_bpe(std::span<const std::string> corpus, const BpeTrainOptions& options);

}  // namespace foil::text
