#include "data/record.h"

#include "base/error.h"

namespace foil {

namespace {

[[noreturn]] void bad(const char* field, const char* expected, const Json& found) {
  throw Error(fmt::format("field \"{}\": expected {}, found {}", field, expected, shortened(found.dump(), 80)));
}

const Json& need(const Json& j, const char* field) {
  if (!j.is_object()) throw Error(fmt::format("expected a JSON object, found {}", j.type_name()));
  const auto it = j.find(field);
  if (it == j.end()) {
    std::vector<std::string> keys;
    for (const auto& [k, _] : j.items()) keys.push_back(k);
    const std::string near = nearest(field, keys);
    throw Error(fmt::format("field \"{}\" is missing", field), "", near.empty() ? "" : fmt::format("did you mean to name \"{}\" \"{}\"?", near, field));
  }
  return *it;
}

// Text; a number is taken as it is written (levels, answers and ids often are numbers).
std::string text(const Json& v, const char* field) {
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number()) return v.dump();
  bad(field, "text", v);
}

double number(const Json& v, const char* field) {
  if (v.is_number()) return v.get<double>();
  bad(field, "a number", v);
}

bool boolean(const Json& v, const char* field) {
  if (v.is_boolean()) return v.get<bool>();
  bad(field, "true or false", v);
}

const Json* find(const Json& j, const char* field) {
  const auto it = j.find(field);
  return it == j.end() || it->is_null() ? nullptr : &*it;
}

std::map<std::string, double> numbers(const Json& v, const char* field) {
  if (!v.is_object()) bad(field, "an object of numbers", v);
  std::map<std::string, double> out;
  for (const auto& [k, x] : v.items()) out[k] = number(x, field);
  return out;
}

Json rest(const Json& j, std::initializer_list<const char*> known) {
  Json out = j;
  for (const char* k : known) out.erase(k);
  return out;
}

void put_extra(Json& j, const Json& extra) {
  for (const auto& [k, v] : extra.items())
    if (!j.contains(k)) j[k] = v;
}

}  // namespace

void to_json(Json& j, const Problem& x) {
  j = {{"id", x.id}, {"problem", x.problem}, {"answer", x.answer}};
  if (x.solution) j["solution"] = *x.solution;
  if (x.subject) j["subject"] = *x.subject;
  if (x.level) j["level"] = *x.level;
  put_extra(j, x.extra);
}

void from_json(const Json& j, Problem& x) {
  x.id = text(need(j, "id"), "id");
  x.problem = text(need(j, "problem"), "problem");
  x.answer = text(need(j, "answer"), "answer");
  if (const auto* v = find(j, "solution")) x.solution = text(*v, "solution");
  if (const auto* v = find(j, "subject")) x.subject = text(*v, "subject");
  if (const auto* v = find(j, "level")) x.level = text(*v, "level");
  x.extra = rest(j, {"id", "problem", "answer", "solution", "subject", "level"});
}

void to_json(Json& j, const Step& x) {
  j = {{"begin", x.begin}, {"end", x.end}};
  if (x.correct) j["correct"] = *x.correct;
  if (x.score) j["score"] = *x.score;
}

void from_json(const Json& j, Step& x) {
  x.begin = int64_t(number(need(j, "begin"), "begin"));
  x.end = int64_t(number(need(j, "end"), "end"));
  if (const auto* v = find(j, "correct")) x.correct = boolean(*v, "correct");
  if (const auto* v = find(j, "score")) x.score = number(*v, "score");
}

static const char* kFinishNames[] = {"stop", "length", "error"};

void to_json(Json& j, const Sample& x) {
  j = {{"problem_id", x.problem_id}, {"sample_id", x.sample_id}, {"source", x.source}, {"text", x.text}, {"finish_reason", kFinishNames[int(x.finish_reason)]}};
  if (!x.token_ids.empty()) j["token_ids"] = x.token_ids;
  if (!x.logprobs.empty()) j["logprobs"] = x.logprobs;
  if (x.answer) j["answer"] = *x.answer;
  if (x.correct) j["correct"] = *x.correct;
  if (!x.scores.empty()) j["scores"] = x.scores;
  if (x.reward) j["reward"] = *x.reward;
  if (!x.steps.empty()) j["steps"] = x.steps;
  put_extra(j, x.extra);
}

