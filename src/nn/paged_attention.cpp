#include "nn/paged_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

constexpr int64_t kQueryBlock = 32;

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

PagedLayer::PagedLayer(KvCache& cache, int64_t layer)
    : keys(cache.keys(layer).mutable_data_ptr<float>()), values(cache.values(layer).mutable_data_ptr<float>()), kv_heads(cache.keys(layer).size(1)),
      d(cache.keys(layer).size(2)), block_tokens(cache.block_tokens()) {}

void write_token(const PagedLayer& layer, const StepBatch::Sequence& s, int64_t token, const float* k, const float* v) {
  const int64_t d = layer.d, bt = layer.block_tokens, slot = token % bt, block = int64_t(s.blocks[size_t(token / bt)]) * layer.kv_heads * d * bt;
  for (int64_t h = 0; h < layer.kv_heads; ++h) {
    float *keys = layer.keys + block + h * d * bt + slot, *values = layer.values + block + (h * bt + slot) * d;
    for (int64_t j = 0; j < d; ++j) keys[j * bt] = k[h * d + j];
    std::copy(v + h * d, v + (h + 1) * d, values);
  }
}

std::vector<AttentionJob> attention_jobs(const StepBatch& batch, int64_t kv_heads) {
  std::vector<AttentionJob> jobs;
  for (const auto& s : batch.sequences)
    for (int64_t first = 0; first < s.end - s.begin; first += kQueryBlock)
      for (int64_t h = 0; h < kv_heads; ++h) jobs.push_back({&s, h, first, std::min(kQueryBlock, s.end - s.begin - first)});
  const auto cost = [](const AttentionJob& j) { return j.rows * (j.sequence->context + j.first + j.rows); };
  std::stable_sort(jobs.begin(), jobs.end(), [&](const AttentionJob& a, const AttentionJob& b) { return cost(a) > cost(b); });
  return jobs;
}

void attend(const PagedLayer& layer, const AttentionJob& job, int64_t heads, const float* q, int64_t q_row, float* out, int64_t out_row, std::vector<float>& scores) {
  const StepBatch::Sequence& s = *job.sequence;
  const int64_t d = layer.d, bt = layer.block_tokens, group = heads / layer.kv_heads;
  const float scale = 1.0f / std::sqrt(float(d));
  const bool single = s.end - s.begin == 1;
  auto block = [&](const float* side, int64_t token) { return side + (int64_t(s.blocks[size_t(token / bt)]) * layer.kv_heads + job.kv_head) * d * bt; };
  // The queries of one product: the heads of the group of one row (decode), or a block of rows of one head (prefill).
  for (int64_t g = 0; g < (single ? 1 : group); ++g) {
    const int64_t head = job.kv_head * group + g, m = single ? group : job.rows, q_step = single ? d : q_row, out_step = single ? d : out_row;
    const int64_t last = s.context + job.first + job.rows, width = (last + bt - 1) / bt * bt;
    const float* queries = q + (s.begin + job.first) * q_row + head * d;
    float* results = out + (s.begin + job.first) * out_row + head * d;
    if (int64_t(scores.size()) < m * width) scores.resize(size_t(m * width));
    for (int64_t t = 0; t < last; t += bt)
      kernels::multiply(m, std::min(bt, last - t), d, queries, q_step, 1, block(layer.keys, t), bt, scores.data() + t, width, false);
    for (int64_t r = 0; r < m; ++r) {
      const int64_t seen = single ? last : s.context + job.first + r + 1;
      float* row = scores.data() + r * width;
      kernels::softmax_row(row, seen, scale, true);
      std::fill(row + seen, row + last, 0.0f);
    }
    for (int64_t t = 0; t < last; t += bt)
      kernels::multiply(m, d, std::min(bt, last - t), scores.data() + t, width, 1, block(layer.values, t), d, results, out_step, t > 0);
  }
}

at::Tensor paged_attention(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in, const StepBatch& batch, KvCache& cache, int64_t layer_index) {
  if (!q_in.is_cpu() || q_in.scalar_type() != at::kFloat || cache.keys(layer_index).scalar_type() != at::kFloat) {
    write_generic(k_in, v_in, batch, cache, layer_index);
    return gathered_attention(q_in, batch, cache, layer_index);
  }
  const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
  const PagedLayer layer(cache, layer_index);
  const int64_t heads = q.size(1), q_row = heads * layer.d, kv_row = layer.kv_heads * layer.d;
  at::Tensor out = at::empty_like(q);
  const float *qp = q.const_data_ptr<float>(), *kp = k.const_data_ptr<float>(), *vp = v.const_data_ptr<float>();
  float* op = out.mutable_data_ptr<float>();
  for (const auto& s : batch.sequences)
    for (int64_t r = s.begin; r < s.end; ++r) write_token(layer, s, s.context + r - s.begin, kp + r * kv_row, vp + r * kv_row);
  const auto jobs = attention_jobs(batch, layer.kv_heads);
  at::parallel_for(0, int64_t(jobs.size()), 4, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    for (int64_t i = begin; i < end; ++i) attend(layer, jobs[size_t(i)], heads, qp, q_row, op, q_row, scores);
  });
  return out;
}

}  // namespace foil::nn
