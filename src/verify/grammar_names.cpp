// Tables of names the grammar knows.
#include <algorithm>

#include "verify/grammar.h"

namespace foil::verify {

bool all_digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

const std::unordered_map<std::string_view, Fn>& function_names() {
  static const std::unordered_map<std::string_view, Fn> map = {
      {"sin", Fn::kSin}, {"cos", Fn::kCos}, {"tan", Fn::kTan}, {"tg", Fn::kTan}, {"cot", Fn::kCot}, {"ctg", Fn::kCot}, {"sec", Fn::kSec}, {"csc", Fn::kCsc}, {"cosec", Fn::kCsc},
      {"arcsin", Fn::kAsin}, {"arccos", Fn::kAcos}, {"arctan", Fn::kAtan}, {"arctg", Fn::kAtan}, {"arccot", Fn::kAcot}, {"arcctg", Fn::kAcot}, {"arcsec", Fn::kAsec}, {"arccsc", Fn::kAcsc},
      {"asin", Fn::kAsin}, {"acos", Fn::kAcos}, {"atan", Fn::kAtan}, {"acot", Fn::kAcot}, {"asec", Fn::kAsec}, {"acsc", Fn::kAcsc},
      {"sinh", Fn::kSinh}, {"cosh", Fn::kCosh}, {"tanh", Fn::kTanh}, {"coth", Fn::kCoth}, {"sech", Fn::kSech}, {"csch", Fn::kCsch}, {"sh", Fn::kSinh}, {"ch", Fn::kCosh}, {"th", Fn::kTanh},
      {"asinh", Fn::kAsinh}, {"acosh", Fn::kAcosh}, {"atanh", Fn::kAtanh}, {"arcsinh", Fn::kAsinh}, {"arccosh", Fn::kAcosh}, {"arctanh", Fn::kAtanh}, {"arsinh", Fn::kAsinh}, {"arcosh", Fn::kAcosh}, {"artanh", Fn::kAtanh},
      {"acoth", Fn::kAcoth}, {"arccoth", Fn::kAcoth}, {"asech", Fn::kAsech}, {"acsch", Fn::kAcsch}, {"arcsech", Fn::kAsech}, {"arccsch", Fn::kAcsch},
      {"exp", Fn::kExp}, {"ln", Fn::kLn}, {"log", Fn::kLog}, {"lg", Fn::kLog}, {"abs", Fn::kAbs}, {"floor", Fn::kFloor}, {"ceil", Fn::kCeil}, {"ceiling", Fn::kCeil},
      {"factorial", Fn::kFactorial}, {"gamma", Fn::kGamma}, {"max", Fn::kMax}, {"min", Fn::kMin}, {"gcd", Fn::kGcd}, {"lcm", Fn::kLcm}, {"sgn", Fn::kSign}, {"sign", Fn::kSign},
      {"Re", Fn::kRe}, {"Im", Fn::kIm}, {"arg", Fn::kArg}, {"Arg", Fn::kArg}, {"det", Fn::kDet}, {"sqrt", Fn::kSqrt}, {"cbrt", Fn::kRoot}, {"binom", Fn::kBinomial}, {"binomial", Fn::kBinomial}, {"conjugate", Fn::kConj}};
  return map;
}

// LaTeX commands that are a name: letters of other alphabets and the like.
bool is_symbol_command(std::string_view name) {
  static const std::unordered_map<std::string_view, int> names = {
      {"alpha", 1}, {"beta", 1}, {"gamma", 1}, {"delta", 1}, {"epsilon", 1}, {"varepsilon", 1}, {"zeta", 1}, {"eta", 1}, {"theta", 1}, {"vartheta", 1}, {"iota", 1}, {"kappa", 1}, {"lambda", 1}, {"mu", 1},
      {"nu", 1}, {"xi", 1}, {"rho", 1}, {"varrho", 1}, {"sigma", 1}, {"varsigma", 1}, {"tau", 1}, {"upsilon", 1}, {"phi", 1}, {"varphi", 1}, {"chi", 1}, {"psi", 1}, {"omega", 1}, {"Gamma", 1}, {"Delta", 1},
      {"Theta", 1}, {"Lambda", 1}, {"Xi", 1}, {"Pi", 1}, {"Sigma", 1}, {"Upsilon", 1}, {"Phi", 1}, {"Psi", 1}, {"Omega", 1}, {"hbar", 1}, {"hslash", 1}, {"ell", 1}, {"partial", 1}, {"nabla", 1}, {"aleph", 1}, {"mho", 1},
      {"odot", 1}, {"star", 1}, {"imath", 1}, {"imaginaryI", 1}, {"jmath", 1}, {"wp", 1}, {"bullet", 1}, {"dagger", 1}, {"oplus", 1}, {"otimes", 1}, {"clubsuit", 1}, {"spadesuit", 1}, {"heartsuit", 1}, {"diamondsuit", 1}, {"parallel", 1}, {"perp", 1},
      {"square", 1}, {"Box", 1}, {"ldots", 1}};
  return names.count(name) > 0;
}

bool is_greek_word(std::string_view w) {
  static const std::unordered_map<std::string_view, int> names = {{"alpha", 1}, {"beta", 1}, {"gamma", 1}, {"delta", 1}, {"epsilon", 1}, {"zeta", 1}, {"eta", 1}, {"theta", 1}, {"kappa", 1}, {"lambda", 1}, {"mu", 1},
                                                                 {"nu", 1}, {"xi", 1}, {"rho", 1}, {"sigma", 1}, {"tau", 1}, {"phi", 1}, {"chi", 1}, {"psi", 1}, {"omega", 1},
                                                                 {"Gamma", 1}, {"Delta", 1}, {"Theta", 1}, {"Lambda", 1}, {"Sigma", 1}, {"Phi", 1}, {"Psi", 1}, {"Omega", 1}};
  return names.count(w) > 0;
}

// Two-letter words of English prose; set apart by spaces they are not a product.
bool is_little_word(std::string_view w) {
  if (w.size() != 2) return false;
  static constexpr std::string_view kWords = " is we it to of in so by be an as at he if no on or us do my me go up We It So If In As By To At On An No ";
  return kWords.find(" " + std::string(w) + " ") != std::string_view::npos;
}

bool is_accent(std::string_view c) {
  return c == "dot" || c == "ddot" || c == "hat" || c == "bar" || c == "tilde" || c == "vec" || c == "widehat" || c == "widetilde" || c == "overrightarrow" || c == "overleftrightarrow" || c == "check" || c == "breve" || c == "mathring" ||
         c == "overline" || c == "overarc" || c == "wideparen" || c == "overset" || c == "underset" || c == "stackrel" || c == "overbrace" || c == "underbrace" || c == "oversetarc";
}

}  // namespace foil::verify
