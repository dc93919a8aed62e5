#include "text/bpe_trainer.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace foil::text {

TEST(TrainBpe, MergesTheMostFrequentPairFirstAndTiesGoToSmallerIds) {
  const std::vector<std::string> corpus = {"abab abab", "ab"};
  BpeTrainOptions options;
  options.vocab_size = 1 + 256 + 3;
  const Tokenizer t = train_bpe(corpus, options);
  EXPECT_EQ(t.vocab_size(), 259);
  EXPECT_EQ(t.token(0), "<|endoftext|>");
  EXPECT_EQ(t.token(1), "!");
  EXPECT_EQ(t.bytes(257), "ab");    // 5 times
  EXPECT_EQ(t.bytes(258), "abab");  // 2 times; " " + "abab" once
  EXPECT_EQ(t.eos(), 0);
  EXPECT_EQ(t.encode("abab<|endoftext|>"), (std::vector<int32_t>{258, 0}));
}

TEST(TrainBpe, WordsAreOneTokenWhateverTheCorpusSays) {
  const std::vector<std::string> corpus = {"Tom has 12 apples and 12 pears. He had 21 apples.", " 1 2 12 12 12 11 11"};
  BpeTrainOptions options;
  options.vocab_size = 270;
  for (int n = 0; n < 100; ++n) options.words.push_back(fmt::format(" {}", n));
  options.words.push_back(" apples");
  options.words.push_back("\n");
  const Tokenizer t = train_bpe(corpus, options);
  for (const auto& word : options.words) {
    const auto ids = t.encode(word);
    ASSERT_EQ(ids.size(), 1u) << word;
    EXPECT_EQ(t.bytes(ids[0]), word);
  }
  EXPECT_EQ(t.decode(t.encode("Zoë has 103 apples\n\n")), "Zoë has 103 apples\n\n");
  options.words = {"two words"};
  try {
    train_bpe(corpus, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "\"two words\" cannot be one token: the GPT-2 pre-tokeniser cuts it");
  }
}

TEST(TrainBpe, SavesAFolderThatLoadsToTheSameTokenizer) {
  const std::vector<std::string> corpus = {"the cat sat on the mat, the cat sat", "ein Käse é €", "12 34 12 34"};
  for (const Splitter splitter : {Splitter::kGpt2, Splitter::kSmolLm, Splitter::kLlama3, Splitter::kQwen2}) {
    BpeTrainOptions options;
    options.splitter = splitter;
    options.vocab_size = 300;
    options.special_tokens = {"<|pad|>", "<|end|>"};
    options.eos_token = "<|end|>";
    options.pad_token = "<|pad|>";
    options.chat_template = "{{ messages[0]['content'] }}";
    const Tokenizer t = train_bpe(corpus, options);
    const auto folder = std::filesystem::path(::testing::TempDir()) / fmt::format("foil_trained_{}", int(splitter));
    t.save(folder);
    const Tokenizer u = Tokenizer::load(folder);
    EXPECT_EQ(u.fingerprint(), t.fingerprint());
    EXPECT_EQ(u.describe(), t.describe());
    EXPECT_EQ(u.eos(), t.eos());
    EXPECT_EQ(u.pad(), 0);
    EXPECT_EQ(u.chat_template(), t.chat_template());
    EXPECT_EQ(u.end_tokens(), (std::vector<int32_t>{1}));
    for (const auto& text : corpus) EXPECT_EQ(u.encode(text + "<|end|>"), t.encode(text + "<|end|>"));
    std::filesystem::remove_all(folder);
  }
}

TEST(TrainBpe, SpecialTokensMustBeListed) {
  BpeTrainOptions options;
  options.eos_token = "<|stop|>";
  try {
    train_bpe({}, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "eos_token \"<|stop|>\" is not among the special tokens");
  }
}

}  // namespace foil::text
