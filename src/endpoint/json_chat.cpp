#include "endpoint/json_chat.h"

#include "base/error.h"
#include "endpoint/generator.h"

namespace foil::endpoint {

void JsonChatOptions::validate(const std::string& where) const {
  if (attempts < 1) throw UsageError("attempts must be 1 or more", where);
  if (max_tokens < 1) throw UsageError("max_tokens must be 1 or more", where);
  if (!(temperature >= 0)) throw UsageError("temperature must be 0 or more", where);
}

// The end of the object that opens at `begin`, one past its brace; npos when it never closes.
static size_t object_end(const std::string& text, size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      else if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string::npos;
}

Json find_object(const std::string& text, const std::vector<std::string>& keys) {
  const auto complete = [&](const Json& j) {
    if (!j.is_object()) return false;
    for (const auto& key : keys)
      if (!j.contains(key)) return false;
    return true;
  };
  if (Json whole = Json::parse(text, nullptr, false); complete(whole)) return whole;
  size_t begin = text.size();
  for (int tried = 0; tried < 64 && begin > 0; ++tried) {
    begin = text.rfind('{', begin - 1);
    if (begin == std::string::npos) break;
    const size_t end = object_end(text, begin);
    if (end == std::string::npos) continue;
    if (Json found = Json::parse(text.begin() + std::ptrdiff_t(begin), text.begin() + std::ptrdiff_t(end), nullptr, false); complete(found)) return found;
  }
  return nullptr;
}

std::string JsonChat::reply(const std::vector<Message>& messages, int64_t attempt, const Limits& limits) {
  Json body = {{"model", client_.model(limits)}, {"max_tokens", options_.max_tokens}, {"temperature", options_.temperature}, {"stream", false}, {"seed", attempt}};
  body["messages"] = Json::array();
  for (const auto& m : messages) body["messages"].push_back({{"role", m.role}, {"content", m.content}});
  const auto check = [](const Json& j) { return check_answer(j, Api::kChat); };
  Json answer;
  const bool json_mode = json_mode_;
  try {
    Json asked = body;
    if (json_mode) asked["response_format"] = {{"type", "json_object"}};
    answer = client_.post("/chat/completions", asked, check, limits);
  } catch (const EndpointError& e) {
    if (!json_mode || e.failure() != Failure::kRejected) throw;
    answer = client_.post("/chat/completions", body, check, limits);
    json_mode_ = false;  // without it the same request is taken
  }
  const Json& content = answer["choices"][0]["message"]["content"];
  if (content.is_string()) return content.get<std::string>();
  std::string out;
  if (content.is_array())
    for (const auto& part : content)
      if (part.contains("text") && part["text"].is_string()) out += part["text"].get<std::string>();
  return out;
}

Json JsonChat::ask(std::vector<Message> messages, const std::vector<std::string>& keys, const std::function<std::string(const Json&)>& check, const Limits& limits) {
  std::string names;
  for (const auto& key : keys) names += (names.empty() ? "\"" : ", \"") + key + "\"";
  std::string wrong;
  for (int64_t attempt = 0; attempt < options_.attempts; ++attempt) {
    const std::string text = reply(messages, attempt, limits);
    Json found = find_object(text, keys);
    wrong = found.is_null() ? "the reply holds no JSON object with the keys " + names : check ? check(found) : "";
    if (wrong.empty()) return found;
    messages.push_back({"assistant", shortened(text, 4000)});
    messages.push_back({"user", fmt::format("That cannot be used: {}. Reply with one JSON object with the keys {} and nothing else.", wrong, names)});
  }
  throw EndpointError(Failure::kNonsense, fmt::format("{} replies and none that can be used; the last: {}", options_.attempts, wrong), client_.describe(),
                      "use a stronger model as judge, or a rubric that says more plainly what to reply");
}

}  // namespace foil::endpoint
