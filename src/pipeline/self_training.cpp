#include "pipeline/self_training.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "io/jsonl.h"
#include "pipeline/endpoints.h"
#include "pipeline/sampling.h"
#include "report/run_files.h"
#include "rollout/engine.h"

namespace foil::pipeline {
namespace fs = std::filesystem;
using Json = nlohmann::json;

bool is_held_out(const std::string& problem_id, double share, uint64_t seed) { return Stream(mix64(seed, hash64("held out")), problem_id).uniform() < share; }

std::string feedback_of(const Sample& s) {
  std::string out = s.finish_reason == Finish::kLength ? "The answer was cut off before it ended." : !s.answer ? "No final answer can be read." : fmt::format("The final answer {} is wrong.", *s.answer);
  if (const auto bad = s.extra.find("first_bad_step"); bad != s.extra.end() && bad->is_number_unsigned() && bad->get<size_t>() < s.steps.size()) {
    const Step& step = s.steps[bad->get<size_t>()];
    std::string text = s.text.substr(size_t(step.begin), size_t(step.end - step.begin));
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
    out += fmt::format(" The first mistake is here: {}", text);
  }
  return out;
}

std::string reflection_request(const std::string& text, const Problem& problem, const Sample& sample) {
  const std::pair<const char*, std::string> parts[] = {{"{problem}", problem.problem}, {"{solution}", sample.text}, {"{feedback}", feedback_of(sample)}};
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t next = std::string::npos, which = 0;
    for (size_t i = 0; i < 3; ++i)
      if (const size_t found = text.find(parts[i].first, at); found < next) next = found, which = i;
    if (next == std::string::npos) return out + text.substr(at);
    out += text.substr(at, next - at) + parts[which].second;
    at = next + std::string(parts[which].first).size();
  }
  return out;
}

std::vector<Sample> kept_samples(const std::vector<Sample>& samples, const std::vector<Sample>& more, int64_t per_problem, uint64_t seed) {
  std::map<std::string, std::map<std::string, const Sample*>> right;  // problem → text
  for (const auto* list : {&samples, &more})
    for (const auto& s : *list)
      if (s.correct.value_or(false) && s.finish_reason == Finish::kStop) right[s.problem_id].emplace(s.text, &s);
  std::vector<Sample> out;
  for (const auto& [id, texts] : right) {
    std::vector<const Sample*> list;
    for (const auto& [text, s] : texts) list.push_back(s);
    Stream(seed, id).shuffle(list);
    if (int64_t(list.size()) > per_problem) list.resize(size_t(per_problem));
    for (const auto* s : list) out.push_back(*s);
  }
  return out;
}

