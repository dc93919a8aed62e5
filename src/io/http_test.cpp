#include "io/http.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "io/hardware.h"
#include "io/loopback.h"

namespace foil::io {

static double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

TEST(Http, SendsAndReadsAndKeepsTheConnection) {
  LoopbackServer server([](const LoopbackRequest& r, LoopbackConnection& c) { c.reply(r.method == "POST" ? 201 : 200, r.method + " " + r.path + " " + r.body, "X-Test: Yes\r\n"); });
  HttpClient client(server.origin());
  for (int i = 0; i < 3; ++i) {
    HttpRequest request;
    request.method = "POST", request.path = "/v1/x", request.body = "grüße";
    const HttpResponse response = client.send(request);
    ASSERT_EQ(response.failure, HttpFailure::kNone) << response.detail;
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, "POST /v1/x grüße");
    EXPECT_EQ(response.header("x-TEST"), "Yes");
    EXPECT_EQ(response.header("x-none"), std::nullopt);
  }
  EXPECT_EQ(server.connections, 1);
  EXPECT_EQ(client.send({.path = "/a"}).body, "GET /a ");
}

TEST(Http, StatusesAreNotFailures) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& c) { c.reply(503, "busy", "Retry-After: 7\r\n"); });
  const HttpResponse response = HttpClient(server.origin()).send({});
  EXPECT_EQ(response.failure, HttpFailure::kNone);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("retry-after"), "7");
}

TEST(Http, NobodyListens) {
  std::string origin;
  { origin = LoopbackServer([](const LoopbackRequest&, LoopbackConnection&) {}).origin(); }
  const HttpResponse response = HttpClient(origin).send({.connect_timeout_s = 1});
  EXPECT_EQ(response.failure, HttpFailure::kConnect);
  EXPECT_EQ(response.detail, "connection refused, or no such host");
}

TEST(Http, DeadlineHoldsForSilenceAndForTrickle) {
  LoopbackServer server([](const LoopbackRequest& r, LoopbackConnection& c) {
    if (r.path == "/headers") {
      c.send("HTTP/1.1 200 OK\r\n");
      while (c.sleep_ms(10) && c.send("X-A: b\r\n")) {
      }
    } else if (r.path == "/body") {
      c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
      while (c.sleep_ms(10) && c.send("x")) {
      }
    } else {
      c.sleep_ms(5000);
    }
    c.close();
  });
  HttpClient client(server.origin());
  for (const char* path : {"/silence", "/headers", "/body"}) {
    const double start = seconds();
    const HttpResponse response = client.send({.path = path, .deadline_s = 0.2});
    EXPECT_EQ(response.failure, HttpFailure::kTimeout) << path;
    EXPECT_EQ(response.detail, "no complete answer within 0.2 s");
    EXPECT_LT(seconds() - start, 1.5) << path;
  }
}

TEST(Http, Cancelled) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& c) { c.sleep_ms(5000), c.close(); });
  const double start = seconds();
  const HttpResponse response = HttpClient(server.origin()).send({.cancelled = [&] { return seconds() - start > 0.1; }});
  EXPECT_EQ(response.failure, HttpFailure::kCancelled);
  EXPECT_LT(seconds() - start, 1.5);
}

TEST(Http, BrokenAnswers) {
  LoopbackServer server([](const LoopbackRequest& r, LoopbackConnection& c) {
    if (r.path == "/cut") c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    if (r.path == "/garbage") c.send("220 mail.example ready\r\n\r\n");
    if (r.path == "/chunk") c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello");
    c.close();
  });
  HttpClient client(server.origin());
  for (const char* path : {"/cut", "/garbage", "/chunk", "/nothing"}) EXPECT_EQ(client.send({.path = path, .deadline_s = 5}).failure, HttpFailure::kClosed) << path;
}

TEST(Http, BytesBeyondAnAnswerDoNotReachTheNext) {
  LoopbackServer server([](const LoopbackRequest& r, LoopbackConnection& c) {
    if (r.path == "/long") c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale");
    else c.reply(200, "fresh");
  });
  HttpClient client(server.origin());
  EXPECT_EQ(client.send({.path = "/long"}).body, "{}");
  EXPECT_EQ(client.send({.path = "/next"}).body, "fresh");
}

TEST(Http, LargeAnswersAreCutOff) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackConnection& c) {
    c.send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    const std::string block(1 << 16, 'x');
    while (c.send(block)) {
    }
    c.close();
  });
  const HttpResponse response = HttpClient(server.origin()).send({.deadline_s = 5, .max_body_bytes = 1 << 20});
  EXPECT_EQ(response.failure, HttpFailure::kTooLarge);
  EXPECT_EQ(response.detail, "the answer is larger than 1048576 bytes");
}

static std::string url_error(const std::string& url) {
  try {
    const Url parsed = parse_url(url);
    return parsed.origin + " " + parsed.path;
  } catch (const Error& e) {
    return e.message();
  }
}

TEST(Http, Urls) {
  EXPECT_EQ(url_error("http://localhost:8000/v1/"), "http://localhost:8000 /v1");
  EXPECT_EQ(url_error("https://api.example.org"), "https://api.example.org ");
  EXPECT_EQ(url_error("http://[::1]:8000/v1"), "http://[::1]:8000 /v1");
  EXPECT_EQ(url_error("localhost:8000"), "not an http:// or https:// URL");
  EXPECT_EQ(url_error("ftp://a/"), "not an http:// or https:// URL");
  EXPECT_EQ(url_error("http://:80/"), "the URL names no host");
  EXPECT_EQ(url_error("http://a:port/"), "\"port\" is not a port");
  EXPECT_EQ(url_error("http://a:70000/"), "\"70000\" is not a port");
  EXPECT_EQ(url_error("http://a/ b"), "the URL has a blank, a user name, a query or a fragment");
}

TEST(Hardware, ReadsTheKernelsText) {
  EXPECT_EQ(cpuinfo_value("processor\t: 0\nmodel name\t: A CPU: fast\n", "model name"), "A CPU: fast");
  EXPECT_EQ(cpuinfo_value("flags : avx2 fma\n", "model name"), "");
  EXPECT_EQ(meminfo_bytes("MemTotal:       16 kB\nMemAvailable:    4 kB\n", "MemAvailable"), 4096u);
  const Hardware here = read_hardware("does/not/exist");
  EXPECT_GE(here.cores, 1);
  EXPECT_GT(here.memory_bytes, uint64_t{1} << 20);
  EXPECT_LE(here.memory_available_bytes, here.memory_bytes);
  EXPECT_GT(here.disk_free_bytes, 0u);
}

}  // namespace foil::io
