#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "base/progress.h"
#include "endpoint/generator.h"
#include "endpoint/json_chat.h"
#include "endpoint/scorer.h"
#include "io/loopback.h"

namespace foil::endpoint {

using io::LoopbackConnection;
using io::LoopbackRequest;
using io::LoopbackServer;
using testing::ElementsAre;
using testing::HasSubstr;

static const char* kModels = R"({"data":[{"id":"tiny"}]})";

static EndpointGeneratorOptions options_for(const LoopbackServer& server) {
  EndpointGeneratorOptions o;
  o.endpoint.url = server.origin() + "/v1";
  o.endpoint.api_key_env = "FOIL_TEST_KEY";
  o.endpoint.retries = 2;
  o.endpoint.backoff_s = 0.01, o.endpoint.backoff_max_s = 0.05;
  o.endpoint.timeout_s = 2, o.endpoint.connect_timeout_s = 1;
  return o;
}

// Answers the list of models; everything else goes to `rest`, with the number of such requests before it.
static LoopbackServer::Handler with_models(std::function<void(const LoopbackRequest&, LoopbackConnection&, int)> rest) {
  auto count = std::make_shared<std::atomic<int>>(0);
  return [rest, count](const LoopbackRequest& r, LoopbackConnection& c) {
    if (r.path == "/v1/models") return c.reply(200, kModels);
    rest(r, c, (*count)++);
  };
}

static Json chat(const std::string& text, const std::string& finish = "stop") {
  return {{"choices", {{{"index", 0}, {"message", {{"role", "assistant"}, {"content", text}}}, {"finish_reason", finish}}}}};
}

static GenerateRequest request_for(int prompts, int samples) {
  GenerateRequest r;
  for (int i = 0; i < prompts; ++i) r.prompts.push_back({"p" + std::to_string(i), "text " + std::to_string(i), {{"user", "question " + std::to_string(i)}}});
  r.samples_per_prompt = samples;
  r.seed = 7;
  r.source = "endpoint:tiny";
  return r;
}

static std::optional<EndpointError> error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const EndpointError& e) {
    return e;
  }
  return std::nullopt;
}

TEST(EndpointGenerator, AsksAsTheApiSaysAndKeepsTheOrder) {
  std::mutex mutex;
  std::map<std::string, Json> bodies;
  LoopbackServer server(with_models([&](const LoopbackRequest& r, LoopbackConnection& c, int) {
    const Json body = Json::parse(r.body);
    const std::string question = body["messages"][0]["content"];
    {
      std::lock_guard lock(mutex);
      bodies[question + " " + std::to_string(body["seed"].get<int64_t>())] = body;
    }
    EXPECT_EQ(r.path, "/v1/chat/completions");
    EXPECT_THAT(r.head, HasSubstr("Authorization: Bearer secret"));
    c.sleep_ms(5);
    c.reply(200, chat(question + "|" + std::to_string(body["seed"].get<int64_t>())).dump());
  }));
  setenv("FOIL_TEST_KEY", "secret\n", 1);
  auto options = options_for(server);
  options.endpoint.parallel = 4;
  options.endpoint.extra = {{"chat_template_kwargs", {{"enable_thinking", false}}}};
  EndpointGenerator generator(options);
  GenerateRequest request = request_for(5, 3);
  request.sampling.top_k = 20, request.sampling.stop = {"\n\n"}, request.sampling.max_tokens = 99;
  std::set<std::pair<std::string, int64_t>> seen;
  const auto samples = generator.generate(request, [&](const Sample& s) { seen.insert({s.problem_id, s.sample_id}); });
  ASSERT_EQ(samples.size(), 15u);
  EXPECT_EQ(seen.size(), 15u);
  std::set<std::string> texts;
  for (size_t i = 0; i < 15; ++i) {
    EXPECT_EQ(samples[i].problem_id, "p" + std::to_string(i / 3));
    EXPECT_EQ(samples[i].sample_id, int64_t(i % 3));
    EXPECT_EQ(samples[i].source, "endpoint:tiny");
    EXPECT_THAT(samples[i].text, HasSubstr("question " + std::to_string(i / 3) + "|"));
    texts.insert(samples[i].text);
  }
  EXPECT_EQ(texts.size(), 15u);  // every sample has a seed of its own
  const Json& body = bodies.begin()->second;
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_EQ(body["top_k"], 20);
  EXPECT_EQ(body["max_tokens"], 99);
  EXPECT_EQ(body["stop"], Json::array({"\n\n"}));
  EXPECT_EQ(body["chat_template_kwargs"]["enable_thinking"], false);
  EXPECT_FALSE(body.contains("min_p"));
  EXPECT_GT(server.most_busy, 1);
  EXPECT_LE(server.connections, 4);

  options.endpoint.parallel = 1;
  const auto again = EndpointGenerator(options).generate(request);
  unsetenv("FOIL_TEST_KEY");
  for (size_t i = 0; i < 15; ++i) EXPECT_EQ(again[i].text, samples[i].text);  // whatever the number of requests at a time
}

