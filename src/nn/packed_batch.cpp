#include "nn/packed_batch.h"

#include "base/error.h"

namespace foil::nn {

int32_t BatchPacker::add(const std::vector<int32_t>& tokens, int32_t prefix) {
  FOIL_CHECK(!tokens.empty(), "an empty segment");
  FOIL_CHECK(prefix < int32_t(segments_.size()) && (prefix < 0 || segments_[prefix].prefix < 0), "prefix {} of segment {}", prefix, segments_.size());
  const int64_t first = prefix < 0 ? 0 : segments_[prefix].length();
  segments_.push_back({int64_t(tokens_.size()), int64_t(tokens_.size() + tokens.size()), prefix});
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens_.push_back(tokens[i]);
    positions_.push_back(first + int64_t(i));
  }
  return int32_t(segments_.size()) - 1;
}

PackedBatch BatchPacker::build(at::Device device) const {
  const auto n = int64_t(tokens_.size());
  auto tensor = [&](const std::vector<int64_t>& v) {
    at::Tensor t = at::empty({n}, at::kLong);
    std::copy(v.begin(), v.end(), t.mutable_data_ptr<int64_t>());
    return t.to(device);
  };
  return {tensor(tokens_), tensor(positions_), segments_};
}

}  // namespace foil::nn
