// Vocabularies out of GGUF metadata, and Hugging Face files for tokenizers that did not come from such files.
#include "base/error.h"
#include "io/gguf.h"
#include "text/tokenizer_parts.h"

namespace foil::text {
using Json = nlohmann::json;

namespace {

struct PreRule {
  const char* name;  // tokenizer.ggml.pre, as llama.cpp's converter names it
  Splitter splitter;
  NormalForm form;
  bool ignore_merges;
};
// The form is what the model's own tokenizer.json asks for; llama.cpp itself does not normalise.
const PreRule kPreRules[] = {
    {"gpt-2", Splitter::kGpt2, NormalForm::kNone, false},       {"phi-2", Splitter::kGpt2, NormalForm::kNone, false},
    {"smollm", Splitter::kSmolLm, NormalForm::kNone, false},    {"starcoder", Splitter::kSmolLm, NormalForm::kNone, false},
    {"refact", Splitter::kSmolLm, NormalForm::kNone, false},    {"llama-bpe", Splitter::kLlama3, NormalForm::kNone, true},
    {"llama-v3", Splitter::kLlama3, NormalForm::kNone, true},   {"llama3", Splitter::kLlama3, NormalForm::kNone, true},
    {"qwen2", Splitter::kQwen2, NormalForm::kNfc, false},       {"deepseek-r1-qwen", Splitter::kQwen2, NormalForm::kNfc, false}};

// What llama.cpp takes for the end of a completion besides eos and eot.
const char* kEndNames[] = {"<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>"};

}  // namespace

GgufVocab read_gguf_vocab(const io::GgufFile& file, const std::string& where) {
  GgufVocab v;
  const auto* tokens = file.strings("tokenizer.ggml.tokens");
  const auto model = file.string("tokenizer.ggml.model");
  if (!tokens || !model) throw Error("the file holds no vocabulary (tokenizer.ggml.tokens)", where, "take the tokenizer from the model's Hugging Face folder");
  v.model = *model;
  v.tokens = *tokens;
  v.pre = file.string("tokenizer.ggml.pre").value_or("");
  if (const auto* types = file.integers("tokenizer.ggml.token_type")) v.token_types.assign(types->begin(), types->end());
  if (const auto* merges = file.strings("tokenizer.ggml.merges")) v.merges = *merges;
  const std::pair<const char*, int64_t*> ids[] = {{"bos", &v.bos}, {"eos", &v.eos}, {"eot", &v.eot}, {"unknown", &v.unknown}, {"padding", &v.padding}};
  for (const auto& [name, id] : ids) *id = file.integer(fmt::format("tokenizer.ggml.{}_token_id", name)).value_or(-1);
  v.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(false);
  v.add_eos = file.boolean("tokenizer.ggml.add_eos_token").value_or(false);
  v.chat_template = file.string("tokenizer.chat_template").value_or("");
  return v;
}

TokenizerParts parts_from_gguf(const GgufVocab& v, const std::string& where) {
  if (v.model != "gpt2")
    throw Error(fmt::format("tokenizer model \"{}\" is not supported", v.model), where, "supported: \"gpt2\", which is byte-level BPE (GPT-2, SmolLM, Llama 3, Qwen2, Qwen3)");
  const PreRule* rule = nullptr;
  std::string names;
  for (const auto& r : kPreRules) {
    if (v.pre == r.name) rule = &r;
    names += (names.empty() ? "" : ", ") + std::string(r.name);
  }
  if (!rule) throw Error(fmt::format("pre-tokenizer \"{}\" is not known", v.pre), where + ": tokenizer.ggml.pre", "known: " + names);
  if (!v.token_types.empty() && v.token_types.size() != v.tokens.size())
    throw Error(fmt::format("{} token types for {} tokens", v.token_types.size(), v.tokens.size()), where);
  TokenizerParts parts;
  parts.form = rule->form;
  parts.ignore_merges = rule->ignore_merges;
  parts.pretokenizer = PreTokenizer(rule->splitter);
  parts.pretokenizer_json = to_json(rule->splitter);
  auto type_of = [&](size_t i) { return v.token_types.empty() ? GgufTokenType::kNormal : GgufTokenType(v.token_types[i]); };
  size_t count = v.tokens.size();  // rows of padding at the end are no tokens
  while (count > 0 && type_of(count - 1) == GgufTokenType::kUnused) --count;
  for (size_t i = 0; i < count; ++i) {
    const auto type = type_of(i);
    parts.set_entry(int64_t(i), v.tokens[i], where);
    if (type == GgufTokenType::kControl || type == GgufTokenType::kUnknown) parts.add_token({int32_t(i), v.tokens[i], true}, where);
    if (type == GgufTokenType::kUserDefined) parts.add_token({int32_t(i), v.tokens[i], false}, where);
  }
  for (const auto& merge : v.merges) parts.add_merge(merge, where);
  auto named = [&](int64_t id, const char* key) -> std::optional<int32_t> {
    if (id < 0) return std::nullopt;
    if (id >= int64_t(v.tokens.size())) throw Error(fmt::format("{} is {}, but there are {} tokens", key, id, v.tokens.size()), where);
    if (id >= int64_t(count)) return std::nullopt;
    parts.special_tokens[key] = v.tokens[size_t(id)];
    return int32_t(id);
  };
  parts.bos = named(v.bos, "bos_token"), parts.eos = named(v.eos, "eos_token"), parts.pad = named(v.padding, "pad_token"), parts.unk = named(v.unknown, "unk_token");
  if (v.eot >= 0 && v.eot < int64_t(count)) parts.end_tokens.push_back(int32_t(v.eot));
  for (const char* name : kEndNames)
    for (const auto& token : parts.added)
      if (token.content == name) parts.end_tokens.push_back(token.id);
  if (v.add_bos && parts.bos) parts.before = {*parts.bos};
  if (v.add_eos && parts.eos) parts.after = {*parts.eos};
  parts.chat_template = v.chat_template;
  return parts;
}

static Json token_json(const AddedToken& t) {
  return {{"content", t.content}, {"single_word", t.single_word}, {"lstrip", t.lstrip}, {"rstrip", t.rstrip}, {"normalized", t.normalized}, {"special", t.special}};
}

static std::string quoted(const std::string& s) { return Json(s).dump(-1, ' ', false, Json::error_handler_t::replace); }

static std::string tokenizer_json(const TokenizerParts& p) {
  auto entry = [&](int32_t id) {
    const auto& bytes = p.bytes[size_t(id)];
    return p.kinds[size_t(id)] == EntryKind::kAlphabet ? to_byte_alphabet(bytes) : bytes;
  };
  Json added = Json::array();
  for (const auto& t : p.added) {
    Json j = token_json(t);
    j["id"] = t.id;
    added.push_back(std::move(j));
  }
  static const char* kForms[] = {"", "NFC", "NFD", "NFKC", "NFKD"};
  const Json normalizer = p.form == NormalForm::kNone ? Json() : Json{{"type", kForms[int(p.form)]}};
  const Json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", p.pretokenizer.prefix_space()}, {"trim_offsets", true}, {"use_regex", true}};
  Json post;
  if (!p.before.empty() || !p.after.empty()) {
    Json single = Json::array(), pair = Json::array(), specials = Json::object();
    auto special = [&](int32_t id, int sequence) {
      std::string content = entry(id);
      for (const auto& t : p.added)
        if (t.id == id) content = t.content;
      specials[content] = {{"id", content}, {"ids", {id}}, {"tokens", {content}}};
      return Json{{"SpecialToken", {{"id", content}, {"type_id", sequence}}}};
    };
    for (int sequence = 0; sequence < 2; ++sequence) {
      Json part = Json::array();
      for (const int32_t id : p.before) part.push_back(special(id, sequence));
      part.push_back({{"Sequence", {{"id", sequence ? "B" : "A"}, {"type_id", sequence}}}});
      for (const int32_t id : p.after) part.push_back(special(id, sequence));
      if (sequence == 0) single = part;
      pair.insert(pair.end(), part.begin(), part.end());
    }
    post = {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
  }
  std::string out = "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": " + added.dump() +
                    ",\n  \"normalizer\": " + normalizer.dump() + ",\n  \"pre_tokenizer\": " + p.pretokenizer_json.dump() +
                    ",\n  \"post_processor\": " + post.dump() + ",\n  \"decoder\": " + byte_level.dump() +
                    ",\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": " +
                    (p.unknown < 0 ? std::string("null") : quoted(entry(p.unknown))) +
                    ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n"
                    "    \"ignore_merges\": " + (p.ignore_merges ? "true" : "false") + ",\n    \"vocab\": {";
  const char* separator = "\n";
  for (size_t i = 0; i < p.bytes.size(); ++i) {
    if (p.kinds[i] != EntryKind::kAlphabet && p.kinds[i] != EntryKind::kLiteral) continue;
    out += fmt::format("{}      {}: {}", separator, quoted(entry(int32_t(i))), i);
    separator = ",\n";
  }
  out += "\n    },\n    \"merges\": [";
  separator = "\n";
  for (const auto& m : p.merges) {
    out += fmt::format("{}      {}", separator, quoted(entry(m.left) + " " + entry(m.right)));
    separator = ",\n";
  }
  return out + (p.merges.empty() ? "]\n  }\n}\n" : "\n    ]\n  }\n}\n");
}

std::map<std::string, std::string> generate_files(const TokenizerParts& p) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}, {"add_prefix_space", p.pretokenizer.prefix_space()}};
  Json decoder = Json::object(), specials = Json::object();
  for (const auto& t : p.added) decoder[std::to_string(t.id)] = token_json(t);
  config["added_tokens_decoder"] = decoder;
  for (const auto& [key, content] : p.special_tokens) config[key] = specials[key] = content;
  if (p.model_max_length > 0) config["model_max_length"] = p.model_max_length;
  if (!p.chat_template.empty()) config["chat_template"] = p.chat_template;
  std::vector<int32_t> ends;
  if (p.eos) ends.push_back(*p.eos);
  for (const int32_t id : p.end_tokens)
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  Json generation = Json::object();
  if (p.bos) generation["bos_token_id"] = *p.bos;
  if (p.pad) generation["pad_token_id"] = *p.pad;
  if (!ends.empty()) generation["eos_token_id"] = ends.size() == 1 ? Json(ends[0]) : Json(ends);
  auto text = [](const Json& j) { return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; };
  return {{"tokenizer.json", tokenizer_json(p)}, {"tokenizer_config.json", text(config)}, {"special_tokens_map.json", text(specials)}, {"generation_config.json", text(generation)}};
}

}  // namespace foil::text