TEST(EndpointGenerator, CompletionsWithTokensAndLogprobs) {
  LoopbackServer server(with_models([](const LoopbackRequest& r, LoopbackConnection& c, int) {
    EXPECT_EQ(r.path, "/v1/completions");
    const Json body = Json::parse(r.body);
    EXPECT_EQ(body["prompt"], "text 0");
    EXPECT_EQ(body["return_token_ids"], true);
    Json choices = Json::array();
    for (int i = 0; i < 2; ++i)  // fewer than asked for at first
      choices.push_back({{"text", "ab"}, {"finish_reason", "length"}, {"token_ids", {5, 6}}, {"logprobs", {{"tokens", {"a", "b"}}, {"token_logprobs", {-0.5, -1.5}}}}});
    c.reply(200, Json{{"choices", choices}}.dump());
  }));
  auto options = options_for(server);
  options.api = Api::kCompletions, options.samples_per_request = 3, options.token_ids = true;
  GenerateRequest request = request_for(1, 3);
  request.first_sample_id = 10;
  auto samples = EndpointGenerator(options).generate(request);
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[2].sample_id, 12);
  EXPECT_EQ(samples[0].finish_reason, Finish::kLength);
  EXPECT_THAT(samples[0].token_ids, ElementsAre(5, 6));
  EXPECT_THAT(samples[0].logprobs, ElementsAre(-0.5f, -1.5f));
  EXPECT_EQ(server.requests, 3);  // models, two of three, the third
  request.sampling.temperature = 0.7;  // the server's log-probabilities are not of the distribution sampled from
  samples = EndpointGenerator(options).generate(request);
  EXPECT_TRUE(samples[0].logprobs.empty());
  EXPECT_EQ(samples[0].extra["mean_logprob"], -1.0);
}

TEST(EndpointGenerator, FinishReasonsReasoningAndStops) {
  const std::vector<Json> answers = {chat("a", "stop"), chat("a", "length"), chat("a", "content_filter"), chat("one STOP two", "length"),
                                     {{"choices", {{{"message", {{"content", nullptr}, {"reasoning_content", "hm"}}}, {"finish_reason", "length"}}}}}};
  LoopbackServer server(with_models([&](const LoopbackRequest& r, LoopbackConnection& c, int) {
    const std::string question = Json::parse(r.body)["messages"][0]["content"];
    c.reply(200, answers[size_t(question.back() - '0')].dump());
  }));
  GenerateRequest request = request_for(5, 1);
  request.sampling.stop = {"STOP"};
  const auto samples = EndpointGenerator(options_for(server)).generate(request);
  EXPECT_EQ(samples[0].finish_reason, Finish::kStop);
  EXPECT_EQ(samples[1].finish_reason, Finish::kLength);
  EXPECT_EQ(samples[2].finish_reason, Finish::kError);
  EXPECT_EQ(samples[2].extra["finish_reason_of_server"], "content_filter");
  EXPECT_EQ(samples[3].text, "one ");
  EXPECT_EQ(samples[3].finish_reason, Finish::kStop);
  EXPECT_EQ(samples[4].text, "");
  EXPECT_EQ(samples[4].extra["reasoning"], "hm");
}

