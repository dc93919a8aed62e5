// Half-precision and bfloat16 bit patterns to and from f32.
#pragma once
#include <bit>
#include <cstdint>

namespace foil::io {

inline float from_bf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// IEEE binary16, subnormals included: the exponent is moved by multiplying with 2^112, which also normalises subnormals.
inline float from_f16(uint16_t bits) {
  const uint32_t sign = uint32_t(bits & 0x8000) << 16, rest = uint32_t(bits & 0x7fff) << 13;
  if ((bits & 0x7c00) == 0x7c00) return std::bit_cast<float>(sign | 0x7f800000 | rest);  // infinity, NaN
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(std::bit_cast<float>(rest) * 0x1p112f));
}

}  // namespace foil::io
