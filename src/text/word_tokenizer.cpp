#include "text/word_tokenizer.h"

#include <unordered_set>

#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace foil::text {
using Json = nlohmann::json;

Tokenizer word_tokenizer(const std::vector<std::string>& corpus, const std::vector<std::string>& words) {
  const Json pre = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const PreTokenizer pretokenizer = PreTokenizer::from_json(pre, "word_tokenizer");
  Json vocab = Json::object();
  int32_t next = 0;
  for (int b = 0; b < 256; ++b) vocab[byte_alphabet()[b]] = next++;
  auto add = [&](std::string_view word) {
    std::string spelt;
    for (const unsigned char c : word) spelt += byte_alphabet()[c];
    if (!vocab.contains(spelt)) vocab[spelt] = next++;
  };
  std::unordered_set<std::string> seen;
  std::vector<std::string_view> pieces;
  for (const auto& text : corpus) {
    pretokenizer.split(text, pieces);
    for (const auto piece : pieces)
      if (seen.insert(std::string(piece)).second) add(piece);
  }
  for (const auto& word : words) add(word);
  Json added = Json::array();
  for (const char* content : {"<|pad|>", "<|user|>", "<|assistant|>", "<|end|>"})
    added.push_back({{"id", next++}, {"content", content}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}});
  const Json model = {{"type", "BPE"},  {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr}, {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", true}, {"vocab", vocab}, {"merges", Json::array()}};
  const Json tokenizer = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added}, {"normalizer", nullptr},
                          {"pre_tokenizer", pre}, {"post_processor", nullptr},
                          {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}}, {"model", model}};
  const Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}, {"pad_token", "<|pad|>"}, {"eos_token", "<|end|>"},
                       {"chat_template",
                        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
                        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"}};
  return Tokenizer::from_json(tokenizer, config, "word_tokenizer");
}

}  // namespace foil::text
