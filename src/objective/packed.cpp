#include "objective/packed.h"

#include "base/error.h"

namespace foil::objective {

at::Tensor sequence_sum(const at::Tensor& values, const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask) {
  FOIL_CHECK(values.dim() == 1 && sequence.sizes() == values.sizes(), "values [{}], sequence [{}]", values.numel(), sequence.numel());
  const at::Tensor kept = mask.defined() ? values.masked_fill(mask.logical_not(), 0) : values;
  return at::zeros({sequences}, values.options().requires_grad(false)).index_add(0, sequence, kept);
}

at::Tensor sequence_length(const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask) {
  return sequence_sum(at::ones(sequence.sizes(), sequence.options().dtype(at::kFloat)), sequence, sequences, mask);
}

at::Tensor sequence_mean(const at::Tensor& values, const at::Tensor& sequence, int64_t sequences, const at::Tensor& mask) {
  const at::Tensor length = sequence_length(sequence, sequences, mask).to(values.scalar_type());
  return sequence_sum(values, sequence, sequences, mask) / length.clamp_min(1);
}

at::Tensor position_in_sequence(const at::Tensor& sequence, int64_t sequences) {
  const at::Tensor order = at::argsort(sequence, /*stable=*/true, 0, /*descending=*/false);
  const at::Tensor length = at::bincount(sequence, {}, sequences);
  const at::Tensor start = length.cumsum(0) - length;
  const at::Tensor place = at::arange(sequence.numel(), sequence.options()) - start.index_select(0, sequence.index_select(0, order));
  return at::empty_like(sequence).index_copy_(0, order, place);
}

}  // namespace foil::objective
