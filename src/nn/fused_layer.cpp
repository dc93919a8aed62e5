#include "nn/fused_layer.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "nn/attention_kernels.h"
#include "nn/kernels.h"
#include "nn/panels.h"
#include "nn/team.h"

namespace foil::nn {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kBlockRows = 128, kMinBlockRows = 32, kBlocksPerThread = 4;

// Rows [0, total) in equal blocks (but for the last), each on whichever thread is free.
class RowBlocks {
 public:
  explicit RowBlocks(int64_t total) : total_(total) {
    const int64_t wanted = total / (kBlocksPerThread * at::get_num_threads());
    rows_ = std::clamp(wanted / kMinBlockRows * kMinBlockRows, kMinBlockRows, kBlockRows);
  }
  int64_t count() const { return (total_ + rows_ - 1) / rows_; }
  template <class F>
  void run(const F& work) const {  // work(block, first row, rows)
    Team::run([&](Team& team) { team.share(count(), [&](int64_t b) { work(b, b * rows_, std::min(rows_, total_ - b * rows_)); }); }, count() == 1);
  }

 private:
  int64_t total_, rows_;
};

// Uninitialised floats of this thread, kept from block to block.
float* scratch(int slot, int64_t floats) {
  struct Buffer {
    std::unique_ptr<float[]> data;
    int64_t size = 0;
  };
  static thread_local Buffer buffers[3];
  Buffer& b = buffers[slot];
  if (b.size < floats) b.data.reset(new float[size_t(floats)]), b.size = floats;
  return b.data.get();
}

const float* in(const at::Tensor& t) { return t.const_data_ptr<float>(); }
float* out(at::Tensor& t) { return t.mutable_data_ptr<float>(); }

struct Tape {  // of one layer: [T, …], from `middle` on [R, …]
  at::Tensor qkv;        // rotated, [heads + 2·kv_heads]·d
  at::Tensor raw;        // q and k before their norm, where there is one
  at::Tensor head_rms;   // inverse rms of those, [T, heads + kv_heads]
  at::Tensor attended, lse;
  at::Tensor input_rms;
  at::Tensor middle;     // x + attention
  at::Tensor gate_up;    // [2·intermediate]
  at::Tensor middle_rms;
};

// The rows of t that the layer's second half works on, and their gradients back in their places.
at::Tensor picked(const at::Tensor& t, const LayerPass& pass) { return pass.rows.defined() ? t.index_select(0, pass.rows) : t; }
at::Tensor put_back(const at::Tensor& t, const LayerPass& pass, int64_t rows) {
  return pass.rows.defined() ? at::zeros({rows, t.size(1)}, t.options()).index_add_(0, pass.rows, t) : t;
}

struct Widths {
  explicit Widths(const ModelConfig& c)
      : hidden(c.hidden_size), d(c.head_dim), heads(c.num_attention_heads), kv_heads(c.num_key_value_heads), q(heads * d), kv(kv_heads * d), qkv(q + 2 * kv),
        inner(c.intermediate_size), eps(float(c.rms_norm_eps)) {}
  int64_t hidden, d, heads, kv_heads, q, kv, qkv, inner;
  float eps;
  AttentionShape attention() const { return {heads, kv_heads, d, qkv, qkv}; }
};

void rotate_block(const Widths& w, const LayerPass& pass, float* qkv, int64_t first, int64_t rows, float direction) {
  const int64_t* positions = pass.batch.positions.const_data_ptr<int64_t>();
  const float *cosine = in(pass.table.cosine), *sine = in(pass.table.sine);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = positions[first + r] * (w.d / 2);
    kernels::rotate(qkv + r * w.qkv, qkv + r * w.qkv, w.heads + w.kv_heads, w.d, cosine + at, sine + at, direction);
  }
}

