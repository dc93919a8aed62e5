// Per-token values of packed sequences: sums and means by sequence, and the counts a loss is divided by.
//
// Everything in objective/ takes token values as one vector [R] (R: the trained tokens of a micro-batch, end to end, no
// padding) with `sequence` [R] i64 saying whose token it is, 0 ≤ sequence < S. Tokens of a sequence stand in order.
// Pure functions; gradient flows through `values`. Reduction order is fixed on the CPU, so results repeat bit for bit.
#pragma once
#include <ATen/ATen.h>

#include <cstdint>

namespace foil::objective {

// What the losses of one optimiser step are divided by. A loss is the sum over the micro-batch divided by these, so the
// losses (and gradients) of all micro-batches and ranks simply add up to those of the step, however it was split. A zero
// means "this micro-batch is the whole step": the function counts for itself.
struct StepCounts {
  int64_t sequences = 0;      // sequences (pairs, for preference losses) of the step
  int64_t tokens = 0;         // trained tokens of the step (chosen tokens, for the NLL term of preference losses)
  int64_t micro_batches = 0;  // micro-batches of the step, over all ranks
};

// mask: true = the token counts; undefined = all count.
at::Tensor sequence_sum(const at::Tensor& values, const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask = {});    // [S]
at::Tensor sequence_length(const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask = {});                           // [S] f32
at::Tensor sequence_mean(const at::Tensor& values, const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask = {});   // [S], 0 when empty

// Place of each token in its sequence, from 0: [R] i64.
at::Tensor position_in_sequence(const at::Tensor& sequence, int64_t sequences);

}  // namespace foil::objective
