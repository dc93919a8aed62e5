#include "nn/attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include "base/error.h"
#include "nn/attention_kernels.h"
#include "nn/flash_attention.h"

namespace foil::nn {

namespace {

class PackedAttention : public torch::autograd::Function<PackedAttention> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in,
                            const std::vector<Segment>& segments) {
    const at::Tensor q = q_in.contiguous(), k = k_in.contiguous(), v = v_in.contiguous();
    at::Tensor out = at::empty_like(q), lse = at::empty({q.size(0), q.size(1)}, q.options());
    attention_forward(segments, shape_of(q, k), q.const_data_ptr<float>(), k.const_data_ptr<float>(), v.const_data_ptr<float>(),
                      out.mutable_data_ptr<float>(), lse.mutable_data_ptr<float>());
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
    at::Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
    attention_backward(segments, shape_of(q, k), q.const_data_ptr<float>(), k.const_data_ptr<float>(), v.const_data_ptr<float>(),
                       out.const_data_ptr<float>(), lse.const_data_ptr<float>(), dout.const_data_ptr<float>(), dq.mutable_data_ptr<float>(),
                       dk.mutable_data_ptr<float>(), dv.mutable_data_ptr<float>());
    return {dq, dk, dv, at::Tensor()};
  }

 private:
  static AttentionShape shape_of(const at::Tensor& q, const at::Tensor& k) {
    return {q.size(1), k.size(1), q.size(2), q.size(1) * q.size(2), k.size(1) * k.size(2)};
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

// Flash attention: all segments in one call, the keys of a shared prefix repeated before each segment that sees them.
at::Tensor attention_flash(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments) {
  std::vector<int32_t> begins{0}, key_begins{0};
  std::vector<int64_t> rows;
  int64_t most = 1, most_keys = 1;
  bool shared = false;
  for (const Segment& s : segments) {
    const auto before = int64_t(rows.size());
    const auto add = [&](const Segment& of) {
      for (int64_t r = of.begin; r < of.end; ++r) rows.push_back(r);
    };
    if (s.prefix >= 0) add(segments[size_t(s.prefix)]), shared = true;
    add(s);
    begins.push_back(int32_t(s.end)), key_begins.push_back(int32_t(rows.size()));
    most = std::max(most, s.length()), most_keys = std::max(most_keys, int64_t(rows.size()) - before);
  }
  const auto here = [&](const auto& list, at::ScalarType type) { return at::tensor(list, type).to(q.device()); };
  if (!shared) return flash::attend(q, k, v, here(begins, at::kInt), here(begins, at::kInt), most, most);
  const at::Tensor index = here(rows, at::kLong);
  return flash::attend(q, k.index_select(0, index), v.index_select(0, index), here(begins, at::kInt), here(key_begins, at::kInt), most, most_keys);
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::vector<Segment>& segments) {
  FOIL_CHECK(q.dim() == 3 && k.sizes() == v.sizes() && q.size(1) % k.size(1) == 0 && !segments.empty() && segments.back().end == q.size(0));
  if (q.is_cpu() && q.scalar_type() == at::kFloat) return PackedAttention::apply(q, k, v, segments);
  if (flash::applies(q.device(), q.scalar_type(), q.size(2))) return attention_flash(q, k, v, segments);
  return attention_by_segment(q, k, v, segments);
}

}  // namespace foil::nn