at::Tensor forward(const LayerPass& pass, const Layer& layer, const at::Tensor& x, Tape& tape) {
  const Widths w(pass.config);
  const int64_t T = x.size(0), R = pass.rows.defined() ? pass.rows.size(0) : T;
  const auto options = x.options().requires_grad(false);
  const bool norms = pass.config.qk_norm;
  tape.qkv = at::empty({T, w.qkv}, options);
  tape.input_rms = at::empty({T}, options);
  tape.attended = at::empty({T, w.q}, options);
  tape.lse = at::empty({T, w.heads}, options);
  tape.middle = at::empty({R, w.hidden}, options);
  tape.gate_up = at::empty({R, 2 * w.inner}, options);
  tape.middle_rms = at::empty({R}, options);
  if (norms) {
    tape.raw = at::empty({T, w.q + w.kv}, options);
    tape.head_rms = at::empty({T, w.heads + w.kv_heads}, options);
  }
  at::Tensor result = at::empty({R, w.hidden}, options);
  const Panels qkv_panels = Panels::of_transposed(layer.qkv), o_panels = Panels::of_transposed(layer.o);

  RowBlocks(T).run([&](int64_t, int64_t first, int64_t rows) {
    float* normed = scratch(0, rows * w.hidden);
    kernels::rms_norm(in(x) + first * w.hidden, in(layer.input_norm), normed, out(tape.input_rms) + first, rows, w.hidden, w.eps);
    float* p = out(tape.qkv) + first * w.qkv;
    qkv_panels.multiply(rows, normed, w.hidden, p, w.qkv, false);
    if (layer.qkv_bias.defined())
      for (int64_t r = 0; r < rows; ++r) kernels::add_row(p + r * w.qkv, in(layer.qkv_bias), w.qkv);
    if (norms) {
      for (int64_t r = 0; r < rows; ++r) {
        float* raw = out(tape.raw) + (first + r) * (w.q + w.kv);
        float* rms = out(tape.head_rms) + (first + r) * (w.heads + w.kv_heads);
        std::memcpy(raw, p + r * w.qkv, size_t(w.q + w.kv) * sizeof(float));
        kernels::rms_norm(raw, in(layer.q_norm), p + r * w.qkv, rms, w.heads, w.d, w.eps);
        kernels::rms_norm(raw + w.q, in(layer.k_norm), p + r * w.qkv + w.q, rms + w.heads, w.kv_heads, w.d, w.eps);
      }
    }
    rotate_block(w, pass, p, first, rows, 1.0f);
  });

  const float* qkv = in(tape.qkv);
  attention_forward(pass.batch.segments, w.attention(), qkv, qkv + w.q, qkv + w.q + w.kv, out(tape.attended), out(tape.lse));

  const Panels gate_up_panels = Panels::of_transposed(layer.gate_up), down_panels = Panels::of_transposed(layer.down);
  const at::Tensor before = picked(x, pass), attended = picked(tape.attended, pass);
  RowBlocks(R).run([&](int64_t, int64_t first, int64_t rows) {
    float *normed = scratch(0, rows * w.hidden), *active = scratch(1, rows * w.inner);
    float *middle = out(tape.middle) + first * w.hidden, *y = out(result) + first * w.hidden, *gate_up = out(tape.gate_up) + first * 2 * w.inner;
    std::memcpy(middle, in(before) + first * w.hidden, size_t(rows * w.hidden) * sizeof(float));
    o_panels.multiply(rows, in(attended) + first * w.q, w.q, middle, w.hidden, true);
    kernels::rms_norm(middle, in(layer.post_norm), normed, out(tape.middle_rms) + first, rows, w.hidden, w.eps);
    gate_up_panels.multiply(rows, normed, w.hidden, gate_up, 2 * w.inner, false);
    for (int64_t r = 0; r < rows; ++r, gate_up += 2 * w.inner) kernels::swiglu(gate_up, gate_up + w.inner, active + r * w.inner, w.inner);
    std::memcpy(y, middle, size_t(rows * w.hidden) * sizeof(float));
    down_panels.multiply(rows, active, w.inner, y, w.hidden, true);
  });
  return result;
}

struct Gradients {
  at::Tensor x, input_norm, post_norm, qkv, qkv_bias, o, q_norm, k_norm, gate_up, down;
};

