// Learning from preferences: DPO and its kin on pairs, KTO and its kin on single answers. The losses: objective/preference.h.
//
// The prompt of a pair is computed once for chosen and rejected (nn/packed_batch.h). Reference log-probabilities come from the
// start weights (or another model), once, and are cached on disk (train/reference.h).
// Around the loss: schedules of β, a reference that follows the policy (TR-DPO), the number of negatives chosen by how far labels can
// be trusted (objective/negatives.h), focal distillation (objective/distillation.h), and a contrastive term over answer representations
// against surface cues (MMBS). Each is off unless asked for.
// Logged: rewards of chosen and rejected apart, their margin and accuracy, and how far the log-probability of each has moved from
// the reference; one warning when the chosen answers themselves become unlikely.
#pragma once
#include "objective/distillation.h"
#include "objective/negatives.h"
#include "objective/preference.h"
#include "train/example.h"
#include "train/file_loop.h"
#include "train/reference.h"

namespace foil::train {

enum class BetaSchedule { kConstant, kLinear, kCosine };
inline constexpr std::pair<BetaSchedule, const char*> kBetaScheduleNames[] = {
    {BetaSchedule::kConstant, "constant"}, {BetaSchedule::kLinear, "linear"}, {BetaSchedule::kCosine, "cosine"}};
inline auto& enum_names(BetaSchedule) { return kBetaScheduleNames; }

enum class NegativeCount { kAll, kOptimal, kAdaptive };
inline constexpr std::pair<NegativeCount, const char*> kNegativeCountNames[] = {
    {NegativeCount::kAll, "all"}, {NegativeCount::kOptimal, "optimal"}, {NegativeCount::kAdaptive, "adaptive"}};
inline auto& enum_names(NegativeCount) { return kNegativeCountNames; }

// The order of pairs within an epoch: answers that look wrong first, or those that look right (curriculum by plausibility).
enum class Curriculum { kNone, kEasyFirst, kHardFirst };
inline constexpr std::pair<Curriculum, const char*> kCurriculumNames[] = {{Curriculum::kNone, "none"}, {Curriculum::kEasyFirst, "easy_first"}, {Curriculum::kHardFirst, "hard_first"}};
inline auto& enum_names(Curriculum) { return kCurriculumNames; }

// MMBS (Si et al. 2022, arXiv 2210.04563, carried over from visual question answering; docs/methods.md): InfoNCE over the mean last
// hidden state of chosen answers. Anchor and its view without surface cues belong together; the answers of other problems in the
// micro-batch and the pair's own rejected ones do not. Biased pairs weigh more instead of being dropped: 1 + biased_weight · bias.
struct ContrastiveOptions {
  double coefficient = 0;
  double temperature = 0.1;
  double biased_weight = 1;
  template <class V> void visit(V& v) {
    v("coefficient", coefficient, "weight of the contrastive term; 0 = off");
    v("temperature", temperature, "of its similarities");
    v("biased_weight", biased_weight, "added weight of a pair that a shallow classifier tells apart with certainty");
  }
  void validate(const std::string& where) const;
};

struct PreferenceTrainOptions {
  objective::PreferenceOptions objective;
  BetaSchedule beta_schedule = BetaSchedule::kConstant;
  std::optional<double> beta_final;
  int64_t reference_refresh_steps = 0;  // τ of TR-DPO
  double reference_refresh_mix = 0.6;   // α
  NegativeCount negatives = NegativeCount::kAll;
  int64_t negatives_every = 20;
  double chosen_reliability = 1;              // p
  std::optional<double> negative_reliability; // q
  objective::DistillationOptions distillation;
  ContrastiveOptions contrastive;
  Curriculum curriculum = Curriculum::kNone;
  bool unpair = false;
  FileLoopOptions loop{.optimizer = {.lr = 1e-6}};
  double warn_chosen_fall = 0.5;  // nats per token

  template <class V> void visit(V& v) {
    objective.visit(v);
    v("beta_schedule", beta_schedule, "how beta goes from its value to beta_final: constant, linear or cosine");
    v("beta_final", beta_final, "beta of the last update");
    v("reference_refresh_steps", reference_refresh_steps, "TR-DPO: the reference follows the policy every so many updates (the paper's 512); 0 = never");
    v("reference_refresh_mix", reference_refresh_mix, "TR-DPO: reference = mix * policy + (1 - mix) * reference");
    v("negatives", negatives, "infonce: use all negatives of a pair, the optimal number for the labels' reliability, or adapt it while training");
    v("negatives_every", negatives_every, "adaptive: estimate the number anew every so many updates");
    v("chosen_reliability", chosen_reliability, "chance that a chosen answer is right");
    v("negative_reliability", negative_reliability, "chance that a rejected answer is wrong; unset: the mean label of the pairs, which a recipe's negatives stage measures");
    v.group("distillation", distillation, "focal distillation: hold chosen answers to the reference (positive-congruent training)");
    v.group("contrastive", contrastive, "contrastive term against surface cues (MMBS); pairs need views");
    v("curriculum", curriculum, "order of the pairs in an epoch: none, easy_first (rejected answers that look wrong, then those that look right) or hard_first; by their reward-model score, else the judge's, else their likelihood");
    v("unpair", unpair, "kto, bco, apo_zero_unpaired: take each pair as one right and one wrong answer");
    v("warn_chosen_fall", warn_chosen_fall, "warn when the chosen answers lose more than this per token against the reference; 0: never");
    loop.visit(v);
  }
  void validate(const std::string& where) const;
};

class PreferenceTask : public FileTask {
 public:
  // `reference` (not owned) null: the start weights. Throws UsageError when the loss does not take pairs or these numbers of
  // rejected answers.
  PreferenceTask(std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference = nullptr);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  double rank(int64_t record) const override;
  void prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) override;
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  void begin_step(nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options, const StepPlace& place) override;
  void end_step(const std::map<std::string, double>& figures) override;
  std::map<std::string, at::Tensor> kept_tensors() override;
  nlohmann::json state() const override { return {{"negatives", used_negatives_}}; }
  void load_state(const nlohmann::json& state) override { used_negatives_ = state.value("negatives", used_negatives_); }
  int used_negatives() const { return used_negatives_; }  // of a pair's, for now
  double beta() const { return *now_.beta; }              // for now
  std::string note(const std::map<std::string, double>& figures) const override;

