// The five plain records that carry everything between stages. JSON spelling = struct spelling; the JSON form is public.
//
// Absent optional fields are left out of the JSON. Unknown JSON fields are kept in `extra` and written back.
// from_json throws Error naming the field (the JSONL reader adds file, line and column).
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace foil {

using Json = nlohmann::json;

// A question with a checkable answer.
struct Problem {
  std::string id;
  std::string problem;
  std::string answer;
  std::optional<std::string> solution;  // a reference worked solution
  std::optional<std::string> subject;
  std::optional<std::string> level;     // numbers in a file are read as text
  Json extra = Json::object();
};

// A segment of a sample: character (byte) offsets into Sample::text, [begin, end).
struct Step {
  int64_t begin = 0, end = 0;
  std::optional<bool> correct;
  std::optional<double> score;
};

enum class Finish { kStop, kLength, kError };  // "stop", "length", "error"

// One completion of one problem.
struct Sample {
  std::string problem_id;
  int64_t sample_id = 0;                 // index within (problem, source)
  std::string source;                    // who made it: "policy", "generator", "endpoint:NAME", …
  std::string text;                      // the completion, without the prompt and without the end token
  std::vector<int32_t> token_ids;        // completion tokens, end token included when one was sampled
  std::vector<float> logprobs;           // one per token_ids: log-probability under the distribution it was sampled from
  Finish finish_reason = Finish::kStop;
  std::optional<std::string> answer;     // the final answer as extracted
  std::optional<bool> correct;           // verdict; absent: not verified or unreadable
  std::map<std::string, double> scores;  // reward term or scorer → value
  std::optional<double> reward;
  std::vector<Step> steps;
  Json extra = Json::object();
};

struct Message {
  std::string role, content;
};

// One preference in the Hugging Face form. Plain: prompt/chosen/rejected are text. Conversational: lists of messages.
struct Pair {
  std::string prompt, chosen, rejected;            // plain form
  std::vector<Message> prompt_messages;            // conversational form when not empty: chosen/rejected are the one assistant message
  std::vector<std::string> more_rejected;          // further negatives (K > 1), best first; JSON "rejected_more"
  std::string problem_id;
  std::optional<double> margin, weight;
  std::map<std::string, std::string> provenance;   // {"chosen": source#sample_id, "rejected": source#sample_id}
  std::map<std::string, double> scores;            // e.g. chosen_reward_model, rejected_judge
  Json extra = Json::object();
};

// One line of the run log.
struct Metric {
  double time = 0;  // seconds since the epoch
  std::string stage;
  int64_t step = 0;
  std::string name;
  double value = 0;
};

void to_json(Json& j, const Problem& x);
void from_json(const Json& j, Problem& x);
void to_json(Json& j, const Step& x);
void from_json(const Json& j, Step& x);
void to_json(Json& j, const Sample& x);
void from_json(const Json& j, Sample& x);
void to_json(Json& j, const Message& x);
void from_json(const Json& j, Message& x);
void to_json(Json& j, const Pair& x);
void from_json(const Json& j, Pair& x);
void to_json(Json& j, const Metric& x);
void from_json(const Json& j, Metric& x);

}  // namespace foil
