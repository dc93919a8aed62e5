// How alike two texts are: edit similarity with a bound, MinHash of word shingles, loops.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace foil {

// 1 − edit distance / longer length, in bytes. Exact where ≥ floor, else any value below floor (the search is banded).
double edit_similarity(std::string_view a, std::string_view b, double floor = 0);

// 64 minima over hashed word 3-shingles; the share of equal entries estimates the Jaccard similarity of the shingle sets.
using MinHash = std::array<uint32_t, 64>;
MinHash min_hash(std::string_view text);
double jaccard(const MinHash& a, const MinHash& b);

// true: some run of `words` words occurs at least `times` times in the text.
bool has_loop(std::string_view text, int words = 8, int times = 3);

}  // namespace foil
