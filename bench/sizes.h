// Sizes of the workloads, one place for foil and its peers (they reach the peers through workload.json).
#pragma once
#include <cstddef>

namespace foil::bench {

inline constexpr size_t kGroups = 8, kSamples = 8, kNewTokens = 128;  // grouped rollouts
inline constexpr size_t kContext = 128, kPrefill = 512;               // decode figures start behind a context of so many tokens
inline constexpr size_t kRecords = 8;                                 // examples or pairs of a training step
inline constexpr size_t kWarmSteps = 1, kTimedSteps = 1;              // over the same records
inline constexpr size_t kMicroBatchTokens = 2400;                     // of a forward and backward pass: memory against a little speed
inline constexpr size_t kGrpoMicroBatchTokens = 4800;                  // the whole step: the sampler's activations are kept
inline constexpr size_t kGrpoGroups = 4;                              // × kSamples × kNewTokens, one step
inline constexpr size_t kRejectedOffset = 1000;                       // pair i is rejected with the solution of problem i + 1000

}  // namespace foil::bench
