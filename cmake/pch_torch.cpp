#include "pch_torch.h"
