// Answers that a mark sets off: boxes, <answer> tags, "####". The last of its kind counts.
#pragma once
#include <optional>
#include <string_view>

#include "verify/verify.h"

namespace foil::verify {

// The last \boxed{} or \fbox{}; boxes joined by "and", "or" or commas as one enumeration.
std::optional<Extracted> boxed(std::string_view text);

// <answer>…</answer>, and the box or the sentence inside.
std::optional<Extracted> tagged(std::string_view text);

// "#### 18", but no heading "#### Final answer".
std::optional<Extracted> hashed(std::string_view text);

}  // namespace foil::verify
