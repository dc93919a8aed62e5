// What a sentence states: the value in it, without what is said about it.
//
// Reads no mathematics of its own: whether a stretch is a value is asked of the reader (reads()).
#pragma once
#include <optional>
#include <string_view>

#include "verify/passages.h"
#include "verify/verify.h"

namespace foil::verify {

// A stretch of the text as an answer; nullopt where only spaces are left of it.
std::optional<Extracted> found(std::string_view text, Span s, const char* rule);

// Is this stretch one readable answer, neither prose nor words?
bool reads(std::string_view text, Span s);

// The stretch without bold marks, quotes and the stop at its end.
Span without_marks(std::string_view text, Span s);

// Three letters in a row, as no product of variables has them.
bool has_word(std::string_view text);

// The value a sentence states: all of it when it is one, what follows "is" or "=", its last formula, its first words if they
// are a value, its last number. A formula that cannot be read is returned as it is, never a number out of it.
Span value_in(std::string_view text, Span s);

// The last "fourteen", "twenty-one" in a sentence; never a bare "one", which is more often a pronoun. Empty: none.
Span written_number(std::string_view text, Span s);

}  // namespace foil::verify
