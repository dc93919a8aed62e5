#include "text/tokenizer.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/random.h"
#include "io/gguf.h"
#include "text/bpe.h"
#include "text/tokenizer_parts.h"
#include "text/unicode.h"

namespace foil::text {
using Json = nlohmann::json;

struct Tokenizer::Impl {
  TokenizerParts parts;  // vocabulary and merges moved on into bpe
  std::unique_ptr<Bpe> bpe;
  AddedTokenMatcher raw, normalized;
  std::vector<bool> special;
  std::vector<int32_t> end_tokens;
  uint64_t fingerprint = 0;

  // Scratch of one thread; encode() is called in the innermost loops.
  struct Scratch {
    std::vector<AddedTokenMatcher::Match> matches, inner;
    std::vector<std::string_view> pieces;
  };

  void piecewise(std::string_view text, Scratch& s, std::vector<int32_t>& out) const {
    std::string spaced;
    if (parts.pretokenizer.prefix_space() && text[0] != ' ') text = spaced = " " + std::string(text);
    parts.pretokenizer.split(text, s.pieces);
    for (const auto piece : s.pieces) bpe->encode(piece, out);
  }

  // Text between added tokens of the raw kind.
  void between(std::string_view text, bool with_special, Scratch& s, std::vector<int32_t>& out) const {
    std::string other;
    if (parts.form == NormalForm::kNfc ? !surely_nfc(text) : parts.form != NormalForm::kNone) text = other = normalize(text, parts.form);
    cut(text, normalized, with_special, s.inner, out, [&](std::string_view rest) { piecewise(rest, s, out); });
  }

  template <class Rest>
  void cut(std::string_view text, const AddedTokenMatcher& matcher, bool with_special, std::vector<AddedTokenMatcher::Match>& matches,
           std::vector<int32_t>& out, Rest&& rest) const {
    matches.clear();
    matcher.find(text, with_special, matches);
    size_t at = 0;
    for (size_t i = 0; i <= matches.size(); ++i) {
      const size_t end = i < matches.size() ? matches[i].begin : text.size();
      if (end > at) rest(text.substr(at, end - at));
      if (i == matches.size()) break;
      out.push_back(matches[i].id);
      at = matches[i].end;
    }
  }

  void encode(std::string_view text, bool with_special, std::vector<int32_t>& out) const {
    thread_local Scratch s;
    std::string repaired;
    if (valid_utf8_prefix(text) != text.size()) text = repaired = repair_utf8(text);
    cut(text, raw, with_special, s.matches, out, [&](std::string_view rest) { between(rest, with_special, s, out); });
  }
};

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return from_gguf(read_gguf_vocab(io::GgufFile(path), path.string()), path.string());
  return from_parts(parts_from_folder(path), path.string());
}

Tokenizer Tokenizer::from_json(const Json& tokenizer, const Json& config, const std::string& where) {
  const std::string text = tokenizer.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  TokenizerParts parts = parts_from_json(text, config, where);
  parts.files["tokenizer.json"] = text;
  if (config.is_object()) parts.files["tokenizer_config.json"] = config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return from_parts(std::move(parts), where);
}

Tokenizer Tokenizer::from_gguf(const GgufVocab& vocab, const std::string& where) { return from_parts(parts_from_gguf(vocab, where), where); }

static uint64_t hash_of(const TokenizerParts& p) {
  std::string all;
  auto number = [&](int64_t x) { all.append(reinterpret_cast<const char*>(&x), sizeof x); };
  for (size_t i = 0; i < p.bytes.size(); ++i) {
    number(int64_t(p.bytes[i].size()) * 4 + int64_t(p.kinds[i] == EntryKind::kAlphabet));
    all += p.bytes[i];
  }
  all.append(reinterpret_cast<const char*>(p.merges.data()), p.merges.size() * sizeof(Merge));
  number(p.ignore_merges), number(p.unknown), number(int64_t(p.form));
  all += p.pretokenizer_json.dump();
  auto added = p.added;
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const auto& t : added) {
    number(t.id), number(t.special | t.lstrip << 1 | t.rstrip << 2 | t.normalized << 3 | t.single_word << 4);
    all += t.content;
  }
  return hash64(all);
}

