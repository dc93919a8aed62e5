// Answers that a sentence announces: "the answer is …", "Answer: …", and the same in other languages.
#pragma once
#include <optional>
#include <string_view>

#include "verify/verify.h"

namespace foil::verify {

// The last announcement that is followed by something; `position`: where its words begin.
std::optional<Extracted> announced(std::string_view text, size_t& position);

}  // namespace foil::verify