TEST(EndpointGenerator, RetriesWhatMayPass) {
  LoopbackServer server(with_models([](const LoopbackRequest&, LoopbackConnection& c, int n) {
    if (n == 0) return c.reply(500, R"({"error":{"message":"worker died"}})");
    if (n == 1) return c.close();
    c.reply(200, chat("fine").dump());
  }));
  EndpointGenerator generator(options_for(server));
  EXPECT_EQ(generator.generate(request_for(1, 1))[0].text, "fine");
  EXPECT_EQ(generator.client().retries_made(), 2u);
}

TEST(EndpointGenerator, WaitsAsLongAsTheServerAsks) {
  LoopbackServer server(with_models([](const LoopbackRequest&, LoopbackConnection& c, int n) {
    if (n == 0) return c.reply(429, "slow down", "Retry-After: 0.4\r\n");
    c.reply(200, chat("fine").dump());
  }));
  const double start = monotonic_seconds();
  EXPECT_EQ(EndpointGenerator(options_for(server)).generate(request_for(1, 1))[0].text, "fine");
  EXPECT_GE(monotonic_seconds() - start, 0.4);
  EXPECT_EQ(retry_after_s("12", 0), 12.0);
  EXPECT_EQ(retry_after_s("Thu, 01 Jan 1970 00:01:40 GMT", 40), 60.0);
  EXPECT_EQ(retry_after_s("soon", 0), std::nullopt);
  EXPECT_EQ(retry_after_s("-5", 0), std::nullopt);
}

TEST(EndpointGenerator, EveryFailureHasItsNameAndHint) {
  struct Case {
    int status;
    std::string body;
    Failure failure;
    std::string message, hint;
    int tries;
  };
  const std::vector<Case> cases = {
      {401, R"({"error":{"message":"no key"}})", Failure::kUnauthorized, "HTTP 401: no key", "FOIL_TEST_KEY", 1},
      {404, R"({"error":{"message":"The model `tiny` does not exist"}})", Failure::kModelNotFound, "The model `tiny` does not exist", "/models lists", 1},
      {404, R"({"detail":"Not Found"})", Failure::kRejected, "HTTP 404: Not Found", "end in /v1", 1},
      {400, R"({"message":"maximum context length is 64 tokens"})", Failure::kRejected, "maximum context length is 64 tokens", "longer than its context", 1},
      {429, R"({"error":{"message":"used up","code":"insufficient_quota"}})", Failure::kRateLimited, "used up", "quota", 1},
      {429, "slow down", Failure::kRateLimited, "HTTP 429: slow down (after 3 tries)", "lower parallel", 3},
      {502, "<html>Bad gateway</html>", Failure::kServerError, "HTTP 502: <html>Bad gateway</html> (after 3 tries)", "server's log", 3},
      {200, "<html>Welcome</html>", Failure::kNonsense, "the endpoint talks nonsense: not JSON: <html>Welcome</html>", "proxy", 3},
      {200, R"({"choices":[]})", Failure::kNonsense, "\"choices\" is empty", "proxy", 3},
      {200, R"({"choices":[{"message":{"content":7}}]})", Failure::kNonsense, "neither text nor parts", "proxy", 3},
      {200, R"({"choices":[{"message":{}}]})", Failure::kNonsense, "a message has no content", "proxy", 3},
      {200, R"([1,2])", Failure::kNonsense, "the answer has no \"choices\"", "proxy", 3},
      {200, R"({"error":{"message":"out of memory"}})", Failure::kNonsense, "an error under status 200: out of memory", "proxy", 3},
      {307, "", Failure::kRejected, "sends the request elsewhere", "set url", 1},
  };
  for (const Case& x : cases) {
    int tries = 0;
    LoopbackServer server(with_models([&](const LoopbackRequest&, LoopbackConnection& c, int n) {
      tries = n + 1;
      c.reply(x.status, x.body);
    }));
    const auto error = error_of([&] { EndpointGenerator(options_for(server)).generate(request_for(1, 1)); });
    ASSERT_TRUE(error) << x.body;
    EXPECT_EQ(error->failure(), x.failure) << x.body;
    EXPECT_THAT(error->message(), HasSubstr(x.message));
    EXPECT_THAT(error->message(), HasSubstr("(problem p0)"));
    EXPECT_THAT(error->hint(), HasSubstr(x.hint));
    EXPECT_EQ(error->where(), server.origin() + "/v1/chat/completions");
    EXPECT_EQ(tries, x.tries) << x.body;
  }
}

