// What was done, the training curves, time and cost, configuration and files.
#include <algorithm>
#include <set>

#include "report/headline.h"
#include "report/html.h"
#include "report/run_files.h"
#include "report/sections.h"
#include "report/warnings.h"

namespace foil::report {
namespace {

using Json = nlohmann::json;

struct ChartSpec {
  const char* title;
  const char* note;
  std::vector<std::pair<const char*, const char*>> lines;  // metric, legend
  bool as_percent = false;
};

const std::vector<ChartSpec>& policy_charts() {
  static const std::vector<ChartSpec> charts = {
      {"Reward", "mean over the samples of a step", {{"reward", "reward"}}},
      {"Right answers", "share of the samples that are right", {{"correct_share", "right"}}, true},
      {"Response length", "tokens; a steady drift is a sign of reward hacking", {{"response_tokens", "tokens"}}},
      {"Entropy", "nats per token; near zero the policy has stopped exploring", {{"entropy", "entropy"}}},
      {"KL to the reference", "how far the policy has moved", {{"kl", "KL"}}},
      {"Groups without signal", "all samples of a problem got the same reward: nothing to learn from", {{"groups/without_signal_share", "without signal"}, {"groups/all_right_share", "all right"}, {"groups/all_wrong_share", "all wrong"}}, true},
      {"Different answers in a group", "falls when the policy plays one trick", {{"distinct_answer_share", "distinct"}}, true},
      {"Clipped tokens", "share whose ratio left the trust region", {{"clip/high_share", "upper"}, {"clip/low_share", "lower"}}, true},
      {"Cut at the length limit", "", {{"cut_share", "cut"}}, true},
      {"Gradient norm", "before clipping", {{"grad_norm", "norm"}}}};
  return charts;
}

const std::vector<ChartSpec>& likelihood_charts() {
  static const std::vector<ChartSpec> charts = {{"Loss", "negative log-likelihood per token", {{"loss", "loss"}}}, {"Gradient norm", "before clipping", {{"grad_norm", "norm"}}}};
  return charts;
}

const std::vector<ChartSpec>& reward_charts() {
  static const std::vector<ChartSpec> charts = {{"Loss", "Bradley–Terry; 0.69 is guessing", {{"loss", "loss"}}},
                                                {"Accuracy", "right answer scored above the wrong one", {{"accuracy", "accuracy"}}, true},
                                                {"Scores", "", {{"score/chosen", "right"}, {"score/rejected", "wrong"}}},
                                                {"Gradient norm", "before clipping", {{"grad_norm", "norm"}}}};
  return charts;
}

const std::vector<ChartSpec>& preference_charts() {
  static const std::vector<ChartSpec> charts = {
      {"Loss", "0.69 is where DPO starts", {{"loss", "loss"}}},
      {"Preference accuracy", "right answer preferred over the wrong one", {{"rewards/accuracy", "accuracy"}}, true},
      {"Margin", "β · (Δ chosen − Δ rejected)", {{"rewards/margin", "margin"}}},
      {"Δ chosen", "change of the right answers’ log-probability; far below zero is bad", {{"delta/chosen", "chosen"}}},
      {"Δ rejected", "change of the wrong answers’ log-probability", {{"delta/rejected", "rejected"}}},
      {"NLL of the chosen", "per token", {{"nll", "nll"}}},
      {"Gradient norm", "before clipping", {{"grad_norm", "norm"}}}};
  return charts;
}

std::vector<std::string> stages_in(const RunData& run) {
  std::vector<std::string> out;
  for (const auto& m : run.metrics)
    if (std::find(out.begin(), out.end(), m.stage) == out.end()) out.push_back(m.stage);
  return out;
}

// One chart of one stage (several metrics), or of several stages (one metric each).
std::string chart(const RunData& run, const std::vector<std::string>& stages, const ChartSpec& spec, std::set<std::pair<std::string, std::string>>& used) {
  static constexpr Colour kLines[] = {Colour::kBlue, Colour::kOrange, Colour::kGreen, Colour::kPurple, Colour::kRed, Colour::kSlate, Colour::kGrey};
  std::vector<Series> series;
  for (const auto& stage : stages)
    for (size_t i = 0; i < spec.lines.size(); ++i) {
      auto points = metric_series(run, stage, spec.lines[i].first);
      used.emplace(stage, spec.lines[i].first);
      if (points.empty()) continue;
      const bool many = stages.size() > 1;
      const Colour colour = many || spec.lines.size() == 1 ? policy_colour(stage) : kLines[i % std::size(kLines)];
      series.push_back({many ? split_label(stage.substr(stage.rfind("dpo_", 0) == 0 ? 4 : 0)) + " negatives" : split_label(spec.lines[i].second), std::move(points), colour});
    }
  if (series.empty()) return "";
  return line_chart(series, {.title = spec.title, .note = spec.note, .as_percent = spec.as_percent});
}

std::string reward_terms(const RunData& run, const std::string& stage, std::set<std::pair<std::string, std::string>>& used) {
  std::vector<std::string> names;
  for (const auto& m : run.metrics)
    if (m.stage == stage && m.name.rfind("reward/", 0) == 0 && m.name != "reward/min" && m.name != "reward/max" && std::find(names.begin(), names.end(), m.name) == names.end())
      names.push_back(m.name);
  if (names.empty()) return "";
  std::sort(names.begin(), names.end());
  ChartSpec spec{"Reward by term", "before weights", {}};
  for (const auto& n : names) spec.lines.emplace_back(n.c_str(), n.c_str() + 7);
  return chart(run, {stage}, spec, used);
}

std::string block(const RunData& run, const std::string& title, const std::vector<std::string>& stages, const std::vector<ChartSpec>& specs, bool terms, std::set<std::pair<std::string, std::string>>& used) {
  std::string html;
  bool first = true;
  for (const auto& spec : specs) {
    html += chart(run, stages, spec, used);
    if (first && terms) html += reward_terms(run, stages[0], used);
    first = false;
  }
  return html.empty() ? "" : "<h3>" + escape(title) + "</h3><div class='charts'>" + html + "</div>";
}

std::string stage_sentence(const std::string& stage) {
  if (stage == "sft") return "A start: the model imitates worked solutions.";
  if (stage == "rl") return "The policy samples answers, is rewarded for right ones, and improves.";
  if (stage == "reward_model") return "A reward model learns to score right answers above wrong ones.";
  if (stage == "generator") return "Reverse RL: a copy of the policy is rewarded for well-formed, convincing answers that are <i>wrong</i>.";
  if (stage == "dpo_plausible") return "The RL policy learns to prefer right answers over the generator’s plausible wrong ones.";
  if (stage == "dpo_rejection") return "The baseline: the same, with the policy’s own wrong answers.";
  return "";
}

std::string stage_figure(const RunData& run, const std::string& stage) {
  const auto last = [&](const char* name) -> std::optional<double> {
    const auto s = metric_series(run, stage, name);
    if (s.empty()) return std::nullopt;
    const size_t n = std::max<size_t>(1, s.size() / 10);
    double sum = 0;
    for (size_t i = s.size() - n; i < s.size(); ++i) sum += s[i].second;
    return sum / double(n);
  };
  if (stage == "sft") return last("loss") ? "loss at the end " + number(*last("loss")) : "";
  if (stage == "rl") return last("correct_share") ? "right at the end " + percent(*last("correct_share"), 0) : "";
  if (stage == "reward_model") return last("accuracy") ? "accuracy at the end " + percent(*last("accuracy"), 0) : "";
  if (stage == "generator") return last("correct_share") ? "right at the end " + percent(*last("correct_share"), 0) + " (should be low)" : "";
  if (stage.rfind("dpo_", 0) == 0) return last("rewards/accuracy") ? "preference accuracy at the end " + percent(*last("rewards/accuracy"), 0) : "";
  return "";
}

std::string fact_text(const Json& v) {
  if (v.is_number()) return number(v.get<double>(), 4);
  if (v.is_string()) return escape(v.get<std::string>());
  if (v.is_boolean()) return v.get<bool>() ? "yes" : "no";
  return "";
}

std::string facts_text(const Json& facts) {
  std::string html;
  if (!facts.is_object()) return html;
  for (const auto& [name, value] : facts.items()) {
    const std::string text = fact_text(value);
    if (!text.empty()) html += (html.empty() ? "" : " · ") + escape(split_label(name)) + " " + text;
  }
  return html;
}

}  // namespace

std::string stage_label(const std::string& stage) {
  if (stage == "sft") return "Supervised fine-tuning";
  if (stage == "rl") return "Reinforcement learning";
  if (stage == "reward_model") return "Reward model";
  if (stage == "data") return "Problems";
  if (stage == "model") return "Start model";
  if (stage == "policy_samples") return "Sampling the RL policy";
  if (stage == "negatives") return "Sampling, filtering and pairing negatives";
  if (stage == "audit") return "Audit of the negatives";
  if (stage == "report") return "This page";
  if (stage.rfind("eval_", 0) == 0) return "Evaluating " + policy_label(stage.substr(5));
  if (stage == "generator") return "Generator of plausible wrong answers";
  if (stage == "dpo_rejection") return "DPO on rejection-sampled negatives";
  if (stage == "dpo_plausible") return "DPO on plausible negatives";
  return split_label(stage);
}

std::string method_section(const RunData& run) {
  const auto logged = stages_in(run);
  std::string html;
  int number_of_step = 0;
  for (const char* stage : {"sft", "rl", "reward_model", "generator", "dpo_rejection", "dpo_plausible"}) {
    if (std::find(logged.begin(), logged.end(), stage) == logged.end()) continue;
    std::vector<std::string> facts;
    if (const auto figure = stage_figure(run, stage); !figure.empty()) facts.push_back(figure);
    const std::string pairs = std::string(stage).rfind("dpo_", 0) == 0 ? std::string(stage).substr(4) : "";
    if (const auto it = run.pair_counts.find(pairs); it != run.pair_counts.end()) facts.push_back(count(double(it->second)) + " pairs");
    html += fmt::format("<div><b>{}. {}</b>{}<div class='fact'>", ++number_of_step, stage_label(stage), stage_sentence(stage));
    for (size_t i = 0; i < facts.size(); ++i) html += (i ? "<br>" : "") + facts[i];
    html += "</div></div>";
  }
  if (html.empty()) return "";
  std::string intro = "<p>Problems whose answers can be checked go in";
  if (run.train_problems) intro += " (" + count(double(run.train_problems)) + " for training)";
  return intro + "; nobody wrote the wrong answers, and every one of them was checked to be wrong. Each step starts from what the one before it made.</p><div class='steps'>" + html + "</div>";
}

std::string training_section(const RunData& run) {
  const auto stages = stages_in(run);
  std::set<std::pair<std::string, std::string>> used;
  const auto has = [&](const char* s) { return std::find(stages.begin(), stages.end(), s) != stages.end(); };
  std::string html;
  if (has("sft")) html += block(run, stage_label("sft"), {"sft"}, likelihood_charts(), false, used);
  if (has("rl")) html += block(run, stage_label("rl"), {"rl"}, policy_charts(), true, used);
  if (has("reward_model")) html += block(run, stage_label("reward_model"), {"reward_model"}, reward_charts(), false, used);
  if (has("generator")) html += block(run, stage_label("generator") + " (reverse RL)", {"generator"}, policy_charts(), true, used);
  std::vector<std::string> preference;
  for (const auto& s : stages)
    if (s.rfind("dpo_", 0) == 0) preference.push_back(s);
  if (!preference.empty()) html += block(run, "Preference training", preference, preference_charts(), false, used);

  std::map<std::string, std::vector<std::string>> others;  // stage → names not shown yet
  std::set<std::pair<std::string, std::string>> listed;
  for (const auto& m : run.metrics)
    if (!used.count({m.stage, m.name}) && listed.emplace(m.stage, m.name).second) others[m.stage].push_back(m.name);
  std::string rest;
  for (const auto& stage : stages) {
    if (!others.count(stage)) continue;
    std::string charts;
    for (const auto& name : others[stage]) charts += chart(run, {stage}, {name.c_str(), "", {{name.c_str(), name.c_str()}}}, used);
    if (!charts.empty()) rest += "<h3>" + escape(stage_label(stage)) + "</h3><div class='charts'>" + charts + "</div>";
  }
  if (!rest.empty()) html += "<details><summary>All other logged figures</summary>" + rest + "</details>";
  return html;
}

std::string cost_section(const RunData& run) {
  const auto it = run.manifest.find("stages");
  if (it == run.manifest.end() || !it->is_array() || it->empty()) return "";
  double total = 0;
  for (const auto& s : *it) total += s.value("seconds", 0.0);
  std::string html = "<div class='scroll'><table><tr><th>stage</th><th>time</th><th>share</th><th class='text'>facts</th></tr>";
  for (const auto& s : *it) {
    const double seconds = s.value("seconds", 0.0);
    const std::string status = s.value("status", "");
    html += fmt::format("<tr><td>{}{}</td><td>{}</td><td>{}</td><td class='text'><small>{}</small></td></tr>", escape(stage_label(s.value("name", "?"))),
                        status == "done" || status.empty() ? "" : " <small>(" + escape(status) + ")</small>", duration(seconds), total > 0 ? percent(seconds / total, 0) : "–", facts_text(s.value("facts", Json::object())));
  }
  return html + fmt::format("<tr><td><b>all</b></td><td><b>{}</b></td><td></td><td></td></tr></table></div>", duration(total));
}

std::string setup_section(const RunData& run) {
  std::string html;
  if (const auto it = run.manifest.find("run"); it != run.manifest.end() && it->is_object() && !it->empty()) {
    html += "<dl>";
    for (const auto& [name, value] : it->items()) {
      const std::string text = value.is_structured() ? escape(value.dump()) : fact_text(value);
      if (!text.empty()) html += "<dt>" + escape(split_label(name)) + "</dt><dd>" + text + "</dd>";
    }
    html += "</dl>";
  }
  if (!run.config_yaml.empty()) html += "<details><summary>Resolved configuration</summary><pre class='config'>" + escape(run.config_yaml) + "</pre></details>";
  if (!run.missing.empty()) {
    html += "<h3>Not in this run</h3><p>Parts of this page that need these files are left out.</p><ul>";
    for (const auto& m : run.missing) html += "<li><small>" + escape(m) + "</small></li>";
    html += "</ul>";
  }
  return html;
}

}  // namespace foil::report
