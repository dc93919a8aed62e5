#include "base/random.h"

#include <cmath>

namespace foil {

static uint64_t finish(uint64_t x) {
  x ^= x >> 33, x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

uint64_t hash64(std::string_view bytes, uint64_t seed) {
  uint64_t h = 0xcbf29ce484222325ULL ^ seed;
  for (unsigned char c : bytes) h = (h ^ c) * 0x100000001b3ULL;
  return finish(h);
}

uint64_t mix64(uint64_t a, uint64_t b) { return finish(finish(a) + 0x9e3779b97f4a7c15ULL + b); }

std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
  std::array<uint32_t, 4> c = {uint32_t(counter_low), uint32_t(counter_low >> 32), uint32_t(counter_high), uint32_t(counter_high >> 32)};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {uint32_t(p1 >> 32) ^ c[1] ^ k0, uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k1, uint32_t(p0)};
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  return c;
}

uint32_t Stream::next32() {
  const auto block = philox(seed_, stream_, position_ / 4);
  return block[position_++ % 4];
}

double Stream::uniform() { return double(next64() >> 11) * 0x1.0p-53; }

uint64_t Stream::below(uint64_t n) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t x;
  do x = next64();
  while (x >= limit);
  return x % n;
}

int64_t Stream::between(int64_t low, int64_t high) { return low + int64_t(below(uint64_t(high - low) + 1)); }

double Stream::normal() {
  const double u = 1.0 - uniform(), v = uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
}

double token_uniform(uint64_t seed, uint64_t problem_key, uint64_t sample, uint64_t position) {
  const auto block = philox(seed, mix64(problem_key, sample), position);
  return double(((uint64_t{block[0]} << 32) | block[1]) >> 11) * 0x1.0p-53;
}

}  // namespace foil