 private:
  std::vector<PreferenceExample> examples_;
  PreferenceTrainOptions options_;
  const nn::Transformer* reference_;
  bool refreshes() const { return options_.reference_refresh_steps > 0; }
  const nn::Transformer* held() const { return live_reference_ ? &*live_reference_ : reference_; }
  void choose_negatives(const nn::Transformer& model, const FileLoopOptions& options, bool moved);
  at::Tensor distillation_loss(const nn::Transformer& model, const CompletionBatch& batch, const at::Tensor& hidden, const std::vector<int64_t>& chosen, std::span<const int64_t> records,
                               const objective::StepCounts& counts, objective::Statistics& figures) const;
  at::Tensor contrastive_loss(const at::Tensor& hidden, const CompletionBatch& batch, const std::vector<int64_t>& chosen, const std::vector<int64_t>& rejected,
                              const std::vector<int64_t>& views, std::span<const int64_t> records, const objective::StepCounts& counts, objective::Statistics& figures) const;

  objective::PreferenceOptions now_;                  // the objective with this update's β
  std::optional<nn::Transformer> live_reference_;     // in memory only for refresh and distillation
  int used_negatives_ = 0;                            // 0: all
  std::vector<float> reference_sums_;   // chosen, then its rejected, example by example
  std::vector<size_t> first_sum_;       // of each example
  double mean_chosen_tokens_ = 1;
  bool warned_ = false;
};

class UnpairedTask : public FileTask {
 public:
  UnpairedTask(std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const nn::Transformer* reference = nullptr);
  int64_t size() const override { return int64_t(examples_.size()); }
  int64_t tokens(int64_t record) const override;
  std::string id(int64_t record) const override { return examples_[size_t(record)].id; }
  std::string data_hash() const override;
  void prepare(const nn::Transformer& model, const StageContext& context, const FileLoopOptions& options) override;
  objective::StepCounts counts(std::span<const int64_t> records) const override;
  void begin_step(nn::Transformer& model, std::span<const int64_t> records, const FileLoopOptions& options, const StepPlace& place) override;
  at::Tensor loss(const nn::Transformer& model, std::span<const int64_t> records, const objective::StepCounts& counts, const nn::ForwardOptions& forward,
                  objective::Statistics& figures) override;
  bool shares_work() const override { return options_.objective.loss != objective::PreferenceLoss::kBco; }
  nlohmann::json state() const override;
  void load_state(const nlohmann::json& state) override;

 private:
  // kto measures how far the policy has moved on answers that do not belong to the prompt: record i's prompt with the answer of
  // record mismatch_[i].
  ScoredTokens mismatched(int64_t record) const;

  std::vector<UnpairedExample> examples_;
  std::vector<int64_t> mismatch_;  // kto only
  PreferenceTrainOptions options_;
  const nn::Transformer* reference_;
  at::Tensor reference_sums_, mismatched_sums_;  // [N]
  at::Tensor shift_;
  objective::BcoShift bco_;
};

// For each record one whose answer was written for another prompt. Answers of one prompt often stand together, right before wrong: a
// record takes the record as far into the next prompt's answers, so that right and wrong ones are met as often as the file has them.
// Throws Error when all records answer one prompt.
std::vector<int64_t> mismatched_records(const std::vector<UnpairedExample>& examples);

// The singles of pairs: each chosen one desirable, each rejected one not.
std::vector<UnpairedExample> unpaired(const std::vector<PreferenceExample>& pairs);

// Pairs or single answers, as the loss takes them; `unpair` makes singles of pairs. Throws UsageError for data the loss cannot use.
struct PreferenceData {
  std::vector<PreferenceExample> pairs;
  std::vector<UnpairedExample> singles;
};
FileLoopResult train_preference(nn::Transformer& model, PreferenceData data, const PreferenceTrainOptions& options, const StageContext& context, const nn::Transformer* reference = nullptr);

FileLoopResult train_preference(nn::Transformer& model, std::vector<PreferenceExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                                const nn::Transformer* reference = nullptr);
FileLoopResult train_unpaired(nn::Transformer& model, std::vector<UnpairedExample> examples, const PreferenceTrainOptions& options, const StageContext& context,
                              const nn::Transformer* reference = nullptr);

}  // namespace foil::train