Gradients backward(const LayerPass& pass, const Layer& layer, const at::Tensor& x, const Tape& tape, const at::Tensor& g, bool want_weights) {
  const Widths w(pass.config);
  const int64_t T = x.size(0), R = tape.middle.size(0);
  const auto options = x.options().requires_grad(false);
  const bool norms = pass.config.qk_norm;
  const RowBlocks blocks(T), read(R);
  Gradients d;
  at::Tensor d_gate_up = at::empty({R, 2 * w.inner}, options), d_middle = at::empty({R, w.hidden}, options), d_attended = at::empty({R, w.q}, options);
  // What the weights' gradients need, as the right side of their products.
  Panels active, normed;
  if (want_weights) active = Panels(R, w.inner), normed = Panels(R, w.hidden);
  at::Tensor post_partial = at::zeros({read.count(), w.hidden}, options), input_partial = at::zeros({blocks.count(), w.hidden}, options);

  // Norms are linear in their input once the inverse rms is known: the normalised rows are made again without a reduction.
  auto normalise = [&](const float* from, const float* weight, const at::Tensor& rms, int64_t first, int64_t rows) {
    float* row = scratch(2, w.inner + w.hidden);
    for (int64_t r = 0; r < rows; ++r) {
      kernels::scale_row(from + r * w.hidden, weight, in(rms)[first + r], row, w.hidden);
      normed.set_row(first + r, row);
    }
  };

  const Panels down_panels = Panels::of(layer.down), gate_up_panels = Panels::of(layer.gate_up), o_panels = Panels::of(layer.o);
  read.run([&](int64_t b, int64_t first, int64_t rows) {
    float *d_active = scratch(1, rows * w.inner), *d_normed = scratch(0, rows * w.hidden), *row = scratch(2, w.inner + w.hidden);
    const float* gb = in(g) + first * w.hidden;
    down_panels.multiply(rows, gb, w.hidden, d_active, w.inner, false);
    const float* gu = in(tape.gate_up) + first * 2 * w.inner;
    float* d_gu = out(d_gate_up) + first * 2 * w.inner;
    for (int64_t r = 0; r < rows; ++r) {
      const float* here = gu + r * 2 * w.inner;
      float* d_here = d_gu + r * 2 * w.inner;
      if (want_weights) {
        kernels::swiglu(here, here + w.inner, row, w.inner);
        active.set_row(first + r, row);
      }
      kernels::swiglu_backward(here, here + w.inner, d_active + r * w.inner, d_here, d_here + w.inner, w.inner);
    }
    const float* middle = in(tape.middle) + first * w.hidden;
    if (want_weights) normalise(middle, in(layer.post_norm), tape.middle_rms, first, rows);
    gate_up_panels.multiply(rows, d_gu, 2 * w.inner, d_normed, w.hidden, false);
    float* dm = out(d_middle) + first * w.hidden;
    kernels::rms_norm_backward(middle, w.hidden, in(layer.post_norm), in(tape.middle_rms) + first, d_normed, w.hidden, gb, dm, w.hidden,
                               out(post_partial) + b * w.hidden, rows, w.hidden);
    o_panels.multiply(rows, dm, w.hidden, out(d_attended) + first * w.q, w.q, false);
  });
  if (want_weights) {
    d.down = active.transposed_product(g);
    d.gate_up = normed.transposed_product(d_gate_up);
    d.o = Panels::of(picked(tape.attended, pass)).transposed_product(d_middle);
    d.post_norm = post_partial.sum(0);
  }
  active = Panels();
  d_gate_up.reset();
  if (want_weights && R != T) normed = Panels(T, w.hidden);
  d_attended = put_back(d_attended, pass, T);
  d.x = put_back(d_middle, pass, T);

  at::Tensor d_qkv = at::empty({T, w.qkv}, options);
  const float* qkv = in(tape.qkv);
  float* dq = out(d_qkv);
  attention_backward(pass.batch.segments, w.attention(), qkv, qkv + w.q, qkv + w.q + w.kv, in(tape.attended), in(tape.lse), in(d_attended), dq, dq + w.q,
                     dq + w.q + w.kv);

  at::Tensor head_partial = norms ? at::zeros({blocks.count(), 2, w.d}, options) : at::Tensor();
  const Panels qkv_panels = Panels::of(layer.qkv);
  blocks.run([&](int64_t b, int64_t first, int64_t rows) {
    float* p = out(d_qkv) + first * w.qkv;
    rotate_block(w, pass, p, first, rows, -1.0f);
    if (norms) {
      float* partial = out(head_partial) + b * 2 * w.d;
      for (int64_t r = 0; r < rows; ++r) {
        const float* raw = in(tape.raw) + (first + r) * (w.q + w.kv);
        const float* rms = in(tape.head_rms) + (first + r) * (w.heads + w.kv_heads);
        float* row = p + r * w.qkv;
        kernels::rms_norm_backward(raw, w.d, in(layer.q_norm), rms, row, w.d, nullptr, row, w.d, partial, w.heads, w.d);
        kernels::rms_norm_backward(raw + w.q, w.d, in(layer.k_norm), rms + w.heads, row + w.q, w.d, nullptr, row + w.q, w.d, partial + w.d, w.kv_heads, w.d);
      }
    }
    const float* xb = in(x) + first * w.hidden;
    if (want_weights) normalise(xb, in(layer.input_norm), tape.input_rms, first, rows);
    float* d_normed = scratch(0, rows * w.hidden);
    qkv_panels.multiply(rows, p, w.qkv, d_normed, w.hidden, false);
    float* dx = out(d.x) + first * w.hidden;
    kernels::rms_norm_backward(xb, w.hidden, in(layer.input_norm), in(tape.input_rms) + first, d_normed, w.hidden, dx, dx, w.hidden,
                               out(input_partial) + b * w.hidden, rows, w.hidden);
  });
  if (want_weights) {
    d.qkv = normed.transposed_product(d_qkv);
    d.input_norm = input_partial.sum(0);
    if (layer.qkv_bias.defined()) d.qkv_bias = d_qkv.sum(0);
    if (norms) {
      const at::Tensor sums = head_partial.sum(0);
      d.q_norm = sums[0];
      d.k_norm = sums[1];
    }
  }
  return d;
}

