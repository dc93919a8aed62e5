#include "text/tokenizer_parts.h"

#include "base/error.h"

namespace foil::text {
using Json = nlohmann::json;

void TokenizerParts::reserve(int64_t id, const std::string& where) {
  if (id < 0 || id >= (1 << 24)) throw Error(fmt::format("token id {} is out of range", id), where);
  if (int64_t(bytes.size()) <= id) {
    bytes.resize(size_t(id) + 1);
    kinds.resize(size_t(id) + 1, EntryKind::kGap);
  }
}

void TokenizerParts::set_entry(int64_t id, std::string_view entry, const std::string& where) {
  reserve(id, where);
  std::string raw = from_byte_alphabet(entry);
  // An entry that stands for itself is longer than what its characters would give: the alphabet has one character a byte.
  const bool literal = to_byte_alphabet(raw) != entry;
  if (!literal) vocabulary.insert(raw, int32_t(id));
  bytes[size_t(id)] = std::move(raw);
  kinds[size_t(id)] = literal ? EntryKind::kLiteral : EntryKind::kAlphabet;
}

void TokenizerParts::add_merge(std::string_view left, std::string_view right, const std::string& where) {
  const std::string a = from_byte_alphabet(left), b = from_byte_alphabet(right);
  const Merge merge{vocabulary.find(a), vocabulary.find(b), vocabulary.find(a + b)};
  if (merge.left < 0 || merge.right < 0 || merge.merged < 0) {
    const std::string missing = merge.left < 0 ? std::string(left) : merge.right < 0 ? std::string(right) : fmt::format("{}{}", left, right);
    throw Error(fmt::format("merge {} needs \"{}\", which is not in the vocabulary", merges.size() + 1, missing), where,
                "the vocabulary and the merges are of different models, or the file is damaged");
  }
  merges.push_back(merge);
}

void TokenizerParts::add_merge(std::string_view both, const std::string& where) {
  const size_t space = both.find(' ');
  if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
    throw Error(fmt::format("merge {} is \"{}\", expected two entries with a space between them", merges.size() + 1, both), where);
  add_merge(both.substr(0, space), both.substr(space + 1), where);
}

void TokenizerParts::add_token(AddedToken token, const std::string& where) {
  reserve(token.id, where);
  if (kinds[size_t(token.id)] == EntryKind::kGap) {
    kinds[size_t(token.id)] = EntryKind::kAdded;
    bytes[size_t(token.id)] = from_byte_alphabet(token.content);  // as the reference's decoder reads it
  }
  added.push_back(std::move(token));
}

std::optional<int32_t> TokenizerParts::find(std::string_view token_text) const {
  for (const auto& token : added)
    if (token.content == token_text) return token.id;
  const int32_t id = vocabulary.find(token_text);
  return id < 0 ? std::nullopt : std::optional(id);
}

void read_config(TokenizerParts& parts, const Json& config, const std::string& where) {
  if (!config.is_object()) return;
  // Tokens that only tokenizer_config.json knows: transformers adds them when it loads the folder.
  if (const auto it = config.find("added_tokens_decoder"); it != config.end() && it->is_object()) {
    for (const auto& [key, value] : it->items()) {
      const int64_t id = std::strtoll(key.c_str(), nullptr, 10);
      const std::string content = value.value("content", "");
      const bool known = std::any_of(parts.added.begin(), parts.added.end(), [&](const AddedToken& t) { return t.content == content; });
      if (known || content.empty() || id < 0 || id >= (1 << 24)) continue;
      parts.add_token({int32_t(id), content, value.value("special", false), value.value("lstrip", false), value.value("rstrip", false),
                       value.value("normalized", false), value.value("single_word", false)},
                      where);
    }
  }
  const std::pair<const char*, std::optional<int32_t>*> named[] = {
      {"bos_token", &parts.bos}, {"eos_token", &parts.eos}, {"pad_token", &parts.pad}, {"unk_token", &parts.unk}};
  for (const auto& [key, id] : named) {
    const auto it = config.find(key);
    if (it == config.end() || it->is_null()) continue;
    const std::string content = it->is_object() ? it->value("content", "") : it->get<std::string>();
    *id = parts.find(content);
    if (!*id) continue;
    parts.special_tokens[key] = content;
    const bool is_added = std::any_of(parts.added.begin(), parts.added.end(), [&](const AddedToken& t) { return t.id == **id; });
    if (!is_added) parts.add_token({**id, content, true}, where);
  }
  if (const auto it = config.find("chat_template"); it != config.end()) {
    if (it->is_string()) parts.chat_template = it->get<std::string>();
    if (it->is_array())
      for (const auto& entry : *it)
        if (entry.value("name", "") == "default") parts.chat_template = entry.at("template").get<std::string>();
  }
  if (const auto it = config.find("model_max_length"); it != config.end() && it->is_number()) {
    const double length = it->get<double>();
    parts.model_max_length = length > 0 && length < 1e9 ? int64_t(length) : 0;  // transformers writes 1e30 for "unknown"
  }
}

}  // namespace foil::text
