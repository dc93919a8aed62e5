// A model's chat template: messages → the prompt as text, byte for byte what transformers' apply_chat_template(tokenize=False) gives.
//
// Special tokens are spelt out in the text; encode it with add_special off. A model without a template gets plain(): the contents, each
// with a line end, which suits base models.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja.h"
#include "text/tokenizer.h"

namespace foil::text {

struct TextMessage {
  std::string role, content;
};

struct ChatOptions {
  bool add_generation_prompt = true;    // end with the opening of the assistant's turn
  bool continue_final_message = false;  // end with the last message's content, its turn left open; excludes the former
  jinja::Json tools = nullptr;          // list of JSON schemas as for an OpenAI-compatible endpoint; null: none
  jinja::Json variables = jinja::Json::object();  // further names: {"enable_thinking": false}, {"date_string": "26 Jul 2024"}
  std::optional<int64_t> now;           // seconds since the epoch for templates that print the date; absent: the clock
};

class ChatTemplate {
 public:
  // `special_tokens`: bos_token, eos_token, … as the template may name them. Throws Error with the line for what cannot be read.
  static ChatTemplate parse(std::string_view source, const std::map<std::string, std::string>& special_tokens = {}, const std::string& where = "chat template");
  static ChatTemplate plain();
  // The tokenizer's own, plain() if it has none.
  static ChatTemplate of(const Tokenizer& tokenizer);

  // Throws Error when the template refuses the messages (roles out of order, …).
  std::string render(const std::vector<TextMessage>& messages, const ChatOptions& options = {}) const;
  // Messages with more than role and content (tool_calls, reasoning_content, …), as JSON objects.
  std::string render_json(const jinja::Json& messages, const ChatOptions& options = {}) const;

  bool is_plain() const { return source_.empty(); }
  const std::string& source() const { return source_; }

 private:
  ChatTemplate() = default;
  std::string source_;  // empty: plain
  std::optional<jinja::Template> template_;
  jinja::Json constants_ = jinja::Json::object();
};

// One chat with the tokenizer's own template, parsed once per thread. `messages`: list of {role, content}.
std::string render_chat(const Tokenizer& tokenizer, const nlohmann::json& messages, bool add_generation_prompt);

}  // namespace foil::text
