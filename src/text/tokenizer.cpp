#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

namespace foil::text {
using Json = nlohmann::json;
namespace fs = std::filesystem;

struct Tokenizer::Impl {
  Json source, config;
  std::vector<std::string> bytes;                       // id → raw bytes
  std::unordered_map<std::string, int32_t> vocab;       // raw bytes → id
  std::unordered_map<uint64_t, std::pair<int32_t, int32_t>> merges;  // (left, right) → rank, merged id
  std::array<int32_t, 256> byte_id;
  bool ignore_merges = false, nfc = false;
  PreTokenizer pretokenizer;
  std::vector<AddedToken> added;
  std::unordered_map<int32_t, size_t> added_at;         // id → index in `added`
  std::array<std::vector<size_t>, 256> raw_starts, normalized_starts;  // first byte → added tokens, longest first
  std::vector<int32_t> before, after;                   // what add_special puts around the text
  std::optional<int32_t> bos, eos, pad;
  std::string chat_template;
  uint64_t fingerprint = 0;

  void word(std::string_view piece, std::vector<int32_t>& out) const;
  void plain(std::string_view text, std::vector<int32_t>& out) const;
  void with_added(std::string_view text, bool normalized, std::vector<int32_t>& out) const;
};

static uint64_t pair_key(int32_t a, int32_t b) { return (uint64_t(uint32_t(a)) << 32) | uint32_t(b); }

// BPE of one word: merge the pair of lowest rank, leftmost first, until none is left.
void Tokenizer::Impl::word(std::string_view piece, std::vector<int32_t>& out) const {
  struct Cache {
    uint64_t owner = 0;
    std::unordered_map<std::string, std::vector<int32_t>> words;
  };
  thread_local Cache cache;
  if (cache.owner != fingerprint || cache.words.size() > 65536) cache = {fingerprint, {}};
  const bool keep = piece.size() <= 64;
  if (keep) {
    const auto it = cache.words.find(std::string(piece));
    if (it != cache.words.end()) {
      out.insert(out.end(), it->second.begin(), it->second.end());
      return;
    }
  }
  std::vector<int32_t> ids;
  const auto whole = ignore_merges ? vocab.find(std::string(piece)) : vocab.end();
  if (whole != vocab.end()) {
    ids.push_back(whole->second);
  } else {
    // A doubly linked list of symbols and a heap of candidate merges: O(n log n) however long the word.
    struct Node {
      int32_t id, previous, next;
    };
    struct Candidate {
      int32_t rank, left, left_id, right_id, merged;
      bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
    };
    std::vector<Node> nodes;
    for (const unsigned char c : piece)
      if (byte_id[c] >= 0) nodes.push_back({byte_id[c], int32_t(nodes.size()) - 1, int32_t(nodes.size()) + 1});
    if (!nodes.empty()) nodes.back().next = -1;
    std::vector<Candidate> heap;
    auto consider = [&](int32_t left) {
      if (left < 0 || nodes[left].next < 0) return;
      const int32_t a = nodes[left].id, b = nodes[nodes[left].next].id;
      const auto it = merges.find(pair_key(a, b));
      if (it == merges.end()) return;
      heap.push_back({it->second.first, left, a, b, it->second.second});
      std::push_heap(heap.begin(), heap.end());
    };
    for (int32_t i = 0; i + 1 < int32_t(nodes.size()); ++i) consider(i);
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      const Candidate c = heap.back();
      heap.pop_back();
      Node& left = nodes[c.left];
      if (left.id != c.left_id || left.next < 0 || nodes[left.next].id != c.right_id) continue;  // out of date
      Node& right = nodes[left.next];
      left.id = c.merged;
      right.id = -1;
      left.next = right.next;
      if (left.next >= 0) nodes[left.next].previous = c.left;
      consider(left.previous);
      consider(c.left);
    }
    for (int32_t i = 0; i >= 0 && i < int32_t(nodes.size()); i = nodes[i].next) ids.push_back(nodes[i].id);
  }
  out.insert(out.end(), ids.begin(), ids.end());
  if (keep) cache.words.emplace(piece, std::move(ids));
}

void Tokenizer::Impl::plain(std::string_view text, std::vector<int32_t>& out) const {
  thread_local std::vector<std::string_view> pieces;
  if (pretokenizer.prefix_space() && !text.empty() && text[0] != ' ') {
    const std::string spaced = " " + std::string(text);
    pretokenizer.split(spaced, pieces);
    for (const auto piece : pieces) word(piece, out);
    return;
  }
  pretokenizer.split(text, pieces);
  for (const auto piece : pieces) word(piece, out);
}

static bool word_character(unsigned char c) { return std::isalnum(c) || c == '_' || c >= 0x80; }

