// The arithmetic of a worked solution: its numbers, its equations "a + b * c = d", and which number repeats which result.
//
// Reads plain text and simple LaTeX (\times, \cdot, \div). Equations with brackets, unknowns, or a result that is not what the left
// side gives are left alone: they are text. A view onto the text: keep it alive.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foil {

struct WrittenNumber {
  size_t begin = 0, end = 0;  // bytes
  double value = 0;
  int decimals = 0;
  bool commas = false;        // 1,200
  int equation = -1;          // the equation it stands in, or −1
  int repeats = -1;           // the equation whose result it repeats, or −1
};

struct Equation {
  std::vector<size_t> operands;      // indices of numbers
  std::vector<char> operators;       // '+', '-', '*', '/', one less than operands
  std::vector<std::pair<size_t, size_t>> operator_at;  // byte ranges
  size_t result = 0;                 // index of its number
  size_t sentence = 0;
};

struct WorkedSteps {
  std::vector<WrittenNumber> numbers;
  std::vector<Equation> equations;
  std::vector<std::pair<size_t, size_t>> sentences;  // byte ranges that cover the text, blanks behind included
  size_t sentence_of(size_t byte) const;
};

std::vector<WrittenNumber> written_numbers(std::string_view text);

// `given`: the values of the problem; a number that is one of them repeats a result only where the step before made it.
WorkedSteps read_steps(std::string_view text, std::span<const double> given = {});

// a op b op c with the usual precedence; nullopt: division by zero.
std::optional<double> evaluate(std::span<const double> operands, std::span<const char> operators);

// `value` as `like` is written (commas, decimals); nullopt: it needs more decimals than that.
std::optional<std::string> write_number(double value, const WrittenNumber& like);

}  // namespace foil
