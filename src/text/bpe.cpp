#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace foil::text {

namespace {

inline uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
  return uint64_t(product) ^ uint64_t(product >> 64);
}

inline uint64_t mix_pair(uint64_t key) {
  key *= 0x9E3779B97F4A7C15u;
  return key ^ (key >> 32);
}

uint64_t hash_long(std::string_view bytes) {
  uint64_t h = bytes.size(), word = 0;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::memcpy(&word, bytes.data() + i, 8);
    h = mix(h, word);
  }
  word = 0;
  std::memcpy(&word, bytes.data() + i, bytes.size() - i);
  return mix(h, word);
}

constexpr int kShort = 32;  // symbols up to which the repeated scan is faster than the heap

}  // namespace

ByteMap::ByteMap(size_t expected) : slots_(std::bit_ceil(std::max<size_t>(16, expected * 2))), mask_(slots_.size() - 1) {}

ByteMap::Key ByteMap::key_of(std::string_view bytes) {
  Key key{0, 0};
  const size_t n = bytes.size();
  const char* p = bytes.data();
  if (n > 15) return {hash_long(bytes), uint64_t{0xFF} << 56};
  if (n >= 8) {
    std::memcpy(&key.low, p, 8);
    uint64_t tail;
    std::memcpy(&tail, p + n - 8, 8);
    key.high = n == 8 ? 0 : tail >> (8 * (16 - n));
  } else if (n >= 4) {
    uint32_t head, tail;
    std::memcpy(&head, p, 4);
    std::memcpy(&tail, p + n - 4, 4);
    key.low = head | uint64_t(tail) << (8 * (n - 4));
  } else if (n) {
    key.low = static_cast<unsigned char>(p[0]) | uint64_t(static_cast<unsigned char>(p[n / 2])) << (8 * (n / 2)) |
              uint64_t(static_cast<unsigned char>(p[n - 1])) << (8 * (n - 1));
  }
  key.high |= uint64_t(n) << 56;
  return key;
}

// The slot that holds these bytes, or the empty one they would go to.
size_t ByteMap::place(Key key, std::string_view bytes) const {
  const bool is_long = key.high >> 56 == 0xFF;
  for (size_t i = mix(key.low, key.high) & mask_;; i = (i + 1) & mask_) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return i;
    if (slot.low == key.low && slot.high == key.high && (!is_long || long_[size_t(slot.id)] == bytes)) return i;
  }
}

void ByteMap::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    size_t i = mix(slot.low, slot.high) & mask_;
    while (slots_[i].id >= 0) i = (i + 1) & mask_;
    slots_[i] = slot;
  }
}

void ByteMap::insert(std::string_view bytes, int32_t id) {
  if (used_ * 2 >= slots_.size()) grow();
  const Key key = key_of(bytes);
  Slot& slot = slots_[place(key, bytes)];
  const bool is_new = slot.id < 0;
  used_ += is_new;
  if (bytes.size() <= 15) {
    slot = {key.low, key.high, id};
  } else if (is_new) {
    slot = {key.low, key.high, int32_t(long_.size())};
    long_.emplace_back(bytes);
    long_ids_.push_back(id);
  } else {
    long_ids_[size_t(slot.id)] = id;
  }
}

int32_t ByteMap::find(std::string_view bytes) const {
  const Slot& slot = slots_[place(key_of(bytes), bytes)];
  return slot.id < 0 || bytes.size() <= 15 ? slot.id : long_ids_[size_t(slot.id)];
}

Bpe::Bpe(ByteMap vocabulary, int32_t ids, const std::vector<Merge>& merges, bool ignore_merges, int32_t unknown)
    : whole_(std::move(vocabulary)),
      pairs_(std::bit_ceil(std::max<size_t>(16, merges.size() * 2))),
      pair_mask_(pairs_.size() - 1),
      unknown_(unknown),
      ignore_merges_(ignore_merges),
      reached_(new std::atomic<uint8_t>[size_t(ids)]()) {
  for (int b = 0; b < 256; ++b) byte_id_[b] = whole_.find(std::string(1, char(b)));
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& m = merges[rank];
    const uint64_t key = uint64_t(uint32_t(m.left)) << 32 | uint32_t(m.right);
    size_t i = mix_pair(key) & pair_mask_;
    while (pairs_[i].key != UINT64_MAX && pairs_[i].key != key) i = (i + 1) & pair_mask_;
    pairs_[i] = {key, {uint32_t(rank), m.merged}};
  }
}

