// The flags of commands that may ask an OpenAI-compatible server in place of a local model.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "config/options.h"
#include "endpoint/generator.h"

namespace foil::app {

struct EndpointFlags {
  std::string url;
  endpoint::EndpointGeneratorOptions options;
  std::vector<std::string> set;

  // `prefix`: "--endpoint" or "--judge-endpoint".
  void declare(CLI::App& app, const std::string& prefix, const std::string& who) {
    app.add_option(prefix, url, "URL of an OpenAI-compatible server, such as http://localhost:8000/v1: " + who);
    app.add_option(prefix + "-set", set, "an option of the endpoint, NAME=VALUE (repeatable): api, parallel, retries, timeout_s, api_key_env, extra … (as in a recipe)");
  }
  bool given() const { return !url.empty(); }
  // `model`: its name there; empty: the only one that the server lists. Throws UsageError.
  const endpoint::EndpointGeneratorOptions& settle(const std::string& model) {
    std::vector<std::string> assignments = set;
    assignments.push_back("url=" + url);
    config::apply(assignments, options);
    if (!model.empty()) options.endpoint.model = model;
    return options;
  }
  void refuse_without_url(const std::string& prefix) const {
    if (!given() && !set.empty()) throw UsageError(prefix + "-set needs " + prefix, "", "name the server: " + prefix + " http://localhost:8000/v1");
  }
};

}  // namespace foil::app