// Cuts out added tokens (first those matched on the raw text, then, after NFC, the normalised ones) and tokenises what lies between.
void Tokenizer::Impl::with_added(std::string_view text, bool normalized, std::vector<int32_t>& out) const {
  const auto& starts = normalized ? normalized_starts : raw_starts;
  size_t begin = 0;
  auto flush = [&](size_t end) {
    const std::string_view between = text.substr(begin, end - begin);
    if (between.empty()) return;
    if (normalized)
      plain(between, out);
    else if (nfc)
      with_added(text::nfc(between), true, out);
    else
      with_added(between, true, out);
  };
  for (size_t i = 0; i < text.size();) {
    const AddedToken* found = nullptr;
    for (const size_t index : starts[static_cast<unsigned char>(text[i])]) {
      const AddedToken& token = added[index];
      if (text.substr(i, token.content.size()) != token.content) continue;
      const size_t end = i + token.content.size();
      if (token.single_word && ((i > 0 && word_character(text[i - 1])) || (end < text.size() && word_character(text[end])))) continue;
      found = &token;
      break;
    }
    if (!found) {
      ++i;
      continue;
    }
    size_t end = i + found->content.size(), stop = i;
    if (found->lstrip)
      while (stop > begin && std::isspace(static_cast<unsigned char>(text[stop - 1]))) --stop;
    if (found->rstrip)
      while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end]))) ++end;
    flush(stop);
    out.push_back(found->id);
    begin = i = end;
  }
  flush(text.size());
}

Tokenizer Tokenizer::load(const fs::path& folder) {
  const fs::path path = fs::is_directory(folder) ? folder / "tokenizer.json" : folder;
  auto read = [](const fs::path& p) {
    try {
      return Json::parse(read_file(p));
    } catch (const Json::exception& e) {
      throw Error(fmt::format("not JSON: {}", e.what()), p.string(), "the file may be truncated; copy it again");
    }
  };
  if (!fs::exists(path))
    throw Error("there is no tokenizer.json", folder.string(), "a model folder needs one; foil convert makes it from a GGUF file");
  const fs::path config = path.parent_path() / "tokenizer_config.json", chat = path.parent_path() / "chat_template.jinja";
  Json settings = fs::exists(config) ? read(config) : Json();
  if (fs::exists(chat)) settings["chat_template"] = read_file(chat);
  return from_json(read(path), settings, path.string());
}

