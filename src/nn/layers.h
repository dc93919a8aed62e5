// The pieces of a decoder layer, shared by the training forward pass and the cached step. Gradients flow where inputs require them.
#pragma once
#include <ATen/ATen.h>

#include "nn/model_config.h"

namespace foil::nn {

// x [..., n] · rsqrt(mean x² + eps) · weight [n]
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

// silu(gate) · up, any equal shapes
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

// Angle per position of each pair of dimensions, [d/2] f64, Llama 3's frequency scaling applied.
at::Tensor rotary_frequencies(const ModelConfig& config);

// Cosines and sines of rotary positions, [positions, d/2] each, f32: 0 … length − 1.
struct RotaryTable {
  at::Tensor cosine, sine;
};
RotaryTable rotary_table(const ModelConfig& config, int64_t length, at::Device device);

// x [T, heads, d] rotated at positions [T] (Hugging Face's half-split layout).
at::Tensor rotate(const at::Tensor& x, const at::Tensor& positions, const RotaryTable& table);

}  // namespace foil::nn
