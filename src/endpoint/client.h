// One OpenAI-compatible server (vLLM, SGLang, llama.cpp, a hosted API): requests with retries, each failure named for what it is.
//
// Retried with exponential back-off and jitter, or after the server's Retry-After: no connection, time-outs, 408, 429, 5xx, and
// answers that are not what was asked for. Not retried: 400, 401, 403, 404, 413, 422, an exhausted quota. Thread-safe.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/http.h"

namespace foil::endpoint {

using Json = nlohmann::json;

struct EndpointOptions {
  std::string url = "http://localhost:8000/v1";
  std::string model;                          // empty: the one model the server lists
  std::string api_key_env = "OPENAI_API_KEY";
  int64_t parallel = 16;
  int64_t retries = 5;
  double timeout_s = 600;
  double connect_timeout_s = 10;
  double backoff_s = 1, backoff_max_s = 60;
  int64_t max_answer_mb = 256;
  bool verify_tls = true;
  std::string ca_file;
  std::map<std::string, std::string> headers;
  Json extra = Json::object();                // merged into every request body
  template <class V>
  void visit(V& v) {
    v("url", url, "base URL of the server, with its version: http://localhost:8000/v1");
    v("model", model, "name of the model there; empty: the only one that it lists");
    v("api_key_env", api_key_env, "environment variable that holds the API key; unset: no key is sent");
    v("parallel", parallel, "most requests at a time");
    v("retries", retries, "how often a failed request is tried again");
    v("timeout_s", timeout_s, "seconds for one request, its answer included");
    v("connect_timeout_s", connect_timeout_s, "seconds for the connection");
    v("backoff_s", backoff_s, "seconds before the first retry; doubled each time, with jitter");
    v("backoff_max_s", backoff_max_s, "longest wait before a retry, where the server names none");
    v("max_answer_mb", max_answer_mb, "an answer larger than this is refused");
    v("verify_tls", verify_tls, "check the server's certificate");
    v("ca_file", ca_file, "certificates to trust instead of the system's");
    v("headers", headers, "further HTTP headers");
    v("extra", extra, "further fields of every request body, such as chat_template_kwargs");
  }
  void validate(const std::string& where) const;
};

enum class Failure {
  kDown,           // nobody answers at the URL
  kTimeout,
  kNonsense,       // an answer that is not what the API promises
  kServerError,    // 5xx
  kRateLimited,    // 429
  kUnauthorized,   // 401, 403
  kModelNotFound,  // 404
  kRejected,       // 400, 413, 422 …: the request itself
  kDeadline,       // the caller's deadline over all its requests
};

class EndpointError : public Error {
 public:
  EndpointError(Failure failure, std::string what, std::string where, std::string hint)
      : Error(std::move(what), std::move(where), std::move(hint)), failure_(failure) {}
  Failure failure() const { return failure_; }

 private:
  Failure failure_;
};

// What ends the waiting early. Both may be empty.
struct Limits {
  std::function<bool()> cancelled;      // polled; a true one ends in Interrupted
  std::optional<double> deadline;       // on the clock of monotonic_seconds()
};
double monotonic_seconds();

class EndpointClient {
 public:
  // Reads the API key. Throws Error for a malformed URL; connects to nobody.
  explicit EndpointClient(EndpointOptions options);

  // One logical call. `check` looks at the parsed answer and returns what is wrong with it, "" for nothing; a wrong one is retried.
  // `path` is below the URL: "/chat/completions"; with a leading "//", below the URL without its "/v1": vLLM's "//classify".
  // Throws EndpointError, or Interrupted when Ctrl-C or `limits.cancelled` said so.
  Json post(const std::string& path, const Json& body, const std::function<std::string(const Json&)>& check, const Limits& limits = {});
  Json get(const std::string& path, const std::function<std::string(const Json&)>& check, const Limits& limits = {});

  // options.model, or the one model the server lists. Throws EndpointError kModelNotFound, with the names there, when options.model
  // is not among them or when the choice is not clear. Asked once, then kept. A server without a list is taken at its word.
  std::string model(const Limits& limits = {});

  const EndpointOptions& options() const { return options_; }
  std::string describe() const;  // "MODEL at URL"
  uint64_t retries_made() const { return retries_made_; }

 private:
  Json call(const std::string& method, const std::string& path, const std::string& body, const std::function<std::string(const Json&)>& check, const Limits& limits);
  EndpointError failed_answer(const io::HttpResponse& response, const std::string& where, bool& retry) const;
  void pause(double seconds, const Limits& limits, const std::string& where) const;

  EndpointOptions options_;
  io::Url url_;
  std::string api_key_;
  io::HttpClient http_;
  std::mutex model_mutex_;
  std::string model_;
  std::atomic<uint64_t> retries_made_{0};
};

// Seconds that a Retry-After header asks for, "120" or an HTTP date; nothing when it is neither. `now`: seconds since the epoch.
std::optional<double> retry_after_s(const std::string& header, double now);

}  // namespace foil::endpoint
