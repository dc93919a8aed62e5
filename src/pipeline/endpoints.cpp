#include "pipeline/endpoints.h"

#include "base/error.h"
#include "pipeline/workbench.h"

namespace foil::pipeline {

std::vector<Prompt> endpoint_prompts(const PromptSection& prompt, endpoint::Api api, const std::vector<Problem>& problems, const text::Tokenizer* tokenizer) {
  const bool chat = api == endpoint::Api::kChat;
  if (!chat && prompt.style == PromptStyle::kChat && !tokenizer)
    throw UsageError("the completions API takes the whole prompt, and there is no tokenizer to render a chat with", "api", "use api: chat, or prompt style template with the prompt spelt out");
  if (!chat && prompt.style == PromptStyle::kChat) return Prompter(prompt, *tokenizer)(problems);
  const PromptMaker maker(prompt);
  std::vector<Prompt> out;
  for (const auto& p : problems) {
    Prompt x;
    x.problem_id = p.id, x.text = maker.plain(p.problem);
    if (chat) x.messages = maker.messages(p.problem);
    out.push_back(std::move(x));
  }
  return out;
}

std::string wrong_answer_request(AnswerForm form) {
  const char* end = form == AnswerForm::kBoxed ? "\\boxed{…}" : form == AnswerForm::kHash ? "a last line \"#### …\"" : form == AnswerForm::kTag ? "<answer>…</answer>" : "one plain sentence";
  return fmt::format(
      "Write a worked solution of the problem below that a careful reader would take for right, but that ends in a wrong answer. Make one plausible mistake (a fact misread, a slip in the "
      "arithmetic, a step left out) and carry it through to the end. Do not say or hint that there is a mistake. Write the solution only, and end it with the final answer in {}\n\n"
      "Problem:\n{{problem}}",
      end);
}

}  // namespace foil::pipeline
