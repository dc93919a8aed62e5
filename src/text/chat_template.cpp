#include "text/chat_template.h"

#include "base/error.h"
#include "base/random.h"
#include "text/jinja_value.h"

namespace foil::text {
using jinja::Json;

namespace {

// As transformers: reasoning is read under three names and handed on under the first.
constexpr const char* kReasoningNames[] = {"reasoning_content", "thinking", "reasoning"};

Json with_reasoning(const Json& message) {
  for (const char* name : kReasoningNames) {
    const auto it = message.find(name);
    if (it == message.end() || it->is_null()) continue;
    const Json reasoning = *it;
    Json out = {{"thinking", reasoning}};
    for (const auto& [key, value] : message.items()) out[key] = value;
    out["reasoning_content"] = reasoning;
    return out;
  }
  return message;
}

std::string trimmed(const std::string& s) { return jinja::strip(s, nullptr, true, true); }

// Marks the end of the last message's content; the rendered text is cut there.
constexpr std::string_view kMark = "CONTINUE_FINAL_MESSAGE_TAG ";

std::string mark_last(Json& messages) {
  if (messages.empty()) throw Error("continue_final_message needs a message to continue");
  Json& content = messages.back()["content"];
  Json* text = content.is_string() ? &content : nullptr;
  if (content.is_array())
    for (auto& part : content)
      if (part.is_object() && part.contains("text")) text = &part["text"];
  if (!text || !text->is_string()) throw Error("continue_final_message: the last message has no text to continue");
  std::string plain = text->get<std::string>();
  *text = plain + std::string(kMark);
  return plain;
}

std::string cut_at_mark(const std::string& rendered, const std::string& content) {
  const size_t at = rendered.rfind(trimmed(std::string(kMark)));
  if (at == std::string::npos || rendered.find(trimmed(content)) == std::string::npos)
    throw Error("continue_final_message: the last message does not stand in the rendered chat as it was given", "", "the template changes or drops it; end the prompt with add_generation_prompt instead");
  // With its space: the template keeps spacing. Without: it trims the message, so the cut is trimmed as well.
  return rendered.compare(at, kMark.size(), kMark) == 0 ? rendered.substr(0, at) : jinja::strip(std::string_view(rendered).substr(0, at), nullptr, false, true);
}

}  // namespace

ChatTemplate ChatTemplate::parse(std::string_view source, const std::map<std::string, std::string>& special_tokens, const std::string& where) {
  ChatTemplate out;
  out.source_ = source;
  out.template_ = jinja::Template::parse(source, where);
  for (const auto& [key, value] : special_tokens) out.constants_[key] = value;
  return out;
}

ChatTemplate ChatTemplate::plain() { return {}; }

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer) {
  return tokenizer.chat_template().empty() ? plain() : parse(tokenizer.chat_template(), tokenizer.special_tokens());
}

std::string ChatTemplate::render(const std::vector<TextMessage>& messages, const ChatOptions& options) const {
  Json list = Json::array();
  for (const auto& m : messages) list.push_back({{"role", m.role}, {"content", m.content}});
  return render_json(list, options);
}

std::string ChatTemplate::render_json(const Json& messages, const ChatOptions& options) const {
  if (!messages.is_array()) throw Error("chat messages must be a list");
  if (options.continue_final_message && options.add_generation_prompt)
    throw Error("add_generation_prompt and continue_final_message exclude each other", "", "the first opens a new turn, the second leaves the last one open");
  if (!template_) {
    std::string out;
    for (size_t i = 0; i < messages.size(); ++i) {
      out += messages[i].at("content").get<std::string>();
      if (!(options.continue_final_message && i + 1 == messages.size())) out += '\n';
    }
    return out;
  }
  Json chat = Json::array();
  for (const auto& message : messages) {
    if (!message.is_object()) throw Error("a chat message must be an object with role and content");
    chat.push_back(with_reasoning(message));
  }
  const std::string last = options.continue_final_message ? mark_last(chat) : "";
  Json variables = constants_;
  variables["messages"] = std::move(chat);
  variables["tools"] = options.tools;
  variables["documents"] = nullptr;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  for (const auto& [key, value] : options.variables.items()) variables[key] = value;
  const std::string rendered = template_->render(variables, options.now);
  return options.continue_final_message ? cut_at_mark(rendered, last) : rendered;
}

std::string render_chat(const Tokenizer& tokenizer, const nlohmann::json& messages, bool add_generation_prompt) {
  thread_local std::optional<std::pair<uint64_t, ChatTemplate>> last;  // tokenizer and template – parsing takes longer than rendering
  uint64_t key = mix64(tokenizer.fingerprint(), hash64(tokenizer.chat_template()));
  for (const auto& [name, content] : tokenizer.special_tokens()) key = mix64(key, hash64(name + "=" + content));
  if (!last || last->first != key) last.emplace(key, ChatTemplate::of(tokenizer));
  ChatOptions options;
  options.add_generation_prompt = add_generation_prompt;
  return last->second.render_json(Json(messages), options);
}

}  // namespace foil::text
