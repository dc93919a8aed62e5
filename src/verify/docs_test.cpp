// Executes the tables of docs/verify.md: gold, text, verdict, rule.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "verify/verify.h"

namespace foil::verify {
namespace {

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  std::string cell;
  for (size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
      cell += '|';
      ++i;
    } else if (line[i] == '|') {
      const size_t begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
      cell = begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1);
      if (cell.size() >= 2 && cell.front() == '`' && cell.back() == '`') cell = cell.substr(1, cell.size() - 2);
      out.push_back(cell);
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  return out;
}

Options with(const std::string& name) {
  Options o;
  if (name == "percent_is_fraction=false") o.percent_is_fraction = false;
  else if (name == "units_optional=false") o.units_optional = false;
  else if (name == "round_to_gold=false") o.round_to_gold = false;
  else if (name == "ordered_tuples=false") o.ordered_tuples = false;
  else ADD_FAILURE() << "unknown option " << name;
  return o;
}

TEST(VerifyDocs, EveryExampleLineIsTrue) {
  std::ifstream in("docs/verify.md");
  ASSERT_TRUE(in) << "docs/verify.md is missing";
  std::string line, header;
  int rows = 0;
  while (std::getline(in, line)) {
    if (line.rfind("| ", 0) != 0) {
      if (line.rfind("|--", 0) != 0) header.clear();
      continue;
    }
    if (header.empty()) {
      header = line;
      continue;
    }
    const std::vector<std::string> c = cells(line);
    Verdict v;
    size_t at = 0;
    if (header == "| gold | answer | verdict | rule |") {
      ASSERT_EQ(c.size(), 4u) << line;
      v = check(c[0], c[1]);
    } else if (header == "| option | gold | answer | verdict | rule |") {
      ASSERT_EQ(c.size(), 5u) << line;
      v = check(c[1], c[2], with(c[0]));
      at = 1;
    } else {
      continue;
    }
    ++rows;
    EXPECT_EQ(to_string(v.outcome), c[at + 2]) << line << "\n  gold: " << v.gold_read << "\n  answer: " << v.answer_read << "\n  " << v.note;
    EXPECT_EQ(v.rule, c[at + 3]) << line;
  }
  EXPECT_GE(rows, 150);
}

}  // namespace
}  // namespace foil::verify
