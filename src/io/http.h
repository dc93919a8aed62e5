// HTTP(S) client for one server: pooled connections, one deadline over the whole call, no exceptions for statuses or failures.
//
// A call ends by its deadline, or soon after `cancelled` turns true, even when the server sends a byte a second for ever: the call
// runs on a thread of its own and its socket is shut from outside. No redirects, no cookies, no proxies. Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace foil::io {

enum class HttpFailure {
  kNone,       // a whole response came; its status may be anything
  kConnect,    // nobody listens, no such host, connect timed out
  kTls,        // handshake or certificate
  kTimeout,    // the deadline passed
  kClosed,     // the connection ended inside the response, or what came was not HTTP
  kTooLarge,   // more than max_body_bytes
  kCancelled,
};

struct HttpRequest {
  std::string method = "GET";
  std::string path = "/";  // begins with a slash; query included
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body, content_type = "application/json";
  double connect_timeout_s = 10;
  double deadline_s = 600;
  size_t max_body_bytes = size_t{256} << 20;
  std::function<bool()> cancelled;  // polled; may be empty
};

struct HttpResponse {
  HttpFailure failure = HttpFailure::kNone;
  std::string detail;  // of a failure, for people
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<std::string> header(std::string_view name) const;  // case-insensitive, the first
};

struct Url {
  std::string origin;  // "https://host:8000"
  std::string path;    // "/v1", without a slash at the end; may be empty
};
// Throws Error for anything but http://… and https://….
Url parse_url(const std::string& url);

class HttpClient {
 public:
  // ca_file: certificates to trust instead of the system's; may be empty.
  explicit HttpClient(std::string origin, bool verify_tls = true, std::string ca_file = "");
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  HttpResponse send(const HttpRequest& request);

 private:
  struct Connection;
  std::string origin_, ca_file_;
  bool verify_tls_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace foil::io
