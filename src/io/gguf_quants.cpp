// Block layouts of ggml's quantised types.
#include <cstring>

#include "base/error.h"
#include "io/float16.h"
#include "io/gguf.h"

namespace foil::io {

namespace {

struct Layout {
  GgmlType type;
  const char* name;
  int64_t elements;
  size_t bytes;
};
constexpr Layout kLayouts[] = {
    {GgmlType::kF32, "F32", 1, 4},          {GgmlType::kF16, "F16", 1, 2},         {GgmlType::kBF16, "BF16", 1, 2},       {GgmlType::kQ4_0, "Q4_0", 32, 18},
    {GgmlType::kQ4_1, "Q4_1", 32, 20},      {GgmlType::kQ5_0, "Q5_0", 32, 22},     {GgmlType::kQ5_1, "Q5_1", 32, 24},     {GgmlType::kQ8_0, "Q8_0", 32, 34},
    {GgmlType::kQ4_K, "Q4_K", 256, 144},    {GgmlType::kQ5_K, "Q5_K", 256, 176},   {GgmlType::kQ6_K, "Q6_K", 256, 210},
};

const Layout& layout(GgmlType type) {
  for (const Layout& l : kLayouts)
    if (l.type == type) return l;
  throw Error(fmt::format("GGUF tensor type {} is not supported", uint32_t(type)), "",
              "supported: F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K");
}

uint16_t u16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
uint32_t u32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}
float half(const uint8_t* p) { return from_f16(u16(p)); }

void q4_0(const uint8_t* p, float* y) {
  const float d = half(p);
  for (int j = 0; j < 16; ++j) {
    y[j] = float((p[2 + j] & 0xf) - 8) * d;
    y[j + 16] = float((p[2 + j] >> 4) - 8) * d;
  }
}

void q4_1(const uint8_t* p, float* y) {
  const float d = half(p), m = half(p + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = float(p[4 + j] & 0xf) * d + m;
    y[j + 16] = float(p[4 + j] >> 4) * d + m;
  }
}

void q5_0(const uint8_t* p, float* y) {
  const float d = half(p);
  const uint32_t high = u32(p + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = float(int((p[6 + j] & 0xf) | ((high >> j & 1) << 4)) - 16) * d;
    y[j + 16] = float(int((p[6 + j] >> 4) | ((high >> (j + 16) & 1) << 4)) - 16) * d;
  }
}

void q5_1(const uint8_t* p, float* y) {
  const float d = half(p), m = half(p + 2);
  const uint32_t high = u32(p + 4);
  for (int j = 0; j < 16; ++j) {
    y[j] = float((p[8 + j] & 0xf) | ((high >> j & 1) << 4)) * d + m;
    y[j + 16] = float((p[8 + j] >> 4) | ((high >> (j + 16) & 1) << 4)) * d + m;
  }
}

void q8_0(const uint8_t* p, float* y) {
  const float d = half(p);
  for (int j = 0; j < 32; ++j) y[j] = float(int8_t(p[2 + j])) * d;
}

// Six-bit scale and minimum of sub-block j of a K block.
void scale_and_minimum(int j, const uint8_t* q, uint8_t& scale, uint8_t& minimum) {
  if (j < 4) {
    scale = q[j] & 63, minimum = q[j + 4] & 63;
  } else {
    scale = uint8_t((q[j + 4] & 0xf) | ((q[j - 4] >> 6) << 4));
    minimum = uint8_t((q[j + 4] >> 4) | ((q[j] >> 6) << 4));
  }
}

void q4_k(const uint8_t* p, float* y) {
  const float d = half(p), least = half(p + 2);
  const uint8_t* q = p + 16;
  for (int j = 0; j < 8; ++j, y += 32) {
    uint8_t scale, minimum;
    scale_and_minimum(j, p + 4, scale, minimum);
    const float ds = d * float(scale), m = least * float(minimum);
    for (int l = 0; l < 32; ++l) y[l] = ds * float(j % 2 ? q[l] >> 4 : q[l] & 0xf) - m;
    if (j % 2) q += 32;
  }
}

void q5_k(const uint8_t* p, float* y) {
  const float d = half(p), least = half(p + 2);
  const uint8_t *high = p + 16, *q = p + 48;
  for (int j = 0; j < 8; ++j, y += 32) {
    uint8_t scale, minimum;
    scale_and_minimum(j, p + 4, scale, minimum);
    const float ds = d * float(scale), m = least * float(minimum);
    for (int l = 0; l < 32; ++l) y[l] = ds * float((j % 2 ? q[l] >> 4 : q[l] & 0xf) + (high[l] >> j & 1) * 16) - m;
    if (j % 2) q += 32;
  }
}

void q6_k(const uint8_t* p, float* y) {
  const uint8_t *low = p, *high = p + 128;
  const auto* scales = reinterpret_cast<const int8_t*>(p + 192);
  const float d = half(p + 208);
  for (int n = 0; n < 2; ++n, y += 128, low += 64, high += 32, scales += 8)
    for (int l = 0; l < 32; ++l) {
      const int s = l / 16, h = high[l];
      y[l] = d * float(scales[s]) * float(((low[l] & 0xf) | ((h & 3) << 4)) - 32);
      y[l + 32] = d * float(scales[s + 2]) * float(((low[l + 32] & 0xf) | ((h >> 2 & 3) << 4)) - 32);
      y[l + 64] = d * float(scales[s + 4]) * float(((low[l] >> 4) | ((h >> 4 & 3) << 4)) - 32);
      y[l + 96] = d * float(scales[s + 6]) * float(((low[l + 32] >> 4) | ((h >> 6 & 3) << 4)) - 32);
    }
}

}  // namespace

const char* name_of(GgmlType type) { return layout(type).name; }
int64_t block_elements(GgmlType type) { return layout(type).elements; }
size_t block_bytes(GgmlType type) { return layout(type).bytes; }

void dequantise(GgmlType type, const std::byte* in, int64_t blocks, float* out) {
  const auto* p = reinterpret_cast<const uint8_t*>(in);
  auto each = [&](auto&& block) {
    const Layout& l = layout(type);
    for (int64_t b = 0; b < blocks; ++b, p += l.bytes, out += l.elements) block(p, out);
  };
  switch (type) {
    case GgmlType::kF32: std::memcpy(out, in, size_t(blocks) * 4); return;
    case GgmlType::kF16: return each([](const uint8_t* q, float* y) { *y = half(q); });
    case GgmlType::kBF16: return each([](const uint8_t* q, float* y) { *y = from_bf16(u16(q)); });
    case GgmlType::kQ4_0: return each(q4_0);
    case GgmlType::kQ4_1: return each(q4_1);
    case GgmlType::kQ5_0: return each(q5_0);
    case GgmlType::kQ5_1: return each(q5_1);
    case GgmlType::kQ8_0: return each(q8_0);
    case GgmlType::kQ4_K: return each(q4_k);
    case GgmlType::kQ5_K: return each(q5_k);
    case GgmlType::kQ6_K: return each(q6_k);
  }
  layout(type);  // throws
}

}  // namespace foil::io