namespace {

std::string name_of(const char* what, int64_t round) { return fmt::format("{}{}", what, round); }
std::string check_stage(int64_t round) { return fmt::format("self{}_check", round); }

// The round before which the rounds ended; 0: they go on.
int64_t stopped_at(const StageRun& run, int64_t round) {
  for (int64_t r = 1; r < round; ++r)
    if (const auto* record = run.manifest.find(check_stage(r)); record && record->facts.value("stop", false)) return r;
  return 0;
}

bool skip_if_stopped(StageRun& run, int64_t round) {
  const int64_t at = stopped_at(run, round);
  if (at) run.facts["stopped_after_round"] = at;
  return at != 0;
}

fs::path model_of_round(const StageRun& run, int64_t round) { return round == 0 ? run.model(run.recipe.self_training.base) : run.path(report::model_folder(name_of("self", round))); }

std::vector<Problem> problems_of(const StageRun& run, bool held_out) {
  const SelfTrainingSection& s = run.recipe.self_training;
  auto problems = sampled_problems(run, s.sampling);
  std::erase_if(problems, [&](const Problem& p) { return is_held_out(p.id, s.held_out, run.recipe.seed) != held_out; });
  if (problems.empty())
    throw Error(held_out ? "no problem is held out" : "every problem is held out", "self_training", "more problems (self_training.sampling.problems), or another self_training.held_out");
  return problems;
}

void sample_round(StageRun& run, int64_t round) {
  if (skip_if_stopped(run, round)) return;
  const auto samples = stage_samples(run, run.recipe.self_training.sampling, problems_of(run, false), model_of_round(run, round - 1), name_of("self", round), "sampling round " + std::to_string(round));
  size_t right = 0;
  for (const auto& s : samples) right += s.correct.value_or(false);
  run.facts["samples"] = samples.size(), run.facts["right_share"] = double(right) / double(samples.size());
  write_jsonl(run.path(report::samples_file(name_of("self", round))), samples);
}

void reflect_round(StageRun& run, int64_t round) {
  if (skip_if_stopped(run, round)) return;
  const ReflectSection& s = run.recipe.self_training.reflect;
  const auto problems = run.training_problems();
  const ProblemIndex index(problems);
  const auto samples = read_jsonl<Sample>(run.path(report::samples_file(name_of("self", round))));
  std::map<std::string, std::vector<const Sample*>> wrong, right;
  for (const auto& x : samples) {
    auto& list = x.correct.value_or(false) ? right[x.problem_id] : wrong[x.problem_id];
    if (std::none_of(list.begin(), list.end(), [&](const Sample* y) { return y->text == x.text; })) list.push_back(&x);
  }
  std::vector<const Sample*> chosen;
  for (auto& [id, list] : wrong) {
    if (int64_t(list.size()) > s.samples_per_problem) list.resize(size_t(s.samples_per_problem));
    chosen.insert(chosen.end(), list.begin(), list.end());
  }
  std::vector<Sample> accepted;
  run.facts["wrong_samples"] = chosen.size();
  const auto finish = [&] {
    run.facts["accepted"] = accepted.size();
    write_jsonl(run.path(report::samples_file(name_of("reflected", round))), accepted);
  };
  if (chosen.empty()) return finish();

  std::shared_ptr<Generator> generator;
  LoadedModel model;
  std::string identity;
  std::vector<Prompt> prompts;
  std::vector<Problem> asked;  // one a wrong sample: the reflector's request as its text
  for (const auto* x : chosen) asked.push_back({fmt::format("{}/reflect/{}", x->problem_id, x->sample_id), reflection_request(s.text, index.at(x->problem_id), *x), ""});
  if (s.from == Answers::kEndpoint) {
    PromptSection prompt = run.recipe.prompt;
    prompt.text = "{problem}", prompt.shots = 0, prompt.examples.clear();
    auto remote = std::make_shared<endpoint::EndpointGenerator>(s.endpoint);
    identity = remote->describe();
    generator = remote;
    std::shared_ptr<const text::Tokenizer> tokenizer;
    if (s.endpoint.api == endpoint::Api::kCompletions) tokenizer = std::make_shared<const text::Tokenizer>(text::Tokenizer::load(run.model(run.recipe.self_training.base)));
    prompts = endpoint_prompts(prompt, s.endpoint.api, asked, tokenizer.get());
  } else {
    model = load_model(run.model(run.recipe.self_training.base), run.recipe.model);
    std::vector<train::Example> triples;
    PromptSection form = run.recipe.prompt;  // the request is a task of its own: worked examples would show another
    form.shots = 0, form.examples.clear();
    const Prompter prompter(form, *model.tokenizer);
    for (const auto& [id, list] : wrong) {
      const auto good = right.find(id);
      if (good == right.end()) continue;
      for (size_t i = 0; i < list.size(); ++i)
        triples.push_back({list[i]->problem_id, model.tokenizer->encode(prompter(reflection_request(s.text, index.at(id), *list[i]))),
                           completion_tokens(*model.tokenizer, good->second[i % good->second.size()]->text)});
    }
    run.facts["triples"] = triples.size();
    if (triples.empty()) {
      log_warning("round {}: no problem has a wrong and a right sample, so there is nothing to train the reflector on; no sample is rewritten", round);
      return finish();
    }
    const auto result = train::train_sft(*model.model, std::move(triples), s.train, run.context());
    run.facts["reflector_steps"] = result.steps;
    generator = std::make_shared<rollout::LocalEngine>(model.model, model.tokenizer, run.recipe.engine, "rewriting wrong samples");
    prompts = prompter(asked);
  }
  SamplingSection sampling = run.recipe.self_training.sampling;
  sampling.samples_per_problem = s.attempts;
  auto rewrites = sample_in_parts(*generator, stage_request(run, std::move(prompts), sampling, name_of("reflector", round)), nullptr,
                                  run.path(fmt::format("checkpoints/{}/reflector.part", run.stage)), identity);
  for (size_t i = 0; i < rewrites.size(); ++i) {
    const Sample& from = *chosen[i / size_t(s.attempts)];
    rewrites[i].problem_id = from.problem_id;
    rewrites[i].extra["reflects"] = fmt::format("{}#{}", from.source, from.sample_id);
  }
  verify_samples(index, rewrites);
  for (auto& x : rewrites)
    if (x.correct.value_or(false) && x.finish_reason == Finish::kStop) accepted.push_back(std::move(x));
  run.facts["rewrites"] = rewrites.size();
  finish();
}

void train_round(StageRun& run, int64_t round) {
  if (skip_if_stopped(run, round)) return;
  const SelfTrainingSection& s = run.recipe.self_training;
  const auto problems = run.training_problems();
  const ProblemIndex index(problems);
  std::vector<Sample> reflected;
  const fs::path file = run.path(report::samples_file(name_of("reflected", round)));
  if (s.reflect.enabled && fs::file_size(file) > 0) reflected = read_jsonl<Sample>(file);
  const auto kept = kept_samples(read_jsonl<Sample>(run.path(report::samples_file(name_of("self", round)))), reflected, s.per_problem, mix64(run.recipe.seed, uint64_t(round)));
  if (kept.empty())
    throw Error(fmt::format("round {} has no right sample to learn from", round), "self_training", "the base model solves none of the problems: easier problems, more samples a problem, or an SFT start");
  LoadedModel model = load_model(run.model(s.base), run.recipe.model);
  std::vector<train::Example> examples;
  const Prompter prompter(run.recipe.prompt, *model.tokenizer);
  size_t rewritten = 0;
  for (const auto& x : kept) {
    examples.push_back({x.problem_id, model.tokenizer->encode(prompter(index.at(x.problem_id).problem)), completion_tokens(*model.tokenizer, x.text)});
    rewritten += x.extra.contains("reflects");
  }
  run.facts["examples"] = examples.size(), run.facts["rewritten"] = rewritten;
  const auto result = train::train_sft(*model.model, std::move(examples), s.train, run.context());
  save_model(model_of_round(run, round), model);
  run.facts["steps"] = result.steps;
}

double held_out_accuracy(StageRun& run, int64_t round) {
  SamplingSection sampling = run.recipe.self_training.sampling;
  sampling.from = Answers::kModel, sampling.ask.clear();
  sampling.samples_per_problem = run.recipe.self_training.held_out_samples;
  const auto samples = stage_samples(run, sampling, problems_of(run, true), model_of_round(run, round), fmt::format("held_out{}", round), "held-out problems");
  size_t right = 0;
  for (const auto& s : samples) right += s.correct.value_or(false);
  return double(right) / double(samples.size());
}

void check_round(StageRun& run, int64_t round) {
  if (skip_if_stopped(run, round)) return;
  const double before = round == 1 ? held_out_accuracy(run, 0) : run.manifest.find(check_stage(round - 1))->facts.at("best").get<double>();
  const double now = held_out_accuracy(run, round);
  if (round == 1) run.facts["held_out_base"] = before;
  run.facts["held_out"] = now, run.facts["best"] = std::max(before, now), run.facts["stop"] = now <= before + run.recipe.self_training.min_gain;
}

void best_round(StageRun& run) {
  int64_t best = 0, rounds = 0;
  double top = 0;
  for (int64_t r = 1; r <= run.recipe.self_training.rounds; ++r) {
    const auto& facts = run.manifest.find(check_stage(r))->facts;
    if (!facts.contains("held_out")) break;
    if (r == 1) top = facts.at("held_out_base").get<double>();
    ++rounds;
    if (facts.at("held_out").get<double>() > top) top = facts.at("held_out").get<double>(), best = r;
  }
  if (best == 0) log_warning("self-training: no round solves the held-out problems better than the {} model; it stays", run.recipe.self_training.base);
  save_model(run.path(report::model_folder("self")), load_model(model_of_round(run, best), run.recipe.model));
  run.facts["rounds"] = rounds, run.facts["best_round"] = best, run.facts["held_out"] = top;
}

}  // namespace

