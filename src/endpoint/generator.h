// Samples from an OpenAI-compatible server: the Generator seam over HTTP.
//
// One request a sample unless samples_per_request says otherwise, with a seed made of (seed, problem_id, sample_id), so that a sample
// does not depend on order or parallelism as far as the server keeps its promise about seeds. A server that returns fewer choices
// than asked for is asked again. Reasoning that the server splits off is kept in Sample::extra["reasoning"].
#pragma once
#include <memory>
#include <utility>

#include "data/generator.h"
#include "endpoint/client.h"

namespace foil::endpoint {

enum class Api { kChat, kCompletions };
inline constexpr std::pair<Api, const char*> kApiNames[] = {{Api::kChat, "chat"}, {Api::kCompletions, "completions"}};
inline auto& enum_names(Api) { return kApiNames; }

struct EndpointGeneratorOptions {
  EndpointOptions endpoint;
  Api api = Api::kChat;
  int64_t samples_per_request = 1;
  double deadline_s = 0;
  bool send_seed = true;
  bool token_ids = false;
  bool logprobs_as_sampled = false;
  template <class V>
  void visit(V& v) {
    endpoint.visit(v);
    v("api", api, "chat: /chat/completions with messages, the server renders them; completions: /completions with the rendered prompt");
    v("samples_per_request", samples_per_request, "choices asked for in one request; above 1 the seed is shared by them");
    v("deadline_s", deadline_s, "seconds for all samples of a stage; 0: none");
    v("send_seed", send_seed, "send a seed with every request");
    v("token_ids", token_ids, "ask vLLM for token ids, so that samples can be trained on as they were sampled");
    v("logprobs_as_sampled", logprobs_as_sampled, "the server's log-probabilities are after temperature and truncation (vLLM: --logprobs-mode processed_logprobs)");
  }
  void validate(const std::string& where) const;
};

class EndpointGenerator : public Generator {
 public:
  explicit EndpointGenerator(EndpointGeneratorOptions options);
  // Errors: the first one that would meet every request (endpoint down, key, model, a prompt too long) ends the call when the requests
  // under way are done; others are kept until all that can be had is there. Whatever finished was given to on_sample before.
  // Token ids and log-probabilities are kept where both came, one each a token, and the log-probabilities are those of the sampling
  // distribution (temperature 1 and no truncation, or logprobs_as_sampled); otherwise extra["mean_logprob"] when there were any.
  std::vector<Sample> generate(const GenerateRequest& request, const std::function<void(const Sample&)>& on_sample = {}) override;
  std::string describe() const override;
  EndpointClient& client() { return client_; }

 private:
  Json body_of(const GenerateRequest& request, const Prompt& prompt, int64_t first_sample, int64_t count, const std::string& model) const;
  Sample sample_of(const Json& choice, const Json& answer, const GenerateRequest& request, const Prompt& prompt, int64_t sample_id) const;

  EndpointGeneratorOptions options_;
  EndpointClient client_;
};

// What is wrong with a chat or completions answer, "" for nothing. Public for the fuzz target.
std::string check_answer(const Json& answer, Api api);

}  // namespace foil::endpoint
