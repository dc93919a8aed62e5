#include "pipeline/preference_data.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "data/segmentation.h"
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

namespace {

// Cut already: here, or by the stage `steps` (data/step_values.h).
bool is_step(const Pair& p) { return p.extra.is_object() && (p.extra.contains("prefix") || p.extra.contains("chosen_ends")); }

}  // namespace

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& all, const PreferenceDataOptions& options) {
  std::vector<Pair> pairs;
  if (options.split_steps) {
    for (const Pair& p : all)
      if (auto step = is_step(p) ? p : first_parting_step(p)) pairs.push_back(std::move(*step));
    if (pairs.empty()) throw Error("the answers of no pair part in a step", "preference_data.split_steps", "use a loss on whole answers, e.g. sigmoid");
  } else {
    pairs = all;
  }
  auto out = preference_examples(tokenizer, pairs);
  std::string looks;  // the score that tells how right a rejected answer looks: one that all pairs have
  for (const char* score : {"rejected_reward_model", "rejected_judge", "rejected_policy_logprob"})
    if (looks.empty() && std::all_of(pairs.begin(), pairs.end(), [&](const Pair& p) { return p.scores.contains(score); })) looks = score;
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
    if (!looks.empty()) x.plausibility = p.scores.at(looks);
    const auto origin = p.provenance.find("chosen");
    const auto known = p.scores.find("old_right");
    x.old_right = known != p.scores.end() ? known->second > 0.5 : origin == p.provenance.end() || origin->second.starts_with("policy");
    if (p.extra.is_object() && p.extra.contains("view")) {
      const auto& view = p.extra.at("view");
      x.view_prompt = tokenizer.encode(view.at("prompt").get<std::string>()), x.view = completion_tokens(tokenizer, view.at("completion").get<std::string>());
      x.bias = std::clamp(2 * p.extra.value("bias", 0.5) - 1, 0.0, 1.0);  // at one half the surface says nothing
    }
  }
  return out;
}

train::PreferenceData read_preference_data(const text::Tokenizer& tokenizer, const std::filesystem::path& path, const PreferenceDataOptions& options) {
  const auto records = read_jsonl<nlohmann::json>(path);
  size_t singles = 0;
  for (const auto& r : records) singles += r.contains("completion") && r.contains("label");
  train::PreferenceData out;
  if (singles == 0) {
    out.pairs = preference_examples(tokenizer, read_jsonl<Pair>(path), options);
    return out;
  }
  if (singles < records.size()) throw Error("the file mixes pairs and single answers", path.string(), "keep them in two files");
  if (options.split_steps) throw UsageError("split_steps needs pairs, and this file holds single answers", path.string());
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
