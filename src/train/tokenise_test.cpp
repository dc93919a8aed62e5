#include "train/tokenise.h"

#include <gtest/gtest.h>

#include "text/word_tokenizer.h"
#include "train/preference.h"

namespace foil::train {
namespace {

const text::Tokenizer& words() {
  static const text::Tokenizer t = text::word_tokenizer({"Tom has 3 apples and 4 pears so 7"}, {});
  return t;
}

TEST(Tokenise, PromptAndCompletionApartAndEnded) {
  const Encoder encoder{&words(), *words().eos()};
  const std::vector<TextExample> texts{{"x", "Tom has 3", " apples and 4 pears", 2}};
  const auto out = tokenise(encoder, texts);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].prompt, words().encode("Tom has 3"));
  EXPECT_EQ(words().decode(out[0].completion), " apples and 4 pears");
  EXPECT_EQ(out[0].completion.back(), *words().eos());
  EXPECT_EQ(out[0].weight, 2);
}

TEST(Tokenise, PairsKeepAllNegativesMarginAndWeight) {
  const Encoder encoder{&words(), *words().eos()};
  Pair pair;
  pair.chosen = " so 7", pair.rejected = " so 3", pair.more_rejected = {" so 4"}, pair.margin = 0.5;
  const std::vector<TextPair> texts{{&pair, "Tom has 3 apples", "p"}};
  const auto out = tokenise(encoder, texts);
  ASSERT_EQ(out[0].rejected.size(), 2u);
  EXPECT_EQ(words().decode(out[0].rejected[1]), " so 4");
  EXPECT_EQ(out[0].margin, 0.5);
  EXPECT_EQ(out[0].weight, 1);
  const auto single = unpaired(out);
  ASSERT_EQ(single.size(), 3u);
  EXPECT_TRUE(single[0].desirable);
  EXPECT_FALSE(single[2].desirable);
  EXPECT_EQ(words().decode(single[0].completion), " so 7");
  EXPECT_EQ(single[0].prompt, out[0].prompt);
}

TEST(Tokenise, SampledTokensAreKeptAsTheyWere) {
  const Encoder encoder{&words(), *words().eos()};
  Sample s;
  s.text = " so 7";
  EXPECT_EQ(completion_tokens(encoder, s), encode_completion(encoder, " so 7"));
  s.finish_reason = Finish::kLength;
  EXPECT_EQ(completion_tokens(encoder, s), words().encode(" so 7"));
  s.token_ids = {32, 65};
  EXPECT_EQ(completion_tokens(encoder, s), (Tokens{32, 65}));
}

}  // namespace
}  // namespace foil::train
