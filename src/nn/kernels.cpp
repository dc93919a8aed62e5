#include "nn/kernels.h"

namespace foil::nn::kernels {

namespace {

struct Table {
  decltype(&multiply) multiply_;
  decltype(&multiply_pair) multiply_pair_;
  decltype(&multiply_bf16) multiply_bf16_;
  decltype(&transpose) transpose_;
  decltype(&softmax_row) softmax_row_;
  decltype(&chunk_sums) chunk_sums_;
  decltype(&exp_row) exp_row_;
  decltype(&softmax_backward_row) softmax_backward_row_;
  decltype(&column_logsumexp) column_logsumexp_;
  decltype(&column_softmax) column_softmax_;
  decltype(&dot) dot_;
  decltype(&add_row) add_row_;
  void (*rms_norm_)(const float*, int64_t, const float*, float*, int64_t, float*, int64_t, int64_t, float);
  void (*rms_norm_backward_)(const float*, int64_t, const float*, const float*, const float*, int64_t, const float*, float*, int64_t, float*, int64_t, int64_t);
  decltype(&scale_row) scale_row_;
  decltype(&swiglu) swiglu_;
  decltype(&swiglu_backward) swiglu_backward_;
  decltype(&rotate) rotate_;
};

namespace plain {
constexpr int kWidth = 4, kRows = 4, kColumns = 8, kWideRows = 0;
#include "nn/kernels_isa.inc"
}  // namespace plain

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
constexpr int kWidth = 8, kRows = 6, kColumns = 16, kWideRows = 0;
#include "nn/kernels_isa.inc"
}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl,prefer-vector-width=512")
#endif
namespace avx512 {
constexpr int kWidth = 16, kRows = 8, kColumns = 32, kWideRows = 6;
static_assert(kColumns == kFullColumns);
#include "nn/kernels_isa.inc"
}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

const Table& choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return avx512::kTable;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kTable;
#endif
  return plain::kTable;
}

const Table& table() {
  static const Table& chosen = choose();
  return chosen;
}

}  // namespace

void multiply(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t b_row, float* C, int64_t c_row,
              bool accumulate, bool stream) {
  table().multiply_(M, N, K, A, a_row, a_col, B, b_row, C, c_row, accumulate, stream);
}
void multiply_pair(int64_t M, int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t second, int64_t b_row, float* C, int64_t c_row,
                   bool accumulate) {
  table().multiply_pair_(M, K, A, a_row, a_col, B, second, b_row, C, c_row, accumulate);
}
void multiply_bf16(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, int64_t a_col, const uint16_t* B, int64_t b_row, float* C, int64_t c_row,
                   bool accumulate) {
  table().multiply_bf16_(M, N, K, A, a_row, a_col, B, b_row, C, c_row, accumulate);
}
void transpose(int64_t rows, int64_t columns, const float* in, int64_t in_row, float* out, int64_t out_row) {
  table().transpose_(rows, columns, in, in_row, out, out_row);
}
float softmax_row(float* x, int64_t n, float scale, bool normalise) { return table().softmax_row_(x, n, scale, normalise); }
double chunk_sums(const float* x, int64_t n, float floor, double* sums) { return table().chunk_sums_(x, n, floor, sums); }
void exp_row(float* x, int64_t n, float scale, float lse) { table().exp_row_(x, n, scale, lse); }
void softmax_backward_row(float* p, float* dp, int64_t n, float scale, float lse, float inner) {
  table().softmax_backward_row_(p, dp, n, scale, lse, inner);
}
void column_logsumexp(const float* x, int64_t x_row, int64_t rows, int64_t n, float scale, float* top, float* sum, float* weighted) {
  table().column_logsumexp_(x, x_row, rows, n, scale, top, sum, weighted);
}
void column_softmax(float* x, int64_t x_row, int64_t rows, int64_t n, float scale, const float* lse, const float* factor) {
  table().column_softmax_(x, x_row, rows, n, scale, lse, factor);
}
float dot(const float* a, const float* b, int64_t n) { return table().dot_(a, b, n); }
void add_row(float* out, const float* in, int64_t n) { table().add_row_(out, in, n); }
void rms_norm(const float* x, const float* w, float* y, float* inverse_rms, int64_t rows, int64_t n, float eps) {
  table().rms_norm_(x, n, w, y, n, inverse_rms, rows, n, eps);
}
void rms_norm(const float* x, int64_t x_row, const float* w, float* y, int64_t y_row, float* inverse_rms, int64_t rows, int64_t n, float eps) {
  table().rms_norm_(x, x_row, w, y, y_row, inverse_rms, rows, n, eps);
}
void rms_norm_backward(const float* x, int64_t x_row, const float* w, const float* inverse_rms, const float* dy, int64_t dy_row, const float* residual,
                       float* dx, int64_t dx_row, float* dw_partial, int64_t rows, int64_t n) {
  table().rms_norm_backward_(x, x_row, w, inverse_rms, dy, dy_row, residual, dx, dx_row, dw_partial, rows, n);
}
void scale_row(const float* x, const float* w, float inverse_rms, float* y, int64_t n) { table().scale_row_(x, w, inverse_rms, y, n); }
void swiglu(const float* gate, const float* up, float* out, int64_t n) { table().swiglu_(gate, up, out, n); }
void swiglu_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, int64_t n) {
  table().swiglu_backward_(gate, up, dout, dgate, dup, n);
}
void rotate(const float* in, float* out, int64_t heads, int64_t d, const float* cosine, const float* sine, float direction) {
  table().rotate_(in, out, heads, d, cosine, sine, direction);
}

}  // namespace foil::nn::kernels
