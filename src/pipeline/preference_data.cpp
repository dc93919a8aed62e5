#include "pipeline/preference_data.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "data/segmentation.h"
#include "data/views.h"
#include "eval/separability.h"
#include "io/jsonl.h"
#include "pipeline/workbench.h"
#include "text/chat_template.h"

namespace foil::pipeline {

std::optional<Pair> first_parting_step(const Pair& pair) {
  const auto chosen = segment(pair.chosen, StepRule::kSentence), rejected = segment(pair.rejected, StepRule::kSentence);
  const auto text = [](const std::string& of, const Step& s) { return of.substr(size_t(s.begin), size_t(s.end - s.begin)); };
  for (size_t i = 0; i < std::min(chosen.size(), rejected.size()); ++i) {
    const std::string good = text(pair.chosen, chosen[i]), bad = text(pair.rejected, rejected[i]);
    if (good == bad) continue;
    Pair out = pair;
    out.extra["prefix"] = pair.chosen.substr(0, size_t(chosen[i].begin));
    out.chosen = good, out.rejected = bad;
    out.more_rejected.clear();
    return out;
  }
  return std::nullopt;
}

std::string without_surface_cues(const std::string& answer, uint64_t seed) {
  const std::string text = mask_surface(answer);
  std::map<std::string, std::string> names;
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (std::isdigit(static_cast<unsigned char>(text[i]))) {
      size_t end = i;
      while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
      const std::string number = text.substr(i, end - i);
      auto& name = names[number];
      Stream stream(mix64(seed, hash64(number)), "view");
      while (name.empty()) {
        std::string other;
        for (size_t d = 0; d < number.size(); ++d) other += char('0' + stream.between(d == 0 && number.size() > 1 ? 1 : 0, 9));
        if (other != number) name = other;
      }
      out += name;
      i = end;
      continue;
    }
    out += text[i++];
  }
  return out;
}

namespace {

// Cut already: here, or by the stage `steps` (data/step_values.h).
bool is_step(const Pair& p) { return p.extra.is_object() && (p.extra.contains("prefix") || p.extra.contains("chosen_ends")); }

// 0: the surface says nothing about which answer is chosen; 1: it says all.
std::vector<double> biases(const std::vector<Pair>& pairs) {
  std::vector<eval::LabelledText> texts;
  for (const Pair& p : pairs) texts.push_back({p.chosen, p.problem_id, true}), texts.push_back({p.rejected, p.problem_id, false});
  auto out = eval::pair_bias(texts);
  for (double& x : out) x = 2 * x - 1;
  return out;
}

}  // namespace

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& all, const PreferenceDataOptions& options, uint64_t seed) {
  std::vector<Pair> pairs;
  if (options.split_steps) {
    for (const Pair& p : all)
      if (auto step = is_step(p) ? p : first_parting_step(p)) pairs.push_back(std::move(*step));
    if (pairs.empty()) throw Error("the answers of no pair part in a step", "preference_data.split_steps", "use a loss on whole answers, e.g. sigmoid");
  } else {
    pairs = all;
  }
  auto out = preference_examples(tokenizer, pairs);
  const auto bias = options.views ? biases(pairs) : std::vector<double>();
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Pair& p = pairs[i];
    auto& x = out[i];
    if (options.split_steps) x.step = true;
    if (p.extra.is_object() && p.extra.contains("prefix")) {
      x.step = true;
      const auto prefix = tokenizer.encode(p.extra.at("prefix").get<std::string>());
      x.prompt.insert(x.prompt.end(), prefix.begin(), prefix.end());
      x.chosen = tokenizer.encode(p.chosen);  // a step does not end the answer
      x.rejected = {tokenizer.encode(p.rejected)};
      for (const auto& more : p.more_rejected) x.rejected.push_back(tokenizer.encode(more));
    }
    if (const auto label = p.scores.find("label"); label != p.scores.end()) x.label = label->second;
    const auto origin = p.provenance.find("chosen");
    const auto known = p.scores.find("old_right");
    x.old_right = known != p.scores.end() ? known->second > 0.5 : origin == p.provenance.end() || origin->second.starts_with("policy");
    if (options.views) x.view = completion_tokens(tokenizer, without_surface_cues(p.chosen, mix64(seed, hash64(p.problem_id)))), x.bias = bias[i];
  }
  return out;
}

train::PreferenceData read_preference_data(const text::Tokenizer& tokenizer, const std::filesystem::path& path, const PreferenceDataOptions& options, uint64_t seed) {
  const auto records = read_jsonl<nlohmann::json>(path);
  size_t singles = 0;
  for (const auto& r : records) singles += r.contains("completion") && r.contains("label");
  train::PreferenceData out;
  if (singles == 0) {
    out.pairs = preference_examples(tokenizer, read_jsonl<Pair>(path), options, seed);
    return out;
  }
  if (singles < records.size()) throw Error("the file mixes pairs and single answers", path.string(), "keep them in two files");
  if (options.split_steps || options.views) throw UsageError("split_steps and views need pairs, and this file holds single answers", path.string());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& r = records[i];
    const auto message = [&](const char* field) {
      const auto& value = r.at(field);
      if (value.is_string()) return value.get<std::string>();
      return value.is_array() && value.size() == 1 ? value[0].at("content").get<std::string>() : throw Error(fmt::format("record {}: {} is no text", i + 1, field), path.string());
    };
    const std::string prompt = r.at("prompt").is_array() ? text::render_chat(tokenizer, r.at("prompt"), true) : message("prompt");
    out.singles.push_back({r.value("id", fmt::format("{}", i)), tokenizer.encode(prompt), completion_tokens(tokenizer, message("completion")), r.at("label").get<bool>(), r.value("weight", 1.0)});
  }
  return out;
}

}  // namespace foil::pipeline
