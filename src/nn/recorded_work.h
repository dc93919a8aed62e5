// Work on fixed tensors that is done again and again: on CUDA recorded as a graph once it has proved worth it, then replayed with one
// launch. Elsewhere it just runs.
//
// The work must read and write the same memory each time and ask the host for nothing (no .item(), no copies between devices).
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace foil::nn {

class RecordedWork {
 public:
  RecordedWork();
  ~RecordedWork();
  RecordedWork(RecordedWork&&) noexcept;
  void run(at::Device device, const std::function<void()>& work);

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
  [[maybe_unused]] int64_t runs_ = 0;
};

}  // namespace foil::nn
