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
#include "nn/kernels.h"

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

void pack(int64_t columns, int64_t depth, const float* w, int64_t w_row, float* panel) {
  for (int64_t k = 0; k < depth; k += kDepth)
    for (int64_t c = 0; c < kColumns; c += 16, panel += kDepth * 16) {
      const int64_t n = std::min(kDepth, depth - k), m = std::clamp<int64_t>(columns - c, 0, 16);
      if (n < kDepth || m < 16) std::fill(panel, panel + kDepth * 16, 0.0f);
      if (m > 0) kernels::transpose(m, n, w + c * w_row + k, w_row, panel, 16);
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

constexpr int64_t kTile = kRows * kDepth;  // uint16s
constexpr int64_t kAhead = 4096;           // bytes of the panel asked for ahead of their use
constexpr int64_t kFew = 4, kFewWide = 2;  // rows that leave most of a tile empty: AVX-512 is as fast, and waits less for memory
constexpr int64_t kGroup = 4;              // blocks of rows that a panel of bf16 is multiplied with piece by piece
constexpr int64_t kPiece = 8;              // k blocks of such a piece, which stays in the first cache

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

template <bool Ask>
inline void block(const uint16_t* a, const uint16_t* b) {
  if constexpr (Ask) {
#pragma GCC unroll 32
    for (int line = 0; line < 32; ++line) _mm_prefetch(reinterpret_cast<const char*>(b) + kAhead + line * 64, _MM_HINT_T1);
  }
  _tile_loadd(6, b, 64);
  _tile_loadd(7, b + kTile, 64);
#pragma GCC unroll 3
  for (int part = 0; part < int(kParts); ++part) {
    _tile_loadd(4, a + part * kTile, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
  }
}

// `count` blocks of rows, kGroup at most, times a panel, into out [count · 16][32]. One block of rows at a time, so that five tiles do.
inline void product(int64_t count, int64_t k_blocks, const uint16_t* a, const uint16_t* b, bool ask, float* out) {
  const int64_t piece = count == 1 ? k_blocks : kPiece;
  for (int64_t begin = 0; begin < k_blocks; begin += piece, b += piece * 2 * kTile) {
    const int64_t n = std::min(piece, k_blocks - begin);
    for (int64_t i = 0; i < count; ++i) {
      const uint16_t* x = a + (i * k_blocks + begin) * kParts * kTile;
      float* sums = out + i * kRows * kColumns;
      if (begin == 0) {
        _tile_zero(0);
        _tile_zero(1);
      } else {
        _tile_loadd(0, sums, 128);
        _tile_loadd(1, sums + 16, 128);
      }
      for (int64_t k = 0; k < n; ++k, x += kParts * kTile) ask && i == 0 ? block<true>(x, b + k * 2 * kTile) : block<false>(x, b + k * 2 * kTile);
      _tile_stored(0, sums, 128);
      _tile_stored(1, sums + 16, 128);
    }
  }
}

// Weights of other values than bf16's. 32 × 32 of them, [half][k][16 columns], become parts [part][half][k pair][16 columns][2]. The bits
// are cut off, not rounded: a part costs a mask and a subtraction, and is exact all the same.
constexpr int64_t kSplitBlock = 2 * kParts * kTile;  // uint16s

// Two k steps of a half, so a line of every part.
inline void split_line(const float* w, uint16_t* parts) {
  const __m512i top = _mm512_set1_epi32(int(0xffff0000));
  _mm_prefetch(reinterpret_cast<const char*>(w) + kAhead, _MM_HINT_T0);
  _mm_prefetch(reinterpret_cast<const char*>(w) + kAhead + 64, _MM_HINT_T0);
  __m512 even = _mm512_load_ps(w), odd = _mm512_load_ps(w + 16);
#pragma GCC unroll 3
  for (int part = 0; part < int(kParts); ++part) {
    const __m512i e = _mm512_castps_si512(even), o = _mm512_castps_si512(odd), high = _mm512_and_si512(o, top);
    _mm512_store_si512(parts + part * 2 * kTile, _mm512_or_si512(_mm512_maskz_srli_epi32(0xffff, e, 16), high));
    if (part + 1 < int(kParts)) {
      even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_and_si512(e, top)));
      odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(high));
    }
  }
}