TEST(EndpointGenerator, DownHangingCutAndTooLarge) {
  std::string origin;
  { origin = LoopbackServer([](const LoopbackRequest&, LoopbackConnection&) {}).origin(); }
  EndpointGeneratorOptions options;
  options.endpoint.url = origin + "/v1";
  options.endpoint.retries = 0;
  auto error = error_of([&] { EndpointGenerator(options).generate(request_for(1, 1)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->failure(), Failure::kDown);
  EXPECT_THAT(error->message(), HasSubstr("the endpoint is down"));

  LoopbackServer server(with_models([](const LoopbackRequest& r, LoopbackConnection& c, int) {
    const std::string question = Json::parse(r.body)["messages"][0]["content"];
    if (question == "question 0") c.sleep_ms(5000);
    if (question == "question 1") c.send("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"choices\": [");
    if (question == "question 2") c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + chat("longer than it says").dump());
    if (question == "question 3") c.reply(200, std::string(3 << 20, ' '));
    c.close();
  }));
  options = options_for(server);
  options.endpoint.retries = 0, options.endpoint.timeout_s = 0.2, options.endpoint.max_answer_mb = 1;
  const std::vector<std::pair<Failure, std::string>> expected = {{Failure::kTimeout, "no complete answer within 0.2 s"},
                                                                 {Failure::kDown, "closed inside the answer"},
                                                                 {Failure::kNonsense, "not JSON"},
                                                                 {Failure::kNonsense, "larger than 1048576 bytes"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    GenerateRequest request = request_for(4, 1);
    request.prompts = {request.prompts[i]};
    error = error_of([&] { EndpointGenerator(options).generate(request); });
    ASSERT_TRUE(error) << i;
    EXPECT_EQ(error->failure(), expected[i].first) << i;
    EXPECT_THAT(error->message(), HasSubstr(expected[i].second));
  }
}

TEST(EndpointGenerator, WhatFinishedIsNotLost) {
  LoopbackServer server(with_models([](const LoopbackRequest& r, LoopbackConnection& c, int) {
    const std::string question = Json::parse(r.body)["messages"][0]["content"];
    if (question == "question 2") return c.reply(500, "broken");
    c.reply(200, chat("fine").dump());
  }));
  auto options = options_for(server);
  options.endpoint.parallel = 2, options.endpoint.retries = 1;
  std::set<std::string> seen;
  const auto error = error_of([&] { EndpointGenerator(options).generate(request_for(6, 1), [&](const Sample& s) { seen.insert(s.problem_id); }); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message(), HasSubstr("HTTP 500: broken (after 2 tries) (problem p2)"));
  EXPECT_THAT(seen, ElementsAre("p0", "p1", "p3", "p4", "p5"));
}

TEST(EndpointGenerator, DeadlineAndCtrlC) {
  LoopbackServer server(with_models([](const LoopbackRequest&, LoopbackConnection& c, int) { c.sleep_ms(5000), c.close(); }));
  auto options = options_for(server);
  options.deadline_s = 0.2;
  double start = monotonic_seconds();
  const auto error = error_of([&] { EndpointGenerator(options).generate(request_for(3, 1)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->failure(), Failure::kDeadline);
  EXPECT_LT(monotonic_seconds() - start, 1.5);

  options.deadline_s = 0;
  std::thread user([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    request_interrupt();
  });
  start = monotonic_seconds();
  EXPECT_THROW(EndpointGenerator(options).generate(request_for(3, 1)), Interrupted);
  EXPECT_LT(monotonic_seconds() - start, 1.5);
  user.join();
  clear_interrupt();
}

TEST(EndpointClient, PicksTheModel) {
  std::string list = R"({"data":[{"id":"qwen-7b"},{"id":"llama-8b"}]})";
  LoopbackServer server([&](const LoopbackRequest&, LoopbackConnection& c) { c.reply(list == "none" ? 404 : 200, list); });
  EndpointOptions options = options_for(server).endpoint;
  auto error = error_of([&] { EndpointClient(options).model(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message(), "the server lists several models: qwen-7b, llama-8b");
  options.model = "qwen-8b";
  error = error_of([&] { EndpointClient(options).model(); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->failure(), Failure::kModelNotFound);
  EXPECT_EQ(error->message(), "no model \"qwen-8b\" there; it has: qwen-7b, llama-8b");
  EXPECT_EQ(error->hint(), "did you mean qwen-7b?");
  options.model = "llama-8b";
  EXPECT_EQ(EndpointClient(options).model(), "llama-8b");
  list = "none";  // a server without the list is taken at its word
  EXPECT_EQ(EndpointClient(options).model(), "llama-8b");
}

TEST(JsonChat, FindsTheObject) {
  EXPECT_EQ(find_object(R"({"a":1})", {"a"})["a"], 1);
  EXPECT_EQ(find_object("Sure:\n```json\n{\"a\": {\"b\": \"}\"}}\n```\nDone {x}", {"a"})["a"]["b"], "}");
  EXPECT_EQ(find_object(R"(first {"a":1} then {"a":2})", {"a"})["a"], 2);
  EXPECT_TRUE(find_object(R"({"b":1})", {"a"}).is_null());
  EXPECT_TRUE(find_object(std::string(100000, '{'), {"a"}).is_null());
}

TEST(JsonChat, ReturnsWithTheErrorAndDropsJsonModeWhereRefused) {
  std::vector<Json> bodies;
  LoopbackServer server(with_models([&](const LoopbackRequest& r, LoopbackConnection& c, int) {
    bodies.push_back(Json::parse(r.body));
    if (bodies.back().contains("response_format")) return c.reply(400, R"({"error":"response_format is not supported"})");
    const size_t turns = bodies.back()["messages"].size();
    c.reply(200, chat(turns == 1 ? "I like it" : turns == 3 ? R"({"score": 9})" : R"(ok {"score": 2})").dump());
  }));
  EndpointClient client(options_for(server).endpoint);
  JsonChat judge(client, {});
  const auto in_range = [](const Json& j) { return j["score"].is_number() && j["score"].get<double>() <= 3 ? "" : "score must be 0 to 3"; };
  EXPECT_EQ(judge.ask({{"user", "judge"}}, {"score"}, in_range)["score"], 2);
  ASSERT_EQ(bodies.size(), 4u);
  EXPECT_EQ(bodies[3]["messages"][2]["content"], "That cannot be used: the reply holds no JSON object with the keys \"score\". Reply with one JSON object with the keys \"score\" and nothing else.");
  EXPECT_THAT(bodies[3]["messages"][4]["content"].get<std::string>(), HasSubstr("score must be 0 to 3"));
  const auto error = error_of([&] { judge.ask({{"user", "judge"}}, {"other"}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->failure(), Failure::kNonsense);
  EXPECT_THAT(error->message(), HasSubstr("3 replies and none that can be used"));
}

TEST(Scorer, ReadsEveryForm) {
  std::vector<double> out;
  const auto read = [&](const char* text, ScoreApi api, int64_t label, size_t count) { return read_scores(Json::parse(text), api, label, count, out); };
  EXPECT_EQ(read(R"({"data":[{"index":1,"probs":[2.5]},{"index":0,"probs":[-1]}]})", ScoreApi::kClassify, -1, 2), "");
  EXPECT_THAT(out, ElementsAre(-1, 2.5));
  EXPECT_EQ(read(R"({"data":[{"index":0,"data":[[0.1],[0.7]]}]})", ScoreApi::kPooling, -1, 1), "");
  EXPECT_THAT(out, ElementsAre(0.7));
  EXPECT_EQ(read(R"({"data":[{"index":0,"score":0.25}]})", ScoreApi::kScore, -1, 1), "");
  EXPECT_THAT(out, ElementsAre(0.25));
  EXPECT_EQ(read(R"([{"embedding":[3]},{"embedding":[4]}])", ScoreApi::kSglang, -1, 2), "");
  EXPECT_THAT(out, ElementsAre(3, 4));
  EXPECT_EQ(read(R"({"data":[{"probs":[0.2,0.8]}]})", ScoreApi::kClassify, 1, 1), "");
  EXPECT_THAT(out, ElementsAre(0.8));
  EXPECT_EQ(read(R"({"data":[{"probs":[0.2,0.8]}]})", ScoreApi::kClassify, -1, 1), "an item has 2 numbers: set label to the one that is the score");
  EXPECT_EQ(read(R"({"data":[]})", ScoreApi::kClassify, -1, 1), "0 scores for 1 texts");
  EXPECT_EQ(read(R"({"data":[{"index":5,"score":1}]})", ScoreApi::kScore, -1, 1), "an item's index is out of range");
  EXPECT_EQ(read(R"({"data":[{"index":0,"score":1},{"index":0,"score":1}]})", ScoreApi::kScore, -1, 2), "two items have the same index");
  EXPECT_EQ(read(R"({"data":[{"score":null}]})", ScoreApi::kScore, -1, 1), "an item has no number");
  EXPECT_EQ(read(R"("hello")", ScoreApi::kScore, -1, 1), "the answer has no list of scores");
}

TEST(Scorer, BatchesAndLeavesOutWhatIsRefused) {
  LoopbackServer server(with_models([](const LoopbackRequest& r, LoopbackConnection& c, int) {
    EXPECT_EQ(r.path, "/classify");
    const Json body = Json::parse(r.body);
    EXPECT_EQ(body["use_activation"], false);
    Json data = Json::array();
    for (size_t i = 0; i < body["input"].size(); ++i) {
      const std::string text = body["input"][i];
      if (text == "Q: too long") return c.reply(400, R"({"error":{"message":"longer than the context"}})");
      data.push_back({{"index", i}, {"probs", {double(text.size())}}});
    }
    c.reply(200, Json{{"data", data}}.dump());
  }));
  EndpointScorerOptions options;
  options.endpoint = options_for(server).endpoint;
  options.batch = 2;
  EndpointScorer scorer(options);
  const std::vector<Scored> items = {{"Q: ", "a"}, {"Q: ", "too long"}, {"Q: ", "abc"}, {"Q: ", ""}, {"Q: ", "abcde"}};
  const auto scores = scorer.score(items);
  ASSERT_EQ(scores.size(), 5u);
  EXPECT_EQ(scores[0], 4);
  EXPECT_TRUE(std::isnan(scores[1]));
  EXPECT_EQ(scores[2], 6);
  EXPECT_EQ(scores[3], 3);
  EXPECT_EQ(scores[4], 8);
}

}  // namespace foil::endpoint
