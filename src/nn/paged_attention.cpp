#include "nn/paged_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "nn/flash_attention.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

constexpr int64_t kQueryBlock = 32;
constexpr int64_t kSharingRows = 64;    // queries of samples that read their common blocks together
constexpr int64_t kJobsPerThread = 4;   // so that threads end together

// Rows of all sequences padded to the longest: [S, R, …] with R = most_rows. Masked: the keys behind each row's own place.
at::Tensor gathered_attention(const at::Tensor& q, const StepPlaces& p, const at::Tensor& keys, const at::Tensor& values) {
  const int64_t sequences = p.table.size(0), rows = p.most_rows, heads = q.size(1), d = q.size(2), kv_heads = keys.size(2), group = heads / kv_heads;
  const at::Tensor blocks = p.table.flatten();
  const auto gathered = [&](const at::Tensor& side) {  // [S, kv_heads, K, d]
    return side.index_select(0, blocks).view({sequences, p.table.size(1) * side.size(1), kv_heads, d}).transpose(1, 2).to(q.scalar_type());
  };
  const at::Tensor k = gathered(keys), v = gathered(values);
  const at::Tensor first = p.begins.slice(0, 0, sequences).to(at::kLong).unsqueeze(1), end = p.begins.slice(0, 1).to(at::kLong).unsqueeze(1);  // [S, 1]
  const at::Tensor offset = at::arange(rows, first.options());                                                                            // [R]
  const at::Tensor row = at::minimum(first + offset, end - 1);                                                                            // [S, R], short ones repeat their last
  const at::Tensor last_key = p.lengths.to(at::kLong).unsqueeze(1) - (end - row);                                                         // [S, R]
  const at::Tensor mask = (at::arange(k.size(2), first.options()).view({1, 1, -1}) <= last_key.unsqueeze(2)).repeat({1, group, 1}).unsqueeze(1);  // [S, 1, G·R, K]
  const at::Tensor queries = q.index_select(0, row.flatten()).view({sequences, rows, kv_heads, group, d}).permute({0, 2, 3, 1, 4}).reshape({sequences, kv_heads, group * rows, d});
  const at::Tensor padded = at::scaled_dot_product_attention(queries, k, v, mask).view({sequences, kv_heads, group, rows, d}).permute({0, 3, 1, 2, 4}).reshape({sequences * rows, heads, d});
  if (rows == 1) return padded;
  const at::Tensor place = at::arange(q.size(0), first.options()), owner = at::searchsorted(p.begins.slice(0, 1).to(at::kLong), place, false, true);
  return padded.index_select(0, owner * rows + place - p.begins.to(at::kLong).index_select(0, owner));
}

}  // namespace

PagedLayer::PagedLayer(KvCache& cache, int64_t layer)
    : keys(cache.keys(layer).mutable_data_ptr<float>()), values(cache.values(layer).mutable_data_ptr<float>()), kv_heads(cache.keys(layer).size(1)),
      d(cache.keys(layer).size(2)), block_tokens(cache.block_tokens()), block_size(cache.keys(layer).stride(0)) {}

void write_token(const PagedLayer& layer, const StepBatch::Sequence& s, int64_t token, const float* k, const float* v) {
  const int64_t d = layer.d, bt = layer.block_tokens, slot = token % bt, block = int64_t(s.blocks[size_t(token / bt)]) * layer.block_size;
  for (int64_t h = 0; h < layer.kv_heads; ++h) {
    float *keys = layer.keys + block + h * d * bt + slot, *values = layer.values + block + (h * bt + slot) * d;
    for (int64_t j = 0; j < d; ++j) keys[j * bt] = k[h * d + j];
    std::copy(v + h * d, v + (h + 1) * d, values);
  }
}

