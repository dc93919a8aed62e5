#include "endpoint/client.h"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/progress.h"
#include "base/random.h"

namespace foil::endpoint {

using Clock = std::chrono::steady_clock;

double monotonic_seconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

void EndpointOptions::validate(const std::string& where) const {
  io::parse_url(url);
  if (parallel < 1 || parallel > 4096) throw UsageError(fmt::format("parallel is {}, expected 1 to 4096", parallel), where);
  if (retries < 0) throw UsageError(fmt::format("retries is {}, expected 0 or more", retries), where);
  if (!(timeout_s > 0) || !(connect_timeout_s > 0)) throw UsageError("timeout_s and connect_timeout_s must be above 0", where);
  if (!(backoff_s >= 0) || !(backoff_max_s >= backoff_s)) throw UsageError("backoff_s must be 0 or more, and backoff_max_s no less than it", where);
  if (max_answer_mb < 1 || max_answer_mb > 65536) throw UsageError("max_answer_mb must be 1 to 65536", where);
  if (!extra.is_object()) throw UsageError("extra must be a map", where);
}

std::optional<double> retry_after_s(const std::string& header, double now) {
  char* end = nullptr;
  const double seconds = std::strtod(header.c_str(), &end);
  if (end != header.c_str() && *end == 0) return seconds >= 0 && std::isfinite(seconds) ? std::optional(seconds) : std::nullopt;
  tm date{};
  end = strptime(header.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (!end || *end != 0) return std::nullopt;
  return std::max(0.0, double(timegm(&date)) - now);
}

EndpointClient::EndpointClient(EndpointOptions options)
    : options_(std::move(options)), url_(io::parse_url(options_.url)), http_(url_.origin, options_.verify_tls, options_.ca_file) {
  if (!options_.ca_file.empty() && !std::ifstream(options_.ca_file)) throw UsageError("there is no such file, or it cannot be read", options_.ca_file, "ca_file names the certificates to trust, in PEM form");
  if (const char* key = options_.api_key_env.empty() ? nullptr : std::getenv(options_.api_key_env.c_str())) api_key_ = key;
  while (!api_key_.empty() && std::isspace(static_cast<unsigned char>(api_key_.back()))) api_key_.pop_back();
  for (const char c : api_key_)
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') throw Error("the API key holds a blank or a control character", "environment variable " + options_.api_key_env);
}

// The first words of a foreign text, on one line.
static std::string excerpt(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (out.size() >= 200) return out + " …";
    const bool printable = static_cast<unsigned char>(c) >= ' ' && static_cast<unsigned char>(c) < 127;
    if (printable) out += c;
    else if (!out.empty() && out.back() != ' ') out += ' ';
  }
  return out.empty() ? "(nothing)" : out;
}

// The message of an error body: {"error": {"message": …}}, {"error": "…"}, {"message": …}, {"detail": …}; else its first words.
static std::string message_of(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  if (json.is_object()) {
    for (const char* key : {"error", "message", "detail"}) {
      const auto it = json.find(key);
      if (it == json.end()) continue;
      if (it->is_string()) return excerpt(it->get<std::string>());
      if (it->is_object() && it->contains("message") && (*it)["message"].is_string()) return excerpt((*it)["message"].get<std::string>());
      return excerpt(it->dump(-1, ' ', true, Json::error_handler_t::replace));
    }
  }
  return excerpt(body);
}

static bool has_text(const std::string& body, const char* word) { return body.find(word) != std::string::npos; }

EndpointError EndpointClient::failed_answer(const io::HttpResponse& response, const std::string& where, bool& retry) const {
  retry = false;
  if (response.failure != io::HttpFailure::kNone) {
    retry = true;
    switch (response.failure) {
      case io::HttpFailure::kConnect:
        return {Failure::kDown, "the endpoint is down: " + response.detail, where, "is the server running, and is this its address? Try: curl " + options_.url + "/models"};
      case io::HttpFailure::kTls:
        retry = false;
        return {Failure::kDown, response.detail, where, "https needs a certificate this machine trusts: set ca_file, or use http for a server of your own"};
      case io::HttpFailure::kTimeout:
        return {Failure::kTimeout, response.detail, where, "raise timeout_s, lower parallel or max_tokens, or look at the server's load"};
      case io::HttpFailure::kTooLarge:
        retry = false;
        return {Failure::kNonsense, response.detail, where, "raise max_answer_mb if the answer is meant to be that large"};
      default:
        return {Failure::kDown, response.detail, where, "the server may have crashed or be restarting: look at its log"};
    }
  }
  const std::string message = message_of(response.body);
  const std::string what = fmt::format("HTTP {}: {}", response.status, message);
  switch (response.status) {
    case 401:
    case 403:
      return {Failure::kUnauthorized, what, where,
              api_key_.empty() ? "put the API key into the environment variable " + options_.api_key_env : "the key in " + options_.api_key_env + " is not accepted"};
    case 404:
      if (has_text(response.body, "model"))
        return {Failure::kModelNotFound, what, where, "set model to one of the names that " + options_.url + "/models lists"};
      return {Failure::kRejected, what, where, "the server has no such address: does url end in /v1, and does the server offer this API?"};
    case 408: retry = true; return {Failure::kTimeout, what, where, "the server gave up: lower parallel"};
    case 429:
      retry = !has_text(response.body, "insufficient_quota");
      return {Failure::kRateLimited, what, where, retry ? "lower parallel, or raise retries and backoff_max_s" : "the account's quota is used up"};
    default: break;
  }
  if (response.status >= 500) {
    retry = response.status != 501;
    return {Failure::kServerError, what, where, "look at the server's log"};
  }
  if (response.status >= 300 && response.status < 400)
    return {Failure::kRejected, fmt::format("HTTP {}: the server sends the request elsewhere, to {}", response.status, response.header("Location").value_or("nowhere")), where, "set url to that address"};
  return {Failure::kRejected, what, where, "the server refuses the request itself: a prompt longer than its context, or a parameter that it does not know"};
}

void EndpointClient::pause(double seconds, const Limits& limits, const std::string& where) const {
  const double end = monotonic_seconds() + seconds;
  if (limits.deadline && end > *limits.deadline)
    throw EndpointError(Failure::kDeadline, "the deadline would pass before the next try", where, "give the stage more time, or look at why the server fails");
  while (monotonic_seconds() < end) {
    throw_if_interrupted();
    if (limits.cancelled && limits.cancelled()) throw Interrupted("stopped while waiting for the endpoint", where, "run the same command again to go on: what was answered is kept");
    std::this_thread::sleep_for(std::chrono::duration<double>(std::clamp(end - monotonic_seconds(), 0.0, 0.02)));
  }
}

Json EndpointClient::call(const std::string& method, const std::string& path, const std::string& body,
                          const std::function<std::string(const Json&)>& check, const Limits& limits) {
  io::HttpRequest request;
  request.method = method;
  std::string base = url_.path, below = path;
  if (path.rfind("//", 0) == 0) {
    below = path.substr(1);
    if (base.size() >= 3 && base.substr(base.size() - 3) == "/v1") base.resize(base.size() - 3);
  }
  request.path = base + below;
  request.body = body;
  request.connect_timeout_s = options_.connect_timeout_s;
  request.max_body_bytes = size_t(options_.max_answer_mb) << 20;
  request.cancelled = [&] { return interrupt_requested() || (limits.cancelled && limits.cancelled()); };
  for (const auto& [name, value] : options_.headers) request.headers.emplace_back(name, value);
  if (!api_key_.empty()) request.headers.emplace_back("Authorization", "Bearer " + api_key_);
  const std::string where = url_.origin + request.path;

  for (int64_t attempt = 0;; ++attempt) {
    const double now = monotonic_seconds();
    if (limits.deadline && now >= *limits.deadline)
      throw EndpointError(Failure::kDeadline, "the deadline has passed", where, "give the stage more time, or look at why the server is slow");
    request.deadline_s = limits.deadline ? std::min(options_.timeout_s, *limits.deadline - now) : options_.timeout_s;
    const io::HttpResponse response = http_.send(request);
    if (response.failure == io::HttpFailure::kCancelled) {
      throw_if_interrupted();
      throw Interrupted("stopped while waiting for the endpoint", where, "run the same command again to go on: what was answered is kept");
    }
    bool retry = true;
    std::optional<EndpointError> error;
    if (response.failure == io::HttpFailure::kNone && response.status >= 200 && response.status < 300) {
      Json json = Json::parse(response.body, nullptr, false);
      std::string wrong = json.is_discarded() ? "not JSON: " + excerpt(response.body) : "";
      if (wrong.empty() && json.is_object() && json.contains("error") && !json["error"].is_null() && !json.contains("choices") && !json.contains("data"))
        wrong = "an error under status 200: " + message_of(response.body);
      if (wrong.empty()) wrong = check(json);
      if (wrong.empty()) return json;
      error.emplace(Failure::kNonsense, "the endpoint talks nonsense: " + wrong, where, "is an OpenAI-compatible server behind this URL, and not a proxy or a web page?");
    } else {
      error.emplace(failed_answer(response, where, retry));
      if (response.failure == io::HttpFailure::kTimeout && limits.deadline && monotonic_seconds() >= *limits.deadline)
        throw EndpointError(Failure::kDeadline, "the deadline has passed", where, "give the stage more time, or look at why the server is slow");
    }
    if (!retry || attempt >= options_.retries) {
      if (attempt == 0) throw *error;
      throw EndpointError(error->failure(), fmt::format("{} (after {} tries)", error->message(), attempt + 1), error->where(), error->hint());
    }
    const uint64_t draw = ++retries_made_;
    const double longest = std::min(options_.backoff_max_s, options_.backoff_s * std::pow(2.0, double(std::min<int64_t>(attempt, 60))));
    Stream jitter(uint64_t(now * 1e6), draw);  // only when a retry is sent depends on it
    double wait = longest * (0.5 + 0.5 * jitter.uniform());
    if (response.failure == io::HttpFailure::kNone) {
      const double epoch = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
      if (const auto header = response.header("Retry-After"))
        if (const auto asked = retry_after_s(*header, epoch)) wait = std::max(wait, std::min(*asked, 3600.0));
    }
    log_warning("{}; try {} of {} in {:.1f} s", error->what(), attempt + 2, options_.retries + 1, wait);
    pause(wait, limits, where);
  }
}

Json EndpointClient::post(const std::string& path, const Json& body, const std::function<std::string(const Json&)>& check, const Limits& limits) {
  Json whole = body;
  whole.update(options_.extra);
  return call("POST", path, whole.dump(-1, ' ', false, Json::error_handler_t::replace), check, limits);
}

Json EndpointClient::get(const std::string& path, const std::function<std::string(const Json&)>& check, const Limits& limits) {
  return call("GET", path, "", check, limits);
}

std::string EndpointClient::model(const Limits& limits) {
  std::lock_guard lock(model_mutex_);
  if (!model_.empty()) return model_;
  std::vector<std::string> names;
  try {
    const Json list = get("/models", [](const Json& j) -> std::string {
      if (!j.is_object() || !j.contains("data") || !j["data"].is_array()) return "the list of models has no \"data\"";
      for (const auto& item : j["data"])
        if (!item.is_object() || !item.contains("id") || !item["id"].is_string()) return "a model in the list has no \"id\"";
      return "";
    }, limits);
    for (const auto& item : list["data"]) names.push_back(item["id"].get<std::string>());
  } catch (const EndpointError& e) {
    const bool no_list = e.failure() == Failure::kRejected || e.failure() == Failure::kModelNotFound;
    if (!no_list || options_.model.empty()) throw;
    return model_ = options_.model;
  }
  const std::string where = options_.url + "/models";
  std::string all;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 10); ++i) all += (i ? ", " : "") + names[i];
  if (names.size() > 10) all += fmt::format(" … ({} in all)", names.size());
  if (options_.model.empty()) {
    if (names.size() != 1) throw EndpointError(Failure::kModelNotFound, names.empty() ? "the server lists no model" : "the server lists several models: " + all, where, "set model to one of them");
    return model_ = names[0];
  }
  if (std::find(names.begin(), names.end(), options_.model) == names.end()) {
    const std::string near = nearest(options_.model, names);
    throw EndpointError(Failure::kModelNotFound, fmt::format("no model \"{}\" there; it has: {}", options_.model, all.empty() ? "none" : all), where,
                        near.empty() ? "set model to one of them" : "did you mean " + near + "?");
  }
  return model_ = options_.model;
}

std::string EndpointClient::describe() const { return fmt::format("{} at {}", options_.model.empty() ? "the model" : options_.model, options_.url); }

}  // namespace foil::endpoint
