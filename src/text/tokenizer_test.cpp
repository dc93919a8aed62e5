#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "text/unicode.h"
#include "text/word_tokenizer.h"

namespace foil::text {

TEST(Unicode, RepairsAndFindsUnfinishedTails) {
  EXPECT_EQ(repair_utf8("a\xE2\x82z\xFF"), "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  EXPECT_EQ(unfinished_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(unfinished_tail("a\xE2\x82\xAC"), 0u);
  EXPECT_EQ(unfinished_tail("a\xF0\x9F"), 2u);
  EXPECT_EQ(unfinished_tail("\x80\x80"), 0u);
  EXPECT_EQ(valid_utf8_prefix("a\xE2\x82\xAC\xE2"), 4u);
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");
}

TEST(Unicode, ByteAlphabetRoundTrips) {
  for (int b = 0; b < 256; ++b) EXPECT_EQ(from_byte_alphabet(byte_alphabet()[b]), std::string(1, char(b)));
}

TEST(WordTokenizer, OneTokenAWordBytesOtherwise) {
  const Tokenizer t = word_tokenizer({"Tom has 12 apples.", "He buys 5 more."}, {" 0", " 99"});
  const auto ids = t.encode("Tom has 99 apples.");
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(t.decode(ids), "Tom has 99 apples.");
  EXPECT_EQ(t.encode("Tim").size(), 3u);
  EXPECT_EQ(t.decode(t.encode("Tim \xE2\x82\xAC")), "Tim \xE2\x82\xAC");
  const auto chat = t.encode("<|user|>Tom<|end|>");
  ASSERT_EQ(chat.size(), 3u);
  EXPECT_EQ(chat[2], *t.eos());
  EXPECT_TRUE(t.is_special(chat[0]));
  EXPECT_EQ(t.decode(chat), "Tom");
  EXPECT_EQ(t.vocab_size(), *t.eos() + 1);
}

TEST(Tokenizer, ReadsVocabularyMergesAndAddedTokens) {  // folders of before tokenizer.json
  const auto folder = std::filesystem::temp_directory_path() / "foil_vocab_files";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::string vocab = "{";
  for (int b = 0; b < 256; ++b) vocab += nlohmann::json(byte_alphabet()[b]).dump() + ": " + std::to_string(b) + ", ";
  std::ofstream(folder / "vocab.json") << vocab << R"("ab": 256, "abc": 257})";
  std::ofstream(folder / "merges.txt") << "#version: 0.2\na b\nab c\n";
  std::ofstream(folder / "added_tokens.json") << R"({"<|endoftext|>": 258, "<|a name longer than a short string holds|>": 259})";
  std::ofstream(folder / "tokenizer_config.json") << R"({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>"})";
  const Tokenizer t = Tokenizer::load(folder);
  EXPECT_EQ(t.encode("abc<|endoftext|>ab<|a name longer than a short string holds|>"), (std::vector<int32_t>{257, 258, 256, 259}));
  EXPECT_EQ(t.vocab_size(), 260);
  EXPECT_EQ(*t.eos(), 258);
  std::filesystem::remove_all(folder);
}

TEST(Tokenizer, RefusesWhatItCannotRead) {
  nlohmann::json j = {{"model", {{"type", "Unigram"}}}};
  try {
    Tokenizer::from_json(j, {}, "x");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "tokenizer model Unigram is not supported");
  }
}

}  // namespace foil::text
