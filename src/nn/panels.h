// Matrix products of f32 on the CPU: weights packed into panels, register tiles for the machine's vectors (nn/kernels.h).
//
// Every element of a product is one chain of multiply-adds over k in order, whatever the number of rows, the block sizes and the
// threads: results are bit-equal however rows are batched or split. At the shapes of small decoders this is faster than MKL
// (115 against 102 GFLOP/s a core, 256 × 768 × 128 on a Zen 4), and far more so for few rows, since nothing is packed per call.
#pragma once
#include <ATen/ATen.h>

#include <vector>

namespace foil::nn {

// B [K, N] as panels of 32 columns: [⌈N/32⌉, K, 32], the last filled up with zeros.
class Panels {
 public:
  static constexpr int64_t kWidth = 32;
  Panels() = default;
  // For x · wᵀ (w [N, K]) and for x · w (w [K, N]). w: any floating type, on the CPU, rows contiguous; computed in f32.
  static Panels of_transposed(const at::Tensor& w);
  static Panels of(const at::Tensor& w);
  // Uninitialised; filled row by row with set_row.
  Panels(int64_t rows, int64_t columns);
  void set_row(int64_t row, const float* values);

  int64_t count() const { return (columns_ + kWidth - 1) / kWidth; }
  bool defined() const { return data_.defined(); }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  // y[rows, N] (+)= x[rows, K] · B, on this thread.
  void multiply(int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const;
  // The same for `count` panels from `first` on: their columns come out side by side in y.
  void multiply_some(int64_t first, int64_t count, int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const;
  // y [rows, N] = x [rows, K] · B (+ bias [N]); all threads.
  at::Tensor linear(const at::Tensor& x, const at::Tensor& bias = {}) const;

  // out[rows, N] (+)= aᵀ · B[begin:end], a [end − begin, rows] with element (k, r) at a[k·k_step + r·row_step]; on this thread.
  void multiply_rows(int64_t begin, int64_t end, int64_t rows, const float* a, int64_t row_step, int64_t k_step, float* out, int64_t out_row,
                     bool accumulate) const;
  // aᵀ · B: [N_a, N] from a [K, N_a], all threads: the gradient of a weight from the gradients of its outputs.
  at::Tensor transposed_product(const at::Tensor& a) const;

 private:
  float* panel(int64_t i) const { return static_cast<float*>(data_.mutable_data_ptr()) + i * rows_ * kWidth; }
  int64_t rows_ = 0, columns_ = 0;
  at::Tensor data_;
};

}  // namespace foil::nn
