#include "train/session.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "train/tensor_file.h"

namespace foil::train {
using nlohmann::json;

std::string weights_hash(const std::map<std::string, at::Tensor>& weights) {
  Checksum sum;
  for (const auto& [name, tensor] : weights) {
    const at::Tensor plain = tensor.detach().cpu().contiguous();
    sum.add(name.data(), name.size());
    for (const int64_t n : plain.sizes()) sum.add(&n, sizeof n);
    if (plain.numel() > 0) sum.add(plain.const_data_ptr(), size_t(plain.numel()) * plain.element_size());
  }
  return sum.finish();
}

objective::Statistics over_ranks(const objective::Statistics& mine, dist::Ranks* ranks, const std::string& what) {
  if (!ranks || ranks->size() == 1) return mine;
  json flat = json::array();
  for (const auto& f : mine.flat()) flat.push_back({f.name, int(f.kind), f.value, f.weight});
  objective::Statistics out;
  for (const std::string& text : ranks->gather(flat.dump(), what)) {
    std::vector<objective::Statistics::Flat> theirs;
    for (const auto& f : json::parse(text))
      if (f[2].is_number()) theirs.push_back({f[0].get<std::string>(), objective::Statistics::Kind(f[1].get<int>()), f[2].get<double>(), f[3].get<double>()});
    out.merge_flat(theirs);
  }
  return out;
}

static std::vector<NamedTensor> trained(nn::Transformer& model, const std::vector<NamedTensor>& extra) {
  model.requires_grad(true);
  std::vector<NamedTensor> out;
  for (auto& [name, tensor] : model.parameters()) out.push_back({name, tensor});
  for (const auto& named : extra) {
    named.tensor.requires_grad_(true);
    out.push_back(named);
  }
  return out;
}

static json with(json fingerprint, const char* key, json value) {
  fingerprint[key] = std::move(value);
  return fingerprint;
}

static json fingerprint_of(const StageContext& context, const nn::Transformer& model, const std::vector<NamedTensor>& extra, const json& options, const std::string& data_hash) {
  std::map<std::string, at::Tensor> weights = model.parameters();
  for (const auto& [name, tensor] : extra) weights[name] = tensor;
  json out = context.fingerprint;
  const json flat = lasting_options(options).flatten();
  for (const auto& [key, value] : flat.items()) out["options" + key] = value;
  out["start weights"] = weights_hash(weights);
  out["data"] = data_hash;
  return with(std::move(out), "seed", context.seed);
}

Session::Session(const StageContext& context, nn::Transformer& model, std::vector<NamedTensor> extra, const OptimizerOptions& optimizer, const CheckpointOptions& checkpoint,
                 json options, std::string data_hash)
    : context_(context),
      model_(model),
      extra_(std::move(extra)),
      optimizer_options_(optimizer),
      optimizer_(trained(model, extra_), optimizer, {context.rank(), context.size()}),
      store_(context.folder / "checkpoints", checkpoint, fingerprint_of(context, model, extra_, options, data_hash)) {}

Session::~Session() {
  optimizer_.discard_gradients();
  model_.requires_grad(false);
  for (const auto& named : extra_) named.tensor.requires_grad_(false);
}

std::map<std::string, at::Tensor> Session::weights() const {
  std::map<std::string, at::Tensor> out = std::as_const(model_).parameters();
  for (const auto& [name, tensor] : extra_) out[name] = tensor;
  return out;
}

// With several ranks all must call it; the first gets the whole state, the others their share.
TrainingState Session::state() const {
  TrainingState s;
  s.step = step_;
  s.weights = weights();
  s.optimizer = optimizer_.state();
  if (context_.ranks)
    for (AdamW::Part& part : optimizer_.parts()) {
      if (!part.tensor.defined()) part.tensor = at::empty(context_.rank() == 0 ? part.sizes : std::vector<int64_t>{0}, at::kFloat);
      context_.ranks->to_first(part.tensor, part.owner, fmt::format("{}: checkpoint of step {}", context_.stage, step_));
      if (context_.rank() == 0) s.optimizer[part.name] = part.tensor;
    }
  for (const auto& [name, tensor] : kept_) s.optimizer["kept/" + name] = tensor;
  s.model_config = nn::model_config_json(model_.config());
  s.counters = {{"updates", optimizer_.updates()}, {"loop", counters_}};
  return s;
}

json Session::resume(int64_t total_steps, int64_t total_updates) {
  total_steps_ = total_steps, total_updates_ = total_updates;
  if (auto saved = store_.load_latest()) {
    at::NoGradGuard guard;
    for (auto& [name, mine] : weights()) {
      const auto found = saved->weights.find(name);
      if (found == saved->weights.end() || found->second.sizes() != mine.sizes())
        throw Error(fmt::format("tensor {} is missing or of another shape", name), store_.latest(), "the checkpoint belongs to another model: use a new run folder");
      mine.detach().copy_(found->second);
    }
    for (auto& [name, mine] : kept_) {
      const auto found = saved->optimizer.find("kept/" + name);
      if (found == saved->optimizer.end() || found->second.sizes() != mine.sizes())
        throw Error(fmt::format("tensor {} is missing or of another shape", name), store_.latest(), "the checkpoint belongs to other options: use a new run folder");
      mine.copy_(found->second);
    }
    optimizer_.load_state(saved->optimizer, saved->counters.at("updates").get<int64_t>(), store_.latest());
    counters_ = saved->counters.at("loop");
    step_ = saved->step;
    log_info("{}: going on from step {} of {}", context_.stage, step_, total_steps_);
  }
  if (context_.ranks) context_.ranks->meet_patiently(context_.stage + ": weights loaded");
  if (context_.rank() == 0) {
    if (context_.log) context_.log->resume_at(step_);
    progress_.emplace("train " + context_.stage, uint64_t(total_steps_), "steps");
    progress_->set(uint64_t(step_));
  }
  return counters_;
}

void Session::fail_not_finite(const std::string& what, const std::string& batch) {
  const std::string checkpoint = store_.latest();
  throw Error(fmt::format("{} at step {} ({})", what, step_ + 1, batch), context_.stage,
              fmt::format("lower optimizer.lr or raise optimizer.warmup_steps, and look at that batch; {}",
                          checkpoint.empty() ? "no checkpoint was written yet" : "the last good checkpoint is " + checkpoint));
}

void Session::backward(const at::Tensor& loss, const std::function<std::string()>& describe_batch) {
  if (const double value = loss.item<double>(); !std::isfinite(value)) fail_not_finite(fmt::format("the loss is {}", value), describe_batch());
  if (loss.requires_grad()) loss.backward();
  optimizer_.collect_gradients();
  poll();
}

double Session::over_ranks(double value) { return context_.ranks ? context_.ranks->sum(value, fmt::format("{}: figures of step {}", context_.stage, step_ + 1)) : value; }

void Session::sum_gradients() {
  auto& gradients = optimizer_.gradients();
  std::vector<at::Tensor> present{at::zeros({int64_t(gradients.size())})};
  for (size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined()) present[0][int64_t(i)] = 1;
  const std::string what = fmt::format("{}: gradients of step {}", context_.stage, step_ + 1);
  context_.ranks->sum(present, what);
  std::vector<at::Tensor> sent;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (present[0][int64_t(i)].item<float>() == 0) continue;  // no rank has one: the parameter stays
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(optimizer_.parameter(i), at::kFloat);
    sent.push_back(gradients[i]);
  }
  context_.ranks->sum(sent, what);
}

