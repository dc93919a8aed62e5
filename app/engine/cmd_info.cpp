// foil info: facts about a model, its tokenizer and template, and this machine.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/version.h>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cmath>

#include "app/engine/commands.h"
#include "app/terminal.h"
#include "io/hardware.h"
#include "pipeline/workbench.h"

namespace foil::app {

namespace {

double gigabytes(uint64_t bytes) { return std::round(double(bytes) / 1073741824 * 10) / 10; }

}  // namespace

void declare_info(CLI::App& app) {
  struct Arguments {
    std::string model, text;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  app.description("Facts about this machine and, with a model, about its shape, tokenizer and chat template.\n\n  foil info\n  foil info MODEL --text 'How many tokens is this?'");
  app.add_option("model", a->model, "Hugging Face folder or .gguf file");
  app.add_option("--text", a->text, "show this text's tokens and the prompt it becomes");
  app.add_flag("--json", a->json, "as JSON");
  app.callback([a] {
    nlohmann::ordered_json j;
    j["foil"] = FOIL_VERSION;
    j["libtorch"] = TORCH_VERSION;
    const io::Hardware machine = io::read_hardware();
    j["processor"] = machine.cpu.empty() ? "unknown" : machine.cpu;
    j["instructions"] = fmt::format("{}", fmt::join(machine.vector, " "));
    j["cores"] = machine.cores;
    j["torch_threads"] = at::get_num_threads();
    j["memory_gb"] = gigabytes(machine.memory_bytes);
    j["memory_free_gb"] = gigabytes(machine.memory_available_bytes);
    j["disk_free_gb"] = gigabytes(machine.disk_free_bytes);
    j["cuda"] = at::hasCUDA();
    if (!a->model.empty()) {
      pipeline::ModelSection options;
      options.device = "cpu";
      const auto m = pipeline::load_model(a->model, options);
      const auto& c = m.model->config();
      j["model"] = {{"path", a->model}, {"model_type", c.model_type}, {"parameters", c.parameters()}, {"hidden_size", c.hidden_size}, {"layers", c.num_hidden_layers},
                    {"heads", c.num_attention_heads}, {"kv_heads", c.num_key_value_heads}, {"head_dim", c.head_dim}, {"vocabulary", c.vocab_size},
                    {"context", c.max_position_embeddings}, {"tied_embeddings", c.tie_word_embeddings}};
      auto token = [&](std::optional<int32_t> id) { return id ? nlohmann::ordered_json{{"id", *id}, {"text", m.tokenizer->bytes(*id)}} : nlohmann::ordered_json(nullptr); };
      j["tokenizer"] = {{"tokens", m.tokenizer->vocab_size()}, {"bos", token(m.tokenizer->bos())}, {"eos", token(m.tokenizer->eos())}, {"pad", token(m.tokenizer->pad())},
                        {"chat_template", !m.tokenizer->chat_template().empty()}};
      if (!a->text.empty()) {
        const auto ids = m.tokenizer->encode(a->text);
        j["text"]["ids"] = ids;
        for (const int32_t id : ids) j["text"]["pieces"].push_back(m.tokenizer->bytes(id));
        if (!m.tokenizer->chat_template().empty()) j["text"]["prompt"] = pipeline::Prompter({}, *m.tokenizer)(a->text);
      }
    }
    if (a->json) {
      std::printf("%s\n", j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
      return;
    }
    auto print = [](const nlohmann::ordered_json& section, int indent, auto&& self) -> void {
      for (const auto& [k, v] : section.items()) {
        if (v.is_object()) {
          std::printf("%*s%s\n", indent, "", k.c_str());
          self(v, indent + 2, self);
        } else {
          std::printf("%*s%-*s %s\n", indent, "", 18 - indent, k.c_str(),
                      (v.is_string() ? v.template get<std::string>() : v.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).c_str());
        }
      }
    };
    print(j, 0, print);
  });
}

}  // namespace foil::app
