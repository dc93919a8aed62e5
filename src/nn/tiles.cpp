#include "nn/tiles.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "base/error.h"
#include "io/hardware.h"

namespace foil::nn::tiles {

void pack(int64_t columns, int64_t depth, const float* w, int64_t w_row, uint16_t* panel) {
  const auto half = [](const float* p) {
    uint32_t bits;
    std::memcpy(&bits, p, 4);
    return uint16_t(bits >> 16);
  };
  for (int64_t k = 0; k < depth; k += kDepth, panel += kDepth * kColumns) {
    const int64_t n = std::min(kDepth, depth - k);
    if (n < kDepth || columns < kColumns) std::fill(panel, panel + kDepth * kColumns, uint16_t(0));
    for (int64_t c = 0; c < columns; ++c) {
      uint16_t* to = panel + c / 16 * (kDepth * 16) + c % 16 * 2;
      const float* from = w + c * w_row + k;
      for (int64_t i = 0; i < n; ++i) to[i / 2 * 32 + i % 2] = half(from + i);
    }
  }
}

#if defined(__x86_64__) && defined(__linux__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,amx-tile,amx-bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512bf16,amx-tile,amx-bf16")
#endif

namespace {

struct alignas(64) Shapes {  // all eight tiles: 16 rows of 64 bytes
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

constexpr int64_t kAhead = 8192;  // bytes of the panel asked for ahead of their use
constexpr int64_t kFew = 4;        // rows that leave most of a tile empty: AVX-512 is as fast, and waits less for memory

struct Halves {
  __m256i bits;
  __m512 wide() const {  // zero-masked: GCC 12 warns of its own headers' undefined operand
    constexpr __mmask16 kAll = 0xffff;
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu16_epi32(kAll, bits), 16));
  }
};

inline Halves nearest(__m512 x) { return {(__m256i)_mm512_cvtneps_pbh(x)}; }

inline void split_vector(__m512 x, uint16_t* parts) {
  for (int part = 0; part < int(kParts); ++part) {
    const Halves h = nearest(x);
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts + part * kRows * kDepth), h.bits);
    x = _mm512_sub_ps(x, h.wide());
  }
}

// One or two blocks of rows (Two) times a panel, into out [16 or 32][32].
template <bool Two, bool First>
inline void product(int64_t k_blocks, const uint16_t* a, const uint16_t* b, float* out) {
  constexpr int64_t kTile = kRows * kDepth;
  const uint16_t* second = a + k_blocks * kParts * kTile;
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (Two) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < k_blocks; ++k, b += 2 * kTile) {
    if constexpr (First) {
#pragma GCC unroll 32
      for (int line = 0; line < 32; ++line) _mm_prefetch(reinterpret_cast<const char*>(b) + kAhead + line * 64, _MM_HINT_T1);
    }
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTile, 64);
#pragma GCC unroll 3
    for (int part = 0; part < int(kParts); ++part, a += kTile) {
      _tile_loadd(4, a, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if constexpr (Two) {
        _tile_loadd(5, second, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        second += kTile;
      }
    }
  }
  _tile_stored(0, out, 128);
  _tile_stored(1, out + 16, 128);
  if constexpr (Two) {
    _tile_stored(2, out + 16 * 32, 128);
    _tile_stored(3, out + 16 * 32 + 16, 128);
  }
}

// y[r, columns] (+)= out[r, 32].
inline void put(int64_t rows, int64_t columns, const float* out, float* y, int64_t y_row, bool accumulate) {
  for (int64_t r = 0; r < rows; ++r, out += kColumns, y += y_row)
    for (int64_t half = 0; half < kColumns; half += 16) {
      const int64_t left = columns - half;
      const auto mask = __mmask16(left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0);
      __m512 sum = _mm512_load_ps(out + half);
      if (accumulate) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, y + half));
      _mm512_mask_storeu_ps(y + half, mask, sum);
    }
}

inline __m512 even(__m512i pairs) { return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xffff, pairs, 16)); }
inline __m512 odd(__m512i pairs) { return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(int(0xffff0000)))); }