void from_json(const Json& j, Sample& x) {
  x.problem_id = text(need(j, "problem_id"), "problem_id");
  x.text = text(need(j, "text"), "text");
  if (const auto* v = find(j, "sample_id")) x.sample_id = int64_t(number(*v, "sample_id"));
  if (const auto* v = find(j, "source")) x.source = text(*v, "source");
  if (const auto* v = find(j, "token_ids")) {
    if (!v->is_array()) bad("token_ids", "a list of integers", *v);
    for (const auto& t : *v) x.token_ids.push_back(int32_t(number(t, "token_ids")));
  }
  if (const auto* v = find(j, "logprobs")) {
    if (!v->is_array()) bad("logprobs", "a list of numbers", *v);
    for (const auto& t : *v) x.logprobs.push_back(float(number(t, "logprobs")));
  }
  if (const auto* v = find(j, "finish_reason")) {
    const std::string name = text(*v, "finish_reason");
    const auto* at = std::find(std::begin(kFinishNames), std::end(kFinishNames), name);
    if (at == std::end(kFinishNames)) bad("finish_reason", "stop, length or error", *v);
    x.finish_reason = Finish(at - kFinishNames);
  }
  if (const auto* v = find(j, "answer")) x.answer = text(*v, "answer");
  if (const auto* v = find(j, "correct")) x.correct = boolean(*v, "correct");
  if (const auto* v = find(j, "scores")) x.scores = numbers(*v, "scores");
  if (const auto* v = find(j, "reward")) x.reward = number(*v, "reward");
  if (const auto* v = find(j, "steps")) x.steps = v->get<std::vector<Step>>();
  x.extra = rest(j, {"problem_id", "sample_id", "source", "text", "token_ids", "logprobs", "finish_reason", "answer", "correct", "scores", "reward", "steps"});
}

void to_json(Json& j, const Message& x) { j = {{"role", x.role}, {"content", x.content}}; }

void from_json(const Json& j, Message& x) {
  x.role = text(need(j, "role"), "role");
  x.content = text(need(j, "content"), "content");
}

void to_json(Json& j, const Pair& x) {
  if (x.prompt_messages.empty()) {
    j = {{"prompt", x.prompt}, {"chosen", x.chosen}, {"rejected", x.rejected}};
  } else {
    auto reply = [](const std::string& content) { return Json::array({Json(Message{"assistant", content})}); };
    j = {{"prompt", x.prompt_messages}, {"chosen", reply(x.chosen)}, {"rejected", reply(x.rejected)}};
  }
  if (!x.more_rejected.empty()) j["rejected_more"] = x.more_rejected;
  if (!x.problem_id.empty()) j["problem_id"] = x.problem_id;
  if (x.margin) j["margin"] = *x.margin;
  if (x.weight) j["weight"] = *x.weight;
  if (!x.provenance.empty()) j["provenance"] = x.provenance;
  if (!x.scores.empty()) j["scores"] = x.scores;
  put_extra(j, x.extra);
}

void from_json(const Json& j, Pair& x) {
  auto reply = [&](const char* field) -> std::string {
    const Json& v = need(j, field);
    if (!v.is_array()) return text(v, field);
    if (v.size() != 1) bad(field, "text or a list of one assistant message", v);
    const auto message = v[0].get<Message>();
    if (message.role != "assistant") bad(field, "an assistant message", v);
    return message.content;
  };
  const Json& prompt = need(j, "prompt");
  if (prompt.is_array()) {
    if (prompt.empty()) bad("prompt", "at least one message", prompt);
    x.prompt_messages = prompt.get<std::vector<Message>>();
  } else {
    x.prompt = text(prompt, "prompt");
  }
  x.chosen = reply("chosen");
  x.rejected = reply("rejected");
  if (const auto* v = find(j, "rejected_more")) {
    if (!v->is_array()) bad("rejected_more", "a list of texts", *v);
    for (const auto& t : *v) x.more_rejected.push_back(text(t, "rejected_more"));
  }
  if (const auto* v = find(j, "problem_id")) x.problem_id = text(*v, "problem_id");
  if (const auto* v = find(j, "margin")) x.margin = number(*v, "margin");
  if (const auto* v = find(j, "weight")) x.weight = number(*v, "weight");
  if (const auto* v = find(j, "provenance")) {
    if (!v->is_object()) bad("provenance", "an object of texts", *v);
    for (const auto& [k, t] : v->items()) x.provenance[k] = text(t, "provenance");
  }
  if (const auto* v = find(j, "scores")) x.scores = numbers(*v, "scores");
  x.extra = rest(j, {"prompt", "chosen", "rejected", "rejected_more", "problem_id", "margin", "weight", "provenance", "scores"});
}

void to_json(Json& j, const Metric& x) { j = {{"time", x.time}, {"stage", x.stage}, {"step", x.step}, {"name", x.name}, {"value", x.value}}; }

void from_json(const Json& j, Metric& x) {
  x.time = number(need(j, "time"), "time");
  x.stage = text(need(j, "stage"), "stage");
  x.step = int64_t(number(need(j, "step"), "step"));
  x.name = text(need(j, "name"), "name");
  const Json& value = need(j, "value");  // NaN is written as null
  x.value = value.is_null() ? std::numeric_limits<double>::quiet_NaN() : number(value, "value");
}

}  // namespace foil
