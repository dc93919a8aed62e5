#include "nn/panels.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <tuple>

namespace foil::nn {

// Rows beside and beyond the register tiles; depths across the block sizes; columns that do not fill a panel.
TEST(Panels, LinearEqualsF64AndDoesNotDependOnTheBatch) {
  at::manual_seed(1);
  for (const int64_t k : {5, 300, 1100})
    for (const int64_t n : {32, 70}) {
      const at::Tensor w = at::randn({n, k}), bias = at::randn({n}), x = at::randn({130, k});
      const at::Tensor exact = at::linear(x.to(at::kDouble), w.to(at::kDouble), bias.to(at::kDouble));
      const Panels panels = Panels::of_transposed(w);
      const at::Tensor all = panels.linear(x, bias);
      EXPECT_TRUE(at::allclose(all.to(at::kDouble), exact, 1e-4, 1e-3)) << k << " " << n;
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 113})
        EXPECT_TRUE(at::equal(panels.linear(x.slice(0, 0, rows), bias), all.slice(0, 0, rows))) << k << " " << n << " " << rows;
    }
}

TEST(Panels, CompactGivesTheSameBits) {
  at::manual_seed(2);
  for (const int64_t k : {7, 257, 1100}) {
    const at::Tensor w = at::randn({70, k}).to(at::kBFloat16).to(at::kFloat), x = at::randn({40, k});
    const Panels wide = Panels::of_transposed(w);
    for (const bool bf16 : {true, false}) {
      const at::Tensor memory = at::empty({wide.bytes()}, at::kByte);
      int64_t used = 0;
      const Panels compact = Panels::compact_of_transposed(w, bf16, memory, used);
      EXPECT_EQ(used, compact.bytes());
      EXPECT_EQ(compact.bytes() * (bf16 ? 2 : 1), wide.bytes());
      for (const int64_t rows : {1, 3, 8, 9, 40}) EXPECT_TRUE(at::equal(compact.linear(x.slice(0, 0, rows)), wide.linear(x.slice(0, 0, rows)))) << k << " " << rows;
    }
  }
}

// Results of one and of several blocks, rows and panels that do not fill them, whatever the threads.
TEST(Panels, TransposedProductEqualsF64AndDoesNotDependOnTheThreads) {
  at::manual_seed(3);
  const int threads = at::get_num_threads();
  for (const auto& [k, rows, columns] : {std::tuple{5, 7, 3}, {97, 50, 64}, {200, 300, 320}, {130, 601, 70}, {64, 96, 1000}, {64, 300, 600}}) {
    const at::Tensor a = at::randn({k, rows}), b = at::randn({k, columns});
    const Panels panels = Panels::of(b);
    const at::Tensor product = panels.transposed_product(a);
    EXPECT_TRUE(at::allclose(product.to(at::kDouble), a.to(at::kDouble).t().mm(b.to(at::kDouble)), 1e-4, 1e-3)) << rows << " " << columns;
    for (const int other : {1, 2, 5}) {
      at::set_num_threads(other);
      EXPECT_TRUE(at::equal(panels.transposed_product(a), product)) << rows << " " << columns << ", " << other << " threads";
    }
    at::set_num_threads(threads);
  }
  EXPECT_TRUE(at::equal(Panels::of(at::randn({0, 40})).transposed_product(at::randn({0, 30})), at::zeros({30, 40})));
}

}  // namespace foil::nn