void Session::share_weights() {
  std::vector<std::vector<at::Tensor>> of(size_t(context_.size()));
  for (size_t i = 0; i < optimizer_.gradients().size(); ++i) of[size_t(optimizer_.owner(i))].push_back(optimizer_.parameter(i).detach());
  for (size_t r = 0; r < of.size(); ++r) context_.ranks->broadcast(of[r], int(r), fmt::format("{}: weights of step {}", context_.stage, step_ + 1));
}

void Session::update(const std::function<std::string()>& describe_batch, objective::Statistics& figures) {
  if (context_.ranks) sum_gradients();
  const double norm = optimizer_.gradient_norm();
  if (!std::isfinite(norm)) fail_not_finite(fmt::format("the gradient of {} is not finite", optimizer_.non_finite_parameter()), describe_batch());
  const double clip = optimizer_options_.clip_norm;
  const double scale = clip > 0 && norm > clip ? clip / norm : 1.0;
  const double lr = learning_rate(optimizer_options_, optimizer_.updates(), total_updates_);
  optimizer_.step(lr, scale);
  if (context_.ranks) share_weights();
  moved_ = true;
  const auto number = [](double x) { return at::scalar_tensor(x, at::kDouble); };
  figures.mean("grad_norm", number(norm));
  figures.mean("grad_clipped", number(scale < 1 ? 1.0 : 0.0));
  figures.mean("lr", number(lr));
}

void Session::save_and_stop() {
  optimizer_.discard_gradients();
  save();
  throw_if_interrupted();
}

void Session::save() {
  const TrainingState now = state();
  if (context_.rank() == 0) store_.save(now);
}

void Session::poll() {
  if (interrupt_requested() && !moved_ && !context_.ranks) save_and_stop();
}

void Session::finish_step(std::map<std::string, double> values, const json& counters, const std::string& note) {
  ++step_;
  moved_ = false;
  counters_ = counters;
  if (context_.log && context_.rank() == 0) context_.log->write(step_, values);
  if (progress_) {
    progress_->note(note);
    progress_->set(uint64_t(step_));
  }
  if (context_.after_step) context_.after_step(step_);
  bool due = !done() && context_.rank() == 0 && store_.due(step_);
  if (context_.ranks) due = context_.ranks->any(due, fmt::format("{}: end of step {}", context_.stage, step_));
  if (due) save();
  if (context_.ranks && context_.ranks->any(interrupt_requested(), fmt::format("{}: end of step {}", context_.stage, step_))) request_interrupt();
  if (interrupt_requested()) save_and_stop();
}

void Session::finish(const json& counters) {
  counters_ = counters;
  save();
  if (context_.ranks) context_.ranks->meet_patiently(context_.stage + ": the end");
  progress_.reset();
}

}  // namespace foil::train
