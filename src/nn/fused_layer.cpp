#include "nn/fused_layer.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

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

// Rows of floats: a tensor's, or where the sampler left them.
struct Rows {
  explicit Rows(const at::Tensor& t) : data(t.defined() ? in(t) : nullptr), width(t.defined() ? t.size(1) : 0) {}
  Rows(const KeptActivations& kept, int64_t layer, int64_t place, const std::vector<int32_t>& rows) : kept(&kept), layer(layer), place(place), rows(&rows) {}
  const float* operator[](int64_t r) const { return kept ? kept->row(layer, (*rows)[size_t(r)]) + place : data + r * width; }

  const float* data = nullptr;
  int64_t width = 0;
  const KeptActivations* kept = nullptr;
  int64_t layer = 0, place = 0;
  const std::vector<int32_t>* rows = nullptr;
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

// What the backward pass goes through row by row and reads once.
struct Streams {
  Rows x, raw, middle, gate_up;
};

// The sampler's values as a tape, but for the streams.
struct SampledTape {
  SampledTape(const LayerPass& pass, int64_t number) : all(pass.sampled.rows) {
    const KeptActivations& kept = *pass.sampled.kept;
    FOIL_CHECK(kept.version() == pass.version, "the weights have moved since these activations were kept");
    const Widths w(pass.config);
    const KeptActivations::Places& at = kept.places();
    read = picked_rows(pass);
    const auto gathered = [&](int64_t place, int64_t width, const std::vector<int32_t>& rows) {
      at::Tensor t = at::empty({int64_t(rows.size()), width}, at::kFloat);
      float* to = out(t);
      Team::run([&](Team& team) {
        constexpr int64_t kJob = 64;
        team.share((t.size(0) + kJob - 1) / kJob, [&](int64_t job) {
          for (int64_t r = job * kJob, end = std::min(t.size(0), r + kJob); r < end; ++r) std::copy_n(kept.row(number, rows[size_t(r)]) + place, width, to + r * width);
        });
      });
      return t;
    };
    tape.qkv = gathered(at.qkv, w.qkv, all);
    tape.attended = gathered(at.attended, w.q, all);
    tape.lse = gathered(at.lse, w.heads, all);
    tape.input_rms = gathered(at.input_rms, 1, all).flatten();
    tape.middle_rms = gathered(at.middle_rms, 1, read).flatten();
    if (pass.config.qk_norm) tape.head_rms = gathered(at.head_rms, w.heads + w.kv_heads, all);
    streams.emplace(Rows(kept, number, at.x, all), Rows(kept, number, at.raw, all), Rows(kept, number, at.middle, read), Rows(kept, number, at.gate_up, read));
  }
  static std::vector<int32_t> picked_rows(const LayerPass& pass) {
    if (!pass.rows.defined()) return pass.sampled.rows;
    std::vector<int32_t> out;
    const int64_t* rows = pass.rows.const_data_ptr<int64_t>();
    for (int64_t r = 0; r < pass.rows.size(0); ++r) out.push_back(pass.sampled.rows[size_t(rows[r])]);
    return out;
  }

