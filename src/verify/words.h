// Words in answers: folding of case, articles and punctuation; number words; months; what opens a remark.
#pragma once
#include <string>
#include <string_view>

#include "verify/expr.h"

namespace foil::verify {

// Lower case, LaTeX and punctuation removed, articles dropped, single spaces. Letters of other alphabets stay.
std::string fold(std::string_view text);

// Folded words in one spelling: "no real solutions" → "no solution", "dne" → "undefined", "all reals" → "all real numbers".
std::string phrase(std::string folded);

// "where", "since", "for all" …: what follows is about the answer, not part of it.
bool opens_remark(std::string_view folded);

// digits (and letters) in base `base`, e.g. "A5", "0.0011"; null when a digit is too large.
const Expr* base_number(Arena& arena, std::string_view digits, int base);

// Days of a date as month*100+day ("June 20", "20 June"), 0 when it is none.
int month_day(std::string_view folded);

}  // namespace foil::verify
