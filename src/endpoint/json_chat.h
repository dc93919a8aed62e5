// A chat call that must end in a JSON object: what judges ask with. A reply that is not one goes back with what is wrong with it.
#pragma once
#include <atomic>

#include "data/record.h"
#include "endpoint/client.h"

namespace foil::endpoint {

struct JsonChatOptions {
  int64_t attempts = 3;
  int64_t max_tokens = 1024;
  double temperature = 0;
  bool json_mode = true;
  template <class V>
  void visit(V& v) {
    v("attempts", attempts, "replies asked for before giving up on one item");
    v("max_tokens", max_tokens, "longest reply");
    v("temperature", temperature, "sampling temperature of the replies");
    v("json_mode", json_mode, "ask the server for JSON (response_format); left out by itself where the server refuses it");
  }
  void validate(const std::string& where) const;
};

class JsonChat {
 public:
  // The client is not owned.
  JsonChat(EndpointClient& client, JsonChatOptions options) : client_(client), options_(std::move(options)), json_mode_(options_.json_mode) {}

  // The object of the reply that has all `keys` and passes `check` (returns what is wrong, "" for nothing; may be empty).
  // Throws EndpointError kNonsense when no attempt gave one, and what EndpointClient::post throws. Thread-safe.
  Json ask(std::vector<Message> messages, const std::vector<std::string>& keys, const std::function<std::string(const Json&)>& check = {}, const Limits& limits = {});

 private:
  std::string reply(const std::vector<Message>& messages, int64_t attempt, const Limits& limits);
  EndpointClient& client_;
  JsonChatOptions options_;
  std::atomic<bool> json_mode_;
};

// The last JSON object in a text that has all keys: the whole text, in a code fence, or after words. Null when there is none.
// At most 64 opening braces are tried, from the back.
Json find_object(const std::string& text, const std::vector<std::string>& keys);

}  // namespace foil::endpoint
