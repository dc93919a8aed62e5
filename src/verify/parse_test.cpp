// What answers are read as: the canonical text of their trees.
#include <gtest/gtest.h>

#include "verify/verify.h"

namespace foil::verify {
namespace {

std::string read(const char* s) {
  const Reading r = parse(s);
  return r.readable() ? r.to_string() : "! " + r.problem();
}

TEST(Parse, Numbers) {
  EXPECT_EQ(read("007"), "7");
  EXPECT_EQ(read("-3.50"), "-7/2");
  EXPECT_EQ(read("1,234,567"), "1234567");
  EXPECT_EQ(read("1{,}234"), "1234");
  EXPECT_EQ(read("11,\\! 111,\\! 111,\\! 100"), "11111111100");
  EXPECT_EQ(read("111, \\! 111, \\! 111"), "111111111");
  EXPECT_EQ(read("32, 349"), "32, 349");
  EXPECT_EQ(read("10,11,12"), "10, 11, 12");
  EXPECT_EQ(read("1 000 000"), "1000000");
  EXPECT_EQ(read("1.234.567,5"), "2469135/2");
  EXPECT_EQ(read("(1,234)"), "(1, 234)");
  EXPECT_EQ(read("0.1\\overline{6}"), "1/6");
  EXPECT_EQ(read("0.\\dot{1}2\\dot{3}"), "41/333");
  EXPECT_EQ(read("0.(3)"), "1/3");
  EXPECT_EQ(read("3\\frac12"), "7/2");
  EXPECT_EQ(read("3\\frac{7}{2}"), "3*(7/2)");
  EXPECT_EQ(read("-1 1/2"), "-3/2");
  EXPECT_EQ(read("-1./3"), "-(1/3)");
  EXPECT_EQ(read("4.5e33").substr(0, 4), "4500");
  EXPECT_EQ(read("152A_{11}"), "152A_11");
  EXPECT_EQ(read("0.0011_{2}"), "0.0011_2");
  EXPECT_EQ(read("19_8"), "! a digit too large for base 8 at byte 3");
  EXPECT_EQ(read("1 2"), "! two numbers in a row at byte 2");
  EXPECT_EQ(read("２５"), "25");
  EXPECT_EQ(read("−½"), "-(1/2)");
}

TEST(Parse, Arithmetic) {
  EXPECT_EQ(read("\\frac12x"), "(1/2)*x");
  EXPECT_EQ(read("1/2x"), "1/2*x");
  EXPECT_EQ(read("-x^2"), "-(x^2)");
  EXPECT_EQ(read("2^{3^2}"), "2^(3^2)");
  EXPECT_EQ(read("2**3"), "2^3");
  EXPECT_EQ(read("x^10"), "x^10");
  EXPECT_EQ(read("e^{-2t}"), "e^(-(2*t))");
  EXPECT_EQ(read("a - b - c"), "a - b - c");
  EXPECT_EQ(read("n!"), "factorial(n)");
  EXPECT_EQ(read("|x|-|y|"), "abs(x) - abs(y)");
  EXPECT_EQ(read("\\left\\lfloor\\log _{2} n\\right\\rfloor+1"), "floor(log(n, 2)) + 1");
  EXPECT_EQ(read("{n \\choose 2}"), "binomial(n, 2)");
  EXPECT_EQ(read("\\sqrt[3]{x}+\\sqrt2"), "root(x, 3) + sqrt(2)");
  EXPECT_EQ(read("600 x 2"), "600*2");
}

TEST(Parse, Functions) {
  EXPECT_EQ(read("2 \\sin 5x \\cos x"), "2*sin(5*x)*cos(x)");
  EXPECT_EQ(read("\\sin^2 t"), "sin(t)^2");
  EXPECT_EQ(read("\\sin^{-1} x"), "arcsin(x)");
  EXPECT_EQ(read("\\ln 2 + 1"), "ln(2) + 1");
  EXPECT_EQ(read("np.arcsin(10/13)"), "arcsin(10/13)");
  EXPECT_EQ(read("xsin(x)"), "x*sin(x)");
  EXPECT_EQ(read("3cosx"), "3*cos(x)");
  EXPECT_EQ(read("f(4-x)"), "f(4 - x)");
  EXPECT_EQ(read("n(n+1)"), "n*(n + 1)");
  EXPECT_EQ(read("\\csc 10"), "csc(10)");
  EXPECT_EQ(read("e^\\pi"), "e^pi");
}

TEST(Parse, Structures) {
  EXPECT_EQ(read("1, 2 \\text{ and } 3"), "1, 2, 3");
  EXPECT_EQ(read("\\{1,2\\}"), "{1, 2}");
  EXPECT_EQ(read("(-\\infty, 3]"), "(-oo, 3]");
  EXPECT_EQ(read("]1,2["), "(1, 2)");
  EXPECT_EQ(read("[0,1) \\cup \\{2\\}"), "[0, 1) U {2}");
  EXPECT_EQ(read("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"), "[[1, 2], [3, 4]]");
  EXPECT_EQ(read("\\begin{vmatrix}1&2\\\\3&4\\end{vmatrix}"), "1*4 - (2*3)");
  EXPECT_EQ(read("\\{x : -1 < x < 1\\}"), "-1 < x < 1");
  EXPECT_EQ(read("x \\in [-2,7]"), "x in [-2, 7]");
  EXPECT_EQ(read("3 \\pm \\sqrt2"), "3 + (+-sqrt(2))");
  EXPECT_EQ(read("\\begin{aligned} S &= 1+2 \\\\ &= 3 \\end{aligned}"), "S = 1 + 2 = 3");
  EXPECT_EQ(read("\\langle 1, 2\\rangle"), "<1, 2>");
}

TEST(Parse, WordsUnitsAndChoices) {
  EXPECT_EQ(read("\\text{Friday}"), "\"friday\"");
  EXPECT_EQ(read("the Ellipse"), "\"ellipse\"");
  EXPECT_EQ(read("15\\mbox{ cm}^2"), "15 1/10000*m^2");
  EXPECT_EQ(read("5 miles per hour"), "5 1397/3125*m s^-1");
  EXPECT_EQ(read("9\\text{ values}"), "9");
  EXPECT_EQ(read("20 floors"), "20");
  EXPECT_EQ(read("840 a week"), "840");
  EXPECT_EQ(read("6th"), "6");
  EXPECT_EQ(read("\\$32,\\!348"), "32348 dollar");
  EXPECT_EQ(read("-\\$0.50"), "(-1/2) dollar");
  EXPECT_EQ(read("12.5\\%"), "(25/2)%");
  EXPECT_EQ(read("90^{\\circ}"), "90 deg");
  EXPECT_EQ(read("20^\\circ\\text{C}"), "20 celsius");
  EXPECT_EQ(read("(C)"), "(C)");
  EXPECT_EQ(read("C. 42"), "(C) 42");
  EXPECT_EQ(read("8\\!:\\!34 \\text{ p.m.}"), "20:34:00");
  EXPECT_EQ(read("\\text{October 30}"), "date 10-30");
  EXPECT_EQ(read("two thirds"), "2/3");
  EXPECT_EQ(read("6m"), "6*m");
  EXPECT_EQ(read("6 m"), "6 m");
}

TEST(Parse, DoubledBackslashesAndDelimiters) {
  EXPECT_EQ(read("\\\\frac{1}{2}"), "1/2");
  EXPECT_EQ(read("$$\\boxed{\\mathbf{2 6}}$$."), "26");
  EXPECT_EQ(read("\\( x \\)"), "x");
  EXPECT_EQ(read("**7**"), "7");
}

TEST(Parse, Refusals) {
  EXPECT_EQ(read("(1, 2"), "! unbalanced brackets at byte 0");
  EXPECT_EQ(read("{1"), "! unbalanced braces at byte 2");
  EXPECT_EQ(read("\\sqrt"), "! something is missing at the end at byte 5");
  EXPECT_EQ(read("1 +"), "! something is missing at the end at byte 3");
  EXPECT_EQ(read(""), "! nothing to read");
  EXPECT_EQ(read("a\xff"), "! invalid UTF-8 at byte 1");
}

}  // namespace
}  // namespace foil::verify