Tokenizer Tokenizer::from_json(const Json& j, const Json& config, const std::string& where) {
  auto impl = std::make_shared<Impl>();
  Impl& t = *impl;
  t.source = j;
  t.config = config.is_object() ? config : Json::object();
  try {
    const Json& model = j.at("model");
    const std::string type = model.value("type", "BPE");
    if (type != "BPE" || model.value("byte_fallback", false))
      throw Error(fmt::format("tokenizer model {}{} is not supported", type, model.value("byte_fallback", false) ? " with byte_fallback" : ""), where,
                  "supported: byte-level BPE (GPT-2, SmolLM, Llama 3, Qwen2, Qwen3)");
    for (const char* option : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (model.contains(option) && model[option].is_string() && !model[option].get<std::string>().empty())
        throw Error(fmt::format("tokenizer option {} is not supported", option), where);
    t.ignore_merges = model.value("ignore_merges", false);
    auto put = [&](int64_t id, std::string raw) {
      if (id < 0 || id > (1 << 24)) throw Error(fmt::format("token id {} is out of range", id), where);
      if (int64_t(t.bytes.size()) <= id) t.bytes.resize(size_t(id) + 1);
      t.bytes[size_t(id)] = std::move(raw);
    };
    std::unordered_map<std::string, int32_t> spelt;  // in the byte alphabet
    for (const auto& [entry, id] : model.at("vocab").items()) {
      const auto n = id.get<int32_t>();
      spelt[entry] = n;
      std::string raw = from_byte_alphabet(entry);
      t.vocab[raw] = n;
      put(n, std::move(raw));
    }
    for (int b = 0; b < 256; ++b) {
      const auto it = spelt.find(byte_alphabet()[b]);
      t.byte_id[b] = it == spelt.end() ? -1 : it->second;
    }
    int32_t rank = 0;
    for (const auto& merge : model.at("merges")) {
      std::string left, right;
      if (merge.is_array()) {
        left = merge.at(0), right = merge.at(1);
      } else {
        const auto text = merge.get<std::string>();
        const size_t space = text.find(' ');
        left = text.substr(0, space), right = text.substr(space + 1);
      }
      const auto a = spelt.find(left), b = spelt.find(right), m = spelt.find(left + right);
      if (a == spelt.end() || b == spelt.end() || m == spelt.end())
        throw Error(fmt::format("merge {} (\"{} {}\") uses a token the vocabulary lacks", rank, left, right), where, "the file is damaged");
      t.merges.emplace(pair_key(a->second, b->second), std::pair{rank, m->second});
      ++rank;
    }
    const Json normalizer = j.value("normalizer", Json());
    std::function<void(const Json&)> normalise = [&](const Json& n) {
      if (n.is_null()) return;
      const std::string kind = n.value("type", "");
      if (kind == "Sequence")
        for (const auto& part : n.at("normalizers")) normalise(part);
      else if (kind == "NFC")
        t.nfc = true;
      else
        throw Error(fmt::format("normalizer \"{}\" is not supported", kind), where, "supported: NFC, none");
    };
    normalise(normalizer);
    t.pretokenizer = PreTokenizer::from_json(j.value("pre_tokenizer", Json()), where);
    for (const auto& a : j.value("added_tokens", Json::array())) {
      AddedToken token{a.at("id"), a.at("content"), a.value("special", false), a.value("lstrip", false), a.value("rstrip", false), a.value("normalized", false),
                       a.value("single_word", false)};
      put(token.id, token.content);
      t.added_at[token.id] = t.added.size();
      t.added.push_back(std::move(token));
    }
    for (size_t i = 0; i < t.added.size(); ++i) {
      const AddedToken& a = t.added[i];
      if (a.content.empty()) continue;
      (a.normalized && !a.special ? t.normalized_starts : t.raw_starts)[static_cast<unsigned char>(a.content[0])].push_back(i);
    }
    for (auto* starts : {&t.raw_starts, &t.normalized_starts})
      for (auto& list : *starts)
        std::stable_sort(list.begin(), list.end(), [&](size_t x, size_t y) { return t.added[x].content.size() > t.added[y].content.size(); });

    std::function<void(const Json&)> post = [&](const Json& p) {
      if (p.is_null()) return;
      const std::string kind = p.value("type", "");
      if (kind == "Sequence") {
        for (const auto& part : p.at("processors")) post(part);
      } else if (kind == "TemplateProcessing") {
        bool seen = false;
        for (const auto& piece : p.at("single")) {
          if (piece.contains("Sequence")) seen = true;
          if (piece.contains("SpecialToken"))
            for (const auto& id : p.at("special_tokens").at(piece["SpecialToken"].at("id").get<std::string>()).at("ids")) (seen ? t.after : t.before).push_back(id);
        }
      }
    };
    post(j.value("post_processor", Json()));
  } catch (const Json::exception& e) {
    throw Error(fmt::format("this tokenizer.json cannot be read: {}", e.what()), where);
  }

  std::unordered_map<std::string, int32_t> by_content;
  for (const auto& a : t.added) by_content[a.content] = a.id;
  auto named = [&](const char* key) -> std::optional<int32_t> {
    const auto it = t.config.find(key);
    if (it == t.config.end() || it->is_null()) return std::nullopt;
    const std::string content = it->is_object() ? it->value("content", "") : it->get<std::string>();
    if (const auto a = by_content.find(content); a != by_content.end()) return a->second;
    if (const auto v = t.vocab.find(content); v != t.vocab.end()) return v->second;
    return std::nullopt;
  };
  t.bos = named("bos_token"), t.eos = named("eos_token"), t.pad = named("pad_token");
  if (const auto it = t.config.find("chat_template"); it != t.config.end()) {
    if (it->is_string()) t.chat_template = it->get<std::string>();
    if (it->is_array())
      for (const auto& named_template : *it)
        if (named_template.value("name", "") == "default") t.chat_template = named_template.at("template");
  }
  t.fingerprint = hash64(j.dump(-1, ' ', false, Json::error_handler_t::replace));
  Tokenizer out;
  out.impl_ = std::move(impl);
  return out;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  std::vector<int32_t> out;
  if (add_special) out = impl_->before;
  if (valid_utf8_prefix(text) == text.size())
    impl_->with_added(text, false, out);
  else
    impl_->with_added(repair_utf8(text), false, out);
  if (add_special) out.insert(out.end(), impl_->after.begin(), impl_->after.end());
  return out;
}

std::string Tokenizer::decode(const std::vector<int32_t>& ids, bool skip_special) const {
  std::string raw;
  for (const int32_t id : ids)
    if (!(skip_special && is_special(id))) raw += bytes(id);
  return repair_utf8(raw);
}

const std::string& Tokenizer::bytes(int32_t id) const {
  static const std::string none;
  return id >= 0 && size_t(id) < impl_->bytes.size() ? impl_->bytes[size_t(id)] : none;
}

int32_t Tokenizer::vocab_size() const { return int32_t(impl_->bytes.size()); }

std::optional<int32_t> Tokenizer::id(std::string_view token_text) const {
  for (const auto& a : impl_->added)
    if (a.content == token_text) return a.id;
  const auto it = impl_->vocab.find(std::string(token_text));
  return it == impl_->vocab.end() ? std::nullopt : std::optional(it->second);
}

bool Tokenizer::is_special(int32_t id) const {
  const auto it = impl_->added_at.find(id);
  return it != impl_->added_at.end() && impl_->added[it->second].special;
}

std::optional<int32_t> Tokenizer::bos() const { return impl_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return impl_->eos; }
std::optional<int32_t> Tokenizer::pad() const { return impl_->pad; }
const std::string& Tokenizer::chat_template() const { return impl_->chat_template; }
const std::vector<AddedToken>& Tokenizer::added() const { return impl_->added; }
uint64_t Tokenizer::fingerprint() const { return impl_->fingerprint; }

void Tokenizer::save(const fs::path& folder) const {
  auto dump = [](const Json& j) { return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; };
  write_file(folder / "tokenizer.json", dump(impl_->source));
  write_file(folder / "tokenizer_config.json", dump(impl_->config));
}

}  // namespace foil::text
