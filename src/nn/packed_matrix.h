// A weight matrix of a decoder, packed in bf16 or f32; panels for the machine's vectors
// (nn/panels.h) or, where the processor has AMX, for its tiles (nn/tiles.h).
//
// A product has two phases: rows are made ready (split into bf16 parts for tiles; nothing else has work there), then multiplied.
#pragma once
#include <ATen/ATen.h>

#include "nn/panels.h"
#include "nn/tiles.h"

namespace foil::nn {

class PackedMatrix {
 public:
  // Rows of x that products read; the split ones lie in the buffer given to ready().
  struct Rows {
    int64_t count = 0;
    const float* x = nullptr;  // [count, K], x_row apart
    int64_t x_row = 0;
    const uint16_t* parts = nullptr;
  };

  PackedMatrix() = default;
  // x · wᵀ, w [N, K] of any floating type on the CPU. bf16: only the upper halves of its f32 are kept, for a w that bf16_holds(). Takes
  // bytes_for(w, bf16) of `memory` [bytes] at `used`, which moves on: all matrices of a model in one piece lie on huge pages, and reading
  // them runs on from one to the next.
  PackedMatrix(const at::Tensor& w, bool bf16, const at::Tensor& memory, int64_t& used);
  static bool bf16_holds(const at::Tensor& w);               // whether bf16 holds every weight exactly
  static int64_t bytes_for(const at::Tensor& w, bool bf16);  // a multiple of 64
  static int64_t split_halves(int64_t rows, int64_t depth);  // uint16s of the buffer for ready()

  bool defined() const { return panels_.defined() || tiles_.defined(); }
  bool tiled() const { return tiles_.defined(); }
  int64_t bytes() const { return tiled() ? int64_t(tiles_.nbytes()) : panels_.bytes(); }
  int64_t panels() const { return (columns_ + Panels::kWidth - 1) / Panels::kWidth; }
  int64_t block_rows() const;  // rows that a job on a panel takes at a time

  // A phase of the team's. buffer: split_halves(rows, K), aligned to 64 bytes, free until the next ready().
  Rows ready(Team& team, int64_t rows, const float* x, int64_t x_row, uint16_t* buffer) const;
  // y[last − first, 32 or what is left] (+)= rows [first, last) · panel, on this thread; first: a multiple of block_rows().
  void multiply(const Rows& rows, int64_t first, int64_t last, int64_t panel, float* y, int64_t y_row, bool accumulate) const;
  // The same panel of this and of another matrix of this shape: y[last − first, 64] = rows [first, last) · [this panel | the other's].
  void multiply_beside(const PackedMatrix& other, const Rows& rows, int64_t first, int64_t last, int64_t panel, float* y, int64_t y_row) const;
  // y[rows, N] (+)= rows · B (+ bias [N] unless null): a phase of the team's.
  void share(Team& team, const Rows& rows, float* y, int64_t y_row, const float* bias, bool accumulate) const;
  // y [rows, N] = x [rows, K] · B; all threads.
  at::Tensor linear(const at::Tensor& x) const;

 private:
  int64_t depth_ = 0, columns_ = 0;
  Panels panels_;
  at::Tensor tiles_;  // [panels, tiles::panel_size(K)], bf16 or f32
};

}  // namespace foil::nn
