#include "nn/panels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

constexpr int64_t kDepth = 1024;            // k steps of a panel that stay in the cache
constexpr int64_t kLeftBytes = 256 << 10;   // of x that stay in the cache while panels pass by
constexpr int64_t kTokens = 128;            // k steps of a transposed product at a time
constexpr int64_t kStrip = 144;             // rows, and panels, of its result that stay in the cache meanwhile
constexpr int64_t kStripPanels = 9;

at::Tensor as_float(const at::Tensor& w) {
  FOIL_CHECK(w.dim() == 2 && w.is_cpu());
  return w.detach().to(at::kFloat).contiguous();
}

}  // namespace

Panels::Panels(int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {
  data_ = at::empty({(columns + kWidth - 1) / kWidth, rows, kWidth}, at::kFloat);
}

void Panels::set_row(int64_t row, const float* values) {
  for (int64_t n = 0; n < columns_; n += kWidth) {
    float* to = panel(n / kWidth) + row * kWidth;
    const int64_t count = std::min(kWidth, columns_ - n);
    std::memcpy(to, values + n, size_t(count) * sizeof(float));
    std::fill(to + count, to + kWidth, 0.0f);
  }
}

Panels Panels::of_transposed(const at::Tensor& weight) {
  const at::Tensor w = as_float(weight);
  Panels p(w.size(1), w.size(0));
  p.pack_transposed(w, [&](int64_t i, const auto& pack) { pack(p.panel(i)); });
  return p;
}

Panels Panels::of(const at::Tensor& weight) {
  const at::Tensor w = as_float(weight);
  Panels p(w.size(0), w.size(1));
  const float* from = w.const_data_ptr<float>();
  at::parallel_for(0, p.rows_, std::max<int64_t>(1, (1 << 16) / p.columns_), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) p.set_row(r, from + r * p.columns_);
  });
  return p;
}

Panels Panels::compact_of_transposed(const at::Tensor& weight, bool bf16, const at::Tensor& memory, int64_t& used) {
  const at::Tensor w = as_float(weight);
  Panels p;
  p.rows_ = w.size(1), p.columns_ = w.size(0);
  const int64_t size = p.rows_ * kWidth, bytes = p.count() * size * int64_t(bf16 ? sizeof(uint16_t) : sizeof(float));
  p.data_ = memory.narrow(0, used, bytes).view(bf16 ? at::kBFloat16 : at::kFloat).view({p.count(), p.rows_, kWidth});
  used += bytes;
  auto* halves = static_cast<uint16_t*>(p.data_.mutable_data_ptr());
  p.pack_transposed(w, [&](int64_t i, const auto& pack) {
    if (!bf16) return pack(p.panel(i));
    static thread_local std::vector<float> wide;  // one panel at a time: memory touched for the first time is dear
    wide.resize(size_t(size));
    pack(wide.data());
    for (int64_t j = 0; j < size; ++j) halves[i * size + j] = uint16_t(std::bit_cast<uint32_t>(wide[size_t(j)]) >> 16);
  });
  return p;
}

template <class F>
void Panels::pack_transposed(const at::Tensor& w, const F& place) const {
  const float* from = w.const_data_ptr<float>();
  at::parallel_for(0, count(), std::max<int64_t>(1, (1 << 16) / (kWidth * rows_)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      place(i, [&](float* to) {
        const int64_t n = std::min(kWidth, columns_ - i * kWidth);
        if (n < kWidth) std::fill(to, to + rows_ * kWidth, 0.0f);
        kernels::transpose(n, rows_, from + i * kWidth * rows_, rows_, to, kWidth);
      });
  });
}

void Panels::multiply_depth(int64_t first, int64_t number, int64_t k, int64_t K, int64_t rows, const float* a, int64_t row_step, int64_t k_step, float* c,
                            int64_t c_row, bool accumulate) const {
  const int64_t last = first + number, size = rows_ * kWidth;
  if (data_.scalar_type() != at::kFloat) {
    const uint16_t* halves = static_cast<const uint16_t*>(data_.const_data_ptr()) + k * kWidth;
    for (int64_t i = first; i < last; ++i, c += kWidth)
      kernels::multiply_bf16(rows, std::min(kWidth, columns_ - i * kWidth), K, a, row_step, k_step, halves + i * size, kWidth, c, c_row, accumulate);
    return;
  }
  int64_t i = first;
  for (; i + 2 <= last && (i + 2) * kWidth <= columns_; i += 2, c += 2 * kWidth)
    kernels::multiply_pair(rows, K, a, row_step, k_step, panel(i) + k * kWidth, size, kWidth, c, c_row, accumulate);
  for (; i < last; ++i, c += kWidth)
    kernels::multiply(rows, std::min(kWidth, columns_ - i * kWidth), K, a, row_step, k_step, panel(i) + k * kWidth, kWidth, c, c_row, accumulate, true);
}

