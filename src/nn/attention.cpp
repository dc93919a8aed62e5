#include "nn/attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

constexpr int64_t kQueryBlock = 32;

// A prefix and the segments that read it, or a segment on its own: the unit of parallel work.
std::vector<std::vector<int32_t>> families(const std::vector<Segment>& segments) {
  std::vector<std::vector<int32_t>> out;
  std::vector<int32_t> family_of(segments.size(), -1);
  for (size_t s = 0; s < segments.size(); ++s) {
    const int32_t prefix = segments[s].prefix;
    if (prefix < 0) {
      family_of[s] = int32_t(out.size());
      out.emplace_back();
    } else {
      family_of[s] = family_of[prefix];
    }
    out[family_of[s]].push_back(int32_t(s));
  }
  return out;
}

struct Shape {
  int64_t heads, kv_heads, d;
  int64_t group() const { return heads / kv_heads; }
  int64_t q_row() const { return heads * d; }
  int64_t kv_row() const { return kv_heads * d; }
  float scale() const { return 1.0f / std::sqrt(float(d)); }
};

// Keys or values of one head in a segment's context (prefix rows, then own rows), transposed to [d, context].
void gather_transposed(const std::vector<Segment>& segments, const Segment& s, const float* x, int64_t row, int64_t d, int64_t context, float* out) {
  int64_t at = 0;
  if (s.prefix >= 0) {
    const Segment& p = segments[s.prefix];
    kernels::transpose(p.length(), d, x + p.begin * row, row, out, context);
    at = p.length();
  }
  kernels::transpose(s.length(), d, x + s.begin * row, row, out + at, context);
}

int64_t context_of(const std::vector<Segment>& segments, const Segment& s) {
  return s.length() + (s.prefix >= 0 ? segments[s.prefix].length() : 0);
}

// out[rows, d] (+)= A · X over a segment's context, where X's rows are the prefix's then the segment's own.
void context_product(const std::vector<Segment>& segments, const Segment& s, int64_t rows, int64_t used, const float* A, int64_t a_row,
                     const float* x, int64_t row, int64_t d, float* out, int64_t out_row) {
  int64_t at = 0;
  bool accumulate = false;
  if (s.prefix >= 0) {
    const Segment& p = segments[s.prefix];
    at = p.length();
    kernels::multiply(rows, d, at, A, a_row, 1, x + p.begin * row, row, out, out_row, false);
    accumulate = true;
  }
  kernels::multiply(rows, d, used - at, A + at, a_row, 1, x + s.begin * row, row, out, out_row, accumulate);
}

void forward_family(const std::vector<Segment>& segments, const std::vector<int32_t>& family, const Shape& shape, int64_t kv_head, const float* q,
                    const float* k, const float* v, float* out, float* lse, std::vector<float>& scratch) {
  const int64_t d = shape.d;
  for (int32_t index : family) {
    const Segment& s = segments[index];
    const int64_t context = context_of(segments, s), before = context - s.length();
    scratch.resize(size_t((d + kQueryBlock) * context));
    float* keys = scratch.data();
    float* scores = keys + d * context;
    gather_transposed(segments, s, k + kv_head * d, shape.kv_row(), d, context, keys);
    for (int64_t h = kv_head * shape.group(); h < (kv_head + 1) * shape.group(); ++h)
      for (int64_t i0 = 0; i0 < s.length(); i0 += kQueryBlock) {
        const int64_t rows = std::min(kQueryBlock, s.length() - i0), used = before + i0 + rows;
        kernels::multiply(rows, used, d, q + (s.begin + i0) * shape.q_row() + h * d, shape.q_row(), 1, keys, context, scores, context, false);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t seen = before + i0 + r + 1;
          lse[(s.begin + i0 + r) * shape.heads + h] = kernels::softmax_row(scores + r * context, seen, shape.scale(), true);
          std::fill(scores + r * context + seen, scores + r * context + used, 0.0f);
        }
        context_product(segments, s, rows, used, scores, context, v + kv_head * d, shape.kv_row(), d,
                        out + (s.begin + i0) * shape.q_row() + h * d, shape.q_row());
      }
  }
}

