// foil convert: GGUF to a Hugging Face folder, or between precisions.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/engine/commands.h"
#include "app/terminal.h"
#include "pipeline/workbench.h"

namespace foil::app {

void declare_convert(CLI::App& app) {
  struct Arguments {
    std::string input, output, dtype = "f32";
  };
  auto a = std::make_shared<Arguments>();
  app.description(
      "Writes a model as a Hugging Face folder: config.json, safetensors, tokenizer. Loads in transformers, vLLM, llama.cpp's converter.\n\n"
      "  foil convert model.gguf my-model             dequantised to f32\n"
      "  foil convert my-model my-model-bf16 --dtype bf16");
  app.add_option("input", a->input, "a .gguf file or a Hugging Face folder")->required();
  app.add_option("output", a->output, "folder to write")->required();
  app.add_option("--dtype", a->dtype, "f32 or bf16");
  app.callback([a] {
    pipeline::ModelSection options;
    options.dtype = a->dtype, options.device = "cpu";
    options.validate("--dtype");
    if (std::filesystem::exists(a->output) && !std::filesystem::is_empty(a->output))
      throw Error("the output folder is not empty", a->output, "choose another, or remove it first");
    const auto model = pipeline::load_model(a->input, options);
    pipeline::save_model(a->output, model);
    std::fprintf(stderr, "%s: %s, %s parameters, %d tokens\n", a->output.c_str(), model.model->config().model_type.c_str(), count(double(model.model->config().parameters())).c_str(),
                 model.tokenizer->vocab_size());
  });
}

}  // namespace foil::app
