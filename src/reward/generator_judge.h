// The rubric judge through any Generator: an OpenAI-compatible endpoint, or a local model that can answer in JSON.
//
// One prompt a solution, one JSON object with the four dimensions back. An answer that does not parse, lacks a dimension or leaves
// 0…3 is asked again, with new sample ids, until attempts are used up; then there is no judgement (nullopt), which the caller counts.
// Where none of four or more solutions got a judgement, the judge cannot do its work: Error with its last reply.
#pragma once
#include <memory>
#include <string>

#include "data/generator.h"
#include "reward/judge.h"

namespace foil {

struct GeneratorJudgeOptions {
  int64_t attempts = 3;
  double temperature = 0.2;
  int64_t max_tokens = 128;
  template <class V>
  void visit(V& v) {
    v("attempts", attempts, "how often a judgement that cannot be read is asked for");
    v("temperature", temperature, "of the judge's answers; above 0, or asking again would give the same");
    v("max_tokens", max_tokens, "longest answer of the judge");
  }
  void validate(const std::string& where) const;
};

// The last JSON object of `reply` as scores: all four dimensions, numbers (or texts of numbers) in 0…3; anything else: nullopt.
std::optional<RubricScores> read_judgement(const std::string& reply);

class GeneratorJudge : public JudgeBackend {
 public:
  // `render` turns the judge's message into the text of a prompt; null: the message itself (endpoints use Prompt::messages).
  GeneratorJudge(std::shared_ptr<Generator> generator, std::string rubric, GeneratorJudgeOptions options = {}, uint64_t seed = 0,
                 std::function<std::string(const std::vector<Message>&)> render = {});
  std::vector<std::optional<RubricScores>> judge(std::span<const JudgeItem> items) override;
  int64_t unread() const { return unread_; }  // judgements given up so far

 private:
  std::shared_ptr<Generator> generator_;
  std::string rubric_;
  GeneratorJudgeOptions options_;
  uint64_t seed_;
  std::function<std::string(const std::vector<Message>&)> render_;
  int64_t unread_ = 0;
};

}  // namespace foil
