#define CPPHTTPLIB_OPENSSL_SUPPORT  // as the library was built
#include "io/http.h"

#include <httplib.h>
#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <thread>

#include "base/error.h"

namespace foil::io {

using Clock = std::chrono::steady_clock;

struct HttpClient::Connection {
  explicit Connection(const std::string& origin) : client(origin) {}
  httplib::Client client;
};

std::optional<std::string> HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    const bool same = key.size() == name.size() && std::equal(key.begin(), key.end(), name.begin(), [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
    });
    if (same) return value;
  }
  return std::nullopt;
}

Url parse_url(const std::string& url) {
  const std::string hint = "an endpoint's URL looks like http://localhost:8000/v1";
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos || (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https"))
    throw Error("not an http:// or https:// URL", url, hint);
  const size_t slash = std::min(url.find('/', scheme + 3), url.size());
  Url out{url.substr(0, slash), url.substr(slash)};
  while (!out.path.empty() && out.path.back() == '/') out.path.pop_back();
  const std::string host = out.origin.substr(scheme + 3);
  if (host.empty() || host[0] == ':') throw Error("the URL names no host", url, hint);
  for (const char c : url)
    if (static_cast<unsigned char>(c) <= ' ' || c == '@' || c == '?' || c == '#' || c == '\x7f')
      throw Error("the URL has a blank, a user name, a query or a fragment", url, hint);
  const size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) {
    const std::string port = host.substr(colon + 1);
    const bool digits = !port.empty() && port.size() <= 5 && std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || std::stoi(port) < 1 || std::stoi(port) > 65535) throw Error(fmt::format("\"{}\" is not a port", port), url, hint);
  }
  return out;
}

HttpClient::HttpClient(std::string origin, bool verify_tls, std::string ca_file)
    : origin_(std::move(origin)), ca_file_(std::move(ca_file)), verify_tls_(verify_tls) {}
HttpClient::~HttpClient() = default;

static HttpFailure failure_of(httplib::Error error) {
  switch (error) {
    case httplib::Error::Success: return HttpFailure::kNone;
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::BindIPAddress: return HttpFailure::kConnect;
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification: return HttpFailure::kTls;
    default: return HttpFailure::kClosed;
  }
}

// A kept connection with something to read was closed by the server, or holds bytes beyond the last response.
static bool quiet(int socket) {
  pollfd p{socket, POLLIN, 0};
  return poll(&p, 1, 0) == 0;
}

HttpResponse HttpClient::send(const HttpRequest& request) {
  HttpResponse out;
  std::unique_ptr<Connection> connection;
  {
    std::lock_guard lock(mutex_);
    while (!idle_.empty() && !connection) {
      connection = std::move(idle_.back());
      idle_.pop_back();
      if (!connection->client.is_socket_open() || !quiet(int(connection->client.socket()))) connection.reset();
    }
  }
  if (!connection) connection = std::make_unique<Connection>(origin_);
  httplib::Client& client = connection->client;
  if (!client.is_valid()) {
    out.failure = HttpFailure::kConnect;
    out.detail = "the address cannot be used";
    return out;
  }
  const auto start = Clock::now();
  const auto seconds = [](double s) { return std::chrono::microseconds(int64_t(std::clamp(s, 0.001, 1e7) * 1e6)); };
  const auto end = start + seconds(request.deadline_s);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  client.set_follow_location(false);
  client.set_connection_timeout(seconds(std::min(request.connect_timeout_s, request.deadline_s)));
  client.set_read_timeout(seconds(request.deadline_s));
  client.set_write_timeout(seconds(request.deadline_s));
  client.enable_server_certificate_verification(verify_tls_);
  if (!ca_file_.empty()) client.set_ca_cert_path(ca_file_);

  httplib::Request req;
  req.method = request.method;
  req.path = request.path;
  for (const auto& [name, value] : request.headers) req.headers.emplace(name, value);
  req.headers.emplace("Accept-Encoding", "identity");
  if (request.method != "GET") {
    req.body = request.body;
    req.headers.emplace("Content-Type", request.content_type);
  }
  bool too_large = false;
  std::string body;
  req.content_receiver = [&](const char* data, size_t length, uint64_t, uint64_t) {
    too_large = length > request.max_body_bytes - body.size();
    if (!too_large) body.append(data, length);
    return !too_large;
  };
  httplib::Response res;
  httplib::Error error = httplib::Error::Unknown;
  bool sent = false, done = false;
  std::mutex mutex;
  std::condition_variable finished;
  std::exception_ptr thrown;
  std::thread worker([&] {
    sigset_t pipe;  // OpenSSL writes without MSG_NOSIGNAL; a blocked signal dies with this thread
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    try {
      sent = client.send(req, res, error);
    } catch (...) {
      thrown = std::current_exception();
    }
    std::lock_guard lock(mutex);
    done = true;
    finished.notify_one();
  });
  HttpFailure cut = HttpFailure::kNone;
  std::exception_ptr poll_error;
  {
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(10), [&] { return done; })) {
      try {
        if (cut == HttpFailure::kNone && request.cancelled && request.cancelled()) cut = HttpFailure::kCancelled;
      } catch (...) {
        poll_error = std::current_exception();
        cut = HttpFailure::kCancelled;
      }
      if (cut == HttpFailure::kNone && Clock::now() >= end) cut = HttpFailure::kTimeout;
      if (cut != HttpFailure::kNone) {  // again until it ends: the socket may only just have been opened
        lock.unlock();
        client.stop();
        lock.lock();
      }
    }
  }
  worker.join();
  if (poll_error) std::rethrow_exception(poll_error);
  if (thrown) std::rethrow_exception(thrown);
  if (sent) {
    out.status = res.status;
    for (const auto& [name, value] : res.headers) out.headers.emplace_back(name, value);
    out.body = std::move(body);
    if (client.is_socket_open()) {
      std::lock_guard lock(mutex_);
      idle_.push_back(std::move(connection));
    }
    return out;
  }
  out.failure = cut != HttpFailure::kNone ? cut : too_large ? HttpFailure::kTooLarge : failure_of(error);
  // A read that ran into its time limit ends together with the deadline, and may be seen first.
  if (out.failure == HttpFailure::kClosed && Clock::now() + std::chrono::milliseconds(15) >= end) out.failure = HttpFailure::kTimeout;
  switch (out.failure) {
    case HttpFailure::kConnect:
      out.detail = error == httplib::Error::ConnectionTimeout ? fmt::format("no connection within {:g} s", request.connect_timeout_s) : "connection refused, or no such host";
      break;
    case HttpFailure::kTls:
      out.detail = error == httplib::Error::SSLServerVerification ? "the server's certificate is not trusted" : "the TLS handshake failed";
      break;
    case HttpFailure::kTimeout: out.detail = fmt::format("no complete answer within {:g} s", request.deadline_s); break;
    case HttpFailure::kTooLarge: out.detail = fmt::format("the answer is larger than {} bytes", request.max_body_bytes); break;
    case HttpFailure::kCancelled: out.detail = "cancelled"; break;
    default: out.detail = "the connection was closed inside the answer, or the answer is not HTTP"; break;
  }
  return out;
}

}  // namespace foil::io
