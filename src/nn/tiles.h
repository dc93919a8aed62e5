// Matrix products on AMX tiles (Sapphire Rapids and later) with f32's precision, for weights that bf16 holds: an f32 is the sum of three
// bf16 parts, exactly, and products of bf16 are summed in f32. Such a product takes a sixteenth of the time of one in AVX-512's f32.
//
// Raw pointers, no tensors, no threads: callers split the work. An element's sum runs over k in one order, whatever the rows beside it.
// Instructions: Intel SDM, TDPBF16PS (even and odd k are summed apart within a tile; parts below 2⁻¹²⁶ count as 0).
#pragma once
#include <cstdint>

namespace foil::nn::tiles {

inline constexpr int64_t kRows = 16;     // rows of a block of x
inline constexpr int64_t kDepth = 32;    // k steps of a block
inline constexpr int64_t kColumns = 32;  // columns of a panel
inline constexpr int64_t kParts = 3;

// The processor has AMX-BF16 and the system lets this process use it; FOIL_AMX=0 in the environment says no.
bool available();

inline int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

// uint16s of a block of rows split into parts, and of a panel of weights.
inline int64_t split_size(int64_t depth) { return blocks(depth, kDepth) * kParts * kRows * kDepth; }
inline int64_t panel_size(int64_t depth) { return blocks(depth, kDepth) * kDepth * kColumns; }

// x [rows ≤ kRows, depth], rows x_row apart, as parts [⌈depth/32⌉][part][16][32]; what is missing is 0. parts: aligned to 64 bytes.
void split(int64_t rows, int64_t depth, const float* x, int64_t x_row, uint16_t* parts);

// w [columns ≤ kColumns, depth] of values that bf16 holds, rows w_row apart, as a panel [⌈depth/32⌉][half][k pair][16 columns][2].
void pack(int64_t columns, int64_t depth, const float* w, int64_t w_row, uint16_t* panel);

// y[rows, columns] (+)= x · panel; `parts`: x's blocks one behind the other.
void multiply(int64_t rows, int64_t columns, int64_t depth, const uint16_t* parts, const uint16_t* panel, float* y, int64_t y_row, bool accumulate);

}  // namespace foil::nn::tiles