std::vector<AttentionJob> attention_jobs(const StepBatch& batch, int64_t heads, int64_t kv_heads, int64_t block_tokens, int threads) {
  std::vector<AttentionJob> jobs;
  std::vector<const StepBatch::Sequence*> decoding;
  for (const auto& s : batch.sequences) {
    const int64_t rows = s.end - s.begin;
    if (rows == 1) {
      decoding.push_back(&s);
      continue;
    }
    for (int64_t first = 0; first < rows; first += kQueryBlock)
      for (int64_t h = 0; h < kv_heads; ++h) jobs.push_back({{&s}, 0, h, first, std::min(kQueryBlock, rows - first)});
  }
  // Samples of one prompt side by side, as many to a job as leaves every thread some jobs.
  std::stable_sort(decoding.begin(), decoding.end(), [](const auto* a, const auto* b) { return a->blocks[0] < b->blocks[0]; });
  const int64_t enough = int64_t(decoding.size()) * kv_heads / (kJobsPerThread * threads), most = std::clamp<int64_t>(enough, 1, std::max<int64_t>(1, kSharingRows * kv_heads / heads));
  for (size_t i = 0; i < decoding.size();) {
    const StepBatch::Sequence& s = *decoding[i];
    size_t end = i + 1;
    auto shared = s.blocks.size();
    for (; end < decoding.size() && int64_t(end - i) < most && decoding[end]->blocks[0] == s.blocks[0]; ++end) {
      const auto& other = decoding[end]->blocks;
      shared = size_t(std::mismatch(s.blocks.begin(), s.blocks.begin() + ptrdiff_t(std::min(shared, other.size())), other.begin()).first - s.blocks.begin());
    }
    if (end - i > 1)
      for (size_t k = i; k < end; ++k) FOIL_CHECK(int64_t(shared) * block_tokens <= decoding[k]->context, "{} shared blocks of {} tokens, a context of {}", shared, block_tokens, decoding[k]->context);
    for (int64_t h = 0; h < kv_heads; ++h) jobs.push_back({{decoding.begin() + ptrdiff_t(i), decoding.begin() + ptrdiff_t(end)}, end - i > 1 ? int64_t(shared) : 0, h, 0, 1});
    i = end;
  }
  const auto cost = [](const AttentionJob& j) { return j.rows * int64_t(j.sequences.size()) * (j.sequences[0]->context + j.first + j.rows); };
  std::stable_sort(jobs.begin(), jobs.end(), [&](const AttentionJob& a, const AttentionJob& b) { return cost(a) > cost(b); });
  return jobs;
}

void attend(const PagedLayer& layer, const AttentionJob& job, int64_t heads, const float* q, int64_t q_row, float* out, int64_t out_row, float* lse, AttentionScratch& scratch) {
  const StepBatch::Sequence& front = *job.sequences[0];
  const int64_t d = layer.d, bt = layer.block_tokens, group = heads / layer.kv_heads, common = job.shared * bt;
  const float scale = 1.0f / std::sqrt(float(d));
  const bool decoding = front.end - front.begin == 1, several = job.sequences.size() > 1;
  const auto block = [&](const float* side, const StepBatch::Sequence& s, int64_t token) { return side + int64_t(s.blocks[size_t(token / bt)]) * layer.block_size + job.kv_head * d * bt; };
  const auto room = [](std::vector<float>& buffer, int64_t size) {
    if (int64_t(buffer.size()) < size) buffer.resize(size_t(size));
    return buffer.data();
  };
  int64_t longest = 0;
  for (const auto* s : job.sequences) longest = std::max(longest, s->context + job.first + job.rows);
  // The queries of one product: the heads of the group of one row of each sequence (decode), or a block of rows of one head (prefill).
  const int64_t each = decoding ? group : job.rows, m = each * int64_t(job.sequences.size()), width = (longest + bt - 1) / bt * bt;
  float* scores = room(scratch.scores, m * width);
  for (int64_t g = 0; g < (decoding ? 1 : group); ++g) {
    const int64_t head = job.kv_head * group + g;
    const auto first_row = [&](const StepBatch::Sequence& s) { return s.begin + job.first; };
    const float* queries = q + first_row(front) * q_row + head * d;
    float* results = out + first_row(front) * out_row + head * d;
    int64_t q_step = decoding ? d : q_row, out_step = decoding ? d : out_row;
    if (several) {  // rows of different sequences lie apart: one behind the other
      float* gathered = room(scratch.queries, m * d);
      for (size_t i = 0; i < job.sequences.size(); ++i) std::copy_n(q + first_row(*job.sequences[i]) * q_row + head * d, group * d, gathered + int64_t(i) * group * d);
      queries = gathered, results = room(scratch.results, m * d);
    }
    // Whole blocks, also of keys not yet written: full tiles are faster, and nobody reads those scores.
    for (int64_t t = 0; t < common; t += bt) kernels::multiply(m, bt, d, queries, q_step, 1, block(layer.keys, front, t), bt, scores + t, width, false);
    for (size_t i = 0; i < job.sequences.size(); ++i) {
      const StepBatch::Sequence& s = *job.sequences[i];
      const int64_t last = s.context + job.first + job.rows;
      const float* its_queries = queries + int64_t(i) * each * q_step;
      float* its_scores = scores + int64_t(i) * each * width;
      for (int64_t t = common; t < last; t += bt) kernels::multiply(each, bt, d, its_queries, q_step, 1, block(layer.keys, s, t), bt, its_scores + t, width, false);
      for (int64_t r = 0; r < each; ++r) {
        const int64_t seen = decoding ? last : s.context + job.first + r + 1;
        float* row = its_scores + r * width;
        const float sum = kernels::softmax_row(row, seen, scale, true);
        if (lse) lse[(first_row(s) + (decoding ? 0 : r)) * heads + head + (decoding ? r : 0)] = sum;
        std::fill(row + seen, row + last, 0.0f);
      }
    }
    for (int64_t t = 0; t < common; t += bt) kernels::multiply(m, d, bt, scores + t, width, 1, block(layer.values, front, t), d, results, out_step, t > 0);
    for (size_t i = 0; i < job.sequences.size(); ++i) {
      const StepBatch::Sequence& s = *job.sequences[i];
      const int64_t last = s.context + job.first + job.rows;
      float* its_results = results + int64_t(i) * each * out_step;
      for (int64_t t = common; t < last; t += bt)
        kernels::multiply(each, d, std::min(bt, last - t), scores + int64_t(i) * each * width + t, width, 1, block(layer.values, s, t), d, its_results, out_step, t > 0);
      if (several) std::copy_n(its_results, group * d, out + first_row(s) * out_row + head * d);
    }
  }
}

