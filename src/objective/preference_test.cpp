#include "objective/preference.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "objective/testing.h"

namespace foil::objective {
namespace {

double softplus(double x) { return std::log1p(std::exp(x)); }

// Three pairs; the first has two negatives, the second one, the third three.
PreferenceBatch ragged(const at::Tensor& chosen, const at::Tensor& rejected, const PreferenceLossInfo& row) {
  PreferenceBatch b;
  b.policy_chosen = chosen;
  b.policy_rejected = rejected;
  if (row.needs_reference) {
    b.reference_chosen = doubles({-3.1, -4.4, -1.2});
    b.reference_rejected = doubles({-2.0, -5.0, -3.3, -0.9, -2.2, -4.1});
  }
  b.chosen_tokens = doubles({4, 6, 2});
  b.rejected_tokens = doubles({3, 5, 4, 2, 3, 6});
  b.rejected_pair = longs({0, 0, 1, 2, 2, 2});
  b.weight = doubles({1, 0.5, 2});
  return b;
}
const std::vector<double> kChosen = {-2.5, -5.2, -1.05}, kRejected = {-2.4, -4.1, -3.9, -1.6, -1.9, -5.3};

}  // namespace

TEST(PreferenceTable, HasOneRowForEveryName) {
  ASSERT_EQ(preference_losses().size(), std::size(kPreferenceLossNames));
  for (const auto& [loss, name] : kPreferenceLossNames) {
    EXPECT_STREQ(info(loss).name, name);
    EXPECT_NE(std::string(info(loss).formula), "");
    EXPECT_NE(std::string(info(loss).help), "");
    PreferenceOptions o;
    o.loss = loss;
    EXPECT_NO_THROW(o.validate("defaults")) << name;
  }
}

TEST(PreferenceGolden, ValuesAndGradientsEqualTrl) {
  const auto file = golden("preference");
  const auto& d = file.at("data");
  const int64_t pairs = d.at("pairs");
  const at::Tensor sequence = longs(d.at("sequence").get<std::vector<int64_t>>());
  const at::Tensor length = sequence_length(sequence, 2 * pairs);
  ASSERT_GE(file.at("cases").size(), 41u);
  std::set<std::string> seen;
  for (const auto& c : file.at("cases")) {
    const std::string name = c.at("name");
    const auto options = options_from<PreferenceOptions>(c.at("options"));
    options.validate(name);
    const auto& row = info(options.loss);
    seen.insert(row.name);
    const at::Tensor token = leaf(floats(d.at("policy")));
    at::Tensor policy = token, reference = floats(d.at("reference"));
    if (!c.at("ld_alpha").is_null()) {
      const at::Tensor shared = at::minimum(length.slice(0, 0, pairs), length.slice(0, pairs)).repeat({2});
      const at::Tensor w = length_desensitised_weights(sequence, shared, c.at("ld_alpha"));
      policy = policy * w, reference = reference * w;
    }
    const at::Tensor sum = sequence_sum(policy, sequence, 2 * pairs), ref = sequence_sum(reference, sequence, 2 * pairs);
    PreferenceBatch b;
    b.policy_chosen = sum.slice(0, 0, pairs);
    b.policy_rejected = sum.slice(0, pairs);
    if (row.needs_reference) {
      b.reference_chosen = ref.slice(0, 0, pairs);
      b.reference_rejected = ref.slice(0, pairs);
    }
    b.chosen_tokens = length.slice(0, 0, pairs);
    b.rejected_tokens = length.slice(0, pairs);
    const auto r = preference_loss(b, options);
    const double expected = c.at("loss");
    EXPECT_NEAR(r.loss.item<double>(), expected, 3e-6 * std::max(1.0, std::abs(expected))) << name;
    expect_close(gradient(r.loss, token), floats(c.at("gradient")), 2e-5, 2e-7, name);
    const auto figures = r.statistics.values();
    const auto& m = c.at("metrics");
    if (!m.empty() && options.loss != PreferenceLoss::kSft) {
      EXPECT_NEAR(figures.at("rewards/chosen"), m.at("rewards/chosen").get<double>(), 1e-5) << name;
      EXPECT_NEAR(figures.at("rewards/rejected"), m.at("rewards/rejected").get<double>(), 1e-5) << name;
      EXPECT_NEAR(figures.at("rewards/margin"), m.at("rewards/margins").get<double>(), 1e-5) << name;
      EXPECT_NEAR(figures.at("rewards/accuracy"), m.at("rewards/accuracies").get<double>(), 1e-6) << name;
      EXPECT_NEAR(figures.at("logprob/chosen"), m.at("logps/chosen").get<double>(), 1e-5) << name;
    }
  }
  for (const auto& row : preference_losses())
    if (!row.unpaired && row.loss != PreferenceLoss::kInfonce && row.loss != PreferenceLoss::kStepDpo) {
      EXPECT_TRUE(seen.count(row.name)) << row.name << " has no golden";
    }
}

TEST(PreferenceLoss, FiniteDifferencesForEveryLossAndOption) {
  for (const auto& row : preference_losses()) {
    for (int variant = 0; variant < 6; ++variant) {
      PreferenceOptions o;
      o.loss = row.loss;
      if (row.loss == PreferenceLoss::kSppoHard) o.beta = 0.2;  // the default puts the targets at ±500
      if (variant == 1 && row.takes_smoothing) o.label_smoothing = 0.15;
      if (variant == 2 && row.takes_margin) o.length_penalty = 0.03;
      if (variant == 3 && !row.unpaired) o.sft_coefficient = 0.7;
      if (variant == 4 && row.takes_divergence) o.divergence = Divergence::kForwardKl;
      if (variant == 5 && row.takes_divergence) o.divergence = Divergence::kJensenShannon;
      o.validate(row.name);
      const std::string what = fmt::format("{}, variant {}", row.name, variant);
      if (row.unpaired) {
        o.desirable_weight = 1.3;
        expect_gradient(
            [&](const at::Tensor& x) {
              UnpairedBatch b{x, doubles({-3, -1, -2.2}), bools({true, false, true}), doubles({1, 2, 0.5}), doubles({0.3}).squeeze()};
              return unpaired_loss(b, o).loss;
            },
            doubles(kChosen), what);
        continue;
      }
      const auto loss = [&](const at::Tensor& c, const at::Tensor& r) {
        PreferenceBatch b = ragged(c, r, row);
        if (variant == 2 && row.takes_margin) b.margin = doubles({0.1, -0.2, 0.4});
        return preference_loss(b, o).loss;
      };
      expect_gradient([&](const at::Tensor& x) { return loss(x, doubles(kRejected)); }, doubles(kChosen), what + ", chosen");
      expect_gradient([&](const at::Tensor& x) { return loss(doubles(kChosen), x); }, doubles(kRejected), what + ", rejected");
    }
  }
}

TEST(PreferenceLoss, SigmoidSmoothingMarginAndLengthPenaltyByHand) {
  PreferenceBatch b;
  b.policy_chosen = doubles({-3});
  b.policy_rejected = doubles({-5});
  b.reference_chosen = doubles({-4});
  b.reference_rejected = doubles({-3});
  b.chosen_tokens = doubles({6});
  b.rejected_tokens = doubles({4});  // Δ_c = 1, Δ_r = −2, m = 3
  PreferenceOptions o;
  o.beta = 0.5;
  EXPECT_NEAR(preference_loss(b, o).loss.item<double>(), softplus(-1.5), 1e-12);
  o.label_smoothing = 0.2;
  EXPECT_NEAR(preference_loss(b, o).loss.item<double>(), 0.8 * softplus(-1.5) + 0.2 * softplus(1.5), 1e-12);
  o.label_smoothing.reset();
  b.margin = doubles({0.4});
  o.length_penalty = 0.1;  // z = 1.5 − 0.4 + 0.1·2
  EXPECT_NEAR(preference_loss(b, o).loss.item<double>(), softplus(-1.3), 1e-12);
  b.margin = at::Tensor();
  o.length_penalty = 0;
  o.sft_coefficient = 0.5;  // + 0.5 · 3/6
  EXPECT_NEAR(preference_loss(b, o).loss.item<double>(), softplus(-1.5) + 0.25, 1e-12);
  o.loss = PreferenceLoss::kStepDpo;
  EXPECT_NEAR(preference_loss(b, o).loss.item<double>(), softplus(-1.5) + 0.25, 1e-12);
}

TEST(PreferenceLoss, InfonceByHandAndWithOneNegativeIsSigmoid) {
  PreferenceBatch b;
  b.policy_chosen = doubles({-3, -1});
  b.policy_rejected = doubles({-5, -2, -1.5});
  b.reference_chosen = doubles({-4, -1});
  b.reference_rejected = doubles({-3, -3, -1});
  b.rejected_pair = longs({0, 0, 1});  // Δ: 1 | −2, 1; 0 | −0.5
  PreferenceOptions o;
  o.loss = PreferenceLoss::kInfonce;
  o.beta = 1;
  const auto r = preference_loss(b, o);
  expect_close(r.per_pair, doubles({-std::log(std::exp(1.0) / (std::exp(1.0) + std::exp(-2.0) + std::exp(1.0))), softplus(-0.5)}), 1e-12, 0, "infonce");
  EXPECT_NEAR(r.loss.item<double>(), r.per_pair.mean().item<double>(), 1e-12);
  o.loss = PreferenceLoss::kSigmoid;  // mean over a pair's negatives
  expect_close(preference_loss(b, o).per_pair, doubles({(softplus(-3) + softplus(0)) / 2, softplus(-0.5)}), 1e-12, 0, "sigmoid");
}

TEST(PreferenceLoss, ExtremesStayFinite) {
  for (const auto& row : preference_losses()) {
    if (row.unpaired) continue;
    for (const double far : {-4000.0, 4000.0}) {
      const at::Tensor c = leaf(at::tensor({-2000.0f, -0.0f})), r = leaf(at::tensor({-2000.0f, -1e-9f}));
      PreferenceBatch b;
      b.policy_chosen = c;
      b.policy_rejected = r;
      if (row.needs_reference) {
        b.reference_chosen = at::tensor({float(-2000 + far), -5.0f});
        b.reference_rejected = at::tensor({-2000.0f, -5.0f});
      }
      b.chosen_tokens = at::tensor({10.0f, 1.0f});
      b.rejected_tokens = at::tensor({10.0f, 1.0f});
      b.rejected_pair = longs({0, 1});
      PreferenceOptions o;
      o.loss = row.loss;
      const at::Tensor loss = preference_loss(b, o).loss;
      EXPECT_TRUE(std::isfinite(loss.item<double>())) << row.name << ' ' << far;
      loss.backward();
      EXPECT_TRUE(c.grad().isfinite().all().item<bool>()) << row.name << ' ' << far;
      if (r.grad().defined()) { EXPECT_TRUE(r.grad().isfinite().all().item<bool>()) << row.name << ' ' << far; }
    }
  }
}

TEST(PreferenceLoss, MicroBatchesAddUpToTheStep) {
  for (const auto& row : preference_losses()) {
    if (row.unpaired) continue;
    PreferenceOptions o;
    o.loss = row.loss;
    o.sft_coefficient = 0.4;
    for (const bool token_mean : {false, true}) {
      o.sft_token_mean = token_mean;
      const auto whole = preference_loss(ragged(doubles(kChosen), doubles(kRejected), row), o);
      double sum = 0;
      const int64_t first[] = {0, 2, 3, 6};
      for (int64_t i = 0; i < 3; ++i) {
        PreferenceBatch b = ragged(doubles(kChosen), doubles(kRejected), row);
        for (auto* t : {&b.policy_chosen, &b.reference_chosen, &b.chosen_tokens, &b.weight})
          if (t->defined()) *t = t->slice(0, i, i + 1);
        for (auto* t : {&b.policy_rejected, &b.reference_rejected, &b.rejected_tokens})
          if (t->defined()) *t = t->slice(0, first[i], first[i + 1]);
        b.rejected_pair = at::zeros({first[i + 1] - first[i]}, at::kLong);
        sum += preference_loss(b, o, {.sequences = 3, .tokens = 12}).loss.item<double>();
      }
      EXPECT_NEAR(sum, whole.loss.item<double>(), 1e-9 * std::max(1.0, std::abs(sum))) << row.name;
    }
  }
}

TEST(PreferenceGolden, UnpairedEqualsTrl) {
  const auto file = golden("unpaired");
  const auto& d = file.at("data");
  ASSERT_EQ(file.at("cases").size(), 4u);
  const auto flags = d.at("desirable").get<std::vector<bool>>();
  const at::Tensor desirable = bools(flags);
  for (const auto& c : file.at("cases")) {
    const std::string name = c.at("name");
    const auto o = options_from<PreferenceOptions>(c.at("options"));
    o.validate(name);
    const at::Tensor policy = leaf(floats(d.at("policy")));
    UnpairedBatch b{policy, floats(d.at("reference")), desirable, {}, kto_baseline(floats(d.at("policy_mismatched")), floats(d.at("reference_mismatched")))};
    const auto r = unpaired_loss(b, o);
    EXPECT_NEAR(r.loss.item<double>(), c.at("loss").get<double>(), 1e-6) << name;
    expect_close(gradient(r.loss, policy), floats(c.at("gradient")), 1e-5, 1e-7, name);
    if (o.loss == PreferenceLoss::kKto) { EXPECT_NEAR(r.statistics.values().at("kl"), c.at("metrics").at("kl").get<double>(), 1e-6); }
    EXPECT_NEAR(r.statistics.values().at("rewards/chosen"), c.at("metrics").at("rewards/chosen").get<double>(), 1e-5) << name;
  }
}

TEST(Unpaired, BcoByHandAndItsRunningShift) {
  UnpairedBatch b{doubles({-3, -5}), doubles({-4, -3}), bools({true, false}), {}, doubles({0.2}).squeeze()};  // Δ = 1, −2
  PreferenceOptions o;
  o.loss = PreferenceLoss::kBco;
  o.beta = 0.5;
  EXPECT_NEAR(unpaired_loss(b, o).loss.item<double>(), (softplus(-(0.5 - 0.2)) + softplus(-1 - 0.2)) / 2, 1e-12);
  BcoShift shift;
  shift.update(doubles({1, 2}));
  shift.update(doubles({6}));
  EXPECT_NEAR(shift.mean, 3, 1e-12);
  EXPECT_EQ(shift.count, 3);
}

TEST(Unpaired, KtoBaselineIsNeverNegative) {
  EXPECT_EQ(kto_baseline(doubles({-5, -6}), doubles({-1, -1})).item<double>(), 0);
  EXPECT_NEAR(kto_baseline(doubles({-1, -2}), doubles({-2, -2})).item<double>(), 0.5, 1e-12);
}

TEST(PreferenceOptions, BadCombinationsAreRefusedWithTheWayOut) {
  const auto refused = [](PreferenceLoss loss, auto change) -> std::string {
    PreferenceOptions o;
    o.loss = loss;
    try {
      change(o);
      o.validate("r");
    } catch (const UsageError& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.message();
    }
    return "";
  };
  using P = PreferenceLoss;
  EXPECT_EQ(refused(P::kHinge, [](auto& o) { o.label_smoothing = 0.1; }), "label_smoothing does nothing in the loss hinge");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.label_smoothing = 0.5; }), "label_smoothing is 0.5, expected 0 ≤ label_smoothing < 0.5");
  EXPECT_EQ(refused(P::kExoPair, [](auto& o) { o.label_smoothing = 0; }), "exo_pair needs label_smoothing above 0");
  EXPECT_EQ(refused(P::kIpo, [](auto& o) { o.length_penalty = 0.1; }), "length_penalty does nothing in the loss ipo");
  EXPECT_EQ(refused(P::kNcaPair, [](auto& o) { o.divergence = Divergence::kForwardKl; }), "divergence does nothing in the loss nca_pair");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.beta = 0; }), "beta is 0, expected above 0");
  EXPECT_EQ(refused(P::kSft, [](auto& o) { o.beta = 0.1; }), "beta does nothing in the loss sft, which holds to no reference");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.simpo_gamma = 0.5; }), "simpo_gamma does nothing in the loss sigmoid");
  EXPECT_EQ(refused(P::kSimpo, [](auto& o) { o.simpo_gamma = 0.5; }), "");
  EXPECT_EQ(refused(P::kHinge, [](auto& o) { o.discopop_tau = 1; }), "discopop_tau does nothing in the loss hinge");
  EXPECT_EQ(refused(P::kDiscopop, [](auto& o) { o.discopop_tau = 1; }), "");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.divergence = Divergence::kForwardKl, o.divergence_alpha = 0.3; }), "divergence_alpha does nothing without divergence: alpha_divergence");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.divergence = Divergence::kAlpha, o.divergence_alpha = 0.3; }), "");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.sft_token_mean = true; }), "sft_token_mean does nothing without a likelihood term");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.desirable_weight = 2; }), "desirable_weight and undesirable_weight do nothing in the loss sigmoid");
  EXPECT_EQ(refused(P::kKto, [](auto& o) { o.sft_coefficient = 1; }), "sft_coefficient does nothing in the loss kto");
  EXPECT_EQ(refused(P::kKto, [](auto& o) { o.validate_data("r", true, 1, false); }),
            "the loss kto learns from single answers marked right or wrong, and these data are pairs");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.validate_data("r", false, 0, false); }), "the loss sigmoid needs pairs, and these data are single answers");
  EXPECT_EQ(refused(P::kInfonce, [](auto& o) { o.validate_data("r", true, 1, false); }), "the loss infonce needs at least 2 rejected answers per pair, found 1");
  EXPECT_EQ(refused(P::kInfonce, [](auto& o) { o.validate_data("r", true, 2, false); }), "");
  EXPECT_EQ(refused(P::kIpo, [](auto& o) { o.validate_data("r", true, 1, false, true); }), "the loss ipo takes no margin, and some pairs have one");
  EXPECT_EQ(refused(P::kSigmoid, [](auto& o) { o.validate_data("r", true, 1, false, true); }), "");
  EXPECT_EQ(refused(P::kStepDpo, [](auto& o) { o.validate_data("r", true, 1, false); }),
            "the loss step_dpo needs pairs of steps after a shared prefix, and these data have none");
}

}  // namespace foil::objective
