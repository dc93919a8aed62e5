// The chain-of-thought judge: four dimensions, each scored 0–3, their mean divided by 3. It never sees the gold answer.
//
// The item type has no gold field, so no back end can look. Back ends: rules (here), a local model's score-token probabilities
// (rollout/), an endpoint (endpoint/). The rubric is text a user can edit; the rule judge implements its meaning for worked
// arithmetic and reads no rubric.
#pragma once
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace foil {

struct JudgeItem {
  std::string problem;
  std::string solution;
};

// relevance to the question · step-by-step coherence · use of the given facts and of the format · quality of writing
struct RubricScores {
  std::array<double, 4> dimension{};  // 0…3 each
  double normalised() const { return (dimension[0] + dimension[1] + dimension[2] + dimension[3]) / 12; }
};
inline constexpr const char* kRubricDimensions[4] = {"relevance", "coherence", "facts", "writing"};

class JudgeBackend {
 public:
  virtual ~JudgeBackend() = default;
  // In order; nullopt where no judgement could be had.
  virtual std::vector<std::optional<RubricScores>> judge(std::span<const JudgeItem> items) = 0;
};

// Deterministic scores for worked arithmetic. Does not know whether the final answer is right, only whether the text holds together:
// an equation that does not hold, a number out of nowhere, a step that ignores the one before, a final answer that is not the last
// result cost coherence; leaving a fact out or taking the wrong one, which a reader does not see at once, costs little or nothing.
class RuleJudge : public JudgeBackend {
 public:
  std::vector<std::optional<RubricScores>> judge(std::span<const JudgeItem> items) override;
};

// The rubric as a prompt: {problem} and {solution} are filled in. `path` empty: the built-in text (the same as recipes/rubrics/worked_solution.md).
std::string judge_prompt(const JudgeItem& item, const std::string& rubric);
std::string load_rubric(const std::string& path);  // throws Error when a placeholder is missing

}  // namespace foil
