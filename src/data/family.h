// The generated family of word problems: chains of one to four operations told as a small story, with worked steps.
//
// A problem is a Program (scene, who, what, start, operations, how it is told); text, solution and answer are rendered from it, so
// that numbers and names can be changed with the answer recomputed, and an error can be planted in one step exactly. The program is
// kept in Problem::extra["family"]. All values stay in 0…99. Deterministic by seed. The hash of its text puts every possible problem
// on one side, training or evaluation: the two never meet, whatever the seeds and the sizes. Sentences: data/family_scenes.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "data/record.h"

namespace foil {

enum class Operation { kAdd, kSubtract, kMultiply, kDivide };
inline constexpr std::pair<Operation, const char*> kOperationNames[] = {
    {Operation::kAdd, "add"}, {Operation::kSubtract, "subtract"}, {Operation::kMultiply, "multiply"}, {Operation::kDivide, "divide"}};

struct ProgramStep {
  Operation operation;
  int operand;
  int wording;       // which sentence of the scene (or of the paraphrases) tells it
};

struct Program {
  int scene = 0;                    // index into family_scenes()
  std::string name, other, object;  // Tom, Anna, stamps
  bool she = false;                 // pronoun of `name`
  int start = 0;
  std::vector<ProgramStep> steps;
  bool paraphrase = false;          // the second set of wordings
  int distractor = -1;              // the number in a fact that does not matter; −1: no such fact
  int distractor_at = 0;            // before which step it stands
  int distractor_wording = 0;       // index into family_distractors()
  std::string distractor_object;    // where the fact counts things
  std::vector<int> values() const;  // start and the value after every step
  int answer() const { return values().back(); }
};

void to_json(Json& j, const Program& p);
void from_json(const Json& j, Program& p);

// The seven splits, easiest first.
//   steps2, steps3   two and three operations, what most of the training set looks like
//   longer           four operations
//   larger           operands from 10 to 20, values up to 80
//   distractor       a fact that does not matter
//   paraphrase       the same stories in other words
//   order            multiplication or division before addition and subtraction
const std::vector<std::string>& family_splits();

struct FamilyOptions {
  int64_t train_problems = 4000;
  int64_t eval_problems = 100;    // per split
  double share_steps1 = 0.10;     // of the training set; what the shares leave over is half steps2, half steps3
  double share_longer = 0.06, share_larger = 0.06, share_distractor = 0.06, share_paraphrase = 0.06, share_order = 0.06;
  template <class V>
  void visit(V& v) {
    v("train_problems", train_problems, "problems in the training set");
    v("eval_problems", eval_problems, "problems in each of the seven evaluation splits");
    v("share_steps1", share_steps1, "share of one-step problems in the training set");
    v("share_longer", share_longer, "share of four-step problems in the training set");
    v("share_larger", share_larger, "share of problems with larger numbers in the training set");
    v("share_distractor", share_distractor, "share of problems with a fact that does not matter in the training set");
    v("share_paraphrase", share_paraphrase, "share of problems in other words in the training set");
    v("share_order", share_order, "share of problems that multiply or divide first in the training set");
  }
  void validate(const std::string& where) const;
};

// A random program of a split ("steps1" too).
Program make_program(const std::string& split, Stream& stream);
// Text, solution ("… #### 17"), answer, and the program in extra.
Problem render(const Program& program, const std::string& id);
// The program a problem was rendered from; throws Error when it is not of the family.
Program program_of(const Problem& problem);
// The worked solution of `program` when its steps are solved as `solved` says (the same number of steps, or fewer): the right one for
// program.steps itself, a coherent wrong one otherwise. Values that leave 0…99 or a division with a rest: nullopt.
std::optional<std::string> render_solution(const Program& program, const std::vector<ProgramStep>& solved);
// The same story with other names, objects and numbers (same operations and wordings), on the same side of the split between
// training and evaluation: a view for invariance training.
Program another_view(const Program& program, Stream& stream);

std::vector<Problem> family_train(const FamilyOptions& options, uint64_t seed);
std::vector<Problem> family_eval(const FamilyOptions& options, uint64_t seed, const std::string& split);

// Text to train the family's tokenizer on: every word of family_vocabulary(), then `problems` problems and solutions of every split.
std::vector<std::string> family_corpus(uint64_t seed, int64_t problems);
// Every word, number 0–99 and mark the family can produce, as a word tokenizer cuts them (with the space before them where they
// have one): text::word_tokenizer({}, family_vocabulary()) never falls back to bytes.
const std::vector<std::string>& family_vocabulary();
// true: the problem text belongs to the evaluation side.
bool family_evaluation_side(std::string_view problem);

}  // namespace foil
