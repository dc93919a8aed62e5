#include "data/similarity.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "base/random.h"

namespace foil {

double edit_similarity(std::string_view a, std::string_view b, double floor) {
  if (a.size() < b.size()) std::swap(a, b);
  if (a.empty()) return 1;
  const auto longest = int64_t(a.size()), shorter = int64_t(b.size());
  const auto limit = int64_t((1 - floor) * double(longest) + 1e-9);
  if (longest - shorter > limit) return 1 - double(limit + 1) / double(longest);
  // Row by row over a; only cells within `limit` of the diagonal can matter.
  const int64_t far = limit + 1;
  std::vector<int64_t> row(size_t(shorter) + 1, far);
  for (int64_t j = 0; j <= std::min(shorter, limit); ++j) row[size_t(j)] = j;
  for (int64_t i = 1; i <= longest; ++i) {
    const int64_t first = std::max<int64_t>(0, i - limit), last = std::min(shorter, i + limit);
    int64_t diagonal = first > 0 ? row[size_t(first - 1)] : 0;
    if (first == 0) {
      diagonal = row[0];
      row[0] = std::min(i, far);
    } else {
      row[size_t(first - 1)] = far;
    }
    for (int64_t j = std::max<int64_t>(1, first); j <= last; ++j) {
      const int64_t up = j <= i - 1 + limit ? row[size_t(j)] : far;
      row[size_t(j)] = std::min({up + 1, row[size_t(j - 1)] + 1, diagonal + (a[size_t(i - 1)] != b[size_t(j - 1)]), far});
      diagonal = up;
    }
  }
  return 1 - double(row[size_t(shorter)]) / double(longest);
}

static std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    const size_t begin = i;
    while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i]))) ++i;
    if (i > begin) out.push_back(text.substr(begin, i - begin));
  }
  return out;
}

MinHash min_hash(std::string_view text) {
  MinHash out;
  out.fill(UINT32_MAX);
  const auto words = words_of(text);
  const size_t n = std::min<size_t>(3, words.size());
  for (size_t i = 0; n > 0 && i + n <= words.size(); ++i) {
    uint64_t h = 0;
    for (size_t k = 0; k < n; ++k) h = mix64(h, hash64(words[i + k]));
    for (size_t k = 0; k < out.size(); ++k) out[k] = std::min(out[k], uint32_t(mix64(h, k)));
  }
  return out;
}

double jaccard(const MinHash& a, const MinHash& b) {
  int same = 0;
  for (size_t k = 0; k < a.size(); ++k) same += a[k] == b[k];
  return same / double(a.size());
}

NearDuplicates::NearDuplicates(double threshold) : threshold_(threshold), rows_(1) {
  for (const size_t rows : {2, 4, 8, 16})
    if (std::pow(1 - std::pow(threshold, double(rows)), double(MinHash{}.size() / rows)) < 0.005) rows_ = rows;
  buckets_.resize(MinHash{}.size() / rows_);
}

uint64_t NearDuplicates::band(const MinHash& hash, size_t index) const {
  uint64_t h = index;
  for (size_t k = 0; k < rows_; ++k) h = mix64(h, hash[index * rows_ + k]);
  return h;
}

std::optional<NearDuplicates::Match> NearDuplicates::find(const MinHash& hash) const {
  std::optional<Match> best;
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const auto it = buckets_[b].find(band(hash, b));
    if (it == buckets_[b].end()) continue;
    for (const uint32_t id : it->second) {
      const double similarity = jaccard(hashes_[id], hash);
      if (similarity >= threshold_ && (!best || similarity > best->similarity || (similarity == best->similarity && id < best->id))) best = Match{id, similarity};
    }
  }
  return best;
}

void NearDuplicates::add(const MinHash& hash) {
  for (size_t b = 0; b < buckets_.size(); ++b) buckets_[b][band(hash, b)].push_back(uint32_t(hashes_.size()));
  hashes_.push_back(hash);
}

bool has_loop(std::string_view text, int n, int times) {
  const auto words = words_of(text);
  std::unordered_map<uint64_t, int> seen;
  for (size_t i = 0; i + size_t(n) <= words.size(); ++i) {
    uint64_t h = 0;
    for (int k = 0; k < n; ++k) h = mix64(h, hash64(words[i + size_t(k)]));
    if (++seen[h] >= times) return true;
  }
  return false;
}

}  // namespace foil
