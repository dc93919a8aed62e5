#include "nn/packed_decoder.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "base/error.h"
#include "nn/decode_step.h"
#include "nn/kernels.h"
#include "nn/paged_attention.h"
#include "nn/team.h"

namespace foil::nn {

static constexpr int64_t kRowJob = 8;                     // rows of the phases between matrix products
static constexpr int64_t kSerialWork = int64_t{1} << 23;  // multiply-adds below which one thread is done before two have met often enough

// Memory touched for the first time is dear, the more so in a virtual machine: a huge page, which may hold a whole matrix, is got by the one
// thread that meets it first. Here all threads get pages at once. Where pages are small this does little, and packing touches the rest.
static void touch(const at::Tensor& memory) {
  constexpr int64_t kHugePage = int64_t{2} << 20;
  auto* bytes = memory.mutable_data_ptr<uint8_t>();
  at::parallel_for(0, (memory.numel() + kHugePage - 1) / kHugePage, 4, [&](int64_t begin, int64_t end) {
    for (int64_t page = begin; page < end; ++page) bytes[page * kHugePage] = 0;
  });
}

static bool can_pack(const Transformer& model) { return model.device().is_cpu() && model.type() != at::kDouble; }

at::ScalarType PackedDecoder::type_for(const Transformer& model) { return can_pack(model) ? at::kFloat : model.type(); }

PackedDecoder::PackedDecoder(const Transformer& model) : model_(model) {
  if (!can_pack(model)) return;
  at::NoGradGuard off;
  const Decoder decoder(model.config(), model.parameters());
  auto wide = [](const at::Tensor& t) { return t.defined() ? t.detach().to(at::kFloat) : t; };
  embedding_ = decoder.embedding.detach();
  norm_ = wide(decoder.norm);
  std::vector<at::Tensor> matrices;
  for (const Layer& l : decoder.layers) matrices.insert(matrices.end(), {l.qkv, l.o, l.gate, l.up, l.down});
  matrices.push_back(decoder.output);
  std::vector<bool> bf16;
  int64_t bytes = 0, used = 0;
  for (const at::Tensor& w : matrices) bf16.push_back(PackedMatrix::bf16_holds(w)), bytes += PackedMatrix::bytes_for(w, bf16.back());
  const at::Tensor memory = at::empty({bytes}, at::kByte);
  touch(memory);
  size_t next = 0;
  const auto pack = [&](const at::Tensor& w) { return PackedMatrix(w, bf16[next++], memory, used); };
  for (const Layer& l : decoder.layers)
    layers_.push_back({wide(l.input_norm), wide(l.post_norm), wide(l.qkv_bias), wide(l.o_bias), wide(l.q_norm), wide(l.k_norm), pack(l.qkv), pack(l.o),
                       pack(l.gate), pack(l.up), pack(l.down)});
  output_ = pack(decoder.output);
  FOIL_CHECK(used == bytes);
}

PackedDecoder::~PackedDecoder() = default;

at::Tensor PackedDecoder::logits(const at::Tensor& hidden) const { return packed() ? output_.linear(hidden) : model_.logits(hidden); }

at::Tensor PackedDecoder::step(const StepBatch& batch, KvCache& cache, const KeptActivations* kept, std::span<const int32_t> places) const {
  if (!packed()) {
    if (!cache.token_major() || !DecodeStep::applies(batch)) return model_.step(batch, cache);
    if (its_cache_ != &cache) elsewhere_ = std::make_unique<DecodeStep>(model_, cache), its_cache_ = &cache;
    return elsewhere_->run(batch);
  }
  FOIL_CHECK(!batch.sequences.empty() && batch.sequences.back().end == batch.tokens.size(0));
  at::NoGradGuard off;
  const ModelConfig& c = model_.config();
  int64_t longest = 1;
  for (const auto& s : batch.sequences) longest = std::max(longest, s.context + s.end - s.begin);
  const RotaryTable table = model_.rotary(longest);
  const int64_t rows = batch.tokens.size(0), d = c.head_dim, heads = c.num_attention_heads, kv_heads = c.num_key_value_heads, inner = c.intermediate_size;
  const int64_t hidden = c.hidden_size, q_width = heads * d, kv_width = kv_heads * d, width = q_width + 2 * kv_width, results = int64_t(batch.sequences.size());
  const float eps = float(c.rms_norm_eps);
  at::Tensor stream = at::embedding(embedding_, batch.tokens).to(at::kFloat), result = at::empty({results, hidden}, stream.options());
  const at::Tensor working = at::empty({rows * (hidden + width + q_width + inner + heads + 1)}, stream.options());
  const at::Tensor split = at::empty({tiles::available() ? PackedMatrix::split_halves(rows, std::max({hidden, q_width, inner})) : 0}, at::kBFloat16);
  auto* parts = static_cast<uint16_t*>(split.mutable_data_ptr());
  float *x = stream.mutable_data_ptr<float>(), *normed = working.mutable_data_ptr<float>(), *qkv = normed + rows * hidden, *attended = qkv + rows * width,
        *active = attended + rows * q_width, *lse = kept ? active + rows * inner : nullptr, *rms = kept ? active + rows * (inner + heads) : nullptr, *out = result.mutable_data_ptr<float>();
  const at::Tensor all_positions = batch.positions.contiguous();
  const int64_t* positions = all_positions.const_data_ptr<int64_t>();
  const float *cosine = table.cosine.const_data_ptr<float>(), *sine = table.sine.const_data_ptr<float>();
  std::vector<const StepBatch::Sequence*> owner(static_cast<size_t>(rows));
  for (const auto& s : batch.sequences) std::fill(owner.begin() + s.begin, owner.begin() + s.end, &s);
  const std::vector<AttentionJob> attention = attention_jobs(batch, heads, kv_heads, cache.block_tokens(), at::get_num_threads());
  std::vector<PagedLayer> paged;
  for (size_t i = 0; i < layers_.size(); ++i) paged.emplace_back(cache, int64_t(i));
  FOIL_CHECK(!kept || (kept->keeps(model_) && int64_t(places.size()) == rows));
  const KeptActivations::Places at = kept ? kept->places() : KeptActivations::Places{};
  const auto data = [](const at::Tensor& t) { return t.defined() ? t.const_data_ptr<float>() : nullptr; };

  Team::run([&](Team& team) {
    std::vector<float> scratch;
    AttentionScratch attention_scratch;
    int64_t left = rows;  // that the work goes on with: behind the last layer's keys and values each sequence's last token
    const auto by_rows = [&](const auto& work) {
      team.share((left + kRowJob - 1) / kRowJob, [&](int64_t job) { work(job * kRowJob, std::min(left, (job + 1) * kRowJob)); });
    };
    // Where the values of row r (of those left) of layer i go; null: nowhere.
    const auto kept_row = [&](size_t i, int64_t r) {
      const int32_t place = kept ? places[size_t(left == rows ? r : batch.sequences[size_t(r)].end - 1)] : KeptActivations::kNone;
      return place == KeptActivations::kNone ? nullptr : kept->row(int64_t(i), place);
    };
    const auto norm = [&](size_t i, const at::Tensor& weight, int64_t stream_place, int64_t rms_place) {
      by_rows([&](int64_t first, int64_t last) {
        kernels::rms_norm(x + first * hidden, data(weight), normed + first * hidden, rms ? rms + first : nullptr, last - first, hidden, eps);
        for (int64_t r = first; kept && r < last; ++r)
          if (float* to = kept_row(i, r)) std::copy_n(x + r * hidden, hidden, to + stream_place), to[rms_place] = rms[r];
      });
    };
    for (size_t i = 0; i < layers_.size(); ++i) {
      const PackedLayer& l = layers_[i];
      norm(i, l.input_norm, at.x, at.input_rms);
      l.qkv.share(team, l.qkv.ready(team, rows, normed, hidden, parts), qkv, width, data(l.qkv_bias), false);
      by_rows([&](int64_t first, int64_t last) {
        for (int64_t r = first; r < last; ++r) {
          float *row = qkv + r * width, *k = row + q_width, *to = kept_row(i, r);
          if (c.qk_norm) {
            if (to) std::copy_n(row, q_width + kv_width, to + at.raw);
            kernels::rms_norm(row, data(l.q_norm), row, to ? to + at.head_rms : nullptr, heads, d, eps);
            kernels::rms_norm(k, data(l.k_norm), k, to ? to + at.head_rms + heads : nullptr, kv_heads, d, eps);
          }
          const int64_t angle = positions[r] * (d / 2);
          kernels::rotate(row, row, heads + kv_heads, d, cosine + angle, sine + angle, 1.0f);
          const StepBatch::Sequence& s = *owner[size_t(r)];
          write_token(paged[i], s, s.context + r - s.begin, k, k + kv_width);
          if (to) std::copy_n(row, width, to + at.qkv);
        }
      });
      team.share(int64_t(attention.size()), [&](int64_t number) {
        const AttentionJob& job = attention[size_t(number)];
        attend(paged[i], job, heads, qkv, width, attended, q_width, lse, attention_scratch);
        if (!kept) return;
        const int64_t group = heads / kv_heads, head = job.kv_head * group;
        for (const StepBatch::Sequence* s : job.sequences)
          for (int64_t r = s->begin + job.first; r < s->begin + job.first + job.rows; ++r)
            if (float* to = kept_row(i, r)) std::copy_n(attended + r * q_width + head * d, group * d, to + at.attended + head * d), std::copy_n(lse + r * heads + head, group, to + at.lse + head);
      });
      if (i + 1 == layers_.size() && results < rows) {
        team.share(1, [&](int64_t) {
          for (int64_t r = 0; r < results; ++r) {
            const int64_t from = batch.sequences[size_t(r)].end - 1;  // at least r
            std::copy_n(x + from * hidden, from == r ? 0 : hidden, x + r * hidden);
            std::copy_n(attended + from * q_width, from == r ? 0 : q_width, attended + r * q_width);
          }
        });
        left = results;
      }
      l.o.share(team, l.o.ready(team, left, attended, q_width, parts), x, hidden, data(l.o_bias), true);
      norm(i, l.post_norm, at.middle, at.middle_rms);
      const PackedMatrix::Rows in = l.gate.ready(team, left, normed, hidden, parts);
      share_panels(team, left, l.gate.block_rows(), l.gate.panels(), [&](int64_t first, int64_t last, int64_t panel) {
        const int64_t n = last - first, column = panel * Panels::kWidth, columns = std::min(Panels::kWidth, inner - column);
        if (int64_t(scratch.size()) < 2 * n * Panels::kWidth) scratch.resize(size_t(2 * n * Panels::kWidth));
        l.gate.multiply_beside(l.up, in, first, last, panel, scratch.data(), 2 * Panels::kWidth);
        for (int64_t r = 0; r < n; ++r) {
          const float *gate = scratch.data() + 2 * r * Panels::kWidth, *up = gate + Panels::kWidth;
          kernels::swiglu(gate, up, active + (first + r) * inner + column, columns);
          if (float* to = kept_row(i, first + r)) std::copy_n(gate, columns, to + at.gate_up + column), std::copy_n(up, columns, to + at.gate_up + inner + column);
        }
      });
      l.down.share(team, l.down.ready(team, left, active, inner, parts), x, hidden, nullptr, true);
    }
    team.share(results, [&](int64_t r) {
      kernels::rms_norm(x + r * hidden, data(norm_), out + r * hidden, nullptr, 1, hidden, eps);
      if (float* to = kept_row(layers_.size(), r)) std::copy_n(x + r * hidden, hidden, to);
    });
  }, rows * int64_t(layers_.size()) * hidden * (width + q_width + 3 * inner) < kSerialWork);
  return result;
}

}  // namespace foil::nn
