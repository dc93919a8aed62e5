// Rounds of self-training, as stages: sample, (reflect,) fine-tune the base model, check on held-out problems.
//
//   ReST^EM (Singh et al. 2023, arXiv 2312.06585): each round samples the latest model, keeps verified samples, at most so many a problem,
//   and fine-tunes the *base* model on them and nothing else. The rounds end when a held-out share of the training problems is no longer
//   solved better; the best round's model is the result.
//   Re-ReST (arXiv 2406.01495): a reflector rewrites wrong samples given feedback; rewrites that are verified join the training set. The
//   reflector is trained on (wrong, feedback, right) triples of the same round's samples; nothing is reflected on at test time.
//
//   samples/self1.jsonl, samples/reflected1.jsonl, models/self1, …; models/self: the best round. Feedback names what the verifier saw, and the
//   first bad step where steps were valued; it never names the gold answer.
#pragma once
#include <string>
#include <vector>

#include "pipeline/run.h"

namespace foil::pipeline {

void self_training_stages(const Recipe& recipe, std::vector<Stage>& out);

// Held out: by a hash of the id, so that it does not move when problems are added.
bool is_held_out(const std::string& problem_id, double share, uint64_t seed);

// What the reflector is told about a wrong sample.
std::string feedback_of(const Sample& sample);

// {problem}, {solution} and {feedback} filled in once each, whatever the texts hold.
std::string reflection_request(const std::string& text, const Problem& problem, const Sample& sample);

// Right, finished samples with different texts, at most `per_problem` of a problem, chosen by the seed; `more` (verified rewrites) count as
// well. In order of problem id and text, whatever order the samples come in.
std::vector<Sample> kept_samples(const std::vector<Sample>& samples, const std::vector<Sample>& more, int64_t per_problem, uint64_t seed);

}  // namespace foil::pipeline
