// Reading tokenizer.json and the files around it.
//
// vocab and merges make up nearly the whole file; they are cut out and read by a small scanner (a document tree of them would take most of
// the start-up time of a program), the rest goes through nlohmann::json.
#include <charconv>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/tokenizer_parts.h"

namespace foil::text {
using Json = nlohmann::json;
namespace fs = std::filesystem;

namespace {

[[noreturn]] void damaged(const std::string& where, const std::string& what) {
  throw Error(fmt::format("not a readable tokenizer.json: {}", what), where, "the file may be truncated; copy it again");
}

// Walks over JSON text without building anything.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  size_t position() const { return at_; }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
    if (at_ == text_.size()) damaged(where_, "it ends too early");
    return text_[at_];
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) damaged(where_, fmt::format("expected '{}' at byte {}", c, at_));
  }
  // The next string; valid until the next call.
  std::string_view string() {
    expect('"');
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') ++at_;
    if (at_ < text_.size() && text_[at_] == '"') return text_.substr(begin, at_++ - begin);
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) damaged(where_, "a string does not end");
    ++at_;
    try {
      escaped_ = Json::parse(text_.substr(begin - 1, at_ - begin + 1)).get<std::string>();
    } catch (const Json::exception& e) {
      damaged(where_, fmt::format("the string at byte {}: {}", begin, e.what()));
    }
    return escaped_;
  }
  int64_t integer() {
    peek();
    int64_t value = 0;
    const auto result = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (result.ec != std::errc()) damaged(where_, fmt::format("expected a whole number at byte {}", at_));
    at_ = size_t(result.ptr - text_.data());
    return value;
  }
  void skip_value() {
    int depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        skip_string();
      } else {
        ++at_;
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        if (depth == 0 && c != '}' && c != ']') {  // a number or a word
          while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '}' && text_[at_] != ']') ++at_;
        }
      }
    } while (depth > 0);
  }

 private:
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    if (at_ >= text_.size()) damaged(where_, "a string does not end");
    ++at_;
  }
  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  std::string escaped_;
};

struct Section {
  size_t begin = 0, end = 0;
};

// Where model.vocab and model.merges stand, {0, 0} if they do not.
std::pair<Section, Section> big_sections(std::string_view text, const std::string& where) {
  JsonScanner scanner(text, where);
  Section vocab, merges;
  auto members = [&](auto&& visit) {
    scanner.expect('{');
    if (scanner.take('}')) return;
    do {
      const std::string key(scanner.string());
      scanner.expect(':');
      scanner.peek();
      visit(key);
    } while (scanner.take(','));
    scanner.expect('}');
  };
  members([&](const std::string& key) {
    if (key != "model" || scanner.peek() != '{') return scanner.skip_value();
    members([&](const std::string& inner) {
      const size_t begin = scanner.position();
      const char first = scanner.peek();
      scanner.skip_value();
      if (inner == "vocab" && first == '{') vocab = {begin, scanner.position()};
      if (inner == "merges" && first == '[') merges = {begin, scanner.position()};
    });
  });
  return {vocab, merges};
}

void read_vocab(std::string_view text, TokenizerParts& parts, const std::string& where) {
  JsonScanner scanner(text, where);
  scanner.expect('{');
  if (scanner.take('}')) return;
  std::string entry;
  do {
    entry = scanner.string();
    scanner.expect(':');
    parts.set_entry(scanner.integer(), entry, where);
  } while (scanner.take(','));
  scanner.expect('}');
}

void read_merges(std::string_view text, TokenizerParts& parts, const std::string& where) {
  JsonScanner scanner(text, where);
  scanner.expect('[');
  if (scanner.take(']')) return;
  std::string left;
  do {
    if (scanner.take('[')) {
      left = scanner.string();
      scanner.expect(',');
      parts.add_merge(left, scanner.string(), where);
      scanner.expect(']');
    } else {
      parts.add_merge(scanner.string(), where);
    }
  } while (scanner.take(','));
  scanner.expect(']');
}

void read_normalizer(const Json& j, TokenizerParts& parts, const std::string& where) {
  if (j.is_null()) return;
  const std::string type = j.value("type", "");
  if (type == "Sequence") {
    for (const auto& part : j.at("normalizers")) read_normalizer(part, parts, where);
    return;
  }
  static const std::pair<const char*, NormalForm> kForms[] = {{"NFC", NormalForm::kNfc}, {"NFD", NormalForm::kNfd}, {"NFKC", NormalForm::kNfkc}, {"NFKD", NormalForm::kNfkd}};
  for (const auto& [name, form] : kForms) {
    if (type != name) continue;
    if (parts.form != NormalForm::kNone) throw Error("more than one normalizer is not supported", where);
    parts.form = form;
    return;
  }
  throw Error(fmt::format("normalizer \"{}\" is not supported", type), where, "supported: NFC, NFD, NFKC, NFKD");
}

