// Token sequences of one forward pass, laid end to end without padding; a prompt shared by several completions stands once.
//
// A segment attends causally to itself and, when it has a prefix, fully to that earlier segment (which has no prefix of its own).
// Positions continue the prefix's. So a group of G completions is 1 + G segments: the prompt, and G with prefix = its index.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace foil::nn {

struct Segment {
  int64_t begin = 0, end = 0;  // rows of the packed batch
  int32_t prefix = -1;         // index of an earlier segment, or −1
  int64_t length() const { return end - begin; }
};

struct PackedBatch {
  at::Tensor tokens;             // [T] i64
  at::Tensor positions;          // [T] i64
  std::vector<Segment> segments; // contiguous, in order, covering [0, T)
};

// Builds a PackedBatch on the CPU. add() returns the new segment's index.
class BatchPacker {
 public:
  int32_t add(const std::vector<int32_t>& tokens, int32_t prefix = -1);
  int64_t tokens() const { return int64_t(tokens_.size()); }
  PackedBatch build(at::Device device = at::kCPU) const;

 private:
  std::vector<int64_t> tokens_, positions_;
  std::vector<Segment> segments_;
};

}  // namespace foil::nn