  const std::vector<int32_t>& all;
  std::vector<int32_t> read;
  Tape tape;
  std::optional<Streams> streams;
};

Gradients backward(const LayerPass& pass, const Layer& layer, const Streams& from, const Tape& tape, const at::Tensor& g, bool want_weights) {
  const Widths w(pass.config);
  const int64_t T = tape.qkv.size(0), R = tape.middle_rms.size(0);
  const auto options = tape.qkv.options().requires_grad(false);
  const bool norms = pass.config.qk_norm;
  const RowBlocks blocks(T), read(R);
  Gradients d;
  at::Tensor d_gate_up = at::empty({R, 2 * w.inner}, options), d_middle = at::empty({R, w.hidden}, options), d_attended = at::empty({R, w.q}, options);
  // What the weights' gradients need, as the right side of their products.
  Panels active, normed;
  if (want_weights) active = Panels(R, w.inner), normed = Panels(R, w.hidden);
  at::Tensor post_partial = at::zeros({read.count(), w.hidden}, options), input_partial = at::zeros({blocks.count(), w.hidden}, options);

  // Norms are linear in their input once the inverse rms is known: the normalised rows are made again without a reduction.
  auto normalise = [&](const Rows& stream, const float* weight, const at::Tensor& rms, int64_t first, int64_t rows) {
    float* row = scratch(2, w.inner + w.hidden);
    for (int64_t r = 0; r < rows; ++r) {
      kernels::scale_row(stream[first + r], weight, in(rms)[first + r], row, w.hidden);
      normed.set_row(first + r, row);
    }
  };

  const Panels down_panels = Panels::of(layer.down), gate_up_panels = Panels::of(layer.gate_up), o_panels = Panels::of(layer.o);
  read.run([&](int64_t b, int64_t first, int64_t rows) {
    float *d_active = scratch(1, rows * w.inner), *d_normed = scratch(0, rows * w.hidden), *row = scratch(2, w.inner + w.hidden);
    const float* gb = in(g) + first * w.hidden;
    down_panels.multiply(rows, gb, w.hidden, d_active, w.inner, false);
    float* d_gu = out(d_gate_up) + first * 2 * w.inner;
    for (int64_t r = 0; r < rows; ++r) {
      const float* here = from.gate_up[first + r];
      float* d_here = d_gu + r * 2 * w.inner;
      if (want_weights) {
        kernels::swiglu(here, here + w.inner, row, w.inner);
        active.set_row(first + r, row);
      }
      kernels::swiglu_backward(here, here + w.inner, d_active + r * w.inner, d_here, d_here + w.inner, w.inner);
    }
    if (want_weights) normalise(from.middle, in(layer.post_norm), tape.middle_rms, first, rows);
    gate_up_panels.multiply(rows, d_gu, 2 * w.inner, d_normed, w.hidden, false);
    float* dm = out(d_middle) + first * w.hidden;
    for (int64_t r = 0; r < rows; ++r)
      kernels::rms_norm_backward(from.middle[first + r], w.hidden, in(layer.post_norm), in(tape.middle_rms) + first + r, d_normed + r * w.hidden, w.hidden, gb + r * w.hidden,
                                 dm + r * w.hidden, w.hidden, out(post_partial) + b * w.hidden, 1, w.hidden);
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
        const float* raw = from.raw[first + r];
        const float* rms = in(tape.head_rms) + (first + r) * (w.heads + w.kv_heads);
        float* row = p + r * w.qkv;
        kernels::rms_norm_backward(raw, w.d, in(layer.q_norm), rms, row, w.d, nullptr, row, w.d, partial, w.heads, w.d);
        kernels::rms_norm_backward(raw + w.q, w.d, in(layer.k_norm), rms + w.heads, row + w.q, w.d, nullptr, row + w.q, w.d, partial + w.d, w.kv_heads, w.d);
      }
    }
    if (want_weights) normalise(from.x, in(layer.input_norm), tape.input_rms, first, rows);
    float* d_normed = scratch(0, rows * w.hidden);
    qkv_panels.multiply(rows, p, w.qkv, d_normed, w.hidden, false);
    float* dx = out(d.x) + first * w.hidden;
    for (int64_t r = 0; r < rows; ++r, dx += w.hidden)
      kernels::rms_norm_backward(from.x[first + r], w.hidden, in(layer.input_norm), in(tape.input_rms) + first + r, d_normed + r * w.hidden, w.hidden, dx, dx, w.hidden,
                                 out(input_partial) + b * w.hidden, 1, w.hidden);
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

// Behind the last layer the stream that the sampler left; before it nobody reads more than the shape.
at::Tensor sampled_result(const LayerPass& pass, int64_t number) {
  const int64_t hidden = pass.config.hidden_size;
  if (number + 1 < pass.config.num_hidden_layers) {
    const at::Tensor one = at::zeros({1}, at::kFloat);
    return at::empty({0}, at::kFloat).set_(one.storage(), 0, {int64_t(pass.sampled.rows.size()), hidden}, {0, 0});
  }
  const std::vector<int32_t> read = SampledTape::picked_rows(pass);
  at::Tensor y = at::empty({int64_t(read.size()), hidden}, at::kFloat);
  for (size_t r = 0; r < read.size(); ++r) std::copy_n(pass.sampled.kept->row(number + 1, read[r]), hidden, out(y) + int64_t(r) * hidden);
  return y;
}

class FusedLayer : public torch::autograd::Function<FusedLayer> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_in, const at::TensorList& weights, const Layer& layer, int64_t number,
                            const c10::intrusive_ptr<LayerPass>& pass) {
    ctx->saved_data["pass"] = c10::IValue::make_capsule(pass);
    ctx->saved_data["number"] = number;
    variable_list save(weights.begin(), weights.end());
    if (pass->sampled.kept) {
      ctx->save_for_backward(std::move(save));
      return sampled_result(*pass, number);
    }
    const at::Tensor x = x_in.contiguous();
    Tape tape;
    at::Tensor y = nn::forward(*pass, layer, x, tape);
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
    const size_t fields = (c.attention_bias ? 3 : 0) + (c.qk_norm ? 2 : 0) + 9;
    bool want_weights = false;
    std::vector<at::Tensor> weights;
    for (size_t i = 0; i < fields; ++i) {
      want_weights = want_weights || saved[i].requires_grad();
      weights.push_back(saved[i].detach());
    }
    Layer layer = Layer::from(c, weights);
    layer.fuse();
    const at::Tensor g = grads[0].contiguous();
    Gradients d;
    if (pass->sampled.kept) {
      const SampledTape sampled(*pass, ctx->saved_data["number"].toInt());
      d = nn::backward(*pass, layer, *sampled.streams, sampled.tape, g, want_weights);
    } else {
      const at::Tensor x = saved[fields].detach();
      Tape tape;
      if (pass->recompute)
        nn::forward(*pass, layer, x, tape);
      else
        tape = {saved[fields + 1], saved[fields + 2], saved[fields + 3], saved[fields + 4], saved[fields + 5],
                saved[fields + 6], saved[fields + 7], saved[fields + 8], saved[fields + 9]};
      d = nn::backward(*pass, layer, {Rows(x), Rows(tape.raw), Rows(tape.middle), Rows(tape.gate_up)}, tape, g, want_weights);
    }
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
    result.resize(result.size() + 3);  // layer, number, pass
    return result;
  }
};

}  // namespace

bool fused_layer_applies(const Layer& layer, const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && layer.q.scalar_type() == at::kFloat && !layer.o_bias.defined();
}

at::Tensor fused_layer(const at::Tensor& x, const Layer& layer, int64_t number, const c10::intrusive_ptr<LayerPass>& pass) {
  if (!at::GradMode::is_enabled()) {
    if (pass->sampled.kept) return sampled_result(*pass, number);
    Tape tape;
    return forward(*pass, layer, x.contiguous(), tape);
  }
  const std::vector<at::Tensor> weights = layer.defined_fields();
  return FusedLayer::apply(x, at::TensorList(weights), layer, number, pass);
}

}  // namespace foil::nn
