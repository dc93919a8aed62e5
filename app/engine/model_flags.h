// The flags every command with a model has: where it is, its precision and device, and how a problem becomes a prompt.
#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.h"
#include "pipeline/recipe.h"

namespace foil::app {

struct ModelFlags {
  std::string path;
  pipeline::ModelSection model;
  pipeline::PromptSection prompt;
  std::string prompt_style = "auto";

  // `remote`: the command can do without a local model, see require().
  void declare(CLI::App& app, bool with_prompt = true, bool remote = false) {
    auto* option = app.add_option("-m,--model", path, remote ? "Hugging Face folder or .gguf file; with --endpoint, the model's name there" : "Hugging Face folder or .gguf file");
    if (!remote) option->required();
    app.add_option("--dtype", model.dtype, "f32 or bf16");
    app.add_option("--device", model.device, "auto, cpu or cuda");
    if (!with_prompt) return;
    app.add_option("--prompt", prompt.text, "the prompt (or the user's message), {problem} filled in; or boxed, hash, tag, question_answer: wordings for the form of the answer");
    app.add_option("--examples", prompt.examples, "problems with solutions to show first: a file or a benchmark's name (gsm8k_train)");
    app.add_option("--shots", prompt.shots, "how many worked examples are shown");
    app.add_option("--system", prompt.system, "system message, with the model's chat template");
    app.add_option("--prompt-style", prompt_style, "chat: the model's chat template; template: --prompt as it stands; auto: chat where the model has a template");
  }
  // The last part of the path; a file's without its extension.
  std::string name() const {
    const std::filesystem::path p = std::filesystem::absolute(path).lexically_normal();
    const auto last = p.has_filename() ? p.filename() : p.parent_path().filename();
    return last.extension() == ".gguf" ? last.stem().string() : last.string();
  }
  void require(bool endpoint) const {
    if (path.empty() && !endpoint) throw UsageError("neither --model nor --endpoint is given", "", "name a model folder (-m MODEL) or a server (--endpoint http://localhost:8000/v1)");
  }
  // Once the tokenizer is there: settles "auto" and checks.
  void settle(bool has_template) {
    if (prompt_style != "auto" && prompt_style != "chat" && prompt_style != "template")
      throw UsageError(fmt::format("--prompt-style is \"{}\"", prompt_style), "", "choose auto, chat or template");
    prompt.style = prompt_style == "chat" || (prompt_style == "auto" && has_template) ? pipeline::PromptStyle::kChat : pipeline::PromptStyle::kTemplate;
    model.validate("--dtype, --device");
    prompt.validate("--prompt");
  }
};

}  // namespace foil::app
