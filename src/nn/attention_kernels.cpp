#include "nn/attention_kernels.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "nn/kernels.h"

namespace foil::nn {

float AttentionShape::scale() const { return 1.0f / std::sqrt(float(d)); }

namespace {

constexpr int64_t kQueryBlock = 32;  // rows of scores held at a time
constexpr int64_t kQueryJob = 256;   // queries of one unit of work in the forward pass, which shares the transposed keys

constexpr int64_t kSerialCost = 1 << 20;  // multiply-adds below which waking threads costs more than it saves

// Jobs of uneven cost, dearest first, taken by whichever thread is free. Each job writes rows of its own.
template <class F>
void run_jobs(int64_t jobs, int64_t total_cost, const F& work) {
  std::atomic<int64_t> next{0};
  const int64_t threads = total_cost < kSerialCost ? 1 : std::min<int64_t>(at::get_num_threads(), jobs);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < jobs;) work(i, scratch);
  });
}

int64_t before_of(const std::vector<Segment>& segments, const Segment& s) { return s.prefix >= 0 ? segments[s.prefix].length() : 0; }

int64_t round_up(int64_t n) { return (n + kernels::kFullColumns - 1) / kernels::kFullColumns * kernels::kFullColumns; }

// Keys or values of one head in a segment's context (prefix rows, then `own` own rows), transposed to [d, width], zero beyond.
void gather_transposed(const std::vector<Segment>& segments, const Segment& s, const float* x, int64_t row, int64_t d, int64_t own, int64_t width,
                       float* out) {
  const int64_t before = before_of(segments, s);
  if (before) kernels::transpose(before, d, x + segments[s.prefix].begin * row, row, out, width);
  kernels::transpose(own, d, x + s.begin * row, row, out + before, width);
  for (int64_t c = 0; c < d; ++c) std::fill(out + c * width + before + own, out + (c + 1) * width, 0.0f);
}

// out[rows, d] = A · X over a segment's context, where X's rows are the prefix's then the segment's own.
void context_product(const std::vector<Segment>& segments, const Segment& s, int64_t rows, int64_t used, const float* A, int64_t a_row, const float* x,
                     int64_t row, int64_t d, float* out, int64_t out_row) {
  const int64_t before = before_of(segments, s);
  if (before) kernels::multiply(rows, d, before, A, a_row, 1, x + segments[s.prefix].begin * row, row, out, out_row, false);
  kernels::multiply(rows, d, used - before, A + before, a_row, 1, x + s.begin * row, row, out, out_row, before > 0);
}

struct ForwardJob {
  int32_t segment;
  int64_t kv_head, first, last;  // queries of the segment
  int64_t cost;
};

struct BackwardJob {  // a prefix with the segments that read it, or a segment on its own
  std::vector<int32_t> family;
  int64_t cost = 0;
};

}  // namespace

void attention_forward(const std::vector<Segment>& segments, const AttentionShape& shape, const float* q, const float* k, const float* v, float* out,
                       float* lse) {
  const int64_t d = shape.d;
  std::vector<ForwardJob> jobs;
  for (size_t s = 0; s < segments.size(); ++s)
    for (int64_t head = 0; head < shape.kv_heads; ++head)
      for (int64_t first = 0; first < segments[s].length(); first += kQueryJob) {
        const int64_t last = std::min(first + kQueryJob, segments[s].length());
        jobs.push_back({int32_t(s), head, first, last, (last - first) * (before_of(segments, segments[s]) + last)});
      }
  std::stable_sort(jobs.begin(), jobs.end(), [](const ForwardJob& a, const ForwardJob& b) { return a.cost > b.cost; });
  int64_t cost = 0;
  for (const ForwardJob& job : jobs) cost += job.cost * d * shape.group();
  run_jobs(int64_t(jobs.size()), cost, [&](int64_t index, std::vector<float>& scratch) {
    const ForwardJob& job = jobs[index];
    const Segment& s = segments[job.segment];
    const int64_t before = before_of(segments, s), width = round_up(before + job.last);
    const float *kh = k + job.kv_head * d, *vh = v + job.kv_head * d;
    if (int64_t(scratch.size()) < (d + kQueryBlock) * width) scratch.resize(size_t((d + kQueryBlock) * width));
    float* keys = scratch.data();  // [d, width]
    float* p = keys + d * width;   // [block, width]
    gather_transposed(segments, s, kh, shape.kv_row, d, job.last, width, keys);
    for (int64_t h = job.kv_head * shape.group(); h < (job.kv_head + 1) * shape.group(); ++h)
      for (int64_t i0 = job.first; i0 < job.last; i0 += kQueryBlock) {
        const int64_t rows = std::min(kQueryBlock, job.last - i0), used = before + i0 + rows, token = s.begin + i0;
        kernels::multiply(rows, round_up(used), d, q + token * shape.q_row + h * d, shape.q_row, 1, keys, width, p, width, false);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t seen = used - rows + r + 1;
          lse[(token + r) * shape.heads + h] = kernels::softmax_row(p + r * width, seen, shape.scale(), true);
          std::fill(p + r * width + seen, p + r * width + used, 0.0f);
        }
        context_product(segments, s, rows, used, p, width, vh, shape.kv_row, d, out + token * shape.out_row() + h * d, shape.out_row());
      }
  });
}

