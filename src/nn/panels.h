// Matrix products of f32 on the CPU: weights packed into panels, register tiles for the machine's vectors (nn/kernels.h).
//
// Every element of a product is one chain of multiply-adds over k in order, whatever the number of rows, the block sizes and the
// threads: results are bit-equal however rows are batched or split. At the shapes of small decoders this is faster than MKL
// (115 against 102 GFLOP/s a core, 256 × 768 × 128 on a Zen 4), and far more so for few rows, since nothing is packed per call.
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "nn/team.h"

namespace foil::nn {

// A phase of the team's over a product of `rows` rows and `panels` panels: work(first, last, panel) for every block of rows [first, last),
// the panels of one block one behind the other.
template <class F>
void share_panels(Team& team, int64_t rows, int64_t block, int64_t panels, const F& work) {
  team.share((rows + block - 1) / block * panels, [&](int64_t job) {
    const int64_t first = job / panels * block;
    work(first, std::min(rows, first + block), job % panels);
  });
}

// B [K, N] as panels of 32 columns: [⌈N/32⌉, K, 32], the last filled up with zeros.
class Panels {
 public:
  static constexpr int64_t kWidth = 32;
  static constexpr int64_t kSerialWork = 1 << 18;  // multiply-adds below which waking threads costs more than it saves
  Panels() = default;
  // For x · wᵀ (w [N, K]) and for x · w (w [K, N]). w: any floating type, on the CPU, rows contiguous; computed in f32.
  static Panels of_transposed(const at::Tensor& w);
  static Panels of(const at::Tensor& w);
  // The same with columns of zeros up to a full panel, for a result that has room for them: a panel cut short is left to a slow loop.
  Panels filled_up() const {
    Panels p = *this;
    p.columns_ = count() * kWidth;
    return p;
  }
  // x · wᵀ, in bf16 (half the memory to read) when that holds every weight exactly (checkpoints are mostly published so); products are
  // the same to the bit. Taken from `memory` [bytes] at `used`, which moves on.
  static Panels compact_of_transposed(const at::Tensor& w, bool bf16, const at::Tensor& memory, int64_t& used);
  // Uninitialised; filled row by row with set_row.
  Panels(int64_t rows, int64_t columns);
  void set_row(int64_t row, const float* values);

  int64_t count() const { return (columns_ + kWidth - 1) / kWidth; }
  bool defined() const { return data_.defined(); }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t bytes() const { return int64_t(data_.nbytes()); }

  // y[rows, N] (+)= x[rows, K] · B, on this thread.
  void multiply(int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const;
  // The same for `count` panels from `first` on: their columns come out side by side in y.
  void multiply_some(int64_t first, int64_t count, int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const;
  // Panel `panel` of this and of another matrix of the same shape, its columns behind this one's: y[rows, 64] = x · [B | other].
  void multiply_beside(const Panels& other, int64_t panel, int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row) const;
  // y[r, 32 or what is left] += that part of bias [N].
  static void add_bias(const float* bias, int64_t panel, int64_t columns, int64_t rows, float* y, int64_t y_row);
  // Rows of x whose share of a panel's work stays in the cache: jobs on panels take so many at a time.
  int64_t block_rows() const;
  // y [rows, N] = x [rows, K] · B (+ bias [N]); all threads.
  at::Tensor linear(const at::Tensor& x, const at::Tensor& bias = {}) const;

  // out[rows, …] (+)= A · B[begin:end] in panels [first, first + count), A [rows, end − begin] with element (r, k) at a[r·row_step + k·k_step];
  // on this thread.
  void multiply_rows(int64_t begin, int64_t end, int64_t first, int64_t count, int64_t rows, const float* a, int64_t row_step, int64_t k_step, float* out,
                     int64_t out_row, bool accumulate) const;
  // aᵀ · B: [N_a, N] from a [K, N_a], all threads: the gradient of a weight from the gradients of its outputs.
  at::Tensor transposed_product(const at::Tensor& a) const;

 private:
  // place(i, pack) for every panel of wᵀ, on all threads: pack(to) writes panel i to `to`.
  template <class F>
  void pack_transposed(const at::Tensor& w, const F& place) const;
  float* panel(int64_t i) const { return static_cast<float*>(data_.mutable_data_ptr()) + i * rows_ * kWidth; }
  // C (+)= A · rows [k, k + K) of panels [first, first + count).
  void multiply_depth(int64_t first, int64_t count, int64_t k, int64_t K, int64_t rows, const float* a, int64_t row_step, int64_t k_step, float* c,
                      int64_t c_row, bool accumulate) const;
  int64_t rows_ = 0, columns_ = 0;
  at::Tensor data_;
};

}  // namespace foil::nn
