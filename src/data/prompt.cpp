#include "data/prompt.h"

#include "base/error.h"
#include "data/dataset.h"

namespace foil {

const std::vector<NamedWording>& named_wordings() {
  static const std::vector<NamedWording> wordings = {
      {"boxed", "{problem}\nPlease reason step by step, and put your final answer within \\boxed{}."},
      {"hash", "{problem}\nReason step by step. End with a line that holds only #### and the final answer."},
      {"tag", "{problem}\nReason step by step, and put your final answer within <answer> </answer> tags."},
      {"question_answer", "Question: {problem}\nAnswer:"}};
  return wordings;
}

static std::string wording(const std::string& text) {
  for (const auto& w : named_wordings())
    if (text == w.name) return w.text;
  return text;
}

void PromptForm::validate(const std::string& where) const {
  const std::string put = wording(text);
  if (put.find("{problem}") == std::string::npos) {
    std::vector<std::string> names;
    for (const auto& w : named_wordings()) names.push_back(w.name);
    const std::string near = nearest(text, names);
    throw UsageError(fmt::format("prompt text \"{}\" has no {{problem}}", text), where,
                     near.empty() ? fmt::format("write {{problem}} where the question goes, or name a wording: {}", fmt::join(names, ", ")) : fmt::format("did you mean {}?", near));
  }
  if (shots < 0) throw UsageError("shots must not be negative", where);
  if (shots > 0 && examples.empty()) throw UsageError(fmt::format("shots is {}, but examples names no problems", shots), where, "name a file with solutions, e.g. gsm8k_train");
}

PromptMaker::PromptMaker(PromptForm form, const std::string& data_dir) : form_(std::move(form)) {
  form_.validate("prompt");
  form_.text = wording(form_.text);
  if (form_.shots == 0) return;
  DatasetOptions source;
  source.source = form_.examples, source.data_dir = data_dir;
  for (auto& p : load_problems(source)) {
    if (p.solution && !p.solution->empty()) examples_.push_back(std::move(p));
    if (int64_t(examples_.size()) > form_.shots) break;  // one to spare, where an example is the problem itself
  }
  if (int64_t(examples_.size()) < form_.shots)
    throw Error(fmt::format("{} worked examples are asked for, {} problems have a solution", form_.shots, examples_.size()), form_.examples);
}

std::string PromptMaker::question(const std::string& problem) const {
  std::string out = form_.text;
  return out.replace(out.find("{problem}"), 9, problem);
}

std::vector<Message> PromptMaker::messages(const std::string& problem) const {
  std::vector<Message> out;
  if (!form_.system.empty()) out.push_back({"system", form_.system});
  int64_t shown = 0;
  for (const auto& e : examples_) {
    if (shown == form_.shots || e.problem == problem) continue;
    out.push_back({"user", question(e.problem)}), out.push_back({"assistant", *e.solution});
    ++shown;
  }
  out.push_back({"user", question(problem)});
  return out;
}

std::string PromptMaker::plain(const std::string& problem) const {
  std::string out = form_.system.empty() ? "" : form_.system + form_.separator;
  int64_t shown = 0;
  for (const auto& e : examples_) {
    if (shown == form_.shots || e.problem == problem) continue;
    out += question(e.problem) + "\n" + *e.solution + form_.separator;
    ++shown;
  }
  return out + question(problem);
}

}  // namespace foil
