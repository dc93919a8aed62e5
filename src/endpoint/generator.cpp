#include "endpoint/generator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "base/progress.h"
#include "base/random.h"

namespace foil::endpoint {

void EndpointGeneratorOptions::validate(const std::string& where) const {
  endpoint.validate(where);
  if (samples_per_request < 1 || samples_per_request > 128) throw UsageError("samples_per_request must be 1 to 128", where);
  if (!(deadline_s >= 0)) throw UsageError("deadline_s must be 0 or more", where);
}

EndpointGenerator::EndpointGenerator(EndpointGeneratorOptions options) : options_(std::move(options)), client_(options_.endpoint) {}

std::string EndpointGenerator::describe() const { return client_.describe(); }

static const Json* member(const Json& j, const char* key) {
  if (!j.is_object()) return nullptr;
  const auto it = j.find(key);
  return it == j.end() || it->is_null() ? nullptr : &*it;
}

static std::string string_member(const Json& j, const char* key) {
  const Json* value = member(j, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

// A message's content: text, or parts of which the texts count.
static std::optional<std::string> content_text(const Json* content) {
  if (!content) return std::nullopt;
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return std::nullopt;
  std::string out;
  for (const auto& part : *content) {
    if (!part.is_object()) return std::nullopt;
    out += string_member(part, "text");
  }
  return out;
}

static std::string reasoning_of(const Json& message) {
  const std::string text = string_member(message, "reasoning_content");
  return text.empty() ? string_member(message, "reasoning") : text;
}

std::string check_answer(const Json& answer, Api api) {
  const Json* choices = member(answer, "choices");
  if (!choices || !choices->is_array()) return "the answer has no \"choices\"";
  if (choices->empty()) return "\"choices\" is empty";
  for (const auto& choice : *choices) {
    if (!choice.is_object()) return "a choice is not an object";
    if (const Json* finish = member(choice, "finish_reason"); finish && !finish->is_string()) return "finish_reason is not text";
    if (api == Api::kCompletions) {
      const Json* text = member(choice, "text");
      if (!text || !text->is_string()) return "a choice has no \"text\"";
      continue;
    }
    const Json* message = member(choice, "message");
    if (!message || !message->is_object()) return "a choice has no \"message\"";
    const Json* content = member(*message, "content");
    if (content && !content_text(content)) return "a message's content is neither text nor parts";
    if (!content && reasoning_of(*message).empty() && string_member(choice, "finish_reason") != "content_filter") return "a message has no content";
  }
  return "";
}

Json EndpointGenerator::body_of(const GenerateRequest& request, const Prompt& prompt, int64_t first_sample, int64_t count, const std::string& model) const {
  const SamplingParams& s = request.sampling;
  Json body = {{"model", model}, {"max_tokens", s.max_tokens}, {"temperature", s.temperature}, {"stream", false}};
  if (count > 1) body["n"] = count;
  if (s.top_p < 1) body["top_p"] = s.top_p;
  if (s.top_k > 0) body["top_k"] = s.top_k;
  if (s.min_p > 0) body["min_p"] = s.min_p;
  if (!s.stop.empty()) body["stop"] = s.stop;
  if (!s.stop_tokens.empty()) body["stop_token_ids"] = s.stop_tokens;
  if (options_.send_seed)  // 31 bits: some servers read a C int
    body["seed"] = mix64(mix64(request.seed, hash64(prompt.problem_id)), uint64_t(first_sample)) & 0x7fffffff;
  if (options_.api == Api::kChat) {
    Json messages = Json::array();
    for (const auto& m : prompt.messages) messages.push_back({{"role", m.role}, {"content", m.content}});
    if (messages.empty()) messages.push_back({{"role", "user"}, {"content", prompt.text}});
    body["messages"] = messages;
    if (s.logprobs) body["logprobs"] = true;
  } else {
    body["prompt"] = prompt.text;
    if (s.logprobs) body["logprobs"] = 1;
  }
  if (options_.token_ids) body["return_token_ids"] = true;
  return body;
}

// Log-probabilities of the chosen tokens: chat's list of objects, or completions' list of numbers. Empty when absent or malformed.
static std::vector<float> logprobs_of(const Json& choice) {
  std::vector<float> out;
  const Json* logprobs = member(choice, "logprobs");
  if (!logprobs) return out;
  const Json* content = member(*logprobs, "content");
  const Json* list = content ? content : member(*logprobs, "token_logprobs");
  if (!list || !list->is_array()) return out;
  for (const auto& item : *list) {
    const Json* value = content ? member(item, "logprob") : &item;
    if (!value || !value->is_number() || !std::isfinite(value->get<double>())) return {};
    out.push_back(float(value->get<double>()));
  }
  return out;
}

static std::vector<int32_t> token_ids_of(const Json& choice) {
  std::vector<int32_t> out;
  const Json* ids = member(choice, "token_ids");
  if (!ids || !ids->is_array()) return out;
  for (const auto& id : *ids) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) return {};
    out.push_back(int32_t(id.get<int64_t>()));
  }
  return out;
}

Sample EndpointGenerator::sample_of(const Json& choice, const Json& answer, const GenerateRequest& request, const Prompt& prompt, int64_t sample_id) const {
  const SamplingParams& s = request.sampling;
  Sample out;
  out.problem_id = prompt.problem_id;
  out.sample_id = sample_id;
  out.source = request.source;
  if (options_.api == Api::kChat) {
    const Json& message = choice["message"];
    out.text = content_text(member(message, "content")).value_or("");
    if (const std::string reasoning = reasoning_of(message); !reasoning.empty()) out.extra["reasoning"] = reasoning;
  } else {
    out.text = choice["text"].get<std::string>();
  }
  const std::string finish = string_member(choice, "finish_reason");
  if (finish == "length" || finish == "max_tokens" || finish == "model_length") {
    out.finish_reason = Finish::kLength;
  } else if (finish.empty()) {
    const Json* usage = member(answer, "usage");
    const Json* used = usage ? member(*usage, "completion_tokens") : nullptr;
    const bool full = answer["choices"].size() == 1 && used && used->is_number() && used->get<double>() >= s.max_tokens;
    out.finish_reason = full ? Finish::kLength : Finish::kStop;
  } else if (finish != "stop" && finish != "eos" && finish != "eos_token" && finish != "stop_sequence" && finish != "end_turn") {
    out.finish_reason = Finish::kError;
    out.extra["finish_reason_of_server"] = finish;
  }
  const std::vector<float> logprobs = logprobs_of(choice);
  std::vector<int32_t> ids = token_ids_of(choice);
  size_t cut = std::string::npos;
  for (const auto& stop : s.stop)
    if (!stop.empty()) cut = std::min(cut, out.text.find(stop));
  if (cut != std::string::npos) {  // a server that ignores `stop`, or leaves it in the text
    out.text.resize(cut);
    out.finish_reason = Finish::kStop;
    ids.clear();
  }
  const bool plain = s.temperature == 1 && s.top_p >= 1 && s.top_k <= 0 && s.min_p <= 0;
  if (s.logprobs && !ids.empty() && ids.size() == logprobs.size() && (plain || options_.logprobs_as_sampled)) {
    out.token_ids = std::move(ids);
    out.logprobs = logprobs;
  } else if (!logprobs.empty()) {
    double sum = 0;
    for (const float x : logprobs) sum += double(x);
    out.extra["mean_logprob"] = sum / double(logprobs.size());
  }
  return out;
}

// Ends every request, or only the one it came from.
static bool fatal(Failure failure) {
  switch (failure) {
    case Failure::kTimeout:
    case Failure::kNonsense:
    case Failure::kServerError: return false;
    default: return true;
  }
}

std::vector<Sample> EndpointGenerator::generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample) {
  const int64_t per_prompt = request.samples_per_prompt;
  std::vector<Sample> out(request.prompts.size() * size_t(std::max<int64_t>(per_prompt, 0)));
  if (out.empty()) return out;
  Limits limits;
  if (options_.deadline_s > 0) limits.deadline = monotonic_seconds() + options_.deadline_s;
  const std::string model = client_.model(limits);

  struct Work {
    size_t prompt;
    int64_t first, count;
  };
  std::vector<Work> work;
  for (size_t p = 0; p < request.prompts.size(); ++p)
    for (int64_t i = 0; i < per_prompt; i += options_.samples_per_request)
      work.push_back({p, i, std::min(options_.samples_per_request, per_prompt - i)});

  std::mutex mutex;  // guards everything below it
  std::optional<EndpointError> first_error;
  std::exception_ptr other_error;
  size_t failed = 0, failed_in_a_row = 0;
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false}, cancel{false};
  Progress progress("samples", out.size(), "samples");
  limits.cancelled = [&] { return cancel.load(); };

  const auto one = [&](const Work& w) {
    const Prompt& prompt = request.prompts[w.prompt];
    for (int64_t done = 0; done < w.count;) {
      const int64_t first = request.first_sample_id + w.first + done;
      const Json answer = client_.post(
          options_.api == Api::kChat ? "/chat/completions" : "/completions", body_of(request, prompt, first, w.count - done, model),
          [&](const Json& j) { return check_answer(j, options_.api); }, limits);
      const Json& choices = answer["choices"];
      const int64_t got = std::min<int64_t>(int64_t(choices.size()), w.count - done);
      for (int64_t i = 0; i < got; ++i) {
        Sample sample = sample_of(choices[size_t(i)], answer, request, prompt, first + i);
        std::lock_guard lock(mutex);
        if (on_sample) on_sample(sample);
        progress.add();
        out[w.prompt * size_t(per_prompt) + size_t(w.first + done + i)] = std::move(sample);
      }
      done += got;
    }
  };
  const auto run = [&] {
    for (size_t i; !stop && (i = next.fetch_add(1)) < work.size();) {
      try {
        one(work[i]);
        std::lock_guard lock(mutex);
        failed_in_a_row = 0;
      } catch (const EndpointError& e) {
        std::lock_guard lock(mutex);
        ++failed, ++failed_in_a_row;
        if (!first_error)
          first_error.emplace(e.failure(), fmt::format("{} (problem {})", e.message(), request.prompts[work[i].prompt].problem_id), e.where(), e.hint());
        if (fatal(e.failure()) || failed_in_a_row >= 4) stop = true;
      } catch (...) {  // Ctrl-C, or an error of on_sample: nothing more can be kept
        std::lock_guard lock(mutex);
        if (!other_error) other_error = std::current_exception();
        stop = cancel = true;
      }
    }
  };
  std::vector<std::thread> threads;
  const size_t count = std::min<size_t>(size_t(options_.endpoint.parallel), work.size());
  for (size_t t = 1; t < count; ++t) threads.emplace_back(run);
  run();
  for (auto& t : threads) t.join();
  if (other_error) std::rethrow_exception(other_error);
  if (first_error) {
    if (failed == 1) throw *first_error;
    throw EndpointError(first_error->failure(), fmt::format("{} of {} requests failed; the first: {}", failed, work.size(), first_error->message()), first_error->where(), first_error->hint());
  }
  return out;
}

}  // namespace foil::endpoint