void self_training_stages(const Recipe& r, std::vector<Stage>& out) {
  const SelfTrainingSection& s = r.self_training;
  if (!s.enabled) return;
  const Json key = {options_json(s), options_json(r.prompt), options_json(r.model)};
  std::string before = s.base == "start" ? "model" : s.base;
  for (int64_t round = 1; round <= s.rounds; ++round) {
    const std::string at = fmt::format("self{}_", round), of = fmt::format("round {} of self-training: ", round);
    Stage sample{at + "samples", of + "samples of the latest model", {"data", before}, {}, "", key, {}, [round](StageRun& run) { sample_round(run, round); }};
    out.push_back(sample);
    std::vector<std::string> needs = {at + "samples"};
    if (s.reflect.enabled) {
      out.push_back({at + "reflect", of + "wrong samples rewritten", needs, {}, "", key, {}, [round](StageRun& run) { reflect_round(run, round); }});
      needs.push_back(at + "reflect");
    }
    if (s.base != "start") needs.push_back(s.base);
    out.push_back({at + "train", of + "the base model on what is right", needs, {}, "", key, {}, [round](StageRun& run) { train_round(run, round); }});
    out.push_back({at + "check", of + "held-out problems", {at + "train"}, {}, "", key, {}, [round](StageRun& run) { check_round(run, round); }});
    before = at + "check";
  }
  out.push_back({"self_training", "the best round's model", {before}, {report::model_folder("self")}, "", {}, {}, best_round});
}

}  // namespace foil::pipeline
