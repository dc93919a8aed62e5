// A server on 127.0.0.1 for tests, which can misbehave: the handler writes raw bytes, stays silent or closes when it likes.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/error.h"

namespace foil::io {

struct LoopbackRequest {
  std::string method, path, head, body;
};

class LoopbackConnection {
 public:
  LoopbackConnection(int fd, const std::atomic<bool>& stop) : fd_(fd), stop_(stop) {}
  bool send(const std::string& bytes) { return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size()); }
  void reply(int status, const std::string& body, const std::string& more_headers = "", const std::string& type = "application/json") {
    send(fmt::format("HTTP/1.1 {} Some\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}", status, type, body.size(), more_headers, body));
  }
  void close() { open = false; }
  // False when the server is going away or the client has left.
  bool sleep_ms(int ms) {
    for (int i = 0; i < ms && !stop_; i += 5) {
      pollfd p{fd_, POLLIN, 0};
      char c;
      if (poll(&p, 1, 5) > 0 && recv(fd_, &c, 1, MSG_PEEK) <= 0) return false;
    }
    return !stop_;
  }
  bool open = true;

 private:
  int fd_;
  const std::atomic<bool>& stop_;
};

class LoopbackServer {
 public:
  using Handler = std::function<void(const LoopbackRequest&, LoopbackConnection&)>;
  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    FOIL_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener_, 64) == 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    stop_ = true;
    acceptor_.join();
    for (auto& t : threads_) t.join();
    ::close(listener_);
  }
  std::string origin() const { return fmt::format("http://127.0.0.1:{}", port_); }
  std::atomic<int> connections{0}, requests{0}, busy{0}, most_busy{0};

 private:
  bool readable(int fd) const {
    while (!stop_) {
      pollfd p{fd, POLLIN, 0};
      if (poll(&p, 1, 5) > 0) return true;
    }
    return false;
  }
  void accept_all() {
    while (readable(listener_)) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) continue;
      ++connections;
      threads_.emplace_back([this, fd] {
        serve(fd);
        ::close(fd);
      });
    }
  }
  void serve(int fd) {
    LoopbackConnection connection(fd, stop_);
    std::string in;
    while (connection.open) {
      size_t head = std::string::npos, length = 0;
      while (true) {
        head = in.find("\r\n\r\n");
        if (head != std::string::npos) {
          const size_t at = in.find("Content-Length: ");
          length = at < head ? std::stoul(in.substr(at + 16)) : 0;
          if (in.size() >= head + 4 + length) break;
        }
        char buffer[4096];
        if (!readable(fd)) return;
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) return;
        in.append(buffer, size_t(got));
      }
      const size_t space = in.find(' '), second = in.find(' ', space + 1);
      const LoopbackRequest request{in.substr(0, space), in.substr(space + 1, second - space - 1), in.substr(0, head), in.substr(head + 4, length)};
      in.erase(0, head + 4 + length);
      ++requests;
      const int now = ++busy;
      for (int most = most_busy; now > most && !most_busy.compare_exchange_weak(most, now);) {
      }
      handler_(request, connection);
      --busy;
    }
  }
  Handler handler_;
  int listener_, port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread acceptor_;
  std::list<std::thread> threads_;
};

}  // namespace foil::io
