// Spellings that are set right before the grammar reads them: phrases and shorthands whose parts mean something else on their own.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace foil::verify {

// "3 out of 8" → \frac{3}{8}, "1 to 3" → 1:3, "1.2(34)" → 1.2\overline{34}, "<1, 2>" → ⟨1, 2⟩, {1,3}\cup{2,4} → \{1,3\}\cup\{2,4\},
// \frac{\text{m}}{\text{s}} → \text{m/s}, "all real numbers except 3" → ℝ∖{3}, "36 in total" → 36, {}_5C_2 → \binom{5}{2}, [1, 2]^T → [1, 2],
// \text{A and B} → A, B, 25 \text{ (mod } 26) → 25 \pmod{26}. nullopt: nothing of the kind.
std::optional<std::string> respelt(std::string_view s);

// "2.5 million dollars" → "2500000 dollars", "5 dozen eggs" → "12 \cdot 5 eggs". The word is also a unit that may be left out ("in millions: 2.5"): `power` tells which it was.
std::optional<std::string> with_large_number_written_out(std::string_view s, int& power);

}  // namespace foil::verify
