#include "nn/packed_matrix.h"

#include <gtest/gtest.h>

#include <array>

#include "nn/team.h"

namespace foil::nn {

namespace {

PackedMatrix pack(const at::Tensor& w) {
  const bool bf16 = PackedMatrix::bf16_holds(w);
  const at::Tensor memory = at::empty({PackedMatrix::bytes_for(w, bf16)}, at::kByte);
  int64_t used = 0;
  PackedMatrix out(w, bf16, memory, used);
  EXPECT_LE(used, memory.numel());
  EXPECT_LE(out.bytes(), used);
  return out;
}

// |y − exact| over what a sum of |x|·|w| is worth in f32.
double error(const at::Tensor& y, const at::Tensor& x, const at::Tensor& w) {
  const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble)), size = at::linear(x.abs().to(at::kDouble), w.abs().to(at::kDouble));
  return ((y.to(at::kDouble) - exact).abs() / size).max().item<double>();
}

}  // namespace

// Depths and columns beside and beyond a tile; rows in blocks that a row must not depend on.
TEST(PackedMatrix, HasTheErrorOfF32AndDoesNotDependOnTheBatch) {
  at::manual_seed(3);
  for (const int64_t k : {7, 32, 300, 1100, 3000})
    for (const int64_t n : {5, 32, 70})
      for (const bool bf16 : {true, false}) {
        at::Tensor w = at::randn({n, k});
        if (bf16) w = w.to(at::kBFloat16).to(at::kFloat);
        const at::Tensor x = at::randn({150, k}) * at::exp2(at::randint(-40, 40, {150, 1}));
        const PackedMatrix m = pack(w);
        EXPECT_EQ(m.tiled(), tiles::available());
        const at::Tensor all = m.linear(x);
        EXPECT_LT(error(all, x, w), 6e-7) << k << " " << n << " " << bf16;
        for (const int64_t rows : {1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64, 100})
          EXPECT_TRUE(at::equal(m.linear(x.slice(0, 0, rows)), all.slice(0, 0, rows))) << k << " " << n << " " << rows;
        for (const int64_t first : {0, 50, 97, 147}) EXPECT_TRUE(at::equal(m.linear(x.slice(0, first, first + 3)), all.slice(0, first, first + 3))) << k << " " << n << " " << first;
      }
}

// In blocks of rows, accumulating and with a bias, as a decoder's layers use it.
TEST(PackedMatrix, SharesAndAccumulates) {
  at::manual_seed(4);
  const int64_t rows = 2000, k = 1100, n = 70;  // more rows than a block has
  for (const bool bf16 : {true, false}) {
    at::Tensor w = at::randn({n, k});
    if (bf16) w = w.to(at::kBFloat16).to(at::kFloat);
    const at::Tensor x = at::randn({rows, k}), bias = at::randn({n}), y = at::randn({rows, n});
    const PackedMatrix m = pack(w);
    EXPECT_LT(m.block_rows(), rows);
    const at::Tensor expected = y + m.linear(x) + bias, buffer = at::empty({PackedMatrix::split_halves(rows, k)}, at::kBFloat16);
    at::Tensor out = y.clone();
    Team::run([&](Team& team) {
      const auto in = m.ready(team, rows, x.const_data_ptr<float>(), k, static_cast<uint16_t*>(buffer.mutable_data_ptr()));
      m.share(team, in, out.mutable_data_ptr<float>(), n, bias.const_data_ptr<float>(), true);
    });
    EXPECT_TRUE(at::allclose(out, expected, 1e-5, 1e-3));
  }
}

// Values of every size in one sum: parts that bf16 alone would lose.
TEST(PackedMatrix, KeepsEveryBitOfTheRows) {
  const at::Tensor w = at::ones({32, 32}), x = at::zeros({1, 32});
  for (const bool swapped : {false, true})
    for (const auto& [a, b, sum] : {std::array{1.0f + 0x1p-23f, -1.0f, 0x1p-23f}, {16777215.0f, -16777214.0f, 1.0f}}) {
      x.zero_(), w.fill_(1);
      at::Tensor side = swapped ? w[7] : x[0], other = swapped ? x[0] : w[7];
      side.zero_(), other.fill_(1);
      side[0] = a, side[1] = b;
      EXPECT_EQ(pack(w).linear(x)[0][7].item<float>(), sum) << swapped;
    }
}

}  // namespace foil::nn
