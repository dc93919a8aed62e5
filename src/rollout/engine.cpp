#include "rollout/engine.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "nn/decoder.h"
#include "nn/kv_cache.h"
#include "nn/packed_decoder.h"
#include "rollout/sampler.h"
#include "sched/scheduler.h"
#include "text/unicode.h"

namespace foil::rollout {

void EngineOptions::validate(const std::string& where) const {
  if (max_sequences < 1 || kv_memory_mb < 1 || block_tokens < 1 || prefill_tokens < 1)
    throw UsageError("max_sequences, kv_memory_mb, block_tokens and prefill_tokens must be at least 1", where);
}

LocalEngine::LocalEngine(std::shared_ptr<nn::Transformer> model, std::shared_ptr<const text::Tokenizer> tokenizer, const EngineOptions& options, std::string label)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)), options_(options), label_(std::move(label)) {
  options_.validate(label_);
  if (tokenizer_->vocab_size() > model_->config().vocab_size)
    throw Error(fmt::format("the tokenizer has {} tokens, the model only {}", tokenizer_->vocab_size(), model_->config().vocab_size), label_,
                "this tokenizer does not belong to this model");
}

std::string LocalEngine::describe() const {
  const auto& c = model_->config();
  return fmt::format("local {} {:.3g} M {}", c.model_type, double(c.parameters()) / 1e6, c10::toString(model_->type()));
}

namespace {

// One sample while it runs.
struct Live {
  size_t slot;                  // in the result
  uint64_t problem_key;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs;
  std::string text;             // bytes so far, special tokens left out
  int32_t next = 0;             // last sampled token, input of the next step
};

struct GroupState {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;
  at::Tensor first_logits;      // [vocab] of the prompt's last token
  int32_t last_place = nn::KeptActivations::kNone;  // where its activations are kept
  size_t request_index = 0;
};

bool has(const std::vector<int64_t>& list, int64_t id) { return std::find(list.begin(), list.end(), id) != list.end(); }

}  // namespace

