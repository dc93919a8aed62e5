#include "endpoint/scorer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>

#include "base/parallel.h"

namespace foil::endpoint {

void EndpointScorerOptions::validate(const std::string& where) const {
  endpoint.validate(where);
  if (label < -1) throw UsageError("label must be -1, 0, 1 …", where);
  if (batch < 1 || batch > 4096) throw UsageError("batch must be 1 to 4096", where);
}

EndpointScorer::EndpointScorer(EndpointScorerOptions options) : options_(std::move(options)), client_(options_.endpoint) {}

std::string EndpointScorer::describe() const { return client_.describe(); }

static const Json* member(const Json& j, const char* key) {
  if (!j.is_object()) return nullptr;
  const auto it = j.find(key);
  return it == j.end() || it->is_null() ? nullptr : &*it;
}

// A number, or one out of a list; in lists of lists (one entry a token) the last list counts.
static std::string pick(const Json* value, ScoreApi api, int64_t label, double& out) {
  for (int depth = 0; value && value->is_array() && !value->empty() && value->back().is_array(); ++depth) {
    if (depth == 4) return "the numbers are nested too deep";
    value = &value->back();
  }
  if (value && value->is_array()) {
    const bool last = api == ScoreApi::kPooling || api == ScoreApi::kEmbeddings;
    if (value->empty()) return "an item has an empty list of numbers";
    if (label >= int64_t(value->size())) return fmt::format("an item has {} numbers, and label is {}", value->size(), label);
    if (label < 0 && !last && value->size() != 1) return fmt::format("an item has {} numbers: set label to the one that is the score", value->size());
    value = label >= 0 ? &(*value)[size_t(label)] : &value->back();
  }
  if (!value || !value->is_number() || !std::isfinite(value->get<double>())) return "an item has no number";
  out = value->get<double>();
  return "";
}

std::string read_scores(const Json& answer, ScoreApi api, int64_t label, size_t count, std::vector<double>& out) {
  const Json* list = member(answer, "data");
  if (!list && answer.is_array()) list = &answer;
  Json single;
  if (!list && api == ScoreApi::kSglang && member(answer, "embedding")) {  // one text: no list around it
    single = Json::array({answer});
    list = &single;
  }
  if (!list || !list->is_array()) return "the answer has no list of scores";
  if (list->size() != count) return fmt::format("{} scores for {} texts", list->size(), count);
  const char* key = api == ScoreApi::kClassify ? "probs" : api == ScoreApi::kPooling ? "data" : api == ScoreApi::kScore ? "score" : "embedding";
  out.assign(count, 0);
  std::vector<bool> seen(count, false);
  for (size_t i = 0; i < count; ++i) {
    size_t place = i;
    if (const Json* index = member((*list)[i], "index")) {
      if (!index->is_number_unsigned() || index->get<uint64_t>() >= count) return "an item's index is out of range";
      place = size_t(index->get<uint64_t>());
    }
    if (seen[place]) return "two items have the same index";
    seen[place] = true;
    if (std::string wrong = pick(member((*list)[i], key), api, label, out[place]); !wrong.empty()) return wrong;
  }
  return "";
}

std::vector<double> EndpointScorer::batch(std::span<const Scored> items, const std::string& model, const Limits& limits) {
  Json body = {{"model", model}}, texts = Json::array();
  for (const auto& item : items) texts.push_back(item.prompt + item.completion);
  std::string path;
  switch (options_.api) {
    case ScoreApi::kClassify:
    case ScoreApi::kPooling:
      path = options_.api == ScoreApi::kClassify ? "//classify" : "//pooling";
      body["input"] = texts;
      body["use_activation"] = options_.activation;
      break;
    case ScoreApi::kScore:
      path = "//score";
      body["text_1"] = Json::array(), body["text_2"] = Json::array();
      for (const auto& item : items) body["text_1"].push_back(item.prompt), body["text_2"].push_back(item.completion);
      break;
    case ScoreApi::kEmbeddings:
      path = "/embeddings";
      body["input"] = texts;
      break;
    case ScoreApi::kSglang:
      path = "//classify";
      body["text"] = texts;
      break;
  }
  std::vector<double> out;
  try {
    client_.post(path, body, [&](const Json& j) { return read_scores(j, options_.api, options_.label, items.size(), out); }, limits);
    return out;
  } catch (const EndpointError& e) {
    if (e.failure() != Failure::kRejected || e.message().rfind("HTTP 404", 0) == 0 || e.message().rfind("HTTP 405", 0) == 0) throw;
    if (items.size() == 1) return {std::numeric_limits<double>::quiet_NaN()};
  }
  out.clear();
  for (size_t i = 0; i < items.size(); ++i) out.push_back(batch(items.subspan(i, 1), model, limits)[0]);
  return out;
}

std::vector<double> EndpointScorer::score(std::span<const Scored> items) {
  std::vector<double> out(items.size());
  if (items.empty()) return out;
  std::atomic<bool> stop{false};
  Limits limits;
  limits.cancelled = [&] { return stop.load(); };
  const std::string model = client_.model(limits);
  const size_t size = size_t(options_.batch), batches = (items.size() + size - 1) / size;
  std::mutex mutex;
  std::exception_ptr first;  // the cause, not the Interrupted of those that it stopped
  parallel_for(batches, [&](size_t b) {
    if (stop) return;
    const size_t begin = b * size, count = std::min(size, items.size() - begin);
    try {
      const auto scores = batch(items.subspan(begin, count), model, limits);
      std::copy(scores.begin(), scores.end(), out.begin() + std::ptrdiff_t(begin));
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
      stop = true;
    }
  }, int(options_.endpoint.parallel));
  if (first) std::rethrow_exception(first);
  return out;
}

}  // namespace foil::endpoint