void attention_backward(const std::vector<Segment>& segments, const AttentionShape& shape, const float* q, const float* k, const float* v,
                        const float* out, const float* lse, const float* dout, float* dq, float* dk, float* dv) {
  const int64_t d = shape.d;
  std::vector<BackwardJob> families;
  std::vector<int32_t> family_of(segments.size(), -1);
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    if (s.prefix < 0) {
      family_of[i] = int32_t(families.size());
      families.emplace_back();
    } else {
      family_of[i] = family_of[s.prefix];
    }
    families[family_of[i]].family.push_back(int32_t(i));
    families[family_of[i]].cost += s.length() * (2 * before_of(segments, s) + s.length());
  }
  std::stable_sort(families.begin(), families.end(), [](const BackwardJob& a, const BackwardJob& b) { return a.cost > b.cost; });

  int64_t cost = 0;
  for (const BackwardJob& job : families) cost += job.cost * d * shape.heads;
  run_jobs(int64_t(families.size()) * shape.kv_heads, cost, [&](int64_t job, std::vector<float>& scratch) {
    const int64_t kv_head = job % shape.kv_heads;
    const float *kh = k + kv_head * d, *vh = v + kv_head * d;
    for (int32_t index : families[job / shape.kv_heads].family) {
      const Segment& s = segments[index];
      const int64_t before = before_of(segments, s), context = before + s.length(), width = round_up(context);
      const int64_t need = (4 * d + 2 * kQueryBlock) * width;
      if (int64_t(scratch.size()) < need) scratch.resize(size_t(need));
      float* keys = scratch.data();          // [d, width]
      float* values = keys + d * width;      // [d, width]
      float* key_grad = values + d * width;  // [context, d]
      float* value_grad = key_grad + d * width;
      float* p = value_grad + d * width;     // [block, width]
      float* dp = p + kQueryBlock * width;
      std::fill(key_grad, p, 0.0f);
      gather_transposed(segments, s, kh, shape.kv_row, d, s.length(), width, keys);
      gather_transposed(segments, s, vh, shape.kv_row, d, s.length(), width, values);
      for (int64_t h = kv_head * shape.group(); h < (kv_head + 1) * shape.group(); ++h)
        for (int64_t i0 = 0; i0 < s.length(); i0 += kQueryBlock) {
          const int64_t rows = std::min(kQueryBlock, s.length() - i0), used = before + i0 + rows, token = s.begin + i0;
          const float* qb = q + token * shape.q_row + h * d;
          const float* gb = dout + token * shape.out_row() + h * d;
          const float* ob = out + token * shape.out_row() + h * d;
          kernels::multiply(rows, round_up(used), d, qb, shape.q_row, 1, keys, width, p, width, false);
          kernels::multiply(rows, round_up(used), d, gb, shape.out_row(), 1, values, width, dp, width, false);
          for (int64_t r = 0; r < rows; ++r) {
            const int64_t seen = used - rows + r + 1;
            const float inner = kernels::dot(gb + r * shape.out_row(), ob + r * shape.out_row(), d);
            kernels::softmax_backward_row(p + r * width, dp + r * width, seen, shape.scale(), lse[(token + r) * shape.heads + h], inner);
            std::fill(p + r * width + seen, p + r * width + used, 0.0f);
            std::fill(dp + r * width + seen, dp + r * width + used, 0.0f);
          }
          context_product(segments, s, rows, used, dp, width, kh, shape.kv_row, d, dq + token * shape.q_row + h * d, shape.q_row);
          kernels::multiply(used, d, rows, dp, 1, width, qb, shape.q_row, key_grad, d, true);
          kernels::multiply(used, d, rows, p, 1, width, gb, shape.out_row(), value_grad, d, true);
        }
      auto write = [&](const float* from, float* to, int64_t first, int64_t rows, bool add) {
        for (int64_t r = 0; r < rows; ++r) {
          float* row = to + (first + r) * shape.kv_row + kv_head * d;
          if (add)
            kernels::add_row(row, from + r * d, d);
          else
            std::memcpy(row, from + r * d, size_t(d) * sizeof(float));
        }
      };
      // A segment stands after its prefix, so its own rows are written before anything is added to them.
      write(key_grad + before * d, dk, s.begin, s.length(), false);
      write(value_grad + before * d, dv, s.begin, s.length(), false);
      if (before) {
        write(key_grad, dk, segments[s.prefix].begin, before, true);
        write(value_grad, dv, segments[s.prefix].begin, before, true);
      }
    }
  });
}

}  // namespace foil::nn
