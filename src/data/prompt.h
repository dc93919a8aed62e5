// From a problem to what a model is asked: worded instruction, system message, worked examples. Rendering by a model's chat template is
// text/'s; here are the messages, and the plain text for models without a template.
#pragma once
#include <string>
#include <vector>

#include "data/record.h"

namespace foil {

struct PromptForm {
  std::string text = "{problem}";   // or the name of a wording: see named_wordings()
  std::string system;               // conversational: the system message; empty: none
  std::string examples;             // problems with solutions shown first: a file or a benchmark's name; empty: none
  int64_t shots = 0;                // how many of them
  std::string separator = "\n\n";   // plain: between examples
  template <class V>
  void visit(V& v) {
    v("text", text, "the question as it is put, {problem} filled in; or boxed, hash, tag, question_answer");
    v("system", system, "system message of chat prompts");
    v("examples", examples, "problems with solutions to show first: a file or a benchmark's name");
    v("shots", shots, "how many worked examples are shown");
    v("separator", separator, "between worked examples where there is no chat template");
  }
  void validate(const std::string& where) const;
};

struct NamedWording {
  const char* name;
  const char* text;
};
// boxed: "{problem}\n… put your final answer within \boxed{}."; hash: "… #### answer"; tag: "… <answer> </answer> tags."; question_answer: "Question: …\nAnswer:".
const std::vector<NamedWording>& named_wordings();

class PromptMaker {
 public:
  // Reads the examples. Throws Error when they lack solutions or are fewer than shots; UsageError when text has no {problem}.
  explicit PromptMaker(PromptForm form, const std::string& data_dir = "");
  // system?, then user and assistant turn about for the examples, then the user's question.
  std::vector<Message> messages(const std::string& problem) const;
  // The same without a template: example, separator, example, separator, question. Solutions follow their question after a line break.
  std::string plain(const std::string& problem) const;
  // An example that is the problem itself is left out of its prompt.
 private:
  std::string question(const std::string& problem) const;
  PromptForm form_;
  std::vector<Problem> examples_;
};

}  // namespace foil