void read_post_processor(const Json& j, TokenizerParts& parts, const std::string& where) {
  if (j.is_null()) return;
  const std::string type = j.value("type", "");
  if (type == "Sequence") {
    for (const auto& part : j.at("processors")) read_post_processor(part, parts, where);
  } else if (type == "TemplateProcessing") {
    bool seen = false;
    for (const auto& piece : j.at("single")) {
      if (piece.contains("Sequence")) seen = true;
      if (piece.contains("SpecialToken"))
        for (const auto& id : j.at("special_tokens").at(piece["SpecialToken"].at("id").get<std::string>()).at("ids"))
          (seen ? parts.after : parts.before).push_back(id);
    }
  } else if (type != "ByteLevel") {  // which only moves offsets
    throw Error(fmt::format("post-processor \"{}\" is not supported", type), where, "supported: TemplateProcessing, ByteLevel");
  }
}

bool has_byte_level(const Json& decoder) {
  if (decoder.is_null()) return true;
  if (decoder.value("type", "") == "Sequence") {
    for (const auto& part : decoder.at("decoders"))
      if (has_byte_level(part)) return true;
    return false;
  }
  return decoder.value("type", "") == "ByteLevel";
}

void read_rules(const Json& j, TokenizerParts& parts, const std::string& where) {
  const Json& model = j.at("model");
  const std::string type = model.value("type", "BPE");
  const bool fallback = model.value("byte_fallback", false);
  const char* supported = "supported: byte-level BPE (GPT-2, SmolLM, Llama 3, Qwen2, Qwen3)";
  if (type != "BPE" || fallback) throw Error(fmt::format("tokenizer model {}{} is not supported", type, fallback ? " with byte_fallback" : ""), where, supported);
  for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (model.contains(option) && model[option].is_string() && !model[option].get<std::string>().empty())
      throw Error(fmt::format("tokenizer option {} is not supported", option), where);
  parts.ignore_merges = model.value("ignore_merges", false);
  read_normalizer(j.value("normalizer", Json()), parts, where);
  parts.pretokenizer_json = j.value("pre_tokenizer", Json());
  parts.pretokenizer = PreTokenizer::from_json(parts.pretokenizer_json, where);
  if (!parts.pretokenizer.byte_level() || !has_byte_level(j.value("decoder", Json())))
    throw Error("the vocabulary is not byte-level (no ByteLevel in pre_tokenizer and decoder)", where, supported);
  for (const auto& token : j.value("added_tokens", Json::array()))
    parts.add_token({token.at("id"), token.at("content"), token.value("special", false), token.value("lstrip", false), token.value("rstrip", false),
                     token.value("normalized", false), token.value("single_word", false)},
                    where);
  read_post_processor(j.value("post_processor", Json()), parts, where);
  if (const auto it = model.find("unk_token"); it != model.end() && it->is_string()) {
    const auto id = parts.find(from_byte_alphabet(it->get<std::string>()));
    parts.unknown = id.value_or(-1);
  }
}

Json read_json(const fs::path& path) {
  try {
    return Json::parse(read_file(path));
  } catch (const Json::exception& e) {
    throw Error(fmt::format("not JSON: {}", e.what()), path.string(), "the file may be truncated; copy it again");
  }
}

