// Matrix products on AMX tiles (Sapphire Rapids and later) with f32's precision: an f32 is the sum of three bf16 parts, exactly, and
// products of bf16 are summed in f32. Such a product takes a sixteenth of the time of one in AVX-512's f32; weights that bf16 holds need
// three of them, others, split on their way into the tiles, the six of the parts i and j of both sides with i + j < 3: what is left out of a
// product is below 2⁻²³ of it, as f32's own rounding is.
//
// Raw pointers, no tensors, no threads: callers split the work. An element's sum runs over k in one order, whatever the rows beside it.
// Instructions: Intel SDM, TDPBF16PS (even and odd k are summed apart within a tile; parts below 2⁻¹²⁶ count as 0).
//
// Few tiles are in use at a time: a core whose other thread works has hardly any left to rename, and a load then waits for the products
// before it. With eight in use a product took 25 to 31 ns there, with six 18, with five 13, and 7 on a free core (docs/performance.md). Panels of
// bf16 take five; those of f32 five as well, or seven for two blocks of rows, which then share the splitting of the weights.
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

// uint16s of a block of rows split into parts, and weights of a panel.
inline int64_t split_size(int64_t depth) { return blocks(depth, kDepth) * kParts * kRows * kDepth; }
inline int64_t panel_size(int64_t depth) { return blocks(depth, kDepth) * kDepth * kColumns; }

// x [rows ≤ kRows, depth], rows x_row apart, as parts [⌈depth/32⌉][part][16][32]; what is missing is 0. parts: aligned to 64 bytes.
void split(int64_t rows, int64_t depth, const float* x, int64_t x_row, uint16_t* parts);

// w [columns ≤ kColumns, depth], rows w_row apart, as a panel: of values that bf16 holds [⌈depth/32⌉][half][k pair][16 columns][2], of any
// others [⌈depth/32⌉][half][k][16 columns].
void pack(int64_t columns, int64_t depth, const float* w, int64_t w_row, uint16_t* panel);
void pack(int64_t columns, int64_t depth, const float* w, int64_t w_row, float* panel);

// y[rows, columns] (+)= x · panel; `parts`: x's blocks one behind the other. panel: aligned to 64 bytes.
void multiply(int64_t rows, int64_t columns, int64_t depth, const uint16_t* parts, const uint16_t* panel, float* y, int64_t y_row, bool accumulate);
void multiply(int64_t rows, int64_t columns, int64_t depth, const uint16_t* parts, const float* panel, float* y, int64_t y_row, bool accumulate);

}  // namespace foil::nn::tiles
