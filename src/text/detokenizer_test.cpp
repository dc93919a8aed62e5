#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "text/bpe_trainer.h"
#include "text/unicode.h"

namespace foil::text {

static Tokenizer bytes_only() {
  BpeTrainOptions options;
  options.vocab_size = 0;
  return train_bpe({}, options);
}

TEST(Detokenizer, HoldsBackAnUnfinishedCharacter) {
  const Tokenizer t = bytes_only();
  Detokenizer d(t);
  const auto ids = t.encode("a€b");
  ASSERT_EQ(ids.size(), 5u);
  EXPECT_EQ(d.add(ids[0]), "a");
  EXPECT_EQ(d.add(ids[1]), "");
  EXPECT_TRUE(d.holds_back());
  EXPECT_EQ(d.add(ids[2]), "");
  EXPECT_EQ(d.add(ids[3]), "€");
  EXPECT_EQ(d.add(0), "");  // special: skipped
  EXPECT_EQ(d.add(ids[1]), "");
  EXPECT_EQ(d.add(ids[4]), "\uFFFDb");  // the character will not be finished any more
  EXPECT_EQ(d.add(ids[1]), "");
  EXPECT_EQ(d.finish(), "\uFFFD");
  EXPECT_EQ(d.text(), "a€\uFFFDb\uFFFD");
}

TEST(Detokenizer, AnyByteSequenceEndsAsDecodeGivesItAndOnlyEverGrows) {
  const Tokenizer t = bytes_only();
  Stream stream(7, "detokenizer");
  const std::string_view pool = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x80\xFF\xED\xA0\xF4\x90";
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> ids;
    for (int64_t n = stream.between(1, 12); n > 0; --n) ids.push_back(*t.id(std::string_view(&pool[stream.below(pool.size())], 1)));
    Detokenizer d(t);
    std::string joined;
    for (const int32_t id : ids) {
      joined += d.add(id);
      ASSERT_EQ(valid_utf8_prefix(d.text()), d.text().size());
    }
    joined += d.finish();
    ASSERT_EQ(joined, t.decode(ids));
    ASSERT_EQ(joined, d.text());
  }
}

}  // namespace foil::text
