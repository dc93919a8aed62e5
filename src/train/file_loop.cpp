#include "train/file_loop.h"

#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"

namespace foil::train {

bool held_out(const std::string& id, double validation_share, uint64_t seed) { return double(hash64(id, mix64(seed, hash64("validation"))) >> 11) * 0x1p-53 < validation_share; }

namespace {

// Records by use.
struct Split {
  std::vector<int64_t> training, held_out;
};

Split split(const FileTask& task, double share, uint64_t seed) {
  Split out;
  for (int64_t i = 0; i < task.size(); ++i) (held_out(task.id(i), share, seed) ? out.held_out : out.training).push_back(i);
  return out;
}

std::string describe(const FileTask& task, std::span<const int64_t> records) {
  std::string out = records.size() == 1 ? "record " : "records ";
  for (size_t i = 0; i < records.size() && i < 4; ++i) out += (i ? ", " : "") + task.id(records[i]);
  return records.size() > 4 ? fmt::format("{} and {} more", out, records.size() - 4) : out;
}

std::vector<std::vector<int64_t>> cut(const FileTask& task, std::span<const int64_t> records, int64_t budget) {
  return micro_batches(records, [&](int64_t r) { return task.tokens(r); }, budget);
}

// Every size-th record: this rank's share of a batch.
std::vector<int64_t> share(const std::vector<int64_t>& records, const StageContext& context) {
  std::vector<int64_t> out;
  for (size_t i = size_t(context.rank()); i < records.size(); i += size_t(context.size())) out.push_back(records[i]);
  return out;
}

std::map<std::string, double> validate_on(nn::Transformer& model, FileTask& task, const std::vector<int64_t>& records, const FileLoopOptions& options, const StageContext& context,
                                          Session& session) {
  at::NoGradGuard guard;
  objective::Statistics figures;
  at::Tensor total = at::zeros({}, at::kDouble);
  auto counts = task.counts(records);
  const auto mine = share(records, context);
  const auto micros = cut(task, mine, options.batch.micro_batch_tokens);
  counts.micro_batches = int64_t(session.over_ranks(double(micros.size())));
  task.begin_step(model, records, options, {session.step(), session.total_steps(), false});
  for (const auto& micro : micros) total += task.loss(model, micro, counts, {}, figures).detach().cpu().to(at::kDouble);
  std::map<std::string, double> out;
  for (const auto& [name, value] : over_ranks(figures, context.ranks, context.stage + ": validation").values()) out["validation/" + name] = value;
  out["validation/loss"] = session.over_ranks(total.item<double>());
  return out;
}

}  // namespace

void FileLoopOptions::validate(const std::string& where) const {
  if (validation_share < 0 || validation_share >= 1) throw UsageError("validation_share must be in [0, 1)", where);
  if (validate_every < 0) throw UsageError("validate_every must not be negative (0: at the end only)", where);
  if (validate_every > 0 && validation_share == 0) throw UsageError("validate_every needs validation_share > 0", where, "set validation_share: 0.05");
}

std::string FileTask::note(const std::map<std::string, double>& figures) const {
  const auto found = figures.find("loss");
  return found == figures.end() ? "" : fmt::format("loss {:.3f}", found->second);
}

FileLoopResult train_from_file(nn::Transformer& model, FileTask& task, const FileLoopOptions& options, const StageContext& context, nlohmann::json options_json) {
  const Split records = split(task, options.validation_share, context.seed);
  if (records.training.empty())
    throw Error("there is no record to train on", context.stage, task.size() == 0 ? "look at the stage that made the records, or at the records dropped as too long above" : "lower validation_share");
  if (context.size() > 1 && !task.shares_work()) throw UsageError("this loss keeps a running state that several processes would not share", context.stage, "train it with one process, or use loss: kto");
  task.prepare(model, context, options);
  Session session(context, model, task.extra_parameters(), options.optimizer, options.checkpoint, std::move(options_json), task.data_hash());
  session.keep(task.kept_tensors());
  const auto n = int64_t(records.training.size());
  const int64_t steps = update_count(options.batch, n);
  task.load_state(session.resume(steps, steps));

  FileLoopResult result{steps, n, int64_t(records.held_out.size()), {}, {}};
  std::vector<double> rank;
  for (const int64_t record : records.training) rank.push_back(task.rank(record));
  const int64_t end = options.batch.epochs > 0 ? std::min(steps * options.batch.batch_size, std::max<int64_t>(int64_t(options.batch.epochs * double(n) + 0.5), 1)) : steps * options.batch.batch_size;
  RecordOrder order(n, context.seed, std::move(rank), end);
  while (!session.done()) {
    const auto start = std::chrono::steady_clock::now();
    const int64_t first = session.step() * options.batch.batch_size;
    std::vector<int64_t> batch = order.at(first, std::min(first + options.batch.batch_size, std::max(end, first + 1)));
    for (auto& r : batch) r = records.training[size_t(r)];
    auto counts = task.counts(batch);
    const auto micros = cut(task, share(batch, context), options.batch.micro_batch_tokens);
    counts.micro_batches = int64_t(session.over_ranks(double(micros.size())));
    {
      at::NoGradGuard guard;
      task.begin_step(model, batch, options, {session.step(), steps, true});
    }
    objective::Statistics figures;
    int64_t tokens = 0;
    double loss = 0;
    for (const auto& micro : micros) {
      const at::Tensor value = task.loss(model, micro, counts, {.recompute = options.recompute}, figures);
      session.backward(value, [&] { return describe(task, micro); });
      loss += value.item<double>();
      for (const int64_t r : micro) tokens += task.tokens(r);
    }
    {
      at::NoGradGuard guard;
      task.before_update(model);
    }
    session.update([&] { return describe(task, batch); }, figures);
    loss = session.over_ranks(loss), tokens = int64_t(session.over_ranks(double(tokens)));
    auto values = over_ranks(figures, context.ranks, fmt::format("{}: figures of step {}", context.stage, session.step() + 1)).values();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    values["loss"] = loss;
    values["tokens"] = double(tokens);
    values["tokens_per_s"] = double(tokens) / std::max(seconds, 1e-9);
    values["epoch"] = double(first + int64_t(batch.size())) / double(n);
    task.end_step(values);
    const bool last = session.step() + 1 == steps;
    if (!records.held_out.empty() && (last || (options.validate_every > 0 && (session.step() + 1) % options.validate_every == 0))) {
      result.validation = validate_on(model, task, records.held_out, options, context, session);
      values.insert(result.validation.begin(), result.validation.end());
    }
    const std::string note = task.note(values);
    result.last = values;
    session.finish_step(std::move(values), task.state(), note);
  }
  session.finish(task.state());
  return result;
}

}  // namespace foil::train
