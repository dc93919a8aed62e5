#include "train/batching.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/random.h"

namespace foil::train {

void BatchOptions::validate(const std::string& where) const {
  if (batch_size < 1) throw UsageError("batch_size must be at least 1", where);
  if (max_steps < 0) throw UsageError("max_steps must not be negative (0: as epochs says)", where);
  if (epochs <= 0 && max_steps == 0) throw UsageError("epochs must be positive, or max_steps given", where);
  if (micro_batch_tokens < 1) throw UsageError("micro_batch_tokens must be positive", where);
  if (max_tokens < 2) throw UsageError("max_tokens must be at least 2: one for the prompt, one for the completion", where);
}

int64_t update_count(const BatchOptions& o, int64_t n) {
  const auto from_epochs = int64_t(std::ceil(o.epochs * double(n) / double(o.batch_size) - 1e-9));
  return o.max_steps > 0 ? (o.epochs > 0 ? std::min(o.max_steps, std::max<int64_t>(from_epochs, 1)) : o.max_steps) : std::max<int64_t>(from_epochs, 1);
}

std::vector<int64_t> RecordOrder::at(int64_t begin, int64_t end) {
  FOIL_CHECK(n_ > 0 && begin <= end);
  std::vector<int64_t> out;
  for (int64_t i = begin; i < end; ++i) {
    if (i / n_ != epoch_) {
      epoch_ = i / n_;
      permutation_.resize(size_t(n_));
      std::iota(permutation_.begin(), permutation_.end(), int64_t{0});
      Stream(mix64(seed_, uint64_t(epoch_)), "record order").shuffle(permutation_);
      if (!rank_.empty()) std::stable_sort(permutation_.begin(), permutation_.begin() + std::clamp<int64_t>(total_ - epoch_ * n_, 1, n_), [&](int64_t a, int64_t b) { return rank_[size_t(a)] < rank_[size_t(b)]; });
    }
    out.push_back(permutation_[size_t(i % n_)]);
  }
  return out;
}

std::vector<std::vector<int64_t>> micro_batches(std::span<const int64_t> records, const std::function<int64_t(int64_t)>& tokens, int64_t budget) {
  std::vector<std::vector<int64_t>> out;
  int64_t filled = 0;
  for (const int64_t record : records) {
    const int64_t more = tokens(record);
    if (out.empty() || filled + more > budget) out.emplace_back(), filled = 0;
    out.back().push_back(record);
    filled += more;
  }
  return out;
}

int32_t CompletionPacker::prompt(const std::vector<int32_t>& tokens) {
  FOIL_CHECK(!tokens.empty(), "a prompt needs at least one token");
  prompt_segment_.push_back(packer_.add(tokens));
  prompt_last_row_.push_back(packer_.tokens() - 1);
  return int32_t(prompt_segment_.size()) - 1;
}

int32_t CompletionPacker::completion(int32_t prompt, const std::vector<int32_t>& tokens) {
  FOIL_CHECK(!tokens.empty(), "a completion needs at least one token");
  const int64_t begin = packer_.tokens();
  if (last_ == LastTokens::kPacked) packer_.add(tokens, prompt_segment_.at(size_t(prompt)));
  else if (tokens.size() > 1) packer_.add({tokens.begin(), tokens.end() - 1}, prompt_segment_.at(size_t(prompt)));
  for (size_t i = 0; i < tokens.size(); ++i) {
    rows_.push_back(i == 0 ? prompt_last_row_[size_t(prompt)] : begin + int64_t(i) - 1);
    targets_.push_back(tokens[i]);
    sequence_.push_back(int64_t(lengths_.size()));
  }
  lengths_.push_back(float(tokens.size()));
  if (last_ == LastTokens::kPacked) last_rows_.push_back(packer_.tokens() - 1);
  return int32_t(lengths_.size()) - 1;
}

CompletionBatch CompletionPacker::build(at::Device device) const {
  const auto indices = [&](const std::vector<int64_t>& x) { return at::tensor(x, at::kLong).to(device); };
  return {packer_.build(device), indices(rows_), indices(targets_), indices(sequence_), at::tensor(lengths_, at::kFloat).to(device), indices(last_rows_)};
}

}  // namespace foil::train