std::vector<Sample> LocalEngine::generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample) {
  const auto start = std::chrono::steady_clock::now();
  const auto& config = model_->config();
  const SamplingParams& params = request.sampling;
  if (params.temperature < 0 || params.top_p <= 0 || params.top_p > 1 || params.min_p < 0 || params.min_p > 1 || params.max_tokens < 1)
    throw UsageError(fmt::format("impossible sampling parameters: temperature {}, top_p {}, min_p {}, max_tokens {}", params.temperature, params.top_p, params.min_p,
                                 params.max_tokens),
                     label_, "temperature ≥ 0, 0 < top_p ≤ 1, 0 ≤ min_p ≤ 1, max_tokens ≥ 1");
  statistics_ = {};
  std::vector<int64_t> stop_ids;
  if (!params.ignore_eos) {
    stop_ids = config.eos_token_ids;
    if (const auto eos = tokenizer_->eos(); eos && !has(stop_ids, *eos)) stop_ids.push_back(*eos);
  }
  for (const int32_t id : params.stop_tokens) stop_ids.push_back(id);

  const at::ScalarType cache_type = nn::PackedDecoder::type_for(*model_);
  const int64_t bt = nn::KvCache::usable_block_tokens(config, options_.block_tokens, model_->device(), cache_type);

  // The pool: as many blocks as the memory allows, but no more than the work can use.
  std::vector<GroupState> groups(request.prompts.size());
  int64_t wanted = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const Prompt& prompt = request.prompts[i];
    GroupState& g = groups[i];
    g.prompt = tokenizer_->encode(prompt.text);
    g.request_index = i;
    const auto length = int64_t(g.prompt.size());
    if (length == 0) throw Error("the prompt is empty", prompt.problem_id, "check the problem's text and the prompt template");
    if (length >= config.max_position_embeddings)
      throw Error(fmt::format("the prompt has {} tokens; the model's context is {}", length, config.max_position_embeddings), prompt.problem_id,
                  "drop the problem, use fewer few-shot examples, or a model with a longer context");
    g.max_tokens = std::min<int64_t>(params.max_tokens, config.max_position_embeddings - length);
    wanted += (length + bt - 1) / bt + request.samples_per_prompt * ((length + g.max_tokens + bt - 1) / bt - length / bt);
  }
  const int64_t affordable = options_.kv_memory_mb * (int64_t{1} << 20) / nn::KvCache::bytes_per_block(config, bt, cache_type);
  sched::Scheduler scheduler({std::max<int64_t>(1, std::min(affordable, wanted)), bt, options_.max_sequences, options_.prefill_tokens});
  for (const GroupState& g : groups)
    scheduler.add({int64_t(g.prompt.size()), request.samples_per_prompt, g.max_tokens}, request.prompts[g.request_index].problem_id);
  const nn::PackedDecoder decoder(*model_);
  nn::KvCache cache(config, scheduler.pool().blocks(), bt, model_->device(), cache_type);

  const auto n = size_t(request.samples_per_prompt);
  std::vector<Sample> samples(groups.size() * n);
  std::map<std::pair<int32_t, int32_t>, Live> live;
  std::optional<Progress> progress;  // an empty label: a loop above shows its own
  if (!label_.empty()) progress.emplace(label_, samples.size(), "samples");

  // Takes a draw into a sample; true when the sample is finished.
  auto accept = [&](Live& s, const Draw& draw, int64_t max_tokens) {
    Sample& out = samples[s.slot];
    s.tokens.push_back(draw.token);
    s.logprobs.push_back(draw.logprob);
    s.next = draw.token;
    bool finished = false;
    out.finish_reason = Finish::kStop;
    if (has(stop_ids, draw.token)) {
      finished = true;
    } else {
      if (!tokenizer_->is_special(draw.token)) s.text += tokenizer_->bytes(draw.token);
      for (const auto& stop : params.stop) {
        const size_t from = s.text.size() < stop.size() + tokenizer_->bytes(draw.token).size() ? 0 : s.text.size() - stop.size() - tokenizer_->bytes(draw.token).size();
        const size_t at = stop.empty() ? std::string::npos : s.text.find(stop, from);
        if (at != std::string::npos) s.text.resize(at), finished = true;
      }
      if (!finished && int64_t(s.tokens.size()) >= max_tokens) finished = true, out.finish_reason = Finish::kLength;
    }
    if (!finished) return false;
    out.text = text::repair_utf8(s.text);
    statistics_.completion_tokens += int64_t(s.tokens.size());
    if (params.logprobs) out.token_ids = std::move(s.tokens), out.logprobs = std::move(s.logprobs);
    if (on_sample) on_sample(out);
    if (progress) progress->add();
    return true;
  };

  // Activations are kept: a step of the decoder leaves each token's in its place, and a draw what its state's softmax is.
  const auto keeping = [&] { return kept_ && decoder.packed() && kept_->keeps(*model_); };
  std::vector<int32_t> places;
  const auto forward = [&](const nn::StepBatch& batch, const auto& texts) {
    places.clear();
    if (!keeping()) return decoder.step(batch, cache);
    places = kept_->add(texts());
    return places.empty() ? decoder.step(batch, cache) : decoder.step(batch, cache, kept_.get(), places);
  };
  const auto keep_softmax = [&](int32_t place, const Draw& draw) {
    if (keeping()) kept_->put_softmax(place, params.temperature, draw.lse, draw.entropy);
  };

  while (!scheduler.idle()) {
    throw_if_interrupted();
    // Prompts: one pass over all that fit, then their samples take a first token from the shared logits.
    const auto plan = scheduler.plan();
    if (!plan.prefills.empty()) {
      nn::StepBatch batch;
      std::vector<int64_t> tokens, positions;
      for (const auto& p : plan.prefills) {
        const auto& prompt = groups[size_t(p.group)].prompt;
        const auto begin = int64_t(tokens.size());
        for (size_t i = 0; i < prompt.size(); ++i) tokens.push_back(prompt[i]), positions.push_back(int64_t(i));
        batch.sequences.push_back({begin, int64_t(tokens.size()), 0, p.blocks});
      }
      statistics_.prompt_tokens += int64_t(tokens.size());
      batch.tokens = at::tensor(tokens, at::kLong), batch.positions = at::tensor(positions, at::kLong);
      const at::Tensor rows = decoder.logits(forward(batch, [&] {
        std::vector<nn::KeptActivations::Text> texts;
        for (const auto& p : plan.prefills) texts.push_back({&request.prompts[size_t(p.group)].problem_id, nn::KeptActivations::kPrompt, groups[size_t(p.group)].prompt});
        return texts;
      }));
      for (size_t i = 0; i < plan.prefills.size(); ++i) {
        GroupState& group = groups[size_t(plan.prefills[i].group)];
        group.first_logits = rows[int64_t(i)];
        group.last_place = places.empty() ? nn::KeptActivations::kNone : places[size_t(batch.sequences[i].end - 1)];
      }
    }
    for (const int32_t g : scheduler.groups_with_waiting_samples()) {
      GroupState& group = groups[size_t(g)];
      const std::string& problem_id = request.prompts[group.request_index].problem_id;
      std::vector<int32_t> started;
      std::vector<std::pair<int64_t, int64_t>> copies;
      for (const auto& copy : scheduler.start(g, started)) copies.emplace_back(copy.from, copy.to);
      cache.copy_blocks(copies);
      std::vector<double> uniforms;
      for (const int32_t index : started) uniforms.push_back(token_uniform(request.seed, hash64(problem_id), uint64_t(request.first_sample_id + index), 0));
      const auto draws = uniforms.empty() ? std::vector<Draw>{} : sample_rows(group.first_logits.unsqueeze(0).expand({int64_t(uniforms.size()), -1}), params, uniforms, keeping());
      if (!draws.empty()) keep_softmax(group.last_place, draws[0]);
      for (size_t i = 0; i < started.size(); ++i) {
        const int32_t index = started[i];
        Live s{size_t(g) * n + size_t(index), hash64(problem_id)};
        Sample& out = samples[s.slot];
        out.problem_id = problem_id;
        out.sample_id = request.first_sample_id + index;
        out.source = request.source;
        const bool finished = accept(s, draws[i], group.max_tokens);
        if (!finished) live.emplace(std::pair{g, index}, std::move(s));
        if (finished)
          for (size_t r = scheduler.running().size(); r-- > 0;)
            if (scheduler.running()[r].group == g && scheduler.running()[r].sample == index) scheduler.finish(r);
      }
    }
    // One token for every running sequence.
    auto& running = scheduler.running();
    if (running.empty()) continue;
    nn::StepBatch batch;
    std::vector<int64_t> tokens, positions;
    std::vector<Live*> order;
    for (const auto& run : running) {
      Live& s = live.at({run.group, run.sample});
      order.push_back(&s);
      const auto at = int64_t(tokens.size());
      tokens.push_back(s.next), positions.push_back(run.context);
      batch.sequences.push_back({at, at + 1, run.context, run.blocks});
    }
    batch.tokens = at::tensor(tokens, at::kLong), batch.positions = at::tensor(positions, at::kLong);
    std::vector<double> uniforms;
    for (const Live* s : order) uniforms.push_back(token_uniform(request.seed, s->problem_key, uint64_t(samples[s->slot].sample_id), s->tokens.size()));
    const at::Tensor hidden = forward(batch, [&] {
      std::vector<nn::KeptActivations::Text> texts;
      for (const Live* s : order) texts.push_back({&samples[s->slot].problem_id, samples[s->slot].sample_id, {&s->next, 1}});
      return texts;
    });
    const auto draws = sample_rows(decoder.logits(hidden), params, uniforms, keeping());
    for (size_t i = 0; i < places.size(); ++i) keep_softmax(places[i], draws[i]);
    ++statistics_.steps;
    for (size_t i = running.size(); i-- > 0;) {
      ++running[i].context;
      const std::pair key{running[i].group, running[i].sample};
      if (accept(*order[i], draws[i], groups[size_t(key.first)].max_tokens)) {
        live.erase(key);
        scheduler.finish(i);
      }
    }
  }
  statistics_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return samples;
}

std::vector<std::vector<float>> LocalEngine::next_token_logprobs(const std::vector<std::string>& prompts, const std::vector<int32_t>& candidates) {
  at::NoGradGuard off;
  std::vector<std::vector<float>> out;
  const at::Tensor index = at::tensor(std::vector<int64_t>(candidates.begin(), candidates.end()), at::kLong);
  for (size_t i = 0; i < prompts.size();) {
    throw_if_interrupted();
    nn::BatchPacker packer;
    std::vector<int64_t> last;
    while (i < prompts.size() && (last.empty() || packer.tokens() < options_.prefill_tokens)) {
      packer.add(tokenizer_->encode(prompts[i++]));
      last.push_back(packer.tokens() - 1);
    }
    const at::Tensor hidden = model_->hidden(packer.build(model_->device()), at::tensor(last, at::kLong).to(model_->device()));
    const at::Tensor rows = at::log_softmax(model_->logits(hidden), 1).to(at::kCPU).index_select(1, index).contiguous();
    for (size_t r = 0; r < last.size(); ++r) {
      const float* p = rows.const_data_ptr<float>() + r * candidates.size();
      out.emplace_back(p, p + candidates.size());
    }
  }
  return out;
}

}  // namespace foil::rollout