StepPlaces step_places(const StepBatch& batch, const KvCache& cache) {
  const int64_t bt = cache.block_tokens();
  size_t most = 1;
  for (const auto& s : batch.sequences) most = std::max(most, s.blocks.size());
  StepPlaces out;
  std::vector<int32_t> begins{0}, lengths, table;
  std::vector<int64_t> slots;
  for (const auto& s : batch.sequences) {
    const int64_t rows = s.end - s.begin;
    out.most_rows = std::max(out.most_rows, rows);
    begins.push_back(int32_t(s.end)), lengths.push_back(int32_t(s.context + rows));
    for (int64_t t = s.context; t < s.context + rows; ++t) slots.push_back(int64_t(s.blocks[size_t(t / bt)]) * bt + t % bt);
    table.insert(table.end(), s.blocks.begin(), s.blocks.end());
    table.resize(lengths.size() * most, int32_t(cache.blocks()));
  }
  const at::Device device = cache.device();
  out.begins = at::tensor(begins, at::kInt).to(device), out.slots = at::tensor(slots, at::kLong).to(device), out.lengths = at::tensor(lengths, at::kInt).to(device);
  out.table = at::tensor(table, at::kInt).view({int64_t(lengths.size()), int64_t(most)}).to(device);
  return out;
}

at::Tensor paged_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const StepPlaces& places, KvCache& cache, int64_t layer) {
  const at::Tensor &keys = cache.keys(layer), &values = cache.values(layer);
  keys.flatten(0, 1).index_copy_(0, places.slots, k.to(keys.scalar_type()));
  values.flatten(0, 1).index_copy_(0, places.slots, v.to(values.scalar_type()));
  if (flash::reads_blocks(q.device(), q.scalar_type(), q.size(2)) && keys.scalar_type() == q.scalar_type() && cache.block_tokens() % flash::kBlockTokens == 0)
    return flash::attend_blocks(q, keys, values, places.begins, places.lengths, places.table, places.most_rows);
  return gathered_attention(q, places, keys, values);
}

at::Tensor paged_attention(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in, const StepBatch& batch, KvCache& cache, int64_t layer_index) {
  FOIL_CHECK(!cache.token_major());
  const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
  const PagedLayer layer(cache, layer_index);
  const int64_t heads = q.size(1), q_row = heads * layer.d, kv_row = layer.kv_heads * layer.d;
  at::Tensor out = at::empty_like(q);
  const float *qp = q.const_data_ptr<float>(), *kp = k.const_data_ptr<float>(), *vp = v.const_data_ptr<float>();
  float* op = out.mutable_data_ptr<float>();
  for (const auto& s : batch.sequences)
    for (int64_t r = s.begin; r < s.end; ++r) write_token(layer, s, s.context + r - s.begin, kp + r * kv_row, vp + r * kv_row);
  const auto jobs = attention_jobs(batch, heads, layer.kv_heads, layer.block_tokens, at::get_num_threads());
  at::parallel_for(0, int64_t(jobs.size()), 4, [&](int64_t begin, int64_t end) {
    AttentionScratch scratch;
    for (int64_t i = begin; i < end; ++i) attend(layer, jobs[size_t(i)], heads, qp, q_row, op, q_row, nullptr, scratch);
  });
  return out;
}

}  // namespace foil::nn
