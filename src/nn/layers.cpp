#include "nn/layers.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "base/error.h"
#include "nn/kernels.h"

namespace foil::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Partial sums over rows are taken in this many fixed slices, so that they do not depend on the thread count.
constexpr int64_t kSlices = 16;
constexpr int64_t kGrain = 1 << 14;  // elements a thread should have before another is woken

// Norms and rotations are computed in at least f32.
at::ScalarType wide_type(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

bool own_kernel(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& weight, double eps) {
    const at::Tensor x = x_in.contiguous();
    const int64_t n = x.size(-1), rows = x.numel() / n;
    at::Tensor y = at::empty_like(x), inverse = at::empty({rows}, x.options());
    const float *xp = x.const_data_ptr<float>(), *wp = weight.const_data_ptr<float>();
    float *yp = y.mutable_data_ptr<float>(), *ip = inverse.mutable_data_ptr<float>();
    at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / n), [&](int64_t a, int64_t b) {
      kernels::rms_norm(xp + a * n, wp, yp + a * n, ip + a, b - a, n, float(eps));
    });
    ctx->save_for_backward({x, weight, inverse});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &inverse = saved[2];
    const at::Tensor dy = grads[0].contiguous();
    const int64_t n = x.size(-1), rows = x.numel() / n, slice = (rows + kSlices - 1) / kSlices;
    at::Tensor dx = at::empty_like(x), partial = at::zeros({kSlices, n}, x.options());
    const float *xp = x.const_data_ptr<float>(), *wp = weight.const_data_ptr<float>(), *ip = inverse.const_data_ptr<float>(), *gp = dy.const_data_ptr<float>();
    float *dxp = dx.mutable_data_ptr<float>(), *pp = partial.mutable_data_ptr<float>();
    at::parallel_for(0, kSlices, std::max<int64_t>(1, kGrain / (n * std::max<int64_t>(slice, 1))), [&](int64_t a, int64_t b) {
      for (int64_t s = a; s < b; ++s) {
        const int64_t first = s * slice, last = std::min(rows, first + slice);
        if (first < last)
          kernels::rms_norm_backward(xp + first * n, n, wp, ip + first, gp + first * n, n, nullptr, dxp + first * n, n, pp + s * n, last - first, n);
      }
    });
    return {dx, ctx->needs_input_grad(1) ? partial.sum(0) : at::Tensor(), at::Tensor()};
  }
};

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    at::Tensor out = at::empty_like(gate);
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>();
    float* o = out.mutable_data_ptr<float>();
    at::parallel_for(0, gate.numel(), kGrain, [&](int64_t a, int64_t b) { kernels::swiglu(g + a, u + a, o + a, b - a); });
    ctx->save_for_backward({gate, up});
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    const at::Tensor dout = grads[0].contiguous();
    at::Tensor dgate = at::empty_like(gate), dup = at::empty_like(up);
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>(), *d = dout.const_data_ptr<float>();
    float *dg = dgate.mutable_data_ptr<float>(), *du = dup.mutable_data_ptr<float>();
    at::parallel_for(0, gate.numel(), kGrain, [&](int64_t a, int64_t b) { kernels::swiglu_backward(g + a, u + a, d + a, dg + a, du + a, b - a); });
    return {dgate, dup};
  }
};

void rotate_rows(const at::Tensor& x, at::Tensor& out, const at::Tensor& positions, const RotaryTable& table, float direction) {
  const int64_t heads = x.size(1), d = x.size(2), row = heads * d;
  const float *xp = x.const_data_ptr<float>(), *cp = table.cosine.const_data_ptr<float>(), *sp = table.sine.const_data_ptr<float>();
  const int64_t* pp = positions.const_data_ptr<int64_t>();
  float* op = out.mutable_data_ptr<float>();
  at::parallel_for(0, x.size(0), std::max<int64_t>(1, kGrain / row), [&](int64_t a, int64_t b) {
    for (int64_t t = a; t < b; ++t)
      kernels::rotate(xp + t * row, op + t * row, heads, d, cp + pp[t] * (d / 2), sp + pp[t] * (d / 2), direction);
  });
}

class Rotate : public torch::autograd::Function<Rotate> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::Tensor& positions, const at::Tensor& cosine, const at::Tensor& sine) {
    const at::Tensor x = x_in.contiguous();
    at::Tensor out = at::empty_like(x);
    rotate_rows(x, out, positions, {cosine, sine}, 1.0f);
    ctx->save_for_backward({positions, cosine, sine});
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor dy = grads[0].contiguous();
    at::Tensor dx = at::empty_like(dy);
    rotate_rows(dy, dx, saved[0], {saved[1], saved[2]}, -1.0f);
    return {dx, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  if (own_kernel(x)) return RmsNorm::apply(x, weight, eps);
  const at::Tensor wide = x.to(wide_type(x));
  return (wide * at::rsqrt(wide.square().mean(-1, true) + eps)).to(x.scalar_type()) * weight;
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (own_kernel(gate) && gate.is_contiguous() && up.is_contiguous()) return SwiGlu::apply(gate, up);
  return at::silu(gate) * up;
}

at::Tensor rotary_frequencies(const ModelConfig& config) {
  const int64_t half = config.head_dim / 2;
  at::Tensor frequency = at::empty({half}, at::kDouble);
  double* f = frequency.mutable_data_ptr<double>();
  constexpr double kTau = 6.283185307179586;
  for (int64_t i = 0; i < half; ++i) {
    f[i] = std::pow(config.rope_theta, -double(2 * i) / double(config.head_dim));
    if (const auto& s = config.rope_scaling) {
      const double wavelength = kTau / f[i];
      const double low = double(s->original_max_position_embeddings) / s->low_freq_factor;
      const double high = double(s->original_max_position_embeddings) / s->high_freq_factor;
      if (wavelength > low) {
        f[i] /= s->factor;
      } else if (wavelength > high) {
        const double smooth = (double(s->original_max_position_embeddings) / wavelength - s->low_freq_factor) / (s->high_freq_factor - s->low_freq_factor);
        f[i] = (1 - smooth) * f[i] / s->factor + smooth * f[i];
      }
    }
  }
  return frequency;
}

RotaryTable rotary_table(const ModelConfig& config, int64_t length, at::Device device) {
  const at::Tensor frequency = rotary_frequencies(config);
  // The reference multiplies f32 frequencies by f32 positions; angles follow it, so that long contexts agree.
  const at::Tensor angles = at::outer(at::arange(length, at::kFloat), frequency.to(at::kFloat)).to(at::kDouble);
  return {angles.cos().to(at::kFloat).to(device), angles.sin().to(at::kFloat).to(device)};
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& positions, const RotaryTable& table) {
  if (own_kernel(x)) return Rotate::apply(x, positions, table.cosine, table.sine);
  const at::Tensor cosine = table.cosine.index_select(0, positions).unsqueeze(1), sine = table.sine.index_select(0, positions).unsqueeze(1);
  const auto halves = x.to(wide_type(x)).chunk(2, -1);
  return at::cat({halves[0] * cosine - halves[1] * sine, halves[1] * cosine + halves[0] * sine}, -1).to(x.scalar_type());
}

}  // namespace foil::nn
