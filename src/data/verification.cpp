#include "data/verification.h"

#include "base/error.h"
#include "base/parallel.h"

namespace foil {

ProblemIndex::ProblemIndex(std::span<const Problem> problems) {
  for (const auto& p : problems)
    if (!by_id_.emplace(p.id, &p).second) throw Error(fmt::format("two problems have the id \"{}\"", p.id), "", "ids must be unique; foil data check lists the lines");
}

const Problem* ProblemIndex::find(const std::string& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

const Problem& ProblemIndex::at(const std::string& id) const {
  const Problem* p = find(id);
  if (!p) throw Error(fmt::format("no problem has the id \"{}\"", id), "", "samples and problems must come from the same data set");
  return *p;
}

void verify_samples(const ProblemIndex& problems, std::vector<Sample>& samples, const verify::Options& options) {
  std::map<std::string, verify::Reading> golds;
  for (const auto& s : samples)
    if (!golds.count(s.problem_id)) golds.emplace(s.problem_id, verify::parse(problems.at(s.problem_id).answer, options));
  parallel_for(
      samples.size(),
      [&](size_t i) {
        Sample& s = samples[i];
        const auto verdict = verify::check(golds.at(s.problem_id), s.text, options);
        s.answer = verdict.answer_text.empty() ? std::nullopt : std::optional(verdict.answer_text);
        s.correct = verdict.outcome == verify::Outcome::kUnreadable ? std::nullopt : std::optional(verdict.correct());
      },
      0, 64);
}

}  // namespace foil