void backward_family(const std::vector<Segment>& segments, const std::vector<int32_t>& family, const Shape& shape, int64_t kv_head, const float* q,
                     const float* k, const float* v, const float* out, const float* lse, const float* dout, float* dq, float* dk, float* dv,
                     std::vector<float>& scratch) {
  const int64_t d = shape.d;
  for (int32_t index : family) {
    const Segment& s = segments[index];
    const int64_t context = context_of(segments, s), before = context - s.length();
    scratch.resize(size_t((4 * d + 2 * kQueryBlock) * context));
    float* keys = scratch.data();            // [d, context]
    float* values = keys + d * context;      // [d, context]
    float* key_grad = values + d * context;  // [context, d]
    float* value_grad = key_grad + d * context;
    float* p = value_grad + d * context;     // [block, context]
    float* dp = p + kQueryBlock * context;
    std::fill(key_grad, key_grad + 2 * d * context, 0.0f);
    gather_transposed(segments, s, k + kv_head * d, shape.kv_row(), d, context, keys);
    gather_transposed(segments, s, v + kv_head * d, shape.kv_row(), d, context, values);
    for (int64_t h = kv_head * shape.group(); h < (kv_head + 1) * shape.group(); ++h)
      for (int64_t i0 = 0; i0 < s.length(); i0 += kQueryBlock) {
        const int64_t rows = std::min(kQueryBlock, s.length() - i0), used = before + i0 + rows;
        const int64_t first = (s.begin + i0) * shape.q_row() + h * d;
        kernels::multiply(rows, used, d, q + first, shape.q_row(), 1, keys, context, p, context, false);
        kernels::multiply(rows, used, d, dout + first, shape.q_row(), 1, values, context, dp, context, false);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t seen = before + i0 + r + 1, at = first + r * shape.q_row();
          float* pr = p + r * context;
          float* dpr = dp + r * context;
          kernels::exp_row(pr, seen, shape.scale(), lse[(s.begin + i0 + r) * shape.heads + h]);
          const float inner = kernels::dot(dout + at, out + at, d);
          for (int64_t j = 0; j < seen; ++j) dpr[j] = pr[j] * (dpr[j] - inner) * shape.scale();
          std::fill(pr + seen, pr + used, 0.0f);
          std::fill(dpr + seen, dpr + used, 0.0f);
        }
        context_product(segments, s, rows, used, dp, context, k + kv_head * d, shape.kv_row(), d, dq + first, shape.q_row());
        kernels::multiply(used, d, rows, dp, 1, context, q + first, shape.q_row(), key_grad, d, true);
        kernels::multiply(used, d, rows, p, 1, context, dout + first, shape.q_row(), value_grad, d, true);
      }
    auto scatter = [&](const Segment& to, int64_t from) {
      for (int64_t r = 0; r < to.length(); ++r) {
        const int64_t at = (to.begin + r) * shape.kv_row() + kv_head * d;
        kernels::add_row(dk + at, key_grad + (from + r) * d, d);
        kernels::add_row(dv + at, value_grad + (from + r) * d, d);
      }
    };
    if (s.prefix >= 0) scatter(segments[s.prefix], 0);
    scatter(s, before);
  }
}

class PackedAttention : public torch::autograd::Function<PackedAttention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in,
                            const std::vector<Segment>& segments) {
    const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
    const Shape shape{q.size(1), k.size(1), q.size(2)};
    at::Tensor out = at::empty_like(q), lse = at::empty({q.size(0), shape.heads}, q.options());
    const auto work = families(segments);
    const float *qp = q.const_data_ptr<float>(), *kp = k.const_data_ptr<float>(), *vp = v.const_data_ptr<float>();
    float *op = out.mutable_data_ptr<float>(), *lp = lse.mutable_data_ptr<float>();
    at::parallel_for(0, int64_t(work.size()) * shape.kv_heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch;
      for (int64_t i = begin; i < end; ++i)
        forward_family(segments, work[i / shape.kv_heads], shape, i % shape.kv_heads, qp, kp, vp, op, lp, scratch);
    });
    ctx->save_for_backward({q, k, v, out, lse});
    std::vector<int64_t> flat;
    for (const Segment& s : segments) flat.insert(flat.end(), {s.begin, s.end, s.prefix});
    ctx->saved_data["segments"] = flat;
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &out = saved[3], &lse = saved[4];
    const at::Tensor dout = grads[0].contiguous();
    std::vector<Segment> segments;
    const auto flat = ctx->saved_data["segments"].toIntVector();
    for (size_t i = 0; i < flat.size(); i += 3) segments.push_back({flat[i], flat[i + 1], int32_t(flat[i + 2])});
    const Shape shape{q.size(1), k.size(1), q.size(2)};
    at::Tensor dq = at::empty_like(q), dk = at::zeros_like(k), dv = at::zeros_like(v);
    const auto work = families(segments);
    const float *qp = q.const_data_ptr<float>(), *kp = k.const_data_ptr<float>(), *vp = v.const_data_ptr<float>();
    const float *op = out.const_data_ptr<float>(), *lp = lse.const_data_ptr<float>(), *gp = dout.const_data_ptr<float>();
    float *dqp = dq.mutable_data_ptr<float>(), *dkp = dk.mutable_data_ptr<float>(), *dvp = dv.mutable_data_ptr<float>();
    at::parallel_for(0, int64_t(work.size()) * shape.kv_heads, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch;
      for (int64_t i = begin; i < end; ++i)
        backward_family(segments, work[i / shape.kv_heads], shape, i % shape.kv_heads, qp, kp, vp, op, lp, gp, dqp, dkp, dvp, scratch);
    });
    return {dq, dk, dv, at::Tensor()};
  }
};

// Any device and type: one fused attention call a segment.
at::Tensor attention_by_segment(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments) {
  const int64_t group = q.size(1) / k.size(1);
  std::vector<at::Tensor> outs;
  for (const Segment& s : segments) {
    auto rows = [&](const at::Tensor& x) {
      const at::Tensor own = x.slice(0, s.begin, s.end);
      return s.prefix < 0 ? own : at::cat({x.slice(0, segments[s.prefix].begin, segments[s.prefix].end), own});
    };
    auto lay = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };  // [1, heads, rows, d]
    const at::Tensor keys = lay(rows(k).repeat_interleave(group, 1)), values = lay(rows(v).repeat_interleave(group, 1));
    std::optional<at::Tensor> mask;
    if (s.prefix >= 0) {
      const int64_t before = segments[s.prefix].length();
      mask = at::ones({s.length(), before + s.length()}, q.options().dtype(at::kBool)).tril(before);
    }
    outs.push_back(at::scaled_dot_product_attention(lay(q.slice(0, s.begin, s.end)), keys, values, mask, 0.0, !mask).squeeze(0).transpose(0, 1));
  }
  return at::cat(outs);
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments) {
  FOIL_CHECK(q.dim() == 3 && k.sizes() == v.sizes() && q.size(1) % k.size(1) == 0 && !segments.empty() && segments.back().end == q.size(0));
  if (q.is_cpu() && q.scalar_type() == at::kFloat) return PackedAttention::apply(q, k, v, segments);
  return attention_by_segment(q, k, v, segments);
}

}  // namespace foil::nn
