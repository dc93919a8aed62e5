// Scores over HTTP: the Scorer seam for a reward model served by vLLM or SGLang.
//
//   classify    vLLM   POST /classify    {model, input: [text]}          → data[i].probs     the only one, or number `label`
//   pooling     vLLM   POST /pooling     {model, input: [text]}          → data[i].data      the last number in it
//   score       vLLM   POST /score       {model, text_1: [], text_2: []} → data[i].score     prompt and completion as a pair
//   embeddings  any    POST /v1/embeddings {model, input: [text]}        → data[i].embedding the last number in it
//   sglang      SGLang POST /classify    {model, text: [text]}           → [i].embedding     the only one, or number `label`
//
// `text` is the prompt followed by the completion. /classify applies a sigmoid or softmax unless `activation` is off.
#pragma once
#include <utility>

#include "data/scorer.h"
#include "endpoint/client.h"

namespace foil::endpoint {

enum class ScoreApi { kClassify, kPooling, kScore, kEmbeddings, kSglang };
inline constexpr std::pair<ScoreApi, const char*> kScoreApiNames[] = {{ScoreApi::kClassify, "classify"}, {ScoreApi::kPooling, "pooling"}, {ScoreApi::kScore, "score"},
                                                                      {ScoreApi::kEmbeddings, "embeddings"}, {ScoreApi::kSglang, "sglang"}};
inline auto& enum_names(ScoreApi) { return kScoreApiNames; }

struct EndpointScorerOptions {
  EndpointOptions endpoint;
  ScoreApi api = ScoreApi::kClassify;
  int64_t label = -1;
  bool activation = false;
  int64_t batch = 16;
  template <class V>
  void visit(V& v) {
    endpoint.visit(v);
    v("api", api, "how the server is asked");
    v("label", label, "which of several numbers is the score; -1: there must be one only (pooling, embeddings: the last)");
    v("activation", activation, "classify, pooling: let the server squash the score into 0 to 1");
    v("batch", batch, "texts in one request");
  }
  void validate(const std::string& where) const;
};

class EndpointScorer : public Scorer {
 public:
  explicit EndpointScorer(EndpointScorerOptions options);
  // A batch that the server refuses (a text longer than its context) is asked again one by one; what is refused alone is NaN.
  // Throws EndpointError for everything else that stays wrong.
  std::vector<double> score(std::span<const Scored> items) override;
  std::string describe() const override;

 private:
  std::vector<double> batch(std::span<const Scored> items, const std::string& model, const Limits& limits);
  EndpointScorerOptions options_;
  EndpointClient client_;
};

// The `count` scores of an answer, in order of the items. Returns what is wrong, "" for nothing. Public for the fuzz target.
std::string read_scores(const Json& answer, ScoreApi api, int64_t label, size_t count, std::vector<double>& out);

}  // namespace foil::endpoint