template <int From, int To>
inline void split_lines(const float* w, uint16_t* parts) {
#pragma GCC unroll 32
  for (int line = From; line < To; ++line) split_line(w + line * 32, parts + line * 32);
}

template <bool Two, int Part>
inline void by_part(const uint16_t* a, const uint16_t* second) {
  _tile_loadd(4, a + Part * kTile, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if constexpr (Two) {
    _tile_loadd(4, second + Part * kTile, 64);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(3, 4, 7);
  }
}

// One or two blocks of rows (Two) times a block of split weights. Split: between the products the next block's weights are split, into
// `to`: what is stored now is in the cache by the time that its tiles are loaded.
template <bool Two, bool Split>
inline void wide_block(const uint16_t* a, const uint16_t* second, const uint16_t* b, const float* next, uint16_t* to) {
  const auto weights = [&](int part) {
    _tile_loadd(6, b + part * 2 * kTile, 64);
    _tile_loadd(7, b + part * 2 * kTile + kTile, 64);
  };
  weights(0);
  by_part<Two, 0>(a, second);
  if constexpr (Split) split_lines<0, 6>(next, to);
  by_part<Two, 1>(a, second);
  if constexpr (Split) split_lines<6, 11>(next, to);
  by_part<Two, 2>(a, second);
  if constexpr (Split) split_lines<11, 16>(next, to);
  weights(1);
  by_part<Two, 0>(a, second);
  if constexpr (Split) split_lines<16, 22>(next, to);
  by_part<Two, 1>(a, second);
  if constexpr (Split) split_lines<22, 27>(next, to);
  weights(2);
  by_part<Two, 0>(a, second);
  if constexpr (Split) split_lines<27, 32>(next, to);
}

// One or two blocks of rows times a panel, into out [16 or 32][32].
template <bool Two>
inline void wide_product(int64_t k_blocks, const uint16_t* a, const float* w, float* out) {
  alignas(64) uint16_t buffer[2 * kSplitBlock];
  const uint16_t* second = a + k_blocks * kParts * kTile;
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (Two) {
    _tile_zero(2);
    _tile_zero(3);
  }
  uint16_t *now = buffer, *then = buffer + kSplitBlock;
  split_lines<0, 32>(w, now);
  for (int64_t k = 1; k < k_blocks; ++k, a += kParts * kTile, second += kParts * kTile) {
    wide_block<Two, true>(a, second, now, w + k * 2 * kTile, then);
    std::swap(now, then);
  }
  wide_block<Two, false>(a, second, now, nullptr, nullptr);
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

// The same with wide_product's sums.
template <int R>
inline void few_wide(int64_t k_blocks, const uint16_t* a, const float* w, float* out) {
  const __m512i top = _mm512_set1_epi32(int(0xffff0000));
  __m512 sums[R][2];
  for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
  alignas(64) float x[R][kParts][kDepth];
  for (int64_t k = 0; k < k_blocks; ++k, a += kParts * kTile) {
    for (int r = 0; r < R; ++r)
      for (int part = 0; part < int(kParts); ++part)
        for (int64_t i = 0; i < kDepth; i += 16)
          _mm512_store_ps(&x[r][part][i], Halves{_mm256_load_si256(reinterpret_cast<const __m256i*>(a + part * kTile + r * kDepth + i))}.wide());
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m512 of[R][6][2];  // the sums of each product of parts, even and odd k
#pragma GCC unroll 32
      for (int i = 0; i < R * 12; ++i) (&of[0][0][0])[i] = _mm512_setzero_ps();
      for (int64_t pair = 0; pair < kDepth; pair += 2, w += 32) {
        _mm_prefetch(reinterpret_cast<const char*>(w) + kAhead, _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(w) + kAhead + 64, _MM_HINT_T0);
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; ++odd) {
          const __m512 all = _mm512_load_ps(w + odd * 16), first = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(all), top)), rest = _mm512_sub_ps(all, first),
                       middle = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(rest), top)), last = _mm512_sub_ps(rest, middle);
#pragma GCC unroll 2
          for (int r = 0; r < R; ++r) {
            const __m512 x0 = _mm512_set1_ps(x[r][0][pair + odd]), x1 = _mm512_set1_ps(x[r][1][pair + odd]), x2 = _mm512_set1_ps(x[r][2][pair + odd]);
            of[r][0][odd] = _mm512_fmadd_ps(x0, first, of[r][0][odd]);
            of[r][1][odd] = _mm512_fmadd_ps(x1, first, of[r][1][odd]);
            of[r][2][odd] = _mm512_fmadd_ps(x2, first, of[r][2][odd]);
            of[r][3][odd] = _mm512_fmadd_ps(x0, middle, of[r][3][odd]);
            of[r][4][odd] = _mm512_fmadd_ps(x1, middle, of[r][4][odd]);
            of[r][5][odd] = _mm512_fmadd_ps(x0, last, of[r][5][odd]);
          }
        }
      }
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) sums[r][half] = _mm512_add_ps(sums[r][half], _mm512_add_ps(of[r][i][0], of[r][i][1]));
    }
  }
  for (int r = 0; r < R; ++r)
    for (int half = 0; half < 2; ++half) _mm512_store_ps(out + r * kColumns + half * 16, sums[r][half]);
}

