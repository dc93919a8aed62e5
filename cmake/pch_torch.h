// Precompiled for the torch rooms: the tensor library and autograd, without torch/torch.h (30 s a file).
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include "pch_core.h"
