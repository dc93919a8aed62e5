#include "data/recorded_generator.h"

#include <chrono>

#include "base/error.h"
#include "base/random.h"
#include "io/jsonl.h"

namespace foil {

namespace {

// What all samples of a request share.
uint64_t request_mark(const GenerateRequest& r, const std::string& identity) {
  const SamplingParams& s = r.sampling;
  return hash64(Json{identity, r.seed, r.source, s.temperature, s.top_p, s.top_k, s.min_p, s.max_tokens, s.stop, s.stop_tokens, s.logprobs, s.ignore_eos}.dump(
      -1, ' ', false, Json::error_handler_t::replace));
}

uint64_t prompt_mark(const Prompt& p) {
  uint64_t mark = mix64(hash64(p.problem_id), hash64(p.text));
  for (const auto& m : p.messages) mark = mix64(mix64(mark, hash64(m.role)), hash64(m.content));
  return mark;
}

}  // namespace

RecordedGenerator::RecordedGenerator(Generator& inner, const std::filesystem::path& file, std::string identity) : inner_(inner), identity_(std::move(identity)) {
  lines_ = std::make_unique<LineAppender>(file);  // heals a torn last line
  if (std::filesystem::file_size(file) == 0) return;
  for_each_jsonl(file, [&](const Json& j) {
    if (j.is_object() && j.contains("key") && j["key"].is_string() && j.contains("sample")) known_[j["key"].get<std::string>()] = j["sample"].get<Sample>();
  });
}

RecordedGenerator::RecordedGenerator(std::shared_ptr<Generator> inner, const std::filesystem::path& file, std::string identity)
    : RecordedGenerator(*inner, file, std::move(identity)) {
  owned_ = std::move(inner);
}

std::vector<Sample> RecordedGenerator::generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample) {
  const auto n = size_t(request.samples_per_prompt);
  std::vector<Sample> out(request.prompts.size() * n);
  const uint64_t mark = request_mark(request, identity_);
  std::vector<uint64_t> marks;
  for (const auto& p : request.prompts) marks.push_back(mix64(mark, prompt_mark(p)));
  const auto key = [&](size_t prompt, int64_t sample_id) { return fmt::format("{:016x}-{}", marks[prompt], sample_id); };

  // Prompts with nothing known are asked in one request; those with gaps once for each sample id that some of them lack.
  std::vector<size_t> whole;
  std::map<size_t, std::vector<size_t>> gaps;  // sample → prompts
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    std::vector<size_t> missing;
    for (size_t i = 0; i < n; ++i) {
      const auto it = known_.find(key(p, request.first_sample_id + int64_t(i)));
      if (it == known_.end()) {
        missing.push_back(i);
        continue;
      }
      out[p * n + i] = it->second;
      ++found_;
      if (on_sample) on_sample(it->second);
    }
    if (missing.size() == n) whole.push_back(p);
    else
      for (const size_t i : missing) gaps[i].push_back(p);
  }

  const auto ask = [&](const std::vector<size_t>& prompts, size_t first, size_t count) {
    if (prompts.empty() || count == 0) return;
    GenerateRequest part = request;
    part.prompts.clear();
    part.samples_per_prompt = int(count), part.first_sample_id = request.first_sample_id + int64_t(first);
    std::map<std::string, size_t> by_id;  // a sample names its problem only; equal ids are told apart when the call returns
    std::map<std::string, int> uses;
    for (const size_t p : prompts) part.prompts.push_back(request.prompts[p]), by_id[request.prompts[p].problem_id] = p, ++uses[request.prompts[p].problem_id];
    auto flushed = std::chrono::steady_clock::now();
    const auto keep = [&](size_t prompt, const Sample& s) {
      const std::string name = key(prompt, s.sample_id);
      if (!known_.emplace(name, s).second) return;
      lines_->append(jsonl_line(Json{{"key", name}, {"sample", s}}));
      if (const auto now = std::chrono::steady_clock::now(); now - flushed > std::chrono::milliseconds(200)) lines_->flush(), flushed = now;
    };
    std::vector<Sample> made;
    try {
      made = inner_.generate(part, [&](const Sample& s) {
        if (const auto it = by_id.find(s.problem_id); it != by_id.end() && uses[s.problem_id] == 1) keep(it->second, s);
        if (on_sample) on_sample(s);
      });
    } catch (...) {
      lines_->flush();
      throw;
    }
    FOIL_CHECK(made.size() == prompts.size() * count);
    for (size_t k = 0; k < prompts.size(); ++k)
      for (size_t i = 0; i < count; ++i) {
        keep(prompts[k], made[k * count + i]);
        out[prompts[k] * n + first + i] = std::move(made[k * count + i]);
      }
    lines_->flush();
  };
  ask(whole, 0, n);
  for (const auto& [sample, prompts] : gaps) ask(prompts, sample, 1);
  return out;
}

}  // namespace foil