Tokenizer Tokenizer::from_parts(TokenizerParts parts, const std::string& where) {
  auto impl = std::make_shared<Impl>();
  const auto size = int32_t(parts.bytes.size());
  auto in_range = [&](int32_t id) {
    if (id < 0 || id >= size) throw Error(fmt::format("token id {} is outside the vocabulary of {}", id, size), where);
  };
  for (const int32_t id : parts.before) in_range(id);
  for (const int32_t id : parts.after) in_range(id);
  impl->fingerprint = hash_of(parts);
  impl->special.resize(size_t(size));
  std::vector<AddedToken> raw, normalized;
  for (AddedToken token : parts.added) {
    impl->special[size_t(token.id)] = token.special;
    const bool later = token.normalized;
    if (later && parts.form != NormalForm::kNone) token.content = normalize(token.content, parts.form);
    (later ? normalized : raw).push_back(std::move(token));
  }
  impl->raw = AddedTokenMatcher(std::move(raw));
  impl->normalized = AddedTokenMatcher(std::move(normalized));
  impl->bpe = std::make_unique<Bpe>(std::move(parts.vocabulary), size, parts.merges, parts.ignore_merges, parts.unknown);
  impl->end_tokens = parts.end_tokens;
  if (parts.eos) impl->end_tokens.push_back(*parts.eos);
  std::sort(impl->end_tokens.begin(), impl->end_tokens.end());
  impl->end_tokens.erase(std::unique(impl->end_tokens.begin(), impl->end_tokens.end()), impl->end_tokens.end());
  impl->parts = std::move(parts);
  Tokenizer out;
  out.impl_ = std::move(impl);
  return out;
}

void Tokenizer::encode(std::string_view text, bool add_special, std::vector<int32_t>& out) const {
  const auto& parts = impl_->parts;
  if (add_special) out.insert(out.end(), parts.before.begin(), parts.before.end());
  impl_->encode(text, true, out);
  if (add_special) out.insert(out.end(), parts.after.begin(), parts.after.end());
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  std::vector<int32_t> out;
  encode(text, add_special, out);
  return out;
}

std::vector<int32_t> Tokenizer::encode_as_text(std::string_view text) const {
  std::vector<int32_t> out;
  impl_->encode(text, false, out);
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string raw;
  for (const int32_t id : ids)
    if (!(skip_special && is_special(id))) raw += bytes(id);
  return valid_utf8_prefix(raw) == raw.size() ? raw : repair_utf8(raw);
}

const std::string& Tokenizer::bytes(int32_t id) const {
  static const std::string none;
  return id >= 0 && id < vocab_size() ? impl_->parts.bytes[size_t(id)] : none;
}

int32_t Tokenizer::vocab_size() const { return int32_t(impl_->parts.bytes.size()); }

std::optional<int32_t> Tokenizer::id(std::string_view token_text) const {
  for (const auto& token : impl_->parts.added)
    if (token.content == token_text) return token.id;
  const int32_t id = impl_->bpe->find(token_text);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::token(int32_t id) const {
  for (const auto& token : impl_->parts.added)
    if (token.id == id) return token.content;
  if (id < 0 || id >= vocab_size()) return "";
  return impl_->parts.kinds[size_t(id)] == EntryKind::kAlphabet ? to_byte_alphabet(bytes(id)) : bytes(id);
}

bool Tokenizer::is_special(int32_t id) const { return id >= 0 && id < vocab_size() && impl_->special[size_t(id)]; }
const std::vector<AddedToken>& Tokenizer::added() const { return impl_->parts.added; }
std::optional<int32_t> Tokenizer::bos() const { return impl_->parts.bos; }
std::optional<int32_t> Tokenizer::eos() const { return impl_->parts.eos; }
std::optional<int32_t> Tokenizer::pad() const { return impl_->parts.pad; }
std::optional<int32_t> Tokenizer::unk() const { return impl_->parts.unk; }
const std::vector<int32_t>& Tokenizer::end_tokens() const { return impl_->end_tokens; }
const std::map<std::string, std::string>& Tokenizer::special_tokens() const { return impl_->parts.special_tokens; }
const std::string& Tokenizer::chat_template() const { return impl_->parts.chat_template; }
int64_t Tokenizer::model_max_length() const { return impl_->parts.model_max_length; }
uint64_t Tokenizer::fingerprint() const { return impl_->fingerprint; }

void Tokenizer::save(const std::filesystem::path& folder) const {
  const auto& kept = impl_->parts.files;
  for (const auto& [name, contents] : kept.contains("tokenizer.json") ? kept : generate_files(impl_->parts)) write_file(folder / name, contents);
}

std::string Tokenizer::describe() const {
  const auto& p = impl_->parts;
  return fmt::format("byte-level BPE, {} tokens, {} merges, {}{}", vocab_size(), p.merges.size(), p.pretokenizer.describe(),
                     p.form == NormalForm::kNfc ? ", NFC" : "");
}

}  // namespace foil::text
