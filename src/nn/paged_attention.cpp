#include "nn/paged_attention.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

constexpr int64_t kQueryBlock = 32;

struct Item {  // unit of parallel work: one sequence, one kv head
  const StepBatch::Sequence* sequence;
  int64_t kv_head;
};

at::Tensor gathered_attention(const at::Tensor& q, const StepBatch& batch, KvCache& cache, int64_t layer) {
  const int64_t group = q.size(1) / cache.keys(layer).size(1);
  at::Tensor out = at::empty_like(q);
  for (const auto& s : batch.sequences) {
    std::vector<int64_t> ids(s.blocks.begin(), s.blocks.end());
    const at::Tensor blocks = at::tensor(ids, at::kLong).to(q.device());
    const int64_t rows = s.end - s.begin, length = s.context + rows;
    // [blocks, kv_heads, …] → [kv_heads, tokens, d]
    const at::Tensor keys = cache.keys(layer).index_select(0, blocks).permute({1, 0, 3, 2}).flatten(1, 2).slice(1, 0, length).to(q.scalar_type());
    const at::Tensor values = cache.values(layer).index_select(0, blocks).permute({1, 0, 2, 3}).flatten(1, 2).slice(1, 0, length).to(q.scalar_type());
    const at::Tensor mask = at::ones({rows, length}, q.options().dtype(at::kBool)).tril(s.context);
    const at::Tensor queries = q.slice(0, s.begin, s.end).transpose(0, 1).unsqueeze(0);
    out.slice(0, s.begin, s.end)
        .copy_(at::scaled_dot_product_attention(queries, keys.repeat_interleave(group, 0).unsqueeze(0), values.repeat_interleave(group, 0).unsqueeze(0), mask)
                   .squeeze(0)
                   .transpose(0, 1));
  }
  return out;
}

void write_generic(const at::Tensor& k, const at::Tensor& v, const StepBatch& batch, KvCache& cache, int64_t layer) {
  const int64_t bt = cache.block_tokens();
  std::vector<int64_t> block, slot;
  for (const auto& s : batch.sequences)
    for (int64_t i = 0; i < s.end - s.begin; ++i) {
      block.push_back(s.blocks[size_t((s.context + i) / bt)]);
      slot.push_back((s.context + i) % bt);
    }
  const at::Tensor b = at::tensor(block, at::kLong).to(k.device()), o = at::tensor(slot, at::kLong).to(k.device());
  // Advanced indices apart from each other put their dimension first: [T, kv_heads, d].
  cache.keys(layer).index_put_({b, at::indexing::Slice(), at::indexing::Slice(), o}, k.to(cache.keys(layer).scalar_type()));
  cache.values(layer).index_put_({b, at::indexing::Slice(), o}, v.to(cache.values(layer).scalar_type()));
}

}  // namespace

at::Tensor paged_attention(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in, const StepBatch& batch, KvCache& cache, int64_t layer) {
  if (!q_in.is_cpu() || q_in.scalar_type() != at::kFloat || cache.keys(layer).scalar_type() != at::kFloat) {
    write_generic(k_in, v_in, batch, cache, layer);
    return gathered_attention(q_in, batch, cache, layer);
  }
  const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
  const int64_t heads = q.size(1), kv_heads = k.size(1), d = q.size(2), group = heads / kv_heads, bt = cache.block_tokens();
  const int64_t q_row = heads * d, kv_row = kv_heads * d, block_size = d * bt;
  const float scale = 1.0f / std::sqrt(float(d));
  at::Tensor out = at::empty_like(q);
  const float *qp = q.const_data_ptr<float>(), *kp = k.const_data_ptr<float>(), *vp = v.const_data_ptr<float>();
  float *keys = cache.keys(layer).mutable_data_ptr<float>(), *values = cache.values(layer).mutable_data_ptr<float>(), *op = out.mutable_data_ptr<float>();

  at::parallel_for(0, int64_t(batch.sequences.size()) * kv_heads, 4, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    for (int64_t item = begin; item < end; ++item) {
      const auto& s = batch.sequences[size_t(item / kv_heads)];
      const int64_t h0 = item % kv_heads, rows = s.end - s.begin;
      auto block = [&](float* side, int64_t token) { return side + (int64_t(s.blocks[size_t(token / bt)]) * kv_heads + h0) * block_size; };
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t token = s.context + i, slot = token % bt;
        const float* key = kp + (s.begin + i) * kv_row + h0 * d;
        float* to = block(keys, token);
        for (int64_t j = 0; j < d; ++j) to[j * bt + slot] = key[j];
        const float* value = vp + (s.begin + i) * kv_row + h0 * d;
        std::copy(value, value + d, block(values, token) + slot * d);
      }
      // The queries of one product: a block of rows of one head (prefill), or the heads of the group of one row (decode).
      const int64_t products = rows == 1 ? 1 : group * ((rows + kQueryBlock - 1) / kQueryBlock);
      for (int64_t p = 0; p < products; ++p) {
        const int64_t head = h0 * group + (rows == 1 ? 0 : p % group), i0 = rows == 1 ? 0 : p / group * kQueryBlock;
        const int64_t m = rows == 1 ? group : std::min(kQueryBlock, rows - i0), stride = rows == 1 ? d : q_row;
        const int64_t last = s.context + i0 + (rows == 1 ? 1 : m), width = (last + bt - 1) / bt * bt;
        const float* queries = qp + (s.begin + i0) * q_row + head * d;
        float* results = op + (s.begin + i0) * q_row + head * d;
        scores.resize(size_t(m * width));
        for (int64_t t = 0; t < last; t += bt)
          kernels::multiply(m, std::min(bt, last - t), d, queries, stride, 1, block(keys, t), bt, scores.data() + t, width, false);
        for (int64_t r = 0; r < m; ++r) {
          const int64_t seen = rows == 1 ? last : s.context + i0 + r + 1;
          float* row = scores.data() + r * width;
          kernels::softmax_row(row, seen, scale, true);
          std::fill(row + seen, row + last, 0.0f);
        }
        for (int64_t t = 0; t < last; t += bt)
          kernels::multiply(m, d, std::min(bt, last - t), scores.data() + t, width, 1, block(values, t), d, results, stride, t > 0);
      }
    }
  });
  return out;
}

}  // namespace foil::nn
