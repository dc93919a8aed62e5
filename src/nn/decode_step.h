// One token of each of many sequences on an accelerator, where launching the kernels of a step takes longer than running them: batches
// are padded to a few fixed shapes, each with tensors of its own, so that its kernels can be recorded once and replayed
// (nn/recorded_work.h). Needs a token-major cache. Holds references to model and cache; the weights may change in place.
#pragma once
#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "nn/decoder.h"
#include "nn/kv_cache.h"
#include "nn/paged_attention.h"
#include "nn/recorded_work.h"
#include "nn/transformer.h"

namespace foil::nn {

class DecodeStep {
 public:
  DecodeStep(const Transformer& model, KvCache& cache);
  static bool applies(const StepBatch& batch);  // one new token of each sequence
  // As Transformer::step: [sequences, hidden]. Valid until the next call.
  at::Tensor run(const StepBatch& batch);

 private:
  struct Shape {
    at::Tensor host, input;              // [3, B] i64: tokens, positions, slots
    at::Tensor host_blocks, blocks;      // [B, 1 + n] i32: length, block table
    at::Tensor out;                      // [B, hidden]
    StepPlaces places;                   // made of the above
    RecordedWork work;
  };
  Shape& shape(int64_t rows, int64_t blocks);

  const Transformer& model_;
  KvCache& cache_;
  Decoder decoder_;
  RotaryTable table_;
  std::map<std::pair<int64_t, int64_t>, Shape> shapes_;
};

}  // namespace foil::nn
