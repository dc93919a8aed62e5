// How alike two texts are: edit similarity with a bound, MinHash of word shingles, loops.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace foil {

// 1 − edit distance / longer length, in bytes. Exact where ≥ floor, else any value below floor (the search is banded).
double edit_similarity(std::string_view a, std::string_view b, double floor = 0);

// 64 minima over hashed word 3-shingles; the share of equal entries estimates the Jaccard similarity of the shingle sets.
using MinHash = std::array<uint32_t, 64>;
MinHash min_hash(std::string_view text);
double jaccard(const MinHash& a, const MinHash& b);

// Texts seen so far, found again by their MinHash: banded locality-sensitive hashing, so that a look-up touches only texts that share
// a band. Bands are chosen so that a pair at the threshold is missed less than once in 200.
class NearDuplicates {
 public:
  explicit NearDuplicates(double threshold);
  struct Match {
    size_t id;          // in the order of add()
    double similarity;  // estimated Jaccard, ≥ threshold
  };
  std::optional<Match> find(const MinHash& hash) const;  // the most similar one; the earlier of equals
  void add(const MinHash& hash);
  size_t size() const { return hashes_.size(); }

 private:
  uint64_t band(const MinHash& hash, size_t index) const;
  double threshold_;
  size_t rows_;  // of a band
  std::vector<MinHash> hashes_;
  std::vector<std::unordered_map<uint64_t, std::vector<uint32_t>>> buckets_;  // one map a band
};

// true: some run of `words` words occurs at least `times` times in the text.
bool has_loop(std::string_view text, int words = 8, int times = 3);

}  // namespace foil
