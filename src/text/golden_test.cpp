// Ids and decoded texts against the `tokenizers` package: tests/golden/text/make_tokenizer_goldens.py.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/tokenizer.h"

namespace foil::text {
namespace fs = std::filesystem;
using Json = nlohmann::json;

static const fs::path kGolden = "tests/golden/text";

static uint32_t crc32(const void* data, size_t bytes, uint32_t crc) {
  static const auto table = [] {
    std::array<uint32_t, 256> t;
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int k = 0; k < 8; ++k) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0xEDB88320u : 0);
    }
    return t;
  }();
  crc = ~crc;
  for (const auto *p = static_cast<const unsigned char*>(data), *end = p + bytes; p < end; ++p) crc = table[(crc ^ *p) & 255] ^ crc >> 8;
  return ~crc;
}

static uint32_t checksum(std::vector<int32_t> ids, uint32_t crc = 0) {
  ids.push_back(-1);
  return crc32(ids.data(), ids.size() * sizeof(int32_t), crc);
}

static void check_torture(const Tokenizer& t, const Json& golden) {
  std::istringstream lines(read_file(kGolden / "torture.jsonl"));
  std::string line;
  size_t i = 0;
  for (; std::getline(lines, line); ++i) {
    const std::string text = Json::parse(line);
    const auto ids = t.encode(text, true);
    ASSERT_EQ(checksum(ids), golden["torture"][i][0].get<uint32_t>()) << "ids of line " << i + 1 << ": " << line;
    const std::string decoded = t.decode(ids);
    ASSERT_EQ(crc32(decoded.c_str(), decoded.size() + 1, 0), golden["torture"][i][1].get<uint32_t>()) << "text of line " << i + 1 << ": " << line;
  }
  EXPECT_EQ(i, golden["torture"].size());
}

// Problems and solutions of every problem set, in the order of the golden script; empty without the data.
static std::vector<std::string> problem_texts() {
  const char* variable = std::getenv("FOIL_DATA_DIR");
  const fs::path folder = variable ? variable : "../shared/data";
  std::vector<fs::path> files;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const auto& file : files) {
    std::istringstream lines(read_file(file));
    for (std::string line; std::getline(lines, line);) {
      const Json row = Json::parse(line);
      texts.push_back(row.at("problem"));
      texts.push_back(row.contains("solution") && row["solution"].is_string() && !row["solution"].get<std::string>().empty() ? row["solution"] : row.at("answer"));
    }
  }
  return texts;
}

static void check_data(const Tokenizer& t, const Json& golden, const std::vector<std::string>& texts) {
  ASSERT_GE(texts.size(), 20000u);
  ASSERT_EQ((texts.size() + 19) / 20, golden["data"].size()) << "the problem sets are not those of the goldens";
  for (size_t begin = 0; begin < texts.size(); begin += 20) {
    uint32_t crc = 0;
    for (size_t i = begin; i < std::min(begin + 20, texts.size()); ++i) crc = checksum(t.encode(texts[i]), crc);
    ASSERT_EQ(crc, golden["data"][begin / 20].get<uint32_t>()) << "texts " << begin << " to " << begin + 19;
  }
}

class TrainedVocabulary : public ::testing::TestWithParam<const char*> {
 protected:
  Tokenizer tokenizer() const { return Tokenizer::load(kGolden / fmt::format("tokenizer_{}.json", GetParam())); }
  Json golden() const { return Json::parse(read_file(kGolden / fmt::format("golden_{}.json", GetParam()))); }
};

TEST_P(TrainedVocabulary, TortureFile) { check_torture(tokenizer(), golden()); }

TEST_P(TrainedVocabulary, ProblemSets) {
  const auto texts = problem_texts();
  if (texts.empty()) GTEST_SKIP() << "no problem sets (set FOIL_DATA_DIR)";
  check_data(tokenizer(), golden(), texts);
}

INSTANTIATE_TEST_SUITE_P(Rules, TrainedVocabulary, ::testing::Values("gpt2", "smollm", "llama3", "qwen2"), [](const auto& info) { return std::string(info.param); });

class RealVocabulary : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};  // golden, folder of the models

TEST_P(RealVocabulary, TortureFileAndProblemSets) {
  const auto [name, folder] = GetParam();
  const char* variable = std::getenv("FOIL_MODELS_DIR");
  const fs::path models = fs::path(variable ? variable : "../models") / folder;
  fs::path file;
  if (fs::is_directory(models))
    for (const auto& entry : fs::directory_iterator(models))
      if (entry.path().extension() == ".gguf") file = entry.path();
  if (file.empty()) GTEST_SKIP() << "no .gguf file in " << models << " (tests/fetch_models.sh, FOIL_MODELS_DIR)";
  if (!fs::exists(kGolden / fmt::format("golden_{}.json", name))) GTEST_SKIP() << "no golden for " << name << " yet (make_tokenizer_goldens.py)";
  const Tokenizer t = Tokenizer::load(file);
  const Json golden = Json::parse(read_file(kGolden / fmt::format("golden_{}.json", name)));
  check_torture(t, golden);
  const auto texts = problem_texts();
  if (texts.empty()) GTEST_SKIP() << "no problem sets (set FOIL_DATA_DIR)";
  check_data(t, golden, texts);
  // Saved as a Hugging Face folder it is the same tokenizer.
  const fs::path saved = fs::path(::testing::TempDir()) / fmt::format("foil_saved_{}", name);
  t.save(saved);
  const Tokenizer again = Tokenizer::load(saved);
  EXPECT_EQ(again.fingerprint(), t.fingerprint());
  EXPECT_EQ(again.chat_template(), t.chat_template());
  EXPECT_EQ(again.end_tokens(), t.end_tokens());
  EXPECT_EQ(again.special_tokens(), t.special_tokens());
  fs::remove_all(saved);
}

INSTANTIATE_TEST_SUITE_P(Models, RealVocabulary, ::testing::Values(std::pair{"smollm2", "smollm2"}, std::pair{"qwen2_5", "qwen25coder"}),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace foil::text
