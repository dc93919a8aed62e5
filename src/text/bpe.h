// The merges of byte-level BPE: a piece of text → token ids. Bytes in, ids out; knows nothing of pre-tokenisers or special tokens.
//
// Most pieces are one token. Whether a piece that stands in the vocabulary is what its merges come to is found out once and remembered
// in an atomic byte per token; everything else is immutable, so any number of threads may encode.
// Short pieces: repeated scan for the lowest rank, no memory; long ones: heap over a linked list, O(n log n) however long.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace foil::text {

struct Merge {
  int32_t left, right, merged;  // rank: the place in the list
};

// bytes → id, open addressing; strings of up to 15 bytes lie in the slots.
class ByteMap {
 public:
  explicit ByteMap(size_t expected = 0);
  size_t size() const { return used_; }
  // A later entry replaces an earlier one of the same bytes, as a JSON object's would.
  void insert(std::string_view bytes, int32_t id);
  int32_t find(std::string_view bytes) const;  // −1: not there

 private:
  struct Slot {
    uint64_t low = 0, high = 0;  // the bytes, zero-padded, the length in the last byte; longer ones: hash and 0xFF, text in long_
    int32_t id = -1;
  };
  struct Key {
    uint64_t low, high;
  };
  static Key key_of(std::string_view bytes);
  size_t place(Key key, std::string_view bytes) const;
  void grow();
  std::vector<Slot> slots_;
  std::vector<std::string> long_;  // indexed by Slot::id of long entries …
  std::vector<int32_t> long_ids_;  // … whose token ids stand here
  size_t used_ = 0, mask_ = 0;
};

class Bpe {
 public:
  // vocabulary: bytes → ids below `ids`. unknown: id for bytes the vocabulary lacks, −1 to drop them, as the reference does.
  Bpe(ByteMap vocabulary, int32_t ids, const std::vector<Merge>& merges, bool ignore_merges, int32_t unknown);
  // Appends the ids of one piece.
  void encode(std::string_view piece, std::vector<int32_t>& out) const;
  int32_t find(std::string_view bytes) const { return whole_.find(bytes); }  // −1: not in the vocabulary
  int32_t byte_id(unsigned char byte) const { return byte_id_[byte]; }

 private:
  struct Found {
    uint32_t rank = UINT32_MAX;
    int32_t merged = -1;
  };
  struct PairSlot {
    uint64_t key = UINT64_MAX;
    Found found;
  };
  Found find_pair(int32_t left, int32_t right) const;
  void merge(std::string_view piece, std::vector<int32_t>& out) const;
  void merge_short(int32_t* ids, int count, std::vector<int32_t>& out) const;
  void merge_long(const std::vector<int32_t>& ids, std::vector<int32_t>& out) const;

  ByteMap whole_;
  std::vector<PairSlot> pairs_;
  size_t pair_mask_ = 0;
  int32_t byte_id_[256];
  int32_t unknown_;
  bool ignore_merges_;
  std::unique_ptr<std::atomic<uint8_t>[]> reached_;  // per token: 0 not known, 1 the merges of its bytes come to it, 2 they do not
};

}  // namespace foil::text
