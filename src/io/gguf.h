// GGUF files (llama.cpp's model format, versions 2 and 3): metadata, tensors, dequantisation to f32. Reading only.
//
// The file is mapped; every size is checked when it is opened. Tensor names and the layout of weights are the writer's: see
// nn/load.cpp for the map to Hugging Face names.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "io/mapped_file.h"

namespace foil::io {

// Numbers are widened; a u64 above 2⁶³ is refused.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

enum class GgmlType : uint32_t {
  kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ4_1 = 3, kQ5_0 = 6, kQ5_1 = 7, kQ8_0 = 8, kQ4_K = 12, kQ5_K = 13, kQ6_K = 14, kBF16 = 30
};
const char* name_of(GgmlType type);

struct GgufTensor {
  GgmlType type;
  std::vector<int64_t> shape;  // outermost first, as in PyTorch (the file has it reversed)
  std::span<const std::byte> data;
  int64_t elements() const;
};

class GgufFile {
 public:
  // Throws Error naming the file (and key or tensor): not GGUF, truncated, unknown version, unsupported tensor type.
  explicit GgufFile(const std::filesystem::path& path);
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

  // Null when there is no such key; Error when it has another type. integer() takes whole numbers only, number() both.
  std::optional<std::string> string(const std::string& key) const;
  std::optional<int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;
  std::optional<bool> boolean(const std::string& key) const;
  const std::vector<std::string>* strings(const std::string& key) const;
  const std::vector<int64_t>* integers(const std::string& key) const;
  const std::vector<double>* numbers(const std::string& key) const;

 private:
  template <class T> const T* get(const std::string& key, const char* expected) const;
  std::string path_;
  MappedFile file_;
  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

// Elements a block holds, and its bytes: rows of a tensor are whole blocks.
int64_t block_elements(GgmlType type);
size_t block_bytes(GgmlType type);

// out receives `blocks` blocks; thread-safe. Same numbers, bit for bit, as the reference dequantisation of the gguf package.
void dequantise(GgmlType type, const std::byte* in, int64_t blocks, float* out);

}  // namespace foil::io
