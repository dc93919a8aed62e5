// f32 CPU loops under the layers: small matrix products, softmax rows, RMSNorm, SwiGLU, rotary positions.
//
// Raw pointers and strides, no tensors, no threads: callers split the work. Each function is compiled for AVX-512, AVX2 and plain
// x86-64 and chosen at run time, so one binary serves every machine. A row's result does not depend on how callers split rows.
#pragma once
#include <cstdint>

namespace foil::nn::kernels {

// Products run at full speed when N is a multiple of this.
inline constexpr int64_t kFullColumns = 32;

// C[m, n] = (accumulate ? C : 0) + Σ_k A[m·a_row + k·a_col] · B[k·b_row + n]; rows of B and C are contiguous.
// stream: what lies behind B in memory is wanted next (panels of a matrix), so it is asked for ahead.
void multiply(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t b_row, float* C,
              int64_t c_row, bool accumulate, bool stream = false);

// The same, streaming, for two full blocks of columns, the other one `second` floats behind B: they come out side by side in C.
void multiply_pair(int64_t M, int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t second, int64_t b_row, float* C,
                   int64_t c_row, bool accumulate);

// The same as multiply(), streaming, with B in bf16 (the upper halves of f32): widened as it is read, which is exact, so the result is multiply's.
void multiply_bf16(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, int64_t a_col, const uint16_t* B, int64_t b_row, float* C,
                   int64_t c_row, bool accumulate);

// out[c, r] = in[r·in_row + c] for r < rows, c < columns; out rows are out_row apart.
void transpose(int64_t rows, int64_t columns, const float* in, int64_t in_row, float* out, int64_t out_row);

// x[i] = exp(x[i]·scale − max) over n entries, divided by the sum when `normalise`; returns log Σ exp(x·scale).
float softmax_row(float* x, int64_t n, float scale, bool normalise);

// sums[j] = the sum of those of x[512·j … 512·j + 511] that are at least `floor`, in f64; returns the sum of all.
inline constexpr int64_t kSumChunk = 512;
double chunk_sums(const float* x, int64_t n, float floor, double* sums);

// x[i] = exp(x[i]·scale − lse).
void exp_row(float* x, int64_t n, float scale, float lse);

// p[i] = exp(p[i]·scale − lse), then dp[i] = p[i]·(dp[i] − inner)·scale: scores to probabilities, their gradient to the scores'.
void softmax_backward_row(float* p, float* dp, int64_t n, float scale, float lse, float inner);

// Running softmax statistics of n columns, `rows` more rows of x at a time: with z = x·scale, top = max z, sum = Σ exp(z − top) and
// weighted = Σ exp(z − top)·(z − top). Start with top = −1e30, sum = weighted = 0.
void column_logsumexp(const float* x, int64_t x_row, int64_t rows, int64_t n, float scale, float* top, float* sum, float* weighted);

// x[r, j] = exp(x[r, j]·scale − lse[j])·factor[j].
void column_softmax(float* x, int64_t x_row, int64_t rows, int64_t n, float scale, const float* lse, const float* factor);

float dot(const float* a, const float* b, int64_t n);
void add_row(float* out, const float* in, int64_t n);

// y = x · rsqrt(mean x² + eps) · w over rows of n; inverse_rms[rows], unless null, is kept for the backward pass.
void rms_norm(const float* x, const float* w, float* y, float* inverse_rms, int64_t rows, int64_t n, float eps);
// The same with rows x_row and y_row apart.
void rms_norm(const float* x, int64_t x_row, const float* w, float* y, int64_t y_row, float* inverse_rms, int64_t rows, int64_t n, float eps);
// dx of the same, plus residual [rows, n] unless null; dw is added to dw_partial[n]. dx may be dy.
void rms_norm_backward(const float* x, int64_t x_row, const float* w, const float* inverse_rms, const float* dy, int64_t dy_row, const float* residual,
                       float* dx, int64_t dx_row, float* dw_partial, int64_t rows, int64_t n);

// y = x · inverse_rms · w for one row: RMSNorm whose reduction is already known.
void scale_row(const float* x, const float* w, float inverse_rms, float* y, int64_t n);

// out = silu(gate) · up, element by element.
void swiglu(const float* gate, const float* up, float* out, int64_t n);
void swiglu_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, int64_t n);

// Rotates `heads` heads of size d in one row: the half-split layout of Hugging Face. cosine and sine have d/2 entries.
// direction +1 forward, −1 backward (the inverse rotation). out may be in.
void rotate(const float* in, float* out, int64_t heads, int64_t d, const float* cosine, const float* sine, float direction);

}  // namespace foil::nn::kernels