// R rows of a block times a panel, into out [R][32]: what TDPBF16PS does, step by step, so that the sums are product's to the bit
// (where none is below 2⁻¹²⁶).
template <int R>
inline void few(int64_t k_blocks, const uint16_t* a, const uint16_t* b, float* out) {
  constexpr int64_t kTile = kRows * kDepth;
  __m512 sums[R][2];
  for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
  for (int64_t k = 0; k < k_blocks; ++k, a += kParts * kTile, b += 2 * kTile) {
    __m512 part_sums[R][kParts][2][2];  // of both halves, even and odd k
#pragma GCC unroll 32
    for (int i = 0; i < R * int(kParts) * 4; ++i) (&part_sums[0][0][0][0])[i] = _mm512_setzero_ps();
    for (int64_t pair = 0; pair < kDepth / 2; ++pair) {
      __m512 w[2][2];
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const char* line = reinterpret_cast<const char*>(b + half * kTile + pair * 32);
        _mm_prefetch(line + kAhead, _MM_HINT_T0);
        const __m512i pairs = _mm512_load_si512(line);
        w[half][0] = even(pairs), w[half][1] = odd(pairs);
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
        for (int part = 0; part < int(kParts); ++part) {
          int32_t both;
          std::memcpy(&both, a + part * kTile + r * kDepth + pair * 2, 4);
          const __m512i x = _mm512_set1_epi32(both);
#pragma GCC unroll 2
          for (int half = 0; half < 2; ++half) {
            part_sums[r][part][half][0] = _mm512_fmadd_ps(even(x), w[half][0], part_sums[r][part][half][0]);
            part_sums[r][part][half][1] = _mm512_fmadd_ps(odd(x), w[half][1], part_sums[r][part][half][1]);
          }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 3
      for (int part = 0; part < int(kParts); ++part)
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half)
          sums[r][half] = _mm512_add_ps(sums[r][half], _mm512_add_ps(part_sums[r][part][half][0], part_sums[r][part][half][1]));
  }
  for (int r = 0; r < R; ++r)
    for (int half = 0; half < 2; ++half) _mm512_store_ps(out + r * kColumns + half * 16, sums[r][half]);
}

}  // namespace

void split(int64_t rows, int64_t depth, const float* x, int64_t x_row, uint16_t* parts) {
  if (rows < kRows) std::memset(parts, 0, size_t(split_size(depth)) * sizeof(uint16_t));
  for (int64_t r = 0; r < rows; ++r, x += x_row) {
    uint16_t* to = parts + r * kDepth;
    for (int64_t k = 0; k < depth; k += kDepth, to += kParts * kRows * kDepth)
      for (int64_t half = 0; half < kDepth; half += 16) {
        const int64_t left = depth - k - half;
        const auto mask = __mmask16(left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0);
        split_vector(_mm512_maskz_loadu_ps(mask, x + k + half), to + half);
      }
  }
}

void multiply(int64_t rows, int64_t columns, int64_t depth, const uint16_t* parts, const uint16_t* panel, float* y, int64_t y_row, bool accumulate) {
  static constexpr Shapes kShapes;
  alignas(64) float out[2 * kRows * kColumns];
  const int64_t k_blocks = blocks(depth, kDepth), block = split_size(depth);
  if (rows <= kFew) {
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) few<2>(k_blocks, parts + r * kDepth, panel, out + r * kColumns);
    if (r < rows) few<1>(k_blocks, parts + r * kDepth, panel, out + r * kColumns);
    put(rows, columns, out, y, y_row, accumulate);
    return;
  }
  _tile_loadconfig(&kShapes);
  for (int64_t r = 0; r < rows; r += 2 * kRows, parts += 2 * block) {
    const bool two = rows - r > kRows;
    if (r == 0)
      two ? product<true, true>(k_blocks, parts, panel, out) : product<false, true>(k_blocks, parts, panel, out);
    else
      two ? product<true, false>(k_blocks, parts, panel, out) : product<false, false>(k_blocks, parts, panel, out);
    put(std::min(2 * kRows, rows - r), columns, out, y + r * y_row, y_row, accumulate);
  }
  _tile_release();
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool processor_has() {
  const std::vector<std::string> has = io::read_hardware().vector;
  return std::find(has.begin(), has.end(), "amx_bf16") != has.end() && std::find(has.begin(), has.end(), "avx512_bf16") != has.end();
}

static bool system_permits() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

bool available() {
  static const bool yes = [] {
    const char* wish = std::getenv("FOIL_AMX");
    return !(wish && std::string_view(wish) == "0") && processor_has() && system_permits();
  }();
  return yes;
}

#else

bool available() { return false; }
void split(int64_t, int64_t, const float*, int64_t, uint16_t*) { FOIL_CHECK(false, "no AMX on this machine"); }
void multiply(int64_t, int64_t, int64_t, const uint16_t*, const uint16_t*, float*, int64_t, bool) { FOIL_CHECK(false, "no AMX on this machine"); }

#endif

}  // namespace foil::nn::tiles
