#include "nn/recorded_work.h"

#include "base/log.h"

#ifdef FOIL_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace foil::nn {

#ifdef FOIL_CUDA

namespace {
constexpr int64_t kPlainRuns = 4;  // recording costs about two of them
bool recording_fails = false;      // said once; then all runs are plain
}  // namespace

struct RecordedWork::Graph {
  at::cuda::CUDAGraph graph;
};

void RecordedWork::run(at::Device device, const std::function<void()>& work) {
  if (graph_) return graph_->graph.replay();
  if (!device.is_cuda() || recording_fails || ++runs_ <= kPlainRuns) return work();
  auto graph = std::make_unique<Graph>();
  const auto here = c10::cuda::getCurrentCUDAStream(device.index()), side = c10::cuda::getStreamFromPool(false, device.index());
  here.synchronize();
  bool recording = false;
  try {
    c10::cuda::CUDAStreamGuard guard(side);
    work();  // once more, so that libraries have their workspaces for this stream
    recording = true;
    graph->graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    work();
    graph->graph.capture_end();
    recording = false;
  } catch (const c10::Error& e) {
    if (recording) {
      try {
        c10::cuda::CUDAStreamGuard guard(side);
        graph->graph.capture_end();
      } catch (const c10::Error&) {  // the stream is out of recording, which is what was wanted
      }
    }
    recording_fails = true;
    log_warning("CUDA graphs are not used: {}", e.what_without_backtrace());
  }
  side.synchronize();
  if (recording_fails) return work();
  graph_ = std::move(graph);
  graph_->graph.replay();
}

#else

struct RecordedWork::Graph {};

void RecordedWork::run(at::Device, const std::function<void()>& work) { work(); }

#endif

RecordedWork::RecordedWork() = default;
RecordedWork::~RecordedWork() = default;
RecordedWork::RecordedWork(RecordedWork&&) noexcept = default;

}  // namespace foil::nn
