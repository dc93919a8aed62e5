// Wrong answers by rule: one error planted in one step of a right worked solution, carried through to the final answer.
//
// Works on text: equations "a + b = c" are found, each number that repeats an earlier result is linked to it, the error is made, and
// everything behind it is computed anew. A result is returned only if the verifier reads its final answer and finds it wrong, whole
// results stay whole, and nothing that was positive becomes negative. Deterministic by stream.
// For problems of the generated family an operator error changes the step's words too (render_solution); elsewhere only the sign.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "data/record.h"

namespace foil {

enum class Perturbation { kNumber, kResult, kOperator, kUnit, kOrder, kDrop };
inline constexpr std::pair<Perturbation, const char*> kPerturbationNames[] = {
    {Perturbation::kNumber, "number"},      // a given number misread: another number of the problem, digits swapped, one more or less
    {Perturbation::kResult, "result"},      // a slip in the arithmetic: off by one, two or ten, a forgotten carry, digits swapped
    {Perturbation::kOperator, "operator"},  // added instead of subtracted, multiplied instead of divided …
    {Perturbation::kUnit, "unit"},          // a wrong conversion factor: 100 for 60, 12 for 24 …
    {Perturbation::kOrder, "order"},        // two steps in the wrong order
    {Perturbation::kDrop, "drop"}};         // a step left out
inline auto& enum_names(Perturbation) { return kPerturbationNames; }
const char* to_string(Perturbation kind);

struct Perturbed {
  std::string text;
  Perturbation kind;
  int64_t step;         // index of the equation the error was made in
  std::string answer;   // the wrong final answer, as the verifier found it
};

// One error of one kind in a random step that admits it; nullopt: no step does. `solution` is any right worked solution of the problem.
std::optional<Perturbed> perturb(const Problem& problem, const std::string& solution, Perturbation kind, Stream& stream);

struct PerturbOptions {
  std::vector<Perturbation> kinds = {Perturbation::kNumber, Perturbation::kResult, Perturbation::kOperator, Perturbation::kUnit, Perturbation::kOrder, Perturbation::kDrop};
  int64_t per_problem = 4;   // different texts; fewer where a solution does not admit so many
  template <class V>
  void visit(V& v) {
    v("kinds", kinds, "errors to make: number, result, operator, unit, order, drop");
    v("per_problem", per_problem, "wrong answers per problem");
  }
  void validate(const std::string& where) const;
};

struct PerturbResult {
  std::vector<Sample> samples;                 // source "perturbation", wrong, with extra {"perturbation": kind, "step": i}
  std::map<std::string, int64_t> made;         // kind → samples
  int64_t problems_without_solution = 0, problems_without_error = 0;
};

// Errors in the reference solution of each problem, and in right samples of it where `right` has some (those first: their style is the
// policy's). Kinds alternate. Problems in order; the same result on any number of threads.
PerturbResult perturb_all(std::span<const Problem> problems, std::span<const Sample> right, const PerturbOptions& options, uint64_t seed);

// Worked solutions as a corpus from the wild has them: some in error, some careless. A model that learns from them knows the right way
// and wrong ones, as a pretrained model does; which of them it takes is then left to RL and to preferences.
struct FlawOptions {
  double wrong = 0;      // one planted error, carried through: looks right, ends wrong
  double careless = 0;   // cut short, without its working, or with a final answer that its working does not give
  template <class V>
  void visit(V& v) {
    v("wrong", wrong, "share of the solutions with one planted error, carried through to a wrong answer");
    v("careless", careless, "share of the solutions that break off, leave out the working, or end in an answer that the working does not give");
  }
  void validate(const std::string& where) const;
};

struct FlawCounts {
  int64_t wrong = 0, careless = 0;
};

// Flaws planted in Problem::solution; the share is of the problems that have one. None of the flawed solutions gives the right answer. A
// solution that admits no error of the kind drawn stays as it is. Deterministic by seed and problem id.
FlawCounts plant_flaws(std::vector<Problem>& problems, const FlawOptions& options, uint64_t seed);

}  // namespace foil
