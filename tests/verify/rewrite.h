// Equivalent and nearly equivalent spellings of an answer, with the truth known by construction.
//
// An answer is sorted into one of a few forms by plain text matching that shares no code with src/verify; rules then respell the
// form (same value) or alter it first (another value, often by little). Forms that are not understood are only respelled on the
// surface (spaces, brackets, commands, the sentence around them). Deterministic in the choices drawn.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace foil::verify::rewriting {

using Below = std::function<uint64_t(uint64_t)>;  // a number in [0, n)

struct Pair {
  std::string gold, text;
  bool same = true;             // do they state the same answer?
  std::vector<const char*> rules;  // applied, in order
};

// A pair from an answer as a data set spells it. When `want_same` is false and no alteration is known for its form, `same` stays true.
Pair make_pair(std::string_view answer, bool want_same, const Below& below);

// Answers of every form, so that the generator works without data sets.
const std::vector<std::string>& seed_answers();

}  // namespace foil::verify::rewriting
