#include "io/jsonl.h"

#include <fstream>

namespace foil {
using Json = nlohmann::json;

void for_each_jsonl(const std::filesystem::path& path, const std::function<void(const Json&)>& row) {
  if (std::filesystem::is_directory(path)) throw Error("this is a folder, expected a JSON Lines file", path.string());
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error("cannot open the file", path.string(), "check the path");
  size_t number = 0, rows = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json value;
    try {
      value = Json::parse(line);
    } catch (const Json::parse_error& e) {
      std::string reason = e.what();
      if (const size_t at = reason.find("syntax error"); at != std::string::npos) reason = reason.substr(at);
      const bool torn = in.eof();
      throw Error("not JSON: " + reason, fmt::format("{}:{}:{}", path.string(), number, e.byte),
                  torn ? "the last line is cut off: its writer was stopped, or the copy is not complete" : "one JSON object a line, without line breaks inside");
    }
    try {
      row(value);
    } catch (const Error& e) {
      throw Error(e.message(), fmt::format("{}:{}{}", path.string(), number, e.where().empty() ? "" : " " + e.where()), e.hint());
    } catch (const Json::exception& e) {
      throw Error(e.what(), fmt::format("{}:{}", path.string(), number));
    }
    ++rows;
  }
  if (rows == 0) throw Error("the file holds no lines", path.string(), "expected one JSON object a line");
}

std::string jsonl_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace foil
