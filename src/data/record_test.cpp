#include "data/record.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace foil {

template <class T>
static void expect_round_trip(const char* text) {
  const Json j = Json::parse(text);
  EXPECT_EQ(Json(j.get<T>()), j) << text;
}

TEST(Record, RoundTripsAndKeepsUnknownFields) {
  expect_round_trip<Problem>(R"({"id":"a","problem":"p","answer":"1","solution":"s","subject":"x","level":"3","url":"u"})");
  expect_round_trip<Sample>(R"({"problem_id":"a","sample_id":2,"source":"policy","text":"t","token_ids":[1,2],"logprobs":[-0.5,-1.0],
    "finish_reason":"length","answer":"4","correct":false,"scores":{"judge":0.5},"reward":-1.0,"steps":[{"begin":0,"end":3,"correct":true}],"who":"me"})");
  expect_round_trip<Pair>(R"({"prompt":"p","chosen":"c","rejected":"r","rejected_more":["q"],"problem_id":"a","margin":0.5,
    "provenance":{"chosen":"policy#1"},"scores":{"x":1.0}})");
  expect_round_trip<Pair>(R"({"prompt":[{"role":"user","content":"p"}],"chosen":[{"role":"assistant","content":"c"}],
    "rejected":[{"role":"assistant","content":"r"}]})");
  expect_round_trip<Metric>(R"({"time":1.5,"stage":"rl","step":3,"name":"loss","value":0.25})");
}

TEST(Record, NumbersServeAsText) {
  const auto p = Json::parse(R"({"id":7,"problem":"p","answer":27,"level":5})").get<Problem>();
  EXPECT_EQ(p.id, "7");
  EXPECT_EQ(p.answer, "27");
  EXPECT_EQ(*p.level, "5");
}

static std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message() + "|" + e.hint();
  }
  return "";
}

TEST(Record, ErrorsNameTheField) {
  EXPECT_EQ(error_of([] { Json::parse(R"({"id":"a","problm":"p","answer":"1"})").get<Problem>(); }),
            "field \"problem\" is missing|did you mean to name \"problm\" \"problem\"?");
  EXPECT_EQ(error_of([] { Json::parse(R"({"problem_id":"a","text":"t","correct":"yes"})").get<Sample>(); }),
            "field \"correct\": expected true or false, found \"yes\"|");
  EXPECT_EQ(error_of([] { Json::parse(R"({"prompt":"p","chosen":[{"role":"user","content":"c"}],"rejected":"r"})").get<Pair>(); }),
            "field \"chosen\": expected an assistant message, found [{\"content\":\"c\",\"role\":\"user\"}]|");
}

}  // namespace foil
