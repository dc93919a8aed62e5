#include "pipeline/preference_data.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "data/segmentation.h"
#include "io/jsonl.h"
#include "pipeline/workbench.h"
#include "text/chat_template.h"

namespace foil::pipeline {

std::optional<PartingSteps> first_parting_step(const Pair& pair) {
  const auto chosen = segment(pair.chosen, StepRule::kSentence), rejected = segment(pair.rejected, StepRule::kSentence);
  const auto visible = [](const std::string& of, const Step& s) {
    std::string text = of.substr(size_t(s.begin), size_t(s.end - s.begin));
    text.erase(text.find_last_not_of(" \n\t\r") + 1);
    return text;
  };
  for (size_t i = 0; i < std::min(chosen.size(), rejected.size()); ++i)
    if (visible(pair.chosen, chosen[i]) != visible(pair.rejected, rejected[i])) return PartingSteps{chosen[i], rejected[i]};
  return std::nullopt;
}

namespace {

// Cut already: by the stage `steps` (data/step_values.h), or with a prefix of its own.
bool is_step(const Pair& p) { return p.extra.is_object() && (p.extra.contains("prefix") || p.extra.contains("chosen_ends")); }

// Where a step lies in an answer's text; `ends`: the answer ends with it.
struct Cut {
  size_t begin = 0, end = 0;
  bool ends = false;
};

// How many tokens lie in the first `bytes` bytes of the text they spell; one that only begins there does not count.
size_t tokens_within(const text::Tokenizer& tokenizer, const train::Tokens& tokens, size_t bytes) {
  size_t n = 0;
  for (size_t end = 0; n < tokens.size(); ++n)
    if ((end += tokenizer.bytes(tokens[n]).size()) > bytes) break;
  return n;
}

// `x` holds whole answers with their end tokens, chosen and then each rejected one; left of them is the step of each, behind the tokens
// that all of them begin with. False: of an answer nothing is left.
bool cut_to_steps(const text::Tokenizer& tokenizer, train::PreferenceExample& x, const std::vector<Cut>& cuts) {
  std::vector<train::Tokens*> answers{&x.chosen};
  for (auto& r : x.rejected) answers.push_back(&r);
  FOIL_CHECK(answers.size() == cuts.size());
  size_t shared = SIZE_MAX;
  for (size_t a = 0; a < answers.size(); ++a) {
    const train::Tokens& own = *answers[a];
    shared = std::min(shared, tokens_within(tokenizer, own, cuts[a].begin));
    shared = size_t(std::mismatch(own.begin(), own.begin() + ptrdiff_t(shared), x.chosen.begin()).first - own.begin());
  }
  const train::Tokens prefix(x.chosen.begin(), x.chosen.begin() + ptrdiff_t(shared));
  for (size_t a = 0; a < answers.size(); ++a) {
    train::Tokens& own = *answers[a];
    const size_t end = cuts[a].ends ? own.size() : tokens_within(tokenizer, own, cuts[a].end);
    if (end <= shared) return false;
    own = train::Tokens(own.begin() + ptrdiff_t(shared), own.begin() + ptrdiff_t(end));
  }
  x.prompt.insert(x.prompt.end(), prefix.begin(), prefix.end());
  x.step = true;
  return true;
}

}  // namespace

std::vector<train::PreferenceExample> preference_examples(const text::Tokenizer& tokenizer, const std::vector<Pair>& all, const PreferenceDataOptions& options) {
  std::vector<Pair> pairs;
  std::vector<std::vector<Cut>> cuts;  // of each pair; empty: taken as it is
  for (const Pair& given : all) {
    Pair p = given;
    std::vector<Cut> cut;
    if (p.extra.is_object() && p.extra.contains("prefix")) {  // whole answers again, as far as they are known
      const auto prefix = p.extra.at("prefix").get<std::string>();
      const auto whole = [&](std::string& step, const char* ends) {
        step = prefix + step;
        cut.push_back({prefix.size(), step.find_last_not_of(' ') + 1, p.extra.value(ends, false)});
      };
      whole(p.chosen, "chosen_ends"), whole(p.rejected, "rejected_ends");
      for (auto& more : p.more_rejected) whole(more, "rejected_ends");
      p.extra.erase("chosen_ends"), p.extra.erase("rejected_ends");
    } else if (options.split_steps && !is_step(p)) {
      const auto parting = first_parting_step(p);
      if (!parting) continue;
      const auto where = [](const Step& s, const std::string& answer) { return Cut{size_t(s.begin), size_t(s.end), size_t(s.end) == answer.size()}; };
      cut = {where(parting->chosen, p.chosen), where(parting->rejected, p.rejected)};
      p.more_rejected.clear();
    }
    pairs.push_back(std::move(p)), cuts.push_back(std::move(cut));
  }
  auto out = preference_examples(tokenizer, pairs);
  size_t kept = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (!cuts[i].empty() && !cut_to_steps(tokenizer, out[i], cuts[i])) continue;
    if (kept != i) pairs[kept] = std::move(pairs[i]), out[kept] = std::move(out[i]);
    ++kept;
  }
  pairs.resize(kept), out.resize(kept);
  if (options.split_steps && pairs.empty()) throw Error("the answers of no pair part in a step", "preference_data.split_steps", "use a loss on whole answers, e.g. sigmoid");
  std::string looks;  // the score that tells how right a rejected answer looks: one that all pairs have
  for (const char* score : {"rejected_reward_model", "rejected_judge", "rejected_policy_logprob"})
    if (looks.empty() && std::all_of(pairs.begin(), pairs.end(), [&](const Pair& p) { return p.scores.contains(score); })) looks = score;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Pair& p = pairs[i];
    auto& x = out[i];
    if (options.split_steps) x.step = true;
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

void require_reliability(const train::PreferenceData& data, const train::PreferenceTrainOptions& options) {
  if (options.negatives == train::NegativeCount::kAll || options.negative_reliability) return;
  if (std::none_of(data.pairs.begin(), data.pairs.end(), [](const train::PreferenceExample& x) { return x.label.has_value(); }))
    throw Error("nothing says how far the labels of the pairs can be trusted", "preference.negatives",
                "the negatives stage measures it with a reward model (reward_model.validation_share above 0, for problems it has not seen) and a judge that are both better than chance; else set "
                "negative_reliability, or negatives: all");
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
