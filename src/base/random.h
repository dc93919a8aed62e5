// Counter-based randomness: Philox4x32-10 (Salmon et al. 2011), keyed by what a number is for, not by when it is drawn.
//
// The same (seed, stream, position) gives the same number whatever the batch, order or thread. A Stream has no hidden
// state but its own position; copying it copies the position.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace foil {

// Stable 64-bit hash of bytes (FNV-1a, finished by a mixer). The same on every machine.
uint64_t hash64(std::string_view bytes, uint64_t seed = 0);
// Order-dependent combination of two keys.
uint64_t mix64(uint64_t a, uint64_t b);

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_high, uint64_t counter_low);

class Stream {
 public:
  using result_type = uint32_t;
  Stream(uint64_t seed, uint64_t stream, uint64_t position = 0) : seed_(seed), stream_(stream), position_(position) {}
  Stream(uint64_t seed, std::string_view purpose) : Stream(seed, hash64(purpose)) {}

  uint32_t next32();
  uint64_t next64() { return (uint64_t{next32()} << 32) | next32(); }
  double uniform();                       // [0, 1), 53 bits
  uint64_t below(uint64_t n);             // [0, n), unbiased; n > 0
  int64_t between(int64_t low, int64_t high);  // [low, high] inclusive
  double normal();                        // standard normal (Box–Muller; two draws a number)
  bool chance(double p) { return uniform() < p; }
  template <class T>
  const T& pick(const std::vector<T>& items) { return items[below(items.size())]; }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  uint64_t position() const { return position_; }

  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return UINT32_MAX; }
  uint32_t operator()() { return next32(); }

 private:
  uint64_t seed_, stream_, position_;
};

// One uniform in [0, 1) for token `position` of sample `sample` of a problem: what the sampler draws with.
double token_uniform(uint64_t seed, uint64_t problem_key, uint64_t sample, uint64_t position);

}  // namespace foil
