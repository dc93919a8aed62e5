// A small tokenizer for a small world: one token for every word of a corpus, bytes for anything else.
#pragma once
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace foil::text {

// A valid Hugging Face tokenizer (byte-level BPE with ignore_merges and no merges, GPT-2's pre-tokeniser): ids 0–255 are the bytes,
// then the words of `corpus` and `words` in order of first appearance, then <|pad|>, <|user|>, <|assistant|>, <|end|> (end of sequence).
// The chat template is "<|user|>" + content + "<|end|>" turns with "<|assistant|>" as the generation prompt.
Tokenizer word_tokenizer(const std::vector<std::string>& corpus, const std::vector<std::string>& words);

}  // namespace foil::text
