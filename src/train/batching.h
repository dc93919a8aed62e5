// Which records form an update, and how their tokens are laid into forward passes.
//
// Order: every epoch is a shuffle keyed by (seed, epoch); update k takes the records at [k·B, (k+1)·B) of the endless sequence of
// epochs, so that a resumed run needs only k. Micro-batches: the update's records in order, cut where the token budget is full;
// the loss is divided by what the whole update counts, so the cut changes rounding and nothing else.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/packed_batch.h"

namespace foil::train {

enum class TooLong { kSkip, kTruncate, kRefuse };
inline constexpr std::pair<TooLong, const char*> kTooLongNames[] = {{TooLong::kSkip, "skip"}, {TooLong::kTruncate, "truncate"}, {TooLong::kRefuse, "refuse"}};
inline auto& enum_names(TooLong) { return kTooLongNames; }

struct BatchOptions {
  int64_t batch_size = 64;            // records per update
  double epochs = 1;
  int64_t max_steps = 0;              // 0: from epochs
  int64_t micro_batch_tokens = 8192;  // packed tokens of one forward and backward pass
  int64_t max_tokens = 2048;          // prompt and completion of one record
  TooLong too_long = TooLong::kSkip;

  template <class V> void visit(V& v) {
    v("batch_size", batch_size, "records per update of the weights");
    v("epochs", epochs, "passes over the data");
    v("max_steps", max_steps, "stop after so many updates; 0: as epochs says");
    v("micro_batch_tokens", micro_batch_tokens, "tokens in one forward and backward pass; memory grows with it, results change with it only under contrastive terms");
    v("max_tokens", max_tokens, "longest prompt and completion together");
    v("too_long", too_long, "what happens to a record above max_tokens");
  }
  void validate(const std::string& where) const;
};

// Updates that `options` asks for over n records.
int64_t update_count(const BatchOptions& options, int64_t n);

class RecordOrder {
 public:
  // `rank`, one for each record or empty: within an epoch records of a smaller rank come first, equal ones shuffled. `total`: positions
  // that will be asked for; an epoch cut short by it has records of every rank.
  RecordOrder(int64_t n, uint64_t seed, std::vector<double> rank = {}, int64_t total = INT64_MAX) : n_(n), total_(total), seed_(seed), rank_(std::move(rank)) {}
  // Records at positions [begin, end) of the endless sequence of epochs.
  std::vector<int64_t> at(int64_t begin, int64_t end);

 private:
  int64_t n_, total_;
  uint64_t seed_;
  std::vector<double> rank_;
  int64_t epoch_ = -1;
  std::vector<int64_t> permutation_;  // of epoch_
};

// Cuts `records` into runs whose tokens stay within the budget (a record above it stands alone).
std::vector<std::vector<int64_t>> micro_batches(std::span<const int64_t> records, const std::function<int64_t(int64_t)>& tokens, int64_t budget);

// A packed batch of prompts and completions, with the rows whose hidden state predicts each completion token.
struct CompletionBatch {
  nn::PackedBatch packed;
  at::Tensor rows;              // [R] i64: row of `packed` that predicts the token
  at::Tensor targets;           // [R] i64
  at::Tensor sequence;          // [R] i64: completion the token belongs to, ascending
  at::Tensor lengths;           // [N] f32: tokens of each completion
  at::Tensor last_rows;         // [N] i64: row of each completion's last token, for sequence scores; [0] where those are left out
  int64_t completions() const { return lengths.size(0); }
};

// A completion's last token is predicted and predicts nothing: only who reads what the model makes of it needs its row.
enum class LastTokens { kPacked, kLeftOut };

class CompletionPacker {
 public:
  explicit CompletionPacker(LastTokens last = LastTokens::kPacked) : last_(last) {}
  // A prompt that several completions share; at least one token. Returns its handle.
  int32_t prompt(const std::vector<int32_t>& tokens);
  // Index of the completion. Its first token is predicted by the prompt's last. At least one token.
  int32_t completion(int32_t prompt, const std::vector<int32_t>& tokens);
  int64_t tokens() const { return packer_.tokens(); }
  CompletionBatch build(at::Device device = at::kCPU) const;

 private:
  LastTokens last_;
  nn::BatchPacker packer_;
  std::vector<int64_t> prompt_last_row_;
  std::vector<int32_t> prompt_segment_;
  std::vector<int64_t> rows_, targets_, sequence_, last_rows_;
  std::vector<float> lengths_;
};

}  // namespace foil::train
