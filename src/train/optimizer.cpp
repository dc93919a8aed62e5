#include "train/optimizer.h"

#include <ATen/Parallel.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"

// The update loops are compiled for the vector units at hand; sanitizers cannot run resolver functions before they are set up.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FOIL_VECTOR __attribute__((target_clones("avx512f", "avx2,fma", "default"), optimize("O3")))
#else
#define FOIL_VECTOR
#endif

namespace foil::train {

namespace {

constexpr int64_t kBlock = 1 << 15;  // elements a task: fixed, so that sums do not depend on the thread count

struct AdamConstants {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, scale, keep, step_size, inverse_root_correction2, eps;
};

FOIL_VECTOR void adam_block(float* p, float* m, float* v, const float* g, int64_t n, const AdamConstants& c) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * c.scale;
    m[i] = c.beta1 * m[i] + c.one_minus_beta1 * gradient;
    v[i] = c.beta2 * v[i] + c.one_minus_beta2 * gradient * gradient;
    p[i] = p[i] * c.keep - c.step_size * m[i] / (std::sqrt(v[i]) * c.inverse_root_correction2 + c.eps);
  }
}

FOIL_VECTOR double square_sum_block(const float* x, int64_t n) {
  double lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += double(x[i + lane]) * double(x[i + lane]);
  for (; i < n; ++i) lanes[0] += double(x[i]) * double(x[i]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// Calls work(tensor, begin, end, task) for fixed-size blocks of all tensors, in parallel. Returns the number of tasks.
template <class F>
int64_t for_blocks(const std::vector<int64_t>& sizes, const F& work) {
  std::vector<int64_t> first{0};
  for (const int64_t size : sizes) first.push_back(first.back() + (size + kBlock - 1) / kBlock);
  at::parallel_for(0, first.back(), 1, [&](int64_t begin, int64_t end) {
    size_t tensor = size_t(std::upper_bound(first.begin(), first.end(), begin) - first.begin()) - 1;
    for (int64_t task = begin; task < end; ++task) {
      while (task >= first[tensor + 1]) ++tensor;
      const int64_t from = (task - first[tensor]) * kBlock;
      work(tensor, from, std::min(from + kBlock, sizes[tensor]), task);
    }
  });
  return first.back();
}

}  // namespace

void OptimizerOptions::validate(const std::string& where) const {
  const auto require = [&](bool ok, const char* what) {
    if (!ok) throw UsageError(what, where);
  };
  require(lr >= 0, "lr must not be negative");
  require(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1, "beta1 and beta2 must be in [0, 1)");
  require(eps > 0, "eps must be positive");
  require(weight_decay >= 0, "weight_decay must not be negative");
  require(clip_norm >= 0, "clip_norm must not be negative (0: never clip)");
  require(warmup_share >= 0 && warmup_share <= 1, "warmup_share must be in [0, 1]");
  require(warmup_steps >= -1, "warmup_steps must be -1 (use warmup_share) or a number of steps");
  require(min_lr_share >= 0 && min_lr_share <= 1, "min_lr_share must be in [0, 1]");
}

double learning_rate(const OptimizerOptions& o, int64_t step, int64_t total) {
  const int64_t warmup = o.warmup_steps >= 0 ? o.warmup_steps : int64_t(std::ceil(o.warmup_share * double(total)));
  if (step < warmup) return o.lr * double(step + 1) / double(warmup);
  const double progress = total > warmup ? double(step - warmup) / double(total - warmup) : 0.0;
  double share = 1;
  if (o.schedule == Schedule::kCosine) share = o.min_lr_share + (1 - o.min_lr_share) * 0.5 * (1 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
  if (o.schedule == Schedule::kLinear) share = o.min_lr_share + (1 - o.min_lr_share) * (1 - std::min(progress, 1.0));
  return o.lr * share;
}

double squared_norm(const std::vector<at::Tensor>& tensors) {
  double total = 0;
  std::vector<int64_t> sizes;
  std::vector<const float*> data;
  for (const auto& t : tensors) {
    if (!t.defined()) continue;
    if (!t.device().is_cpu()) {
      total += t.to(at::kDouble).square().sum().item<double>();
      continue;
    }
    FOIL_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous());
    sizes.push_back(t.numel());
    data.push_back(t.const_data_ptr<float>());
  }
  int64_t tasks = 0;
  for (const int64_t size : sizes) tasks += (size + kBlock - 1) / kBlock;
  std::vector<double> partial(size_t(tasks), 0.0);
  for_blocks(sizes, [&](size_t tensor, int64_t begin, int64_t end, int64_t task) { partial[size_t(task)] = square_sum_block(data[tensor] + begin, end - begin); });
  for (const double x : partial) total += x;
  return total;
}

AdamW::AdamW(std::vector<NamedTensor> parameters, const OptimizerOptions& options, Shard shard) : options_(options), shard_(shard) {
  std::vector<size_t> by_size(parameters.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](size_t a, size_t b) { return parameters[a].tensor.numel() > parameters[b].tensor.numel(); });
  std::vector<int64_t> load(size_t(shard.size), 0);
  std::vector<int> owner(parameters.size());
  for (const size_t i : by_size) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += parameters[i].tensor.numel();
    owner[i] = int(least - load.begin());
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, tensor] = parameters[i];
    FOIL_CHECK(tensor.is_contiguous(), "{}", name);
    Slot slot{name, tensor, {}, {}, {}, tensor.dim() >= 2, owner[i]};
    if (owner[i] == shard.rank) {
      slot.master = tensor.scalar_type() == at::kFloat ? tensor.detach() : tensor.detach().to(at::kFloat);
      slot.first = at::zeros_like(slot.master);
      slot.second = at::zeros_like(slot.master);
    }
    slots_.push_back(std::move(slot));
  }
  gradients_.resize(slots_.size());
}

