#include "pch_core.h"