// Models of before tokenizer.json: vocab.json and merges.txt, the rules known by the class's name.
TokenizerParts parts_from_vocab_files(const fs::path& folder, const Json& config) {
  const std::string where = (folder / "vocab.json").string(), name = config.is_object() ? config.value("tokenizer_class", "") : "";
  TokenizerParts parts;
  const bool qwen = name.starts_with("Qwen2Tokenizer");
  if (!qwen && !name.starts_with("GPT2Tokenizer"))
    throw Error(fmt::format("there is no tokenizer.json, and the rules of tokenizer class \"{}\" are not known", name), folder.string(),
                "load and save the model with transformers: it writes tokenizer.json");
  parts.form = qwen ? NormalForm::kNfc : NormalForm::kNone;
  const Splitter splitter = qwen ? Splitter::kQwen2 : Splitter::kGpt2;
  parts.pretokenizer_json = to_json(splitter);
  parts.pretokenizer = PreTokenizer(splitter);
  read_vocab(read_file(folder / "vocab.json"), parts, where);
  const std::string merges = read_file(folder / "merges.txt"), merges_where = (folder / "merges.txt").string();
  for (size_t begin = 0; begin < merges.size();) {
    const size_t end = std::min(merges.find('\n', begin), merges.size());
    std::string_view line = std::string_view(merges).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) parts.add_merge(line, merges_where);
    begin = end + 1;
  }
  if (const fs::path path = folder / "added_tokens.json"; fs::exists(path) && !config.contains("added_tokens_decoder")) {
    const Json added = read_json(path);
    for (const auto& [content, id] : added.items()) parts.add_token({id, content, true}, path.string());
  }
  return parts;
}

}  // namespace

TokenizerParts parts_from_json(const std::string& text, const Json& config, const std::string& where) {
  TokenizerParts parts;
  const auto [vocab, merges] = big_sections(text, where);
  // The rest of the document, with the two sections left out.
  std::string rest;
  size_t at = 0;
  for (const auto& [section, stub] : vocab.begin <= merges.begin ? std::array{std::pair{vocab, "{}"}, std::pair{merges, "[]"}}
                                                                 : std::array{std::pair{merges, "[]"}, std::pair{vocab, "{}"}}) {
    if (section.end == 0) continue;
    rest.append(text, at, section.begin - at).append(stub);
    at = section.end;
  }
  rest.append(text, at);
  try {
    const Json j = Json::parse(rest);
    if (vocab.end && j.at("model").value("type", "BPE") == "BPE") read_vocab(std::string_view(text).substr(vocab.begin, vocab.end - vocab.begin), parts, where);
    read_rules(j, parts, where);
    if (parts.vocabulary.size() == 0) throw Error("the vocabulary is empty", where);
    if (merges.end) read_merges(std::string_view(text).substr(merges.begin, merges.end - merges.begin), parts, where);
    read_config(parts, config, where);
  } catch (const Json::exception& e) {
    throw Error(fmt::format("this tokenizer.json cannot be read: {}", e.what()), where);
  }
  return parts;
}

TokenizerParts parts_from_folder(const fs::path& path) {
  const bool is_folder = fs::is_directory(path);
  const fs::path folder = is_folder ? path : path.parent_path(), file = is_folder ? path / "tokenizer.json" : path;
  Json config;
  std::map<std::string, std::string> files;
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"})
    if (fs::exists(folder / name)) files[name] = read_file(folder / name);
  for (const char* name : {"special_tokens_map.json", "tokenizer_config.json"}) {
    if (!files.contains(name)) continue;
    const Json read = read_json(folder / name);
    if (config.is_null()) config = Json::object();
    if (read.is_object()) config.update(read);
  }
  if (files.contains("chat_template.jinja")) config["chat_template"] = files["chat_template.jinja"];

  TokenizerParts parts;
  if (fs::exists(file)) {
    files["tokenizer.json"] = read_file(file);
    parts = parts_from_json(files["tokenizer.json"], config, file.string());
    parts.files = std::move(files);
  } else if (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt")) {
    parts = parts_from_vocab_files(folder, config);
    read_config(parts, config, folder.string());
  } else {
    throw Error("there is no tokenizer.json", path.string(), "a model folder needs one; foil convert makes it from a GGUF file");
  }
  // The ids that end a completion, and those that tokenizer_config.json did not name.
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (!fs::exists(folder / name)) continue;
    const Json j = read_json(folder / name);
    auto ids = [&](const char* key) {
      std::vector<int32_t> out;
      const auto it = j.find(key);
      if (it == j.end()) return out;
      for (const auto& id : it->is_array() ? *it : Json::array({*it}))
        if (id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < int64_t(parts.bytes.size())) out.push_back(id);
      return out;
    };
    if (parts.end_tokens.empty()) parts.end_tokens = ids("eos_token_id");
    if (const auto v = ids("eos_token_id"); !parts.eos && !v.empty()) parts.eos = v[0];
    if (const auto v = ids("bos_token_id"); !parts.bos && !v.empty()) parts.bos = v[0];
    if (const auto v = ids("pad_token_id"); !parts.pad && !v.empty()) parts.pad = v[0];
  }
  return parts;
}

}  // namespace foil::text