void AdamW::collect_gradients() {
  at::NoGradGuard guard;
  for (size_t i = 0; i < slots_.size(); ++i) {
    at::Tensor& grad = slots_[i].parameter.mutable_grad();
    if (!grad.defined()) continue;
    at::Tensor wide = grad.to(at::kFloat).contiguous();
    if (gradients_[i].defined()) gradients_[i].add_(wide);
    else gradients_[i] = std::move(wide);
    grad.reset();
  }
}

double AdamW::gradient_norm() const { return std::sqrt(squared_norm(gradients_)); }

std::string AdamW::non_finite_parameter() const {
  for (size_t i = 0; i < slots_.size(); ++i)
    if (gradients_[i].defined() && !at::isfinite(gradients_[i]).all().item<bool>()) return slots_[i].name;
  return "";
}

void AdamW::discard_gradients() {
  for (auto& g : gradients_) g.reset();
  for (auto& slot : slots_) slot.parameter.mutable_grad().reset();
}

void AdamW::step(double lr, double scale) {
  at::NoGradGuard guard;
  ++updates_;
  bool on_cpu = true;
  for (const auto& slot : slots_) on_cpu = on_cpu && slot.parameter.device().is_cpu();
  if (on_cpu) step_blocks(lr, scale);
  else step_fused(lr, scale);
  for (size_t i = 0; i < slots_.size(); ++i)
    if (gradients_[i].defined() && mine(i) && slots_[i].parameter.scalar_type() != at::kFloat)
      slots_[i].parameter.detach().copy_(slots_[i].master);
  discard_gradients();
}

void AdamW::step_blocks(double lr, double scale) {
  AdamConstants c;
  c.beta1 = float(options_.beta1), c.beta2 = float(options_.beta2);
  c.one_minus_beta1 = float(1 - options_.beta1), c.one_minus_beta2 = float(1 - options_.beta2);
  c.scale = float(scale);
  c.step_size = float(lr / (1 - std::pow(options_.beta1, double(updates_))));
  c.inverse_root_correction2 = float(1 / std::sqrt(1 - std::pow(options_.beta2, double(updates_))));
  c.eps = float(options_.eps);
  std::vector<int64_t> sizes;
  struct Data {
    float *p, *m, *v;
    const float* g;
    float keep;
  };
  std::vector<Data> data;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!gradients_[i].defined() || !mine(i)) continue;
    const Slot& s = slots_[i];
    FOIL_CHECK(gradients_[i].numel() == s.master.numel() && gradients_[i].is_contiguous(), "{}", s.name);
    sizes.push_back(s.master.numel());
    data.push_back({s.master.mutable_data_ptr<float>(), s.first.mutable_data_ptr<float>(), s.second.mutable_data_ptr<float>(), gradients_[i].const_data_ptr<float>(),
                    s.decays ? float(1 - lr * options_.weight_decay) : 1.0f});
  }
  for_blocks(sizes, [&](size_t i, int64_t begin, int64_t end, int64_t) {
    AdamConstants mine = c;
    mine.keep = data[i].keep;
    adam_block(data[i].p + begin, data[i].m + begin, data[i].v + begin, data[i].g + begin, end - begin, mine);
  });
}

void AdamW::step_fused(double lr, double scale) {
  for (const bool decays : {true, false}) {
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!gradients_[i].defined() || !mine(i) || slots_[i].decays != decays) continue;
      parameters.push_back(slots_[i].master), gradients.push_back(gradients_[i]);
      first.push_back(slots_[i].first), second.push_back(slots_[i].second);
      steps.push_back(at::full({}, double(updates_), slots_[i].master.options()));
    }
    if (parameters.empty()) continue;
    if (scale != 1) at::_foreach_mul_(gradients, at::Scalar(scale));
    at::_fused_adamw_(parameters, gradients, first, second, {}, steps, lr, options_.beta1, options_.beta2, decays ? options_.weight_decay : 0.0, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

std::vector<AdamW::Part> AdamW::parts() const {
  std::vector<Part> out;
  for (const Slot& slot : slots_) {
    const auto sizes = slot.parameter.sizes().vec();
    out.push_back({"exp_avg/" + slot.name, slot.owner, slot.first, sizes});
    out.push_back({"exp_avg_sq/" + slot.name, slot.owner, slot.second, sizes});
    if (slot.parameter.scalar_type() != at::kFloat) out.push_back({"master/" + slot.name, slot.owner, slot.master, sizes});
  }
  return out;
}

std::map<std::string, at::Tensor> AdamW::state() const {
  std::map<std::string, at::Tensor> out;
  for (Part& part : parts())
    if (part.tensor.defined()) out[part.name] = part.tensor;
  return out;
}

void AdamW::load_state(const std::map<std::string, at::Tensor>& state, int64_t updates, const std::string& where) {
  at::NoGradGuard guard;
  for (auto& [name, mine] : this->state()) {
    const auto found = state.find(name);
    if (found == state.end()) throw Error(fmt::format("the optimiser state lacks the tensor {}", name), where, "the checkpoint belongs to another model: start in a new run folder");
    if (found->second.sizes() != mine.sizes())
      throw Error(fmt::format("tensor {}: expected the shape {}, found {}", name, fmt::join(mine.sizes(), "x"), fmt::join(found->second.sizes(), "x")), where,
                  "the checkpoint belongs to another model: start in a new run folder");
    mine.copy_(found->second);
  }
  updates_ = updates;
}

}  // namespace foil::train
