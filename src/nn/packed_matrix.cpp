#include "nn/packed_matrix.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"

namespace foil::nn {

namespace {

constexpr int64_t kSplitBytes = 1 << 20;  // of split rows that stay in the second cache while panels pass by

}  // namespace

bool PackedMatrix::bf16_holds(const at::Tensor& weight) {
  if (weight.scalar_type() == at::kBFloat16) return true;
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  const auto* words = static_cast<const uint32_t*>(w.const_data_ptr());
  std::atomic<bool> exact{true};
  at::parallel_for(0, w.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    uint32_t low = 0;
    for (int64_t i = begin; i < end; ++i) low |= words[i] & 0xffff;
    if (low) exact = false;
  });
  return exact;
}

int64_t PackedMatrix::bytes_for(const at::Tensor& w, bool bf16) {
  const int64_t panels = (w.size(0) + Panels::kWidth - 1) / Panels::kWidth, size = tiles::available() ? tiles::panel_size(w.size(1)) : w.size(1) * Panels::kWidth;
  return (panels * size * int64_t(bf16 ? sizeof(uint16_t) : sizeof(float)) + 63) / 64 * 64;
}

int64_t PackedMatrix::split_halves(int64_t rows, int64_t depth) { return tiles::blocks(rows, tiles::kRows) * tiles::split_size(depth); }

PackedMatrix::PackedMatrix(const at::Tensor& weight, bool bf16, const at::Tensor& memory, int64_t& used) : depth_(weight.size(1)), columns_(weight.size(0)) {
  FOIL_CHECK(weight.dim() == 2 && weight.is_cpu());
  const at::Tensor w = weight.detach().to(at::kFloat).contiguous();
  if (!tiles::available()) {
    panels_ = Panels::compact_of_transposed(w, bf16, memory, used);
    used = (used + 63) / 64 * 64;
    return;
  }
  const int64_t size = tiles::panel_size(depth_);
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  const int64_t taken = panels() * size * int64_t(at::elementSize(type));
  tiles_ = memory.narrow(0, used, taken).view(type).view({panels(), size});
  used += (taken + 63) / 64 * 64;
  const float* from = w.const_data_ptr<float>();
  const auto pack = [&](auto* to) {
    at::parallel_for(0, panels(), std::max<int64_t>(1, (1 << 16) / size), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        tiles::pack(std::min(Panels::kWidth, columns_ - i * Panels::kWidth), depth_, from + i * Panels::kWidth * depth_, depth_, to + i * size);
    });
  };
  bf16 ? pack(static_cast<uint16_t*>(tiles_.mutable_data_ptr())) : pack(static_cast<float*>(tiles_.mutable_data_ptr()));
}

int64_t PackedMatrix::block_rows() const {
  if (!tiled()) return panels_.block_rows();
  constexpr int64_t kStep = 2 * tiles::kRows;
  return std::max(kStep, kSplitBytes / (split_halves(kStep, depth_) * int64_t(sizeof(uint16_t))) * kStep);
}

PackedMatrix::Rows PackedMatrix::ready(Team& team, int64_t rows, const float* x, int64_t x_row, uint16_t* buffer) const {
  if (!tiled()) return {rows, x, x_row, nullptr};
  const int64_t size = tiles::split_size(depth_);
  team.share(tiles::blocks(rows, tiles::kRows), [&](int64_t block) {
    const int64_t first = block * tiles::kRows;
    tiles::split(std::min(tiles::kRows, rows - first), depth_, x + first * x_row, x_row, buffer + block * size);
  });
  return {rows, x, x_row, buffer};
}

void PackedMatrix::multiply(const Rows& rows, int64_t first, int64_t last, int64_t panel, float* y, int64_t y_row, bool accumulate) const {
  if (!tiled()) {
    panels_.multiply_some(panel, 1, last - first, rows.x + first * rows.x_row, rows.x_row, y, y_row, accumulate);
    return;
  }
  const auto by = [&](const auto* weights) {
    tiles::multiply(last - first, std::min(Panels::kWidth, columns_ - panel * Panels::kWidth), depth_, rows.parts + first / tiles::kRows * tiles::split_size(depth_),
                    weights + panel * tiles::panel_size(depth_), y, y_row, accumulate);
  };
  tiles_.scalar_type() == at::kFloat ? by(static_cast<const float*>(tiles_.const_data_ptr())) : by(static_cast<const uint16_t*>(tiles_.const_data_ptr()));
}

void PackedMatrix::multiply_beside(const PackedMatrix& other, const Rows& rows, int64_t first, int64_t last, int64_t panel, float* y, int64_t y_row) const {
  if (!tiled()) {
    panels_.multiply_beside(other.panels_, panel, last - first, rows.x + first * rows.x_row, rows.x_row, y, y_row);
    return;
  }
  multiply(rows, first, last, panel, y, y_row, false);
  other.multiply(rows, first, last, panel, y + Panels::kWidth, y_row, false);
}

void PackedMatrix::share(Team& team, const Rows& rows, float* y, int64_t y_row, const float* bias, bool accumulate) const {
  // Panels by twos where that is faster, and the last ones alone, so that the threads end together.
  const int64_t twos = tiled() ? 0 : std::max<int64_t>(0, panels() / 2 - 1), jobs = panels() - twos;
  share_panels(team, rows.count, block_rows(), jobs, [&](int64_t first, int64_t last, int64_t job) {
    const int64_t i = job < twos ? 2 * job : twos + job, count = job < twos ? 2 : 1;
    float* to = y + first * y_row + i * Panels::kWidth;
    if (tiled()) multiply(rows, first, last, i, to, y_row, accumulate);
    else panels_.multiply_some(i, count, last - first, rows.x + first * rows.x_row, rows.x_row, to, y_row, accumulate);
    if (bias)
      for (int64_t c = 0; c < count; ++c) Panels::add_bias(bias, i + c, columns_, last - first, to + c * Panels::kWidth, y_row);
  });
}

at::Tensor PackedMatrix::linear(const at::Tensor& x_in) const {
  const at::Tensor x = x_in.contiguous();
  FOIL_CHECK(x.dim() == 2 && x.size(1) == depth_ && x.scalar_type() == at::kFloat);
  const int64_t count = x.size(0);
  at::Tensor y = at::empty({count, columns_}, x.options().requires_grad(false));
  const at::Tensor buffer = at::empty({tiled() ? split_halves(count, depth_) : 0}, at::kBFloat16);
  const float* xp = x.const_data_ptr<float>();
  float* yp = y.mutable_data_ptr<float>();
  auto* parts = static_cast<uint16_t*>(buffer.mutable_data_ptr());
  Team::run([&](Team& team) { share(team, ready(team, count, xp, depth_, parts), yp, columns_, nullptr, false); }, count * depth_ * columns_ < Panels::kSerialWork);
  return y;
}

}  // namespace foil::nn