void Panels::multiply(int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const {
  multiply_some(0, count(), rows, x, x_row, y, y_row, accumulate);
}

int64_t Panels::block_rows() const { return std::max<int64_t>(16, kLeftBytes / (4 * std::min(rows_, kDepth)) / 8 * 8); }

void Panels::multiply_some(int64_t first, int64_t number, int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row, bool accumulate) const {
  const int64_t block = block_rows();
  for (int64_t r = 0; r < rows; r += block)
    for (int64_t k = 0; k < rows_; k += kDepth)
      multiply_depth(first, number, k, std::min(kDepth, rows_ - k), std::min(block, rows - r), x + r * x_row + k, x_row, 1, y + r * y_row, y_row, accumulate || k > 0);
}

void Panels::multiply_beside(const Panels& other, int64_t i, int64_t rows, const float* x, int64_t x_row, float* y, int64_t y_row) const {
  const bool one_pass = data_.scalar_type() == at::kFloat && other.data_.scalar_type() == at::kFloat && (i + 1) * kWidth <= columns_;
  if (!one_pass) {
    multiply_some(i, 1, rows, x, x_row, y, y_row, false);
    other.multiply_some(i, 1, rows, x, x_row, y + kWidth, y_row, false);
    return;
  }
  const int64_t block = block_rows();
  for (int64_t r = 0; r < rows; r += block)
    for (int64_t k = 0; k < rows_; k += kDepth)
      kernels::multiply_pair(std::min(block, rows - r), std::min(kDepth, rows_ - k), x + r * x_row + k, x_row, 1, panel(i) + k * kWidth, other.panel(i) - panel(i), kWidth,
                             y + r * y_row, y_row, k > 0);
}

void Panels::add_bias(const float* bias, int64_t panel, int64_t columns, int64_t rows, float* y, int64_t y_row) {
  for (int64_t r = 0; r < rows; ++r) kernels::add_row(y + r * y_row, bias + panel * kWidth, std::min(kWidth, columns - panel * kWidth));
}

void Panels::multiply_rows(int64_t begin, int64_t end, int64_t first, int64_t number, int64_t rows, const float* a, int64_t row_step, int64_t k_step,
                           float* out, int64_t out_row, bool accumulate) const {
  for (int64_t k = begin; k < end; k += kDepth)
    multiply_depth(first, number, k, std::min(kDepth, end - k), rows, a + (k - begin) * k_step, row_step, k_step, out, out_row, accumulate || k > begin);
}

at::Tensor Panels::linear(const at::Tensor& x_in, const at::Tensor& bias) const {
  const at::Tensor x = x_in.contiguous();
  FOIL_CHECK(x.dim() == 2 && x.size(1) == rows_ && x.scalar_type() == at::kFloat);
  const int64_t rows = x.size(0);
  at::Tensor y = at::empty({rows, columns_}, x.options().requires_grad(false));
  const float *xp = x.const_data_ptr<float>(), *bp = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  float* yp = y.mutable_data_ptr<float>();
  Team::run([&](Team& team) {
    share_panels(team, rows, block_rows(), count(), [&](int64_t first, int64_t last, int64_t i) {
      float* to = yp + first * columns_ + i * kWidth;
      multiply_some(i, 1, last - first, xp + first * rows_, rows_, to, columns_, false);
      if (bp) add_bias(bp, i, columns_, last - first, to, columns_);
    });
  }, rows * rows_ * columns_ < kSerialWork);
  return y;
}

at::Tensor Panels::transposed_product(const at::Tensor& a) const {
  FOIL_CHECK(a.dim() == 2 && a.size(0) == rows_ && a.is_contiguous() && a.scalar_type() == at::kFloat);
  const int64_t out_rows = a.size(1);
  at::Tensor out = at::empty({out_rows, columns_}, a.options().requires_grad(false));
  if (rows_ == 0) return out.zero_();
  const float* ap = a.const_data_ptr<float>();
  float* op = out.mutable_data_ptr<float>();
  // Blocks of the result, equal ones, and some for every thread.
  const int64_t blocks = (count() + kStripPanels - 1) / kStripPanels, panels = (count() + blocks - 1) / blocks;
  const int64_t strips = std::max((out_rows + kStrip - 1) / kStrip, std::min(out_rows / 48, 2 * at::get_num_threads() / blocks)), rows = ((out_rows + strips - 1) / strips + 11) / 12 * 12;
  Team::run([&](Team& team) {
    const std::unique_ptr<float[]> strip(new float[size_t(kTokens * rows)]);  // steps of a apart, its rows would fall on the same lines of the cache
    share_panels(team, out_rows, rows, blocks, [&](int64_t i, int64_t last, int64_t block) {
      const int64_t width = last - i, first = block * panels;
      for (int64_t t = 0; t < rows_; t += kTokens) {
        const int64_t tokens = std::min(kTokens, rows_ - t);
        for (int64_t k = 0; k < tokens; ++k) std::memcpy(strip.get() + k * rows, ap + (t + k) * out_rows + i, size_t(width) * sizeof(float));
        multiply_rows(t, t + tokens, first, std::min(panels, count() - first), width, strip.get(), 1, rows, op + i * columns_ + first * kWidth, columns_, t > 0);
      }
    });
  }, out_rows * rows_ * columns_ < kSerialWork);
  return out;
}

}  // namespace foil::nn
