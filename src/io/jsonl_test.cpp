#include "io/jsonl.h"

#include <gtest/gtest.h>

namespace foil {
namespace fs = std::filesystem;

static Error error_of(const std::string& contents) {
  const fs::path path = fs::path(testing::TempDir()) / "rows.jsonl";
  write_file(path, contents);
  try {
    for_each_jsonl(path, [](const nlohmann::json& j) {
      if (!j.contains("a")) throw Error("field \"a\" is missing");
    });
  } catch (const Error& e) {
    return e;
  }
  return Error("none");
}

TEST(Jsonl, NamesLineAndColumn) {
  const std::string path = (fs::path(testing::TempDir()) / "rows.jsonl").string();
  EXPECT_EQ(error_of("{\"a\":1}\n\n{\"a\":}\n{}\n").where(), path + ":3:6");
  EXPECT_EQ(error_of("{\"a\":1}\n{\"b\":1}\n").where(), path + ":2");
  EXPECT_EQ(error_of("{\"a\":1}\n{\"a\":").hint(), "the last line is cut off: its writer was stopped, or the copy is not complete");
  EXPECT_EQ(error_of("\n \n").message(), "the file holds no lines");
  EXPECT_EQ(error_of("{\"a\":1}\r\n{\"a\":2}").message(), "none");
}

TEST(Jsonl, RoundTrips) {
  const fs::path path = fs::path(testing::TempDir()) / "out.jsonl";
  const std::vector<nlohmann::json> rows = {{{"a", 1}}, {{"b", "x\ny"}}};
  write_jsonl(path, rows);
  EXPECT_EQ(read_jsonl<nlohmann::json>(path), rows);
}

}  // namespace foil
