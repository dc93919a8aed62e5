#include "text/bpe_trainer.h"

#include <queue>
#include <unordered_set>

#include "base/error.h"
#include "text/tokenizer_parts.h"

namespace foil::text {

namespace {

uint64_t pair_key(int32_t a, int32_t b) { return uint64_t(uint32_t(a)) << 32 | uint32_t(b); }

struct Word {
  std::vector<int32_t> ids;
  int64_t count = 0;
};

// Pieces of the corpus with their counts, each once, in order of first appearance.
std::vector<std::pair<std::string, int64_t>> count_pieces(std::span<const std::string> corpus, const PreTokenizer& pretokenizer) {
  std::vector<std::pair<std::string, int64_t>> out;
  std::unordered_map<std::string, size_t> places;
  std::vector<std::string_view> pieces;
  for (const auto& line : corpus) {
    const std::string text = repair_utf8(line);
    pretokenizer.split(text, pieces);
    for (const auto piece : pieces) {
      const auto [it, is_new] = places.try_emplace(std::string(piece), out.size());
      if (is_new) out.emplace_back(piece, 0);
      ++out[it->second].second;
    }
  }
  return out;
}

class Trainer {
 public:
  Trainer(TokenizerParts& parts, const std::string& where) : parts_(parts), where_(where) {}

  int32_t append(const std::string& bytes) {
    const auto id = int32_t(parts_.bytes.size());
    parts_.set_entry(id, to_byte_alphabet(bytes), where_);
    return id;
  }

  std::vector<int32_t> bytes_of(std::string_view piece) const {
    std::vector<int32_t> ids;
    for (const char c : piece) ids.push_back(parts_.vocabulary.find(std::string_view(&c, 1)));
    return ids;
  }

  int32_t merge(int32_t left, int32_t right) {
    const std::string bytes = parts_.bytes[size_t(left)] + parts_.bytes[size_t(right)];
    int32_t id = parts_.vocabulary.find(bytes);  // another pair may have come to the same bytes
    if (id < 0) id = append(bytes);
    parts_.merges.push_back({left, right, id});
    return id;
  }

  void train(std::vector<Word> words, int64_t vocab_size, int64_t min_frequency) {
    struct Entry {
      int64_t count;
      uint64_t pair;
      bool operator<(const Entry& o) const { return count != o.count ? count < o.count : pair > o.pair; }
    };
    std::unordered_map<uint64_t, int64_t> counts;
    std::unordered_map<uint64_t, std::unordered_set<size_t>> places;  // pair → words that may hold it
    for (size_t w = 0; w < words.size(); ++w)
      for (size_t i = 0; i + 1 < words[w].ids.size(); ++i) {
        const uint64_t key = pair_key(words[w].ids[i], words[w].ids[i + 1]);
        counts[key] += words[w].count;
        places[key].insert(w);
      }
    std::priority_queue<Entry> queue;
    for (const auto& [pair, count] : counts) queue.push({count, pair});
    while (int64_t(parts_.bytes.size()) < vocab_size && !queue.empty()) {
      const Entry top = queue.top();
      queue.pop();
      if (const int64_t now = counts[top.pair]; now != top.count) {
        if (now > 0) queue.push({now, top.pair});
        continue;
      }
      if (top.count < 1 || top.count < min_frequency) break;
      const auto left = int32_t(top.pair >> 32), right = int32_t(top.pair & 0xFFFFFFFF);
      const int32_t merged = merge(left, right);
      std::unordered_map<uint64_t, int64_t> change;
      for (const size_t w : places[top.pair]) {
        auto& ids = words[w].ids;
        for (size_t i = 0; i + 1 < ids.size(); ++i) {
          if (ids[i] != left || ids[i + 1] != right) continue;
          const int64_t n = words[w].count;
          if (i > 0) change[pair_key(ids[i - 1], left)] -= n, change[pair_key(ids[i - 1], merged)] += n, places[pair_key(ids[i - 1], merged)].insert(w);
          if (i + 2 < ids.size()) change[pair_key(right, ids[i + 2])] -= n, change[pair_key(merged, ids[i + 2])] += n, places[pair_key(merged, ids[i + 2])].insert(w);
          ids[i] = merged;
          ids.erase(ids.begin() + int64_t(i) + 1);
        }
      }
      counts[top.pair] = 0;
      places.erase(top.pair);
      for (const auto& [pair, by] : change) {
        if (pair == top.pair) continue;
        int64_t& count = counts[pair];
        count += by;
        if (by > 0 && count > 0) queue.push({count, pair});
      }
    }
  }

 private:
  TokenizerParts& parts_;
  const std::string& where_;
};

}  // namespace

Tokenizer train_bpe(std::span<const std::string> corpus, const BpeTrainOptions& options) {
  const std::string where = "train_bpe";
  TokenizerParts parts;
  parts.pretokenizer = PreTokenizer(options.splitter);
  parts.pretokenizer_json = to_json(options.splitter);
  Trainer trainer(parts, where);
  for (const auto& token : options.special_tokens) {
    const auto id = int32_t(parts.bytes.size());
    parts.set_entry(id, token, where);
    parts.add_token({id, token, true}, where);
  }
  std::vector<std::pair<std::string, char>> alphabet;
  for (int b = 0; b < 256; ++b) alphabet.emplace_back(byte_alphabet()[size_t(b)], char(b));
  std::sort(alphabet.begin(), alphabet.end());
  for (const auto& [spelt, byte] : alphabet)
    if (parts.vocabulary.find(std::string_view(&byte, 1)) < 0) trainer.append(std::string(1, byte));
  std::vector<Word> words;
  for (const auto& [piece, count] : count_pieces(corpus, parts.pretokenizer)) words.push_back({trainer.bytes_of(piece), count});
  trainer.train(std::move(words), options.vocab_size, options.min_frequency);

  // Words that the merges do not bring together yet: further merges behind all others, which change nothing for words that are whole.
  std::vector<std::string_view> pieces;
  for (const auto& word : options.words) {
    parts.pretokenizer.split(word, pieces);
    if (pieces.size() != 1 || valid_utf8_prefix(word) != word.size())
      throw Error(fmt::format("\"{}\" cannot be one token: the {} pre-tokeniser cuts it", word, name_of(options.splitter)), where);
    const Bpe bpe(parts.vocabulary, int32_t(parts.bytes.size()), parts.merges, false, -1);
    std::vector<int32_t> ids;
    bpe.encode(word, ids);
    for (size_t i = 1; i < ids.size(); ++i) ids[0] = trainer.merge(ids[0], ids[i]);
  }
  auto named = [&](const char* key, const std::string& content) -> std::optional<int32_t> {
    if (content.empty()) return std::nullopt;
    const auto id = parts.find(content);
    if (!id || std::find(options.special_tokens.begin(), options.special_tokens.end(), content) == options.special_tokens.end())
      throw Error(fmt::format("{} \"{}\" is not among the special tokens", key, content), where);
    parts.special_tokens[key] = content;
    return id;
  };
  parts.eos = named("eos_token", options.eos_token), parts.bos = named("bos_token", options.bos_token), parts.pad = named("pad_token", options.pad_token);
  parts.chat_template = options.chat_template;
  return Tokenizer::from_parts(std::move(parts), where);
}

}  // namespace foil::text
