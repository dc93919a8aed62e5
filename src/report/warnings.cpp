#include "report/warnings.h"

#include <algorithm>
#include <cmath>

#include "report/headline.h"
#include "report/html.h"

namespace foil::report {
namespace {

constexpr double kTrickShare = 0.5;          // most frequent answer − gold, share of the negatives
constexpr double kDistinctAnswers = 0.3;     // distinct answers / answers of a problem, with at least 3 samples a problem
constexpr double kScoreDeviations = 1.0;     // distance of mean scores, in deviations of the correct answers' scores
constexpr double kLogprobGap = 0.5;          // nats per token
constexpr double kFormatAuc = 0.75;
constexpr double kChosenFall = -5.0;         // nats, mean of the last tenth
constexpr double kZeroSignal = 0.5;
constexpr double kEntropyLeft = 0.15;        // of its start
constexpr double kUnreadable = 0.15, kCut = 0.1;
constexpr double kGuessing = 0.55;           // reward-model accuracy
constexpr double kNoScoreGap = 0.25;         // correct − rejection-sampled, in deviations
constexpr int64_t kFewPairs = 100;

using Points = std::vector<std::pair<double, double>>;

double mean_of(const Points& p, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += p[i].second;
  return end > begin ? sum / double(end - begin) : 0;
}
double first_part(const Points& p) { return mean_of(p, 0, std::max<size_t>(1, p.size() / 10)); }
double last_part(const Points& p) { return mean_of(p, p.size() - std::max<size_t>(1, p.size() / 10), p.size()); }

void of_generator(const RunData& run, std::vector<Warning>& out) {
  const auto found = run.audit->diversity.find("generator");
  if (found == run.audit->diversity.end()) return;
  const auto& d = found->second;
  if (d.top_offset_share > kTrickShare)
    out.push_back({Warning::Level::kSerious, "The generator plays one trick",
                   fmt::format("{} of its numeric wrong answers are off by exactly {}. The policy then learns to avoid that slip and little else. Turn on the diversity bonus, "
                               "or train the generator for fewer steps.", percent(d.top_offset_share, 0), d.top_offset)});
  if (d.top_answer_share > kTrickShare && d.problems > 10)
    out.push_back({Warning::Level::kSerious, "The generator gives the same answer everywhere",
                   fmt::format("{} of its samples answer \"{}\", whatever the problem.", percent(d.top_answer_share, 0), d.top_answer)});
  if (d.distinct_answer_share < kDistinctAnswers && d.samples >= 3 * d.problems && d.problems > 0)
    out.push_back({Warning::Level::kNote, "Few different wrong answers per problem",
                   fmt::format("Only {} of the answers to a problem differ from one another (mean over {} problems).", percent(d.distinct_answer_share, 0), count(double(d.problems)))});
}

void of_scores(const RunData& run, std::vector<Warning>& out) {
  if (const auto* scores = run.audit->find("reward_model")) {
    const auto *right = scores->find("correct"), *plausible = scores->find("plausible"), *rejection = scores->find("rejection");
    if (right && rejection && right->count > 1 && rejection->count > 1 && right->mean - rejection->mean < kNoScoreGap * right->deviation)
      out.push_back({Warning::Level::kSerious, "The reward model cannot tell right from wrong",
                     fmt::format("It gives correct answers {} on average and the policy's own wrong ones {}. A generator rewarded by such scores learns what the reward model happens to like, not what is plausible. "
                                 "Train the reward model longer or on more answers, or take its term out of the reward.", signed_number(right->mean), signed_number(rejection->mean))});
    if (right && plausible && right->count > 1 && plausible->count > 1) {
      const double gap = plausible->mean - right->mean, unit = std::max(right->deviation, 1e-9);
      if (gap > kScoreDeviations * unit)
        out.push_back({Warning::Level::kSerious, "Plausible negatives score far above correct answers",
                       fmt::format("Mean reward-model score {} against {} of correct answers. That is a sign that the generator exploits the reward model instead of writing like the policy. "
                                   "Lower the weight of the reward-model term or train the generator for fewer steps.", signed_number(plausible->mean), signed_number(right->mean))});
      else if (gap < -kScoreDeviations * unit)
        out.push_back({Warning::Level::kNote, "The negatives are not plausible to the reward model",
                       fmt::format("Mean score {} against {} of correct answers. The method asks for negatives that score like correct answers: train the generator longer, or give its reward-model "
                                   "term more weight.", signed_number(plausible->mean), signed_number(right->mean))});
    }
  }
  if (const auto* scores = run.audit->find("policy_logprob")) {
    const auto *right = scores->find("correct"), *plausible = scores->find("plausible");
    if (right && plausible && right->count && plausible->count && plausible->mean < right->mean - kLogprobGap)
      out.push_back({Warning::Level::kNote, "Negatives lie far from what the policy would write",
                     fmt::format("Under the RL policy a token of a plausible negative has mean log-probability {}, of a correct answer {}. DPO learns little from text the policy never produces. "
                                 "Filter by log-probability, or train the generator with a KL term.", signed_number(plausible->mean), signed_number(right->mean))});
  }
  for (const auto& [name, s] : run.audit->separability)
    if (s.format.auc.interval.low > kFormatAuc)
      out.push_back({Warning::Level::kNote, name == "plausible" ? "Style gives the negatives away" : "Style gives the " + name + " negatives away",
                     fmt::format("Length and format alone tell chosen from rejected with AUC {:.2f} ({} pairs): training may teach style instead of reasoning. Match lengths more tightly in pairing.",
                                 s.format.auc.value, name)});
}

void of_training(const RunData& run, std::vector<Warning>& out) {
  for (const char* stage : {"dpo_plausible", "dpo_rejection"}) {
    const auto chosen = metric_series(run, stage, "delta/chosen"), rejected = metric_series(run, stage, "delta/rejected");
    if (chosen.size() < 5 || last_part(chosen) > kChosenFall) continue;
    out.push_back({Warning::Level::kNote, "Chosen answers become less likely in " + policy_label(stage),
                   fmt::format("By the end, the log-probability of a chosen answer has fallen by {:.1f} on average{}. Both fell together: add the likelihood term (sft_coefficient), or use sigmoid_norm or apo_zero.",
                               -last_part(chosen), rejected.empty() ? "" : fmt::format(", that of a rejected one by {:.1f}", -last_part(rejected)))});
  }
  const auto accuracy = metric_series(run, "reward_model", "accuracy");
  if (accuracy.size() >= 5 && last_part(accuracy) < kGuessing)
    out.push_back({Warning::Level::kNote, "The reward model is guessing", fmt::format("At the end of its training it preferred the right answer in {} of the pairs; 50 % is a coin toss.", percent(last_part(accuracy), 0))});
  for (const char* stage : {"rl", "generator"}) {
    const std::string who = stage == std::string("rl") ? "RL" : "the generator's training";
    const auto silent = metric_series(run, stage, "groups/without_signal_share");
    if (silent.size() >= 5 && last_part(silent) > kZeroSignal)
      out.push_back({Warning::Level::kNote, "Most groups carry no signal in " + who,
                     fmt::format("At the end {} of the groups had samples of equal reward and taught nothing. Use harder or easier problems, larger groups, or dynamic_sampling.", percent(last_part(silent), 0))});
    const auto entropy = metric_series(run, stage, "entropy");
    if (entropy.size() >= 10 && first_part(entropy) > 0 && last_part(entropy) < kEntropyLeft * first_part(entropy))
      out.push_back({Warning::Level::kNote, "Entropy has collapsed in " + who,
                     fmt::format("It fell from {} to {} nats per token: the policy hardly explores any more. Lower the learning rate, raise clip_high, or add an entropy bonus.",
                                 number(first_part(entropy)), number(last_part(entropy)))});
  }
}

void of_evaluation(const RunData& run, std::vector<Warning>& out) {
  const auto find = [&](const char* policy) -> const eval::EvalResult* {
    for (const auto& r : run.evals)
      if (r.policy == policy) return &r;
    return nullptr;
  };
  if (const auto *sft = find("sft"), *rl = find("rl"); sft && rl) {
    const auto d = eval::compare(*sft, *rl).average;
    if (d.interval.high < 0)
      out.push_back({Warning::Level::kSerious, "RL made the policy worse",
                     fmt::format("It answers {} right, its SFT start {} ({} points). Everything after it starts from there. Look at reward, entropy and gradient norm of the RL stage; lower its learning rate, or train "
                                 "longer with larger groups.", percent(rl->average.value), percent(sft->average.value), points(d.difference))});
  }
  for (const auto& r : run.evals) {
    double unreadable = 0, cut = 0;
    for (const auto& s : r.splits) unreadable += s.unreadable_share / double(r.splits.size()), cut += s.cut_share / double(r.splits.size());
    if (r.policy != "start" && unreadable > kUnreadable)
      out.push_back({Warning::Level::kNote, policy_label(r.policy) + ": many answers cannot be read",
                     fmt::format("{} of its answers have no readable final answer and count as wrong; {} were cut at the length limit.", percent(unreadable), percent(cut))});
    else if (r.policy != "start" && cut > kCut)
      out.push_back({Warning::Level::kNote, policy_label(r.policy) + ": many answers were cut at the length limit", fmt::format("{} of its answers. Raise max_tokens of the evaluation.", percent(cut))});
  }
}

}  // namespace

std::vector<std::pair<double, double>> metric_series(const RunData& run, const std::string& stage, const std::string& name) {
  Points out;
  for (const auto& m : run.metrics)
    if (m.name == name && m.stage == stage) out.emplace_back(double(m.step), m.value);
  return out;
}

std::vector<Warning> warnings(const RunData& run) {
  std::vector<Warning> out;
  if (run.audit) of_generator(run, out), of_scores(run, out);
  of_training(run, out);
  of_evaluation(run, out);
  for (const auto& [name, n] : run.pair_counts)
    if (n < kFewPairs)
      out.push_back({Warning::Level::kNote, fmt::format("Only {} {} pairs", n, name), "DPO on so few pairs says little; draw more samples per problem or relax the filters."});
  std::stable_sort(out.begin(), out.end(), [](const Warning& a, const Warning& b) { return a.level < b.level; });
  return out;
}

}  // namespace foil::report
