// What a stage needs to let an OpenAI-compatible server answer in place of a local model.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "endpoint/generator.h"
#include "pipeline/recipe.h"
#include "text/tokenizer.h"

namespace foil::pipeline {

// Prompts of problems for an endpoint. chat: messages from prompt.system, worked examples and prompt.text (a template is sent as it stands).
// completions: the whole prompt as text; prompt.style chat is rendered by `tokenizer`, and refused where that is null.
std::vector<Prompt> endpoint_prompts(const PromptSection& prompt, endpoint::Api api, const std::vector<Problem>& problems, const text::Tokenizer* tokenizer);

// An instruction to write a wrong answer that looks right, with {problem} in it, for negatives from an endpoint.
std::string wrong_answer_request(AnswerForm form);

}  // namespace foil::pipeline
