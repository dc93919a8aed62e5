#include "pipeline/preference_data.h"

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace foil::pipeline {
namespace {

text::Tokenizer tokenizer_of(const std::string& family) {
  const auto json = nlohmann::json::parse(read_file("tests/golden/text/tokenizer_" + family + ".json"));
  std::string end;
  for (const auto& added : json.at("added_tokens"))
    if (const std::string content = added.at("content"); end.empty() && content.starts_with("<|end")) end = content;
  return text::Tokenizer::from_json(json, {{"eos_token", end}}, family);
}

Pair pair_of(const std::string& chosen, const std::string& rejected) {
  Pair p;
  p.prompt = "Q:", p.chosen = chosen, p.rejected = rejected, p.problem_id = "p";
  return p;
}

train::Tokens joined(train::Tokens a, const train::Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Prompt and step are the beginning of what the policy writes: no token there is another than in the whole answer.
void expect_beginning(const text::Tokenizer& t, const train::PreferenceExample& x, const train::Tokens& step, const std::string& answer, bool last) {
  auto whole = joined(t.encode("Q:"), t.encode(answer));
  whole.push_back(*t.eos());
  const auto seen = joined(x.prompt, step);
  ASSERT_LE(seen.size(), whole.size());
  EXPECT_TRUE(std::equal(seen.begin(), seen.end(), whole.begin())) << answer;
  EXPECT_EQ(seen.size() == whole.size(), last) << answer;
}

TEST(PreferenceData, AStepHasTheTokensThatThePolicyWrites) {
  for (const char* family : {"gpt2", "llama3", "qwen2", "smollm"}) {
    SCOPED_TRACE(family);
    const auto t = tokenizer_of(family);
    for (const std::string between : {" ", "\n", "\n\n", " \n"}) {
      const Pair middle = pair_of("She has 3." + between + "He has 4." + between + "So 7.", "She has 3." + between + "He has 5." + between + "So 8.");
      const auto x = preference_examples(t, {middle}, {.split_steps = true}).at(0);
      EXPECT_TRUE(x.step);
      expect_beginning(t, x, x.chosen, middle.chosen, false);
      expect_beginning(t, x, x.rejected.at(0), middle.rejected, false);
      // The step and nothing of the next one: all of its visible characters.
      const std::string step = t.decode(x.chosen);
      EXPECT_EQ(step.substr(step.find('H')).substr(0, 9), "He has 4.");
      EXPECT_EQ(step.find("So"), std::string::npos);
    }
    const auto spaced = preference_examples(t, {pair_of("She has 3. He has 4. So 7.", "She has 3. He has 5. So 8.")}, {.split_steps = true}).at(0);
    EXPECT_EQ(t.decode(spaced.chosen), " He has 4.");
    EXPECT_EQ(t.decode(spaced.rejected.at(0)), " He has 5.");
    // The last step of an answer ends with the end token.
    const Pair last = pair_of("She has 3. So 7.", "She has 3. So 8. Or 9.");
    const auto y = preference_examples(t, {last}, {.split_steps = true}).at(0);
    expect_beginning(t, y, y.chosen, last.chosen, true);
    expect_beginning(t, y, y.rejected.at(0), last.rejected, false);
  }
}

TEST(PreferenceData, AGivenPrefixIsCutTheSameWay) {
  const auto t = tokenizer_of("gpt2");
  Pair p = pair_of("He has 4.", "He has 5.");
  p.extra["prefix"] = "She has 3. ";
  const auto x = preference_examples(t, {p}, {}).at(0);
  EXPECT_TRUE(x.step);
  expect_beginning(t, x, x.chosen, "She has 3. He has 4.", false);
  EXPECT_EQ(t.decode(x.rejected.at(0)), " He has 5.");
  p.extra["chosen_ends"] = true;
  EXPECT_EQ(preference_examples(t, {p}, {}).at(0).chosen.back(), *t.eos());
}

TEST(PreferenceData, TheNumberOfNegativesNeedsKnownReliability) {
  const auto t = tokenizer_of("gpt2");
  Pair p = pair_of("It is 4.", "It is 5.");
  train::PreferenceTrainOptions options;
  options.negatives = train::NegativeCount::kOptimal;
  try {
    require_reliability({preference_examples(t, {p}, {}), {}}, options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "nothing says how far the labels of the pairs can be trusted");
  }
  p.scores["label"] = 0.9;
  const auto labelled = preference_examples(t, {p}, {});
  EXPECT_EQ(labelled.at(0).label, 0.9);
  EXPECT_NO_THROW(require_reliability({labelled, {}}, options));
  p.scores.clear();
  options.negative_reliability = 0.9;
  EXPECT_NO_THROW(require_reliability({preference_examples(t, {p}, {}), {}}, options));
}

TEST(PreferenceData, AnswersThatPartInNoStep) {
  EXPECT_FALSE(first_parting_step(pair_of("One. Two.", "One. Two.")).has_value());
  EXPECT_FALSE(first_parting_step(pair_of("One.", "One. Two.")).has_value());  // the one goes on where the other ends
  const auto parting = first_parting_step(pair_of("One. Two. Three.", "One. Four."));
  ASSERT_TRUE(parting.has_value());
  EXPECT_EQ(parting->chosen.begin, 5);
  EXPECT_EQ(parting->chosen.end, 10);
  EXPECT_EQ(parting->rejected.end, 10);
  const auto t = tokenizer_of("gpt2");
  EXPECT_THROW(preference_examples(t, {pair_of("One.", "One.")}, {.split_steps = true}), Error);
}

}  // namespace
}  // namespace foil::pipeline