constexpr Shapes kShapes;

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
  alignas(64) float out[kGroup * kRows * kColumns];
  const int64_t k_blocks = blocks(depth, kDepth), block = split_size(depth);
  if (rows <= kFew) {
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) few<2>(k_blocks, parts + r * kDepth, panel, out + r * kColumns);
    if (r < rows) few<1>(k_blocks, parts + r * kDepth, panel, out + r * kColumns);
    put(rows, columns, out, y, y_row, accumulate);
    return;
  }
  _tile_loadconfig(&kShapes);
  for (int64_t r = 0; r < rows; r += kGroup * kRows, parts += kGroup * block) {
    const int64_t n = std::min(kGroup * kRows, rows - r);
    product(blocks(n, kRows), k_blocks, parts, panel, r == 0, out);
    put(n, columns, out, y + r * y_row, y_row, accumulate);
  }
  _tile_release();
}

void multiply(int64_t rows, int64_t columns, int64_t depth, const uint16_t* parts, const float* panel, float* y, int64_t y_row, bool accumulate) {
  alignas(64) float out[2 * kRows * kColumns];
  const int64_t k_blocks = blocks(depth, kDepth), block = split_size(depth);
  if (rows <= kFewWide) {
    rows == 1 ? few_wide<1>(k_blocks, parts, panel, out) : few_wide<2>(k_blocks, parts, panel, out);
    put(rows, columns, out, y, y_row, accumulate);
    return;
  }
  _tile_loadconfig(&kShapes);
  for (int64_t r = 0; r < rows; r += 2 * kRows, parts += 2 * block) {
    const int64_t n = std::min(2 * kRows, rows - r);
    n > kRows ? wide_product<true>(k_blocks, parts, panel, out) : wide_product<false>(k_blocks, parts, panel, out);
    put(n, columns, out, y + r * y_row, y_row, accumulate);
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
void multiply(int64_t, int64_t, int64_t, const uint16_t*, const float*, float*, int64_t, bool) { FOIL_CHECK(false, "no AMX on this machine"); }

#endif

}  // namespace foil::nn::tiles