inline Bpe::Found Bpe::find_pair(int32_t left, int32_t right) const {
  const uint64_t key = uint64_t(uint32_t(left)) << 32 | uint32_t(right);
  for (size_t i = mix_pair(key) & pair_mask_;; i = (i + 1) & pair_mask_) {
    if (pairs_[i].key == key) return pairs_[i].found;
    if (pairs_[i].key == UINT64_MAX) return {};
  }
}

void Bpe::encode(std::string_view piece, std::vector<int32_t>& out) const {
  const int32_t id = whole_.find(piece);
  if (id < 0) return merge(piece, out);
  if (ignore_merges_) return out.push_back(id);
  std::atomic<uint8_t>& reached = reached_[size_t(id)];
  const uint8_t known = reached.load(std::memory_order_relaxed);
  if (known == 1) return out.push_back(id);
  const size_t before = out.size();
  merge(piece, out);
  if (known == 0) reached.store(out.size() == before + 1 && out.back() == id ? 1 : 2, std::memory_order_relaxed);
}

void Bpe::merge(std::string_view piece, std::vector<int32_t>& out) const {
  if (piece.size() <= kShort) {
    int32_t ids[kShort];
    int count = 0;
    for (const unsigned char c : piece) {
      const int32_t id = byte_id_[c] >= 0 ? byte_id_[c] : unknown_;
      if (id >= 0) ids[count++] = id;
    }
    return merge_short(ids, count, out);
  }
  std::vector<int32_t> ids;
  ids.reserve(piece.size());
  for (const unsigned char c : piece) {
    const int32_t id = byte_id_[c] >= 0 ? byte_id_[c] : unknown_;
    if (id >= 0) ids.push_back(id);
  }
  merge_long(ids, out);
}

// Merges the pair of lowest rank, leftmost first, until none is left.
void Bpe::merge_short(int32_t* ids, int count, std::vector<int32_t>& out) const {
  Found pairs[kShort];  // pairs[i]: of ids[i] and ids[i + 1]
  for (int i = 0; i + 1 < count; ++i) pairs[i] = find_pair(ids[i], ids[i + 1]);
  while (count > 1) {
    int best = 0;
    for (int i = 1; i + 1 < count; ++i)
      if (pairs[i].rank < pairs[best].rank) best = i;
    if (pairs[best].rank == UINT32_MAX) break;
    ids[best] = pairs[best].merged;
    --count;
    for (int i = best + 1; i < count; ++i) {
      ids[i] = ids[i + 1];
      pairs[i] = pairs[i + 1];
    }
    if (best > 0) pairs[best - 1] = find_pair(ids[best - 1], ids[best]);
    if (best + 1 < count) pairs[best] = find_pair(ids[best], ids[best + 1]);
  }
  out.insert(out.end(), ids, ids + count);
}

void Bpe::merge_long(const std::vector<int32_t>& ids, std::vector<int32_t>& out) const {
  struct Node {
    int32_t id, previous, next;
  };
  struct Candidate {
    uint32_t rank;
    int32_t left, left_id, right_id, merged;
    bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
  };
  const auto n = int32_t(ids.size());
  FOIL_CHECK(ids.size() <= size_t(INT32_MAX));
  std::vector<Node> nodes(ids.size());
  for (int32_t i = 0; i < n; ++i) nodes[size_t(i)] = {ids[size_t(i)], i - 1, i + 1 < n ? i + 1 : -1};
  std::vector<Candidate> heap;
  auto consider = [&](int32_t left) {
    if (left < 0 || nodes[size_t(left)].next < 0) return false;
    const int32_t a = nodes[size_t(left)].id, b = nodes[size_t(nodes[size_t(left)].next)].id;
    const Found found = find_pair(a, b);
    if (found.merged < 0) return false;
    heap.push_back({found.rank, left, a, b, found.merged});
    return true;
  };
  for (int32_t i = 0; i + 1 < n; ++i) consider(i);
  std::make_heap(heap.begin(), heap.end());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate c = heap.back();
    heap.pop_back();
    Node& left = nodes[size_t(c.left)];
    if (left.id != c.left_id || left.next < 0 || nodes[size_t(left.next)].id != c.right_id) continue;  // out of date
    Node& right = nodes[size_t(left.next)];
    left.id = c.merged;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) nodes[size_t(left.next)].previous = c.left;
    if (consider(left.previous)) std::push_heap(heap.begin(), heap.end());
    if (consider(c.left)) std::push_heap(heap.begin(), heap.end());
  }
  for (int32_t i = n ? 0 : -1; i >= 0; i = nodes[size_t(i)].next) out.push_back(nodes[size_t(i)].id);
}

}  // namespace foil::text
