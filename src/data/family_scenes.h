// The sentences of the generated family: seven scenes, each with an opening, wordings for the four operations and a question.
//
// Placeholders: {n} the main person, {P} {p} {h} {i} She/she/her/her or He/he/him/his, {o} the other person, {x} the things counted,
// {s} the start, {k} the operand. The worked step of a wording is its clause, ": " and the equation.
#pragma once
#include <string>
#include <vector>

namespace foil {

struct Wording {
  const char* told;                // the sentence of the problem
  const char* clause = nullptr;    // what the worked step begins with; null: `told` without its full stop
  const char* question = nullptr;  // asked instead of the scene's question: the wording compares and can only come last
};

struct Scene {
  const char* name;
  std::vector<std::string> objects;
  const char *opening, *start, *question;  // of the problem, of the solution, of the problem
  const char *other_opening, *other_question;  // in the paraphrased problems
  std::vector<Wording> told[4];            // by Operation
};

const std::vector<Scene>& family_scenes();
const std::vector<Wording>& paraphrased_wordings(int operation);  // the same in every scene
const std::vector<std::string>& family_distractors();  // {o}, {n}, {d} a number, {y} things of another kind

struct Person {
  const char* name;
  bool she;
};
const std::vector<Person>& family_people();

}  // namespace foil
