#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "io/float16.h"
#include "io/safetensors.h"

namespace foil::io {
namespace fs = std::filesystem;

static const char* kGolden = "tests/golden/io/quants.gguf";

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("foil_io_{}", getpid())) { fs::create_directories(path_); }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// Without the flush to disk of write_file.
static void put(const fs::path& path, std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }

static std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Gguf, EveryTypeEqualsTheReferencePackage) {
  const GgufFile file(kGolden);
  const SafetensorsFile expected("tests/golden/io/quants.safetensors");
  ASSERT_EQ(file.tensors().size(), 11u);
  for (const auto& [name, tensor] : file.tensors()) {
    const auto& view = expected.tensors().at(name);
    ASSERT_EQ(tensor.shape, view.shape) << name;
    std::vector<float> ours(size_t(tensor.elements()));
    dequantise(tensor.type, tensor.data.data(), tensor.elements() / block_elements(tensor.type), ours.data());
    EXPECT_EQ(std::memcmp(ours.data(), view.data.data(), view.data.size()), 0) << name;
  }
}

TEST(Gguf, ReadsMetadata) {
  const GgufFile file(kGolden);
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.string("test.text"), "naïve ✓");
  EXPECT_EQ(file.integer("test.whole"), 7);
  EXPECT_EQ(file.integer("test.negative"), -5);
  EXPECT_EQ(file.number("test.number"), 0.5);
  EXPECT_EQ(file.number("test.whole"), 7.0);
  EXPECT_EQ(file.boolean("test.flag"), true);
  EXPECT_THAT(*file.strings("test.words"), testing::ElementsAre("a", "", "ß"));
  EXPECT_THAT(*file.integers("test.numbers"), testing::ElementsAre(1, -2, 3));
  EXPECT_EQ(file.integer("test.absent"), std::nullopt);
  EXPECT_EQ(error_of([&] { file.integer("test.text"); }), std::string(kGolden) + ": test.text: expected a whole number");
}

TEST(Gguf, EveryTruncationIsAnErrorNeverACrash) {
  const Folder folder;
  const std::string whole = read_file(kGolden);
  for (size_t n = 0; n + 32 < whole.size(); n += n < 200 ? 1 : 41) {  // the last bytes may be padding
    put(folder / "cut.gguf", std::string_view(whole).substr(0, n));
    EXPECT_THROW(GgufFile(folder / "cut.gguf"), Error) << n;
  }
}

TEST(Gguf, FlippedBytesNeverCrash) {
  const Folder folder;
  const std::string whole = read_file(kGolden);
  for (size_t i = 0; i < 1500; i += 5) {
    std::string bad = whole;
    bad[i] = char(~bad[i]);
    put(folder / "bad.gguf", bad);
    try {
      const GgufFile file(folder / "bad.gguf");
      for (const auto& [_, t] : file.tensors()) EXPECT_GE(t.elements(), 0);
    } catch (const Error&) {
    }
  }
}

TEST(Safetensors, WritesWhatItReads) {
  const Folder folder;
  const std::vector<float> numbers = {1, 2.5f, -3, 0, 5, 6};
  const std::vector<uint8_t> bytes = {7};
  write_safetensors(folder / "a.safetensors",
                    {{"w", TensorType::kF32, {2, 3}, [&] { return std::as_bytes(std::span(numbers)); }},
                     {"b", TensorType::kU8, {}, [&] { return std::as_bytes(std::span(bytes)); }},
                     {"none", TensorType::kBF16, {0, 4}, [] { return std::span<const std::byte>(); }}});
  const SafetensorsFile file(folder / "a.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.tensors().at("w").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(file.tensors().at("w").data.data(), numbers.data(), 24), 0);
  EXPECT_EQ(file.tensors().at("b").shape, std::vector<int64_t>{});
  EXPECT_EQ(file.tensors().at("none").data.size(), 0u);
}

TEST(Safetensors, MalformedFilesAreErrors) {
  const Folder folder;
  auto with_header = [&](std::string header, const std::string& data = std::string(8, '\0')) {
    uint64_t n = header.size();
    std::string all(8, '\0');
    std::memcpy(all.data(), &n, 8);
    put(folder / "x.safetensors", all + header + data);
    return error_of([&] { SafetensorsFile f(folder / "x.safetensors"); });
  };
  EXPECT_EQ(with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "no error");
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"), testing::EndsWith("w: 8 bytes for a F32 tensor of shape [3]"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})"), testing::HasSubstr("bytes 4 to 12 lie outside"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F9","shape":[2],"data_offsets":[0,8]}})"), testing::HasSubstr("tensor type F9 is not supported"));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,8]}})"), testing::HasSubstr("w: "));
  EXPECT_THAT(with_header(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
              testing::HasSubstr("overlap"));
  EXPECT_THAT(with_header(R"({"w":[1]})"), testing::HasSubstr("malformed entry"));
  EXPECT_THAT(with_header("nonsense"), testing::HasSubstr("not JSON"));
  put(folder / "x.safetensors", "short");
  EXPECT_THAT(error_of([&] { SafetensorsFile f(folder / "x.safetensors"); }), testing::HasSubstr("not a safetensors file: 5 bytes"));
}

TEST(Float16, EveryBitPatternAgreesWithArithmetic) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = int(bits >> 10 & 31), fraction = int(bits & 1023);
    if (exponent == 31) continue;
    const double value = (bits >> 15 ? -1.0 : 1.0) * (exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24));
    ASSERT_EQ(double(from_f16(uint16_t(bits))), value) << bits;
  }
}

}  // namespace foil::io
