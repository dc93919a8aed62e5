#include "data/views.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "data/family.h"
#include "data/perturb.h"
#include "data/worked_steps.h"

namespace foil {

void ViewOptions::validate(const std::string& where) const {
  if (tries < 1) throw UsageError("tries must be at least 1", where);
  if (!(max_length_ratio > 0)) throw UsageError("max_length_ratio must be above 0", where);
  if (!rename && !mask) throw UsageError("rename and mask are both off", where, "a view must change something");
}

static size_t digits_at(std::string_view s, size_t i) {
  size_t n = 0;
  while (i + n < s.size() && std::isdigit(static_cast<unsigned char>(s[i + n]))) ++n;
  return n;
}

// One line without the marks it begins with.
static std::string_view without_marks(std::string_view line) {
  const auto cut = [&](size_t n) {
    line.remove_prefix(n);
    while (!line.empty() && line[0] == ' ') line.remove_prefix(1);
  };
  cut(0);
  if (line.starts_with("####")) return line;  // the final answer's mark stays
  size_t hashes = 0;
  while (hashes < line.size() && line[hashes] == '#') ++hashes;
  if (hashes > 0) cut(hashes);
  if (line.starts_with("- ") || line.starts_with("* ") || line.starts_with("• ")) cut(line.find(' ') + 1);
  if (const size_t n = digits_at(line, 0); n > 0 && n < 4 && n + 1 < line.size() && (line[n] == '.' || line[n] == ')') && line[n + 1] == ' ') cut(n + 2);
  for (const std::string_view word : {"Step ", "step "})
    if (line.starts_with(word))
      if (const size_t n = digits_at(line, word.size()); n > 0 && line.size() > word.size() + n && (line[word.size() + n] == ':' || line[word.size() + n] == '.')) cut(word.size() + n + 1);
  for (const std::string_view phrase : {"Sure!", "Sure,", "Certainly!", "Okay,", "Let's solve this step by step.", "Let's think step by step.", "First,", "Next,", "Then,", "Finally,"})
    if (line.starts_with(phrase)) {
      cut(phrase.size());
      break;
    }
  return line;
}

std::string mask_surface(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "**" || text.substr(i, 2) == "__") {
      ++i;
      continue;
    }
    plain += text[i];
  }
  std::string out;
  for (size_t begin = 0; begin <= plain.size();) {
    const size_t end = std::min(plain.find('\n', begin), plain.size());
    const std::string_view line = without_marks(std::string_view(plain).substr(begin, end - begin));
    std::string squeezed;
    for (const char c : line)
      if (!((c == ' ' || c == '\t' || c == '\r') && (squeezed.empty() || squeezed.back() == ' '))) squeezed += c == '\t' || c == '\r' ? ' ' : c;
    while (!squeezed.empty() && squeezed.back() == ' ') squeezed.pop_back();
    if (!squeezed.empty()) out += (out.empty() ? "" : "\n") + squeezed;
    begin = end + 1;
  }
  return out;
}

// One given number changed in problem and solution. Accepted where it stands once in the problem, once among the solution's first
// changes, and as written.
static std::optional<View> renumbered(const Problem& problem, const std::string& solution, Stream& stream) {
  const auto changed = perturb(problem, solution, Perturbation::kNumber, stream);
  if (!changed) return std::nullopt;
  const auto before = written_numbers(solution), after = written_numbers(changed->text), given = written_numbers(problem.problem);
  if (before.size() != after.size()) return std::nullopt;
  size_t first = 0;
  while (first < before.size() && before[first].value == after[first].value) ++first;
  if (first == before.size()) return std::nullopt;
  const double old_value = before[first].value, new_value = after[first].value;
  const WrittenNumber* place = nullptr;
  for (const auto& g : given) {
    if (g.value == new_value) return std::nullopt;  // it would be mistaken for another given number
    if (g.value != old_value) continue;
    if (place) return std::nullopt;
    place = &g;
  }
  if (!place) return std::nullopt;
  // Wherever else the solution writes the old number as a given one it must have changed too.
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i].value == old_value && before[i].repeats < 0 && after[i].value != new_value) return std::nullopt;
  const auto written = write_number(new_value, *place);
  if (!written) return std::nullopt;
  View out;
  out.problem = problem.problem.substr(0, place->begin) + *written + problem.problem.substr(place->end);
  out.solution = changed->text;
  out.changes = {"renumbered"};
  return out;
}

std::optional<View> positive_view(const Problem& problem, const std::string& solution, const std::string& wrong, const ViewOptions& options, Stream& stream) {
  std::vector<View> candidates;
  if (options.rename) {
    const bool family = problem.extra.contains("family");
    for (int64_t i = 0; i < options.tries; ++i) {
      if (family) {
        const Problem other = render(another_view(program_of(problem), stream), problem.id);
        candidates.push_back({other.problem, *other.solution, {"renamed"}});
      } else if (auto view = renumbered(problem, solution, stream)) {
        candidates.push_back(std::move(*view));
      }
    }
  }
  if (candidates.empty()) {
    if (!options.mask) return std::nullopt;
    candidates.push_back({problem.problem, solution, {}});
  }
  std::optional<View> best;
  double nearest_ratio = 0;
  for (auto& c : candidates) {
    if (options.mask)
      if (std::string masked = mask_surface(c.solution); masked != c.solution) c.solution = std::move(masked), c.changes.push_back("masked");
    if (c.changes.empty() || c.solution.empty()) continue;
    const double ratio = std::abs(double(c.solution.size()) / double(std::max<size_t>(1, wrong.size())) - 1);
    if (ratio <= options.max_length_ratio && (!best || ratio < nearest_ratio)) best = std::move(c), nearest_ratio = ratio;
  }
  return best;
}

}  // namespace foil