class FusedLayer : public torch::autograd::Function<FusedLayer> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::TensorList& weights, const Layer& layer,
                            const c10::intrusive_ptr<LayerPass>& pass) {
    const at::Tensor x = x_in.contiguous();
    Tape tape;
    at::Tensor y = nn::forward(*pass, layer, x, tape);
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    variable_list save(weights.begin(), weights.end());
    save.push_back(x);
    if (!pass->recompute)
      for (const at::Tensor& t : {tape.qkv, tape.raw, tape.head_rms, tape.attended, tape.lse, tape.input_rms, tape.middle, tape.gate_up, tape.middle_rms})
        save.push_back(t);
    ctx->save_for_backward(std::move(save));
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto pass = c10::static_intrusive_pointer_cast<LayerPass>(ctx->saved_data["pass"].toCapsule());
    const auto saved = ctx->get_saved_variables();
    const ModelConfig& c = pass->config;
    size_t next = 1 + (c.attention_bias ? 3 : 0) + (c.qk_norm ? 2 : 0) + 9;  // weights, x
    bool want_weights = false;
    std::vector<at::Tensor> weights;
    for (size_t i = 0; i + 1 < next; ++i) {
      want_weights = want_weights || saved[i].requires_grad();
      weights.push_back(saved[i].detach());
    }
    Layer layer = Layer::from(c, weights);
    layer.fuse();
    const at::Tensor x = saved[next - 1].detach();
    Tape tape;
    if (pass->recompute)
      nn::forward(*pass, layer, x, tape);
    else
      tape = {saved[next],     saved[next + 1], saved[next + 2], saved[next + 3], saved[next + 4],
              saved[next + 5], saved[next + 6], saved[next + 7], saved[next + 8]};
    Gradients d = nn::backward(*pass, layer, x, tape, grads[0].contiguous(), want_weights);
    variable_list result = {std::move(d.x)};
    auto rows = [&](at::Tensor& fused, std::initializer_list<int64_t> counts) {
      int64_t at = 0;
      for (int64_t n : counts) {
        result.push_back(fused.defined() ? fused.narrow(0, at, n) : at::Tensor());
        at += n;
      }
    };
    const Widths w(c);
    result.push_back(std::move(d.input_norm));
    result.push_back(std::move(d.post_norm));
    rows(d.qkv, {w.q, w.kv, w.kv});
    result.push_back(std::move(d.o));
    if (c.attention_bias) rows(d.qkv_bias, {w.q, w.kv, w.kv});
    if (c.qk_norm) {
      result.push_back(std::move(d.q_norm));
      result.push_back(std::move(d.k_norm));
    }
    rows(d.gate_up, {w.inner, w.inner});
    result.push_back(std::move(d.down));
    result.resize(result.size() + 2);  // layer, pass
    return result;
  }
};

}  // namespace

bool fused_layer_applies(const Layer& layer, const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && layer.q.scalar_type() == at::kFloat && !layer.o_bias.defined();
}

at::Tensor fused_layer(const at::Tensor& x, const Layer& layer, const c10::intrusive_ptr<LayerPass>& pass) {
  if (!at::GradMode::is_enabled()) {
    Tape tape;
    return forward(*pass, layer, x.contiguous(), tape);
  }
  const std::vector<at::Tensor> weights = layer.defined_fields();
  return FusedLayer::apply(x, at::TensorList(weights), layer, pass);
}

}  // namespace foil::nn
